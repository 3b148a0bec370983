# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Scans of the central's tables that serve several branches

At the hour of the schedule many branches ask for the same digests: the same
query is then run once. What changed meanwhile the next refresh sees.
"""
import hashlib
import threading
import time
from collections import OrderedDict

from trytond.transaction import Transaction

SECONDS = 45
MOST_ROWS = 300_000


def fetch(query):
    "Return the rows of the query"
    cursor = Transaction().connection.cursor()
    cursor.execute(*query)
    return cursor.fetchall()


class _Entry:
    __slots__ = ('lock', 'made', 'rows')

    def __init__(self):
        self.lock = threading.Lock()
        self.made = None
        self.rows = ()


class Scans:
    """The rows of queries, kept for some seconds

    seconds: how long; most: rows of all the queries together.
    """

    def __init__(self, seconds=SECONDS, most=MOST_ROWS, now=time.monotonic):
        self.seconds = seconds
        self.most = most
        self._now = now
        self._lock = threading.Lock()
        self._entries = OrderedDict()

    def fetch(self, query):
        """Return the rows of the query, perhaps as they were some seconds ago

        Who asks for what is being fetched waits for it.
        """
        sql, params = query
        key = hashlib.sha256(repr((
                    Transaction().database.name, sql, params)
                ).encode()).digest()
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        with entry.lock:
            now = self._now()
            if entry.made is None or now - entry.made > self.seconds:
                entry.rows, entry.made = fetch(query), now
            rows = entry.rows
        self._trim()
        return rows

    def _trim(self):
        with self._lock:
            total = sum(len(e.rows) for e in self._entries.values())
            while total > self.most and self._entries:
                _, entry = self._entries.popitem(last=False)
                total -= len(entry.rows)

    def clear(self):
        with self._lock:
            self._entries.clear()


scans = Scans()
