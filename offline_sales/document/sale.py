# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What tickets and prefacturas have in common"
from collections import defaultdict
from decimal import Decimal

from trytond.pool import Pool

from ..exceptions import Rejection
from .adapter import Adapter
from .payload import is_key, walk
from .tree import Forest

SESSION = 'sale.point.cash.session'


class SaleAdapter(Adapter):
    """Something sold for money, in lines of products

    final_state -- of what was sold; what was cancelled is told only if money
        was taken for it, and given back
    line_model -- the name of the model of the lines
    """
    line_model = None
    total_codes = {'taxes': 'tax_changed'}

    def is_sold(self, record):
        return record.state != 'cancelled'

    def get_state(self, entry):
        return entry.payload['record']['values']['state']

    # Totals

    def sum_payments(self, payments):
        amounts = defaultdict(Decimal)
        for payment in payments:
            amounts[payment.method.id] += payment.amount or 0
        return [
            {'method': method, 'amount': amount}
            for method, amount in amounts.items()]

    def sum_quantities(self, lines):
        return sum((
                Decimal(repr(l.quantity)) for l in lines if l.quantity),
            Decimal(0))

    def get_taxes(self, sale):
        """Return the taxes as they are computed, before a difference with what
        was printed is spread over them"""
        return [
            {'tax': tax.tax.id, 'base': tax.base, 'amount': tax.amount}
            for tax in sale._get_taxes().values()]

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

    # What is refused

    def get_forest(self, entries):
        # What was sold to a customer who was replaced is of who replaced him
        return Forest([e.payload['record'] for e in entries], follow=True)

    def check(self, entries, forest):
        self.products = self.get_products(entries, forest)
        counted = self.get_counted(entries, forest)
        taken = self.get_taken_numbers(entries)
        for entry, reason in super().check(entries, forest):
            if not isinstance(reason, Rejection):
                try:
                    self.check_number(entry, taken)
                    self.check_sessions(entry, forest, counted)
                    self.check_periods(entry)
                    self.check_products(entry, forest)
                except Rejection as rejection:
                    reason = rejection
            yield entry, reason

    def check_entry(self, entry, forest):
        values = entry.payload['record']['values']
        if values.get('state') not in {self.final_state, 'cancelled'}:
            raise Rejection('unreadable', what='state')
        return super().check_entry(entry, forest)

    def get_taken_numbers(self, entries):
        "Return the names of the numbers that are there already"
        raise NotImplementedError

    def get_number_name(self, entry):
        "Return what tells the number of the entry from others"
        raise NotImplementedError

    def check_number(self, entry, taken):
        "Raise Rejection if another has the number"
        number = entry.payload['header'].get('number')
        if entry.payload['record']['values'].get('number') != number or not (
                number or self.get_state(entry) == 'cancelled'):
            raise Rejection('unreadable', what='number')
        if number and self.get_number_name(entry) in taken:
            raise Rejection('number_taken', number=number)

    def _get_sessions(self, entry, forest):
        "Return the ids of the cash sessions of the payments, as a set"
        keys = {
            node['values'].get('session')
            for node in walk(entry.payload['record'])}
        return {
            forest.get(SESSION, key) for key in keys if is_key(key)} - {None}

    def get_counted(self, entries, forest):
        "Return the identities that the cuts of the sessions count, by session"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Session = pool.get(SESSION)
        sessions = set().union(
            *(self._get_sessions(entry, forest) for entry in entries))
        counted = {
            cut.record.id: set(cut.get_contents()['documents'])
            for cut in Document.search([
                    ('kind', '=', 'cash_cut'),
                    ('record', 'in', [f'{SESSION},{id_}' for id_ in sessions]),
                    ('state', 'in', ['prepared', 'processed']),
                    ])}
        # What was posted without a cut counts nothing more
        for session in Session.search([
                    ('id', 'in', list(sessions)), ('state', '=', 'posted')]):
            counted.setdefault(session.id, set())
        return counted

    def check_sessions(self, entry, forest, counted):
        "Raise Rejection if its cash was counted without it"
        for id_ in self._get_sessions(entry, forest) & counted.keys():
            if entry.document.uuid not in counted[id_]:
                raise Rejection('session_counted')

    def _get_lines(self, entry):
        return [
            node['values'] for node in walk(entry.payload['record'])
            if node['model'] == self.line_model]

    def get_products(self, entries, forest):
        pool = Pool()
        Product = pool.get('product.product')
        ids = {
            forest.get('product.product', values.get('product'))
            for entry in entries for values in self._get_lines(entry)
            if isinstance(values.get('product'), int)}
        return {p.id: p for p in Product.browse(list(ids - {None}))}

    def check_products(self, entry, forest):
        "Raise Rejection if a product is not sold any more, or not so"
        if self.get_state(entry) == 'cancelled':
            return
        for values in self._get_lines(entry):
            id_, quantity = values.get('product'), values.get('quantity')
            if not (isinstance(id_, int) and isinstance(quantity, (int, float))
                    and id_ in self.products):
                continue
            product = self.products[id_]
            if quantity >= 0 and not (product.active and product.salable):
                raise Rejection('product_withdrawn', product=product.rec_name)
            unit = self.get_unit(product, values)
            if (unit.category != product.sale_uom.category
                    or round(quantity, unit.digits) != quantity):
                raise Rejection(
                    'unit_changed',
                    expected=f'{product.rec_name} {quantity}',
                    found=f'{unit.rec_name} ({unit.digits})')

    def get_unit(self, product, values):
        "Return the unit in which the product of a line is sold here"
        return product.sale_uom
