# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The company of the demo, and of the tests, is valid and sells every tax"
import logging
from decimal import Decimal

import pytest
from stdnum import ean
from stdnum.mx import rfc

from trytond.admin import validate
from trytond.modules.offline_sales.demo import customers, tables
from trytond.modules.offline_sales.demo.company import load
from trytond.pool import Pool
from trytond.transaction import Transaction, inactive_records

from .process import PASSWORD

TAXES = {
    'iva16': {'IVA 16 %': Decimal('0.16')},
    'iva8': {'IVA 8 % región fronteriza': Decimal('0.08')},
    'iva0': {'IVA 0 %': Decimal(0)},
    'exempt': {},
    # IVA is charged on the price with IEPS
    'ieps8': {
        'IEPS 8 %': Decimal('0.08'),
        'IVA 16 %': Decimal('0.1728'),
        },
    }


@pytest.fixture
def facts(central):
    return central.facts


def _products(facts, **criteria):
    return [
        product for product in facts['products']
        if all(product[name] == value for name, value in criteria.items())]


@pytest.mark.parametrize('criteria', [
        *({'tax': tax} for tax in TAXES),
        *({'unit': unit} for unit in ['piece', 'box', 'kg', 'liter']),
        {'type': 'service'},
        ])
def test_company_has_products(facts, criteria):
    assert _products(facts, active=True, **criteria)


def test_company_has_inactive_products(facts):
    assert len(facts['products']) == 30
    assert _products(facts, active=False)


def test_company_is_valid(central, caplog):
    with central.transaction(user=0), inactive_records(), \
            caplog.at_level(logging.ERROR, logger='validate'):
        validate([
                name for name, _ in Pool().iterobject()
                if name.startswith('ir.sequence')
                or not name.startswith('ir.')])
    assert [record.getMessage() for record in caplog.records] == []


def test_company_goods_have_bar_codes(central, facts):
    goods = {product['id'] for product in _products(facts, type='goods')}
    with central.transaction(), inactive_records():
        identifiers = Pool().get('product.identifier').search([])
        assert {identifier.product.id for identifier in identifiers} == goods
        codes = {identifier.code for identifier in identifiers}
    assert len(codes) == len(goods)
    assert all(map(ean.is_valid, codes))


def test_company_customers_have_rfc_and_address(central, facts):
    with central.transaction(), inactive_records():
        parties = Pool().get('party.party').browse(facts['customers'])
        codes = {party.tax_identifier.code for party in parties}
        states = {
            party.addresses[0].subdivision.code for party in parties}
        public = Pool().get('party.party')(facts['public'])
        assert public.tax_identifier.code_compact == customers.GENERIC_RFC
    assert len(codes) == len(parties) == len(states) == 10
    for code in codes:
        assert rfc.is_valid(code, validate_check_digits=True)


@pytest.mark.parametrize('name, first, second, letters', [
        ("Ernesto", "González", "Díaz", 'GODE'),
        ("José", "Núñez", "Ávila", 'NUAJ'),
        ("Ana", "Ng", "Orta", 'NXOA'),
        ("Óscar", "Cano", "Cruz", 'CACO'.replace('A', 'X')),
        ])
def test_rfc_person_letters(name, first, second, letters):
    assert customers.person_letters(name, first, second) == letters


def test_company_is_in_spanish(central, facts):
    with central.transaction(context={'language': 'es'}):
        Unit = Pool().get('product.uom')
        assert Unit(facts['units']['piece']).name == "Pieza"
        assert Unit(facts['units']['box']).name == "Caja con 12"
        assert Pool().get('res.user')(1).language.code == 'es'


def test_company_branches(central, facts):
    with central.transaction():
        branches = Pool().get('offline_sales.branch').search([])
        assert {branch.code: branch.timezone for branch in branches} == {
            'ESP': 'America/Mexico_City', 'TIJ': 'America/Tijuana'}
        for branch in branches:
            register, = branch.registers
            online, offline = register.online_point, register.offline_point
            assert online.storage_location.warehouse == branch.warehouse
            assert offline.storage_location == online.storage_location
            assert online.tax_included and offline.tax_included
            assert online.sequence.prefix == f'{branch.code}-EL-'
            assert offline.sequence.prefix == f'{branch.code}-SI-'
            assert len(branch.users) == 2
            assert all(user.employee for user in branch.users)


