# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Every kind of ticket comes out at the central as it was at the branch"
from decimal import Decimal

import pytest

from trytond.exceptions import UserError

from .counter import Counter, contents, documents, figures, send
from .test_inbox import Inbox, sessions
from .test_inbox import taxes as posted_taxes


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


def by_tax(counter):
    "Return the code of a product by the taxes that it has"
    codes = {}
    for code, taxes in counter.taxes.items():
        codes.setdefault(tuple(taxes), code)
    return codes


def exclude_taxes(*counters):
    for counter in counters:
        def write(counter=counter):
            Point = counter.get('sale.point')
            Point.write([Point(counter.point)], {'tax_included': False})
        counter.database.run(write)


def told_taxes(shop):
    "Return what the tickets say of the taxes, by name and type"
    names = shop.central.run(lambda: {
            t.id: t.name
            for t in shop.central.get('account.tax').search([])})
    found = {}
    for document in documents(shop.branch, ('kind', '=', 'ticket')):
        for row in contents(document)['totals']['taxes']:
            for type_, amount in [
                    ('base', row['base']), ('tax', row['amount'])]:
                key = names[row['tax']], type_
                found[key] = found.get(key, 0) + amount
    return found


@pytest.mark.parametrize('included', [True, False])
def test_every_tax(shop, counter, included):
    "With returns, decimals, mixed payments and change"
    central = Counter(shop.central, kind='offline')
    if not included:
        exclude_taxes(counter, central)
    codes = by_tax(counter)
    assert {name for names in codes for name in names} >= {
        "IEPS 8 %", "IVA 16 %", "IVA 0 %", "IVA exento"}
    before = posted_taxes(shop.central)
    for code in codes.values():
        counter.sell([(code, 1.1 if counter.digits[code] else 3)])
    heavy, = counter.codes(1, decimals=True)
    for lines, payments in [
            ([(code, 2) for code in codes.values()],
                [('card', '20.05'), ('cash', '5000'), ('cash', None)]),
            ([(code, -1) for code in codes.values()], None),
            ([(heavy, .335), (heavy, -1.005), *(
                (code, 1) for code in codes.values())], [('card', None)])]:
        counter.sell(lines, payments)
    counter.cut()
    send(shop)
    assert {d['state'] for d in documents(shop.central)} == {'processed'}
    assert figures(shop.central, Inbox(shop).offline) == figures(
        shop.branch, [])
    assert sessions(shop.central, central.point)[0][:3] == sessions(
        shop.branch, counter.point)[0][:3]
    told = told_taxes(shop)
    after = posted_taxes(shop.central)
    moved = {
        key: after.get(key, 0) - before.get(key, 0)
        for key in after.keys() | told.keys()}
    tickets = documents(shop.branch, ('kind', '=', 'ticket'))
    for key, amount in told.items():
        # Posting spreads what was printed over what is computed
        assert abs(moved.get(key, 0) - amount) <= Decimal('.05')
    assert sum(a for (_, type_), a in moved.items() if type_ == 'tax') == sum(
        d['tax'] for d in tickets)


def test_customer_of_a_ticket(shop, counter):
    party, = counter.parties(1)
    counter.sell([(counter.codes(1)[0], 1)], party=party)
    counter.sell([(counter.codes(1)[0], 1)])
    send(shop)

    def parties(database):
        def read():
            named = database.get('sale.point.sale').search([
                    ('number', 'like', 'ESP-SI-%')], order=[('id', 'ASC')])
            told = database.get('offline_sales.document').search(
                [('kind', '=', 'ticket')], order=[('id', 'ASC')])
            return [r.party and r.party.name for r in [*named, *told]]
        return database.run(read)
    ours = parties(shop.branch)
    assert ours == parties(shop.central)
    assert ours[:2] == ours[2:] and ours[0] and not ours[1]


def test_cancelled_ticket_whose_card_was_given_back_in_cash(shop, counter):
    "Of what is in the drawer nothing is missing"
    code, = counter.codes(1)
    counter.sell([(code, 2)])
    kept = counter.sell([(code, 1)], [('card', None)])
    counter.button('sale.point.sale', 'open', kept)
    # One that was done before, and one that never was
    tickets = [kept, counter.open([(code, 3)])]
    counter.pay(tickets[1], [('card', None)])
    for ticket in tickets:
        def total(ticket=ticket):
            return shop.branch.get('sale.point.sale')(ticket).total
        counter.pay(ticket, [('cash', -shop.branch.run(total))])
        counter.button('sale.point.sale', 'cancel', ticket)
    again = counter.open([(code, 1)])
    counter.button('sale.point.sale', 'cancel', again)
    counter.button('sale.point.sale', 'open', tickets[1])
    counter.button('sale.point.sale', 'cancel', tickets[1])
    assert [(d['state'], bool(d['number']), bool(d['total']))
        for d in documents(shop.branch, ('kind', '=', 'ticket'))] == [
            ('pending', True, True), ('withdrawn', True, True),
            ('pending', True, False), ('withdrawn', False, False),
            ('pending', False, False)]
    counter.cut()
    send(shop)
    assert [(d['kind'], d['state']) for d in documents(shop.central)] == [
        ('cash_session', 'processed'), *[('ticket', 'processed')] * 3,
        ('cash_cut', 'processed')]

    offline = Inbox(shop).offline

    def read():
        return [
            (s.state, len(s.payments), bool(s.move), bool(s.lines[0].moves))
            for s in shop.central.get('sale.point.sale').search(
                offline, order=[('id', 'ASC')])]
    assert shop.central.run(read) == [
        ('posted', 1, True, True), ('cancelled', 2, False, False),
        ('cancelled', 2, False, False)]
    assert sessions(
        shop.central, Counter(shop.central, kind='offline').point
        )[0][:3] == sessions(shop.branch, counter.point)[0][:3]
    with pytest.raises(UserError):
        counter.button('sale.point.sale', 'open', tickets[0])
