# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What the customer takes along: the ticket and the prefactura, on 80 mm

A printed ticket must not vanish: it is printed in a transaction of its own,
once it is done and kept as a document on the disk. Each print is counted, so
that only the first is without "COPY".
"""
from decimal import Decimal
from typing import NamedTuple

from trytond.i18n import gettext
from trytond.model import ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.report import Report
from trytond.rpc import RPC
from trytond.tools import timezone as tz
from trytond.transaction import Transaction, without_check_access

from ..document import durability
from ..exceptions import PrintError
from . import receipt
from .words import amount_in_words


class Printing(ModelSQL):
    "Printing"
    __name__ = 'offline_sales.printing'

    record = fields.Reference(
        "Record", selection='get_models', required=True, readonly=True)
    number = fields.Integer(
        "Number", required=True, readonly=True,
        help="0 for the first print, 1 for the first copy.")
    user = fields.Many2One(
        'res.user', "User", readonly=True, ondelete='SET NULL')
    moment = fields.DateTime("Moment", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('number_unique', Unique(t, t.record, t.number),
                'offline_sales.msg_printing_number_unique'),
            ]

    @classmethod
    def get_models(cls):
        pool = Pool()
        Model = pool.get('ir.model')
        return [(None, '')] + [
            (m, Model.get_name(m)) for m in ['sale.point.sale', 'sale.sale']]

    @classmethod
    def count(cls, records):
        """Count a print of each of the records and return how many there were
        before, by record"""
        pool = Pool()
        Document = pool.get('offline_sales.document')
        for Model in {type(record) for record in records}:
            Model.lock([r for r in records if isinstance(r, Model)])
        names = list(map(str, records))
        before = dict.fromkeys(names, 0)
        for printing in cls.search([('record', 'in', names)]):
            before[str(printing.record)] += 1
        now = Document._now()
        cls.create([{
                    'record': name,
                    'number': before[name],
                    'user': Transaction().user,
                    'moment': now,
                    } for name in names])
        durability.ensure()
        return before


class TaxRow(NamedTuple):
    tax: object
    base: Decimal
    amount: Decimal


def write_identifier(identifier):
    "Return the code of a tax identifier as it is written: an RFC in one word"
    if identifier.type == 'mx_vat':
        return ''.join(identifier.code.split())
    return identifier.code


def spread(rows, total, round):
    """Return the TaxRow so that their amounts make the total

    The total of a ticket is that of its prices, its taxes are computed: the
    difference goes where sale_point puts it when it posts.
    """
    taxed = [row.amount for row in rows]
    computed = sum(taxed, Decimal(0))
    difference = remaining = total - computed
    amounts = list(taxed)
    for i, amount in enumerate(taxed):
        if amount and difference:
            ratio = amount / computed if computed else 1 / Decimal(len(rows))
            value = round(difference * ratio)
            amounts[i] += value
            remaining -= value
    for i, amount in enumerate(amounts):
        if amount:
            amounts[i] += remaining
            break
    return [
        row._replace(amount=amount)
        for row, amount in zip(rows, amounts, strict=True)]


class Printout:
    """A sale on paper

    To be overridden by a class for each model.
    """
    title = None
    states = set()

    def __init__(self, sale, lang):
        self.sale = sale
        self.lang = lang
        self.document = self.get_document()
        self.branch = self.get_branch()

    @property
    def currency(self):
        return self.sale.currency

    def get_document(self):
        "Return the document that was made of the sale, None if there is none"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        documents = Document.search([
                ('record', '=', str(self.sale)),
                ('state', '!=', 'withdrawn'),
                ], order=[('id', 'DESC')], limit=1)
        return documents[0] if documents else None

    def get_branch(self):
        return self.document.branch if self.document else None

    def is_copy(self):
        "Return if its first print is elsewhere: a branch has sold it"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return bool(self.document) and not Configuration.is_branch()

    def check(self):
        "Raise an error if it is not time to print"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if self.sale.state not in self.states:
            raise PrintError(gettext(
                    'offline_sales.msg_print_not_done',
                    record=self.sale.rec_name))
        if Configuration.is_branch() and not self.document:
            raise PrintError(gettext(
                    'offline_sales.msg_print_not_kept',
                    record=self.sale.rec_name))

    # Values

    def get_address(self):
        if self.branch and self.branch.warehouse.address:
            return self.branch.warehouse.address
        return self.sale.company.party.address_get()

    def get_moment(self):
        "Return when it was done as the clock at the wall showed it"
        moment = (
            self.document.moment if self.document else self.sale.create_date)
        if self.branch:
            zone = self.branch.get_zone()
        else:
            zone = tz.ZoneInfo(self.sale.company.timezone or 'UTC')
        return moment.replace(tzinfo=tz.UTC).astimezone(zone)

    def get_date(self):
        raise NotImplementedError

    def get_lines(self):
        "Yield (name, quantity, unit, unit price, amount)"
        raise NotImplementedError

    def get_tax_total(self):
        raise NotImplementedError

    def get_total(self):
        raise NotImplementedError

    def get_taxes(self):
        "Return the TaxRow, of the document if there is one"
        if self.document:
            rows = [
                TaxRow(a.tax, a.base or Decimal(0), a.amount)
                for a in self.document.amounts if a.type == 'tax']
        else:
            rows = [
                TaxRow(t.tax, t.base, t.amount)
                for t in self.sale._get_taxes().values()]
        return spread(rows, self.get_tax_total(), self.currency.round)

    def get_payments(self):
        "Return the payments"
        raise NotImplementedError

    def split_payments(self):
        """Return (name, amount) of what was paid, and the change

        A payment against the direction of the sale is change.
        """
        sign = -1 if self.get_total() < 0 else 1
        payments, change = [], Decimal(0)
        for payment in self.get_payments():
            if sign * payment.amount < 0:
                change -= payment.amount
            else:
                payments.append((payment.method.name, payment.amount))
        return payments, change

    def get_employee(self):
        raise NotImplementedError

    def get_cashier(self):
        "Return the name of who has sold it, None if nobody knows"
        if employee := self.get_employee():
            return employee.party.name
        elif self.document and self.document.user:
            return self.document.user.name

    # Paper

    def format(self, amount):
        return self.lang.currency(amount, self.currency, grouping=True)

    def compose(self, copy):
        """Return the page

        copy: 0 for the first print.
        """
        page = receipt.Page()
        for part in [
                self.add_company, self.add_head, self.add_lines,
                self.add_totals, self.add_payments]:
            length = len(page.rows)
            part(page)
            if len(page.rows) > length:
                page.rule()
        self.add_foot(page)
        if copy:
            page.rows[:0] = self.get_copy(copy).rows
            page.rows.extend(self.get_copy(copy).rows)
        return page

    def get_copy(self, number):
        page = receipt.Page()
        page.text(
            gettext('offline_sales.msg_print_copy', number=number),
            size=14, bold=True, align='center')
        return page

    def add_company(self, page):
        company = self.sale.company
        page.text(
            company.party.full_name, size=10, bold=True, align='center')
        identifier = company.party.tax_identifier
        if identifier:
            self.add(page, 'identifier', code=write_identifier(identifier))
        if company.fiscal_regime:
            self.add(page, 'regime', regime=company.fiscal_regime)
        if address := self.get_address():
            for line in (address.full_address or '').splitlines():
                page.text(line, align='center')
            if address.postal_code:
                self.add(page, 'postal_code', code=address.postal_code)
        if self.branch:
            self.add(page, 'branch', branch=self.branch.name)

    def add(self, page, message, align='center', **variables):
        page.text(
            gettext(f'offline_sales.msg_print_{message}', **variables),
            align=align)

    def add_head(self, page):
        page.text(
            gettext(self.title, number=self.sale.number or ''),
            size=10, bold=True)
        moment = self.get_moment()
        date = self.get_date() or moment.date()
        page.pair(
            self.lang.strftime(date), moment.strftime('%H:%M'))
        if cashier := self.get_cashier():
            self.add(page, 'cashier', align='left', name=cashier)

    def add_lines(self, page):
        for name, quantity, unit, price, amount in self.get_lines():
            page.text(name)
            digits = unit.digits if unit else None
            number = self.lang.format_number(
                Decimal(repr(quantity)), digits=digits)
            page.pair(
                f"  {number} {unit.symbol if unit else ''} × "
                f"{self.format(price)}", self.format(amount))

    def add_totals(self, page):
        tax_total = self.get_tax_total()
        total = self.get_total()
        page.pair(
            gettext('offline_sales.msg_print_subtotal'),
            self.format(total - tax_total))
        for row in self.get_taxes():
            page.pair(
                gettext('offline_sales.msg_print_tax',
                    tax=row.tax.description or row.tax.name,
                    base=self.format(row.base)),
                self.format(row.amount))
        page.pair(
            gettext('offline_sales.msg_print_total'), self.format(total),
            size=12, bold=True)
        page.text(amount_in_words(total, self.currency.code))

    def add_payments(self, page):
        payments, change = self.split_payments()
        for name, amount in payments:
            page.pair(name, self.format(amount))
        if change:
            page.pair(
                gettext('offline_sales.msg_print_change'),
                self.format(change))

    def add_foot(self, page):
        self.add(page, 'not_fiscal')
        if self.document:
            self.add(page, 'offline')
            page.qr(self.document.uuid)
            page.text(self.document.uuid, size=6, align='center')


class TicketPrintout(Printout):
    title = 'offline_sales.msg_print_ticket'
    states = {'done', 'posted'}

    def get_branch(self):
        pool = Pool()
        Register = pool.get('offline_sales.register')
        if branch := super().get_branch():
            return branch
        registers = Register.search(['OR',
                ('online_point', '=', self.sale.point.id),
                ('offline_point', '=', self.sale.point.id),
                ], limit=1)
        return registers[0].branch if registers else None

    def get_address(self):
        return self.sale.point.address or super().get_address()

    def get_date(self):
        return self.sale.date

    def get_employee(self):
        return self.sale.employee

    def get_lines(self):
        for line in self.sale.lines:
            yield (
                line.product.name, line.quantity, line.unit,
                line.unit_gross_price, line.gross_amount)

    def get_tax_total(self):
        return Decimal(self.sale.total_tax)

    def get_total(self):
        return Decimal(self.sale.total)

    def get_payments(self):
        return self.sale.payments


class PrefacturaPrintout(Printout):
    title = 'offline_sales.msg_print_prefactura'
    states = {'confirmed', 'processing', 'done'}

    def get_date(self):
        return self.sale.sale_date

    def get_employee(self):
        return self.sale.confirmed_by

    def get_lines(self):
        for line in self.sale.lines:
            if line.type != 'line':
                continue
            name = line.product.name if line.product else line.description
            yield name, line.quantity, line.unit, line.unit_price, line.amount

    def get_tax_total(self):
        return self.sale.tax_amount

    def get_total(self):
        return self.sale.total_amount

    def get_payments(self):
        return self.sale.counter_payments

    def add_payments(self, page):
        super().add_payments(page)
        if left := self.sale.counter_to_pay:
            page.pair(
                gettext('offline_sales.msg_print_left'), self.format(left))

    def add_head(self, page):
        super().add_head(page)
        party = self.sale.party
        self.add(
            page, 'customer', align='left', name=party.full_name)
        if party.tax_identifier:
            self.add(
                page, 'identifier', align='left',
                code=write_identifier(party.tax_identifier))


class _Receipt(Report):
    __slots__ = ()
    printout = None

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # The prints are counted
        cls.__rpc__['execute'] = RPC(readonly=False)

    @classmethod
    @without_check_access
    def _execute(cls, records, header, data, action):
        # What may be read was checked by now; a cashier of the central does
        # not see the documents
        pool = Pool()
        Lang = pool.get('ir.lang')
        Model = pool.get(action.model)
        Printing = pool.get('offline_sales.printing')
        sales = Model.browse(list(map(int, records)))
        lang = (sales[0].company.party.lang if sales else None) or Lang.get()
        with Transaction().set_context(language=lang.code):
            printouts = [
                cls.printout(sale, Lang(lang.id))
                for sale in Model.browse(sales)]
            for printout in printouts:
                printout.check()
            before = Printing.count([p.sale for p in printouts])
            return 'pdf', receipt.render(
                [p.compose(before[str(p.sale)] + p.is_copy())
                    for p in printouts],
                title=', '.join(p.sale.rec_name for p in printouts))


class Ticket(_Receipt):
    "Ticket"
    __name__ = 'offline_sales.ticket'
    printout = TicketPrintout


class Prefactura(_Receipt):
    "Prefactura"
    __name__ = 'offline_sales.prefactura'
    printout = PrefacturaPrintout
