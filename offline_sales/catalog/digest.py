# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Versions of rows and digests of sets of them.

The version of a row is a 64-bit signed hash of its id and of what travels of
it, made at the central only. The digest of a set of rows is their number and
the exclusive or of their versions: it does not depend on their order, and no
two rows have the same version by being alike. (Sums would overflow on SQLite
and turn into numerics on PostgreSQL.)
"""
import hashlib
import struct

from sql import Literal
from sql.aggregate import Aggregate, Count
from sql.functions import Function

from trytond import backend
from trytond.transaction import Transaction


class _Row(Function):
    __slots__ = ()
    _function = 'ROW'


class _HashRecord(Function):
    __slots__ = ()
    _function = 'hash_record_extended'


class _RowHash(Function):
    __slots__ = ()
    _function = 'offline_sales_row_hash'


class _BitXor(Aggregate):
    __slots__ = ()
    _sql = 'BIT_XOR'


class _SqliteBitXor(Aggregate):
    __slots__ = ()
    _sql = 'offline_sales_bit_xor'


def row_hash(*values):
    "Return the 64-bit signed hash of the values (text, numbers, bytes, None)"
    digest = hashlib.blake2b(repr(values).encode(), digest_size=8).digest()
    return struct.unpack('<q', digest)[0]


class _XorAggregate:
    def __init__(self):
        self.value = 0

    def step(self, value):
        self.value ^= value

    def finalize(self):
        return self.value


def prepare():
    "Make the functions of this module known to the current connection"
    if backend.name == 'sqlite':
        connection = Transaction().connection
        connection.create_function(
            _RowHash._function, -1, row_hash, deterministic=True)
        connection.create_aggregate(_SqliteBitXor._sql, 1, _XorAggregate)


def version(columns):
    "Return the expression of the version of a row of the SQL columns"
    if backend.name == 'sqlite':
        return _RowHash(*columns)
    return _HashRecord(_Row(*columns), Literal(0))


def xor(expression):
    "Return the exclusive or of the expression over a group of rows"
    if backend.name == 'sqlite':
        return _SqliteBitXor(expression)
    return _BitXor(expression)


def by_bucket(versions):
    """Return the query of (bucket, count, xor) of a query of the columns
    bucket and version"""
    return versions.select(
        versions.bucket, Count(Literal(1)), xor(versions.version),
        group_by=[versions.bucket])


def width(count, first, last):
    """Return how many ids a bucket spans, for count rows from id first to last

    A power of two, such that a bucket holds about 64 rows: for every row that
    differs some 64 versions are listed.
    """
    span = max(last - first + 1, 1)
    rows = max(count, 1)
    result = 64
    while result * rows < span * 64:
        result *= 2
    return result


def differing(ours, theirs):
    """Return the buckets in which two sets differ, as a set

    ours and theirs are dictionaries of (count, xor) by bucket.
    """
    return {
        bucket for bucket in ours.keys() | theirs.keys()
        if ours.get(bucket) != theirs.get(bucket)}


def compare(ours, theirs):
    """Return what must travel and what must go, for ours to become theirs

    ours and theirs are dictionaries of versions by id; returned are the set of
    the ids that are new or changed and the set of those that vanished.
    """
    changed = {
        id_ for id_, version in theirs.items() if ours.get(id_) != version}
    return changed, ours.keys() - theirs.keys()
