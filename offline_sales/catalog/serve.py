# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The catalogs as the central serves them"
import json
import zlib
from itertools import islice

from sql import Cast, Literal, Null
from sql.aggregate import Count, Max, Min
from sql.conditionals import Case, Coalesce
from sql.functions import Function, Position, Substring, ToChar
from sql.operators import Concat

from trytond import backend
from trytond.model import fields
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from ..routes import procedure
from ..wire import Malformed
from . import digest, numbers
from .shared import fetch, scans
from .spec import MAX_BINARY, Spec, binary_length
from .update import ENTRY

# Rows of one line of the answer
CHUNK = 500
# The same where a row may hold a binary
LARGE = 4
# Ids of one condition
SLICE = 1000
# Of a function of PostgreSQL
MAX_ARGUMENTS = 100
MAX_MODELS = 1000
MAX_COLUMNS = 500
MAX_UPDATES = 100
MAX_TEXT = 20_000
UPDATE_REQUIRED = frozenset({'number', 'start', 'end', 'kind', 'state'})


class _Hex(Function):
    __slots__ = ()
    _function = 'HEX'


class _Encode(Function):
    __slots__ = ()
    _function = 'ENCODE'


class _Epoch(Function):
    __slots__ = ()
    _function = 'DATE_PART'


class _JsonArray(Function):
    __slots__ = ()
    _function = 'JSON_BUILD_ARRAY'


class Source:
    """The rows of the central that travel to one branch

    What stands for a value on the wire is made in SQL: numerics, dates, times
    and json as text, binaries in hexadecimal, intervals as seconds, records
    by their id and references as 'model,id'.
    """

    def __init__(self, spec):
        self.spec = spec
        digest.prepare()

    def expression(self, model, column, table):
        "Return the SQL expression of the column as it travels"
        value = getattr(table, column.name)
        if column.kind == 'many2one':
            return self._many2one(model, column, value)
        elif column.kind == 'reference':
            return self._reference(value)
        method = getattr(self, f'_{column.sql_type.lower()}', None)
        return method(value) if method else value

    def _many2one(self, model, column, value):
        spec = self.spec.models[model]
        if (column.required
                or column.name == spec.parent
                or column.name in spec.keys
                or self.spec.is_whole(column.target)):
            return value
        return Case((value.in_(self.spec.scope(column.target)), value))

    def _reference(self, value):
        position = Position(',', value)
        model = Substring(value, 1, position - 1)
        id_ = Cast(Substring(value, position + 1), 'INTEGER')
        # Nested, as SQL may evaluate the parts of a conjunction in any order
        return Case(*[
                (model == name, Case((id_.in_(self.spec.scope(name)), value)))
                for name in self.spec.models])

    def _numeric(self, value):
        return Cast(value, 'TEXT')

    _date = _time = _json = _numeric

    def _timestamp(self, value):
        if backend.name == 'sqlite':
            return Cast(value, 'TEXT')
        return ToChar(value, 'YYYY-MM-DD HH24:MI:SS.US')

    _datetime = _timestamp

    def _interval(self, value):
        if backend.name == 'sqlite':
            return Cast(value, 'FLOAT')
        return _Epoch('epoch', value)

    def _blob(self, value):
        if backend.name == 'sqlite':
            text = _Hex(value)
        else:
            text = _Encode(value, 'hex')
        return Case((binary_length(value) <= MAX_BINARY, text))

    def versions(self, model):
        "Return the query of (id, version) of the rows of the model"
        spec = self.spec.models[model]
        table = spec.Model.__table__()
        return table.select(
            table.id.as_('id'), self._version(model, table).as_('version'),
            where=self.spec.where(model, table))

    def _version(self, model, table):
        spec = self.spec.models[model]
        # Two columns that change places may hold the same
        names = ' '.join(c.name for c in spec.columns)
        columns = [table.id, Literal(zlib.crc32(names.encode()))]
        for column in spec.columns:
            if column.name in spec.initial:
                continue
            elif column.sql_type == 'BLOB':
                # To read all the binaries for each digest would take long
                columns.extend([
                        binary_length(getattr(table, column.name)),
                        self._timestamp(
                            Coalesce(table.write_date, table.create_date))])
            else:
                columns.append(self.expression(model, column, table))
        return digest.version(columns)

    def rows(self, model, ids=None):
        """Return the query of the rows of the model as they travel, all of
        them or those of the ids

        (id, version, key, columns in their order); key is what the branch may
        know the record by: 'module.fs_id' of a record made from XML, the
        identity given by the branch to what it made, else empty.
        """
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        Link = pool.get('offline_sales.link')
        spec = self.spec.models[model]
        table = spec.Model.__table__()
        data = ModelData.__table__()
        made = Link.__table__()
        link = made.select(
            made.local.as_('local'), Max(made.uuid).as_('uuid'),
            where=(made.model == model)
            & ((made.branch == self.spec.branch.id)
                | (made.branch == Null)),
            group_by=[made.local])
        source = table.join(
            data, 'LEFT',
            condition=(data.model == model) & (data.db_id == table.id)
            ).join(
            link, 'LEFT',
            condition=link.local == table.id)
        where = self.spec.where(model, table)
        if ids is not None:
            where &= fields.SQL_OPERATORS['in'](table.id, ids)
        return source.select(
            table.id, self._version(model, table),
            Coalesce(
                Concat(data.module, Concat('.', data.fs_id)), link.uuid),
            *[
                self.expression(model, column, table)
                for column in spec.columns],
            where=where)

    def describe(self, model):
        "Return the description of the model for the branch"
        spec = self.spec.models[model]
        return {
            'model': model,
            'columns': [
                [c.name, c.kind, c.sql_type, c.target] for c in spec.columns],
            'initial': sorted(spec.initial),
            'withheld': sorted(spec.withheld),
            'late': spec.late,
            'singleton': self.spec.is_singleton(model),
            }

    def root(self, model):
        "Return (count, xor, first id, last id) of the rows of the model"
        versions = self.versions(model)
        (count, xor, first, last), = self.spec.fetch(versions.select(
                Count(Literal(1)), digest.xor(versions.version),
                Min(versions.id), Max(versions.id)))
        return count, xor or 0, first or 0, last or 0

    def count(self, model):
        "Return the number of the rows of the model"
        table = self.spec.models[model].Model.__table__()
        (count,), = self.spec.fetch(table.select(
                Count(Literal(1)), where=self.spec.where(model, table)))
        return count

    def buckets(self, model, width):
        "Yield [bucket, count, xor] of the rows of the model"
        versions = self.versions(model)
        for row in self.spec.fetch(digest.by_bucket(
                versions.select(
                    (versions.id / width).as_('bucket'),
                    versions.version.as_('version')))):
            yield list(row)

    def listing(self, model, width, buckets):
        "Yield [id, version] of the rows of the model in the buckets"
        cursor = Transaction().connection.cursor()
        versions = self.versions(model)
        for sub_buckets in grouped_slice(buckets, SLICE):
            cursor.execute(*versions.select(
                    versions.id, versions.version,
                    where=(versions.id / width).in_(list(sub_buckets))))
            for row in cursor:
                yield list(row)


