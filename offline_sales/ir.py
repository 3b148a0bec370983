# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import ModelView, dualmethod
from trytond.pool import Pool, PoolMeta

from .document.adapter import is_replay


class Queue(metaclass=PoolMeta):
    __name__ = 'ir.queue'

    @classmethod
    def push(cls, name, data, scheduled_at=None, expected_at=None):
        "Leave out the sales that are not, or already, processed here"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if ((data['model'], data['method']) == ('sale.sale', 'process')
                and (is_replay() or Configuration.is_branch())):
            return None
        return super().push(
            name, data, scheduled_at=scheduled_at, expected_at=expected_at)


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
