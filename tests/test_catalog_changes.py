# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Every kind of change at the central, and the replica that it leaves valid"
import datetime as dt

import pytest

from . import changes as all_
from .changes import KINDS, sell_each
from .counter import Counter
from .replica import faults, here
from .shop import Shop


def moved(database):
    """Return how many rows came and went with the last refresh, and the names
    of the models of those that came"""
    update = database.get('offline_sales.update').last_success()
    return update.rows + update.deleted, [
        line.partition(':')[0]
        for line in (update.models or '').splitlines()]


class Changes:
    "A shop where the kinds of change are prepared, and then made one by one"

    def __init__(self, shop):
        self.shop = shop
        counter = Counter(shop.branch, language='en')
        self.context = {'company': counter.company}
        self.cashier = counter.run
        self.facts = {
            name: self.at_central(kind().prepare)
            for name, kind in KINDS.items()}
        shop.obtain()
        for name, kind in KINDS.items():
            facts = self.facts[name]
            facts.update(self.cashier(kind(facts).meet) or {})

    def at_central(self, function):
        return self.shop.central.run(function, context=self.context)

    def at_branch(self, function):
        return self.shop.branch.run(function, context=self.context)

    def make(self, name):
        """Make the change and obtain it, and return how many rows came and
        went, and the names of the models of those that came"""
        facts = self.facts[name]
        facts.update(self.at_central(KINDS[name](facts).change) or {})
        self.shop.obtain()
        return self.at_branch(self.moved)

    def moved(self):
        return moved(self.shop.branch)

    def check(self, name):
        self.cashier(KINDS[name](self.facts[name]).check)


@pytest.fixture(scope='module')
def changes(web, tmp_path_factory):
    changes = Changes(Shop(web, tmp_path_factory.getbasetemp()))
    yield changes
    # All of it, once: it takes long
    assert changes.at_branch(faults) == []
    changes.shop.obtain()
    assert changes.at_branch(changes.moved) == (0, [])


@pytest.mark.parametrize('kind', KINDS)
def test_change(changes, kind):
    rows, models = changes.make(kind)
    assert rows
    changes.check(kind)
    assert changes.at_branch(lambda: faults(models)) == []
    assert changes.cashier(sell_each)


@pytest.mark.parametrize('backend', ['postgresql', 'sqlite'])
def test_changes_with_a_central_on_postgresql(make_server, backend):
    "All of them in one refresh"
    central = make_server('central', 'company', 'postgresql')
    branch = make_server('branch', 'selling', backend)
    context = {'company': central.facts['id']}
    prepared = central.run(all_.prepare_all, context=context)
    central.start()
    facts = branch.run(
        all_.begin_all, central.url, central.database, **prepared, user=0)
    facts = central.run(all_.change_all, facts, context=context)
    assert branch.run(all_.end_all, facts, user=0) == []


def read_prices(database, context, days=range(3)):
    "Return the price of a product by the retail list today and on other days"
    def read():
        today = database.get('ir.date').today()
        list_, = database.get('product.price_list').search(
            [('name', '=', "Público")])
        product, = database.get('product.product').search(
            [('code', '=', 'G00001')])
        return [
            list_.compute(product, 1, product.default_uom, pattern={
                    'date': today + dt.timedelta(days=day)})
            for day in days]
    return database.run(read, context=context)


def test_module_activated_at_the_central(shop):
    "And all modules updated there, which touches thousands of rows"
    context = {'company': Counter(shop.branch).company}
    module = 'product_price_list_dates'
    shop.central.admin('--all', '-u', module)
    shop.obtain()
    assert shop.branch.run(lambda: moved(shop.branch)) == (0, [])

    def write():
        today = shop.central.get('ir.date').today()
        list_, = shop.central.get('product.price_list').search(
            [('name', '=', "Público")])
        line, = list_.lines
        line.end_date = today
        line.save()
        shop.central.get('product.price_list.line').create([{
                    'price_list': list_.id,
                    'formula': 'unit_price * 2',
                    'start_date': today + dt.timedelta(days=1),
                    'end_date': today + dt.timedelta(days=1),
                    }])
    shop.central.run(write, context=context)
    # What the branch lacks does not harm it
    shop.obtain()
    assert shop.branch.run(
        lambda: moved(shop.branch)) == (1, ['product.price_list.line'])
    assert shop.branch.run(lambda: faults([])) == []
    shop.branch.admin('-u', module)
    shop.obtain()
    prices = read_prices(shop.central, context)
    assert prices[1] == 2 * prices[0] and prices[2] is None
    assert read_prices(shop.branch, context) == prices
    assert shop.branch.run(
        lambda: faults(['product.price_list.line'])) == []
    assert Counter(shop.branch).run(sell_each)


def test_customers_made_here_and_known_there(shop):
    "Before the branch was told, or gone again since it was"
    names = ["Clienta de aquí", "Cliente fusionado"]

    def make():
        Party = shop.branch.get('party.party')
        parties = Party.create([{'name': name} for name in names])
        known = shop.branch.get('offline_sales.link').identify(parties)
        return [p.id for p in parties], [known[p.id] for p in parties]
    locals_, uuids = shop.branch.run(make, user=0)

    def take():
        Party = shop.central.get('party.party')
        parties = Party.create([
                {'name': f"{name}, S.A."} for name in names])
        shop.central.get('offline_sales.link').learn([
                ('party.party', uuid, party.id)
                for uuid, party in zip(uuids, parties, strict=True)])
        parties[1].active = False
        parties[1].save()
        return [p.id for p in parties]
    centrals = shop.central.run(take)
    shop.branch.run(lambda: shop.branch.get('offline_sales.link').settle(
            {uuids[1]: ['party.party', centrals[1]]}), user=0)
    shop.obtain()

    def read():
        Party = shop.branch.get('party.party')
        assert [here('party.party', c).id for c in centrals] == locals_
        return {
            p.id: p.name for p in Party.search([
                    ['OR', *[('name', 'like', f'{n}%') for n in names]]])}
    assert shop.branch.run(read) == {locals_[0]: "Clienta de aquí, S.A."}
    shop.obtain()
    assert shop.branch.run(lambda: moved(shop.branch)) == (0, [])
