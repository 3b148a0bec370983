# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What of the configuration of a branch's server is unsafe

It is told by the test of the connection, and logged at the start.
"""
import csv
import logging
import os
import sys

from trytond import backend, config
from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from ..configuration import Line

logger = logging.getLogger(__name__)

METHOD = 'offline_sales'
# After so many seconds other processes see what was obtained, at the latest
STALE = 10

# As it is logged at the start, before there are translations
UNSAFE = {
    'authentications': "set authentications = offline_sales, without options,"
    " in the section session: users are let in without a usage token",
    'preload': "start trytond with -d and the name of the database: the first"
    " request is not checked",
    'cache': "set clean_timeout in the section cache to 1 on SQLite, to 0 on"
    " PostgreSQL: processes work with outdated records",
    'secrets': "set the fernet_key that the secrets were kept with, or pair"
    " again: no token opens the branch",
    }


def ask_token(authentications):
    """Return if no login goes round the token

    authentications: the option of that name of the section session, ways
    separated by commas, each of methods joined by +, that may have options
    after a question mark by which they are skipped.
    """
    ways = [
        [method.strip() for method in way.split('+')]
        for way in authentications.split(',')]
    return all(METHOD in way for way in ways)


def get_preloaded(arguments, environment):
    """Return the names of the databases that are loaded at the start

    arguments: the command line. environment: of the process.
    """
    names = set(next(csv.reader(
                [environment.get('TRYTOND_DATABASE_NAMES') or '']), []))
    values = iter(arguments)
    taking = False
    for value in values:
        if value in {'-d', '--database'}:
            taking = True
        elif value.startswith('--database='):
            names.add(value.partition('=')[2])
        elif value.startswith('-d') and not value.startswith('--'):
            names.add(value[2:])
        elif value.startswith('-'):
            taking = False
        elif taking:
            names.add(value)
    return names


class Configuration(metaclass=PoolMeta):
    __name__ = 'offline_sales.configuration'

    @classmethod
    def __post_setup__(cls):
        super().__post_setup__()
        # The database is loaded to be served, not to be updated
        if Transaction().connection and Transaction().readonly:
            if backend.TableHandler.table_exist(cls._table):
                cls._log_unsafe()

    @classmethod
    def test_server(cls):
        return [
            *super().test_server(),
            *(Line(step, 'error', gettext(f'offline_sales.msg_server_{step}'))
                for step in cls._get_unsafe()),
            ]

    @classmethod
    def _get_unsafe(cls):
        "Yield the names of what is unsafe, of UNSAFE"
        Credential = Pool().get('offline_sales.credential')
        if not ask_token(config.get(
                    'session', 'authentications', default='password')):
            yield 'authentications'
        if Transaction().database.name not in get_preloaded(
                sys.argv[1:], os.environ):
            yield 'preload'
        timeout = config.getint('cache', 'clean_timeout')
        if timeout > STALE or (timeout and backend.name == 'postgresql'):
            yield 'cache'
        if not Credential.find_token_keys():
            yield 'secrets'

    @classmethod
    def _log_unsafe(cls):
        "Log what is unsafe, if this is a branch"
        # Not is_branch: caches listen to others only once the pool is loaded
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        cursor.execute(*table.select(table.role, limit=1))
        if cursor.fetchone() == ('branch',):
            for name in cls._get_unsafe():
                logger.warning("unsafe configuration of database %s: %s",
                    Transaction().database.name, UNSAFE[name])
