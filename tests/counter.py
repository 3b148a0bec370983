# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Who sells at the counter: tickets, cash sessions and what they leave"
from collections import defaultdict
from decimal import Decimal

from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)

__all__ = [
    'Counter', 'balances', 'contents', 'documents', 'figures', 'send', 'stock']


class Counter:
    """
    A cashier at a point of sale of a database, by the ORM.

    kind -- 'offline' or 'online': which point of the register
    language -- in which he is told what is wrong
    """

    def __init__(
            self, database, login='esp.lupita', code='ESP', kind=None,
            language='es'):
        self.database = database
        kind = kind or (
            'offline' if database.name.startswith('branch') else 'online')
        with database.transaction():
            user, = database.get('res.user').search([('login', '=', login)])
            register, = database.get('offline_sales.register').search([
                    ('branch.code', '=', code)])
            point = getattr(register, f'{kind}_point')
            self.user = user.id
            self.point = point.id
            self.warehouse = register.branch.warehouse.id
            self.company = point.company.id
            self.context = {
                'company': self.company,
                'companies': [self.company],
                'employee': user.employee.id if user.employee else None,
                'language': language,
                '_check_access': True,
                }
            Method = database.get('sale.point.payment.method')
            self.methods = {
                'cash' if m.cash else 'card': m.id
                for m in Method.search([('company', '=', self.company)])}
            Type = database.get('sale.point.cash.transfer.type')
            self.transfer_types = {
                t.name: t.id
                for t in Type.search([('company', '=', self.company)])}
        with database.transaction(context={'company': self.company}):
            Product = database.get('product.product')
            products = [p for p in Product.search([
                        ('salable', '=', True),
                        ], order=[('code', 'ASC')])
                if p.gross_price_used is not None]
            self.products = {p.code: p.id for p in products}
            self.digits = {p.code: p.sale_uom.digits for p in products}

    def run(self, function, *args, **kwargs):
        return self.database.run(
            function, *args, user=self.user, context=self.context, **kwargs)

    def get(self, name):
        return self.database.get(name)

    @property
    def taxes(self):
        "The names of the taxes of the products, by code"
        def read():
            Product = self.get('product.product')
            return {
                p.code: sorted(t.name for t in p.customer_taxes_used)
                for p in Product.browse(list(self.products.values()))}
        return self.run(read)

    def codes(self, count, start=0, decimals=None):
        """Return the codes of some products

        decimals: whether they are sold by parts of a unit, None for all.
        """
        codes = [
            code for code, digits in self.digits.items()
            if decimals is None or bool(digits) == decimals]
        return [codes[(start + i) % len(codes)] for i in range(count)]

    # Tickets

    def open(self, lines, date=None, **values):
        "Key in a ticket of lines, (code, quantity), and return its id"
        return self.run(self._open, lines, date, values)

    def _open(self, lines, date, values):
        Sale = self.get('sale.point.sale')
        Line = self.get('sale.point.sale.line')
        sale = Sale(point=self.point, **values)
        if date:
            sale.date = date
        sale.lines = []
        for code, quantity in lines:
            line = Line(
                sale=sale, product=self.products[code], quantity=quantity)
            line.on_change_product()
            sale.lines = (*sale.lines, line)
        sale.save()
        return sale.id

    def pay(self, sale, payments=None):
        "Take the payments by method, cash for all by default"
        return self.run(self._pay, sale, payments)

    def _pay(self, sale, payments):
        sale = self.get('sale.point.sale')(sale)
        for method, amount in (payments or [('cash', None)]):
            self.get('sale.point.payment').create([{
                        'sale': sale.id,
                        'method': self.methods[method],
                        'amount': (
                            sale.amount_to_pay if amount is None
                            else Decimal(amount)),
                        }])
            sale = sale.__class__(sale.id)

    def process(self, sale):
        return self.button('sale.point.sale', 'process', sale)

    def sell(self, lines, payments=None, date=None, **values):
        "Sell and return the id of the ticket that is done"
        sale = self.open(lines, date=date, **values)
        self.pay(sale, payments)
        self.process(sale)
        return sale

    def sell_some(self, count, start=0, date=None):
        """Sell count tickets of one to three lines, with decimals where the
        unit has them, by cash, by card, by both and with change"""
        sales = []
        for i in range(start, start + count):
            lines = [
                (code, 1.1 if self.digits[code] else 1 + j)
                for j, code in enumerate(self.codes(1 + i % 3, start=i * 3))]
            sale = self.open(lines, date=date)
            total = self.run(
                lambda sale=sale: self.get('sale.point.sale')(sale).total)
            self.pay(sale, [
                    None,
                    [('card', None)],
                    [('card', '1.50'), ('cash', None)],
                    [('cash', total + 20), ('cash', None)],
                    ][i % 4])
            self.process(sale)
            sales.append(sale)
        return sales

    # Prefacturas

    def parties(self, count=2):
        "Return the ids of some customers with an address"
        def search():
            Party = self.get('party.party')
            found = Party.search([
                    ('addresses', '!=', None),
                    ('id', '!=', self.get('company.company')(
                            self.company).party.id),
                    ], order=[('code', 'ASC')], limit=count)
            return [p.id for p in found]
        return self.database.run(search)

    def quote(self, lines, party=None, **values):
        "Quote a prefactura of lines, (code, quantity), and return its id"
        sale = self.run(
            self._draft, lines, party or self.parties(1)[0], values)
        self.button('sale.sale', 'quote', sale)
        return sale

    def _draft(self, lines, party, values):
        Sale = self.get('sale.sale')
        Line = self.get('sale.line')
        sale = Sale(
            company=self.company, party=party,
            **Sale.default_get(
                [n for n in Sale._fields if n != 'company'],
                with_rec_name=False))
        sale.warehouse = self.warehouse
        sale.on_change_party()
        for name, value in values.items():
            setattr(sale, name, value)
        sale.lines = []
        for code, quantity in lines:
            line = Line(
                sale=sale, type='line', product=self.products[code],
                quantity=quantity)
            line.on_change_product()
            sale.lines = (*sale.lines, line)
        sale.save()
        return sale.id

    def pay_counter(self, sale, payments=None):
        """Take the payments of a prefactura by method and return their ids,
        cash for all by default"""
        def take():
            Payment = self.get('offline_sales.prefactura.payment')
            made = []
            for method, amount in (payments or [('cash', None)]):
                record = self.get('sale.sale')(sale)
                payment, = Payment.create([{
                            'sale': sale,
                            'point': self.point,
                            'method': self.methods[method],
                            'amount': (
                                record.counter_to_pay if amount is None
                                else Decimal(amount)),
                            }])
                made.append(payment.id)
            return made
        return self.run(take)

    def confirm(self, sale):
        return self.button('sale.sale', 'confirm', sale)

    def invoice(self, lines, payments=None, **values):
        "Return the id of a prefactura that is confirmed, paid by default"
        sale = self.quote(lines, **values)
        if payments != []:
            self.pay_counter(sale, payments)
        self.confirm(sale)
        return sale

    def button(self, model, name, record):
        def click():
            Model = self.get(model)
            return getattr(Model, name)([Model(record)])
        return self.run(click)

    # Cash

    def session(self):
        "Return the id of the open session of the point"
        def search():
            return [s.id for s in self.get('sale.point.cash.session').search([
                        ('point', '=', self.point),
                        ('state', '=', 'open'),
                        ])]
        session, = self.run(search)
        return session

    def transfer(self, type_, amount):
        def create():
            transfer, = self.get('sale.point.cash.transfer').create([{
                        'point': self.point,
                        'type': self.transfer_types[type_],
                        'amount': Decimal(amount),
                        }])
            return transfer.id
        return self.run(create)

    def cut(self, counted=None):
        """Count the cash and close the session: what should be there by
        default. Return its id"""
        session = self.session()

        def close():
            Session = self.get('sale.point.cash.session')
            record = Session(session)
            record.end_amount = (
                record.start_amount + record.balance
                if counted is None else Decimal(counted))
            record.save()
            Session.close([record])
        self.run(close)
        return session


