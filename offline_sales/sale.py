# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Points of sale on both sides

At a branch what is sold on its own points is captured as documents and posted
by the central. At the central nobody sells on the points of the branches: it
only does again what their documents say.
"""
from decimal import Decimal

from trytond.i18n import gettext
from trytond.model import ModelView, Workflow, fields
from trytond.modules.product import round_price
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import StateReport

from .document.adapter import CHARGED, is_replay
from .exceptions import (
    CashDifferenceWarning, CashUncountedWarning, DocumentError,
    OfflineAccessError, Rejection)
from .product import OfflineQuantityMixin

# The session of the cash that a payment brings, when it is done again
SESSION = '_offline_sales_session'


def _check_posting(records):
    "Raise an error at a branch, which does not post"
    pool = Pool()
    Configuration = pool.get('offline_sales.configuration')
    if records and Configuration.is_branch():
        raise OfflineAccessError(gettext('offline_sales.msg_branch_post'))


class Point(metaclass=PoolMeta):
    __name__ = 'sale.point'

    print_ticket = fields.Boolean(
        "Print Ticket",
        help="Check to open the ticket to be printed once it is done.")

    @classmethod
    def default_print_ticket(cls):
        return True

    @classmethod
    @without_check_access
    def check_side(cls, points):
        """Raise an error if this side may not sell on one of the points

        A branch sells on its offline points only, for the numbers of the
        others are given by the central; the central on all but those.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Register = pool.get('offline_sales.register')
        points = set(points)
        if not points or is_replay():
            return
        registers = Register.search([
                ('offline_point', 'in', list(map(int, points))),
                ])
        if Configuration.is_branch():
            branch = Configuration.get_branch()
            wrong = points - {
                r.offline_point for r in registers if r.branch == branch}
            message = 'offline_sales.msg_branch_point'
        else:
            wrong = {r.offline_point for r in registers}
            message = 'offline_sales.msg_central_point'
        for point in wrong:
            raise OfflineAccessError(gettext(message, point=point.rec_name))


