# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The numbers of a branch are its own, and none is given twice"
import pytest

from trytond.modules.offline_sales.offline_sales.catalog import (  # isort: skip
    numbers)

from .counter import Counter, send


def new_customer(shop):
    def create():
        party, = shop.branch.get('party.party').create([{'name': "Nueva"}])
        return party.code
    return shop.branch.run(create, user=0)


def prefactura(shop):
    def create():
        Sale = shop.branch.get('sale.sale')
        company = shop.branch.get('company.company').search([])[0]
        party = shop.branch.get('party.party').search(
            [('addresses', '!=', None)], limit=1)[0]
        sale, = Sale.create([{
                    'company': company.id,
                    'currency': company.currency.id,
                    'party': party.id,
                    }])
        Sale.set_number([sale])
        return sale.number
    return shop.branch.run(create, user=0)


@pytest.mark.parametrize('number, suffix, expected', [
        ('ESP-SI-000012', None, 12),
        ('ESP-C-12/2026', '/2026', 12),
        ('2026-7', '${date_Y}', 7),
        ('ESP', None, 0),
        ])
def test_number_is_read(number, suffix, expected):
    assert numbers.parse(number, suffix) == expected


def test_code_may_hold_what_stands_for_any_character(shop, monkeypatch):
    monkeypatch.setattr(
        numbers, 'prefix', lambda code, letter: f'E_P-{letter}-')

    def highest():
        Branch = shop.central.get('offline_sales.branch')
        Party = shop.central.get('party.party')
        branch, = Branch.search([('code', '=', 'ESP')])
        Party.create([
                {'name': code, 'code': code}
                for code in ['E_P-C-00007', 'ESP-C-00009']])
        return numbers.highest(branch)['party']
    assert shop.central.run(highest) == 7


def test_prefactura_and_customer_have_the_code_of_the_branch(shop):
    assert [prefactura(shop), prefactura(shop)] == [
        'ESP-P-00001', 'ESP-P-00002']
    assert [new_customer(shop), new_customer(shop)] == [
        'ESP-C-00001', 'ESP-C-00002']


def test_sequences_are_left_alone_by_refresh(shop):
    prefactura(shop), new_customer(shop)
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    with shop.central.transaction():
        for model in ['sale.configuration', 'party.configuration']:
            configuration = shop.central.get(model)(1)
            configuration.save()
        point = shop.central.get('offline_sales.register').search(
            [('branch.code', '=', 'ESP')])[0].offline_point
        point.sequence.name = "Otro nombre"
        point.sequence.save()
    shop.obtain()
    assert prefactura(shop) == 'ESP-P-00002'
    assert new_customer(shop) == 'ESP-C-00002'
    with shop.branch.transaction():
        point, = shop.branch.get('sale.point').search([])
        assert point.sequence.name == "Otro nombre"
        assert point.sequence.number_next == 2


def known_at_the_central(shop):
    "Let the central know higher numbers than the branch"
    def create():
        shop.central.get('party.party').create([
                {'name': "A", 'code': 'ESP-C-00007'},
                {'name': "B", 'code': 'ESP-C-00003'},
                {'name': "C", 'code': 'TIJ-C-00099'}])
        Sale = shop.central.get('sale.sale')
        company = shop.central.get('company.company').search([])[0]
        party = shop.central.get('party.party').search([], limit=1)[0]
        Sale.create([{
                    'company': company.id,
                    'currency': company.currency.id,
                    'party': party.id,
                    'number': 'ESP-P-100000',
                    }])
    shop.central.run(create)


def test_restored_branch_goes_on_after_what_the_central_knows(shop):
    known_at_the_central(shop)
    shop.obtain()
    assert prefactura(shop) == f'ESP-P-{100001 + numbers.MARGIN}'
    assert new_customer(shop) == f'ESP-C-{8 + numbers.MARGIN:05}'
    # Once only
    shop.obtain()
    assert new_customer(shop) == f'ESP-C-{9 + numbers.MARGIN:05}'


def test_restored_branch_does_not_give_the_number_of_a_ticket_again(
        shop, tmp_path):
    former = shop.branch.save(tmp_path / 'former')
    counter = Counter(shop.branch)
    for _ in range(3):
        counter.sell([(counter.codes(1)[0], 1)])
    with shop.branch.transaction():
        sold = {
            s.number for s in shop.branch.get('sale.point.sale').search([])}
    send(shop)
    shop.branch.restore(former)
    shop._pair()
    # Before anything else is obtained
    sale = counter.sell([(counter.codes(1)[0], 1)])
    with shop.branch.transaction():
        number = shop.branch.get('sale.point.sale')(sale).number
    assert number not in sold
    assert numbers.parse(number) == 4 + numbers.MARGIN


def test_sequences_move_on_never_back(shop):
    for _ in range(3):
        new_customer(shop)

    def move_on(party):
        branch = shop.branch.get('offline_sales.configuration').get_branch()
        numbers.move_on(branch, {'sale': 0, 'party': party, 'points': []})
    for known in [0, 1, 3]:
        shop.branch.run(move_on, known)
    assert new_customer(shop) == 'ESP-C-00004'
    shop.branch.run(move_on, 5)
    assert new_customer(shop) == f'ESP-C-{6 + numbers.MARGIN:05}'
