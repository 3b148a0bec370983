# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The catalogs on their way: what was received and is not yet in use.

A file of SQLite beside the database, whatever the database of the branch is:
what is half received harms nobody, and leaves nothing behind.
"""
import os
import sqlite3
import tempfile
from collections import defaultdict
from typing import NamedTuple

from trytond import backend, config
from trytond.transaction import Transaction

SUFFIX = '.staging'


class Column(NamedTuple):
    "A column as the central describes it, see record.Column"
    name: str
    kind: str
    sql_type: str
    target: str


class Model(NamedTuple):
    """A model as the central describes it

    index is its place in the staging, table the name of its rows there and
    records that of the records that they are, which Apply finds.
    """
    index: int
    name: str
    columns: tuple
    initial: frozenset
    singleton: bool

    @property
    def table(self):
        return f's{self.index}'

    @property
    def records(self):
        return f'r{self.index}'


class Staging:
    """The rows that were received, by model

    models are the descriptions of the central in the order of the digest.
    """

    def __init__(self, models):
        self.models = {}
        for index, model in enumerate(models):
            self.models[model['model']] = Model(
                index, model['model'],
                tuple(Column(*c) for c in model['columns']),
                frozenset(model['initial']), model['singleton'])
        self.path = self._path()
        self._remove()
        # It holds customers and hashes of passwords
        os.close(os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        self.connection = sqlite3.connect(self.path)
        try:
            self._create_tables()
        except sqlite3.Error:
            # The disk may be full already
            self.close()
            raise

    def _create_tables(self):
        # A staging that is lost is begun again
        self.connection.execute('PRAGMA journal_mode = OFF')
        self.connection.execute('PRAGMA synchronous = OFF')
        for model in self.models.values():
            self.connection.execute(self._create(model))
            self.connection.execute(self._create_records(model))
        self.connection.execute(
            'CREATE TABLE gone (model INTEGER, central INTEGER, '
            'PRIMARY KEY (model, central)) WITHOUT ROWID')

    @staticmethod
    def _path():
        name = Transaction().database.name + SUFFIX
        if backend.name == 'sqlite':
            return os.path.join(config.get('database', 'path'), name)
        return os.path.join(tempfile.gettempdir(), name)

    def _remove(self):
        for suffix in ['', '-journal', '-wal', '-shm']:
            try:
                os.remove(self.path + suffix)
            except FileNotFoundError:
                pass

    @staticmethod
    def _create(model):
        columns = ''.join(f', c{i}' for i in range(len(model.columns)))
        return (
            f'CREATE TABLE {model.table} (id INTEGER PRIMARY KEY, '
            f'version INTEGER NOT NULL, key TEXT{columns})')

    @staticmethod
    def _create_records(model, temporary=''):
        return (
            f'CREATE {temporary} TABLE {model.records} (id INTEGER '
            f'PRIMARY KEY, local INTEGER NOT NULL, new INTEGER NOT NULL)')

    def add(self, name, rows):
        """Add the rows of the model, as lists of id, version, key and the
        values of the columns"""
        model = self.models[name]
        blobs = [
            i for i, column in enumerate(model.columns, 3)
            if column.sql_type == 'BLOB']
        for i in blobs:
            for row in rows:
                if row[i] is not None:
                    row[i] = bytes.fromhex(row[i])
        floats = [
            i for i, column in enumerate(model.columns, 3)
            if column.sql_type == 'FLOAT']
        for i in floats:
            for row in rows:
                # PostgreSQL writes 1.0 as 1, and what is not finite, for
                # which JSON has no number, as text
                if row[i] is not None:
                    row[i] = float(row[i])
        names = ''.join(f', c{i}' for i in range(len(model.columns)))
        marks = ', ?' * len(model.columns)
        self.connection.executemany(
            f'INSERT OR REPLACE INTO {model.table} '
            f'(id, version, key{names}) VALUES (?, ?, ?{marks})', rows)

    def vanish(self, name, ids):
        "Add the ids of the rows of the model that the central has no more"
        index = self.models[name].index
        self.connection.executemany(
            'INSERT OR REPLACE INTO gone VALUES (?, ?)',
            [(index, id_) for id_ in ids])

    def received(self, name):
        "Return the ids of the rows of the model that were received, as a set"
        return {id_ for id_, in self.connection.execute(
                f'SELECT id FROM {self.models[name].table}')}

    def filled(self):
        "Return the names of the models of which rows were received, as a set"
        return {
            name for name, model in self.models.items()
            if self.connection.execute(
                f'SELECT 1 FROM {model.table} LIMIT 1').fetchone()}

    def gone(self):
        "Return the ids of the rows that vanished, as sets by model"
        names = {model.index: name for name, model in self.models.items()}
        gone = defaultdict(set)
        for index, id_ in self.connection.execute(
                'SELECT model, central FROM gone'):
            gone[names[index]].add(id_)
        return gone

    def changed(self):
        "Return the names of the models of which rows came or went, as a set"
        return self.filled() | self.gone().keys()

    def commit(self):
        self.connection.commit()

    def close(self):
        self.connection.close()
        self._remove()

    # A branch on PostgreSQL

    def copy(self, connection):
        "Copy what was received into temporary tables of the connection"
        cursor = connection.cursor()
        for model in self.models.values():
            types = [self._sql_type(column) for column in model.columns]
            names = ''.join(f', c{i} {t}' for i, t in enumerate(types))
            cursor.execute(
                f'CREATE TEMPORARY TABLE {model.table} ('
                f'id BIGINT PRIMARY KEY, version BIGINT NOT NULL, '
                f'key TEXT{names}) ON COMMIT DROP')
            cursor.execute(
                self._create_records(model, 'TEMPORARY') + ' ON COMMIT DROP')
            booleans = [
                i for i, t in enumerate(types, 3) if t.startswith('BOOL')]
            names = ''.join(f', c{i}' for i in range(len(types)))
            rows = self.connection.execute(
                f'SELECT id, version, key{names} FROM {model.table}')
            with cursor.copy(
                    f'COPY {model.table} (id, version, key{names}) '
                    f'FROM STDIN') as copy:
                for row in rows:
                    if booleans:
                        row = list(row)
                        for i in booleans:
                            if row[i] is not None:
                                row[i] = bool(row[i])
                    copy.write_row(row)

    @staticmethod
    def _sql_type(column):
        if column.kind == 'many2one':
            return 'BIGINT'
        if column.kind == 'reference':
            return 'TEXT'
        return Transaction().database.sql_type(column.sql_type).base
