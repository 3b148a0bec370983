# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The catalogs as the branch obtains them"
import json
from collections import Counter, defaultdict
from contextlib import closing

from sql import Literal, Null
from sql.aggregate import Count

from trytond import backend
from trytond.cache import Cache
from trytond.model import DeactivableMixin, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import record
from ..exceptions import IncompleteAnswer
from . import digest, numbers
from .apply import Apply, MissingRows
from .staging import Staging

# How often rows that turned out to be needed are asked for
ATTEMPTS = 5
# The memory for the pages of each database while much is written, in KiB
CACHE = 32 * 1024


def attach(staging):
    """Let the current transaction, in which nothing is written yet, see what
    was received"""
    connection = Transaction().connection
    if backend.name == 'sqlite':
        connection.execute('ATTACH DATABASE ? AS staging', (staging.path,))
        connection.execute('PRAGMA staging.synchronous = OFF')
        for name in ['main', 'staging']:
            connection.execute(f'PRAGMA {name}.cache_size = -{CACHE}')
    else:
        staging.copy(connection)


def schema():
    "Return the names of the stored columns of this database by model"
    return {
        name: [c.name for c in record.stored_columns(Model)]
        for name, Model in Pool().iterobject()
        if record.is_stored(Model)}


class Held:
    "The versions that the links say are held here"

    def __init__(self):
        Link = Pool().get('offline_sales.link')
        digest.prepare()
        self.table = Link.__table__()

    def roots(self):
        "Return [count, xor] by model"
        cursor = Transaction().connection.cursor()
        cursor.execute(*self.table.select(
                self.table.model, Count(Literal(1)),
                digest.xor(self.table.version),
                where=self.table.version != Null,
                group_by=[self.table.model]))
        return {model: [count, xor] for model, count, xor in cursor}

    def buckets(self, model, width):
        "Return (count, xor) by bucket"
        cursor = Transaction().connection.cursor()
        cursor.execute(*digest.by_bucket(
                self.table.select(
                    (self.table.central / width).as_('bucket'),
                    self.table.version.as_('version'),
                    where=(self.table.model == model)
                    & (self.table.version != Null))))
        return {bucket: (count, xor) for bucket, count, xor in cursor}

    def versions(self, model, width=None, buckets=None):
        "Return the versions by central id, of some buckets only if given"
        cursor = Transaction().connection.cursor()
        cursor.execute(*self.table.select(
                self.table.central, self.table.version,
                where=(self.table.model == model)
                & (self.table.version != Null)))
        return {
            id_: version for id_, version in cursor
            if buckets is None or id_ // width in buckets}

    def centrals(self, model):
        "Return the central ids of the records of the model, as a set"
        cursor = Transaction().connection.cursor()
        cursor.execute(*self.table.select(
                self.table.central,
                where=(self.table.model == model)
                & (self.table.central != Null)))
        return {id_ for id_, in cursor}

    def unversioned(self):
        """Return the central ids, as sets by model, of the records in use of
        which no version is held

        They were made here, or could not go when their rows did.
        """
        cursor = Transaction().connection.cursor()
        cursor.execute(*self.table.select(
                self.table.model, self.table.local, self.table.central,
                where=(self.table.central != Null)
                & (self.table.version == Null)))
        found = defaultdict(dict)
        for model, local, central in cursor:
            found[model][local] = central
        known = dict(Pool().iterobject())
        return {
            model: {
                centrals[local] for local in self._in_use(
                    known[model], list(centrals))}
            for model, centrals in found.items() if model in known}

    @staticmethod
    def _in_use(Model, ids):
        if not issubclass(Model, DeactivableMixin):
            return ids
        cursor = Transaction().connection.cursor()
        table = Model.__table__()
        cursor.execute(*table.select(
                table.id,
                where=fields.SQL_OPERATORS['in'](table.id, ids)
                & (table.active == Literal(True))))
        return [id_ for id_, in cursor]


class Refresh:
    """Obtains the catalogs: compares, receives, applies

    full: every row, whatever is held here; shared: with digests that the
    central may have made for another branch a moment ago.

    Nothing is written in the current transaction, and no lock is held while
    the central is being waited for.
    """

    def __init__(
            self, client, progress=lambda received, total: None, full=False,
            shared=False):
        self.client = client
        self.progress = progress
        self.full = full
        self.shared = shared
        self.rows = 0
        self.by_model = Counter()
        self.total = 0
        self.deleted = 0
        self.numbers = None

    def run(self):
        """Make the catalogs what they are at the central

        :raises CentralError: if the central did not answer as it should; the
            former catalogs stay
        """
        self.schema = schema()
        self._take_note()
        held = Held()
        # What was made here a moment ago may be missing from older digests
        self.unversioned = {} if self.shared else held.unversioned()
        # Read once: it takes a second for a million rows
        roots = {} if self.full else held.roots()
        answer = self.client.call('digest', {
                'schema': self.schema,
                'roots': roots,
                'shared': self.shared,
                })
        models = answer['models']
        self.numbers = answer.get('numbers')
        late = {m['model'] for m in models if m['late']}
        with closing(Staging(models)) as staging:
            asked = self._compare(models, held, roots, staging)
            self.progress(0, self.total)
            self._obtain(staging, held, {
                    name: ids for name, ids in asked.items()
                    if name not in late}, staging.models.keys() - late)
        self._clear_caches()
        # What is large and can wait, once the rest is in use
        if asked := {n: ids for n, ids in asked.items() if n in late}:
            with closing(Staging(models)) as staging:
                self._obtain(staging, held, asked, late)
            self._clear_caches()

    def _take_note(self):
        "Remember what is left alone, whatever is settled meanwhile"
        pool = Pool()
        Catalog = pool.get('offline_sales.catalog')
        Document = pool.get('offline_sales.document')
        with Transaction().new_transaction(readonly=True):
            self.unsettled = Catalog.unsettled()
            last = Document.search([], order=[('id', 'DESC')], limit=1)
            self.last_document = last[0].id if last else 0

    def _get_unsettled(self):
        pool = Pool()
        Catalog = pool.get('offline_sales.catalog')
        unsettled = Catalog.unsettled(after=self.last_document)
        return {
            model: unsettled.get(model, set()) | self.unsettled.get(
                model, set())
            for model in unsettled.keys() | self.unsettled.keys()}

    def _obtain(self, staging, held, asked, names):
        "Receive what is asked for of the models of the names, and apply it"
        self._receive(staging, asked)
        if self.full:
            self._vanish_others(names, held.centrals, staging)
        else:
            self._vanish_others(
                names, lambda name: self.unversioned.get(name, set()), staging)
        self._apply(staging)

    def _compare(self, models, held, roots, staging):
        """Return what to ask for: the ids of the rows by model, None for all
        of them"""
        asked, buckets, ours = {}, {}, {}
        for model in models:
            name = model['model']
            root = [model['count'], model['xor']]
            if roots.get(name, [0, None]) == root:
                continue
            if 'buckets' not in model:
                asked[name] = None
                self.total += model['count']
                continue
            width = model['width']
            theirs = {b: (count, xor) for b, count, xor in model['buckets']}
            different = digest.differing(held.buckets(name, width), theirs)
            buckets[name] = [width, sorted(different)]
            ours[name] = held.versions(name, width, different)
        self._compare_versions(buckets, ours, asked, staging)
        return asked

    def _compare_versions(self, buckets, ours, asked, staging):
        if not buckets:
            return
        versions = self.client.call('digest', {
                'schema': self.schema,
                'buckets': buckets,
                })['versions']
        for name, theirs in versions.items():
            changed, vanished = digest.compare(
                ours[name], dict(theirs))
            staging.vanish(name, vanished)
            if changed:
                asked[name] = sorted(changed)
                self.total += len(changed)

    def _receive(self, staging, asked):
        if not asked:
            staging.commit()
            return
        received, name, end = 0, None, None
        with self.client.stream('rows', {
                    'schema': self.schema,
                    'models': asked,
                    }) as chunks:
            for line in self._lines(chunks):
                if isinstance(line, list):
                    staging.add(name, line)
                    received += len(line)
                    self.by_model[name] += len(line)
                    self.progress(self.rows + received, self.total)
                elif 'model' in line:
                    name = line['model']
                else:
                    end = line['end']
        if end != received:
            raise IncompleteAnswer()
        staging.commit()
        self.rows += received

    @staticmethod
    def _vanish_others(names, get_centrals, staging):
        "Let what was not received of the central ids of each model go"
        for name in names:
            if centrals := get_centrals(name):
                staging.vanish(name, centrals - staging.received(name))
        staging.commit()

    @staticmethod
    def _lines(chunks):
        "Yield what the lines of JSON in the chunks of bytes stand for"
        rest = b''
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b'\n')
            yield from map(json.loads, lines)

    def _apply(self, staging):
        for left in reversed(range(ATTEMPTS)):
            try:
                self.deleted += self._attempt(staging)
                break
            except MissingRows as missing:
                if not left:
                    raise IncompleteAnswer() from missing
                self._receive(staging, {
                        name: sorted(ids)
                        for name, ids in missing.ids.items()})

    @staticmethod
    def _clear_caches():
        """Clear them here and in other processes

        The marks that tell those to are made before the data is there to be
        read: once more, after, when the disk has got the room of the staging.
        """
        with Transaction().new_transaction() as transaction:
            Cache.clear_all()
            transaction.commit()

    def _attempt(self, staging):
        pool = Pool()
        Catalog = pool.get('offline_sales.catalog')
        Configuration = pool.get('offline_sales.configuration')
        with Transaction().new_transaction() as transaction:
            attach(staging)
            changed = staging.changed()
            apply = Apply(staging, self._get_unsettled())
            Catalog.applying(changed)
            deleted = apply.run()
            Catalog.keep_models(staging.models)
            Catalog.applied(changed)
            branch = Configuration.get_branch()
            if branch and self.numbers:
                numbers.move_on(branch, self.numbers)
            transaction.commit()
            return deleted
