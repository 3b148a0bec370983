# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The first catalogs: what the branch gets, and what it does not"
import logging

import pytest

from trytond.admin import validate

# What tells their records apart, by model
CATALOGS = {
    'currency.currency': 'code',
    'country.subdivision': 'code',
    'party.party': 'code',
    'party.identifier': 'code',
    'party.address': 'rec_name',
    'party.contact_mechanism': 'value',
    'account.account': 'code',
    'account.tax': 'name',
    'account.invoice.payment_term': 'name',
    'product.uom': 'name',
    'product.category': 'rec_name',
    'product.price_list': 'name',
    'sale.point.payment.method': 'name',
    'sale.point.cash.transfer.type': 'name',
    }


def read(database, model, name='code', domain=()):
    with database.transaction():
        Model = database.get(model)
        return sorted(
            getattr(r, name) or '' for r in Model.search(list(domain)))


def test_catalogs_are_those_of_the_central(shop):
    for model, name in CATALOGS.items():
        values = read(shop.central, model, name)
        assert values, model
        assert read(shop.branch, model, name) == values, model


def test_products_are_those_that_can_be_sold(shop):
    assert read(shop.branch, 'product.product') == read(
        shop.central, 'product.product', domain=[('salable', '=', True)])


def test_product_prices_and_taxes(shop):
    def prices(database):
        result = {}
        with database.transaction(context={'company': 1}):
            company, = database.get('company.company').search([])
        with database.transaction(context={'company': company.id}):
            for product in database.get('product.product').search(
                    [('salable', '=', True)]):
                result[product.code] = (
                    product.list_price_used, product.gross_price_used,
                    product.sale_uom.symbol,
                    sorted(t.name for t in product.customer_taxes_used))
        return result
    central = prices(shop.central)
    assert len({tuple(p[3]) for p in central.values()}) >= 4
    assert prices(shop.branch) == central


def test_points_are_the_offline_ones_of_the_branch(shop):
    facts = shop.central.facts or {}
    with shop.central.transaction():
        Branch = shop.central.get('offline_sales.branch')
        branch, = Branch.search([('code', '=', 'ESP')])
        register, = branch.registers
        expected = [register.offline_point.name]
        sequence = register.offline_point.sequence.prefix
    assert facts is not None
    assert read(shop.branch, 'sale.point', 'name') == expected
    with shop.branch.transaction():
        point, = shop.branch.get('sale.point').search([])
        assert point.sequence.prefix == sequence
        register, = shop.branch.get('offline_sales.register').search([])
        assert register.offline_point == point
        assert register.online_point is None


def test_users_are_those_of_the_branch(shop):
    logins = read(shop.branch, 'res.user', 'login')
    assert {'esp.lupita', 'esp.martin'} <= set(logins)
    assert not {'tij.rosa', 'tij.hector', 'gerencia'} & set(logins)
    with shop.branch.transaction():
        User = shop.branch.get('res.user')
        for user in User.search([('login', 'like', 'esp.%')]):
            assert {g.name for g in user.groups} == {
                "Offline Sales Branch", "POS", "Sales"}
            assert user.employee and user.company


def test_user_logs_in_with_the_same_password(shop):
    from trytond.modules.offline_sales.tests.process import PASSWORD
    with shop.branch.transaction():
        User = shop.branch.get('res.user')
        user, = User.search([('login', '=', 'esp.lupita')])
        assert User.get_login(
            'esp.lupita', {'password': PASSWORD}) == user.id
        assert not User.get_login('esp.lupita', {'password': 'wrong'})


def test_administrator_never_travels(shop):
    with shop.central.transaction():
        User = shop.central.get('res.user')
        ModelData = shop.central.get('ir.model.data')
        admin = ModelData.get_id('res', 'group_admin')
        boss, = User.create([{
                    'login': 'boss',
                    'password': 'only-for-the-boss',
                    'groups': [('add', [admin])],
                    }])
        Branch = shop.central.get('offline_sales.branch')
        branch, = Branch.search([('code', '=', 'ESP')])
        Branch.write([branch], {'users': [('add', [boss.id])]})
    shop.obtain()
    assert 'boss' not in read(shop.branch, 'res.user', 'login')


def test_user_never_travels_because_of_a_row(shop):
    with shop.central.transaction():
        User = shop.central.get('res.user')
        other, = User.search([('login', '=', 'tij.rosa')])
        mine, = User.search([('login', '=', 'esp.lupita')])
        shop.central.get('res.user.warning').create([
                {'user': user.id, 'name': user.login}
                for user in [other, mine]])
        shop.central.get('offline_sales.catalog').create([{
                    'model': 'res.user.warning'}])
    shop.obtain()
    assert 'tij.rosa' not in read(shop.branch, 'res.user', 'login')
    assert read(shop.branch, 'res.user.warning', 'name') == ['esp.lupita']


