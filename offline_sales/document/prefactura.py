# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from collections import defaultdict
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import inactive_records

from ..exceptions import Rejection
from .adapter import about
from .payload import walk
from .sale import SaleAdapter

# The central's own answers to a sale
_RESULTS = {
    'state', 'invoice_state', 'shipment_state', 'to_invoice', 'to_ship',
    'untaxed_amount_cache', 'tax_amount_cache', 'total_amount_cache',
    'invoices_ignored', 'invoices_recreated',
    }


class PrefacturaAdapter(SaleAdapter):
    """A prefactura: quoted, confirmed and processed, its invoice a draft

    One that was cancelled is told only if money was taken and given back.
    """
    kind = 'prefactura'
    model = 'sale.sale'
    line_model = 'sale.line'
    order = 60
    printed = True
    of_point = False
    owned = {
        'sale.sale': _RESULTS,
        'sale.line': {
            'actual_quantity', 'quantity_to_ship', 'quantity_to_invoice',
            'moves_ignored', 'moves_recreated'},
        'offline_sales.prefactura.payment': {'move'},
        }
    posted = True
    by = ['quoted_by', 'confirmed_by']
    final_state = 'confirmed'
    dates = {
        'sale.sale': {'sale_date', 'quotation_date', 'shipping_date'},
        'offline_sales.prefactura.payment': {'date'},
        }
    # The invoice is then of the taxes of now, the advance of what was paid
    acceptable = frozenset({'untaxed', 'taxes', 'total', 'tax'})
    totals_references = {
        'payments': {'method': 'sale.point.payment.method'},
        'taxes': {'tax': 'account.tax'},
        }

    # At the branch

    def get_header(self, sale):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        point = None
        for payment in sale.counter_payments:
            point = payment.point.id
        return {
            **super().get_header(sale),
            'number': sale.number,
            'date': sale.sale_date or Branch.today(),
            'party': sale.party.id,
            'point': point,
            }

    def get_extra(self, sale):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return {'delivered': bool(Configuration.get_branch().deliver)}

    def get_totals(self, sale):
        # The untaxed amount first: what differs then is the taxes
        sold = self.is_sold(sale)
        return {
            'untaxed': sale.untaxed_amount if sold else Decimal(0),
            'lines': len(sale.lines),
            'quantity': self.sum_quantities(sale.lines),
            'cash': sum(
                (p.amount for p in sale.counter_payments if p.method.cash),
                Decimal(0)),
            'payments': self.sum_payments(sale.counter_payments),
            'taxes': self.get_taxes(sale) if sold else [],
            'total': sale.total_amount if sold else Decimal(0),
            'tax': sale.tax_amount if sold else Decimal(0),
            }

    # At the central

    def get_taken_numbers(self, entries):
        "Return the numbers of the sales that are there already"
        pool = Pool()
        Sale = pool.get('sale.sale')
        numbers = {e.payload['header'].get('number') for e in entries}
        companies = {e.document.branch.company.id for e in entries}
        return {
            s.number for s in Sale.search([
                    ('number', 'in', list(numbers - {None})),
                    ('company', 'in', list(companies)),
                    ], order=[])}

    def get_number_name(self, entry):
        return entry.payload['header']['number']

    def check_entry(self, entry, forest):
        waits = super().check_entry(entry, forest)
        self.check_values(entry)
        self.check_paid(entry)
        self.check_party(entry, forest)
        return waits

    def get_unit(self, product, values):
        pool = Pool()
        Uom = pool.get('product.uom')
        if not isinstance(values.get('unit'), int):
            raise Rejection('unreadable', what='unit')
        return Uom(values['unit'])

    def check_values(self, entry):
        "Raise Rejection if it is not for the branch to say"
        header = entry.payload['header']
        values = entry.payload['record']['values']
        branch = entry.document.branch
        expected = {
            'party': header.get('party'),
            'company': branch.company.id,
            'currency': branch.company.currency.id,
            'warehouse': branch.warehouse.id,
            }
        if self.get_state(entry) == 'confirmed':
            expected['sale_date'] = header.get('date')
        for name, value in expected.items():
            if values.get(name) != value:
                raise Rejection('unreadable', what=name)
        if type(entry.payload.get('delivered')) is not bool:
            raise Rejection('unreadable', what='delivered')

    def check_paid(self, entry):
        "Raise Rejection if the branch may not take that much, or that little"
        document, totals = entry.document, entry.payload['totals']
        total = totals.get('total')
        if total is None:
            raise Rejection('unreadable', what='total')
        paid = sum((row['amount'] for row in totals['payments']), Decimal(0))
        lowest, highest = sorted([total, Decimal(0)])
        if not lowest <= paid <= highest:
            raise Rejection('overpaid', paid=str(paid), total=str(total))
        if (paid < total
                and not document.branch.credit
                and not document.is_accepted()):
            raise Rejection('credit', amount=str(total - paid))

    @inactive_records
    def check_party(self, entry, forest):
        "Raise Rejection if it is sold to who is no customer of the branch"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        adapter = Document.get_adapter('party')
        branch = entry.document.branch
        values = entry.payload['record']['values']
        for name in ['party', 'invoice_party', 'shipment_party']:
            id_ = forest.get(adapter.model, values.get(name))
            if id_ is None:
                continue
            if id_ == branch.company.party.id:
                raise Rejection(
                    'foreign_record', model=adapter.model, id=id_)
            # What it made is its own, what a person chose is checked
            if isinstance(values[name], int) and not entry.document.repair:
                adapter.check_served(branch, values[name])

    def get_points(self, contents):
        return super().get_points(contents) + [
            p['values'].get('point') for p in self._get_payments(contents)]

    def get_payments(self, entry):
        return self._get_payments(entry.payload)

    def _get_payments(self, contents):
        return [
            node for node in walk(contents['record'])
            if node['model'] == 'offline_sales.prefactura.payment']

    def get_dates(self, entry):
        return [entry.payload['header'].get('date')] + [
            p['values'].get('date') for p in self.get_payments(entry)]

    def complete(self, entries, sales):
        pool = Pool()
        Sale = pool.get('sale.sale')
        by_state = defaultdict(list)
        for entry, sale in zip(entries, sales, strict=True):
            by_state[self.get_state(entry)].append(sale)
        Sale.quote(by_state['confirmed'])
        Sale.confirm(by_state['confirmed'])
        Sale.cancel(by_state['cancelled'])
        self.restore_employees(entries, Sale.browse(sales))

    def restore_employees(self, entries, sales):
        "Say who did it at the branch, even if nobody"
        pool = Pool()
        Sale = pool.get('sale.sale')
        for entry, sale in zip(entries, sales, strict=True):
            values = entry.payload['record']['values']
            if missing := [
                    name for name in self.by
                    if getattr(sale, name) and not values.get(name)]:
                Sale.write([sale], dict.fromkeys(missing))

    def prepare(self, entries, sales):
        pool = Pool()
        Payment = pool.get('offline_sales.prefactura.payment')
        Sale = pool.get('sale.sale')
        sales = Sale.browse(sales)
        Sale.process([s for s in sales if self.is_sold(s)])
        sales = Sale.browse(sales)
        if delivered := [
                sale for entry, sale in zip(entries, sales, strict=True)
                if entry.payload['delivered'] and self.is_sold(sale)]:
            self.ship(delivered)
            Sale.process(Sale.browse(delivered))
        for entry, sale in zip(entries, Sale.browse(sales), strict=True):
            if not entry.document.is_accepted():
                with about(entry.document):
                    self.verify_invoices(sale, entry.payload['delivered'])
        Payment.prepare_posting(
            [p for sale in sales for p in sale.counter_payments])

    def verify_invoices(self, sale, delivered):
        "Raise Rejection if the invoice is of another total than the sale"
        invoices = sale.invoices
        if not invoices or not (
                delivered or sale.invoice_method == 'order'):
            return
        found = sum(i.total_amount for i in invoices)
        if found != sale.total_amount:
            raise Rejection(
                'total_changed', total='invoice',
                expected=str(sale.total_amount), found=str(found))

    def ship(self, sales):
        "Do the shipments, whether there is enough or not: the goods have left"
        pool = Pool()
        ShipmentOut = pool.get('stock.shipment.out')
        ShipmentReturn = pool.get('stock.shipment.out.return')
        for Shipment, name, steps in [
                (ShipmentOut, 'shipments',
                    ['assign_force', 'pick', 'pack', 'ship', 'do']),
                (ShipmentReturn, 'shipment_returns', ['receive', 'do'])]:
            shipments = []
            for sale in sales:
                own = list(getattr(sale, name))
                Shipment.write(own, {'effective_date': sale.sale_date})
                shipments.extend(own)
            for step in steps:
                getattr(Shipment, step)(Shipment.browse(shipments))

    def get_stock_moves(self, sales):
        pool = Pool()
        Sale = pool.get('sale.sale')
        return [
            move for sale in Sale.browse(sales) for move in sale.moves
            if move.state == 'done']

    def post(self, documents):
        pool = Pool()
        Payment = pool.get('offline_sales.prefactura.payment')
        Payment.post([
                p for d in documents for p in d.record.counter_payments])
