# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import datetime as dt
import logging
from typing import NamedTuple

from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..client import Client
from ..exceptions import CentralError
from .refresh import Refresh

logger = logging.getLogger(__name__)
# Rows between two notes of the progress
PROGRESS = 5000


class Obtained(NamedTuple):
    "The id of an update, and the numbers of rows received and deleted"
    update: int
    rows: int
    deleted: int


class Update(ModelSQL, ModelView):
    "Update of the Catalogs"
    __name__ = 'offline_sales.update'

    branch = fields.Many2One(
        'offline_sales.branch', "Branch", ondelete='CASCADE', readonly=True)
    user = fields.Many2One('res.user', "User", readonly=True)
    start = fields.Timestamp("Start", required=True, readonly=True)
    end = fields.Timestamp("End", readonly=True)
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
    message = fields.Text("Message", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('start', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_state(cls):
        return 'running'

    @staticmethod
    def _now():
        return dt.datetime.now()

    @classmethod
    def obtain(cls):
        """Obtain the catalogs from the central, and return what was obtained

        Nothing may have been written in the current transaction: what is
        written here is so in transactions of its own.

        :raises CentralError: if the central did not answer as it should
        """
        update = cls._begin()
        refresh = None
        try:
            with Client.from_configuration() as client:
                refresh = Refresh(client, cls._progress(update))
                refresh.run()
        except CentralError as error:
            cls._end(update, 'failed', refresh, error.message)
            raise
        except Exception as error:
            # Its text may hold what is nobody's business
            cls._end(update, 'failed', refresh, type(error).__name__)
            raise
        cls._end(update, 'done', refresh)
        return Obtained(update, refresh.rows, refresh.deleted)

    @classmethod
    def _begin(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        branch = Configuration.get_branch()
        with Transaction().new_transaction() as transaction:
            update, = cls.create([{
                        'branch': branch.id if branch else None,
                        'user': transaction.user or None,
                        'start': cls._now(),
                        'kind': 'delta' if cls.last_success() else 'full',
                        }])
            transaction.commit()
            return update.id

    @classmethod
    def _progress(cls, update):
        noted = 0

        def note(received, total):
            nonlocal noted
            if received - noted >= PROGRESS:
                noted = received
                cls._write(update, rows=received, rows_total=total)
        return note

    @classmethod
    def _end(cls, update, state, refresh, message=None):
        values = {}
        if refresh:
            values.update(
                rows=refresh.rows, rows_total=refresh.total,
                deleted=refresh.deleted)
        if state == 'failed':
            logger.warning("the catalogs were not obtained: %s", message)
        cls._write(
            update, state=state, end=cls._now(), message=message, **values)

    @classmethod
    def _write(cls, update, **values):
        with Transaction().new_transaction() as transaction:
            cls.write([cls(update)], values)
            transaction.commit()

    @classmethod
    def last_success(cls):
        "Return the update that obtained the catalogs last, None if none did"
        updates = cls.search(
            [('state', '=', 'done')], order=[('end', 'DESC')], limit=1)
        return updates[0] if updates else None
