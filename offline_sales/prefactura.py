# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Prefacturas: sales that are invoiced later, paid at the counter or on credit

What is paid at the counter enters the cash session of the point of sale and
is an advance of the customer, which the office reconciles with the invoice.
At a branch a prefactura stays confirmed: the central goes on with it.
"""
from decimal import Decimal
from itertools import groupby

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from .document.adapter import is_replay
from .exceptions import DocumentError, PrefacturaError
from .sale import SESSION

# The states in which payments are taken and given back
OPEN = {'draft', 'quotation'}
KIND = 'prefactura'


class Sale(metaclass=PoolMeta):
    __name__ = 'sale.sale'

    counter_payments = fields.One2Many(
        'offline_sales.prefactura.payment', 'sale', "Counter Payments",
        states={
            'readonly': ~Eval('state').in_(list(OPEN)),
            })
    counter_paid = fields.Function(Monetary(
            "Paid at the Counter", currency='currency', digits='currency'),
        'on_change_with_counter_paid')
    counter_to_pay = fields.Function(Monetary(
            "Left to Pay", currency='currency', digits='currency',
            help="What is not paid at the counter is credit."),
        'on_change_with_counter_to_pay')

    @fields.depends('counter_payments')
    def on_change_with_counter_paid(self, name=None):
        return sum((p.amount or 0 for p in self.counter_payments), Decimal(0))

    @fields.depends(
        'total_amount', methods=['on_change_with_counter_paid'])
    def on_change_with_counter_to_pay(self, name=None):
        return (self.total_amount or 0) - self.on_change_with_counter_paid()

    @classmethod
    def default_warehouse(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if branch := Configuration.get_branch():
            return branch.warehouse.id
        return super().default_warehouse()

    @classmethod
    def copy(cls, sales, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('counter_payments')
        return super().copy(sales, default=default)

    @classmethod
    def check_modification(cls, mode, sales, values=None, external=False):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        super().check_modification(
            mode, sales, values=values, external=external)
        if external and Configuration.is_branch():
            # What is confirmed by hand would be checked by nobody
            for sale in sales:
                if ((mode == 'create' and sale.state != 'draft')
                        or (mode == 'write'
                            and values.get('state', sale.state)
                            != sale.state)):
                    raise DocumentError(gettext(
                            'offline_sales.msg_prefactura_state'))
        if mode == 'delete':
            for sale in sales:
                if sale.counter_payments:
                    raise DocumentError(gettext(
                            'offline_sales.msg_prefactura_delete_paid',
                            sale=sale.rec_name))

    @classmethod
    @ModelView.button
    def quote(cls, sales):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        if today := Branch.today():
            undated = [s for s in sales if not s.quotation_date]
            for sale in undated:
                sale.quotation_date = today
            cls.save(undated)
        super().quote(sales)

    @classmethod
    def set_sale_date(cls, sales):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        if today := Branch.today():
            cls.write([s for s in sales if not s.sale_date], {
                    'sale_date': today,
                    })
        super().set_sale_date(sales)

    @classmethod
    @ModelView.button
    def confirm(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        quoted = [s for s in sales if s.state == 'quotation']
        branch = Configuration.get_branch()
        if Configuration.is_branch():
            for sale in quoted:
                sale.check_counter(branch)
            if branch.deliver:
                cls.write(quoted, {'shipment_method': 'order'})
        super().confirm(sales)
        confirmed = [s for s in cls.browse(quoted) if s.state == 'confirmed']
        if Configuration.is_branch():
            Document.capture(KIND, confirmed)
        else:
            cls.post_counter(confirmed)

    @classmethod
    @ModelView.button
    def cancel(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        opened = [s for s in sales if s.state in OPEN]
        for sale in opened:
            if sale.counter_paid:
                raise PrefacturaError(gettext(
                        'offline_sales.msg_prefactura_cancel_paid',
                        sale=sale.rec_name))
        super().cancel(sales)
        cancelled = [
            s for s in cls.browse(opened)
            if s.state == 'cancelled' and s.counter_payments]
        if Configuration.is_branch():
            Document.capture(KIND, cancelled)
        else:
            cls.post_counter(cancelled)

    @classmethod
    @ModelView.button
    def draft(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        if Configuration.is_branch():
            told = [s for s in sales if s.state in {'confirmed', 'cancelled'}]
            for sale in told:
                if any(p.session and p.session.state != 'open'
                        for p in sale.counter_payments):
                    raise DocumentError(gettext(
                            'offline_sales.msg_prefactura_draft_counted',
                            sale=sale.rec_name))
            Document.withdraw(KIND, told)
        super().draft(sales)

    @classmethod
    @ModelView.button
    def process(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        # A branch has neither shipments nor invoices
        if not Configuration.is_branch():
            super().process(sales)

    def check_counter(self, branch):
        "Raise PrefacturaError if the branch may not confirm the prefactura"
        if self.currency != self.company.currency:
            raise PrefacturaError(gettext(
                    'offline_sales.msg_prefactura_currency',
                    sale=self.rec_name,
                    currency=self.company.currency.rec_name))
        left = self.counter_to_pay
        lowest, highest = sorted([self.total_amount, Decimal(0)])
        if not lowest <= self.counter_paid <= highest:
            raise PrefacturaError(gettext(
                    'offline_sales.msg_prefactura_overpaid',
                    sale=self.rec_name, paid=self._format(self.counter_paid),
                    total=self._format(self.total_amount)))
        if left > 0:
            self.check_credit(branch, left)

    def check_credit(self, branch, amount):
        "Raise PrefacturaError if the customer may not owe the amount"
        if not branch.credit:
            raise PrefacturaError(gettext(
                    'offline_sales.msg_prefactura_unpaid',
                    sale=self.rec_name, amount=self._format(amount)))
        limit = self.get_credit_limit(branch)
        if limit is None:
            return
        used = self.get_credit_used()
        if used + amount > limit:
            raise PrefacturaError(gettext(
                    'offline_sales.msg_prefactura_credit',
                    sale=self.rec_name, party=self.credit_party.rec_name,
                    limit=self._format(limit), used=self._format(used),
                    amount=self._format(amount)))

    @property
    def credit_party(self):
        return self.invoice_party or self.party

    def get_credit_limit(self, branch):
        """Return what the customer may owe, None if that is not limited

        That of the customer, where the central has a module for it, or of the
        branch.
        """
        limit = None
        party = self.credit_party
        if 'credit_limit_amount' in party._fields:
            with Transaction().set_context(company=self.company.id):
                limit = party.credit_limit_amount
        return branch.credit_limit if limit is None else limit

    @without_check_access
    def get_credit_used(self):
        """Return what the customer was sold on credit here and the central
        did not know when the catalogs were obtained"""
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Update = pool.get('offline_sales.update')
        domain = ['OR', ('state', 'in', ['pending', 'sent', 'rejected'])]
        if update := Update.last_success():
            # When it was settled by this side's clock, as is the update's
            domain.append(('write_date', '>=', update.start))
        party = self.credit_party
        sales = {
            d.record for d in Document.search([
                    ('kind', '=', KIND),
                    ('state', 'not in', ['withdrawn', 'voided']),
                    domain,
                    ])}
        return sum((
                max(s.counter_to_pay, 0) for s in sales
                if s.credit_party == party and s.state == 'confirmed'),
            Decimal(0))

    def _format(self, amount):
        pool = Pool()
        Lang = pool.get('ir.lang')
        return Lang.get().currency(amount, self.company.currency)

    @classmethod
    def post_counter(cls, sales):
        "Post what was paid at the counter"
        pool = Pool()
        Payment = pool.get('offline_sales.prefactura.payment')
        # Of what a branch did it is posted last
        if is_replay():
            return
        payments = [
            p for sale in sales for p in sale.counter_payments if not p.move]
        Payment.prepare_posting(payments)
        Payment.post(payments)


class Payment(ModelSQL, ModelView):
    "Counter Payment"
    __name__ = 'offline_sales.prefactura.payment'

    _states = {
        'readonly': ~Eval('sale_state').in_(list(OPEN)) | (Eval('id', -1) > 0),
        }

    sale = fields.Many2One(
        'sale.sale', "Sale", required=True, ondelete='RESTRICT',
        states=_states)
    point = fields.Many2One(
        'sale.point', "Point of Sale", required=True, ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))],
        states=_states)
    method = fields.Many2One(
        'sale.point.payment.method', "Method", required=True,
        ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            If(Eval('amount', 0) < 0,
                ('cash', '=', True),
                ()),
            ],
        states=_states)
    amount = Monetary(
        "Amount", currency='currency', digits='currency', required=True,
        states=_states)
    date = fields.Date("Date", required=True, states=_states)
    session = fields.Many2One(
        'sale.point.cash.session', "Session", ondelete='RESTRICT',
        readonly=True,
        domain=[('point', '=', Eval('point', -1))],
        states={
            'invisible': ~Eval('cash'),
            'required': Eval('cash', False),
            })
    move = fields.Many2One(
        'account.move', "Move", readonly=True, ondelete='RESTRICT',
        states={
            'invisible': ~Eval('move'),
            })
    company = fields.Function(fields.Many2One(
            'company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    currency = fields.Function(fields.Many2One(
            'currency.currency', "Currency"), 'on_change_with_currency')
    sale_state = fields.Function(fields.Selection(
            'get_sale_states', "Sale State"), 'on_change_with_sale_state')
    cash = fields.Function(fields.Boolean("Cash"), 'on_change_with_cash')

    del _states

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('sale')

    @classmethod
    def default_point(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        branch = Configuration.get_branch()
        if branch and len(branch.registers) == 1:
            register, = branch.registers
            return register.offline_point.id

    @classmethod
    def default_date(cls):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        Date = pool.get('ir.date')
        return Branch.today() or Date.today()

    @fields.depends('sale', '_parent_sale.counter_to_pay')
    def on_change_sale(self):
        if self.sale:
            self.amount = self.sale.counter_to_pay

    @fields.depends('sale', '_parent_sale.company')
    def on_change_with_company(self, name=None):
        return self.sale.company if self.sale else None

    @classmethod
    def search_company(cls, name, clause):
        return [('sale.company' + clause[0][len(name):], *clause[1:])]

    @fields.depends('sale', '_parent_sale.company')
    def on_change_with_currency(self, name=None):
        if self.sale and self.sale.company:
            return self.sale.company.currency

    @classmethod
    def get_sale_states(cls):
        pool = Pool()
        Sale = pool.get('sale.sale')
        return Sale.fields_get(['state'])['state']['selection']

    @fields.depends('sale', '_parent_sale.state')
    def on_change_with_sale_state(self, name=None):
        return self.sale.state if self.sale else None

    @fields.depends('method')
    def on_change_with_cash(self, name=None):
        return self.method.cash if self.method else None

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Method = pool.get('sale.point.payment.method')
        Point = pool.get('sale.point')
        Session = pool.get('sale.point.cash.session')
        values = super().preprocess_values(mode, values)
        if (mode == 'create'
                and values.get('method') and Method(values['method']).cash
                and values.get('point')):
            context = {}
            if is_replay():
                context[SESSION] = values.get('session')
            with Transaction().set_context(context):
                values['session'] = Session.get_current(
                    Point(values['point'])).id
        return values

    @classmethod
    def check_modification(cls, mode, payments, values=None, external=False):
        pool = Pool()
        Point = pool.get('sale.point')
        super().check_modification(
            mode, payments, values=values, external=external)
        if mode == 'create':
            Point.check_side({p.point for p in payments})
        elif mode == 'write' and values.keys() <= {'move'} and not external:
            return
        for payment in payments:
            if (payment.sale.state not in OPEN
                    or mode == 'write' or payment.move):
                raise DocumentError(gettext(
                        'offline_sales.msg_prefactura_payment_change',
                        sale=payment.sale.rec_name))
            if (mode == 'delete' and payment.session
                    and payment.session.state != 'open'):
                raise DocumentError(gettext(
                        'offline_sales.msg_prefactura_payment_counted',
                        sale=payment.sale.rec_name))

    @classmethod
    def copy(cls, payments, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('move')
        default.setdefault('session')
        return super().copy(payments, default=default)

    def get_rec_name(self, name):
        return f'{self.method.rec_name} @ {self.sale.rec_name}'

    @classmethod
    def prepare_posting(cls, payments):
        "Make the drafts of the account moves, one for each day of a sale"
        pool = Pool()
        Move = pool.get('account.move')
        moves = []
        for _, group in groupby(
                sorted(payments, key=cls._move_key), key=cls._move_key):
            group = list(group)
            move = cls.get_move(group)
            moves.append(move)
            for payment in group:
                payment.move = move
        Move.save(moves)
        cls.save(payments)

    def _move_key(self):
        return self.sale.id, self.point.id, self.date

    @classmethod
    def get_move(cls, payments):
        "Return the account move of payments of one sale, point and day"
        pool = Pool()
        Move = pool.get('account.move')
        Period = pool.get('account.period')
        payment = payments[0]
        sale = payment.sale
        lines = [p._get_line(p.method.account, p.amount) for p in payments]
        if total := sum(p.amount for p in payments):
            with Transaction().set_context(company=sale.company.id):
                account = sale.credit_party.account_receivable_used
            lines.append(payment._get_line(account, -total))
        return Move(
            journal=payment.point.journal,
            period=Period.find(sale.company, date=payment.date),
            date=payment.date,
            origin=sale,
            company=sale.company,
            lines=lines)

    def _get_line(self, account, amount):
        pool = Pool()
        Line = pool.get('account.move.line')
        line = Line(
            account=account,
            debit=max(amount, Decimal(0)), credit=max(-amount, Decimal(0)))
        if account and account.party_required:
            line.party = self.sale.credit_party
        return line

    @classmethod
    def post(cls, payments):
        pool = Pool()
        Move = pool.get('account.move')
        Move.post(list({p.move for p in payments if p.move.state == 'draft'}))


class CashSession(metaclass=PoolMeta):
    __name__ = 'sale.point.cash.session'

    prefactura_payments = fields.One2Many(
        'offline_sales.prefactura.payment', 'session', "Prefacturas",
        readonly=True)

    @classmethod
    def get_balance(cls, sessions, name):
        pool = Pool()
        Payment = pool.get('offline_sales.prefactura.payment')
        balances = super().get_balance(sessions, name)
        payments = Payment.search(
            [('session', 'in', list(map(int, sessions)))], order=[])
        for payment in payments:
            balances[payment.session.id] += payment.amount
        return balances


class Move(metaclass=PoolMeta):
    __name__ = 'account.move'

    @classmethod
    def _get_origin(cls):
        return [*super()._get_origin(), 'sale.sale']
