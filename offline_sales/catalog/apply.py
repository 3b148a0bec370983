# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What was received becomes what is in use, in one transaction.

SQL for the rows, as the ORM would take half an hour for what takes a second
here; what the ORM derives from the rows (trees, caches) is made anew after.
"""
from collections import defaultdict
from itertools import chain

from sql import Column as SQLColumn
from sql.conditionals import Coalesce
from sql.functions import Function
from sql.operators import Operator

from trytond import backend
from trytond.cache import Cache
from trytond.model import DeactivableMixin, ValueMixin, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import record
from .spec import TRANSLATION


# The types of columns for which a row can be given a value of its own
TEXTS = frozenset({'VARCHAR', 'TEXT'})
NUMBERS = frozenset({'INTEGER', 'BIGINT', 'FLOAT', 'NUMERIC'})
# What becomes of a received row: the record is changed, made, made again as
# it was lost, left alone
CHANGE, MAKE, AGAIN, ALONE = range(4)


class MissingRows(Exception):
    """Rows are needed that were not received

    ids are those of the central by model.
    """

    def __init__(self, ids):
        super().__init__(ids)
        self.ids = ids


def sort_models(models):
    """Return the names of the models, parents before children, and the columns
    whose targets come later, as a set of (model, column name)

    models are the staging.Model by name. A cycle is cut at columns that may be
    empty for a while.
    """
    required = {
        name: {c.name for c in record.stored_columns(Pool().get(name))
            if c.required}
        for name in models}
    order, late, done = [], set(), set()
    waiting = dict(models)
    while waiting:
        ready = [
            name for name, model in waiting.items()
            if _targets(model) <= done | {name}]
        if not ready:
            # The fewest columns that are filled later
            ready = [min(
                    (name for name, model in waiting.items()
                        if _targets(model, required[name]) <= done | {name}),
                    key=lambda n: len(_targets(waiting[n]) - done))]
        for name in ready:
            for column in waiting.pop(name).columns:
                if (column.kind == 'many2one'
                        and column.target in models
                        and column.target not in done):
                    late.add((name, column.name))
            done.add(name)
            order.append(name)
    if TRANSLATION in done:
        # Those of records of XML are found by the record
        order.remove(TRANSLATION)
        order.append(TRANSLATION)
    return order, late


def _targets(model, names=None):
    return {
        c.target for c in model.columns
        if c.kind == 'many2one' and (names is None or c.name in names)}


def _column_names(expressions):
    "Return the names of the columns in the SQL expressions, as a set"
    names = set()
    for expression in expressions:
        if isinstance(expression, SQLColumn):
            names.add(expression.name)
        elif isinstance(expression, Function):
            names |= _column_names(expression.args)
        elif isinstance(expression, Coalesce):
            names |= _column_names(expression.values)
        elif isinstance(expression, Operator):
            names |= _column_names(expression._operands)
    return names


def quote(name):
    return '"' + name.replace('"', '""') + '"'


class Apply:
    """Puts a Staging into the tables of the current transaction

    unsettled are the local ids by model of the records that are left alone:
    what was changed here and the central has not taken yet.
    """

    def __init__(self, staging, unsettled=None):
        self.unsettled = unsettled or {}
        self.models = staging.models
        self.order, self.late = sort_models(self.models)
        self.kept = {}
        self.cursor = Transaction().connection.cursor()
        self.prefix = 'staging.' if backend.name == 'sqlite' else 'pg_temp.'
        # Read now: once this connection has written much to the staging, no
        # other can
        self.received = staging.filled()
        self.gone = staging.gone()

    def execute(self, query, *params):
        if backend.name != 'sqlite':
            query = query.replace('%', '%%').replace('?', '%s')
        self.cursor.execute(query, params)
        return self.cursor

    def run(self):
        """Apply, and return the number of the rows that were deleted

        :raises MissingRows: if a row refers to one that is not there
        """
        names = [name for name in self.order if name in self.received]
        deleted = self._delete()
        for name in names:
            self._identify(name)
        self._check(names)
        for name in names:
            self._park(name)
        for name in names:
            self._update(name)
            self._insert(name)
        for name in names:
            self._fill(name)
            self._link(name)
        self._delete_unused()
        self._derive(names)
        Cache.clear_all()
        return deleted

    # Names of things in SQL

    def source(self, name):
        return self.prefix + self.models[name].table

    def records(self, name):
        return self.prefix + self.models[name].records

    def _rows(self, name):
        "Return the SQL of the rows s of the model and of their records r"
        return (
            f'{self.records(name)} r '
            f'JOIN {self.source(name)} s ON s.id = r.id')

    @staticmethod
    def target(name):
        return quote(Pool().get(name)._table)

    def _resolve(self, name, value):
        "Return the SQL of the local id of the central id of the model"
        held = (
            f"SELECT l.local FROM offline_sales_link l "
            f"WHERE l.model = '{name}' AND l.central = {value}")
        if name not in self.received:
            return f'({held})'
        return (
            f'COALESCE((SELECT o.local FROM {self.records(name)} o '
            f'WHERE o.id = {value}), ({held}))')

    def _value(self, model, index, alias='s'):
        "Return the SQL of the value of a received column in its local form"
        column = model.columns[index]
        value = f'{alias}.c{index}'
        if column.kind == 'many2one':
            return self._resolve(column.target, value)
        elif column.kind == 'reference':
            return self._reference(value)
        elif (model.name, column.name) == (TRANSLATION, 'res_id'):
            return self._resource(model, value, alias)
        elif column.sql_type == 'NUMERIC' and backend.name == 'sqlite':
            # As trytond stores decimals
            return f'CAST({value} AS BLOB)'
        return value

    def _reference(self, value):
        cases = ''.join(
            f" WHEN {value} LIKE '{name},%' THEN '{name},' || "
            + self._resolve(
                name, f'CAST(SUBSTR({value}, {len(name) + 2}) AS INTEGER)')
            for name in self.models)
        return f'CASE{cases} END'

    def _resource(self, model, value, alias):
        names = [c.name for c in model.columns]
        name = f'{alias}.c{names.index("name")}'
        cases = ''.join(
            f" WHEN {name} LIKE '{other},%' THEN "
            + self._resolve(other, value)
            for other in self._translated())
        return f'CASE{cases} END'

    def _translated(self):
        return [
            name for name, model in self.models.items()
            if any(
                getattr(field, 'translate', False)
                for field in Pool().get(name)._fields.values())]

    # Which record each row is

    def _identify(self, name):
        """Find the record of each received row of the model

        What one way does not find is left to the next.
        """
        target, records = self.target(name), self.records(name)
        self._found(name,
            'SELECT s.id, l.local FROM offline_sales_link l '
            'JOIN {source} s ON s.id = l.central WHERE l.model = ?', name)
        self._found(name,
            "SELECT s.id, d.db_id AS local FROM {source} s "
            "JOIN ir_model_data d "
            "ON d.model = ? AND d.module || '.' || d.fs_id = s.key "
            "WHERE s.key IS NOT NULL AND d.db_id IS NOT NULL "
            # Not the record that another row is: XML ids may change hands
            "AND NOT EXISTS (SELECT 1 FROM offline_sales_link l "
            "WHERE l.model = d.model AND l.local = d.db_id "
            "AND l.version IS NOT NULL)", name)
        self._found(name,
            'SELECT s.id, l.local FROM {source} s JOIN offline_sales_link l '
            'ON l.uuid = s.key AND l.model = ? '
            'WHERE s.key IS NOT NULL', name)
        if self.models[name].singleton:
            self._found(name,
                f'SELECT s.id, (SELECT MIN(id) FROM {target}) AS local '
                f'FROM {{source}} s '
                f'WHERE EXISTS (SELECT 1 FROM {target})')
        for columns in self._unique(name):
            self._adopt(name, columns)
        for columns, or_empty in self._natural(name):
            self._adopt(name, columns, or_empty)
        self.execute(
            f'UPDATE {records} SET new = {AGAIN} WHERE NOT EXISTS ('
            f'SELECT 1 FROM {target} t WHERE t.id = {records}.local)')
        self._number(name)
        for ids in self._in_slices(self.unsettled.get(name, ())):
            self.execute(
                f'UPDATE {records} SET new = {ALONE} WHERE local IN ({ids})')

    def _found(self, name, query, *params, new=CHANGE):
        """Keep the records (id, local) of the query for the rows, as {source},
        that are none yet"""
        source, records = self.source(name), self.records(name)
        rest = f'(SELECT * FROM {source} WHERE id NOT IN ' \
            f'(SELECT id FROM {records}))'
        self.execute(
            f'INSERT INTO {records} (id, local, new) '
            f'SELECT f.id, f.local, {new} FROM ('
            + query.format(source=rest) + ') f', *params)

    @staticmethod
    def _in_slices(ids):
        ids = sorted(ids)
        for i in range(0, len(ids), 500):
            yield ', '.join(map(str, ids[i:i + 500]))

    def _unique(self, name):
        "Return the lists of columns by which no two records are alike"
        if name == TRANSLATION:
            return [['name', 'lang', 'type', 'res_id']]
        columns = {c.name for c in self.models[name].columns}
        result = []
        for _, constraint, _ in Pool().get(name)._sql_constraints:
            names = [
                c.name for c in getattr(constraint, 'columns', ())
                if isinstance(c, SQLColumn)]
            if (names
                    and len(names) == len(constraint.columns)
                    and set(names) <= columns):
                result.append(names)
        return result

    def _natural(self, name):
        """Return the lists of columns by which no two of the values or the
        relations of a customer are alike, though no constraint says so, with
        those that may be empty"""
        pool = Pool()
        Catalog = pool.get('offline_sales.catalog')
        Model = pool.get(name)
        inverse, parent = Catalog.customer_models().get(name, (None, None))
        names = {c.name for c in self.models[name].columns}
        if not inverse or inverse not in names:
            return []
        Parent = pool.get(parent)
        if issubclass(Model, ValueMixin):
            values = {
                n for n, field in Parent._fields.items()
                if isinstance(field, fields.MultiValue)
                and Parent.multivalue_model(n) == Model}
            pattern = [
                c.name for c in record.stored_columns(Model)
                if c.kind == 'many2one' and c.name in names - values
                and c.name != inverse]
            return [([inverse], pattern)]
        return [
            ([field.origin, field.target], [])
            for field in Parent._fields.values()
            if field._type == 'many2many' and field.relation_name == name
            and field.target in names]

    def _adopt(self, name, names, or_empty=()):
        """Take the records that nobody knows and that are in the way of what
        was received for it

        names: of the columns that are the same; or_empty: of those that may
        be empty on both sides.
        """
        model = self.models[name]
        places = {c.name: i for i, c in enumerate(model.columns)}
        null_safe = 'IS' if backend.name == 'sqlite' else (
            'IS NOT DISTINCT FROM')
        same = ' AND '.join(
            f't.{quote(n)} {"=" if n in names else null_safe} '
            f'{self._value(model, places[n])}'
            for n in chain(names, or_empty))
        # A cross join: the rows come first, whatever is thought of their size
        self._found(name,
            f'SELECT s.id, MIN(t.id) AS local '
            f'FROM {{source}} s CROSS JOIN {self.target(name)} t '
            f'WHERE {same} '
            f'AND NOT EXISTS (SELECT 1 FROM offline_sales_link l '
            f'WHERE l.model = ? AND l.local = t.id) GROUP BY s.id', name)

    def _number(self, name):
        "Give new ids to the rows that are no record yet"
        table = Pool().get(name)._table
        if backend.name == 'sqlite':
            query, param = (
                'SELECT s.id, ROW_NUMBER() OVER (ORDER BY s.id) + COALESCE(('
                'SELECT seq FROM sqlite_sequence WHERE name = ?), 0) '
                'AS local FROM {source} s'), table
        else:
            query, param = (
                'SELECT s.id, '
                "nextval(pg_get_serial_sequence(?, 'id')) AS local "
                'FROM {source} s ORDER BY s.id'), quote(table)
        self._found(name, query, param, new=MAKE)

    def _check(self, names):
        "Verify that the records that the rows refer to are there"
        missing = defaultdict(set)
        for name in names:
            model = self.models[name]
            for i, column in enumerate(model.columns):
                if column.kind == 'many2one':
                    found = self.execute(
                        f'SELECT DISTINCT s.c{i} FROM {self.source(name)} s '
                        f'WHERE s.c{i} IS NOT NULL '
                        f'AND {self._value(model, i)} IS NULL')
                    missing[column.target].update(id_ for id_, in found)
        missing = {name: ids for name, ids in missing.items() if ids}
        if missing:
            raise MissingRows(missing)

    # The rows

    def _delete(self):
        """Delete or deactivate the records of the rows that vanished, and
        return their number"""
        deleted = 0
        for name in reversed(self.order):
            gone = self.gone.get(name)
            if not gone:
                continue
            held = {}
            for ids in self._in_slices(gone):
                held.update(self.execute(
                        f'SELECT local, version FROM offline_sales_link '
                        f'WHERE model = ? AND central IN ({ids})', name))
            locals_ = held.keys() - set(self.unsettled.get(name, ()))
            kept = self._kept(name, locals_)
            self._remove(name, locals_ - kept)
            deactivable = self._retire(name, kept)
            if not deactivable:
                self.kept[name] = kept
            deleted += sum(
                deactivable or id_ not in kept or held[id_] is not None
                for id_ in locals_)
        return deleted

    def _delete_unused(self):
        """Delete what could not be deleted at first

        What used it uses something else now.
        """
        for name in reversed(self.order):
            ids = set()
            for sub in self._in_slices(self.kept.get(name, ())):
                ids.update(id_ for id_, in self.execute(
                        f'SELECT local FROM offline_sales_link '
                        f'WHERE model = ? AND version IS NULL '
                        f'AND local IN ({sub})', name))
            while unused := ids - self._kept(name, ids):
                self._remove(name, unused)
                ids -= unused

    def _remove(self, name, ids):
        for sub in self._in_slices(ids):
            self.execute(
                f'DELETE FROM {self.target(name)} WHERE id IN ({sub})')
            self.execute(
                f'DELETE FROM offline_sales_link '
                f'WHERE model = ? AND local IN ({sub})', name)

    def _kept(self, name, ids):
        "Return those of the ids whose records cannot be deleted, as a set"
        if not ids or issubclass(Pool().get(name), DeactivableMixin):
            return set(ids)
        kept = set()
        for sub in self._in_slices(ids):
            queries = [
                f"SELECT db_id FROM ir_model_data "
                f"WHERE model = '{name}' AND db_id IN ({sub})"]
            values = ', '.join(f"'{name},{id_}'" for id_ in sub.split(', '))
            for other, column in record.users(name):
                table = self.target(other)
                value = quote(column.name)
                if column.kind == 'many2one':
                    queries.append(
                        f'SELECT {value} FROM {table} '
                        f'WHERE {value} IN ({sub})')
                else:
                    queries.append(
                        f"SELECT CAST(SUBSTR({value}, {len(name) + 2}) "
                        f"AS INTEGER) FROM {table} "
                        f"WHERE {value} IN ({values})")
            for query in queries:
                kept.update(id_ for id_, in self.execute(query))
        return kept

    def _retire(self, name, ids):
        """Keep the records of the ids, out of the digest, and return whether
        they are out of sight too"""
        deactivable = issubclass(Pool().get(name), DeactivableMixin)
        for sub in self._in_slices(ids):
            if deactivable:
                self.execute(
                    f'UPDATE {self.target(name)} SET active = ? '
                    f'WHERE id IN ({sub})', False)
            self.execute(
                f'UPDATE offline_sales_link SET version = NULL '
                f'WHERE model = ? AND local IN ({sub})', name)
        return deactivable

    def _set_columns(self, name, skipped=()):
        "Return the columns that can be set at once, with their places"
        return [
            (i, column) for i, column in enumerate(self.models[name].columns)
            if column.name not in skipped
            and (name, column.name) not in self.late]

    def _park(self, name):
        """Move what is unique out of the way of the updates

        Two products that swap their codes collide even in one UPDATE.
        """
        target, source = self.target(name), self.source(name)
        records = self.records(name)
        if sets := self._parkings(name):
            sets = ', '.join(f'{quote(n)} = {sets[n]}' for n in sorted(sets))
            self.execute(
                f'UPDATE {target} SET {sets} WHERE id IN ('
                f'SELECT local FROM {records} WHERE new = {CHANGE})')
        if not issubclass(Pool().get(name), DeactivableMixin):
            return
        # Who has been out of sight for long does not keep its code
        places = {
            c.name: i for i, c in enumerate(self.models[name].columns)
            if c.sql_type in TEXTS}
        for column in set(chain(*self._constrained(name))) & places.keys():
            value = quote(column)
            self.execute(
                f"UPDATE {target} SET {value} = {value} || '~' || id "
                f'WHERE active = {self._false} '
                f'AND {value} IN (SELECT c{places[column]} FROM {source}) '
                f'AND id IN (SELECT local FROM offline_sales_link '
                f'WHERE model = ? AND central IS NOT NULL '
                f'AND version IS NULL) '
                f'AND id NOT IN (SELECT local FROM {records})', name)

    def _constrained(self, name):
        """Yield the names of the received columns of each constraint by which
        records differ"""
        names = {c.name for c in self.models[name].columns}
        for _, constraint, _ in Pool().get(name)._sql_constraints:
            if columns := _column_names(
                    getattr(constraint, 'columns', ())) & names:
                yield columns

    def _parkings(self, name):
        """Return the SQL of the values with which changed rows collide with
        nothing, by column"""
        model = self.models[name]
        columns = {
            c.name: c for c in model.columns if c.name not in model.initial}
        local = {
            c.name: c for c in record.stored_columns(Pool().get(name))}
        sets = {}
        for _, constraint, _ in Pool().get(name)._sql_constraints:
            names = columns.keys() & _column_names(
                getattr(constraint, 'columns', ()))
            where = _column_names([getattr(constraint, 'where', None)])
            if names and 'active' in where & columns.keys():
                sets['active'] = self._false
                continue
            for column in sorted(
                    names, key=lambda n: (local[n].kind != 'value', n)):
                if value := self._parking(local[column]):
                    sets[column] = value
                    break
        return sets

    @staticmethod
    def _parking(column):
        "Return the SQL of a value of the column that no other row has"
        if column.sql_type in TEXTS:
            return "'~' || id"
        elif not column.required:
            return 'NULL'
        elif column.sql_type == 'DATE':
            if backend.name == 'sqlite':
                return "DATE('0001-01-01', id || ' days')"
            return "DATE '0001-01-01' + id"
        elif column.kind == 'value' and column.sql_type in NUMBERS:
            return '-id'

    @property
    def _false(self):
        return '0' if backend.name == 'sqlite' else 'FALSE'

    def _update(self, name):
        model = self.models[name]
        columns = self._set_columns(name, model.initial)
        if not columns:
            return
        sets = ', '.join(
            f'{quote(c.name)} = {self._value(model, i)}' for i, c in columns)
        target = self.target(name)
        self.execute(
            f'UPDATE {target} SET {sets} FROM {self._rows(name)} '
            f'WHERE r.local = {target}.id AND r.new = {CHANGE}')

    def _insert(self, name):
        model = self.models[name]
        columns = self._set_columns(name)
        names = ''.join(f', {quote(c.name)}' for _, c in columns)
        values = ''.join(f', {self._value(model, i)}' for i, _ in columns)
        for column, value in record.tree_columns(Pool().get(name)).items():
            names += f', {quote(column)}'
            values += f', {value!r}'
        self.execute(
            f'INSERT INTO {self.target(name)} (id{names}) '
            f'SELECT r.local{values} FROM {self._rows(name)} '
            f'WHERE r.new IN ({MAKE}, {AGAIN}) ORDER BY r.id')

    def _fill(self, name):
        "Set the columns whose targets came later"
        model = self.models[name]
        target = self.target(name)
        for i, column in enumerate(model.columns):
            if (name, column.name) not in self.late:
                continue
            # A new record is empty there
            which = (
                f'(r.new IN ({MAKE}, {AGAIN}) AND s.c{i} IS NOT NULL)')
            if column.name not in model.initial:
                which += f' OR r.new = {CHANGE}'
            self.execute(
                f'UPDATE {target} SET '
                f'{quote(column.name)} = {self._value(model, i)} '
                f'FROM {self._rows(name)} '
                f'WHERE r.local = {target}.id AND ({which})')

    def _link(self, name):
        "Remember which version of which row each record holds"
        rows = self._rows(name)
        version = f'CASE WHEN r.new != {ALONE} THEN s.version END'
        insert = (
            f'INSERT INTO offline_sales_link (model, local, central, version) '
            f'SELECT ?, r.local, s.id, {version} FROM {rows} ')
        self.execute(
            f'UPDATE offline_sales_link SET central = s.id, '
            f'version = {version} '
            f'FROM {rows} WHERE r.local = offline_sales_link.local '
            f'AND offline_sales_link.model = ? AND r.new != {MAKE}', name)
        self.execute(
            f'{insert} WHERE r.new != {MAKE} AND NOT EXISTS ('
            f'SELECT 1 FROM offline_sales_link l '
            f'WHERE l.model = ? AND l.local = r.local)', name, name)
        self.execute(f'{insert} WHERE r.new = {MAKE} ORDER BY s.id', name)

    def _derive(self, names):
        "Make anew what is derived from the rows"
        for name in names:
            Model = Pool().get(name)
            for field_name, field in Model._fields.items():
                if field._type != 'many2one':
                    continue
                if field.left and field.right:
                    Model._rebuild_tree(field_name, None, 0)
                if field.path:
                    Model._rebuild_path(field_name)
