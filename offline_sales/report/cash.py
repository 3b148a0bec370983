# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""One cash cut for a register: its online and its offline point, one drawer

At a branch it shows the offline point, whose sessions are there; the central
has those of both.
"""
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.report import Report
from trytond.tools import timezone as tz
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateReport, StateView, Wizard

from . import receipt
from .days import DaysMixin

ZERO = Decimal(0)


class CashCutPrintStart(DaysMixin, ModelView):
    "Print Cash Cut"
    __name__ = 'offline_sales.cash_cut.print.start'

    register = fields.Many2One(
        'offline_sales.register', "Register", required=True)

    @classmethod
    def default_register(cls):
        pool = Pool()
        Register = pool.get('offline_sales.register')
        registers = Register.search([], limit=2)
        if len(registers) == 1:
            return registers[0].id


class CashCutPrint(Wizard):
    "Print Cash Cut"
    __name__ = 'offline_sales.cash_cut.print'

    start = StateView(
        'offline_sales.cash_cut.print.start',
        'offline_sales.cash_cut_print_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Print", 'print_', 'tryton-print', default=True),
            ])
    print_ = StateReport('offline_sales.cash_cut')

    def do_print_(self, action):
        return action, {
            'register': self.start.register.id,
            'from_date': self.start.from_date,
            'to_date': self.start.to_date,
            }


@dataclass
class Drawer:
    """The cash of sessions that follow one another, or of both points

    counted is None as long as a session is open.
    """
    start: Decimal = ZERO
    sales: Decimal = ZERO
    prefacturas: Decimal = ZERO
    transfers: dict = field(default_factory=dict)
    other: Decimal = ZERO
    counted: Decimal | None = ZERO

    @property
    def expected(self):
        return (self.start + self.sales + self.prefacturas
            + sum(self.transfers.values(), ZERO) + self.other)


@dataclass
class PointCut:
    "What was sold on a point, and the cash of it"
    name: str
    online: bool
    count: int = 0
    total: Decimal = ZERO
    tax: Decimal = ZERO
    methods: dict = field(default_factory=dict)
    prefacturas: dict = field(default_factory=dict)
    drawer: Drawer = field(default_factory=Drawer)


def add_amounts(one, other):
    "Return the sums of two dictionaries of amounts"
    sums = dict(one)
    for name, amount in other.items():
        sums[name] = sums.get(name, ZERO) + amount
    return sums


def join(cuts):
    "Return the PointCut of all: the register has one drawer"
    total = PointCut('', False)
    for cut in cuts:
        total.count += cut.count
        total.total += cut.total
        total.tax += cut.tax
        total.methods = add_amounts(total.methods, cut.methods)
        total.prefacturas = add_amounts(total.prefacturas, cut.prefacturas)
        drawer = total.drawer
        drawer.start += cut.drawer.start
        drawer.sales += cut.drawer.sales
        drawer.prefacturas += cut.drawer.prefacturas
        drawer.other += cut.drawer.other
        drawer.transfers = add_amounts(
            drawer.transfers, cut.drawer.transfers)
        if cut.drawer.counted is None or drawer.counted is None:
            drawer.counted = None
        else:
            drawer.counted += cut.drawer.counted
    return total


class Register:
    "The points of a register on some days"

    def __init__(self, points, branch, company, dates):
        self.points = points
        self.branch = branch
        self.company = company
        self.from_date, self.to_date = dates

    @property
    def zone(self):
        if self.branch:
            return self.branch.get_zone()
        return tz.ZoneInfo(self.company.timezone or 'UTC')

    def get_cuts(self):
        return [self.get_cut(point, online) for point, online in self.points]

    def get_cut(self, point, online):
        pool = Pool()
        PrefacturaPayment = pool.get('offline_sales.prefactura.payment')
        Sale = pool.get('sale.point.sale')
        cut = PointCut(point.name, online)
        for sale in Sale.search([
                    ('point', '=', point.id),
                    *self.get_days('date'),
                    ('state', 'in', ['done', 'posted']),
                    ], order=[]):
            cut.count += 1
            cut.total += sale.total
            cut.tax += sale.total_tax
            for payment in sale.payments:
                cut.methods = add_amounts(
                    cut.methods, {payment.method.name: payment.amount})
        for payment in PrefacturaPayment.search([
                    ('point', '=', point.id), *self.get_days('date')],
                order=[]):
            cut.prefacturas = add_amounts(
                cut.prefacturas, {payment.method.name: payment.amount})
        cut.drawer = self.get_drawer(self.get_sessions(point))
        return cut

    def get_days(self, name):
        return [(name, '>=', self.from_date), (name, '<=', self.to_date)]

    def get_sessions(self, point):
        "Return the sessions that had cash moved on the days, in their order"
        pool = Pool()
        Payment = pool.get('sale.point.payment')
        PrefacturaPayment = pool.get('offline_sales.prefactura.payment')
        Session = pool.get('sale.point.cash.session')
        Transfer = pool.get('sale.point.cash.transfer')
        found = {p.session.id for p in Payment.search([
                    ('sale.point', '=', point.id),
                    ('session', '!=', None),
                    *self.get_days('sale.date'),
                    ], order=[])}
        for Model in [PrefacturaPayment, Transfer]:
            found |= {r.session.id for r in Model.search([
                        ('point', '=', point.id),
                        ('session', '!=', None),
                        *self.get_days('date'),
                        ], order=[])}
        return Session.search(
            [('id', 'in', list(found))], order=[('id', 'ASC')])

    def get_drawer(self, sessions):
        drawer = Drawer(transfers=defaultdict(Decimal))
        for session in sessions:
            cash = sum((p.amount for p in session.payments), ZERO)
            drawer.sales += cash
            moved = ZERO
            for transfer in session.transfers:
                drawer.transfers[transfer.type.name] += transfer.amount
                moved += transfer.amount
            prefacturas = sum(
                (p.amount for p in session.prefactura_payments), ZERO)
            drawer.prefacturas += prefacturas
            drawer.other += session.balance - cash - prefacturas - moved
        if sessions:
            last = sessions[-1]
            drawer.start = sessions[0].start_amount
            drawer.counted = (
                last.end_amount
                if last.state != 'open' and last.is_counted() else None)
        drawer.transfers = dict(drawer.transfers)
        return drawer


class CashCut(Report):
    "Cash Cut"
    __name__ = 'offline_sales.cash_cut'

    @classmethod
    def _execute(cls, records, header, data, action):
        pool = Pool()
        Lang = pool.get('ir.lang')
        ModelAccess = pool.get('ir.model.access')
        ModelAccess.check('sale.point.cash.session', 'read')
        register = cls.get_register(list(map(int, records)), data)
        with without_check_access():
            lang = register.company.party.lang or Lang.get()
            with Transaction().set_context(language=lang.code):
                page = Paper(register, Lang(lang.id)).compose()
        return 'pdf', receipt.render([page], title=action.name)

    @classmethod
    def get_register(cls, sessions, data):
        if sessions:
            return cls.get_register_of(sessions)
        Record = Pool().get('offline_sales.register')
        # The user may see it, or the search finds nothing
        found = Record.search([('id', '=', data['register'])])
        if not found:
            raise AccessError(gettext('offline_sales.msg_cash_cut_register'))
        with without_check_access():
            record, = Record.browse(found)
            return Register(
                cls.get_points(record), record.branch, record.branch.company,
                (data['from_date'], data['to_date']))

    @classmethod
    @without_check_access
    def get_register_of(cls, ids):
        "Return the Register of sessions, on the days of these"
        pool = Pool()
        Record = pool.get('offline_sales.register')
        Session = pool.get('sale.point.cash.session')
        sessions = Session.browse(ids)
        point = sessions[0].point
        records = Record.search(['OR',
                ('online_point', '=', point.id),
                ('offline_point', '=', point.id),
                ], limit=1)
        record = records[0] if records else None
        points = cls.get_points(record) if record else [(point, True)]
        register = Register(
            points, record.branch if record else None, point.company,
            (None, None))
        dates = {
            p.sale.date for s in sessions for p in s.payments} | {
            t.date for s in sessions for t in s.transfers} | {
            p.date for s in sessions for p in s.prefactura_payments} | {
            s.create_date.replace(tzinfo=tz.UTC).astimezone(
                register.zone).date()
            for s in sessions
            if not s.payments and not s.transfers
            and not s.prefactura_payments}
        register.from_date, register.to_date = min(dates), max(dates)
        return register

    @classmethod
    def get_points(cls, record):
        "Return the points as (point, whether it is the online one)"
        return [
            (point, online) for point, online in [
                (record.online_point, True), (record.offline_point, False)]
            if point]


class Paper:
    "The cut on 80 mm"

    def __init__(self, register, lang):
        self.register = register
        self.lang = lang
        self.cuts = register.get_cuts()

    def tell(self, name, **variables):
        return gettext(f'offline_sales.msg_cash_cut_{name}', **variables)

    def money(self, amount):
        return self.lang.currency(
            amount, self.register.company.currency, grouping=True)

    def compose(self):
        page = receipt.Page()
        register = self.register
        page.text(
            register.company.party.full_name, size=10, bold=True,
            align='center')
        if register.branch:
            page.text(register.branch.rec_name, align='center')
        page.text(self.tell('title'), size=12, bold=True, align='center')
        days = [
            self.lang.strftime(d)
            for d in sorted({register.from_date, register.to_date})]
        page.text(' – '.join(days), align='center')
        now = dt.datetime.now(register.zone)
        page.text(
            self.tell('printed', moment=(
                    f"{self.lang.strftime(now.date())} {now:%H:%M}")),
            align='center')
        page.rule()
        for cut in self.cuts:
            page.text(cut.name, bold=True)
            page.text(self.tell('online' if cut.online else 'offline'))
            self.add_cut(page, cut)
            page.rule()
        if len(self.cuts) > 1:
            page.text(self.tell('both'), size=10, bold=True)
            self.add_cut(page, join(self.cuts))
            page.rule()
        page.text('\xa0', size=24)
        page.rule()
        page.text(self.tell('signature'), align='center')
        return page

    def add_cut(self, page, cut):
        page.pair(self.tell('tickets'), str(cut.count))
        for name, amount in sorted(cut.methods.items()):
            page.pair(name, self.money(amount))
        page.pair(self.tell('tax'), self.money(cut.tax))
        page.pair(self.tell('sold'), self.money(cut.total), bold=True)
        for name, amount in sorted(cut.prefacturas.items()):
            page.pair(
                self.tell('prefactura', method=name), self.money(amount))
        drawer = cut.drawer
        page.pair(self.tell('start'), self.money(drawer.start))
        page.pair(self.tell('cash'), self.money(drawer.sales))
        if drawer.prefacturas:
            page.pair(
                self.tell('cash_prefacturas'), self.money(drawer.prefacturas))
        for name, amount in sorted(drawer.transfers.items()):
            page.pair(name, self.money(amount))
        if drawer.other:
            page.pair(self.tell('other'), self.money(drawer.other))
        page.pair(self.tell('expected'), self.money(drawer.expected))
        if drawer.counted is None:
            page.pair(self.tell('counted'), self.tell('open'), bold=True)
        else:
            page.pair(
                self.tell('counted'), self.money(drawer.counted), bold=True)
            page.pair(
                self.tell('difference'),
                self.money(drawer.counted - drawer.expected))
