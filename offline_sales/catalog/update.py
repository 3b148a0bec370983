# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import datetime as dt
import json
import logging
import threading
import time
from contextlib import contextmanager
from functools import wraps
from typing import NamedTuple

import filelock

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access

from .. import client, wire
from ..exceptions import (
    CentralError, DiskFull, ResetRefused, Unreachable, UpdateRunning,
    is_disk_full)
from ..moment import Moment
from . import schedule
from .refresh import Refresh

logger = logging.getLogger(__name__)
# Seconds between two notes of the progress
PROGRESS = 1
# How many updates are told to the central at once
TOLD = 50


class Obtained(NamedTuple):
    "The id of an update, and the numbers of rows received and deleted"
    update: int
    rows: int
    deleted: int


def in_words(method):
    """Tell who asks for it that the disk is full

    It may be so already where what begins should be noted.
    """
    @wraps(method)
    def wrapper(*args, **kwargs):
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if is_disk_full(error):
                raise DiskFull() from error
            raise
    return wrapper


class Background(threading.Thread):
    """An update that goes on while its user does something else

    update: its id; error: what it ended with, None if it went well.
    """

    def __init__(self, update, work, lock):
        super().__init__(name=f'offline_sales-update-{update}', daemon=True)
        transaction = Transaction()
        self.update = update
        self.error = None
        self._work = work
        self._lock = lock
        self._database = transaction.database.name
        self._user = transaction.user
        self._context = {
            name: transaction.context[name]
            for name in ['language', 'company', 'companies']
            if name in transaction.context}

    def run(self):
        try:
            with Transaction().start(
                    self._database, self._user, readonly=True,
                    context=self._context):
                self._work(self.update)
        except Exception as error:
            self.error = error
            if not isinstance(error, UserError):
                logger.exception("the update %s failed", self.update)
        finally:
            self._lock.release()


