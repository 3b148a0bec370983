# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Where the databases of the tests are: a directory, a PostgreSQL cluster"
import json
import os
import pwd
import secrets
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from .process import free_port

__all__ = ['Cluster', 'ClusterMissing', 'SQLite']


class SQLite:
    "Databases as files of a directory"

    backend = 'sqlite'
    uri = 'sqlite:///'
    clean_timeout = 1
    suffix = '.sqlite'

    def __init__(self, path):
        self.path = Path(path)

    @property
    def version(self):
        return sqlite3.sqlite_version

    def name(self, name):
        return name

    def file(self, database):
        return self.path / f'{database}.sqlite'

    def create(self, database, template=None):
        "Make the database, empty or as the template file"
        self.drop(database)
        if template:
            shutil.copyfile(template, self.file(database))
        else:
            self.file(database).touch()

    def save(self, database, template):
        "Make a template file of the database, that nobody uses"
        with closing(sqlite3.connect(self.file(database))) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        shutil.copyfile(self.file(database), template)

    def drop(self, database):
        for suffix in ['', '-wal', '-shm']:
            file = self.file(database)
            file.with_name(file.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def workshop(self):
        "Yield a store where a template is made"
        with tempfile.TemporaryDirectory() as directory:
            yield SQLite(directory)


class ClusterMissing(Exception):
    "PostgreSQL is not installed"


def _binary(name):
    "The path of a command of PostgreSQL, the newest that is installed"
    installed = sorted(
        Path('/usr/lib/postgresql').glob(f'*/bin/{name}'),
        key=lambda path: float(path.parts[-3]))
    if installed:
        return str(installed[-1])
    if found := shutil.which(name):
        return found
    raise ClusterMissing(f"PostgreSQL is not installed: no {name} found")


def _account():
    "The user that PostgreSQL runs as: it refuses root"
    if os.getuid():
        return None
    try:
        return pwd.getpwnam('postgres')
    except KeyError:
        name = 'offline-sales-test'
        subprocess.run(
            ['useradd', '--system', '--no-create-home', name], check=True)
        return pwd.getpwnam(name)


class Cluster:
    """
    A PostgreSQL of our own in a directory, on a loopback port, with a random
    password. Without fsync: it does not outlive the run.
    """

    backend = 'postgresql'
    clean_timeout = 0
    suffix = '.dump'

    def __init__(self, directory):
        self.path = Path(directory)
        state = json.loads((self.path / 'cluster.json').read_text())
        self.port = state['port']
        self.password = state['password']

    @classmethod
    def shared(cls, directory):
        "The cluster of the directory, started by who comes first"
        directory = Path(directory)
        with FileLock(directory / 'cluster.lock'):
            if not (directory / 'cluster.json').exists():
                cls._start(directory)
        return cls(directory)

    @classmethod
    def _start(cls, directory):
        account = _account()
        home = directory / 'postgresql'
        home.mkdir()
        directory.chmod(0o711)
        password = secrets.token_urlsafe(16)
        (home / 'password').write_text(password)
        (home / 'password').chmod(0o600)
        if account:
            for path in [home, home / 'password']:
                os.chown(path, account.pw_uid, account.pw_gid)

        def run(*command):
            if account:
                command = ['runuser', '-u', account.pw_name, '--', *command]
            done = subprocess.run(
                command, cwd=home, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                log = home / 'log'
                raise RuntimeError(
                    done.stdout + (log.read_text() if log.exists() else ''))

        run(_binary('initdb'), '-D', home / 'data', '--username=tryton',
            '--auth=scram-sha-256', f'--pwfile={home / "password"}',
            '--encoding=UTF8', '--locale=C', '--no-sync')
        port = free_port()
        run(_binary('pg_ctl'), '-D', home / 'data', '-l', home / 'log',
            '-w', 'start', '-o',
            f'-k {home} -p {port} -c listen_addresses=127.0.0.1 '
            '-c fsync=off -c max_connections=200')
        (directory / 'cluster.json').write_text(json.dumps({
                    'port': port,
                    'password': password,
                    }))

    @classmethod
    def stop(cls, directory):
        "End the cluster of the directory, if there is one, by its process id"
        pidfile = Path(directory) / 'postgresql' / 'data' / 'postmaster.pid'
        try:
            pid = int(pidfile.read_text().split()[0])
        except FileNotFoundError:
            return
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 20
        while Path(f'/proc/{pid}').exists() and time.monotonic() < deadline:
            time.sleep(.05)

    @property
    def uri(self):
        return f'postgresql://tryton:{self.password}@127.0.0.1:{self.port}'

    @property
    def version(self):
        with self.connect() as connection:
            return connection.info.server_version // 10000

    def name(self, name):
        "A name for a database that no other test has"
        return f'{name}_{secrets.token_hex(4)}'

    def connect(self, database='postgres'):
        "Return a connection of psycopg, without transaction"
        import psycopg
        return psycopg.connect(f'{self.uri}/{database}', autocommit=True)

    def _exists(self, database):
        with self.connect() as connection:
            return bool(connection.execute(
                    'SELECT 1 FROM pg_database WHERE datname = %s',
                    [database]).fetchall())

    def create(self, database, template=None):
        "Make the database, empty or as the template file"
        source = 'template0'
        if template:
            source = self._restore(template)
        with FileLock(self.path / 'create.lock'), \
                self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}" '
                f'TEMPLATE "{source}" ENCODING \'UTF8\'')

    def _restore(self, template):
        "Return the database that holds the template file"
        name = template.stem
        with FileLock(self.path / f'{name}.lock'):
            if not self._exists(name):
                self.create(f'{name}-new')
                self._client(
                    'pg_restore', '--no-owner', '-d', f'{name}-new', template)
                with self.connect() as connection:
                    connection.execute(
                        f'ALTER DATABASE "{name}-new" RENAME TO "{name}"')
        return name

    def save(self, database, template):
        "Make a template file of the database"
        self._client('pg_dump', '-Fc', '-Z1', '-f', template, database)

    def drop(self, database):
        with self.connect() as connection:
            connection.execute(
                f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _client(self, command, *args):
        subprocess.run(
            [_binary(command), '-h', '127.0.0.1', '-p', str(self.port),
                '-U', 'tryton', *args],
            env={**os.environ, 'PGPASSWORD': self.password}, check=True)

    @contextmanager
    def workshop(self):
        "Yield a store where a template is made"
        yield self