def test_company_users_log_in(central):
    with central.transaction(user=0):
        User = Pool().get('res.user')
        for row in tables.read('users'):
            assert User._login_password(row['login'], {'password': PASSWORD})


def test_company_manager_is_responsible(central, facts):
    with central.transaction():
        pool = Pool()
        group = pool.get('ir.model.data').get_id(
            'offline_sales', 'group_offline_sales_responsible')
        users = pool.get('res.group')(group).users
        assert facts['users']['gerencia']['id'] in map(int, users)


def test_company_stock(central, facts):
    "Each branch has of all goods that are sold, at their cost"
    goods = {
        product['id']: product['cost_price']
        for product in _products(facts, type='goods', active=True)}
    with central.transaction(context={'company': facts['id']}):
        pool = Pool()
        Product = pool.get('product.product')
        for branch in facts['branches'].values():
            with Transaction().set_context(locations=[branch['storage']]):
                for product in Product.browse(goods):
                    assert product.quantity > 0
                    assert product.cost_price == goods[product.id]


@pytest.mark.parametrize('tax', TAXES)
def test_ticket_taxes(central, facts, tax):
    product = _products(facts, tax=tax, active=True)[0]
    base, taxes, paid = central.run(
        _sell, facts, product, Decimal(3),
        user=facts['users']['esp.lupita']['id'],
        context={'company': facts['id']})

    assert paid == 3 * product['gross_price']
    assert base == round(3 * product['list_price'], 2)
    assert base + sum(taxes.values()) == paid
    assert taxes.keys() == {
        name for name, rate in TAXES[tax].items() if rate}
    for name, amount in taxes.items():
        assert amount == pytest.approx(
            base * TAXES[tax][name], abs=Decimal('0.02'))


def _sell(facts, product, quantity):
    """
    Sell the product at a point of sale for cash and post the ticket. Return
    the revenue, the taxes by their names, and what was paid.
    """
    pool = Pool()
    Sale = pool.get('sale.point.sale')
    Line = pool.get('sale.point.sale.line')
    Payment = pool.get('sale.point.payment')
    point = facts['branches']['ESP']['online_point']
    cash = facts['payment_methods']['cash']
    sale = Sale(point=point)
    sale.save()
    line = Line(sale=sale, product=product['id'], quantity=float(quantity))
    line.on_change_product()
    line.save()
    Payment(sale=sale, method=cash, amount=Sale(sale.id).total).save()
    Sale.process([Sale(sale.id)])
    sale = Sale(sale.id)
    Sale.post([sale])
    assert sale.number.startswith('ESP-EL-')

    lines = sale.move.lines
    taxes = {
        tax_line.tax.name: line.credit - line.debit
        for line in lines for tax_line in line.tax_lines
        if tax_line.type == 'tax'}
    category = facts['accounting_categories'][product['tax']]
    revenue = pool.get('product.category')(category).account_revenue
    base, = (line for line in lines if line.account == revenue)
    paid, = (line for line in lines if line.debit)
    return base.credit, taxes, paid.debit


def test_company_is_the_same_for_a_seed(make_database):
    database = make_database('seed', 'bare')
    first = database.run(_describe_loaded, seed=1)
    database.restore('bare')
    assert database.run(_describe_loaded, seed=1) == first
    database.restore('bare')
    assert database.run(_describe_loaded, seed=2) != first


def _describe_loaded(seed):
    made = load(products=5, customers=5, seed=seed)
    pool = Pool()
    Move = pool.get('stock.move')
    Party = pool.get('party.party')
    return (
        [(p.code, p.name, p.gross_price, p.cost_price) for p in made.products],
        [(party.rec_name, party.tax_identifier.code,
                party.addresses[0].full_address,
                [mechanism.value for mechanism in party.contact_mechanisms])
            for party in Party.browse(made.customers)],
        [move.rec_name for move in Move.search([])])


def test_company_on_postgresql(make_server):
    server = make_server('central', 'company', backend='postgresql')
    assert len(server.facts['products']) == 30
