# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The differential oracle: offline equals online (N3)

A day is drawn from a seed and done twice with the buttons of the screens, over
proteus: directly at a central, and at a branch that sends it afterwards to a
copy of that central. What both leave must be equal. Nothing here knows how a
document is made or done again.
"""
import random
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from proteus import Model, Wizard
from proteus import config as proteus_config
from trytond.transaction import Transaction

from .process import PASSWORD

__all__ = ['Clerk', 'Day', 'Office', 'difference', 'figures']

CENT = Decimal('0.01')
# Where who sells at the register does, by the name of the database
POINTS = {
    'central': "Esperancita en línea",
    'branch': "Esperancita sin internet",
    }


@dataclass
class Ticket:
    """lines are (code, quantity), payments (cash or not, share of what is to
    be paid); tendered is what is handed over too much and given back.

    then: 'done', or 'reopened' where it is opened and done once more, or
    'cancelled' before it is paid.
    """
    lines: list
    card: Decimal
    tendered: Decimal
    then: str


@dataclass
class Transfer:
    type: str
    amount: Decimal


@dataclass
class Cut:
    "The cash is counted and the session closed"


@dataclass
class Day:
    """What is done in a day, drawn from a seed

    acts -- at the counter, in their order
    edits -- at the central, after the sales and before they are sent
    """
    seed: int
    acts: list = field(default_factory=list)
    edits: list = field(default_factory=list)

    @classmethod
    def draw(cls, seed, products, transfer_types, size=8):
        """Return the day of the seed

        products -- {code: digits of the unit}
        """
        day = cls(seed)
        rng = random.Random(seed)
        for _ in range(rng.randint(size // 2, size)):
            kind = rng.choices(
                [day.draw_ticket, day.draw_transfer, day.draw_cut],
                [8, 1.5, 1])[0]
            day.acts.append(kind(rng, products, transfer_types))
        day.acts.append(Cut())
        day.edits = [
            (code, _money(rng, 1, 300))
            for code in rng.sample(sorted(products), rng.randint(0, 2))]
        return day

    @staticmethod
    def draw_ticket(rng, products, transfer_types):
        back = rng.random() < .15
        codes = rng.sample(sorted(products), rng.randint(1, 3))
        lines = []
        for code in codes:
            quantity = (
                rng.randint(1, 4000) / 10 ** products[code]
                if products[code] else rng.randint(1, 5))
            lines.append((code, -quantity if back else quantity))
        if not back and rng.random() < .2:
            # One thing comes back while others are bought
            code, quantity = lines[0]
            lines.append((code, -quantity))
        return Ticket(
            lines, rng.choice([Decimal(0), Decimal('0.37'), Decimal(1)]),
            rng.choice([Decimal(0), _money(rng, 1, 500)]),
            rng.choices(
                ['done', 'reopened', 'cancelled'], [8, 1, 1])[0])

    @staticmethod
    def draw_transfer(rng, products, transfer_types):
        amount = _money(rng, 1, 2000)
        return Transfer(
            rng.choice(transfer_types), rng.choice([amount, -amount]))

    @staticmethod
    def draw_cut(rng, products, transfer_types):
        return Cut()


def _money(rng, least, most):
    return Decimal(rng.randint(least * 100, most * 100)) / 100


class _Person:
    "Who works at a database over HTTP"

    def __init__(self, database, config):
        self.database = database
        self.config = config

    @classmethod
    @contextmanager
    def login(cls, url, database, login):
        with proteus_config.set_xmlrpc_session(
                f'{url}/{database.name}/rpc/', login, PASSWORD) as config:
            yield cls(database, config)

    def get(self, name):
        return Model.get(name, config=self.config)


class Clerk(_Person):
    "Who sells at the one point of sale that the database lets him"

    def __init__(self, database, config):
        super().__init__(database, config)
        Point = self.get('sale.point')
        self.point, = Point.find([
                ('name', '=', POINTS[database.name]),
                ])

    def do(self, day):
        for act in day.acts:
            getattr(self, f'do_{type(act).__name__.lower()}')(act)

    def do_ticket(self, act):
        Sale = self.get('sale.point.sale')
        Product = self.get('product.product')
        sale = Sale()
        sale.point = self.point
        for code, quantity in act.lines:
            line = sale.lines.new()
            line.product, = Product.find([('code', '=', code)])
            line.quantity = quantity
        sale.save()
        if act.then == 'cancelled':
            sale.click('cancel')
            return
        self.pay(sale, act)
        if act.then == 'reopened':
            sale.click('open')
            sale.click('process')

    def pay(self, sale, act):
        if not sale.amount_to_pay:
            sale.click('process')
            return
        for cash, amount in self.get_payments(sale.amount_to_pay, act):
            pay = sale.click('pay')
            pay.form.method = self.get_method(cash)
            pay.form.amount = amount
            pay.execute('pay')
            sale.reload()
            if pay.state != 'end':
                pay.execute('end')

    @staticmethod
    def get_payments(total, act):
        if total < 0:
            return [(True, total)]
        card = (total * act.card).quantize(CENT)
        payments = []
        if card:
            payments.append((False, card))
        if cash := total - card:
            if act.tendered:
                payments.append((True, cash + act.tendered))
                payments.append((True, -act.tendered))
            else:
                payments.append((True, cash))
        return payments

    def get_method(self, cash):
        Method = self.get('sale.point.payment.method')
        method, = Method.find([('cash', '=', cash)])
        return method

    def do_transfer(self, act):
        Transfer = self.get('sale.point.cash.transfer')
        Type = self.get('sale.point.cash.transfer.type')
        transfer = Transfer(point=self.point, amount=act.amount)
        transfer.type, = Type.find([('name', '=', act.type)])
        transfer.save()

    def do_cut(self, act):
        Session = self.get('sale.point.cash.session')
        sessions = Session.find([
                ('point', '=', self.point.id), ('state', '=', 'open')])
        for session in sessions:
            session.end_amount = session.start_amount + session.balance
            session.save()
            session.click('close')


class Office(_Person):
    "Who does at the central what is done there after the sales"

    def edit(self, day):
        Product = self.get('product.product')
        for code, price in day.edits:
            product, = Product.find([('code', '=', code)])
            product.template.gross_price = price
            product.template.save()

    def post(self):
        "Post what the counter has left to be posted"
        for model, states in [
                ('sale.point.sale', ['done']),
                ('sale.point.cash.session', ['closed'])]:
            for record in self.get(model).find([('state', 'in', states)]):
                record.click('post')


def figures(database):
    "Return what the sales of all days left, without an id or a number"
    def read():
        return {
            'stock': _stock(database),
            'accounts': _accounts(database),
            'sales': _sales(database),
            'sessions': _sessions(database),
            }
    return database.run(read)


def _stock(database):
    Move = database.get('stock.move')
    quantities = defaultdict(Decimal)
    for move in Move.search([('state', '=', 'done')]):
        quantity = Decimal(repr(move.internal_quantity))
        for location, sign in [
                (move.from_location, -1), (move.to_location, 1)]:
            quantities[move.product.code, location.name] += sign * quantity
    return {key: value for key, value in quantities.items() if value}


def _accounts(database):
    Line = database.get('account.move.line')
    balances = defaultdict(Decimal)
    for line in Line.search([]):
        state = line.move.state
        day = line.move.date
        balances[line.account.code, state, day] += line.debit - line.credit
        for tax in line.tax_lines:
            balances[
                line.account.code, tax.tax.name, tax.type, state, day
                ] += tax.amount
    return {key: value for key, value in balances.items() if value}


def _sales(database):
    Sale = database.get('sale.point.sale')
    counts = defaultdict(int)
    for sale in Sale.search([('state', '!=', 'cancelled')]):
        counts[
            sale.state, sale.date, sale.total, sale.total_tax,
            sale.employee.rec_name,
            tuple(sorted(
                    (l.product.code, l.quantity, l.unit_price)
                    for l in sale.lines)),
            tuple(sorted((p.method.name, p.amount) for p in sale.payments)),
            ] += 1
    return dict(counts)


def _sessions(database):
    "Return the sessions of the registers in their order"
    Session = database.get('sale.point.cash.session')
    found = {}
    for session in Session.search([('previous_session', '=', None)]):
        number = 0
        while session:
            number += 1
            found[number] = (
                session.state == 'posted', session.start_amount,
                session.balance, session.end_amount,
                tuple((
                        t.type.name, t.amount, t.state,
                        t.move.state if t.move else None)
                    for t in session.transfers))
            session = session.next_session
    return found


def difference(online, offline):
    "Return in words where the figures differ first, None where nowhere"
    for what in online:
        for key in sorted(online[what].keys() | offline[what].keys(), key=str):
            ours, theirs = online[what].get(key), offline[what].get(key)
            if ours != theirs:
                return f"{what} {key}: {ours} online, {theirs} offline"
    return None