def _schema(params):
    "Return the schema sent by the branch, checked"
    schema = params.get('schema')
    if not isinstance(schema, dict) or len(schema) > MAX_MODELS:
        raise Malformed('schema')
    for columns in schema.values():
        if (not isinstance(columns, list)
                or len(columns) > MAX_COLUMNS
                or not all(isinstance(c, str) for c in columns)):
            raise Malformed('schema')
    known = {name for name, _ in Pool().iterobject()}
    return {m: set(c) for m, c in schema.items() if m in known}


def _ids(values):
    "Return the list of ids, checked"
    if (not isinstance(values, list)
            or not all(type(v) is int for v in values)):
        raise Malformed('ids')
    return values


@procedure(
    'digest', max_size=2 * 1024 ** 2, readonly=True, any_series=False)
def digest_(branch, params):
    """Answer with the digests of the catalogs of the branch

    params: schema, the names of the columns at the branch by model; roots,
    the (count, xor) that the branch holds by model; or, for a closer look,
    buckets, by model the [width, [bucket, …]] whose versions are asked for;
    shared, whether the digests may be some seconds old.
    """
    source = Source(Spec(
            branch, _schema(params),
            scans.fetch if params.get('shared') else fetch))
    buckets = params.get('buckets')
    if buckets is not None:
        return {'versions': _versions(source, buckets)}
    roots = params.get('roots')
    if not isinstance(roots, dict):
        raise Malformed('roots')
    models = []
    for model in source.spec.models:
        description = source.describe(model)
        ours = roots.get(model)
        if not ours:
            # All of it will be asked for: no need to read it twice
            description.update(count=source.count(model), xor=None)
            models.append(description)
            continue
        count, xor, first, last = source.root(model)
        description.update(count=count, xor=xor)
        if ours != [count, xor]:
            description['width'] = digest.width(count, first, last)
            description['buckets'] = list(
                source.buckets(model, description['width']))
        models.append(description)
    return {'models': models, 'numbers': numbers.highest(branch)}


