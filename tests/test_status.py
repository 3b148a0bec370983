# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What those of a branch see of it, and how fast they sell"
import datetime as dt
from decimal import Decimal

import lxml.etree
import pytest

from trytond.modules.offline_sales.offline_sales.scan import (  # isort: skip
    parse)

from .counter import Counter
from .usage import Cashier

SALE = 'model.sale.point.sale'


@pytest.mark.parametrize('text, quantity, code', [
        ("7501000111206", None, "7501000111206"),
        (" ab-1 ", None, "ab-1"),
        ("3*ab-1", 3, "ab-1"),
        ("2,5 * ab-1", 2.5, "ab-1"),
        ("*4", 4, ""),
        ("4*", 4, ""),
        ("*", None, ""),
        ("coca 600", None, "coca 600"),
        ])
def test_scan_tells_quantity_and_code(text, quantity, code):
    assert parse(text) == (quantity, code)


def decimal(value):
    "Return what JSON says of a decimal"
    return Decimal(value['decimal'])


class Register:
    """A ticket that is keyed in by a client: it sends what the fields depend
    on, and takes the changes that it gets"""

    def __init__(self, cashier, company):
        self.cashier = cashier
        self.context = {'company': company, 'language': 'es'}
        fields = self.call('fields_get', ['scanned'])
        self.depends = {*fields['scanned']['on_change']}
        self.values = {
            name: value for name, value in self.call(
                'default_get', [
                    'point', 'company', 'date', 'state', 'currency'], False
                ).items() if '.' not in name}
        self.lines = []

    def call(self, procedure, *args):
        return self.cashier.call(
            f'{SALE}.{procedure}', *args, context=self.context)

    def scan(self, text):
        values = {
            'id': -1, **self.values, 'scanned': text, 'payments': [],
            'lines': [{**line, 'id': -i} for i, line in enumerate(
                    self.lines, 2)]}
        values = {
            name: value for name, value in values.items()
            if name in {'id', *self.depends}}
        changes = self.call('on_change', values, ['scanned'])
        for i, line in changes.get('lines', {}).get('add', []):
            self.lines.insert(i, self.plain(line))
        for line in changes.get('lines', {}).get('update', []):
            self.lines[-line['id'] - 2].update(self.plain(line))
        return changes

    @staticmethod
    def plain(line):
        return {
            name: value for name, value in line.items()
            if '.' not in name and name != 'id'}


def test_ticket_is_keyed_in_by_codes(shop):
    cashier = Cashier(shop.web.url, shop.branch.name).login()
    counter = Counter(shop.branch)
    code, other = counter.codes(2, decimals=False)
    with shop.branch.transaction(context={'company': counter.company}):
        Product = shop.branch.get('product.product')
        product, = Product.search([('code', '=', code)])
        ean, price = product.identifiers[0].code, product.gross_price_used
        name = Product.search([('code', '=', other)])[0].name
    register = Register(cashier, counter.company)
    assert register.values['point'] == counter.point

    changes = register.scan(ean)
    assert changes['scanned'] is None
    assert decimal(changes['total']) == price
    assert register.lines[0]['product'] == product.id
    assert decimal(register.lines[0]['unit_gross_price']) == price
    changes = register.scan(f"2*{code}")
    assert decimal(changes['amount_to_pay']) == 3 * price
    assert [line['quantity'] for line in register.lines] == [3]
    register.scan(other)
    register.scan("*4")
    assert [line['quantity'] for line in register.lines] == [3, 4]
    assert register.scan(name) and len(register.lines) == 2
    # What is not found stays in its field, with a notice
    assert 'scanned' not in register.scan("nothing of the kind")
    (kind, text), = [
        notice for notice in register.call('on_change_notify', {
            'id': -1, **register.values, 'scanned': "nothing", 'lines': []})
        if notice[0] == 'error']
    assert "No se encontró ningún producto" in text

    sale, = register.call('create', [{
                'point': register.values['point'],
                'lines': [('create', [{
                                name: line[name] for name in [
                                    'product', 'quantity', 'unit_list_price',
                                    'unit_gross_price']}
                            for line in register.lines])],
                }])
    counter.pay(sale)
    counter.process(sale)
    with shop.branch.transaction():
        assert shop.branch.get('sale.point.sale')(sale).state == 'done'


