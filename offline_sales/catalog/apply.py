# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What was received becomes what is in use, in one transaction.

SQL for the rows, as the ORM would take half an hour for what takes a second
here; what the ORM derives from the rows (trees, caches) is made anew after.
"""
from collections import defaultdict
from itertools import chain

from sql import Column as SQLColumn

from trytond import backend
from trytond.cache import Cache
from trytond.model import DeactivableMixin
from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import record
from .spec import TRANSLATION


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
    return order, late


def _targets(model, names=None):
    return {
        c.target for c in model.columns
        if c.kind == 'many2one' and (names is None or c.name in names)}


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
        for name in names:
            self._identify(name)
        self._check(names)
        deleted = self._delete()
        for name in names:
            self._park(name)
        for name in names:
            self._update(name)
            self._insert(name)
        for name in names:
            self._fill(name)
            self._link(name)
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
            "WHERE s.key IS NOT NULL AND d.db_id IS NOT NULL", name)
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

    def _adopt(self, name, names):
        """Take the records that nobody knows and that are in the way of what
        was received for it"""
        model = self.models[name]
        places = {c.name: i for i, c in enumerate(model.columns)}
        same = ' AND '.join(
            f't.{quote(n)} = {self._value(model, places[n])}'
            for n in names)
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
        "Delete or deactivate the records of the rows that vanished"
        deleted = 0
        for name in reversed(self.order):
            for ids in self._in_slices(self.gone.get(name, ())):
                locals_ = {local for local, in self.execute(
                        f'SELECT local FROM offline_sales_link '
                        f'WHERE model = ? AND central IN ({ids})', name)}
                locals_ -= set(self.unsettled.get(name, ()))
                deleted += len(locals_)
                kept = self._kept(name, locals_)
                for sub in self._in_slices(locals_ - kept):
                    self.execute(
                        f'DELETE FROM {self.target(name)} '
                        f'WHERE id IN ({sub})')
                    self.execute(
                        f'DELETE FROM offline_sales_link '
                        f'WHERE model = ? AND local IN ({sub})', name)
                self._retire(name, kept)
        return deleted

    def _kept(self, name, ids):
        "Return those of the ids whose records cannot be deleted, as a set"
        if issubclass(Pool().get(name), DeactivableMixin):
            return set(ids)
        kept = set()
        queries = [
            f"SELECT db_id FROM ir_model_data "
            f"WHERE model = '{name}' AND db_id"]
        queries.extend(
            f'SELECT {quote(column)} FROM {table} WHERE {quote(column)}'
            for table, column in self._users(name))
        for sub in self._in_slices(ids):
            for query in queries:
                kept.update(
                    id_ for id_, in self.execute(f'{query} IN ({sub})'))
        return kept

    @staticmethod
    def _users(name):
        "Return the (table, column) that refer to records of the model"
        users = []
        for _, Model in Pool().iterobject():
            if record.is_stored(Model):
                users.extend(
                    (quote(Model._table), column.name)
                    for column in record.stored_columns(Model)
                    if column.target == name)
        return users

    def _retire(self, name, ids):
        "Keep the records of the ids, out of sight and out of the digest"
        deactivable = issubclass(Pool().get(name), DeactivableMixin)
        for sub in self._in_slices(ids):
            if deactivable:
                self.execute(
                    f'UPDATE {self.target(name)} SET active = ? '
                    f'WHERE id IN ({sub})', False)
            self.execute(
                f'UPDATE offline_sales_link SET version = NULL '
                f'WHERE model = ? AND local IN ({sub})', name)

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
        model = self.models[name]
        types = {c.name: c.sql_type for c in model.columns}
        names = set(chain(*self._unique(name)))
        sets = [
            f"{quote(n)} = '~' || id" for n in sorted(names)
            if types[n] in {'VARCHAR', 'TEXT'}]
        if (any(getattr(constraint, 'where', None)
                    for _, constraint, _ in Pool().get(name)._sql_constraints)
                and 'active' in types):
            sets.append(f'active = {self._false}')
        if sets and name != TRANSLATION:
            self.execute(
                f'UPDATE {self.target(name)} SET {", ".join(sets)} '
                f'WHERE id IN (SELECT local FROM {self.records(name)} '
                f'WHERE new = {CHANGE})')
            for columns in self._unique(name):
                self._park_retired(name, columns)

    def _park_retired(self, name, names):
        """Move those that the central has no more, and that stay here for
        what uses them, out of the way of what has got their values"""
        model = self.models[name]
        places = {c.name: i for i, c in enumerate(model.columns)}
        sets = [
            f"{quote(n)} = '~' || id" for n in names
            if model.columns[places[n]].sql_type in {'VARCHAR', 'TEXT'}]
        same = ' AND '.join(
            f't.{quote(n)} = {self._value(model, places[n])}' for n in names)
        if sets:
            self.execute(
                f'UPDATE {self.target(name)} SET {", ".join(sets)} '
                f'WHERE id IN (SELECT t.id FROM {self._rows(name)} '
                f'CROSS JOIN {self.target(name)} t '
                f'WHERE {same} AND t.id != r.local AND EXISTS ('
                f'SELECT 1 FROM offline_sales_link l WHERE l.model = ? '
                f'AND l.local = t.id AND l.version IS NULL))', name)

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
        insert = (
            f'INSERT INTO offline_sales_link (model, local, central, version) '
            f'SELECT ?, r.local, s.id, s.version FROM {rows} ')
        self.execute(
            f'UPDATE offline_sales_link SET central = s.id, '
            f'version = CASE WHEN r.new != {ALONE} THEN s.version END '
            f'FROM {rows} WHERE r.local = offline_sales_link.local '
            f'AND offline_sales_link.model = ? AND r.new != {MAKE}', name)
        self.execute(
            f'{insert} WHERE r.new NOT IN ({MAKE}, {ALONE}) AND NOT EXISTS ('
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
