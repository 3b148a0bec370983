# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The payload of a document: what it says, written down once and for all

A payload is JSON text by trytond's codec, kept and sent as it was first
written: its SHA-256 is that of its bytes in UTF-8. It holds

    version   of what is described here, VERSION
    uuid      the identity of the document
    kind      which adapter reads it
    header    what the journal shows: number, date, moment (UTC), the seconds
              by which the clock had been set back before it as clock_jump,
              and references to the user, the party and the point
    record    the tree of records, see below
    totals    what must come out when it is replayed
    left_out  the fields, with their models, whose values the branch could not
              name to the central, if there are some

A tree is a dictionary of model, key, values by column and children, a
dictionary of the One2Many fields and the lists of trees.

Whatever names a record, a key or a value, is a reference: the id of the
record at the central (int), or the identity that the branch gave to a record
that it made (str). In a column of type reference it follows the name of the
model and a comma.

Floats are written as the shortest decimal that reads back as the same float,
decimals as text.
"""
import datetime as dt
import hashlib
import json
import re
from collections import defaultdict
from decimal import Decimal
from itertools import islice, pairwise

from trytond.protocols.jsonrpc import JSONEncoder

from .. import wire

VERSION = 1
MAX_KEY = 100
# Gaps between numbers that are told of
GAPS = 20


class Unreadable(ValueError):
    "The payload is not what its document says"


def dump(values):
    "Return the text of the payload"
    return json.dumps(
        values, cls=JSONEncoder, sort_keys=True, ensure_ascii=False,
        allow_nan=False, separators=(',', ':'))


def digest(text):
    "Return the SHA-256 of the payload in hexadecimal"
    return hashlib.sha256(text.encode('utf-8')).hexdigest()


def load(text, uuid, kind):
    "Return the values of the payload, raise Unreadable"
    try:
        values = wire.loads(text.encode('utf-8'))
        _check(values, uuid, kind)
    # The decoders raise whatever a wrong value makes them raise
    except Exception as exception:
        raise Unreadable(str(exception)) from exception
    return values


def _check(values, uuid, kind):
    if (not isinstance(values, dict)
            or values.get('version') != VERSION
            or values.get('uuid') != uuid
            or values.get('kind') != kind):
        raise Unreadable("version, identity or kind")
    for name in ['header', 'record', 'totals']:
        if not isinstance(values.get(name), dict):
            raise Unreadable(name)
    left_out = values.get('left_out', [])
    if not (isinstance(left_out, list)
            and all(isinstance(name, str) for name in left_out)):
        raise Unreadable("left_out")
    _check_header(values['header'])
    check_tree(values['record'])


def _check_header(header):
    number = header.get('number')
    if number is not None and not (
            isinstance(number, str)
            and 0 < len(number) <= 100 and number.isprintable()):
        raise Unreadable("number")
    date = header.get('date')
    if date is not None and type(date) is not dt.date:
        raise Unreadable("date")
    if not isinstance(header.get('moment'), dt.datetime):
        raise Unreadable("moment")
    jump = header.get('clock_jump')
    if jump is not None and not (type(jump) is int and 0 < jump < 2 ** 31):
        raise Unreadable("clock_jump")
    for name in ['user', 'party', 'point']:
        key = header.get(name)
        if key is not None and not is_key(key):
            raise Unreadable(name)


def check_tree(tree):
    "Raise Unreadable if it is not a tree of records"
    if not (isinstance(tree, dict)
            and isinstance(tree.get('model'), str)
            and is_key(tree.get('key'))
            and isinstance(tree.get('values'), dict)
            and isinstance(tree.get('children'), dict)):
        raise Unreadable("record")
    for children in tree['children'].values():
        if not isinstance(children, list):
            raise Unreadable("children")
        for child in children:
            check_tree(child)


def is_key(value):
    "Return True if the value can name a record"
    return type(value) is int or (
        type(value) is str and 0 < len(value) <= MAX_KEY)


def walk(tree):
    "Yield the tree and all below it, parents first"
    yield tree
    for name in sorted(tree['children']):
        for child in tree['children'][name]:
            yield from walk(child)


def control_totals(payloads):
    """Return what payloads add up to, to be compared by both sides

    A list of dictionaries, one for each kind and point: count, total, tax,
    cash, the first and the last number, and the gaps between them.
    """
    groups = defaultdict(list)
    for values in payloads:
        groups[(
                values['kind'],
                values['header'].get('point') or 0)].append(values)
    return [{
            'kind': kind,
            'point': point or None,
            'count': len(members),
            'total': _sum(members, 'total'),
            'tax': _sum(members, 'tax'),
            'cash': _sum(members, 'cash'),
            'first': min(map(_number, members), key=_number_key),
            'last': max(map(_number, members), key=_number_key),
            'gaps': gaps(map(_number, members)),
            }
        for (kind, point), members in sorted(groups.items())]


def _sum(payloads, name):
    return sum(
        (values['totals'].get(name) or Decimal(0) for values in payloads),
        Decimal(0))


def _number(values):
    return values['header'].get('number') or ''


def _number_key(number):
    return len(number), number


def find_gaps(numbers):
    """Yield (number, first, last) for each number before which some are
    missing: the first and the last of these

    Numbers that begin and end alike follow each other.
    """
    series = defaultdict(set)
    for number in numbers:
        if match := re.fullmatch(r'(.*?)([0-9]{1,18})([^0-9]*)', number):
            before, digits, after = match.groups()
            series[before, after].add((int(digits), len(digits)))
    for (before, after), members in sorted(series.items()):
        for (last, _), (next_, width) in pairwise(sorted(members)):
            if next_ - last > 1:
                yield tuple(
                    f'{before}{n:0{width}}{after}'
                    for n in [next_, last + 1, next_ - 1])


def gaps(numbers):
    """Return the numbers that are missing between others, as a list of the
    first and the last number of each gap, GAPS at most"""
    return [
        [first, last] for _, first, last in islice(find_gaps(numbers), GAPS)]
