# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The days that a report is of"
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval


class DaysMixin:
    __slots__ = ()

    from_date = fields.Date(
        "From", required=True, domain=[
            ('from_date', '<=', Eval('to_date', None)),
            ])
    to_date = fields.Date(
        "To", required=True, domain=[
            ('to_date', '>=', Eval('from_date', None)),
            ])

    @classmethod
    def default_from_date(cls):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        Date = pool.get('ir.date')
        return Branch.today() or Date.today()

    @classmethod
    def default_to_date(cls):
        return cls.default_from_date()
