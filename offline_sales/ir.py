# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import ModelView, dualmethod
from trytond.pool import Pool, PoolMeta


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection.extend([
                ('offline_sales.document|sweep', "Process Documents"),
                ('offline_sales.document|send_by_schedule', "Send Changes"),
                ('offline_sales.update|obtain_by_schedule',
                    "Send Changes and Obtain Catalogs"),
                ('offline_sales.usage|watch', "Watch the Usage"),
                ])
        cls._notifications.add('offline_sales.update|obtain_by_schedule')

    @dualmethod
    @ModelView.button
    def run_once(cls, crons):
        Catalog = Pool().get('offline_sales.catalog')
        off = Catalog.readonly_crons()
        super().run_once([c for c in crons if c.method not in off])
