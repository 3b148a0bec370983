# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The company of the demo, small, with a password that the tests know"
import dataclasses

from trytond.modules.offline_sales.demo import company, tables

from .process import PASSWORD

__all__ = ['load']


def load(products, customers, today):
    "Load the company and return the ids of what was made, by name"
    made = company.load(
        products=products, customers=customers, today=today,
        passwords={row['login']: PASSWORD for row in tables.read('users')})
    facts = dataclasses.asdict(made)
    del facts['rng']
    return facts
