# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What a cashier should not see is not in the branch's file"
from decimal import Decimal

import pytest

CARD = 'tarjeta-4711'
SECRET = 'secreto-del-portal-0815'
BARGAIN = 'regateo-con-el-proveedor-99'
COST = Decimal('73.1957')


def contents(database):
    "All the bytes of the database, those not yet checkpointed included"
    data = b''
    for suffix in ['', '-wal', '.staging']:
        file = database.file.with_name(database.file.name + suffix)
        if file.exists():
            data += file.read_bytes()
    return data


@pytest.fixture
def secrets(foreign_shop):
    "The shop whose central holds secrets in columns of another module"
    central = foreign_shop.central
    with central.transaction():
        Catalog = central.get('offline_sales.catalog')
        catalog, = Catalog.search([('model', '=', 'product.template')])
        Catalog.write([catalog], {'excluded': catalog.excluded + ' bargain'})
        party, = central.get('party.party').search([], limit=1)
        party.loyalty_card = CARD
        party.portal_key = SECRET
        party.save()
        Template = central.get('product.template')
        template = Template.search([('salable', '=', True)], limit=1)[0]
        template.bargain = BARGAIN
        template.save()
        company, = central.get('company.company').search([])
    with central.transaction(context={'company': company.id}):
        Product = central.get('product.product')
        product = Product.search([('salable', '=', True)], limit=1)[0]
        product.cost_price = COST
        product.save()
    foreign_shop.obtain()
    return foreign_shop


@pytest.mark.parametrize('secret', [SECRET, BARGAIN, str(COST)])
def test_secret_is_not_in_the_file_of_the_branch(secrets, secret):
    assert secret.encode() in contents(secrets.central)
    assert secret.encode() not in contents(secrets.branch)


def test_what_is_no_secret_travels_with_the_columns_of_other_modules(secrets):
    assert CARD.encode() in contents(secrets.branch)
    with secrets.branch.transaction():
        Party = secrets.branch.get('party.party')
        assert Party.search([('loyalty_card', '=', CARD)], count=True) == 1


@pytest.mark.parametrize('model', [
        'product.cost_price', 'product.cost_price_method', 'stock.move',
        'account.move', 'account.move.line', 'offline_sales.contact',
        'res.user.application', 'product.category-supplier-account.tax'])
def test_models_that_stay_at_the_central(secrets, model):
    with secrets.branch.transaction():
        assert not secrets.branch.get('offline_sales.link').search(
            [('model', '=', model)])


def test_keys_and_hashes_of_the_central_stay(secrets):
    with secrets.central.transaction() as transaction:
        # The ORM itself does not give them away
        cursor = transaction.connection.cursor()
        cursor.execute('SELECT login, password_hash FROM res_user')
        hashes = dict(cursor.fetchall())
        cursor.execute('SELECT key FROM res_user_application')
        keys = [key for key, in cursor]
    stay = [hashes['tij.rosa'], hashes['gerencia'], *keys]
    assert len(set(stay)) == 3
    data = contents(secrets.branch)
    assert hashes['esp.lupita'].encode() in data
    for secret in stay:
        assert secret.encode() not in data


def test_what_is_excluded_later_leaves_the_branch(secrets):
    comment = 'secreto-de-antes-4711'

    def exclude(names):
        with secrets.central.transaction():
            Catalog = secrets.central.get('offline_sales.catalog')
            catalog, = Catalog.search([
                    ('model', '=', 'party.contact_mechanism')])
            Catalog.write([catalog], {'excluded': names})
        secrets.obtain()

    def comments():
        with secrets.branch.transaction():
            Mechanism = secrets.branch.get('party.contact_mechanism')
            return Mechanism.search([('comment', '=', comment)], count=True)

    with secrets.central.transaction():
        Mechanism = secrets.central.get('party.contact_mechanism')
        Mechanism.write(
            Mechanism.search([], limit=1), {'comment': comment})
    secrets.obtain()
    assert comments() == 1
    exclude('comment')
    assert comments() == 0
    exclude(None)
    assert comments() == 1
