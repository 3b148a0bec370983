# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import fields
from trytond.pool import PoolMeta


class Company(metaclass=PoolMeta):
    __name__ = 'company.company'

    fiscal_regime = fields.Char(
        "Fiscal Regime",
        help="As it is printed on the tickets, "
        "e.g. 601 General de Ley Personas Morales.")
