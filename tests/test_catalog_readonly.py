# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"At a branch the catalogs are read only, customers are not"
import time

import pytest

from trytond.exceptions import UserError
from trytond.transaction import Transaction, without_check_access

from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    OfflineAccessError)

from .counter import Counter

READONLY = [
    'ir.lang', 'currency.currency', 'country.country', 'company.company',
    'res.user', 'account.account', 'account.tax', 'product.uom',
    'product.category', 'product.template', 'product.product',
    'product.price_list', 'stock.location', 'sale.point',
    'sale.point.payment.method', 'ir.sequence.strict', 'sale.configuration',
    'party.configuration', 'offline_sales.branch', 'offline_sales.register']


def external(database, function, user=1):
    "Run the function as a client's call does"
    return database.run(function, user=user, context={'_check_access': True})


@without_check_access
def first(database, model):
    return database.get(model).search([], limit=1)[0]


def test_catalog_is_not_written_by_the_administrator(shop):
    def write(model):
        record = first(shop.branch, model)
        record.__class__.write([record], {})
    for model in READONLY:
        with pytest.raises(OfflineAccessError):
            external(shop.branch, lambda model=model: write(model))
        shop.branch.run(write, model)


@pytest.mark.parametrize('model, values', [
        ('product.category', {'name': "Otra"}),
        ('currency.currency', {
                'name': "Otra", 'code': 'XXZ', 'symbol': 'z'}),
        ('res.user', {'name': "Otro", 'login': 'otro'}),
        ])
def test_catalog_record_is_neither_created_nor_deleted(shop, model, values):
    def create():
        return shop.branch.get(model).create([values])[0].id
    with pytest.raises(OfflineAccessError):
        external(shop.branch, create)
    # Judged by the model, not by who made the record
    id_ = shop.branch.run(create)

    def delete():
        shop.branch.get(model).delete([shop.branch.get(model)(id_)])
    with pytest.raises(UserError):
        external(shop.branch, delete)
    assert shop.branch.run(
        lambda: shop.branch.get(model).search([('id', '=', id_)]))


def test_model_without_rows_is_a_catalog_too(shop):
    def models():
        return shop.branch.get('offline_sales.catalog').readonly_models()
    assert 'account.invoice.payment_term.line.delta' in shop.branch.run(models)


def test_message_in_spanish(shop):
    def write():
        with Transaction().set_context(language='es'):
            product = first(shop.branch, 'product.product')
            product.__class__.write([product], {})
    with pytest.raises(OfflineAccessError) as error:
        external(shop.branch, write)
    assert "Los catálogos se modifican en la central" in error.value.message


def test_customer_is_edited_with_all_that_it_is_made_of(shop):
    def edit():
        Party = shop.branch.get('party.party')
        country = first(shop.branch, 'country.country')
        party, = Party.create([{
                    'name': "Nueva clienta",
                    'lang': first(shop.branch, 'ir.lang').id,
                    'addresses': [('create', [{
                                    'street': "Calle 1",
                                    'country': country.id,
                                    }])],
                    'contact_mechanisms': [('create', [{
                                    'type': 'phone',
                                    'value': '+525512345678',
                                    }])],
                    'identifiers': [('create', [{'code': 'XYZ'}])],
                    }])
        Party.write([party], {
                'name': "Otra",
                'addresses': [('write', [party.addresses[0].id], {
                            'street': "Calle 2"})],
                'identifiers': [
                    ('delete', [i.id for i in party.identifiers])],
                })
        return party.addresses[0].street
    cashier = Counter(shop.branch)
    assert cashier.run(edit) == "Calle 2"


@pytest.mark.parametrize('wizard', [
        'party.replace', 'party.erase', 'product.product.replace',
        'product.recompute_cost_price', 'product.modify_cost_price',
        'account.create_chart', 'account.update_chart',
        'company.company.config', 'res.user.config'])
def test_wizard_that_writes_catalogs_is_refused(shop, wizard):
    def create(database):
        Wizard = database.get(wizard, type='wizard')
        session, _, _ = Wizard.create()
        return session
    with pytest.raises(OfflineAccessError):
        shop.branch.run(create, shop.branch)
    assert shop.central.run(create, shop.central)


def test_crons_that_write_catalogs_are_off(shop, monkeypatch):
    called = []

    def run(database):
        Cron = database.get('ir.cron')
        Product = database.get('product.product')
        for name in [
                'recompute_cost_price_from_moves', 'deactivate_replaced']:
            monkeypatch.setattr(
                Product, name, lambda name=name: called.append(name))
        for cron in Cron.search([('method', 'like', 'product.product|%')]):
            cron.run_once()
    shop.branch.run(run, shop.branch)
    assert called == []
    shop.central.run(run, shop.central)
    assert len(called) == 2


def test_central_is_not_affected(shop):
    def write():
        product = first(shop.central, 'product.product')
        product.__class__.write([product], {'suffix_code': 'NEW'})
    external(shop.central, write)
    assert shop.central.run(
        lambda: shop.central.get('offline_sales.catalog').readonly_models()
        ) == set()


def test_selling_moves_the_sequence_on(shop):
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    counter.sell([(counter.codes(1)[0], 1)])

    def number():
        return first(shop.branch, 'sale.point').sequence.number_next
    assert shop.branch.run(number) == 3


def preferences(shop, login, values):
    def set_():
        User = shop.branch.get('res.user')
        User.set_preferences(values)
    with shop.branch.transaction():
        user, = shop.branch.get('res.user').search([('login', '=', login)])
    shop.branch.run(set_, user=user.id)
    return user.id


def test_preferences_of_a_cashier(shop):
    with shop.branch.transaction():
        user, = shop.branch.get('res.user').search(
            [('login', '=', 'esp.lupita')])
        values = {
            'language': 'es', 'company': user.company.id,
            'employee': user.employee.id, 'name': user.name}
    preferences(shop, 'esp.lupita', values)
    for values in [{'password': 'another-one-4711'}, {'name': "Otra"}]:
        with pytest.raises(OfflineAccessError):
            preferences(shop, 'esp.lupita', values)


def test_preferences_of_the_local_administrator(shop):
    preferences(shop, 'admin', {'password': 'another-one-4711'})


def test_before_the_first_catalogs(web, make_database):
    from .shop import pair
    central = make_database('central', 'company')
    branch = make_database('branch', 'selling')
    pair(central, branch, web.url)

    def write():
        unit = first(branch, 'product.uom')
        unit.__class__.write([unit], {})
    with pytest.raises(OfflineAccessError):
        external(branch, write)


def test_check_costs_microseconds(shop):
    def measure():
        Note = shop.branch.get('ir.note')
        start = time.perf_counter()
        for _ in range(10_000):
            Note.check_modification('write', [], {}, external=True)
        return (time.perf_counter() - start) / 10_000
    assert shop.branch.run(measure) < 100e-6
