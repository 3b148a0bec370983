# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch restore: go back to a copy of the database

The central refuses a copy that goes on as if it was the branch: what it has
sent since could be sent with other numbers. So the copy loses its key, and is
paired by a new code; the numbers go on after those that the central knows.
"""
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from . import backup, errors, pair, spool
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'put_back', 'run']


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        'file', metavar=_("FILE"), nargs='?', type=Path,
        help=_("the copy, by default the last one"))
    parser.add_argument(
        '--code', metavar=_("CODE"),
        help=_("pairing code, generated at the central on the form of the "
            "branch"))
    parser.add_argument(
        '-y', '--yes', action='store_true', help=_("do not ask to go on"))


def run(options):
    place = Place.of(options)
    place.check_installed()
    file = options.file or (
        (copy := backup.last(place)) and copy.file)
    if not file or not file.is_file():
        raise errors.Stop(_("There is no copy {file}.").format(
                file=file or place.backups))
    with place.stopped():
        if not options.yes and sys.stdin.isatty():
            print(_(
                    "What was sold after {file} was made and not sent is "
                    "lost, but for what is in the second copy.").format(
                    file=file))
            if input(_("Go on? [y/N] ")).strip().lower() not in {
                    'y', 'yes', 's', 'si', 'sí'}:
                raise errors.Stop(_("Nothing was done."))
        former = _save(place)
        put_back(place, file)
        database = place.open()
        database.run(lambda: _forget_key(database))
        print(_("The database is that of {file}; the former one is {former}."
                ).format(file=file, former=former), flush=True)
        spool.restore(database)
        pair.pair(place, database, options)


def _save(place):
    "Return the copy of what is to be replaced, damaged or not"
    try:
        return backup.make(place, 'before-restore', keep=3)
    except (errors.Stop, sqlite3.Error):
        if not place.file:
            raise
        damaged = place.backups / f'damaged-{os.getpid()}.sqlite'
        shutil.copyfile(place.file, damaged)
        return damaged


def _forget_key(database):
    Credential = database.get('offline_sales.credential')
    Session = database.get('ir.session')
    Credential.set('key', None)
    Session.delete(Session.search([]))


def put_back(place, file):
    "Make the database that of the file, the whole or nothing"
    if place.file:
        _put_back_sqlite(place.file, file)
    else:
        _put_back_on_server(place, file)


def _put_back_sqlite(database, file):
    if problem := backup.check_sqlite(file) or _is_branch(file):
        raise errors.Stop(_(
                "{file} is no copy of a branch: {problem}. Choose another."
                ).format(file=file, problem=problem))
    new = database.with_name(f'.{database.name}.new')
    shutil.copyfile(file, new)
    new.chmod(0o600)
    with new.open('rb+') as stream:
        os.fsync(stream.fileno())
    # Nothing of the former one may be played into it
    for suffix in ['-wal', '-shm']:
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    os.replace(new, database)


def _is_branch(file):
    "Return what is wrong if the file is not that of a branch"
    try:
        with closing(sqlite3.connect(file)) as database:
            found = database.execute(
                'SELECT role FROM offline_sales_configuration').fetchall()
    except sqlite3.Error as error:
        return str(error)
    return None if found == [('branch',)] else _("it is not paired")


def _put_back_on_server(place, file):
    name = place.database
    new, old = f'{name}_restore', f'{name}_before'
    client = backup.client

    def execute(query):
        client(place, 'psql', '-v', 'ON_ERROR_STOP=1', '-qtAc', query,
            database='postgres')
    execute(f'DROP DATABASE IF EXISTS "{new}"')
    execute(f'CREATE DATABASE "{new}" TEMPLATE template0')
    client(place, 'pg_restore', '--no-owner', '-1', '-d', new, str(file))
    execute(f'DROP DATABASE IF EXISTS "{old}"')
    # Both or none: there is always one of that name
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND usename = current_user; "
        f'ALTER DATABASE "{name}" RENAME TO "{old}"; '
        f'ALTER DATABASE "{new}" RENAME TO "{name}"')
