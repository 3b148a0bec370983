# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Documents at the central: done again, in two stages

First everything that needs no lock, which several workers do side by side: the
records with their numbers, the stock moves done, the account moves as drafts.
Then posting, by one at a time and in short transactions, so that who sells at
the central meanwhile is not refused.

What is made of a document and its state are of one transaction, which begins
with the lock of the document. Whoever is killed leaves it as it was, and the
next one takes it up.
"""
import logging
import time
from functools import partial
from itertools import groupby

from sql import Select

from trytond import backend, config
from trytond.exceptions import UserError
from trytond.ir.cron import str2bigint
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, TransactionError

from ..catalog.catalog import CUSTOMER
from ..exceptions import Rejection
from . import durability
from .adapter import REPLAY, Entry
from .origin import CODES, Origins
from .payload import Unreadable

logger = logging.getLogger(__name__)

SWEEP_BUDGET = 240
# The seconds that a transaction is meant to take
PREPARE_TIME = 2
POST_TIME = .1
# Who sells at the central tries for the locks of posting for .2 seconds
POST_PAUSE = .1
RETRIES = 30


class Document(metaclass=PoolMeta):
    __name__ = 'offline_sales.document'

    @classmethod
    def process(cls, branches, budget=None):
        """Process what was received of the branches

        budget: seconds after which nothing new is begun, None for all.
        Each step has a transaction of its own: nothing may have been written
        in the current one.
        """
        deadline = time.monotonic() + (
            float('inf') if budget is None else budget)
        for branch in branches:
            cls._reconsider(branch)
            # What waited may go on after what it waited for
            while cls._prepare_branch(branch, deadline):
                pass
        for company in {b.company for b in branches}:
            cls._post_company(company, deadline)
        cls._compute_costs(deadline)

    @classmethod
    def process_received(cls, documents):
        "The task of the queue"
        cls.process({d.branch for d in documents})

    @classmethod
    def sweep(cls):
        "Process what a crash, or the lack of a worker, left behind"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if Configuration.is_branch():
            return
        cls.process({d.branch for d in cls.search(['OR',
                        ('state', 'in', ['received', 'prepared']),
                        [
                            ('state', '=', 'rejected'),
                            ('reason_code', 'in', CODES),
                            ],
                        ])}, budget=SWEEP_BUDGET)

    # The first stage

    @classmethod
    def _reconsider(cls, branch):
        """Take up again what was rejected for by whom or where it was made,
        if a person has put that right"""
        with Transaction().new_transaction(readonly=True):
            origins = Origins()
            ids = []
            for document in cls.search([
                        ('branch', '=', branch.id),
                        ('state', '=', 'rejected'),
                        ('reason_code', 'in', CODES),
                        ]):
                contents = document.get_repaired()
                try:
                    origins.check(
                        document.branch, contents,
                        cls.get_adapter(document.kind))
                except Rejection:
                    continue
                ids.append(document.id)
        if ids:
            perform(partial(cls._take_up, ids))

    @classmethod
    def _take_up(cls, ids):
        documents = cls.browse(cls.lock_in(ids, 'rejected'))
        for document in documents:
            document.state = 'received'
            document.set_reason(None)
        cls.save(documents)

    @classmethod
    def _prepare_branch(cls, branch, deadline):
        "Return True if something was done and the time is not over"
        done = 0
        most = config.getint('offline_sales', 'batch', default=40)
        for kind in cls.get_kinds():
            last, size = 0, min(10, most)
            while time.monotonic() < deadline:
                ids = cls._get_received_ids(branch, kind, last, size)
                if not ids:
                    break
                last = ids[-1]
                started = time.monotonic()
                done += cls._prepare_ids(kind, ids)
                size = _resize(
                    size, time.monotonic() - started, PREPARE_TIME, most)
        return done and time.monotonic() < deadline

    @classmethod
    def _get_received_ids(cls, branch, kind, last, size):
        with Transaction().new_transaction(readonly=True):
            return [d.id for d in cls.search([
                        ('branch', '=', branch.id),
                        ('kind', '=', kind),
                        ('state', '=', 'received'),
                        ('id', '>', last),
                        ], order=[('id', 'ASC')], limit=size)]

    @classmethod
    def _prepare_ids(cls, kind, ids):
        """Prepare the documents together, but for those at fault

        Return how many are not in the state received any more.
        """
        return cls._bisect(ids, partial(cls._prepare, kind), cls._set_aside)

    @classmethod
    def _bisect(cls, ids, do, set_aside, extras=None):
        """Return the sum of what do(ids) returns

        Each call has a transaction of its own. What is raised is because of
        the document that it names, or of that which is found by halves:
        set_aside(id, rejection) is called instead.
        """
        if not ids:
            return 0
        try:
            return perform(partial(do, ids), extras)
        except (backend.DatabaseOperationalError, _Posting):
            raise
        except Exception as exception:
            fault = getattr(exception, 'document', None)
            bad = fault.id if fault else ids[0]
            if not fault and len(ids) > 1:
                half = len(ids) // 2
                return sum(
                    cls._bisect(part, do, set_aside, extras)
                    for part in [ids[:half], ids[half:]])
            rejection = _get_rejection(exception)
        done = perform(partial(set_aside, bad, rejection))
        return done + cls._bisect(
            [i for i in ids if i != bad], do, set_aside, extras)

    @classmethod
    def _set_aside(cls, id_, rejection):
        ids = cls.lock_in([id_], 'received')
        for document in cls.browse(ids):
            document.reject(rejection)
            document.save()
        return len(ids)

    @classmethod
    def _prepare(cls, kind, ids):
        adapter = cls.get_adapter(kind)
        documents = cls.browse(cls.lock_in(ids, 'received'))
        origins = Origins()
        entries = []
        for document in documents:
            try:
                contents = document.get_repaired()
                origins.check(document.branch, contents, adapter)
            except Unreadable as exception:
                document.reject(
                    Rejection('unreadable', what=str(exception)[:100]))
            except Rejection as rejection:
                document.reject(rejection)
            else:
                entries.append(Entry(document, contents))
        while entries:
            forest = adapter.get_forest(entries)
            ready, waiting = [], []
            for entry, reason in adapter.check(entries, forest):
                if reason is None:
                    ready.append(entry)
                elif isinstance(reason, Rejection):
                    entry.document.reject(reason)
                else:
                    entry.document.wait(reason)
                    waiting.append(entry)
            if not ready:
                break
            cls._replay(adapter, ready, forest)
            # What waited may be of what was just made
            entries = waiting
        cls.save(documents)
        durability.ensure()
        return sum(d.state != 'received' for d in documents)

    @classmethod
    def _replay(cls, adapter, entries, forest):
        pool = Pool()
        Cost = pool.get('offline_sales.document.cost')
        for user, group in groupby(
                sorted(entries, key=_get_user_id), key=_get_user_id):
            group = list(group)
            with Transaction().set_user(user), \
                    Transaction().set_context(cls._get_context(group[0])):
                records = adapter.replay(group, forest)
                Cost.note(adapter.get_stock_moves(records))
            for entry, record in zip(group, records, strict=True):
                document = entry.document
                document.record = str(record)
                if adapter.posted:
                    document.set_reason(None)
                    document.state = 'prepared'
                else:
                    document.finish()
                adapter.conclude(document)

    @classmethod
    def _get_context(cls, entry):
        "Return the context that the cashier would have at the central"
        pool = Pool()
        User = pool.get('res.user')
        document = entry.document
        company = document.branch.company
        context = {
            REPLAY: True,
            '_skip_warnings': True,
            'company': company.id,
            'companies': [company.id],
            }
        user = document.user and User(document.user.id)
        if user:
            if user.language:
                context['language'] = user.language.code
            if user.employee and user.employee.company == company:
                context['employee'] = user.employee.id
        return context

    def reject(self, rejection):
        self.state = 'rejected'
        self.set_reason(rejection)

    def wait(self, reason):
        "Keep in sight what the document waits for, or that it never comes"
        pool = Pool()
        Model = pool.get('ir.model')
        for model, key in reason:
            if model == CUSTOMER and self._is_voided(key):
                self.reject(Rejection('customer_voided'))
                return
        self.set_reason(Rejection('waiting', records=", ".join(sorted(
                        {Model.get_name(model) for model, _ in reason}))))

    def _is_voided(self, customer):
        "Return True if all that the branch said of its customer was voided"
        cls = self.__class__
        return {d.state for d in cls.search([
                    ('branch', '=', self.branch.id),
                    ('kind', '=', 'party'),
                    ('payload', 'like', f'%"key":"{customer}"%'),
                    ('id', '!=', self.id),
                    ])} == {'voided'}

    def finish(self):
        self.state = 'processed'
        self.processed = self._now()
        self.set_reason(self.get_outcome())

    # The second stage

    @classmethod
    def _post_company(cls, company, deadline):
        most = config.getint('offline_sales', 'post_batch', default=100)
        size = min(25, most)
        failed, extras = [], {}
        while ids := cls._get_prepared_ids(company, failed, size):
            started = time.monotonic()
            try:
                cls._bisect(
                    ids, partial(cls._post, company.id),
                    partial(cls._post_failed, failed), extras)
            except _Posting:
                # Who posts now may leave what was prepared since it began
                pass
            else:
                size = _resize(
                    size, time.monotonic() - started, POST_TIME, most)
            if time.monotonic() > deadline:
                break
            time.sleep(POST_PAUSE)

    @classmethod
    def _get_prepared_ids(cls, company, failed, size):
        with Transaction().new_transaction(readonly=True):
            return [d.id for d in cls.search([
                        ('branch.company', '=', company.id),
                        ('state', '=', 'prepared'),
                        ('id', 'not in', failed),
                        ], order=[('id', 'ASC')], limit=size)]

    @classmethod
    def _post(cls, company, ids):
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        cursor.execute(*Select([transaction.database.lock_id(
                        str2bigint(f'{cls.__name__},post,{company}'))]))
        if not cursor.fetchone()[0]:
            raise _Posting()
        documents = cls.browse(cls.lock_in(ids, 'prepared'))
        with transaction.set_context(
                company=company, companies=[company], _skip_warnings=True):
            for kind, group in groupby(
                    sorted(documents, key=lambda d: (d.kind, d.id)),
                    key=lambda d: d.kind):
                cls.get_adapter(kind).post(list(group))
        for document in documents:
            document.finish()
        cls.save(documents)
        return len(documents)

    @classmethod
    def _post_failed(cls, failed, id_, rejection):
        "Keep in sight why what was made could not be posted"
        failed.append(id_)
        for document in cls.browse(cls.lock_in([id_], 'prepared')):
            document.set_reason(rejection)
            document.save()
        return 0


class _Posting(Exception):
    "Another process posts for the company"


def perform(function, extras=None):
    """Return what the function returns in a transaction of its own

    It is begun again with the locks that it asks for, which are added to
    extras, and when another was faster.
    """
    transaction = Transaction()
    extras = {} if extras is None else extras
    queued = len(transaction.tasks)
    for count in range(RETRIES + 1):
        if count:
            time.sleep(min(.02 * count, .3))
        done = False
        try:
            with transaction.reset_context(), transaction.set_user(0), \
                    transaction.new_transaction(**extras) as new:
                try:
                    result = function()
                    done = True
                    return result
                except TransactionError as error:
                    new.rollback()
                    error.fix(extras)
        except backend.DatabaseOperationalError:
            done = False
            if count == RETRIES:
                raise
        finally:
            if not done:
                # What was undone queued nothing
                del transaction.tasks[queued:]
    raise backend.DatabaseOperationalError("too many locks")


def _get_user_id(entry):
    return entry.document.user.id if entry.document.user else 0


def _get_rejection(exception):
    if isinstance(exception, Rejection):
        return exception
    if isinstance(exception, UserError):
        return Rejection('refused', message=exception.message)
    logger.error("a document could not be processed", exc_info=exception)
    return Rejection(
        'fault', message=f'{type(exception).__name__}: {exception}'[:500])


def _resize(size, elapsed, target, most):
    "Return the size of a batch that would have taken the target's seconds"
    factor = min(4, target / max(elapsed, .001))
    return max(1, min(most, int(size * factor)))
