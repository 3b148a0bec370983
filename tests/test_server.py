# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What a branch says of the configuration of its own server"
import logging
import os

import pytest

from trytond import config
from trytond.pool import Pool
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales.token.server import (  # isort: skip
    ask_token, get_preloaded)


@pytest.mark.parametrize('value', [
        'offline_sales', 'password+offline_sales', 'offline_sales+password',
        'ldap+offline_sales', ' offline_sales ',
        'offline_sales,password+offline_sales'])
def test_authentications_that_ask(value):
    assert ask_token(value)


@pytest.mark.parametrize('value', [
        'password', '', 'password,offline_sales', 'offline_sales,password',
        'password+offline_sales?device_cookie',
        'password+offline_sales?ip_address', 'offline_sales?ip_address',
        'password+offline_sales?ip_address:device_cookie', 'offline_sale',
        'ldap,offline_sales', 'offline_sales+password,sms'])
def test_authentications_that_let_pass(value):
    assert not ask_token(value)


@pytest.mark.parametrize('arguments, environment, names', [
        (['-c', 'x.conf', '-d', 'branch'], {}, {'branch'}),
        (['-d', 'a', 'b', '-v'], {}, {'a', 'b'}),
        (['--database', 'a', '-c', 'x.conf'], {}, {'a'}),
        (['--database=a'], {}, {'a'}),
        (['-da'], {}, {'a'}),
        (['-c', 'x.conf'], {}, set()),
        ([], {'TRYTOND_DATABASE_NAMES': 'a,"b,c"'}, {'a', 'b,c'}),
        ([], {'TRYTOND_DATABASE_NAMES': ''}, set()),
        ])
def test_preloaded(arguments, environment, names):
    assert get_preloaded(arguments, environment) - {''} == names


@pytest.fixture
def set_option():
    former = []

    def set_option(section, name, value):
        former.append((section, name, config.get(section, name)))
        config.set(section, name, value)
    yield set_option
    for section, name, value in former:
        config.set(section, name, value)


def unsafe(shop):
    def test():
        Configuration = Pool().get('offline_sales.configuration')
        return {
            line.step for line in Configuration.test_connection()
            if line.state == 'error'}
    return shop.branch.run(test)


def test_connection_says_what_is_unsafe(
        shop, set_option, monkeypatch):
    assert unsafe(shop) == set()
    set_option('session', 'authentications', 'password')
    assert unsafe(shop) == {'authentications'}
    monkeypatch.setitem(os.environ, 'TRYTOND_DATABASE_NAMES', 'central')
    assert unsafe(shop) == {'authentications', 'preload'}
    set_option('cache', 'clean_timeout', '300')
    assert unsafe(shop) == {'authentications', 'preload', 'cache'}


def test_connection_says_that_secrets_cannot_be_read(shop):
    with shop.branch.transaction(user=0):
        Credential = Pool().get('offline_sales.credential')
        Credential.write(
            Credential.search([('name', '=', 'token')]),
            {'value': 'fernet:x'})
    assert unsafe(shop) == {'secrets'}


@pytest.mark.parametrize(
    'side, warned', [('branch', True), ('central', False)])
def test_start_logs_what_is_unsafe(shop, set_option, caplog, side, warned):
    set_option('session', 'authentications', 'password')
    database = getattr(shop, side)
    caplog.set_level(logging.WARNING)
    caplog.clear()
    with Transaction().start(database.name, 0, readonly=True):
        Pool(database.name).init()
    found = [
        r.getMessage() for r in caplog.records
        if 'offline_sales' in r.name and 'unsafe' in r.getMessage()]
    assert bool(found) == warned
    assert all('authentications = offline_sales' in text for text in found)
