# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The usage over restarts of a real server"
import sqlite3
from contextlib import closing

import pytest

from trytond import security

from .process import Server
from .store import SQLite
from .usage import Asked, Browser, Cashier, Refused, give, open_usage


@pytest.fixture
def server(closed_shop, tmp_path):
    "A server of the branch, whose central is in this process"
    store = SQLite(tmp_path)
    store.create('branch', closed_shop.branch.file)
    server = Server(store, 'branch', tmp_path)
    yield server.start()
    server.close()


def age(server):
    "Let the usage have ended while the server was down"
    with closing(sqlite3.connect(server.store.file('branch'))) as connection:
        connection.execute(
            "UPDATE offline_sales_usage SET latest = start + length + 3600 "
            "WHERE state = 'open'")
        connection.commit()


def works(client):
    return client.call('model.party.party.create', [{'name': "Clienta"}])


@pytest.mark.parametrize('Client', [Cashier, Browser])
def test_restart(closed_shop, server, Client):
    open_usage(server.url, 'branch', give(closed_shop.central))
    client = Client(server.url, 'branch').login()
    assert works(client)
    server.restart()
    assert works(client)
    Cashier(server.url, 'branch').login()
    server.kill()
    age(server)
    server.start()
    with pytest.raises(Refused) as refusal:
        works(client)
    assert refusal.value.status == 401
    with pytest.raises(Asked):
        Cashier(server.url, 'branch').login()
    with closing(sqlite3.connect(server.store.file('branch'))) as connection:
        states = [state for state, in connection.execute(
                "SELECT state FROM offline_sales_usage ORDER BY id")]
    assert states == ['closed', 'asked']


def test_id_survives_a_restart(closed_shop, server):
    cashier = Cashier(server.url, 'branch')
    identifier = cashier.ask()
    server.restart()
    assert cashier.ask() == identifier
    cashier.login(give(closed_shop.central)(identifier))


@pytest.mark.parametrize('Client', [Cashier, Browser])
def test_first_request_that_is_not_checked(closed_shop, monkeypatch, Client):
    "as without -d, where trytond does not ask ir.session.check"
    shop = closed_shop
    shop.open_usage()
    client = Client(shop.web.url, shop.branch.name).login()
    with shop.branch.transaction(user=0) as transaction:
        transaction.connection.cursor().execute(
            'UPDATE offline_sales_usage SET latest = start + length + 3600')
    monkeypatch.setattr(
        security, 'check', lambda dbname, user, session, context: user)
    for method, *params in [
            ('model.party.party.create', [{'name': "Clienta"}]),
            ('model.party.party.search', [], 0, 1, None)]:
        with pytest.raises(Refused) as refusal:
            client.call(method, *params)
        assert refusal.value.status == 401