class Update(ModelSQL, ModelView):
    "Update of the Catalogs"
    __name__ = 'offline_sales.update'

    branch = fields.Many2One(
        'offline_sales.branch', "Branch", ondelete='CASCADE', readonly=True)
    user = fields.Many2One('res.user', "User", readonly=True)
    start = Moment("Start", required=True, readonly=True)
    end = Moment("End", readonly=True)
    kind = fields.Selection([
            ('full', "Full"),
            ('delta', "Changes"),
            ], "Kind", required=True, readonly=True, sort=False)
    state = fields.Selection([
            ('running', "Running"),
            ('done', "Done"),
            ('failed', "Failed"),
            ], "State", required=True, readonly=True, sort=False)
    rows = fields.Integer(
        "Rows", readonly=True, help="The rows that were received.")
    rows_total = fields.Integer("Rows to Receive", readonly=True)
    deleted = fields.Integer(
        "Deleted", readonly=True, help="The rows that vanished.")
    bytes = fields.Integer(
        "Bytes", readonly=True, help="The bytes that travelled.")
    models = fields.Text(
        "Rows by Model", readonly=True,
        states={
            'invisible': ~Eval('models'),
            })
    message = fields.Text("Message", readonly=True)
    number = fields.Integer(
        "Number", readonly=True,
        help="The number of the update at the branch.")
    told = fields.Boolean(
        "Told", readonly=True, help="Whether the central knows of it.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('start', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_state(cls):
        return 'running'

    @classmethod
    def default_told(cls):
        return False

    @staticmethod
    def _now():
        return dt.datetime.now()

    _sleep = staticmethod(time.sleep)

    # One at a time

    @classmethod
    @in_words
    def _take_turn(cls):
        """Return the lock of the updates of this database, taken

        Who held it when an update is still running was interrupted.

        :raises UpdateRunning: if another has it
        """
        lock = filelock.FileLock(
            client.lock_path('offline_sales.update'), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise UpdateRunning() from None
        return lock

    @classmethod
    @contextmanager
    def _turn(cls):
        lock = cls._take_turn()
        try:
            yield
        finally:
            lock.release()

    @classmethod
    @without_check_access
    def close_interrupted(cls):
        "Close the updates that a crash has left running"
        try:
            with cls._turn():
                cls._close_interrupted()
        except UpdateRunning:
            return

    @classmethod
    def _close_interrupted(cls):
        with Transaction().new_transaction() as transaction:
            if running := cls.search([
                        ('state', '=', 'running'), ('number', '=', None)]):
                cls.write(running, {
                        'state': 'failed',
                        'end': cls._now(),
                        'message': gettext(
                            'offline_sales.msg_update_interrupted'),
                        })
            transaction.commit()

    # Obtain

    @classmethod
    @without_check_access
    def obtain(cls, send=False, full=False, shared=False):
        """Obtain the catalogs from the central, and return what was obtained

        send: what was done here first; full: every row, not only what
        changed; shared: be content with digests that the central made for
        another branch a moment ago.
        Nothing may have been written in the current transaction: what is
        written here is so in transactions of its own.

        :raises CentralError: if the central did not answer as it should
        """
        with cls._turn():
            return cls._obtain(cls._begin(full), send, full, shared)

    @classmethod
    @without_check_access
    def obtain_in_background(cls, full=False):
        """Begin to send what was done here and to obtain the catalogs, and
        return the Background

        :raises UpdateRunning: if that is being done already
        """
        lock = cls._take_turn()
        try:
            background = Background(
                cls._begin(full),
                lambda update: cls._obtain(update, send=True, full=full),
                lock)
            background.start()
        except BaseException:
            lock.release()
            raise
        return background

    @classmethod
    def reset_in_background(cls):
        """The same, but make everything anew; refused as long as something
        that was done here is not at the central"""
        Document = Pool().get('offline_sales.document')
        with without_check_access():
            pending = Document.search([
                    ('state', 'in', ['pending', 'sent']),
                    ], count=True)
        if pending:
            raise ResetRefused(gettext(
                    'offline_sales.msg_reset_pending', count=pending))
        return cls.obtain_in_background(full=True)

    @classmethod
    @without_check_access
    def obtain_by_schedule(cls):
        "Send and obtain if it is time to"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if not Configuration.is_branch():
            return
        # Begun each minute: what is due before the next waits for its second
        wait = (cls.next_run() - wire.utcnow()).total_seconds()
        if wait >= 60:
            return
        cls._sleep(max(wait, 0))
        # Nobody asks for it: what is told is so in the company's language
        with Transaction().set_context(language=cls._get_language()):
            try:
                cls.obtain(send=True, shared=True)
            except UpdateRunning:
                raise
            except Exception:
                cls._afterwards(cls._notify_failure)
                raise

    @classmethod
    def _get_language(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        branch = Configuration.get_branch()
        if branch and branch.company.party.lang:
            return branch.company.party.lang.code
        return Transaction().language

    # Those of the branch read that a night failed, whoever logs in next

    # The groups of who reads it
    _told_groups = [
        ('res', 'group_admin'),
        ('offline_sales', 'group_offline_sales_admin'),
        ('offline_sales', 'group_offline_sales_branch'),
        ('offline_sales', 'group_offline_sales_responsible'),
        ]

    @classmethod
    @without_check_access
    def _notify_failure(cls):
        "Tell of the last update, which failed, once until it is read"
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        Notification = pool.get('res.notification')
        User = pool.get('res.user')
        with Transaction().new_transaction() as transaction:
            failed = cls.search(
                [('state', '=', 'failed')], order=[('id', 'DESC')], limit=1)
            unread = {n.user.id: n for n in cls._get_unread()}
            notifications = []
            for user in User.search([('groups', 'in', [
                            ModelData.get_id(*group)
                            for group in cls._told_groups])]):
                notification = unread.get(user.id) or Notification(
                    user=user, model=cls.__name__)
                notification.records = json.dumps([u.id for u in failed])
                notification.icon = 'tryton-warning'
                with Transaction().set_context(
                        language=user.language.code if user.language
                        else cls._get_language()):
                    notification.label = gettext(
                        'offline_sales.msg_update_night_failed',
                        moment=cls._get_last_success())
                notification.description = ''.join(
                    u.message or '' for u in failed)
                notifications.append(notification)
            Notification.save(notifications)
            transaction.commit()

    @classmethod
    def _get_last_success(cls):
        "Return the day and hour of the catalogs in words"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Lang = pool.get('ir.lang')
        update, branch = cls.last_success(), Configuration.get_branch()
        if not update:
            return "-"
        zone = branch.get_zone() if branch else dt.timezone.utc
        moment = update.end.replace(tzinfo=dt.timezone.utc).astimezone(zone)
        lang = Lang.get()
        return lang.strftime(moment, f'{lang.date} %H:%M')

    @classmethod
    def _get_unread(cls):
        pool = Pool()
        Notification = pool.get('res.notification')
        return Notification.search([
                ('model', '=', cls.__name__),
                ('unread', '=', True),
                ])

    @classmethod
    def _forget_failure(cls):
        "What was told is over, and who has not read it need not"
        pool = Pool()
        Notification = pool.get('res.notification')
        with Transaction().new_transaction() as transaction:
            if unread := cls._get_unread():
                Notification.delete(unread)
                transaction.commit()

    @classmethod
    def next_run(cls):
        "Return the moment of the next update by schedule, UTC"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        configuration = Configuration(1)
        branch = Configuration.get_branch()
        success, = cls._last_start('done') or [None]
        failure, = cls._last_start('failed') or [None]
        moment = schedule.next_run(
            wire.utcnow().replace(tzinfo=dt.timezone.utc),
            configuration.obtain_time,
            branch.get_zone() if branch else dt.timezone.utc,
            success, failure, schedule.jitter(configuration.uuid))
        return moment.replace(tzinfo=None)

    @classmethod
    def _last_start(cls, state):
        updates = cls.search(
            [('state', '=', state)], order=[('id', 'DESC')], limit=1)
        return [u.start.replace(tzinfo=dt.timezone.utc) for u in updates]

    @classmethod
    @in_words
    def _obtain(cls, update, send=False, full=False, shared=False):
        pool = Pool()
        Stock = pool.get('offline_sales.stock')
        refresh, unsent, begun = None, None, time.monotonic()
        try:
            if send:
                unsent = cls._send()
            with client.Client.from_configuration() as central:
                refresh = Refresh(
                    central, cls._progress(update), full=full, shared=shared)
                central.heartbeat()
                refresh.run()
                Stock.obtain(central)
        except Exception as error:
            cls._afterwards(
                cls._end, update, 'failed', refresh, cls._explain(error))
            raise
        message = cls._tell_done(
            refresh.rows, refresh.deleted, time.monotonic() - begun)
        if unsent:
            message += '\n' + unsent
        cls._end(update, 'done', refresh, message)
        cls._afterwards(cls._forget_failure)
        cls._afterwards(cls._tell)
        return Obtained(update, refresh.rows, refresh.deleted)

    @classmethod
    def _send(cls):
        """Send what was done here, and return in words what was wrong

        The prices need not wait for a document that cannot be sent: what is
        not settled is left alone by what is obtained.
        """
        pool = Pool()
        Document = pool.get('offline_sales.document')
        try:
            Document.send()
        except Unreachable:
            raise
        except Exception as error:
            if is_disk_full(error):
                raise
            logger.exception("what was done here was not sent")
            return gettext('offline_sales.msg_update_unsent',
                error=error.message if isinstance(error, CentralError)
                else type(error).__name__)

    @staticmethod
    def _tell_done(rows, deleted, seconds):
        "Return in words what was obtained"
        lang = Pool().get('ir.lang').get()
        return gettext('offline_sales.msg_update_done',
            rows=lang.format_number(rows),
            deleted=lang.format_number(deleted),
            seconds=lang.format_number(round(seconds, 1), digits=1))

    @staticmethod
    def _afterwards(function, *args):
        "Do what changes nothing of how the update went, if it can be done"
        try:
            function(*args)
        except Exception as error:
            logger.warning(
                "%s after an update: %s", function.__name__,
                type(error).__name__)

    @classmethod
    def _explain(cls, error):
        "Return in words what went wrong here"
        if isinstance(error, CentralError):
            return error.message
        if is_disk_full(error):
            return DiskFull().message
        # Its text may hold what is nobody's business
        return gettext(
            'offline_sales.msg_update_failed', error=type(error).__name__)

    @classmethod
    @in_words
    def _begin(cls, full):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        cls._close_interrupted()
        branch = Configuration.get_branch()
        with Transaction().new_transaction() as transaction:
            first = full or not cls.last_success()
            update, = cls.create([{
                        'branch': branch.id if branch else None,
                        'user': transaction.user or None,
                        'start': cls._now(),
                        'kind': 'full' if first else 'delta',
                        }])
            transaction.commit()
            return update.id

    @classmethod
    def _progress(cls, update):
        noted = None

        def note(received, total):
            nonlocal noted
            now = time.monotonic()
            if noted is None or now - noted >= PROGRESS:
                noted = now
                cls._write(update, rows=received, rows_total=total)
        return note

    @classmethod
    def _end(cls, update, state, refresh, message=None):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        values = {}
        if refresh:
            values.update(
                rows=refresh.rows, rows_total=refresh.total,
                deleted=refresh.deleted, bytes=refresh.client.bytes,
                models=cls._list_models(refresh.by_model))
        if branch := Configuration.get_branch():
            values['branch'] = branch.id
        if state == 'failed':
            logger.warning("the catalogs were not obtained: %s", message)
        cls._write(
            update, state=state, end=cls._now(), message=message, **values)

    @staticmethod
    def _list_models(rows):
        return "\n".join(
            f"{model}: {count}" for model, count in sorted(rows.items())
            if count)

    @classmethod
    def _write(cls, update, **values):
        with Transaction().new_transaction() as transaction:
            cls.write([cls(update)], values)
            transaction.commit()

    @classmethod
    def last_success(cls):
        "Return the update that obtained the catalogs last, None if none did"
        updates = cls.search(
            [('state', '=', 'done')], order=[('id', 'DESC')], limit=1)
        return updates[0] if updates else None

    # The same log at the central

    @classmethod
    def _tell(cls):
        "Tell the central of the updates that it does not know yet"
        with Transaction().new_transaction(readonly=True):
            updates = cls.search([
                    ('told', '=', False), ('state', '!=', 'running'),
                    ], order=[('id', 'DESC')], limit=TOLD)
            entries = [update._get_entry() for update in updates]
        try:
            with client.Client.from_configuration() as central:
                central.call('updates', {'updates': entries}, attempts=1)
        except CentralError as error:
            # It will be told with the next
            logger.warning("the log was not sent: %s", error.message)
            return
        with Transaction().new_transaction() as transaction:
            cls.write(cls.browse(updates), {'told': True})
            transaction.commit()

    def _get_entry(self):
        pool = Pool()
        Link = pool.get('offline_sales.link')
        user = None
        if self.user:
            user = Link.to_wire('res.user', [self.user.id]).get(self.user.id)
        return {
            'number': self.id,
            'user': user,
            **{name: getattr(self, name) for name in ENTRY},
            }

    @classmethod
    def keep_entries(cls, branch, entries):
        """Keep at the central what a branch tells of its updates

        entries: dictionaries of number, user and the names of ENTRY, checked.
        """
        pool = Pool()
        User = pool.get('res.user')
        with Transaction().set_context(active_test=False):
            users = {u.id for u in User.search([
                        ('id', 'in', [e['user'] for e in entries])])}
        known = {u.number: u for u in cls.search([
                    ('branch', '=', branch.id),
                    ('number', 'in', [e['number'] for e in entries]),
                    ('start', 'in', [e['start'] for e in entries]),
                    ])}
        new = []
        for entry in entries:
            values = {**entry, 'branch': branch.id}
            if entry['user'] not in users:
                values['user'] = None
            if update := known.get(entry['number']):
                cls.write([update], values)
            else:
                new.append(values)
        cls.create(new)


# What the central keeps of an update of a branch, and its types
ENTRY = {
    'start': dt.datetime,
    'end': dt.datetime,
    'kind': str,
    'state': str,
    'rows': int,
    'rows_total': int,
    'deleted': int,
    'bytes': int,
    'models': str,
    'message': str,
    }
