# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Every kind of change at the central, and the replica that it leaves valid"
import pytest

from . import changes as all_
from .changes import KINDS, sell_each
from .counter import Counter
from .replica import faults, moved
from .shop import Shop


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


# One shop serves them all
@pytest.mark.xdist_group('changes')
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
