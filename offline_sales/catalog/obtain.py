# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.exceptions import UserError
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction
from trytond.wizard import Button, StateTransition, StateView, Wizard

from ..exceptions import UpdateRunning


class _Obtain(Wizard):
    obtain = StateTransition()
    result = StateView(
        'offline_sales.catalog.obtain.result',
        'offline_sales.catalog_obtain_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            Button("Look Again", 'look', 'tryton-refresh', states={
                    'invisible': Eval('state') != 'running',
                    }),
            ])
    look = StateTransition()

    # Seconds after which the user goes on while the update does too
    WAIT = 20
    LOOK = 2

    def transition_obtain(self):
        pool = Pool()
        Update = pool.get('offline_sales.update')
        # No lock is held while the central is asked
        Transaction().commit()
        try:
            background = self._begin(Update)
        except UpdateRunning:
            self.result.update = self._get_running()
            return 'result'
        background.join(self.WAIT)
        if isinstance(background.error, UserError):
            raise background.error
        self.result.update = background.update
        return 'result'

    def _begin(self, Update):
        return Update.obtain_in_background()

    def _get_running(self):
        pool = Pool()
        Update = pool.get('offline_sales.update')
        with Transaction().new_transaction(readonly=True):
            for update in Update.search(
                    [('number', '=', None)],
                    order=[('id', 'DESC')], limit=1):
                return update.id

    def transition_look(self):
        pool = Pool()
        Update = pool.get('offline_sales.update')
        Transaction().commit()
        for _ in range(self.LOOK * 2):
            Update.close_interrupted()
            if self._get_values()['state'] != 'running':
                break
            Update._sleep(.5)
        return 'result'

    def default_result(self, fields):
        return self._get_values()

    def _get_values(self):
        "Return what is to be seen of the update as it is now"
        pool = Pool()
        Update = pool.get('offline_sales.update')
        names = ['state', 'rows', 'rows_total', 'deleted', 'message']
        if not self.result.update:
            return dict.fromkeys(['update', *names])
        with Transaction().new_transaction(readonly=True):
            update = Update(self.result.update)
            values = {name: getattr(update, name) for name in names}
        values['update'] = self.result.update.id
        return values


class Obtain(_Obtain):
    "Obtain Catalogs from the Server"
    __name__ = 'offline_sales.catalog.obtain'
    start = StateView(
        'offline_sales.catalog.obtain.start',
        'offline_sales.catalog_obtain_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Obtain", 'obtain', 'tryton-download', default=True),
            ])


class ObtainStart(ModelView):
    "Obtain Catalogs from the Server"
    __name__ = 'offline_sales.catalog.obtain.start'


class ObtainResult(ModelView):
    "Obtain Catalogs from the Server"
    __name__ = 'offline_sales.catalog.obtain.result'
    update = fields.Many2One('offline_sales.update', "Update", readonly=True)
    state = fields.Selection(
        'get_states', "State", readonly=True, sort=False)
    rows = fields.Integer("Rows Received", readonly=True)
    rows_total = fields.Integer("Rows to Receive", readonly=True)
    deleted = fields.Integer("Rows Deleted", readonly=True)
    message = fields.Text(
        "Message", readonly=True,
        states={
            'invisible': ~Eval('message'),
            })

    @classmethod
    def get_states(cls):
        pool = Pool()
        Update = pool.get('offline_sales.update')
        return Update.fields_get(['state'])['state']['selection'] + [
            (None, "")]


class Reset(_Obtain):
    "Reset Local Base"
    __name__ = 'offline_sales.catalog.reset'
    start = StateView(
        'offline_sales.catalog.obtain.start',
        'offline_sales.catalog_reset_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel', default=True),
            Button("Reset", 'obtain', 'tryton-warning'),
            ])

    def _begin(self, Update):
        return Update.reset_in_background()
