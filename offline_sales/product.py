# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval

from .moment import Moment


class Product(metaclass=PoolMeta):
    __name__ = 'product.product'

    offline_quantity = fields.Function(fields.Float(
            "Quantity at the Branch", digits='default_uom',
            states={
                'invisible': ~Eval('offline_quantity_moment'),
                },
            help="What was on hand when the catalogs were obtained, "
            "without what was sold here since."),
        'get_offline_quantities')
    offline_quantity_moment = fields.Function(Moment(
            "Quantity as of",
            states={
                'invisible': ~Eval('offline_quantity_moment'),
                }),
        'get_offline_quantities')

    @classmethod
    def get_offline_quantities(cls, products, names):
        pool = Pool()
        Stock = pool.get('offline_sales.stock')
        result = {name: dict.fromkeys(map(int, products)) for name in names}
        goods = [p for p in products if p.type != 'service']
        if moment := Stock.get_moment():
            if 'offline_quantity' in names:
                result['offline_quantity'].update(
                    Stock.get_quantities(goods))
            if 'offline_quantity_moment' in names:
                result['offline_quantity_moment'].update(
                    dict.fromkeys(map(int, goods), moment))
        return result

    @classmethod
    def view_attributes(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        at_branch = Configuration.is_branch()
        # The branch has no moves: what it would compute is not so
        return [*super().view_attributes(),
            ('/tree/field[@name="quantity" or @name="forecast_quantity"]',
                'tree_invisible', at_branch),
            ('/tree/field[@name="offline_quantity" '
                'or @name="offline_quantity_moment"]',
                'tree_invisible', not at_branch),
            ]


class OfflineQuantityMixin:
    "A line of what is sold that shows how much there is of its product"
    __slots__ = ()

    offline_quantity = fields.Function(fields.Float(
            "Quantity at the Branch", digits='unit',
            states={
                'invisible': ~Eval('offline_quantity_moment'),
                },
            help="What was on hand when the catalogs were obtained, "
            "without what was sold here since."),
        'on_change_with_offline_quantity')
    offline_quantity_moment = fields.Function(Moment(
            "Quantity as of",
            states={
                'invisible': ~Eval('offline_quantity_moment'),
                }),
        'on_change_with_offline_quantity_moment')

    @classmethod
    def view_attributes(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return [*super().view_attributes(),
            ('/tree/field[@name="offline_quantity"]', 'tree_invisible',
                not Configuration.is_branch()),
            ]

    @fields.depends('product', 'unit')
    def on_change_with_offline_quantity(self, name=None):
        pool = Pool()
        Uom = pool.get('product.uom')
        if (self.product and self.unit
                and self.product.offline_quantity is not None
                and self.product.default_uom.category == self.unit.category):
            return Uom.compute_qty(
                self.product.default_uom, self.product.offline_quantity,
                self.unit)

    @fields.depends('product')
    def on_change_with_offline_quantity_moment(self, name=None):
        return self.product.offline_quantity_moment if self.product else None
