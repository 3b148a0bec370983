# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What people do to the records of a central on any day, drawn from a seed"
import datetime as dt
import random
from decimal import Decimal

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, ValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

__all__ = ['Edits']

REFUSED = (AccessError, UserError, ValidationError)


class Edits:
    """Edits of the company of the tests, one after the other

    made: the names of those that were made, refused: of those that Tryton
    did not allow, as people are refused too.
    """

    def __init__(self, database, seed):
        self.database = database
        self.rng = random.Random(seed)
        self.made = []
        self.refused = []
        self.number = 0

    def make(self, count):
        names = sorted(
            name for name in dir(self) if name.startswith('edit_'))
        context = {'company': self._company(), '_skip_warnings': True}
        for _ in range(count):
            name = self.rng.choice(names)
            self.number += 1
            try:
                self.database.run(getattr(self, name), context=context)
            except REFUSED:
                self.refused.append(name)
            else:
                self.made.append(name)

    def _company(self):
        def get():
            company, = Pool().get('company.company').search([])
            return company.id
        return self.database.run(get)

    # What is drawn

    def some(self, model, domain=(), count=1):
        "Return some records of the model, as a list that may be empty"
        records = Pool().get(model).search(
            list(domain), order=[('id', 'ASC')])
        return self.rng.sample(records, min(count, len(records)))

    def one(self, model, domain=()):
        records = self.some(model, domain)
        if not records:
            raise AccessError(f"there is no {model}")
        return records[0]

    def word(self):
        word = self.rng.choice([
                "Ñandú", "Ágata", "Güero", "O'Higgins", "50 %",
                "Tía \"Lupe\"", "Línea\nnueva", "México 🌮"])
        return f"{word} {self.rng.randrange(10 ** 6)}"

    def price(self):
        return Decimal(self.rng.randint(1, 10 ** 5)) / 100

    def write(self, record, **values):
        record.__class__.write([record], values)

    def customers(self, count=1):
        return self.some('party.party', [
                ('code', '!=', None), ('identifiers', '!=', None),
                ('id', '>', 1)], count)

    # Customers

    def edit_party_name(self):
        self.write(self.one('party.party'), name=self.word())

    def edit_party_new(self):
        Party = Pool().get('party.party')
        Party.create([{
                    'name': self.word(),
                    'addresses': [('create', [{
                                    'street_name': self.word(),
                                    'postal_code': '01000'}])],
                    'contact_mechanisms': [('create', [{
                                    'type': 'other', 'value': self.word()}])],
                    'categories': [('add', [
                                c.id for c in self.some('party.category')])],
                    } for _ in range(self.rng.randint(1, 3))])

    def edit_party_delete(self):
        Pool().get('party.party').delete(self.customers())

    def edit_party_deactivate(self):
        for party in self.customers():
            self.write(party, active=False)

    def edit_party_activate(self):
        with Transaction().set_context(active_test=False):
            party = self.one('party.party', [('active', '=', False)])
        self.write(party, active=True)

    def edit_party_merge(self):
        Replace = Pool().get('party.replace', type='wizard')
        source, destination = self.customers(2)
        session, _, _ = Replace.create()
        Replace.execute(session, {'ask': {
                    'source': source.id, 'destination': destination.id,
                    }}, 'replace')

    def edit_party_swap_codes(self):
        self._swap('party.party', self.customers(2))

    def edit_party_category(self):
        self.write(self.one('party.party'), categories=[
                (self.rng.choice(['add', 'remove']), [
                        self.one('party.category').id])])

    def edit_party_terms(self):
        self.write(
            self.one('party.party'),
            customer_payment_term=self.one('account.invoice.payment_term').id,
            lang=self.one('ir.lang', [('translatable', '=', True)]).id,
            sale_price_list=self.one('product.price_list').id)

    def edit_address(self):
        self.write(self.one('party.address'), street_name=self.word(),
            sequence=self.rng.choice([None, 1, 2, 2 ** 31 - 1]))

    def edit_address_delete(self):
        Pool().get('party.address').delete(
            self.some('party.address', [('party', '>', 2)]))

    def edit_mechanism(self):
        mechanism = self.one('party.contact_mechanism')
        self.write(mechanism, name=self.word(), comment=self.word(),
            address=self.rng.choice(
                [None, *(a.id for a in mechanism.party.addresses)]))

    def edit_identifier_delete(self):
        Pool().get('party.identifier').delete(
            self.some('party.identifier', [('party', '>', 2)]))

    # Products

    def edit_product_new(self):
        template = self.one('product.template')
        Template = Pool().get('product.template')
        copies = Template.copy([template], default={
                'name': self.word(), 'code': f'N{self.rng.random()}'})
        self.write(copies[0], list_price=self.price())

    def edit_product_names(self):
        with Transaction().set_context(
                language=self.rng.choice(['en', 'es'])):
            self.write(self.one('product.template'), name=self.word())

    def edit_product_price(self):
        for product in self.some('product.product', count=4):
            self.write(
                product, list_price=self.price(), gross_price=self.price())

    def edit_product_no_price(self):
        self.write(self.one('product.template'), gross_price=None)

    def edit_product_salable(self):
        with Transaction().set_context(active_test=False):
            template = self.one('product.template')
        self.write(template, salable=not template.salable)

    def edit_product_active(self):
        with Transaction().set_context(active_test=False):
            template = self.one('product.template')
        self.write(template, active=not template.active)

    def edit_product_variant(self):
        with Transaction().set_context(active_test=False):
            product = self.one('product.product')
        self.write(product, active=not product.active)

    def edit_product_swap_codes(self):
        self._swap('product.template', self.some('product.template', count=2))

    def edit_product_delete(self):
        Pool().get('product.template').delete(self.some('product.template'))

    def edit_product_category(self):
        self.write(self.one('product.template'), categories=[(
                    self.rng.choice(['add', 'remove']), [
                        self.one('product.category', [
                                ('accounting', '=', False)]).id])])

    def edit_product_identifier(self):
        Identifier = Pool().get('product.identifier')
        Identifier.delete(self.some('product.identifier'))
        Identifier.create([{
                    'product': self.one('product.product').id,
                    'type': None,
                    'code': self.word(),
                    }])

    def edit_category_parent(self):
        self.write(
            self.one('product.category', [('accounting', '=', False)]),
            parent=self.rng.choice([None, self.one('product.category', [
                            ('accounting', '=', False)]).id]))

    def edit_category_new(self):
        Pool().get('product.category').create([{
                    'name': self.word(),
                    'parent': self.one('product.category', [
                            ('accounting', '=', False)]).id,
                    }])

    def edit_category_delete(self):
        Pool().get('product.category').delete(
            self.some('product.category', [('childs', '=', None)]))

    def edit_category_taxes(self):
        self.write(
            self.one('product.category', [('accounting', '=', True)]),
            customer_taxes=[
                (self.rng.choice(['add', 'remove']), [
                        self.one('account.tax', [('parent', '=', None)]).id])])

    def edit_unit(self):
        with Transaction().set_context(language='es'):
            self.write(self.one('product.uom'), name=self.word())

    def edit_unit_new(self):
        unit = self.one('product.uom')
        factor = self.rng.choice([.1, 1 / 3, 12., 1e-7, 1e6])
        Pool().get('product.uom').create([{
                    'name': self.word(), 'symbol': 'x',
                    'category': unit.category.id,
                    'factor': round(factor, 12), 'rate': round(1 / factor, 12),
                    }])

    def edit_price_list_line(self):
        Line = Pool().get('product.price_list.line')
        line = self.one('product.price_list.line')
        Line.copy([line], default={
                'sequence': self.rng.randint(1, 50),
                'quantity': self.rng.choice([None, 1.1, 24.]),
                'formula': f'unit_price * {self.rng.random():.3f}',
                })
        if self.rng.random() < .5:
            Line.delete([line])

    # Accounting

    def edit_account(self):
        account = self.one('account.account', [('childs', '=', None)])
        parent = self.one('account.account', [('childs', '!=', None)])
        self.write(account, parent=parent.id, name=self.word())

    def edit_account_new(self):
        account = self.one('account.account', [('type', '!=', None)])
        Pool().get('account.account').copy([account], default={
                'code': f'{self.rng.random()}'})

    def edit_tax(self):
        self.write(self.one('account.tax'), description=self.word())

    def edit_tax_child(self):
        tax = self.one('account.tax', [('parent', '=', None)])
        Pool().get('account.tax').copy([tax], default={'parent': tax.id})

    def edit_tax_delete(self):
        Pool().get('account.tax').delete(
            self.some('account.tax', [('parent', '!=', None)]))

    def edit_tax_rule(self):
        Line = Pool().get('account.tax.rule.line')
        line = self.one('account.tax.rule.line')
        Line.copy([line])
        if self.rng.random() < .5:
            Line.delete([line])

    def edit_payment_term(self):
        term = self.one('account.invoice.payment_term')
        Pool().get('account.invoice.payment_term').copy([term])
        self.write(term, name=self.word())

    def edit_currency_rate(self):
        Pool().get('currency.currency.rate').create([{
                    'currency': self.one('currency.currency').id,
                    'date': dt.date(2001, 1, 1) + dt.timedelta(
                        days=self.rng.randrange(8000)),
                    'rate': Decimal(self.rng.randint(1, 10 ** 6)) / 10 ** 5,
                    }])

    # The branch

    def edit_location(self):
        storage = self.one('offline_sales.branch').warehouse.storage_location
        Pool().get('stock.location').create([{
                    'name': self.word(), 'type': 'storage',
                    'parent': storage.id}])

    def edit_location_parent(self):
        storage = self.one('offline_sales.branch').warehouse.storage_location
        self.write(
            self.one('stock.location', [
                    ('parent', '=', storage.id), ('type', '=', 'storage')]),
            parent=self.rng.choice([
                    None, self.one('stock.location', [
                            ('parent', '=', storage.id)]).id]))

    def edit_payment_method(self):
        method = self.one('sale.point.payment.method')
        self.write(method, name=self.word())
        Pool().get('sale.point.payment.method').copy(
            [method], default={'name': self.word(), 'cash': False})

    def edit_transfer_type(self):
        Pool().get('sale.point.cash.transfer.type').copy(
            [self.one('sale.point.cash.transfer.type')])

    def edit_user(self):
        self.write(self.one('res.user', [('login', 'like', 'esp.%')]),
            name=self.word(), signature=self.word())

    def edit_branch(self):
        self.write(self.one('offline_sales.branch', [('code', '=', 'ESP')]),
            name=self.word())

    # What the catalogs are

    def edit_domain_of_products(self):
        self._domain('product.template', [
                '[["salable", "=", true]]',
                '["OR", [["salable", "=", true]], [["code", "like", "N%"]]]',
                '[["salable", "=", true], ["type", "=", "goods"]]'])

    def edit_domain_of_parties(self):
        self._domain('party.party', [
                '[]', '[["name", "not like", "%a"]]',
                '[["identifiers", "!=", null]]'])

    def edit_excluded(self):
        catalog = self.one('offline_sales.catalog', [
                ('model', '=', 'party.contact_mechanism')])
        self.write(catalog, excluded=self.rng.choice([None, 'comment']))

    def _domain(self, model, domains):
        catalog = self.one('offline_sales.catalog', [('model', '=', model)])
        self.write(catalog, domain=self.rng.choice(domains))

    @staticmethod
    def _swap(model, records):
        "Two records change their codes, by way of a third"
        Model = Pool().get(model)
        first, second = records
        codes = first.code, second.code
        Model.write([first], {'code': 'swap'})
        Model.write([second], {'code': codes[0]})
        Model.write([first], {'code': codes[1]})
