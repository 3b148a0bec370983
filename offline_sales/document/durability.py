# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What was shown as done survives a power cut

trytond opens SQLite with synchronous=NORMAL: a commit is in the write-ahead
log, but the log may still be in the memory of the system. The pragma cannot
be changed inside a transaction, so the log is forced to the disk after the
commit, before the answer leaves (https://sqlite.org/pragma.html#pragma_synchronous,
https://sqlite.org/wal.html). PostgreSQL does so by itself.
"""
import os

from trytond import backend
from trytond.transaction import Transaction


def ensure():
    "Have the transaction, once committed, on the disk before it ends"
    if backend.name != 'sqlite':
        return
    transaction = Transaction()
    cursor = transaction.connection.cursor()
    cursor.execute('PRAGMA database_list')
    for _, name, path in cursor.fetchall():
        if name == 'main' and path:
            transaction.join(_Log(path + '-wal'))


def force(path):
    """Force the file at path and its entry in the directory to the disk

    A file that is not there needs nothing: it was emptied into another.
    """
    try:
        # Windows flushes only what could be written
        file = os.open(path, os.O_RDWR | getattr(os, 'O_BINARY', 0))
    except FileNotFoundError:
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
    if hasattr(os, 'O_DIRECTORY'):
        directory = os.open(
            os.path.dirname(path) or os.curdir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class _Log:
    """The write-ahead log of a database, as a data manager of a transaction

    Equal for the same file: a transaction forces it once.
    """

    def __init__(self, path):
        self.path = path

    def __eq__(self, other):
        return isinstance(other, _Log) and self.path == other.path

    def __hash__(self):
        return hash(self.path)

    def tpc_begin(self, transaction):
        pass

    def commit(self, transaction):
        pass

    def tpc_vote(self, transaction):
        pass

    def tpc_abort(self, transaction):
        pass

    def tpc_finish(self, transaction):
        force(self.path)
