# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The harness itself: two servers here, real processes, PostgreSQL"
import pytest
import requests

from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

from trytond.modules.offline_sales.tests.groups import (  # isort: skip
    Scheduling, read_group)
from trytond.modules.offline_sales.tests.tools import (  # isort: skip
    PASSWORD, ProcessError)


def _add_party(name):
    Party = Pool().get('party.party')
    party, = Party.create([{'name': name}])
    return party.id


def _party_names():
    return [p.name for p in Pool().get('party.party').search([])]


def _lock_parties():
    Transaction().lock_table(Pool().get('party.party')._table)
    return _add_party("Locked")


def _count(database):
    with database.transaction():
        return database.get('party.party').search([], count=True)


@pytest.fixture
def pair(make_database):
    return make_database('central', 'bare'), make_database(
        'branch', 'bare')


def _login(web, name, password=PASSWORD):
    return requests.post(f'{web.url}/{name}/rpc/', timeout=10, json={
            'id': 1,
            'method': 'common.db.login',
            'params': ['admin', {'password': password}],
            })


@pytest.mark.parametrize('turn', [1, 2])
def test_databases_begin_anew(pair, turn):
    central, branch = pair
    before = _count(central)
    with central.transaction():
        _add_party("Only here")
    assert _count(central) == before + 1
    assert _count(branch) == before


def test_transaction_rolls_back(pair):
    central, _ = pair
    before = _count(central)
    with pytest.raises(ZeroDivisionError), central.transaction():
        _add_party("Gone")
        raise ZeroDivisionError
    assert _count(central) == before


def test_run_takes_locks(pair):
    central, _ = pair
    with pytest.raises(TransactionError), central.transaction():
        _lock_parties()
    central.run(_lock_parties)
    with central.transaction():
        assert "Locked" in _party_names()


def test_web_serves_both(web, pair):
    for database in pair:
        assert _login(web, database.name).ok
        with database.transaction():
            User = database.get('res.user')
            User.write([User(1)], {'password': 'another-password'})
        assert _login(web, database.name, 'another-password').ok
        assert _login(web, database.name, PASSWORD).status_code == 401


def test_web_down_cuts_kept_connections(web, pair):
    with requests.Session() as session:
        session.get(f'{web.url}/', timeout=10)
        with web.down(), pytest.raises(requests.ConnectionError):
            session.get(f'{web.url}/', timeout=10)
        session.get(f'{web.url}/', timeout=10)


@pytest.mark.parametrize('backend', ['sqlite', 'postgresql'])
def test_server(make_server, backend):
    server = make_server('central', 'bare', backend)
    assert server.run(_add_party, "Snippet")
    assert "Snippet" in server.run(
        "result = [p.name for p in pool.get('party.party').search([])]")
    server.run(_lock_parties)
    with pytest.raises(ProcessError, match="ZeroDivisionError"):
        server.run("1 / 0")
    server.start()
    with server.proteus() as config:
        assert config.user is None
        Party = config.get_proxy('party.party')
        assert Party.search_count([('name', '=', "Snippet")], {}) == 1
    server.kill()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)
    server.restart()
    assert requests.get(server.url, timeout=5) is not None
    server.stop()
    assert not server.running


def test_server_says_why_it_does_not_start(make_server):
    server = make_server('central', 'bare')
    server.configure({'database': {'uri': 'nowhere:///'}})
    with pytest.raises(ProcessError, match="trytond.backend.nowhere"):
        server.start()


def test_company(central, branch):
    cashier = central.facts['users']['esp.lupita']['id']
    context = {'company': central.facts['id'], 'language': 'es'}
    with central.transaction(user=cashier, context=context):
        user, = central.get('res.user').search([('login', '=', 'esp.lupita')])
        assert user.id == cashier
        assert [p.code for p in central.get('product.product').search(
                [], limit=1)]
    assert branch.facts is None
    with branch.transaction():
        assert not branch.get('company.company').search([])


@pytest.mark.parametrize('identifier, group', [
        ('tests/test_run.py::test_upgrade', 'init'),
        ('tests/test_bundle.py::test_bundle_lacks[linux-3.11-lacking2]',
            'init'),
        ('tests/test_module.py::OfflineSalesExtrasTestCase::test_menu',
            'module-extras'),
        ('tests/test_tools.py::test_group', None),
        ])
def test_group(request, identifier, group):
    assert read_group(request.config.rootpath, identifier) == group


def test_group_is_kept(request):
    "Who shares what is dear to set up is in one piece of the work"
    scheduling = Scheduling.__new__(Scheduling)
    scheduling.config = request.config
    assert scheduling._split_scope('tests/test_init.py::test_x[a@b]') == (
        scheduling._split_scope('tests/test_deployment.py::test_y'))