def _versions(source, buckets):
    if not isinstance(buckets, dict):
        raise Malformed('buckets')
    versions = {}
    for model, asked in buckets.items():
        if model not in source.spec.models:
            raise Malformed('model')
        if not isinstance(asked, list) or len(asked) != 2:
            raise Malformed('buckets')
        width, = _ids(asked[:1])
        if width < 1:
            raise Malformed('buckets')
        versions[model] = list(source.listing(model, width, _ids(asked[1])))
    return versions


@procedure(
    'rows', max_size=16 * 1024 ** 2, readonly=True, any_series=False)
def rows(branch, params):
    """Answer with the rows of the catalogs of the branch

    params: schema as for the digest; models, by model the list of the ids of
    the rows asked for, or null for all of them. The answer is a stream of
    lines of JSON: {"model": …, "columns": …} before the rows of a model, which
    come as lists of rows, and {"end": number of rows} last: an answer without
    it was cut.
    """
    models = params.get('models')
    if not isinstance(models, dict):
        raise Malformed('models')
    for ids in models.values():
        if ids is not None:
            _ids(ids)
    transaction = Transaction()
    lines = _stream(
        transaction.database.name, transaction.user, transaction.context,
        branch.id, _schema(params), models)
    return Response(lines, content_type='application/x-ndjson')


def _stream(database, user, context, branch, schema, models):
    # The answer leaves after the transaction of the request has ended
    with Transaction(new=True).start(
            database, user, readonly=True, context=context):
        Branch = Pool().get('offline_sales.branch')
        source = Source(Spec(Branch(branch), schema))
        count = 0
        for model, ids in models.items():
            if model not in source.spec.models:
                continue
            yield json.dumps(source.describe(model)) + '\n'
            for rows, line in _lines(source, model, ids):
                count += rows
                yield line
        yield json.dumps({'end': count}) + '\n'


def _lines(source, model, ids):
    "Yield the number of rows and the JSON of each line"
    columns = source.spec.models[model].columns
    large = any(c.sql_type == 'BLOB' for c in columns)
    size = LARGE if large else CHUNK
    fetch = _fetch
    if backend.name == 'postgresql' and len(columns) + 3 <= MAX_ARGUMENTS:
        fetch = _copy
    for group in [None] if ids is None else grouped_slice(ids, SLICE):
        query = source.rows(model, list(group) if group is not None else None)
        yield from fetch(query, size)


def _fetch(query, size):
    connection = Transaction().connection
    if backend.name == 'postgresql':
        # One that does not hold the whole result in memory
        cursor = connection.cursor(name='offline_sales_rows')
    else:
        cursor = connection.cursor()
    cursor.execute(*query)
    while rows := cursor.fetchmany(size):
        yield len(rows), json.dumps(rows, separators=(',', ':')) + '\n'
    cursor.close()


def _copy(query, size):
    "The same, made by PostgreSQL while what it has made is on its way"
    query.columns = [_JsonArray(*query.columns)]
    sql, params = query
    cursor = Transaction().connection.cursor()
    with cursor.copy(f'COPY ({sql}) TO STDOUT', params) as copy:
        rows = copy.rows()
        while arrays := [array for array, in islice(rows, size)]:
            yield len(arrays), f'[{",".join(arrays)}]\n'


@procedure('updates')
def updates(branch, params):
    """Take note of the updates of the branch

    params: updates, as Update.keep_entries takes them.
    """
    Update = Pool().get('offline_sales.update')
    entries = params.get('updates')
    if not isinstance(entries, list) or len(entries) > MAX_UPDATES:
        raise Malformed('updates')
    types = {'number': int, 'user': int, **ENTRY}
    for entry in entries:
        if not isinstance(entry, dict) or entry.keys() != types.keys():
            raise Malformed('updates')
        for name, type_ in types.items():
            value = entry[name]
            if value is None and name not in UPDATE_REQUIRED:
                continue
            if type(value) is not type_:
                raise Malformed(name)
            if type_ is str:
                entry[name] = value[:MAX_TEXT]
        if (entry['kind'] not in {'full', 'delta'}
                or entry['state'] not in {'done', 'failed'}):
            raise Malformed('updates')
    Update.keep_entries(branch, entries)
    return {}