def test_lists_have_columns_that_both_clients_know(shop):
    "neither knows moments, and the web client no texts"
    found = []
    with shop.branch.transaction():
        View = shop.branch.get('ir.ui.view')
        for view in View.search([
                    ('module', '=', 'offline_sales'), ('type', '=', 'tree')]):
            found += list(unknown_columns(shop.branch, view))
        for view in View.search([
                    ('module', '=', 'offline_sales'),
                    ('inherit.type', '=', 'tree')]):
            found += list(unknown_columns(shop.branch, view))
    assert found == []


def unknown_columns(database, view):
    Model = database.get(view.model)
    tree = lxml.etree.fromstring(view.arch)
    for element in tree.iter('field'):
        name = element.get('name')
        if (not element.get('widget') and name in Model._fields
                and Model._fields[name]._type in {
                    'datetime', 'timestamp', 'text'}
                and not element.get('position')):
            yield view.name, name


def test_point_is_the_one_sold_on_last(shop):
    "or none, where there are several and nobody has sold"
    Sale = shop.central.get('sale.point.sale')
    counter = Counter(shop.central)
    assert counter.run(Sale.default_point) is None
    counter.sell([(counter.codes(1)[0], 1)])
    assert counter.run(Sale.default_point) == counter.point


def test_branch_sees_how_it_does(shop):
    counter = Counter(shop.branch)
    Configuration = shop.branch.get('offline_sales.configuration')
    Document = shop.branch.get('offline_sales.document')

    def status():
        return counter.run(Configuration.tell_status)
    assert "Documentos por enviar: 0" in status()
    assert "Se puede vender hasta las" in status()
    assert "Catálogos de hace: " in status()
    assert "Ya hay internet" not in status()
    counter.sell([(counter.codes(1)[0], 1)])
    assert "Documentos por enviar: 2" in status()
    with shop.offline():
        shop.branch.run(Document.send_by_schedule)
    assert "Ya hay internet" not in status()
    shop.branch.run(Document.send)
    assert "Documentos por enviar: 0" in status()
    assert "Ya hay internet: termine, envíe y siga en la central" in status()
    with shop.branch.transaction():
        Notification = shop.branch.get('res.notification')
        assert {n.user.login for n in Notification.search(
                    [('label', 'ilike', "%internet%")])} >= {'esp.lupita'}
        # Nobody is told again until it was away again
        Notification.delete(Notification.search([]))
    shop.branch.run(Document.send)
    with shop.branch.transaction():
        assert not shop.branch.get('res.notification').search([])
        configuration = Configuration(1)
        assert configuration.is_online() and configuration.pending == 0
        update = configuration.updates[0]
        assert update.state == 'done'
        assert "rows received" in update.message
        configuration.contacted_at -= dt.timedelta(minutes=6)
        assert not configuration.is_online()
    assert shop.central.run(
        shop.central.get('offline_sales.configuration').tell_status) is None


def test_menu_is_of_what_the_side_does(shop):
    def names(database, user):
        def search():
            Menu = database.get('ir.ui.menu')
            return {m.name for m in Menu.search([])}
        return database.run(
            search, user=user, context={
                '_check_access': True, 'language': 'es'})
    central, branch = names(shop.central, 1), names(shop.branch, 1)
    assert {"Sucursales", "Generar token de uso", "Catálogos"} <= central
    assert {"Enviar mis cambios al servidor", "Reinicializar base local"
        } <= branch - central
    assert not {"Generar token de uso", "Sucursales"} & branch
    cashier = names(shop.branch, Counter(shop.branch).user)
    assert {"Configurar sistema de ventas sin internet",
        "Diario de Ventas sin Internet"} <= cashier
    assert "Reinicializar base local" not in cashier
