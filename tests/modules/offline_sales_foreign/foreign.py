# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What another module may add to the models of a shop"
from trytond.model import ModelSQL, fields
from trytond.pool import Pool, PoolMeta


class Party(metaclass=PoolMeta):
    __name__ = 'party.party'
    loyalty_card = fields.Char("Loyalty Card")
    # Its XML lets a group of its own read it only
    portal_key = fields.Char("Portal Key")


class Template(metaclass=PoolMeta):
    __name__ = 'product.template'
    bargain = fields.Char("Bargain with the Supplier")


class SaleLine(metaclass=PoolMeta):
    __name__ = 'sale.point.sale.line'
    gift_note = fields.Char("Gift Note")


class PrefacturaLine(metaclass=PoolMeta):
    __name__ = 'sale.line'
    gift_note = fields.Char("Gift Note")


class Shelf(ModelSQL):
    "Shelf"
    __name__ = 'offline_sales_foreign.shelf'
    name = fields.Char("Name", required=True)
    product = fields.Many2One('product.product', "Product")
    # Each database makes its own
    label = fields.Char("Label")


class Catalog(metaclass=PoolMeta):
    __name__ = 'offline_sales.catalog'

    def get_domain(self, context):
        domain = super().get_domain(context)
        if self.model == 'party.category':
            domain = [domain, ('name', 'not like', "Internal%")]
        return domain

    @classmethod
    def applied(cls, models):
        pool = Pool()
        Shelf = pool.get('offline_sales_foreign.shelf')
        super().applied(models)
        if Shelf.__name__ in models:
            for shelf in Shelf.search([]):
                shelf.label = f"*{shelf.name}*"
                shelf.save()
