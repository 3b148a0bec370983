# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Selling with the keyboard alone

What is typed or read by a scanner in one field becomes the lines of a ticket:

    7501000111206       one of the product with that code or bar code
    3*7501000111206     three of it
    *3                  three of the last line
    coca 600            the only product whose name has that in it
"""
import re

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.tools import escape_wildcard
from trytond.transaction import Transaction, without_check_access

from .exceptions import ScanError

_SCAN = re.compile(r"""
    (?:\s*(?P<quantity>\d{1,6}(?:[.,]\d{1,4})?)?\s*\*)?
    \s*(?P<code>.*?)\s*""", re.VERBOSE)
_LAST = re.compile(r'\s*\*\s*(?P<quantity>\d{1,6}(?:[.,]\d{1,4})?)\s*')
# A name is longer: who scans must not wait for a search in all of them
CODE_MAX = 80


def parse(text):
    """Return the quantity and the code that were typed

    The quantity is None if it was not, the code empty if it is for the last
    line.
    """
    if match := _LAST.fullmatch(text):
        quantity, code = match['quantity'], ''
    else:
        match = _SCAN.fullmatch(text)
        quantity, code = match['quantity'], match['code']
    if quantity:
        quantity = float(quantity.replace(',', '.'))
    return quantity or None, code


class PointSale(metaclass=PoolMeta):
    __name__ = 'sale.point.sale'

    scanned = fields.Function(fields.Char(
            "Code",
            states={
                'invisible': Eval('state') != 'open',
                'readonly': ~Eval('point'),
                },
            help="A code, a bar code or a part of a name, then Enter. "
            "3*code for three of it, *3 for three of the last line."),
        'get_scanned', setter='set_scanned')

    @classmethod
    def default_point(cls):
        "The only point, or the one on which the user has sold last"
        pool = Pool()
        Point = pool.get('sale.point')
        points = Point.get_sellable()
        if len(points) > 1:
            for sale in cls.search([
                        ('create_uid', '=', Transaction().user),
                        ('point', 'in', list(map(int, points))),
                        ], order=[('id', 'DESC')], limit=1):
                return sale.point.id
        elif points:
            return points[0].id

    def get_scanned(self, name):
        return None

    @classmethod
    def set_scanned(cls, sales, name, value):
        "It is kept as lines"

    @fields.depends(
        'scanned', 'state', 'point', methods=['_scan', '_set_amounts'])
    def on_change_scanned(self):
        if self.scanned and self.point and self.state == 'open':
            try:
                self._scan(self.scanned)
            except ScanError:
                # It stays to be put right, see on_change_notify
                return
            self.scanned = None
            self._set_amounts()

    @fields.depends('scanned', 'state', methods=['_parse_scanned'])
    def on_change_notify(self):
        notifications = list(super().on_change_notify())
        if self.scanned and self.state == 'open':
            try:
                self._parse_scanned(self.scanned)
            except ScanError as error:
                notifications.append(('error', error.message))
        return notifications

    @fields.depends(methods=[
            'on_change_with_total_tax', 'on_change_with_total',
            'on_change_with_amount_to_pay'])
    def _set_amounts(self):
        for name in ['total_tax', 'total', 'amount_to_pay']:
            setattr(self, name, getattr(self, f'on_change_with_{name}')())

    @fields.depends('company', 'lines')
    def _parse_scanned(self, text):
        """Return the quantity and the product that were typed, None as the
        product of the last line

        :raises ScanError: if it is none of the products, or could be several
        """
        quantity, code = parse(text[:CODE_MAX])
        if code:
            return quantity, self._find_scanned(code)
        if not quantity or not self.lines:
            raise ScanError(gettext(
                    'offline_sales.msg_scan_nothing', code=text))
        return quantity, None

    @fields.depends('company')
    def _find_scanned(self, code):
        pool = Pool()
        Product = pool.get('product.product')
        with Transaction().set_context(
                company=self.company.id if self.company else None):
            for domain in [
                    ['OR', ('code', '=', code),
                        ('identifiers.code', '=', code)],
                    ['OR', ('code', 'ilike', escape_wildcard(code)),
                        ('name', 'ilike', '%%%s%%' % '%'.join(
                                map(escape_wildcard, code.split())))],
                    ]:
                products = Product.search(
                    [('salable', '=', True), domain], limit=2)
                if len(products) == 1:
                    return products[0]
                elif products:
                    raise ScanError(gettext(
                            'offline_sales.msg_scan_several', code=code))
        raise ScanError(gettext('offline_sales.msg_scan_nothing', code=code))

    @fields.depends(
        'company', 'currency', 'date', 'lines', 'point', 'state',
        methods=['_parse_scanned'])
    def _scan(self, text):
        quantity, product = self._parse_scanned(text)
        lines = list(self.lines or [])
        if product is None:
            lines[-1].quantity = quantity
            line = lines[-1]
        else:
            for line in lines:
                if line.product == product and (line.quantity or 0) > 0:
                    line.quantity += quantity or 1
                    break
            else:
                line = self._get_scanned_line(product, quantity or 1)
                lines.append(line)
        line.sale = self
        line.amount = line.on_change_with_amount()
        self.lines = lines

    def _get_scanned_line(self, product, quantity):
        pool = Pool()
        Line = pool.get('sale.point.sale.line')
        line = Line(**Line.default_get(
                list(Line._fields), with_rec_name=False))
        line.sale = self
        line.product = product
        line.quantity = quantity
        for name in [
                'company', 'currency', 'sale_state', 'unit',
                'offline_quantity', 'offline_quantity_moment']:
            setattr(line, name, getattr(line, f'on_change_with_{name}')())
        line.on_change_product()
        return line


class Payment(metaclass=PoolMeta):
    __name__ = 'sale.point.payment'

    @classmethod
    def default_method(cls):
        "Cash, as most is paid"
        pool = Pool()
        Method = pool.get('sale.point.payment.method')
        for method in Method.search([
                    ('company', '=', Transaction().context.get('company')),
                    ('cash', '=', True),
                    ], limit=1):
            return method.id


class Point(metaclass=PoolMeta):
    __name__ = 'sale.point'

    @classmethod
    @without_check_access
    def get_sellable(cls):
        "Return the points of the company on which this side may sell"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Register = pool.get('offline_sales.register')
        domain = [('company', '=', Transaction().context.get('company'))]
        if Configuration.is_branch():
            branch = Configuration.get_branch()
            registers = branch.registers if branch else []
            operator = 'in'
        else:
            registers = Register.search([])
            operator = 'not in'
        offline = [r.offline_point.id for r in registers if r.offline_point]
        return cls.search([*domain, ('id', operator, offline)])
