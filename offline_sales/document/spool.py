# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A second copy of what was captured, in a file on another disk

If the configuration names a directory, each document is appended to a file
there once its transaction is committed, a line of JSON each:

    {"uuid": …, "kind": …, "sha256": …, "payload": …}
    {"withdrawn": …}

The shop sells on if that fails; what is missing is added when it works again.
"""
import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

import filelock

from trytond import config
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from ..catalog import numbers
from ..exceptions import DocumentError
from . import durability
from . import payload as payload_

logger = logging.getLogger(__name__)

# What is read back to see what is missing
TAIL = 16 * 1024 * 1024
COUNT = 500


def get_path():
    "Return the path of the file of the database, None without a directory"
    directory = config.get('offline_sales', 'spool')
    if directory:
        return Path(directory) / f'{Transaction().database.name}.jsonl'


def append(path, entries):
    "Append the entries to the file and force them to the disk"
    data = b''.join(
        json.dumps(entry, ensure_ascii=False, separators=(',', ':')).encode()
        + b'\n' for entry in entries)
    # First of all: to lock would make the directory of a disk that is away
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        with filelock.FileLock(f'{path}.lock'):
            size = os.fstat(file).st_size
            # A power cut may have left a part of a line
            if size and _read_last(file, size) != b'\n':
                data = b'\n' + data
            while data:
                data = data[os.write(file, data):]
    finally:
        os.close(file)
    durability.force(path)


def _read_last(file, size):
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1)


class Spooled(NamedTuple):
    """What a file holds: the entries by identity in their order, without those
    that were withdrawn, the identities of these, and how many lines are
    damaged"""
    entries: dict
    withdrawn: set
    damaged: int


def read(path, size=None):
    """Return the Spooled of a file

    size: of what is read from its end, None for all.
    """
    entries, withdrawn, damaged = {}, set(), 0
    with open(path, 'rb') as file:
        if size is not None:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            if file.tell():
                file.readline()
        for line in file:
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                if 'withdrawn' in entry:
                    entries.pop(entry['withdrawn'], None)
                    withdrawn.add(entry['withdrawn'])
                    continue
                if payload_.digest(entry['payload']) != entry['sha256']:
                    raise ValueError('sha256')
                entries[entry['uuid']] = entry
            except (ValueError, KeyError, TypeError, AttributeError):
                damaged += 1
    return Spooled(entries, withdrawn, damaged)


class Restored(NamedTuple):
    """What was restored of a file: the numbers of documents that are back,
    that were there, whose lines are damaged, and the numbers that another
    document has taken"""
    restored: int
    known: int
    damaged: int
    taken: list


class Document(metaclass=PoolMeta):
    __name__ = 'offline_sales.document'

    spooled = fields.Boolean(
        "Spooled", readonly=True,
        help="Whether the second copy is known to have the document.")

    def get_spooled(self):
        "Return the entry of the document"
        if self.state == 'withdrawn':
            return {'withdrawn': self.uuid}
        return {
            'uuid': self.uuid,
            'kind': self.kind,
            'sha256': self.sha256,
            'payload': self.payload,
            }

    @classmethod
    def spool(cls, entries):
        "Append the entries once the transaction is committed"
        if path := get_path():
            Transaction().join(_Spool(path)).entries.extend(entries)

    @classmethod
    @without_check_access
    def spool_missed(cls):
        """Append what is not known to be in the file

        In a transaction of its own, which holds no lock while it writes.
        """
        if not (path := get_path()):
            return
        while ids := cls._get_unspooled():
            try:
                there = (
                    read(path, TAIL) if path.exists()
                    else Spooled({}, set(), 0))
                with Transaction().new_transaction(readonly=True):
                    # What was withdrawn may be in front of what is read
                    missing = [
                        d.get_spooled() for d in cls.browse(ids)
                        if d.uuid not in (
                            there.withdrawn if d.state == 'withdrawn'
                            else there.entries)]
                if missing:
                    append(path, missing)
            except OSError:
                logger.exception("the second copy could not be written")
                return
            with Transaction().new_transaction() as transaction:
                table = cls.__table__()
                cursor = transaction.connection.cursor()
                cursor.execute(*table.update(
                        [table.spooled], [True], where=table.id.in_(ids)))

    @classmethod
    def _get_unspooled(cls):
        with Transaction().new_transaction(readonly=True):
            return list(map(int, cls.search([
                            ('spooled', '!=', True),
                            ], order=[('id', 'ASC')], limit=COUNT)))

    # Restore

    @classmethod
    @without_check_access
    def restore(cls, path):
        """Put the documents of the file into the outbox, to be sent, but for
        those that are there, and return the Restored

        The central recognises those that it has.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        branch = Configuration.get_branch()
        if not branch:
            raise DocumentError(gettext('offline_sales.msg_spool_no_branch'))
        spooled = read(path)
        known = set()
        for uuids in grouped_slice(list(spooled.entries), COUNT):
            known.update(d.uuid for d in cls.search([
                        ('uuid', 'in', list(uuids))]))
        damaged, taken, found = spooled.damaged, [], {}
        used = cls._get_used_numbers()
        for uuid, entry in spooled.entries.items():
            if uuid in known:
                continue
            try:
                contents = cls.read_contents(
                    uuid, entry['kind'], entry['payload'])
            except payload_.Unreadable:
                damaged += 1
                continue
            values = cls._get_restored(branch, entry, contents)
            key = uuid
            if values['number'] and cls.get_adapter(values['kind']).printed:
                # A number that was done anew is that of the last
                key = values['point'], values['kind'], values['number']
                if key in used:
                    taken.append(values['number'])
                    continue
            found[key] = values, contents
        for values in grouped_slice([v for v, _ in found.values()], COUNT):
            cls.create(list(values))
        durability.ensure()
        restored = [contents for _, contents in found.values()]
        cls._go_on_numbering(branch, restored)
        for contents in restored:
            cls.get_adapter(contents['kind']).restore(contents)
        return Restored(
            len(restored), len(known), damaged, sorted(taken))

    @classmethod
    def _get_used_numbers(cls):
        return {
            (d.point.id if d.point else None, d.kind, d.number)
            for d in cls.search([
                    ('number', '!=', None), ('state', 'in', cls.LIVE)])}

    @classmethod
    def _get_restored(cls, branch, entry, contents):
        "Return the values of a document in the outbox"
        adapter = cls.get_adapter(contents['kind'])
        header, totals = contents['header'], contents['totals']
        references = {
            name: _get_local(model, header.get(name))
            for name, model in adapter.header_references.items()}
        tree = contents['record']
        record = _get_local(tree['model'], tree['key'])
        models = {
            column: model
            for columns in adapter.totals_references.values()
            for column, model in columns.items()}
        amounts = [{
                name: _get_local(models[name], value)
                if name in models else value
                for name, value in row.items()}
            for row in adapter.get_amounts(totals)]
        now = cls._now()
        return {
            'uuid': entry['uuid'],
            'branch': branch.id,
            'kind': entry['kind'],
            'record': f"{tree['model']},{record}" if record else None,
            'number': header.get('number'),
            'date': header.get('date'),
            'moment': header['moment'],
            'clock_jump': header.get('clock_jump'),
            **references,
            'total': totals.get('total'),
            'tax': totals.get('tax'),
            'amounts': [('create', amounts)],
            'payload': entry['payload'],
            'sha256': entry['sha256'],
            # The central may have it
            'tried': now,
            'spooled': True,
            'state': 'pending',
            }

    @classmethod
    def _go_on_numbering(cls, branch, restored):
        "Give none of the restored numbers again"
        highest = {'sale': 0, 'party': 0}
        points = {}
        for contents in restored:
            number = contents['header'].get('number')
            point = contents['header'].get('point')
            if not number:
                continue
            last = numbers.parse(number)
            for kind, letter in [('sale', 'P'), ('party', 'C')]:
                if number.startswith(numbers.prefix(branch.code, letter)):
                    highest[kind] = max(highest[kind], last)
            if contents['kind'] == 'ticket':
                points[point] = max(points.get(point, 0), last)
        numbers.move_on(branch, {**highest, 'points': list(points.items())})


def _get_local(model, key):
    pool = Pool()
    Link = pool.get('offline_sales.link')
    return Link.from_wire(model, [key]).get(key) if key is not None else None


class _Spool:
    """What is appended to a file, as a data manager of a transaction

    Equal for the same file, so that a transaction appends once.
    """

    def __init__(self, path):
        self.path = path
        self.entries = []

    def __eq__(self, other):
        return isinstance(other, _Spool) and self.path == other.path

    def __hash__(self):
        return hash(self.path)

    def tpc_begin(self, transaction):
        pass

    def commit(self, transaction):
        pass

    def tpc_vote(self, transaction):
        pass

    def tpc_abort(self, transaction):
        self.entries.clear()

    def tpc_finish(self, transaction):
        entries, self.entries = self.entries, []
        if not entries:
            return
        try:
            append(self.path, entries)
        except OSError:
            # It is appended when the changes are sent
            logger.exception("the second copy could not be written")
