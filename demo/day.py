# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A day of tickets: what is sold, and what it must come to

The figures are reckoned here from the list of what was sold alone, by the
rates of the taxes, with nothing of Tryton.
"""
import math
import random
from collections import Counter
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from proteus import Model

from .tables import read

CENT = Decimal('0.01')
PRICE = Decimal('0.0001')
BILLS = [Decimal(b) for b in [20, 50, 100, 200, 500, 1000]]


@dataclass
class Line:
    product: dict
    quantity: Decimal

    @property
    def amount(self):
        return _round(self.quantity * self.product['gross_price'], CENT)

    @property
    def base(self):
        "The amount without taxes"
        price = self.product['gross_price'] / _factor(self.product['tax'])
        return _round(self.quantity * _round(price, PRICE), CENT)


@dataclass
class Ticket:
    """card is what is paid by card, tendered the cash that is handed over for
    the rest: what is too much is given back as change"""
    lines: list
    card: Decimal = Decimal(0)
    tendered: Decimal = Decimal(0)

    @property
    def total(self):
        return sum(line.amount for line in self.lines)

    @property
    def change(self):
        return self.card + self.tendered - self.total


def _round(value, exponent):
    return value.quantize(exponent, ROUND_HALF_EVEN)


def _factor(category):
    "By what the taxes of an accounting category multiply a price"
    rates = {row['key']: Decimal(row['rate'] or 0) for row in read('taxes')}
    for row in read('accounting_categories'):
        if row['key'] == category:
            factor = Decimal(1)
            for tax in row['taxes'].split():
                factor *= 1 + rates[tax]
            return factor
    raise KeyError(category)


def plan(products, tickets=20, seed=7):
    """Return the tickets of a day as a list

    Every tax is sold, by the piece and by weight, for cash and by card.
    """
    rng = random.Random(seed)
    groups = {}
    for product in products:
        if product['active'] and product['gross_price']:
            groups.setdefault(
                (product['tax'], product['unit']), []).append(product)
    groups = [groups[key] for key in sorted(groups)]
    result = []
    for number in range(tickets):
        lines = []
        for i in range(rng.randint(2, 5)):
            product = rng.choice(groups[(number * 3 + i) % len(groups)])
            if product in [line.product for line in lines]:
                continue
            lines.append(Line(product, _quantity(product, rng)))
        result.append(_pay(Ticket(lines), number, rng))
    return result


def _quantity(product, rng):
    digits, = [
        int(row['digits']) for row in read('units')
        if row['key'] == product['unit']]
    if digits:
        return _round(
            Decimal(rng.randint(150, 3500)) / 1000, Decimal(10) ** -digits)
    return Decimal(rng.randint(1, 6))


def _pay(ticket, number, rng):
    if number % 4 == 1:
        ticket.card = ticket.total
    elif number % 4 == 3:
        ticket.card = _round(ticket.total * Decimal('0.4'), CENT)
    rest = ticket.total - ticket.card
    if rest:
        bill = rng.choice(BILLS)
        ticket.tendered = math.ceil(rest / bill) * bill
    return ticket


def figures(tickets):
    "Return what the tickets move at the central, as a dictionary of amounts"
    stock, revenue = Counter(), Counter()
    total = base = card = Decimal(0)
    for ticket in tickets:
        card += ticket.card
        for line in ticket.lines:
            total += line.amount
            base += line.base
            revenue[line.product['tax']] += line.base
            if line.product['type'] == 'goods':
                stock[line.product['code']] -= line.quantity
    return {
        'tickets': len(tickets),
        'stock': dict(stock),
        'revenue': dict(revenue),
        'tax': total - base,
        'cash': total - card,
        'card': card,
        }


def sell(config, ticket):
    "Key in the ticket as a cashier does, and return its number"
    Method = Model.get('sale.point.payment.method', config=config)
    Point = Model.get('sale.point', config=config)
    Product = Model.get('product.product', config=config)
    Sale = Model.get('sale.point.sale', config=config)
    methods = {method.cash: method for method in Method.find([])}
    sale = Sale()
    sale.point, = Point.find([])
    for sold in ticket.lines:
        line = sale.lines.new()
        line.product, = Product.find([('code', '=', sold.product['code'])])
        line.quantity = float(sold.quantity)
    sale.save()
    if sale.total != ticket.total:
        raise ValueError(f"the screen says {sale.total}, not {ticket.total}")
    payment = sale.click('pay')
    amounts = [(False, ticket.card), (True, ticket.tendered)]
    if ticket.change:
        amounts.append((True, -ticket.change))
    for cash, amount in amounts:
        if amount:
            payment.form.method = methods[cash]
            payment.form.amount = amount
            payment.execute('pay')
    sale.reload()
    if sale.state != 'done':
        raise ValueError(
            f"the ticket is {sale.state}, to pay {sale.amount_to_pay}")
    return sale.number


def invoice(config, name, ticket):
    """Make a customer of the name and a prefactura of what is on the ticket,
    paid in cash at the counter, as a cashier does

    Return (code of the customer, number and total of the prefactura).
    """
    Method = Model.get('sale.point.payment.method', config=config)
    Party = Model.get('party.party', config=config)
    Payment = Model.get('offline_sales.prefactura.payment', config=config)
    Product = Model.get('product.product', config=config)
    Sale = Model.get('sale.sale', config=config)
    customer = Party(name=name)
    address = customer.addresses.new()
    address.street_name, address.city = "Allende", "Ensenada"
    customer.save()
    sale = Sale(party=customer)
    for sold in ticket.lines:
        line = sale.lines.new()
        line.product, = Product.find([('code', '=', sold.product['code'])])
        line.quantity = float(sold.quantity)
    sale.click('quote')
    payment = Payment(sale=sale)
    payment.method, = Method.find([('cash', '=', True)])
    payment.save()
    sale.click('confirm')
    sale.reload()
    return customer.code, sale.number, sale.total_amount
