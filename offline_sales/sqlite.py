# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Transactions on SQLite that are atomic

When the clean_timeout of the section cache has passed, a transaction begins
by looking for what other processes have changed (MemoryCache.sync of trytond
8.0). It asks for a connection in autocommit; but a database of SQLite has one
connection, that of the transaction itself, which is then in autocommit: each
statement is on the disk at once and a rollback takes nothing back. The same
happens to what is written after a commit that has cleared a cache. So a ticket
could stay without its document, or half of a refresh.

There is no option for it: what sets the connection is wrapped here. The marks
that tell other processes to clear their caches are then part of the
transaction: they were written after its data had been committed, and if the
disk was full by then, it looked as if nothing had been kept.
"""
from functools import wraps

from trytond import backend
from trytond.cache import Cache

__all__ = ['keep_isolation', 'keep_transaction']


def keep_isolation(function):
    "Leave the connection of the transaction as it was"
    @wraps(function)
    def wrapper(transaction):
        connection = transaction.connection
        level = connection.isolation_level
        try:
            return function(transaction)
        finally:
            if connection.isolation_level != level:
                connection.isolation_level = level
    return wrapper


def keep_transaction(function):
    "Let the function have the connection of the transaction as it is"
    @wraps(function)
    def wrapper(transaction):
        database, connection = transaction.database, transaction.connection
        database.get_connection = lambda **kwargs: connection
        try:
            return function(transaction)
        finally:
            del database.get_connection
    return wrapper


if backend.name == 'sqlite':
    Cache.sync = keep_isolation(Cache.sync)
    Cache.commit = keep_transaction(Cache.commit)