class Sale(metaclass=PoolMeta):
    __name__ = 'sale.point.sale'

    party = fields.Many2One(
        'party.party', "Customer", ondelete='RESTRICT',
        states={
            'readonly': Eval('state') != 'open',
            },
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # The draft of a prepared sale is part of it
        cls.move.ondelete = 'RESTRICT'

    @classmethod
    def default_date(cls):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        return Branch.today() or super().default_date()

    @classmethod
    def check_modification(cls, mode, sales, values=None, external=False):
        pool = Pool()
        Point = pool.get('sale.point')
        super().check_modification(
            mode, sales, values=values, external=external)
        if mode == 'create':
            Point.check_side({s.point for s in sales})
        elif mode == 'write' and values.get('point'):
            Point.check_side({Point(values['point'])})

    @classmethod
    def do(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        opened = [s for s in sales if s.state == 'open']
        super().do(sales)
        if Configuration.is_branch():
            Document.capture('ticket', [
                    s for s in cls.browse(opened) if s.state == 'done'])

    @classmethod
    @ModelView.button
    def cancel(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        opened = [s for s in sales if s.state == 'open']
        super().cancel(sales)
        if Configuration.is_branch():
            # What was paid by card and given back in cash is of the drawer
            Document.capture('ticket', [
                    s for s in cls.browse(opened)
                    if s.state == 'cancelled' and s.payments])

    @classmethod
    @ModelView.button
    def process(cls, sales):
        pool = Pool()
        Action = pool.get('ir.action')
        ModelData = pool.get('ir.model.data')
        super().process(sales)
        if any(s.is_to_print() for s in cls.browse(sales)):
            return Action.get_action_id(
                ModelData.get_id('offline_sales', 'report_ticket'))

    def is_to_print(self):
        "Return if its ticket is opened now that it is done"
        return self.state == 'done' and self.point.print_ticket

    @classmethod
    @ModelView.button
    def open(cls, sales):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        Point = pool.get('sale.point')
        done = [s for s in sales if s.state in {'done', 'cancelled'}]
        if Configuration.is_branch():
            for sale in done:
                if any(p.session and p.session.state != 'open'
                        for p in sale.payments):
                    raise DocumentError(gettext(
                            'offline_sales.msg_ticket_open_counted',
                            sale=sale.rec_name))
            Document.withdraw('ticket', done)
        else:
            Point.check_side({s.point for s in done})
        super().open(sales)

    @classmethod
    def prepare_posting(cls, sales):
        """Do what posting does but the posting itself

        The stock moves are done, the account moves are drafts and the sales
        still done: what remains is short.
        """
        pool = Pool()
        StockMove = pool.get('stock.move')
        AccountMove = pool.get('account.move')
        stock_moves = []
        for sale in sales:
            for line in sale.lines:
                if move := line.get_stock_move():
                    stock_moves.append(move)
            sale.move = sale.get_account_move()
        if stock_moves:
            StockMove.save(stock_moves)
            StockMove.do(stock_moves)
        AccountMove.save([s.move for s in sales])
        cls.save(sales)

    def _get_taxes(self):
        charged = Transaction().context.get(CHARGED)
        if not charged:
            return super()._get_taxes()
        pool = Pool()
        Tax = pool.get('account.tax')
        taxes = {}
        for row in charged['taxes']:
            tax = self._compute_tax_line(
                row['amount'], row['base'], Tax(row['tax']))
            taxes[tax._key] = tax
        return taxes

    def get_account_move(self):
        move = super().get_account_move()
        if Transaction().context.get(CHARGED):
            self._set_charged_bases(move)
        return move

    def _set_charged_bases(self, move):
        "Have the move tell of the bases that were charged"
        pool = Pool()
        TaxLine = pool.get('account.tax.line')
        revenues = [
            l for l in move.lines
            if getattr(l, 'origin', None) in set(self.lines)]
        for line in revenues:
            line.tax_lines = []
        for line in revenues[:1]:
            line.tax_lines = [
                TaxLine(amount=tax.base, type='base', tax=tax.tax)
                for tax in self._get_taxes().values()]

    @classmethod
    @ModelView.button
    def post(cls, sales):
        _check_posting(sales)
        prepared = [s for s in sales if s.move]
        super().post([s for s in sales if not s.move])
        cls._post_prepared(prepared)

    @classmethod
    @Workflow.transition('posted')
    def _post_prepared(cls, sales):
        pool = Pool()
        Move = pool.get('account.move')
        Move.post([s.move for s in sales if s.move.state == 'draft'])


class Payment(metaclass=PoolMeta):
    __name__ = 'sale.point.payment'

    @classmethod
    def preprocess_values(cls, mode, values):
        context = {}
        if mode == 'create' and is_replay():
            context[SESSION] = values.get('session')
        with Transaction().set_context(context):
            return super().preprocess_values(mode, values)


class Pay(metaclass=PoolMeta):
    __name__ = 'sale.point.sale.pay'

    print_ = StateReport('offline_sales.ticket')

    def transition_pay(self):
        state = super().transition_pay()
        if state == 'end' and self.record.is_to_print():
            # The client asks for the report when this is on the disk
            return 'print_'
        return state

    def do_print_(self, action):
        return action, {'id': self.record.id, 'ids': [self.record.id]}


class CashSession(metaclass=PoolMeta):
    __name__ = 'sale.point.cash.session'

    @classmethod
    def get_current(cls, point):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Point = pool.get('sale.point')
        session = Transaction().context.get(SESSION)
        if is_replay():
            if session is None:
                raise Rejection('unreadable', what='session')
            return cls(session)
        Point.check_side({point})
        if Configuration.is_branch():
            cls._take(lambda table: (
                    (table.point == point.id) & (table.state == 'open')))
        return super().get_current(point)

    @classmethod
    def _take(cls, where):
        """Let no other transaction count or use the sessions meanwhile

        A write that changes nothing: on SQLite it takes the lock of the
        database, on PostgreSQL that of the rows, and who has read them before
        and writes them after is begun again. What is read from here on holds.
        """
        transaction = Transaction()
        table = cls.__table__()
        cursor = transaction.connection.cursor()
        cursor.execute(*table.update(
                [table.state], [table.state], where=where(table)))
        for cache in transaction.cache.values():
            cache.clear()

    @classmethod
    def check_modification(cls, mode, sessions, values=None, external=False):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Point = pool.get('sale.point')
        super().check_modification(
            mode, sessions, values=values, external=external)
        if mode == 'create':
            Point.check_side({s.point for s in sessions})
        elif Configuration.is_branch():
            if mode == 'write':
                cls._check_chain(sessions, values)
            else:
                Document = pool.get('offline_sales.document')
                Document.withdraw('cash_session', sessions)

    @classmethod
    def _check_chain(cls, sessions, values):
        "Raise an error if what the central was told first is changed"
        for name in ['point', 'previous_session']:
            if name not in values:
                continue
            for session in sessions:
                value = getattr(session, name)
                if (value.id if value else None) != values[name]:
                    raise DocumentError(gettext(
                            'offline_sales.msg_cash_session_chain',
                            session=session.rec_name))

    @classmethod
    def on_modification(cls, mode, sessions, field_names=None):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        super().on_modification(mode, sessions, field_names=field_names)
        if mode == 'create' and Configuration.is_branch():
            Document.capture('cash_session', sessions)

    @classmethod
    @ModelView.button
    def open(cls, sessions):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        Point = pool.get('sale.point')
        closed = [s for s in sessions if s.state == 'closed']
        if Configuration.is_branch():
            for session in closed:
                if session.next_session:
                    raise DocumentError(gettext(
                            'offline_sales.msg_cash_session_followed',
                            session=session.rec_name))
            Document.withdraw('cash_cut', closed)
        else:
            Point.check_side({s.point for s in closed})
        super().open(sessions)
        if Configuration.is_branch():
            cls._forget_differences(closed)

    @classmethod
    @ModelView.button
    def close(cls, sessions):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Document = pool.get('offline_sales.document')
        if not Configuration.is_branch():
            super().close(sessions)
            return
        ids = list(map(int, sessions))
        cls._take(lambda table: fields.SQL_OPERATORS['in'](table.id, ids))
        sessions = cls.browse(ids)
        opened = [s for s in sessions if s.state == 'open']
        for session in opened:
            if sales := {
                    p.sale for p in session.payments
                    if p.sale.state == 'open'}:
                raise DocumentError(gettext(
                        'offline_sales.msg_cash_session_open_ticket',
                        session=session.rec_name, count=len(sales)))
            if sales := {
                    p.sale for p in session.prefactura_payments
                    if p.sale.state in {'draft', 'quotation'}}:
                raise DocumentError(gettext(
                        'offline_sales.msg_cash_session_open_prefactura',
                        session=session.rec_name,
                        sales=", ".join(s.rec_name for s in sales)))
            session.note_difference()
        super().close(cls.browse(ids))
        Document.capture('cash_cut', [
                s for s in cls.browse(opened) if s.state == 'closed'])

    @without_check_access
    def note_difference(self):
        "Make a transfer of what is counted more or less than should be there"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Lang = pool.get('ir.lang')
        Transfer = pool.get('sale.point.cash.transfer')
        UserWarning_ = pool.get('res.user.warning')
        branch = Configuration.get_branch()
        difference = self.end_amount - self.start_amount - self.balance
        if difference < 0:
            type_ = branch.shortage_type
        else:
            type_ = branch.surplus_type
        if not difference or not type_:
            return
        key = UserWarning_.format(f'cash_difference_{difference}', [self])
        if UserWarning_.check(key):
            raise CashDifferenceWarning(key, gettext(
                    'offline_sales.msg_cash_session_difference',
                    session=self.rec_name, type=type_.rec_name,
                    amount=Lang.get().currency(
                        abs(difference), self.currency)))
        Transfer.create([{
                    'point': self.point.id,
                    'session': self.id,
                    'type': type_.id,
                    'amount': difference,
                    'difference': True,
                    }])

    @classmethod
    @without_check_access
    def _forget_differences(cls, sessions):
        "The cash of the sessions will be counted again"
        pool = Pool()
        Transfer = pool.get('sale.point.cash.transfer')
        Transfer.delete([
                t for session in cls.browse(sessions)
                for t in session.transfers if t.difference])

    @classmethod
    @ModelView.button
    def post(cls, sessions):
        pool = Pool()
        UserWarning_ = pool.get('res.user.warning')
        _check_posting(sessions)
        closed = [s for s in sessions if s.state == 'closed']
        for session in closed:
            if not session.is_counted():
                key = UserWarning_.format('cash_session_uncounted', [session])
                if UserWarning_.check(key):
                    raise CashUncountedWarning(key, gettext(
                            'offline_sales.msg_cash_session_uncounted',
                            session=session.rec_name))
        for session in closed:
            session.presume()
        super().post(sessions)

    @without_check_access
    def presume(self):
        "Have what should be there stand for what no cut of a branch counted"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        documents = self._get_documents()
        if 'cash_session' not in documents or documents.get('cash_cut') in {
                'prepared', 'processed'}:
            return
        end = self.start_amount + self.balance
        if self.end_amount != end:
            self.end_amount = end
            self.save()
        Document.get_adapter('cash_cut').note_next(self)

    @without_check_access
    def is_counted(self):
        "Return False while the cut of a branch's session is still to come"
        documents = self._get_documents()
        return 'cash_session' not in documents or 'cash_cut' in documents

    def _get_documents(self):
        "Return the states of what a branch said of the session, by kind"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        # What was voided counts where there is nothing else
        return {
            d.kind: d.state for d in sorted(Document.search([
                        ('record', '=', str(self)),
                        ('state', 'in', ['prepared', 'processed', 'voided']),
                        ]), key=lambda d: d.state != 'voided')}


class CashTransfer(metaclass=PoolMeta):
    __name__ = 'sale.point.cash.transfer'

    difference = fields.Boolean(
        "Difference", readonly=True,
        help="Made by the count of the cash.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # The draft of a prepared cut is part of it
        cls.move.ondelete = 'RESTRICT'

    @classmethod
    def default_date(cls):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        return Branch.today() or super().default_date()

    @classmethod
    def check_modification(cls, mode, transfers, values=None, external=False):
        pool = Pool()
        Point = pool.get('sale.point')
        super().check_modification(
            mode, transfers, values=values, external=external)
        if mode == 'create':
            Point.check_side({t.point for t in transfers})
        elif mode == 'write' and values.get('point'):
            Point.check_side({Point(values['point'])})

    @classmethod
    def prepare_posting(cls, transfers):
        "Make the drafts of the account moves, which post would post"
        pool = Pool()
        AccountMove = pool.get('account.move')
        PaymentMethod = pool.get('sale.point.payment.method')
        if not transfers:
            return
        accounts = {
            m.company: m.account
            for m in PaymentMethod.search([('cash', '=', True)])}
        for transfer in transfers:
            transfer.move = transfer.get_move(
                account=accounts.get(transfer.company))
        AccountMove.save([t.move for t in transfers])
        cls.save(transfers)

    @classmethod
    @ModelView.button
    def post(cls, transfers):
        _check_posting(transfers)
        super().post(transfers)


class PartyReplace(metaclass=PoolMeta):
    __name__ = 'party.replace'

    @classmethod
    def fields_to_replace(cls):
        return [*super().fields_to_replace(), ('sale.point.sale', 'party')]


class PointSaleLine(OfflineQuantityMixin, metaclass=PoolMeta):
    __name__ = 'sale.point.sale.line'

    def get_stock_move(self):
        move = super().get_stock_move()
        charged = Transaction().context.get(CHARGED)
        if move and charged:
            self._set_charged_quantity(move, charged['goods'])
        return move

    def _set_charged_quantity(self, move, goods):
        """Have the move be of what left the shelf, in the unit of that time

        goods: of the ticket, so that a line gets its share.
        """
        pool = Pool()
        Uom = pool.get('product.uom')
        total = sum(
            abs(line.quantity) for line in self.sale.lines
            if line.product == self.product
            and (line.quantity >= 0) == (self.quantity >= 0))
        for row in goods:
            if (row['product'], row['from_location']) == (
                    self.product.id, self.from_location.id) and total:
                ratio = float(row['quantity']) / total
                move.unit = Uom(row['unit'])
                move.quantity = move.unit.round(abs(self.quantity) * ratio)
                if ratio:
                    move.unit_price = round_price(
                        self.unit_list_price / Decimal(repr(ratio)))


class SaleLine(OfflineQuantityMixin, metaclass=PoolMeta):
    __name__ = 'sale.line'
