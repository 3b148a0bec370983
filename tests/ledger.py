# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What the days of a shop left at the central, to be compared

Without ids, without numbers and without the order of what is done on one day:
these are other ones.
"""
from collections import Counter, defaultdict
from decimal import Decimal

from trytond.transaction import Transaction, inactive_records

__all__ = ['difference', 'figures']


def figures(database):
    "Return {what: {which: figures}} of all that was done"
    @inactive_records
    def read():
        company, = database.get('company.company').search([])
        with Transaction().set_context(language='es', company=company.id):
            return {
                name: dict(reader(database)) for name, reader in READERS}
    return database.run(read)


def difference(online, offline):
    "Return in words where the figures differ first, None where nowhere"
    for what in online:
        for key in sorted(online[what].keys() | offline[what].keys(), key=str):
            ours, theirs = online[what].get(key), offline[what].get(key)
            if ours != theirs:
                return (
                    f"{what}: {key}\n"
                    f"    online:  {ours}\n"
                    f"    offline: {theirs}")
    return None


def _decimal(quantity):
    return Decimal(repr(quantity))


def _name(record):
    return record.rec_name if record else None


def _sorted(rows):
    return tuple(sorted(rows, key=str))


def _sum(rows):
    "Return the sums of (key, amount), but for what is nothing"
    sums = defaultdict(Decimal)
    for key, amount in rows:
        sums[key] += amount
    return {key: amount for key, amount in sums.items() if amount}


def _stock(database):
    "By product and location"
    def rows():
        for move in database.get('stock.move').search(
                [('state', '=', 'done')]):
            quantity = _decimal(move.internal_quantity)
            for location, sign in [
                    (move.from_location, -1), (move.to_location, 1)]:
                yield (move.product.code, location.name), sign * quantity
    return _sum(rows())


def _moves(database):
    "What moved and what is to be moved, by day"
    def rows():
        for move in database.get('stock.move').search([]):
            key = (
                move.product.code, move.from_location.name,
                move.to_location.name, move.state, move.effective_date,
                move.unit_price)
            yield (*key, 'quantity'), _decimal(move.internal_quantity)
            if move.cost_price is not None:
                yield (*key, 'cost'), (
                    _decimal(move.internal_quantity) * move.cost_price)
    return _sum(rows())


def _costs(database):
    Product = database.get('product.product')
    return {p.code: p.cost_price for p in Product.search([])}


def _accounts(database):
    "By account, state, day and who owes it"
    def rows():
        for line in database.get('account.move.line').search([]):
            yield (
                line.account.code, line.move.state, line.move.date,
                line.move.journal.code, _name(line.party),
                bool(line.reconciliation)), line.debit - line.credit
    return _sum(rows())


def _taxes(database):
    def rows():
        for line in database.get('account.tax.line').search([]):
            move = line.move_line.move
            yield (
                line.tax.name, line.type, line.move_line.account.code,
                move.state, move.date, getattr(line, 'on_cash_basis', None),
                _name(getattr(line, 'period', None))), line.amount
    return _sum(rows())


def _tickets(database):
    return Counter((
            sale.state, sale.date, _name(sale.party), _name(sale.employee),
            sale.total, sale.total_tax,
            _sorted(
                (l.product.code, l.quantity, l.unit_list_price,
                    l.unit_gross_price)
                for l in sale.lines),
            _sorted((p.method.name, p.amount) for p in sale.payments))
        for sale in database.get('sale.point.sale').search([
                ['OR',
                    ('state', '!=', 'cancelled'),
                    # Without money it is nothing
                    ('payments', '!=', None),
                    ]]))


def _sessions(database):
    "The sessions of the registers in their order"
    Session = database.get('sale.point.cash.session')
    for session in Session.search([('previous_session', '=', None)]):
        number = 0
        while session:
            number += 1
            yield number, (
                session.state, session.start_amount, session.balance,
                session.end_amount,
                _sorted((
                        t.type.name, t.amount, t.date, t.state,
                        t.move.state if t.move else None)
                    for t in session.transfers))
            session = session.next_session


def _prefacturas(database):
    return Counter((
            sale.state, sale.invoice_state, sale.shipment_state,
            sale.sale_date, sale.quotation_date, _name(sale.party),
            _address(sale.invoice_address), _address(sale.shipment_address),
            _name(sale.payment_term), _name(sale.price_list),
            sale.invoice_method, _name(sale.quoted_by),
            _name(sale.confirmed_by),
            sale.untaxed_amount, sale.tax_amount, sale.total_amount,
            _sorted((
                    l.product.code, l.quantity, l.unit.symbol, l.unit_price,
                    l.amount, _sorted(t.name for t in l.taxes),
                    getattr(l, 'base_price', None))
                for l in sale.lines),
            _sorted(
                (p.method.name, p.amount, p.date)
                for p in sale.counter_payments))
        for sale in database.get('sale.sale').search([
                ['OR',
                    ('state', 'not in', ['draft', 'quotation', 'cancelled']),
                    [
                        ('state', '=', 'cancelled'),
                        ('counter_payments', '!=', None),
                        ],
                    ]]))


def _shipments(database):
    return Counter((
            name, shipment.state, shipment.effective_date,
            _name(shipment.customer), _name(shipment.warehouse),
            _address(getattr(shipment, 'delivery_address', None)),
            _sorted(
                (m.product.code, m.quantity, m.unit.symbol, m.state)
                for m in getattr(shipment, moves)))
        for name, moves in [
            ('stock.shipment.out', 'outgoing_moves'),
            ('stock.shipment.out.return', 'incoming_moves')]
        for shipment in database.get(name).search([]))


def _invoices(database):
    return Counter((
            invoice.type, invoice.state, _name(invoice.party),
            _address(invoice.invoice_address), _name(invoice.payment_term),
            invoice.account.code, invoice.untaxed_amount, invoice.tax_amount,
            invoice.total_amount,
            _sorted((
                    l.product.code, l.quantity, l.unit_price, l.account.code,
                    _sorted(t.name for t in l.taxes))
                for l in invoice.lines),
            _sorted(
                (t.tax.name, t.base, t.amount, t.account.code)
                for t in invoice.taxes))
        for invoice in database.get('account.invoice').search([]))


def _address(address):
    if not address:
        return None
    return (
        address.party_name, address.street_name, address.building_number,
        address.postal_code, address.city, _name(address.subdivision),
        _name(address.country), address.active)


def _parties(database):
    for party in database.get('party.party').search([]):
        yield party.name, (
            party.active, _name(party.lang),
            _sorted(_name(c) for c in party.categories),
            _name(party.customer_payment_term),
            _name(party.customer_tax_rule), _name(party.sale_price_list),
            _name(party.account_receivable),
            _sorted(map(_address, party.addresses)),
            _sorted(
                (m.type, m.value, m.comment, m.active)
                for m in party.contact_mechanisms),
            _sorted(
                (i.type, i.code, i.active) for i in party.identifiers))


READERS = [
    ('tickets', _tickets),
    ('cash sessions', _sessions),
    ('prefacturas', _prefacturas),
    ('shipments', _shipments),
    ('invoices', _invoices),
    ('customers', _parties),
    ('stock', _stock),
    ('stock moves', _moves),
    ('cost prices', _costs),
    ('accounts', _accounts),
    ('taxes', _taxes),
    ]
