# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A transaction on SQLite is atomic, also when trytond looks after its caches"
import datetime as dt
import sqlite3

import pytest

from trytond.cache import Cache
from trytond.transaction import Transaction


@pytest.fixture
def overdue(monkeypatch):
    "The caches are to be looked after, by the next transaction"
    def overdue():
        monkeypatch.setattr(
            Cache, '_clean_last',
            dt.datetime.now() - dt.timedelta(days=1))
    return overdue


def create(database, name):
    return database.get('country.country').create([{'name': name}])


def count(database, name):
    with database.transaction():
        return database.get('country.country').search(
            [('name', '=', name)], count=True)


def test_rollback_takes_all_back(branch, overdue):
    overdue()
    with pytest.raises(ZeroDivisionError), branch.transaction():
        create(branch, "Lost")
        1 / 0  # noqa: B018
    assert count(branch, "Lost") == 0


def test_rollback_after_a_commit_takes_the_rest_back(branch, overdue):
    with branch.transaction() as transaction:
        create(branch, "Kept")
        branch.get('ir.lang')._lang_cache.clear()
        transaction.commit()
        create(branch, "Lost")
        transaction.rollback()
    assert (count(branch, "Kept"), count(branch, "Lost")) == (1, 0)


def test_others_see_nothing_before_the_commit(branch, overdue):
    overdue()
    with branch.transaction():
        create(branch, "Later")
        with Transaction().new_transaction(readonly=True):
            assert branch.get('country.country').search(
                [('name', '=', "Later")], count=True) == 0
    assert count(branch, "Later") == 1


def test_nothing_is_kept_if_the_caches_cannot_be_marked(branch):
    def refuse(action, table, *args):
        if table == 'ir_cache' and action in {
                sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE}:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK
    with branch.transaction() as transaction:
        create(branch, "Lost")
        branch.get('ir.lang')._lang_cache.clear()
        transaction.connection.set_authorizer(refuse)
        with pytest.raises(sqlite3.DatabaseError):
            transaction.commit()
        transaction.connection.set_authorizer(None)
    assert count(branch, "Lost") == 0


def test_autocommit_is_kept_where_it_was_asked_for(branch, overdue):
    overdue()
    with Transaction().start(branch.name, 1, autocommit=True) as transaction:
        assert transaction.connection.isolation_level is None