def figures(database, domain):
    """Return what the tickets are, by number: date, total, tax, lines and
    payments, with the codes of the products"""
    def read():
        return {
            s.number: {
                'date': s.date,
                'total': s.total,
                'tax': s.total_tax,
                'lines': [
                    (l.product.code, l.quantity, l.unit_list_price,
                        l.unit_gross_price) for l in s.lines],
                'payments': [(p.method.name, p.amount) for p in s.payments],
                'employee': s.employee.rec_name if s.employee else None,
                }
            for s in database.get('sale.point.sale').search(domain)}
    return database.run(read)


def balances(database, company, posted=True):
    "Return the debit less the credit of the accounts, by code"
    def read():
        Line = database.get('account.move.line')
        found = defaultdict(Decimal)
        domain = [('move.company', '=', company)]
        if posted:
            domain.append(('move.state', '=', 'posted'))
        for line in Line.search(domain):
            found[line.account.code] += line.debit - line.credit
        return {code: amount for code, amount in found.items() if amount}
    return database.run(read)


def stock(database, location):
    "Return the quantities at the location, by the code of the product"
    def read():
        Product = database.get('product.product')
        with Transaction().set_context(locations=[location]):
            return {
                p.code: p.quantity for p in Product.search([])
                if p.quantity}
    return database.run(read)


def documents(database, *domain):
    "Return the documents as dictionaries, in the order of their capture"
    def read():
        Document = database.get('offline_sales.document')
        found = Document.search(list(domain), order=[('id', 'ASC')])
        return [{
                'id': d.id,
                'uuid': d.uuid,
                'kind': d.kind,
                'state': d.state,
                'number': d.number,
                'date': d.date,
                'moment': d.moment,
                'user': d.user.login if d.user else None,
                'point': d.point.id if d.point else None,
                'total': d.total,
                'tax': d.tax,
                'record': str(d.record) if d.record else None,
                'amounts': [
                    (a.type, a.method.name if a.method else a.tax.name,
                        a.amount) for a in d.amounts],
                'sha256': d.sha256,
                'payload': d.payload,
                'reason': d.reason_code,
                'text': d.reason,
                } for d in found]
    return database.run(read)


def contents(document):
    return wire.loads(document['payload'].encode())


def send(shop, wait=60):
    "Send as the wizard does and return what it says"
    Send = shop.branch.get('offline_sales.document.send', type='wizard')

    def click():
        session_id, start, end = Send.create()
        answer = Send.execute(session_id, {}, start)
        return answer['view']['defaults']['message']
    Send.WAIT, kept = wait, Send.WAIT
    try:
        return shop.branch.run(click, context={'language': 'en'})
    finally:
        Send.WAIT = kept
