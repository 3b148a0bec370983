# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.wizard import Button, StateTransition, StateView, Wizard


class Obtain(Wizard):
    "Obtain Catalogs from the Server"
    __name__ = 'offline_sales.catalog.obtain'
    start = StateView(
        'offline_sales.catalog.obtain.start',
        'offline_sales.catalog_obtain_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Obtain", 'obtain', 'tryton-download', default=True),
            ])
    obtain = StateTransition()
    result = StateView(
        'offline_sales.catalog.obtain.result',
        'offline_sales.catalog_obtain_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    def transition_obtain(self):
        Update = Pool().get('offline_sales.update')
        obtained = Update.obtain()
        self.result.rows = obtained.rows
        self.result.deleted = obtained.deleted
        return 'result'

    def default_result(self, fields):
        return {
            'rows': self.result.rows,
            'deleted': self.result.deleted,
            }


class ObtainStart(ModelView):
    "Obtain Catalogs from the Server"
    __name__ = 'offline_sales.catalog.obtain.start'


class ObtainResult(ModelView):
    "Obtain Catalogs from the Server"
    __name__ = 'offline_sales.catalog.obtain.result'
    rows = fields.Integer("Rows Received", readonly=True)
    deleted = fields.Integer("Rows Deleted", readonly=True)
