# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What another module may add to the models of a shop"
from trytond.model import ModelSQL, fields
from trytond.pool import PoolMeta


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