def test_branch_knows_its_record(shop):
    with shop.branch.transaction():
        branch = shop.branch.get('offline_sales.configuration').get_branch()
        assert branch.code == 'ESP'
        assert branch.warehouse.type == 'warehouse'


def test_translated_names(shop):
    def names(database):
        with database.transaction(context={'language': 'es'}):
            Uom = database.get('product.uom')
            return sorted(u.name for u in Uom.search([]))
    assert names(shop.branch) == names(shop.central)


def test_records_of_xml_are_not_doubled(shop):
    with shop.branch.transaction():
        ModelData = shop.branch.get('ir.model.data')
        Uom = shop.branch.get('product.uom')
        unit = ModelData.get_id('product', 'uom_unit')
        assert [u.id for u in Uom.search([('symbol', '=', 'u')])] == [unit]


def test_translations_are_not_doubled(shop):
    with shop.branch.transaction() as transaction:
        cursor = transaction.connection.cursor()
        cursor.execute(
            "SELECT name, lang, res_id FROM ir_translation "
            "WHERE type = 'model' AND res_id >= 0 "
            "GROUP BY name, lang, res_id HAVING COUNT(*) > 1")
        assert cursor.fetchall() == []


def test_validate_finds_nothing(shop, caplog):
    with shop.branch.transaction(user=0):
        with caplog.at_level(logging.ERROR, logger='validate'):
            validate([
                    name for name, _ in shop.branch.pool.iterobject()
                    if not name.startswith(('ir.', 'res.'))]
                + ['res.user', 'ir.sequence.strict'])
    assert not caplog.records


def test_unchanged_moves_nothing(shop):
    shop.obtain()
    with shop.branch.transaction():
        Update = shop.branch.get('offline_sales.update')
        last, first = Update.search([])
        assert (first.state, first.kind) == ('done', 'full')
        assert first.rows > 100
        assert (last.state, last.kind, last.rows) == ('done', 'delta', 0)


def test_changed_row_travels_alone(shop):
    with shop.central.transaction():
        Party = shop.central.get('party.party')
        party = Party.search([], limit=1)[0]
        name = party.name
        Party.write([party], {'name': "Nombre nuevo"})
    shop.obtain()
    with shop.branch.transaction():
        update = shop.branch.get('offline_sales.update').last_success()
        assert update.rows == 1
    names = read(shop.branch, 'party.party', 'name')
    assert "Nombre nuevo" in names and name not in names


def test_failed_refresh_leaves_the_former_catalogs(shop):
    from trytond.modules.offline_sales.offline_sales.exceptions import (
        CentralError)
    before = read(shop.branch, 'product.product')
    with shop.offline(), pytest.raises(CentralError):
        shop.obtain()
    assert read(shop.branch, 'product.product') == before
    with shop.branch.transaction():
        update, = shop.branch.get('offline_sales.update').search(
            [('state', '=', 'failed')])
        assert update.message and update.end
    shop.obtain()


def test_ticket_can_be_keyed_in(shop):
    with shop.branch.transaction():
        User = shop.branch.get('res.user')
        user, = User.search([('login', '=', 'esp.lupita')])
        Point = shop.branch.get('sale.point')
        point, = Point.search([])
        Product = shop.branch.get('product.product')
        Method = shop.branch.get('sale.point.payment.method')
        cash, = Method.search([('cash', '=', True)])
        products = Product.search([
                ('salable', '=', True),
                ('gross_prices', '!=', None),
                ], limit=3)
        company, employee = point.company.id, user.employee.id

    def sell():
        Sale = shop.branch.get('sale.point.sale')
        sale = Sale(point=point.id, employee=employee)
        sale.lines = []
        for product in products:
            line = shop.branch.get('sale.point.sale.line')(
                sale=sale, product=product.id, quantity=2)
            line.on_change_product()
            sale.lines = (*sale.lines, line)
        sale.save()
        Payment = shop.branch.get('sale.point.payment')
        Payment.create([{
                    'sale': sale.id,
                    'method': cash.id,
                    'amount': sale.total,
                    }])
        Sale.process([sale])
        sale = Sale(sale.id)
        return sale.state, sale.number, sale.total
    state, number, total = shop.branch.run(
        sell, user=user.id, context={'company': company})
    assert state == 'done'
    assert number.startswith('ESP')
    assert total > 0
