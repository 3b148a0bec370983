# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch backup: copy the database while it is used

SQLite by its backup API, PostgreSQL by pg_dump. A copy is finished and
checked before it has its name, and the oldest ones go.
"""
import datetime as dt
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from . import errors
from .place import Place, add_directory
from .text import _, utcnow

__all__ = [
    'add_arguments', 'check_sqlite', 'client', 'copies', 'last', 'make', 'run']

KEEP = 7
FORMAT = '%Y%m%dT%H%M%SZ'


class Copy(NamedTuple):
    "A file and the moment of what is in it, UTC"
    file: Path
    moment: dt.datetime


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--keep', metavar=_("COUNT"), type=int, default=KEEP,
        help=_("how many copies to keep, by default %(default)s"))


def run(options):
    place = Place.of(options)
    place.check_installed()
    if options.keep < 1:
        options.parser.error(_("--keep is 1 at least"))
    print(make(place, keep=options.keep))


def _suffix(place):
    return '.sqlite' if place.file else '.dump'


def copies(place, label='branch'):
    "Return the copies of that label, the oldest first"
    found = []
    pattern = re.compile(
        rf'{label}-(\d{{8}}T\d{{6}}Z){re.escape(_suffix(place))}')
    if place.backups.is_dir():
        for file in place.backups.iterdir():
            if match := pattern.fullmatch(file.name):
                found.append(Copy(
                        file, dt.datetime.strptime(match.group(1), FORMAT)))
    return sorted(found, key=lambda copy: copy.moment)


def last(place):
    found = copies(place)
    return found[-1] if found else None


def make(place, label='branch', keep=KEEP):
    "Make a copy and return its file; keep: how many of that label stay"
    with place.alone('backup', _(
                "Another copy is being made. Wait until it is.")):
        return _make(place, label, keep)


def _make(place, label, keep):
    place.backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = utcnow()
    file = place.backups / f'{label}-{moment:{FORMAT}}{_suffix(place)}'
    unfinished = file.with_name(f'.{file.name}.new')
    for left in place.backups.glob('.*.new*'):
        # A copy that was interrupted
        left.unlink()
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        if place.file:
            _copy_sqlite(place.file, unfinished)
        else:
            client(place, 'pg_dump', '-Fc', '-f', str(unfinished))
        _force(unfinished)
        os.replace(unfinished, file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    for copy in copies(place, label)[:-keep]:
        copy.file.unlink()
    return file


def _force(file):
    with file.open('rb+') as stream:
        os.fsync(stream.fileno())


def _copy_sqlite(source, target):
    with closing(sqlite3.connect(source, timeout=30)) as database, \
            closing(sqlite3.connect(target)) as copy:
        # In one step: who sells is not kept waiting, as the log goes on
        database.backup(copy)
        copy.execute('PRAGMA journal_mode = DELETE')
    if problem := check_sqlite(target):
        raise errors.Stop(_(
                "The database is damaged: {problem}. Restore a copy by "
                "offline-sales branch restore.").format(problem=problem))


def check_sqlite(file):
    """Return what is wrong with the file, None if nothing is

    Raise sqlite3.OperationalError where that cannot be found out.
    """
    try:
        with closing(sqlite3.connect(
                    f'{file.absolute().as_uri()}?mode=ro', uri=True,
                    )) as database:
            found = database.execute('PRAGMA quick_check(1)').fetchone()[0]
    except sqlite3.OperationalError:
        # A full disk, not a database that is damaged
        raise
    except sqlite3.Error as error:
        return str(error)
    return None if found == 'ok' else found


def get_variables(uri):
    "Return what tells the commands of PostgreSQL where its server is"
    parts = urlsplit(uri)
    variables = {
        'PGHOST': parts.hostname,
        'PGPORT': parts.port and str(parts.port),
        'PGUSER': parts.username and unquote(parts.username),
        'PGPASSWORD': parts.password and unquote(parts.password),
        # Of libpq's own, e.g. host=/var/run/postgresql
        **{f'PG{name.upper()}': value
            for name, value in parse_qsl(parts.query)},
        }
    return {name: value for name, value in variables.items() if value}


def client(place, command, *arguments, database=None):
    "Run a command of PostgreSQL for the database of the branch"
    if not shutil.which(command):
        raise errors.Stop(_(
                "{command} is not installed. Install the client of "
                "PostgreSQL.").format(command=command), errors.COMPUTER)
    # Not as an argument, which others can read
    environment = {
        **os.environ, **get_variables(place.get('database', 'uri')),
        'PGDATABASE': database or place.database}
    done = subprocess.run(
        [command, *arguments], env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise errors.Stop(_("{command} failed: {reason}").format(
                command=command, reason=done.stdout.strip()[-500:]))
    return done.stdout
