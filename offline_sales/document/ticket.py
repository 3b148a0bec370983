# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from collections import defaultdict
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from ..exceptions import Rejection
from .adapter import CHARGED, about
from .sale import SaleAdapter


class TicketAdapter(SaleAdapter):
    "A ticket: created with its number, processed, and posted in two stages"
    kind = 'ticket'
    model = 'sale.point.sale'
    line_model = 'sale.point.sale.line'
    order = 50
    printed = True
    owned = {
        'sale.point.sale': {'move', 'state'},
        }
    posted = True
    by = ['employee']
    final_state = 'done'
    dates = {
        'sale.point.sale': {'date'},
        }
    acceptable = frozenset({
            'total', 'tax', 'cash', 'payments', 'taxes', 'goods'})
    totals_references = {
        'payments': {'method': 'sale.point.payment.method'},
        'taxes': {'tax': 'account.tax'},
        'goods': {
            'product': 'product.product',
            'unit': 'product.uom',
            'from_location': 'stock.location',
            'to_location': 'stock.location',
            },
        }

    def get_header(self, sale):
        return {
            **super().get_header(sale),
            'number': sale.number,
            'date': sale.date,
            'party': sale.party.id if sale.party else None,
            'point': sale.point.id,
            }

    def get_totals(self, sale):
        sold = self.is_sold(sale)
        return {
            'total': Decimal(sale.total if sold else 0),
            'tax': Decimal(sale.total_tax if sold else 0),
            'cash': sum(
                (p.amount or 0 for p in sale.payments if p.method.cash),
                Decimal(0)),
            'lines': len(sale.lines),
            'quantity': self.sum_quantities(sale.lines),
            'payments': self.sum_payments(sale.payments),
            'taxes': self.get_taxes(sale) if sold else [],
            'goods': self.get_goods(sale) if sold else [],
            }

    def get_goods(self, sale):
        """Return what leaves and enters the stock

        The unit of a line and whether it moves goods are of the product as it
        is now, not of the line.
        """
        pool = Pool()
        Uom = pool.get('product.uom')
        goods = defaultdict(Decimal)
        for line in sale.lines:
            if line.product.type == 'service':
                continue
            unit = line.product.default_uom
            quantity = Uom.compute_qty(
                line.unit, abs(line.quantity), unit, round=False)
            goods[(
                    line.product.id, unit.id, line.from_location.id,
                    line.to_location.id)] += Decimal(repr(quantity))
        return [{
                'product': product,
                'unit': unit,
                'from_location': from_location,
                'to_location': to_location,
                'quantity': quantity,
                } for (product, unit, from_location, to_location), quantity
            in goods.items()]

    def get_taken_numbers(self, entries):
        "Return the (point, number) of the sales that are there already"
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        numbers = {e.payload['header'].get('number') for e in entries}
        return {
            (s.point.id, s.number) for s in Sale.search([
                    ('number', 'in', list(numbers - {None})),
                    ], order=[])}

    def get_number_name(self, entry):
        header = entry.payload['header']
        return header['point'], header['number']

    def check_entry(self, entry, forest):
        values = entry.payload['record']['values']
        header = entry.payload['header']
        for name in ['point', 'date']:
            if not values.get(name) or values[name] != header.get(name):
                raise Rejection('unreadable', what=name)
        return super().check_entry(entry, forest)

    def get_dates(self, entry):
        return [entry.payload['header']['date']]

    def complete(self, entries, sales):
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        cancelled = [
            sale for entry, sale in zip(entries, sales, strict=True)
            if self.get_state(entry) == 'cancelled']
        Sale.cancel(cancelled)
        Sale.process([s for s in sales if s not in cancelled])
        for entry, sale in zip(entries, Sale.browse(sales), strict=True):
            with about(entry.document):
                if sale.state != self.get_state(entry):
                    raise Rejection(
                        'not_paid', amount=str(sale.amount_to_pay))

    def get_total_code(self, name, expected, found):
        if name == 'goods' and _sum_goods(expected) != _sum_goods(found):
            return 'unit_changed'
        return super().get_total_code(name, expected, found)

    def prepare(self, entries, sales):
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        charged = {
            sale: entry.payload['totals']
            for entry, sale in zip(entries, sales, strict=True)
            if entry.document.is_accepted()}
        Sale.prepare_posting([
                s for s in sales if self.is_sold(s) and s not in charged])
        for sale, totals in charged.items():
            with Transaction().set_context({CHARGED: totals}):
                Sale.prepare_posting([sale])

    def get_stock_moves(self, sales):
        return [m for sale in sales for l in sale.lines for m in l.moves]

    def post(self, documents):
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        sales = Sale.browse([d.record.id for d in documents])
        Sale.post([s for s in sales if self.is_sold(s)])


def _sum_goods(rows):
    "Return the quantities by product and unit"
    quantities = defaultdict(Decimal)
    for row in rows or []:
        quantities[row['product'], row['unit']] += row['quantity']
    return quantities
