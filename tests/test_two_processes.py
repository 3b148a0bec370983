# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The pair that users run: two trytond, the central on PostgreSQL"
import pytest
from proteus import Model, Wizard

from trytond.modules.offline_sales.demo import day, look
from trytond.modules.offline_sales.tests.process import PASSWORD
from trytond.modules.offline_sales.tests.process import pair as connect

CASHIER = 'esp.lupita'


@pytest.fixture(params=[
        ('postgresql', 'sqlite'),
        ('postgresql', 'postgresql'),
        ('sqlite', 'sqlite'),
        ], ids='-'.join)
def pair(request, make_server):
    "(central, branch), paired and with the catalogs"
    central = make_server('central', 'company', request.param[0])
    branch = make_server('branch', 'selling', request.param[1])
    for server in [central, branch]:
        server.start()
    connect(central, branch)
    with branch.proteus() as config:
        obtain(branch, config)
    return central, branch


def obtain(branch, config):
    wizard = Wizard('offline_sales.catalog.obtain', config=config)
    wizard.execute('obtain')
    return wizard.form.rows


def plan(central, tickets):
    return day.plan(central.facts['products'], tickets)


def test_day_without_internet(pair):
    central, branch = pair
    company = central.facts['id']
    shop = central.facts['branches']['ESP']
    before = central.run(look.figures, company, shop['storage'])
    central.stop()
    tickets = plan(central, 4)
    with branch.proteus(
            CASHIER, PASSWORD, give=central.give_token) as config:
        numbers = [day.sell(config, ticket) for ticket in tickets]
        central.start()
        for _ in range(10):
            Wizard('offline_sales.document.send', config=config)
            sold = central.run(look.tickets, shop['offline_point'])
            if all(t['state'] == 'posted' for t in sold) and sold:
                break
    assert [t['number'] for t in sold] == numbers
    after = central.run(look.figures, company, shop['storage'])
    expected = day.figures(tickets)
    assert {
        code: quantity - before['stock'][code]
        for code, quantity in after['stock'].items()
        if quantity != before['stock'][code]} == expected['stock']
    assert after['accounts']['101.01'] == expected['cash']
    assert after['accounts']['102.02'] == expected['card']


def test_refresh_moves_what_changed(pair):
    central, branch = pair
    with central.proteus() as config:
        Party = Model.get('party.party', config=config)
        party = Party(name="Nueva clienta")
        party.save()
        changed = Party.find([('id', '!=', party.id)], limit=1)[0]
        changed.name = "Otro nombre"
        changed.save()
    with branch.proteus() as config:
        # The party, its language and what follows from the defaults
        assert 2 <= obtain(branch, config) <= 8
        assert obtain(branch, config) == 0
        Party = Model.get('party.party', config=config)
        assert {p.name for p in Party.find([
                    ('name', 'in', ["Nueva clienta", "Otro nombre"])])} == {
            "Nueva clienta", "Otro nombre"}
    assert ': KO' not in branch.admin('--validate', '-v')
