# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What the demo does in the databases themselves: load, look, never change"
import dataclasses
from collections import defaultdict
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from . import company


def load(**arguments):
    "Load the company, and return what was made by name"
    made = dataclasses.asdict(company.load(**arguments))
    del made['rng']
    return made


def set_password(password):
    User = Pool().get('res.user')
    User.write([User(1)], {'password': password})


def figures(company_id, storage):
    """Return what the tickets moved until now at the central: the quantities
    by product code at the location, the balances by account code"""
    return {
        'stock': _stock(company_id, storage),
        'accounts': _balances(company_id),
        }


def _stock(company_id, storage):
    Product = Pool().get('product.product')
    with Transaction().set_context(
            company=company_id, locations=[storage], active_test=False,
            stock_skip_warehouse=True):
        products = Product.search([('type', '=', 'goods')])
        return {
            p.code: Decimal(str(p.quantity)).quantize(Decimal('0.0001'))
            for p in products}


def _balances(company_id):
    Line = Pool().get('account.move.line')
    balances = defaultdict(Decimal)
    for line in Line.search([
                ('move.company', '=', company_id),
                ('move.state', '=', 'posted'),
                ]):
        balances[line.account.code] += line.debit - line.credit
    return dict(balances)


def tickets(point):
    "Return the numbers, dates and states of the tickets of a point"
    Sale = Pool().get('sale.point.sale')
    with Transaction().set_context(_check_access=False):
        return [{
                'number': sale.number,
                'date': sale.date,
                'state': sale.state,
                'move': sale.move.state if sale.move else None,
                'goods': sorted({
                        move.state for line in sale.lines
                        for move in line.moves}),
                'user': sale.create_uid.login,
                'sessions': sorted({
                        p.session.id for p in sale.payments if p.session}),
                } for sale in Sale.search(
                [('point', '=', point)], order=[('number', 'ASC')])]


def sessions(point):
    "Return the cash sessions of a point"
    Session = Pool().get('sale.point.cash.session')
    return [{
            'id': session.id,
            'state': session.state,
            'balance': session.balance,
            } for session in Session.search(
            [('point', '=', point)], order=[('id', 'ASC')])]


def prefactura(company_id, number):
    "Return what has become of the prefactura and its customer"
    pool = Pool()
    Party = pool.get('party.party')
    Sale = pool.get('sale.sale')
    with Transaction().set_context(
            company=company_id, companies=[company_id]):
        sale, = Sale.search([('number', '=', number)])
        party = Party(sale.party.id)
        return {
            'code': party.code,
            'customers': Party.search([
                    ('name', '=', party.name)], count=True),
            'state': sale.state,
            'total': sale.total_amount,
            'invoices': [
                [i.state, i.party.name, i.total_amount]
                for i in sale.invoices],
            'paid': [p.move.state for p in sale.counter_payments],
            'receivable': party.receivable,
            }
