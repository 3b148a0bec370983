# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from collections import defaultdict
from decimal import Decimal

from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..exceptions import Rejection
from .adapter import CHARGED, Adapter, about


class TicketAdapter(Adapter):
    "A ticket: created with its number, processed, and posted in two stages"
    kind = 'ticket'
    model = 'sale.point.sale'
    order = 50
    owned = {
        'sale.point.sale': {'move', 'state'},
        }
    posted = True
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
            'point': sale.point.id,
            }

    def get_totals(self, sale):
        payments = defaultdict(Decimal)
        for payment in sale.payments:
            payments[payment.method.id] += payment.amount or 0
        return {
            'total': Decimal(sale.total),
            'tax': Decimal(sale.total_tax),
            'cash': sum(
                (p.amount or 0 for p in sale.payments if p.method.cash),
                Decimal(0)),
            'lines': len(sale.lines),
            'quantity': sum(
                (Decimal(repr(l.quantity)) for l in sale.lines), Decimal(0)),
            'payments': [
                {'method': method, 'amount': amount}
                for method, amount in payments.items()],
            'taxes': self.get_taxes(sale),
            'goods': self.get_goods(sale),
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

    def get_taxes(self, sale):
        """Return the taxes as they are computed, before a difference with what
        was printed is spread over them"""
        return [
            {'tax': tax.tax.id, 'base': tax.base, 'amount': tax.amount}
            for tax in sale._get_taxes().values()]

    def check(self, entries, forest):
        taken = self.get_taken_numbers(entries)
        periods = {}
        for entry, reason in super().check(entries, forest):
            if not isinstance(reason, Rejection):
                try:
                    self.check_number(entry, taken)
                    self.check_period(entry, periods)
                except Rejection as rejection:
                    reason = rejection
            yield entry, reason

    def get_taken_numbers(self, entries):
        "Return the (point, number) of the sales that are there already"
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        return {
            (s.point.id, s.number) for s in Sale.search([
                    ('number', 'in', [
                            e.payload['header'].get('number')
                            for e in entries]),
                    ], order=[])}

    def check_number(self, entry, taken):
        "Raise Rejection if another sale of the point has the number"
        values = entry.payload['record']['values']
        header = entry.payload['header']
        for name in ['number', 'point', 'date']:
            if not values.get(name) or values[name] != header.get(name):
                raise Rejection('unreadable', what=name)
        if (values['point'], values['number']) in taken:
            raise Rejection('number_taken', number=values['number'])

    def check_period(self, entry, periods):
        "Raise Rejection if nothing can be posted at the date"
        company = entry.document.branch.company
        date = entry.payload['header']['date']
        if (company, date) not in periods:
            periods[company, date] = self.is_open(company, date)
        if not periods[company, date]:
            raise Rejection('closed_period', date=date.isoformat())

    def is_open(self, company, date):
        "Return True if accounting and stock are open at the date"
        pool = Pool()
        Period = pool.get('account.period')
        StockPeriod = pool.get('stock.period')
        try:
            Period.find(company, date=date)
        except UserError:
            return False
        return not StockPeriod.search([
                ('company', '=', company.id),
                ('state', '=', 'closed'),
                ('date', '>=', date),
                ], limit=1, order=[])

    def complete(self, entries, sales):
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        Sale.process(sales)
        for entry, sale in zip(entries, sales, strict=True):
            with about(entry.document):
                if sale.state != 'done':
                    raise Rejection(
                        'not_paid', amount=str(sale.amount_to_pay))

    def prepare(self, entries, sales):
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        charged = {
            sale: entry.payload['totals']
            for entry, sale in zip(entries, sales, strict=True)
            if entry.document.is_accepted()}
        Sale.prepare_posting([s for s in sales if s not in charged])
        for sale, totals in charged.items():
            with Transaction().set_context({CHARGED: totals}):
                Sale.prepare_posting([sale])

    def get_stock_moves(self, sales):
        return [m for sale in sales for l in sale.lines for m in l.moves]

    def post(self, documents):
        pool = Pool()
        Sale = pool.get('sale.point.sale')
        Sale.post(Sale.browse([d.record.id for d in documents]))

    def get_amounts(self, totals):
        return [{
                'type': 'payment',
                'method': row['method'],
                'amount': row['amount'],
                } for row in totals['payments']] + [{
                'type': 'tax',
                'tax': row['tax'],
                'base': row['base'],
                'amount': row['amount'],
                } for row in totals['taxes']]
