# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The kinds of change that a refresh brings to a branch

Each runs in the current transaction of a database, whatever that is, and what
it returns can travel as JSON: the same runs in this process and in others.
"""
import datetime as dt
from decimal import Decimal

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from .replica import faults, here

__all__ = ['KINDS', 'sell_each']


class Kind:
    """A kind of change

    prepare and change work at the central, meet at the branch between the two
    with what was prepared, check at the branch after the change. What the
    first three return is there for the others as self.
    """

    def __init__(self, facts=None):
        self.__dict__.update(facts or {})

    def prepare(self):
        return {}

    def meet(self):
        return {}

    def change(self):
        return {}

    def check(self):
        raise NotImplementedError


def get(name):
    return Pool().get(name)


def find(model, *domain):
    record, = get(model).search(list(domain))
    return record


def xml_id(name):
    return get('ir.model.data').get_id(*name.split('.'))


def create(model, **values):
    record, = get(model).create([values])
    return record.id


def write(model, id_, **values):
    Model = get(model)
    Model.write([Model(id_)], values)


def delete(model, *ids):
    Model = get(model)
    Model.delete(Model.browse(ids))


def execute(query, *params):
    if backend.name != 'sqlite':
        query = query.replace('?', '%s')
    Transaction().connection.cursor().execute(query, params)


def make_product(name, code, **values):
    "Return the id of a product that can be sold"
    unit = values.pop('unit', None) or xml_id('product.uom_unit')
    category = values.pop('account_category', None) or find(
        'product.category', ('accounting', '=', True),
        ('name', '=', "Gravado 16 %")).id
    template = create(
        'product.template', **{
            'name': name,
            'type': 'goods',
            'default_uom': unit,
            'sale_uom': unit,
            'salable': True,
            'list_price': Decimal('100'),
            'gross_price': Decimal('116'),
            'account_category': category,
            'products': [('create', [{'suffix_code': code}])],
            **values})
    product, = get('product.product').search([('template', '=', template)])
    return product.id


def template_of(product):
    return get('product.product')(product).template.id


def make_party(name, **values):
    return create('party.party', name=name, addresses=[], **values)


def taxes_of(product):
    product = get('product.product')(product)
    return [
        [t['tax'].name, t['base'], t['amount']]
        for t in get('account.tax').compute(
            list(product.customer_taxes_used), Decimal('100'), 1,
            dt.date(2026, 1, 1))]


class New(Kind):
    def change(self):
        party = make_party("Clienta nueva")
        create('party.address', party=party, street_name="Calle Nueva",
            country=find('country.country', ('code', '=', 'MX')).id)
        create('party.contact_mechanism', party=party, type='email',
            value='nueva@example.com')
        create('party.identifier', party=party, code='NUEVA-1')
        category = create('product.category', name="Novedades")
        return {
            'party': party,
            'product': make_product(
                "Producto nuevo", 'NUEVO',
                categories=[('add', [category])]),
            }

    def check(self):
        party = here('party.party', self.party)
        assert party.name == "Clienta nueva"
        assert [a.street_name for a in party.addresses] == ["Calle Nueva"]
        assert party.email == 'nueva@example.com'
        assert [i.code for i in party.identifiers] == ['NUEVA-1']
        product = here('product.product', self.product)
        assert product.code == 'NUEVO'
        assert product.list_price_used == 100
        assert product.gross_price_used == 116
        assert [c.name for c in product.categories] == ["Novedades"]
        assert len(product.customer_taxes_used) == 1
        sell([product])


class Changed(Kind):
    def prepare(self):
        party = make_party("Nombre de antes")
        return {
            'product': make_product("Antes", 'CAMBIA'),
            'party': party,
            'address': create(
                'party.address', party=party, street_name="Calle de antes"),
            }

    def change(self):
        template = template_of(self.product)
        write('product.template', template, name="Después",
            list_price=Decimal('200'), gross_price=Decimal('232'))
        write('party.party', self.party, name="Nombre de después")
        write('party.address', self.address, street_name=None)

    def check(self):
        product = here('product.product', self.product)
        assert product.name == "Después"
        assert product.gross_price_used == 232
        assert here('party.party', self.party).name == "Nombre de después"
        assert here('party.address', self.address).street_name is None
        assert sell([product]) == 232


class Written(Kind):
    "As no one should write, but some do"

    ODD = (
        'a\\b \\N \\. \\n \\\\ "quoted" \'single\' 100 %s {x} <b>&amp;</b> '
        'ñandú Ω € 漢字 \U0001f32e e\u0301 \u200d\u2028\u00a0\x7f,;|')
    LINES = "one\t\n\n  two\r\n\\three\\\n\b\x1f\v\f."

    def prepare(self):
        return {'party': make_party("Plain")}

    def change(self):
        create('party.address', party=self.party, street_name=self.ODD,
            street_unstructured=self.LINES)
        write('party.party', self.party, name=self.ODD)

    def check(self):
        party = here('party.party', self.party)
        assert party.name == self.ODD
        address, = party.addresses
        assert address.street_name == self.ODD
        assert address.street_unstructured == self.LINES


class Deleted(Kind):
    "What others used until now goes as well, with its parent"

    def prepare(self):
        parent = create('product.category', name="Se va")
        child = create('product.category', name="Se va también", parent=parent)
        kept = create('product.category', name="Se queda")
        return {
            'categories': [parent, child],
            'kept': kept,
            'moved': make_product(
                "Cambia de categoría", 'MUDA',
                categories=[('add', [child])]),
            'product': make_product("Nunca vendido", 'NUNCA'),
            'party': make_party("Por error", code='ERROR-1'),
            'identifier': create(
                'party.identifier', party=make_party("Sin RFC"), code='X'),
            'list': create(
                'product.price_list', name="Con línea", price='list_price',
                lines=[('create', [
                            {'formula': 'unit_price', 'category': child},
                            {'formula': 'unit_price * 2'}])]),
            }

    def change(self):
        write('product.template', template_of(self.moved), categories=[
                ('remove', [self.categories[1]]), ('add', [self.kept])])
        # The lines of price lists go with their category
        delete('product.category', *self.categories)
        delete('product.template', template_of(self.product))
        delete('party.party', self.party)
        delete('party.identifier', self.identifier)
        return {'other': make_party("Con el código del otro", code='ERROR-1')}

    def check(self):
        for category in self.categories:
            assert here('product.category', category) is None
        assert not get('product.category').search(
            [('name', 'like', "Se va%")])
        moved = here('product.product', self.moved)
        assert [c.name for c in moved.categories] == ["Se queda"]
        line, = here('product.price_list', self.list).lines
        assert line.formula == 'unit_price * 2'
        for model in ['product.product', 'party.party', 'party.identifier']:
            record = here(model, getattr(self, model.partition('.')[2]))
            assert record is None or not record.active
        assert not get('product.product').search([('code', '=', 'NUNCA')])
        assert here('party.party', self.other).code == 'ERROR-1'


class Deactivated(Kind):
    "A ticket that was begun with the product is finished all the same"

    def prepare(self):
        return {
            'product': make_product("Descontinuado", 'FUERA'),
            'party': make_party("Ya no compra"),
            'unit': create(
                'product.uom', name="Arroba", symbol='@',
                category=xml_id('product.uom_cat_weight'), factor=11.5,
                rate=round(1 / 11.5, 12), rounding=1., digits=0),
            }

    def meet(self):
        return {'ticket': open_ticket(
                [here('product.product', self.product)])}

    def change(self):
        write('product.template', template_of(self.product), active=False)
        write('party.party', self.party, active=False)
        write('product.uom', self.unit, active=False)

    def check(self):
        for model, name in [
                ('product.product', 'product'), ('party.party', 'party'),
                ('product.uom', 'unit')]:
            assert not here(model, getattr(self, name)).active
        assert not here('product.product', self.product).template.active
        assert finish(self.ticket) == 116


class Domain(Kind):
    "One enters the domain of the branch, one leaves it"

    def prepare(self):
        return {
            'entering': make_product("Entra", 'ENTRA', salable=False),
            'leaving': make_product("Sale", 'SALE'),
            }

    def meet(self):
        assert here('product.product', self.entering) is None
        assert here('product.product', self.leaving).salable

    def change(self):
        write('product.template', template_of(self.entering), salable=True)
        write('product.template', template_of(self.leaving), salable=False)

    def check(self):
        product = here('product.product', self.entering)
        assert product.active and product.code == 'ENTRA'
        assert sell([product]) == 116
        assert not here('product.product', self.leaving).active
        assert not get('product.product').search([('code', '=', 'SALE')])


class Swapped(Kind):
    "What is unique changes hands"
    VALUES = {
        'product.product': ('suffix_code', ['PRIMERO', 'SEGUNDO']),
        'party.party': ('code', ['CODIGO-1', 'CODIGO-2']),
        'party.identifier': ('code', ['RFC-1', 'RFC-2']),
        'party.category': ('name', ["Frecuentes", "Nuevos"]),
        'product.category': ('code', ['CAT-1', 'CAT-2']),
        'sale.point.payment.method': ('cash', [True, False]),
        'res.user': ('login', ['esp.lupita', 'esp.martin']),
        'currency.currency.rate': (
            'date', [dt.date(2020, 1, 1), dt.date(2020, 1, 2)]),
        }

    def prepare(self):
        ids = {
            'product.product': [
                make_product(code, code) for code in ['PRIMERO', 'SEGUNDO']],
            'party.party': [
                make_party(code, code=code)
                for code in ['CODIGO-1', 'CODIGO-2']],
            'party.category': [
                create('party.category', name=name)
                for name in ["Frecuentes", "Nuevos"]],
            'product.category': [
                create('product.category', name=code, code=code)
                for code in ['CAT-1', 'CAT-2']],
            'sale.point.payment.method': [
                find('sale.point.payment.method', ('cash', '=', cash)).id
                for cash in [True, False]],
            'res.user': [
                find('res.user', ('login', '=', login)).id
                for login in ['esp.lupita', 'esp.martin']],
            }
        ids['party.identifier'] = [
            create('party.identifier', party=party, code=code)
            for party, code in zip(
                ids['party.party'], ['RFC-1', 'RFC-2'], strict=True)]
        currency = find('currency.currency', ('code', '=', 'USD')).id
        ids['currency.currency.rate'] = [
            create('currency.currency.rate', currency=currency, date=date,
                rate=Decimal(rate))
            for date, rate in [
                (dt.date(2020, 1, 1), '0.05'), (dt.date(2020, 1, 2), '0.06')]]
        return {'ids': ids}

    def change(self):
        for model, (name, (first, second)) in self.VALUES.items():
            one, two = self.ids[model]
            between = {
                'date': dt.date(2019, 1, 1), 'cash': False,
                }.get(name, 'entre-tanto')
            for id_, value in [(one, between), (two, first), (one, second)]:
                write(model, id_, **{name: value})

    def check(self):
        for model, (name, values) in self.VALUES.items():
            found = [
                getattr(here(model, id_), name) for id_ in self.ids[model]]
            assert found == values[::-1], model


class Reused(Kind):
    "What a record that is out of sight had, another one has"

    def prepare(self):
        branch = find('offline_sales.branch', ('code', '=', 'ESP')).id
        user = create(
            'res.user', name="Anterior", login='esp.turno',
            password='anterior-4711')
        write('offline_sales.branch', branch, users=[('add', [user])])
        return {
            'branch': branch,
            'user': user,
            'party': make_party("Cerrada", code='CLAVE-1'),
            'category': create('party.category', name="Promoción"),
            }

    def change(self):
        write('offline_sales.branch', self.branch, users=[
                ('remove', [self.user])])
        write('res.user', self.user, login='esp.turno.antes')
        write('party.party', self.party, active=False)
        write('party.party', self.party, code='CLAVE-1-ANTES')
        write('party.category', self.category, active=False)
        write('party.category', self.category, name="Promoción de antes")
        user = create(
            'res.user', name="Siguiente", login='esp.turno',
            password='siguiente-4711')
        write('offline_sales.branch', self.branch, users=[('add', [user])])
        return {
            'next_user': user,
            'next_party': make_party("Abierta", code='CLAVE-1'),
            'next_category': create('party.category', name="Promoción"),
            }

    def check(self):
        user = here('res.user', self.next_user)
        assert (user.login, user.name) == ('esp.turno', "Siguiente")
        assert not here('res.user', self.user).active
        assert here('party.party', self.next_party).code == 'CLAVE-1'
        assert here('party.party', self.next_party).active
        former = here('party.party', self.party)
        assert not former.active and former.code.startswith('CLAVE-1~')
        category = here('party.category', self.next_category)
        assert category.name == "Promoción"
        assert not here('party.category', self.category).active


class Tree(Kind):
    "Categories, locations and accounts get another parent"

    def prepare(self):
        result = {}
        for model in ['product.category', 'party.category']:
            first = create(model, name="Primera rama")
            result[model] = [
                first, create(model, name="Segunda rama"),
                create(model, name="Rama que cambia", parent=first)]
            create(model, name="Hoja", parent=result[model][2])
        warehouse = find('offline_sales.branch', ('code', '=', 'ESP')
            ).warehouse
        first = create(
            'stock.location', name="Pasillo 1", type='storage',
            parent=warehouse.storage_location.id)
        result['stock.location'] = [
            first,
            create('stock.location', name="Pasillo 2", type='storage',
                parent=warehouse.storage_location.id),
            create('stock.location', name="Anaquel", type='storage',
                parent=first)]
        for model in ['account.account.type', 'account.account']:
            values = {'company': Transaction().context['company']}
            if model == 'account.account.type':
                values['statement'] = 'off-balance'
            first = create(model, name="Cuenta A", **values)
            result[model] = [
                first, create(model, name="Cuenta B", **values),
                create(model, name="Subcuenta", parent=first, **values)]
        return {'trees': result}

    def change(self):
        for model, (_, second, moved) in self.trees.items():
            write(model, moved, parent=second)

    def check(self):
        for model, (_, second, moved) in self.trees.items():
            assert here(model, moved).parent == here(model, second), model
            assert here(model, moved) in get(model).search([
                    ('parent', 'child_of', [here(model, second).id])])


class Translated(Kind):
    "A name changes in one language alone"

    def prepare(self):
        with Transaction().set_context(language='en'):
            product = make_product("Bread", 'PAN')
        with Transaction().set_context(language='es'):
            write('product.template', template_of(product), name="Pan")
        return {'product': product}

    def change(self):
        with Transaction().set_context(language='es'):
            write('product.template', template_of(self.product),
                name="Pan blanco")

    def check(self):
        for language, name in [('es', "Pan blanco"), ('en', "Bread")]:
            with Transaction().set_context(language=language):
                assert here('product.product', self.product).name == name


class PriceList(Kind):
    "Lines with formulas, changed, added, removed and in another order"
    QUANTITIES = [1, 5, 12, 100]

    def prepare(self):
        category = create('product.category', name="Con descuento")
        products = [
            make_product("En la lista", 'LISTA-1',
                categories=[('add', [category])]),
            make_product("En la lista", 'LISTA-2')]
        list_ = create(
            'product.price_list', name="De prueba", price='list_price',
            lines=[('create', [
                        {'quantity': 50, 'formula': 'unit_price * 0.5'},
                        {'quantity': 12, 'formula': 'unit_price * 0.8'},
                        {'formula': 'unit_price'}])])
        return {'category': category, 'products': products, 'list': list_}

    def _prices(self, products, list_):
        return [
            list_.compute(product, quantity, product.default_uom)
            for product in products for quantity in self.QUANTITIES]

    def change(self):
        List, Product = get('product.price_list'), get('product.product')
        half, dozen, rest = List(self.list).lines
        delete('product.price_list.line', half.id)
        write('product.price_list.line', dozen.id, sequence=10)
        write('product.price_list.line', rest.id, sequence=20,
            formula='unit_price * 1.15 - 0.5')
        write('product.price_list', self.list, lines=[('create', [
                        {'category': self.category, 'quantity': 5,
                            'formula': 'list_price * 0.7', 'sequence': 1},
                        {'product': self.products[1], 'quantity': 100,
                            'formula': '1', 'sequence': 2}])])
        return {'prices': list(map(str, self._prices(
                        Product.browse(self.products), List(self.list))))}

    def check(self):
        prices = self._prices(
            [here('product.product', id_) for id_ in self.products],
            here('product.price_list', self.list))
        assert list(map(str, prices)) == self.prices
        assert len(set(prices)) >= 4


class DeactivatedInUse(Kind):
    "A tax and a unit that are still those of a product"

    def prepare(self):
        unit = find('product.uom', ('symbol', '=', 'u'))
        pair = create(
            'product.uom', name="Par", symbol="par", factor=2, rate=.5,
            category=unit.category.id)
        category, = get('product.category').copy([find(
                    'product.category', ('accounting', '=', True),
                    ('name', '=', "Gravado 16 %"))], {'name': "De antes"})
        product = make_product(
            "Con lo de antes", 'ANTES', account_category=category.id)
        write('product.template', template_of(product), sale_uom=pair)
        taxes = taxes_of(product)
        assert taxes
        return {'product': product, 'unit': pair, 'count': len(taxes)}

    def change(self):
        product = get('product.product')(self.product)
        for tax in product.customer_taxes_used:
            copy, = get('account.tax').copy([tax], {'name': "De antes"})
            write('product.category', product.account_category.id,
                customer_taxes=[('add', [copy.id])])
            write('account.tax', copy.id, active=False)
        write('product.uom', self.unit, active=False)
        return {'taxes': [[name, str(base), str(amount)]
            for name, base, amount in taxes_of(self.product)]}

    def check(self):
        product = here('product.product', self.product)
        assert product.sale_uom == here('product.uom', self.unit)
        assert [[name, str(base), str(amount)]
            for name, base, amount in taxes_of(product.id)] == self.taxes
        assert len(self.taxes) == 2 * self.count


class DeactivatedPriceList(Kind):
    "Who has it has it still, and nobody else can get it"

    def prepare(self):
        list_ = create(
            'product.price_list', name="Mayoreo viejo", price='list_price',
            lines=[('create', [{'formula': 'unit_price * 0.5'}])])
        party = make_party("Mayorista")
        write('party.party', party, sale_price_list=list_)
        return {'list': list_, 'party': party}

    def change(self):
        write('product.price_list', self.list, active=False)

    def check(self):
        list_ = here('party.party', self.party).sale_price_list
        assert list_ == here('product.price_list', self.list)
        assert not list_.active and len(list_.lines) == 1


class Unit(Kind):
    def prepare(self):
        unit = create(
            'product.uom', name="Rollo", symbol='rollo',
            category=xml_id('product.uom_cat_length'), factor=30.,
            rate=round(1 / 30, 12), rounding=1., digits=0)
        return {
            'unit': unit,
            'product': make_product("Cable", 'CABLE', unit=unit),
            }

    def change(self):
        write('product.uom', self.unit, symbol='r.', digits=2, rounding=0.01)
        category = create('product.uom.category', name="De otra clase")
        unit = create(
            'product.uom', name="Atado", symbol='atado', category=category,
            factor=1., rate=1., rounding=0.5, digits=1)
        return {'other': make_product("Leña", 'LEÑA', unit=unit)}

    def check(self):
        product, other = (
            here('product.product', id_)
            for id_ in [self.product, self.other])
        assert (product.sale_uom.symbol, product.sale_uom.digits) == ('r.', 2)
        assert other.sale_uom.category.name == "De otra clase"
        assert sell([product, other], quantity=1.5) == 348


class Tax(Kind):
    "A tax gets a child, loses one, and one gets another rate"

    def prepare(self):
        values = {
            'company': Transaction().context['company'],
            'group': find('account.tax.group', ('code', '=', 'IEPS')).id,
            'invoice_account': find(
                'account.account', ('code', '=', '208.02')).id,
            'credit_note_account': find(
                'account.account', ('code', '=', '208.02')).id,
            }
        parent = create(
            'account.tax', name="Compuesto", description="Compuesto",
            type='none', **values)
        childs = [
            create('account.tax', name=name, description=name,
                parent=parent, type='percentage', rate=Decimal(rate), **values)
            for name, rate in [("Uno", '.1'), ("Dos", '.2')]]
        category = create(
            'product.category', name="Con impuesto compuesto",
            accounting=True, customer_taxes=[('add', [parent])],
            account_revenue=find(
                'account.account', ('code', '=', '401.01')).id)
        return {
            'values': values,
            'parent': parent,
            'childs': childs,
            'product': make_product(
                "Gravado", 'GRAVADO', account_category=category),
            }

    def change(self):
        one, two = self.childs
        write('account.tax', one, rate=Decimal('.12'))
        delete('account.tax', two)
        create('account.tax', name="Tres", description="Tres",
            parent=self.parent, type='fixed', amount=Decimal('3'),
            **self.values)
        return {'taxes': taxes_of(self.product)}

    def check(self):
        product = here('product.product', self.product)
        assert taxes_of(product.id) == self.taxes
        assert [t[0] for t in self.taxes] == ["Uno", "Tres"]
        sell([product])


class Merged(Kind):
    "party.replace changes rows in SQL: the employee's, and writes no time"

    def prepare(self):
        employee = find('res.user', ('login', '=', 'esp.martin')).employee
        name = employee.party.name
        source = employee.party.id
        create('party.address', party=source, street_name="De los dos")
        return {
            'employee': employee.id,
            'source': source,
            'destination': make_party(name),
            }

    def meet(self):
        source = here('party.party', self.source)
        address, = source.addresses
        return {'sale': create(
                'sale.sale', party=source.id, invoice_address=address.id,
                shipment_address=address.id)}

    def change(self):
        Replace = Pool().get('party.replace', type='wizard')
        session, _, _ = Replace.create()
        Replace.execute(session, {'ask': {
                    'source': self.source,
                    'destination': self.destination,
                    }}, 'replace')

    def check(self):
        source = here('party.party', self.source)
        destination = here('party.party', self.destination)
        assert not source.active and destination.active
        assert here('company.employee', self.employee).party == destination
        assert get('sale.sale')(self.sale).party == source


class AddressRemoved(Kind):
    "What a local document uses stays, out of sight"

    def prepare(self):
        party = make_party("Se muda")
        return {
            'party': party,
            'addresses': [
                create('party.address', party=party, street_name=street)
                for street in ["Vieja", "Nueva"]],
            }

    def meet(self):
        old = here('party.address', self.addresses[0])
        return {'sale': create(
                'sale.sale', party=old.party.id, invoice_address=old.id,
                shipment_address=old.id)}

    def change(self):
        delete('party.address', self.addresses[0])

    def check(self):
        party = here('party.party', self.party)
        assert [a.street_name for a in party.addresses] == ["Nueva"]
        address = get('sale.sale')(self.sale).invoice_address
        assert address.street_name == "Vieja" and not address.active


class XmlRenamed(Kind):
    "The names of XML records change, are swapped, and taken by others"
    RENAMED = {
        'uom_gram': 'uom_gramme',
        'uom_hour': 'uom_between', 'uom_day': 'uom_hour',
        'uom_between': 'uom_day'}

    def prepare(self):
        return {'ids': {
                name: xml_id(f'product.{name}')
                for name in ['uom_gram', 'uom_hour', 'uom_day', 'uom_ounce']}}

    def meet(self):
        return {'locals': {
                name: here('product.uom', id_).id
                for name, id_ in self.ids.items()}}

    def change(self):
        for former, name in self.RENAMED.items():
            execute(
                "UPDATE ir_model_data SET fs_id = ? "
                "WHERE fs_id = ? AND module = 'product'", name, former)
        values = {
            'category': xml_id('product.uom_cat_weight'),
            'factor': .5, 'rate': 2., 'rounding': .01, 'digits': 2}
        # Another takes the name, and one is made anew
        taken = create('product.uom', name="Otro", symbol='otro', **values)
        execute(
            "INSERT INTO ir_model_data (fs_id, module, model, db_id) "
            "VALUES ('uom_gram', 'product', 'product.uom', ?)", taken)
        execute("DELETE FROM product_uom WHERE id = ?", self.ids['uom_ounce'])
        anew = create(
            'product.uom', name="Onza", symbol='onza nueva', **values)
        execute(
            "UPDATE ir_model_data SET db_id = ? "
            "WHERE fs_id = 'uom_ounce' AND module = 'product'", anew)
        return {'taken': taken, 'anew': anew}

    def check(self):
        for name in ['uom_gram', 'uom_hour', 'uom_day']:
            unit = here('product.uom', self.ids[name])
            assert unit.id == self.locals[name]
        taken = here('product.uom', self.taken)
        assert taken.symbol == 'otro'
        assert taken.id not in self.locals.values()
        anew = here('product.uom', self.anew)
        assert anew.symbol == 'onza nueva' and anew.active
        assert anew.id == self.locals['uom_ounce']


class Outside(Kind):
    """What lies outside of the domains and is required is there, and follows
    its changes"""

    def prepare(self):
        unit = create(
            'product.uom', name="Barrica", symbol='barrica',
            category=xml_id('product.uom_cat_volume'), factor=225.,
            rate=round(1 / 225, 12), rounding=1., digits=0)
        product = make_product("Vino", 'VINO', unit=unit, salable=False)
        write('product.uom', unit, active=False)
        employee = find('res.user', ('login', '=', 'esp.lupita')).employee
        return {
            'unit': unit, 'product': product, 'party': employee.party.id}

    def meet(self):
        assert here('product.uom', self.unit) is None

    def change(self):
        write('product.template', template_of(self.product), salable=True)
        write('product.uom', self.unit, symbol='barr.')
        write('party.party', self.party, active=False)

    def check(self):
        product = here('product.product', self.product)
        assert product.sale_uom == here('product.uom', self.unit)
        assert product.sale_uom.symbol == 'barr.'
        assert not product.sale_uom.active
        user = find('res.user', ('employee.party', '=',
                here('party.party', self.party).id))
        assert user.employee.party.name == user.name


class Unseen(Kind):
    "Write times tell nothing: plain SQL, commits that come late"

    def prepare(self):
        return {
            'product': make_product("Migrado", 'MIGRA'),
            'late': make_product("Tarde", 'TARDE'),
            'party': make_party("Por SQL"),
            }

    def change(self):
        execute(
            "UPDATE product_template SET name = 'Otro' WHERE id = ?",
            template_of(self.product))
        execute(
            "DELETE FROM ir_translation WHERE name = 'product.template,name' "
            "AND res_id = ?", template_of(self.product))
        execute(
            "UPDATE party_party SET active = ? WHERE id = ?",
            False, self.party)
        execute(
            "UPDATE product_list_price SET list_price = 77, "
            "write_date = '2001-01-01 00:00:00' WHERE template = ?",
            template_of(self.late))

    def check(self):
        assert here('product.product', self.product).name == 'Otro'
        assert not here('party.party', self.party).active
        assert here('product.product', self.late).list_price_used == 77


KINDS = {kind.__name__: kind for kind in Kind.__subclasses__()}


# Who sells

def open_ticket(products, quantity=1):
    "Key in a ticket of the products and return its id"
    Sale, Line = get('sale.point.sale'), get('sale.point.sale.line')
    point, = get('sale.point').search([])
    sale = Sale(point=point)
    sale.lines = []
    for product in products:
        line = Line(
            sale=sale, product=product,
            quantity=quantity if product.sale_uom.digits else 1)
        line.on_change_product()
        sale.lines = (*sale.lines, line)
    sale.save()
    return sale.id


def finish(sale):
    "Take the cash for the ticket, and return what it was"
    Sale = get('sale.point.sale')
    method, = get('sale.point.payment.method').search([('cash', '=', True)])
    sale = Sale(sale)
    create('sale.point.payment', sale=sale.id, method=method.id,
        amount=sale.amount_to_pay)
    sale = Sale(sale.id)
    Sale.process([sale])
    assert sale.state == 'done' and sale.number
    return sale.total


def sell(products, quantity=1):
    return finish(open_ticket(products, quantity))


def sell_each():
    "Sell a product of each kind"
    kinds = {}
    for product in get('product.product').search(
            [('salable', '=', True)], order=[('id', 'ASC')]):
        if product.gross_price_used:
            kinds.setdefault((
                    product.type, product.account_category,
                    product.sale_uom), product)
    assert len(kinds) >= 10
    return sell(list(kinds.values()), quantity=1.5)


# All of them, for databases that other processes have

def prepare_all():
    branch = find('offline_sales.branch', ('code', '=', 'ESP'))
    return {
        'code': get('offline_sales.contact').of(branch).new_code(),
        'facts': {name: kind().prepare() for name, kind in KINDS.items()},
        }


def begin_all(url, database, code, facts):
    "Pair the branch, obtain the catalogs, and return the facts with its own"
    Configuration = get('offline_sales.configuration')
    if not Configuration.is_branch():
        Configuration.pair(url, database, code, True)
        Transaction().commit()
    obtain()
    with _company():
        for name, kind in KINDS.items():
            facts[name].update(kind(facts[name]).meet() or {})
    return facts


def change_all(facts):
    for name, kind in KINDS.items():
        facts[name].update(kind(facts[name]).change() or {})
    return facts


def end_all(facts):
    """Obtain what changed, check and sell it, and return what is wrong with
    the database"""
    obtain()
    with _company():
        for name, kind in KINDS.items():
            kind(facts[name]).check()
        sell_each()
        return faults()


def obtain():
    get('offline_sales.update').obtain()
    Transaction().commit()


def _company():
    company, = get('company.company').search([])
    return Transaction().set_context(company=company.id)
