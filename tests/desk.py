# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Who does the days, with the buttons of the screens, over proteus

Nothing here knows how a document is made or done again.
"""
import hashlib
from collections import defaultdict
from contextlib import contextmanager
from decimal import Decimal

from proteus import Model, Wizard
from proteus import config as proteus_config

from .process import PASSWORD

__all__ = ['Clerk', 'Office']

CENT = Decimal('0.01')


# What proteus asks of a database each time that somebody logs in
_ASKED = {}


def _ask(database, function):
    key = database, function.__name__
    if key not in _ASKED:
        _ASKED[key] = function()
    return _ASKED[key]


def _compact(text):
    return text and text.replace(' ', '')


class _Person:
    "Who works at a database over HTTP"

    def __init__(self, config, database):
        self.config = config
        self.database = database
        methods = _ask(database, self.list_methods)
        config.get_proxy_methods = lambda name: methods[name]
        self._found = {}

    @classmethod
    @contextmanager
    def login(cls, url, database, login, *args):
        with proteus_config.set_xmlrpc_session(
                f'{url}/{database}/rpc/', login, PASSWORD) as config:
            person = cls(config, database, *args)
            try:
                yield person
            finally:
                # Else the classes stay for ever
                Model.reset(config)

    def list_methods(self):
        "Return the methods by model"
        methods = defaultdict(list)
        for method in self.config.server.system.listMethods():
            type_, _, name = method.partition('.')
            name, _, method = name.rpartition('.')
            if type_ == 'model':
                methods[name].append(method)
        return methods

    def get(self, name):
        return Model.get(name, config=self.config)

    def find(self, model, name, value):
        "Return the one record that is called so"
        record, = self.get(model).find([(name, '=', value)])
        return record

    def find_once(self, model, name, value):
        "The same for what nobody changes"
        key = model, name, value
        if key not in self._found:
            self._found[key] = self.find(*key)
        return self._found[key]

    def find_party(self, name):
        return self.find('party.party', 'name', name)

    def find_product(self, code):
        return self.find('product.product', 'code', code)


class Customers(_Person):
    "Who keeps the customers"

    FIELDS = {
        'addresses': ('addresses', 'street_name'),
        'mechanisms': ('contact_mechanisms', 'value'),
        'identifiers': ('identifiers', 'code'),
        }

    def __init__(self, config, database):
        super().__init__(config, database)
        # As a client, which speaks of what it shows, to a cashier who may not
        # see all there is
        shown = _ask(database, self.list_shown)
        Party = self.get('party.party')
        for name, definition in list(Party._fields.items()):
            if definition['type'] == 'one2many' and name not in shown:
                del Party._fields[name]

    def list_shown(self):
        Party = self.config.get_proxy('party.party')
        return set(Party.fields_view_get(
                None, 'form', self.config.context)['fields'])

    def do_newcustomer(self, act):
        party = self.get('party.party')(name=act.name)
        # The screen begins with an empty one
        del party.addresses[:]
        for kind in self.FIELDS:
            for values in getattr(act, kind):
                self.add(party, kind, values)
        party.save()

    def do_changecustomer(self, act):
        party = self.find_party(act.name)
        for change, *args in act.changes:
            getattr(self, change)(party, *args)
        party.save()

    def set(self, party, name, value):
        if name == 'customer_payment_term':
            value = self.find_once(
                'account.invoice.payment_term', 'name', value)
        setattr(party, name, value)

    def add(self, party, kind, values):
        child = getattr(party, self.FIELDS[kind][0]).new()
        for name, value in values.items():
            setattr(child, name, value)

    def find_child(self, party, kind, key):
        children, name = self.FIELDS[kind]
        child, = [
            c for c in getattr(party, children)
            # The screen may write an identifier with spaces
            if _compact(getattr(c, name)) == _compact(key)]
        return child

    def change(self, party, kind, key, values):
        child = self.find_child(party, kind, key)
        for name, value in values.items():
            setattr(child, name, value)

    def remove(self, party, kind, key):
        party.save()
        self.find_child(party, kind, key).delete()
        party.reload()


class Clerk(Customers):
    """Who sells at a point of sale

    office -- who does at the central what a branch's cashier does himself,
        and what follows from it; None at a branch
    """

    def __init__(self, config, database, point, office=None):
        super().__init__(config, database)
        self.point = self.find('sale.point', 'name', point)
        self.office = office

    def do(self, act):
        name = f'do_{type(act).__name__.lower()}'
        person = self
        if self.office and hasattr(Customers, name):
            person = self.office
        getattr(person, name)(act)

    # Tickets

    def do_ticket(self, act):
        sale = self.get('sale.point.sale')(point=self.point)
        if act.customer:
            sale.party = self.find_party(act.customer)
        for code, quantity in act.lines:
            line = sale.lines.new()
            line.product = self.find_product(code)
            line.quantity = quantity
        sale.save()
        getattr(self, f'ticket_{act.then}')(sale, act)

    def ticket_done(self, sale, act):
        self.pay(sale, act.card, act.tendered)

    def ticket_reopened(self, sale, act):
        self.ticket_done(sale, act)
        sale.click('open')
        sale.click('process')

    def ticket_changed(self, sale, act):
        self.ticket_done(sale, act)
        sale.click('open')
        sale.reload()
        line = sale.lines[0]
        line.quantity += 1
        sale.save()
        sale.reload()
        self.pay(sale, Decimal(0), Decimal(0))

    def ticket_cancelled(self, sale, act):
        sale.click('cancel')

    def ticket_returned(self, sale, act):
        part = (sale.total * Decimal('0.3')).quantize(CENT)
        if part:
            self.take(sale, [(not act.card, part), (True, -part)])
        sale.click('cancel')

    def ticket_revived(self, sale, act):
        sale.click('cancel')
        sale.click('open')
        sale.reload()
        self.ticket_done(sale, act)

    def pay(self, sale, card, tendered):
        if sale.amount_to_pay:
            self.take(sale, self.share(sale.amount_to_pay, card, tendered))
        else:
            sale.click('process')

    def take(self, sale, payments):
        "Take the payments, (cash, amount)"
        for cash, amount in payments:
            pay = sale.click('pay')
            pay.form.method = self.get_method(cash)
            pay.form.amount = amount
            pay.execute('pay')
            sale.reload()
            if pay.state != 'end':
                pay.execute('end')

    @staticmethod
    def share(total, card, tendered=Decimal(0)):
        "Return how the total is paid, as (cash, amount)"
        if total < 0:
            return [(True, total)]
        by_card = (total * card).quantize(CENT)
        payments = [(False, by_card)] if by_card else []
        if cash := total - by_card:
            payments.append((True, cash + tendered))
            if tendered:
                payments.append((True, -tendered))
        return payments

    def get_method(self, cash):
        return self.find_once('sale.point.payment.method', 'cash', cash)

    # Prefacturas

    def do_prefactura(self, act):
        sale = self.get('sale.sale')(party=self.find_party(act.customer))
        sale.warehouse = self.find_once('stock.location', 'code', 'ESP')
        if act.term:
            sale.payment_term = self.find_once(
                'account.invoice.payment_term', 'name', act.term)
        for code, quantity in act.lines:
            line = sale.lines.new()
            line.product = self.find_product(code)
            line.quantity = quantity
            if act.discount is not None:
                line.discount_rate = act.discount
        sale.save()
        sale.click('quote')
        sale.reload()
        getattr(self, f'prefactura_{act.then}')(sale, act)

    def prefactura_quoted(self, sale, act):
        pass

    def prefactura_requoted(self, sale, act):
        sale.click('draft')
        sale.reload()
        sale.lines[0].quantity += 1
        sale.save()
        sale.click('quote')
        sale.reload()
        self.prefactura_confirmed(sale, act)

    def prefactura_confirmed(self, sale, act):
        paid = (sale.total_amount * act.paid).quantize(CENT)
        self.take_counter(sale, self.share(paid, act.card) if paid else [])
        sale.click('confirm')
        if self.office:
            self.office.serve(sale.id)

    def prefactura_returned(self, sale, act):
        part = (sale.total_amount * Decimal('0.3')).quantize(CENT)
        if part:
            self.take_counter(sale, [(not act.card, part), (True, -part)])
        sale.click('cancel')

    def take_counter(self, sale, payments):
        for cash, amount in payments:
            payment = sale.counter_payments.new()
            payment.point = self.point
            payment.method = self.get_method(cash)
            payment.amount = amount
        sale.save()
        sale.reload()

    # Cash

    def do_transfer(self, act):
        self.transfer(act.type, act.amount)

    def transfer(self, type_, amount):
        Transfer = self.get('sale.point.cash.transfer')
        transfer = Transfer(point=self.point, amount=amount)
        transfer.type = self.find_once(
            'sale.point.cash.transfer.type', 'name', type_)
        transfer.save()
        return transfer

    def do_cut(self, act):
        Session = self.get('sale.point.cash.session')
        sessions = Session.find([
                ('point', '=', self.point.id), ('state', '=', 'open')])
        for session in sessions:
            first, *others = act.differences
            noted = self.count(session, first)
            for difference in others:
                session.click('open')
                if noted:
                    noted.delete()
                session.reload()
                noted = self.count(session, difference)

    def count(self, session, difference):
        """Count the cash, close the session and return the transfer of the
        difference where it is made by hand"""
        noted = None
        session.end_amount = (
            session.start_amount + session.balance + difference)
        session.save()
        if difference and self.office:
            noted = self.transfer(
                "Faltante" if difference < 0 else "Sobrante", difference)
        elif difference:
            # A branch asks if it is meant
            self.skip_warning(
                f'cash_difference_{difference.quantize(CENT)}', session)
        session.click('close')
        return noted

    def skip_warning(self, name, record):
        "Say that it is meant: over XML-RPC one is not told what to say yes to"
        key = hashlib.md5(str(record).encode()).hexdigest()
        self.config.get_proxy('res.user.warning').skip(
            f'{key}.{name}', False, self.config.context)


class Office(Customers):
    "Who does at the central what is done there"

    deliver = True

    def set_up(self, days):
        for point in self.get('sale.point').find([]):
            point.tax_included = days.tax_included
            # That takes its time, and is tested elsewhere
            point.print_ticket = False
            point.save()
        for branch in self.get('offline_sales.branch').find([]):
            branch.deliver = days.deliver
            branch.credit = days.credit
            branch.save()
        self.deliver = days.deliver
        self.report_on_cash_basis()

    def report_on_cash_basis(self):
        "Have the taxes be due when they are paid, where a module knows of it"
        for year in self.get('account.fiscalyear').find([]):
            if not getattr(year, 'tax_group_on_cash_basis', True):
                year.tax_group_on_cash_basis.extend(
                    self.get('account.tax.group').find([]))
                year.save()

    def edit(self, edit):
        getattr(self, f'edit_{type(edit).__name__.lower()}')(edit)

    def edit_price(self, edit):
        template = self.find_product(edit.code).template
        for name in ['gross_price', 'list_price']:
            price = getattr(template, name)
            setattr(template, name, (price * edit.factor).quantize(CENT))
        template.save()

    def edit_rename(self, edit):
        template = self.find_product(edit.code).template
        template.name += " (nuevo)"
        template.save()

    def edit_formula(self, edit):
        price_list = self.find('product.price_list', 'name', edit.price_list)
        price_list.lines[-1].formula = edit.formula
        price_list.save()

    def edit_terms(self, edit):
        party = self.find_party(edit.customer)
        party.customer_payment_term = self.find_once(
            'account.invoice.payment_term', 'name', edit.term)
        party.sale_price_list = self.find(
            'product.price_list', 'name', edit.price_list)
        party.save()

    def edit_mechanism(self, edit):
        party = self.find_party(edit.customer)
        self.add(party, 'mechanisms', {'type': 'other', 'value': edit.value})
        party.save()

    def edit_receipt(self, edit):
        product = self.find_product(edit.code)
        if product.type != 'goods':
            return
        Company = self.get('company.company')
        warehouse = self.find('stock.location', 'code', 'ESP')
        move = self.get('stock.move')(
            product=product, quantity=edit.quantity, unit=product.default_uom)
        move.from_location, = self.get('stock.location').find(
            [('type', '=', 'supplier')])
        move.to_location = warehouse.storage_location
        move.company = Company(self.config.context['company'])
        move.currency = move.company.currency
        move.unit_price = edit.cost
        move.save()
        move.click('do')

    def post(self):
        "Post what the counter has left to be posted"
        for model, state in [
                ('sale.point.sale', 'done'),
                ('sale.point.cash.session', 'closed')]:
            Record = self.get(model)
            if records := Record.find(
                    [('state', '=', state)], order=[('id', 'ASC')]):
                Record.click(records, 'post')

    # What follows from a prefactura

    def serve(self, sale):
        "Give the customer of the sale what he bought"
        if self.deliver:
            self.ship(self.get('sale.sale')(sale))

    def ship(self, sale):
        for shipment in sale.shipments:
            for step in ['assign_force', 'pick', 'pack', 'do']:
                shipment.click(step)
        for shipment in sale.shipment_returns:
            for step in ['receive', 'do']:
                shipment.click(step)

    def reconcile(self, Sale=None):
        """Post the invoices of what was paid at the counter and settle them
        with what was paid"""
        Invoice = self.get('account.invoice')
        Line = self.get('account.move.line')
        for sale in self.get('sale.sale').find(
                [('counter_payments', '!=', None)]):
            drafts = [i for i in sale.invoices if i.state == 'draft']
            if not drafts or sale.counter_to_pay:
                continue
            Invoice.click(drafts, 'post')
            lines = Line.find([
                    ('account.type.receivable', '=', True),
                    ('reconciliation', '=', None),
                    ['OR',
                        ('move.origin', '=', f'sale.sale,{sale.id}'),
                        ('move.origin', 'in', [
                                f'account.invoice,{i.id}' for i in drafts]),
                        ]])
            if lines and not sum(l.debit - l.credit for l in lines):
                Wizard('account.move.reconcile_lines', lines,
                    config=self.config)
