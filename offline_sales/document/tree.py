# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Trees of records, between the database and the payload

Driven by the definitions of the fields: what another module adds to a model
travels as well. See payload.py for the shape.
"""
from collections import defaultdict

from sql import Null

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .. import record as definition
from ..catalog.catalog import CUSTOMER
from ..exceptions import CaptureError, Rejection
from .payload import is_key, walk


class Schema:
    "The definitions of models, each looked up once"

    def __init__(self):
        self._models = {}
        self._columns = {}
        self._children = {}

    def get_model(self, name):
        "Return the stored model of that name, None if there is none here"
        if name not in self._models:
            try:
                Model = Pool().get(name)
            except KeyError:
                Model = None
            if Model and not definition.is_stored(Model):
                Model = None
            self._models[name] = Model
        return self._models[name]

    def get_columns(self, name):
        "Return the stored columns and the relations of the model by name"
        if name not in self._columns:
            Model = self.get_model(name)
            self._columns[name] = {
                c.name: c for c in [
                    *definition.stored_columns(Model),
                    *definition.relations(Model)]}
        return self._columns[name]

    def get_children(self, name):
        "Return the fields of the children and their models"
        if name not in self._children:
            self._children[name] = definition.children(self.get_model(name))
        return self._children[name]

    def get_references(self, nodes):
        """Yield (node, column, model, key) for each reference in the values

        The key is what the value says: a local id or what the other side
        knows the record by. What refers to nothing is left out, as are
        relations, see get_related.
        """
        for node in nodes:
            columns = self.get_columns(node['model'])
            for name, value in node['values'].items():
                column = columns.get(name)
                if not column or value is None:
                    continue
                if column.kind == 'many2one':
                    yield node, column, column.target, value
                elif column.kind == 'reference':
                    model, _, key = str(value).partition(',')
                    if key:
                        yield node, column, model, parse_key(key)

    def get_related(self, nodes):
        "Yield (node, column, keys) for each relation in the values"
        for node in nodes:
            columns = self.get_columns(node['model'])
            for name, value in node['values'].items():
                column = columns.get(name)
                if (column and column.kind == 'many2many'
                        and isinstance(value, (list, tuple))):
                    yield node, column, value


def parse_key(key):
    "Return the key that the text is of"
    try:
        return int(key)
    except ValueError:
        return key


def put(node, column, model, key):
    "Have the column of the node refer to the record"
    if column.kind == 'reference' and key is not None:
        key = f'{model},{key}'
    node['values'][column.name] = key


# At the branch

def read(record):
    "Return the tree of the record as it is stored, named by local ids"
    tree, = read_all(Schema(), record.__class__, [record.id])
    return tree


def read_all(schema, Model, ids):
    """Return the trees of the records of the ids as they are stored, named by
    local ids"""
    return _read(schema, Model, ids)


def _read(schema, Model, ids, inverse=None):
    names = [n for n in schema.get_columns(Model.__name__) if n != inverse]
    rows = {row['id']: row for row in Model.read(ids, names)}
    trees = {
        id_: {
            'model': Model.__name__,
            'key': id_,
            'values': {name: rows[id_][name] for name in names},
            'children': defaultdict(list),
            } for id_ in ids}
    for name, Child in schema.get_children(Model.__name__).items():
        inverse = Model._fields[name].field
        children = Child.search(
            [(inverse, 'in', ids)], order=[('id', 'ASC')])
        child_trees = _read(
            schema, Child, list(map(int, children)), inverse)
        for child, tree in zip(children, child_trees, strict=True):
            parent = getattr(child, inverse).id
            trees[parent]['children'][name].append(tree)
    return [trees[id_] for id_ in ids]


def export(tree, schema=None):
    """Name all that the tree refers to as the central knows it, and return
    what was left out: the sorted names of the fields, with their models

    The records of the tree get an identity if they have none. A reference to
    what the central does not know is left out; raise CaptureError if the
    record cannot be without.
    """
    pool = Pool()
    Link = pool.get('offline_sales.link')
    schema = schema or Schema()
    nodes = list(walk(tree))
    ids = defaultdict(list)
    for node in nodes:
        ids[node['model']].append(node['key'])
    keys = {
        model: Link.identify(pool.get(model).browse(ids_))
        for model, ids_ in ids.items()}
    references = list(schema.get_references(nodes))
    targets = defaultdict(set)
    for _, _, model, id_ in references:
        targets[model].add(id_)
    related = list(schema.get_related(nodes))
    for _, column, related_ids in related:
        targets[column.target].update(related_ids)
    known = {
        model: Link.to_wire(model, ids_) for model, ids_ in targets.items()}
    left_out = set()
    for node, column, model, id_ in references:
        if id_ in known[model]:
            put(node, column, model, known[model][id_])
        elif column.required:
            raise _unknown(node, column, model, id_)
        else:
            del node['values'][column.name]
            left_out.add(f"{node['model']}.{column.name}")
    for node, column, related_ids in related:
        for id_ in related_ids:
            if id_ not in known[column.target]:
                raise _unknown(node, column, column.target, id_)
        node['values'][column.name] = [
            known[column.target][id_] for id_ in sorted(related_ids)]
    for node in nodes:
        node['key'] = keys[node['model']][node['key']]
    return sorted(left_out)


def _unknown(node, column, model, id_):
    pool = Pool()
    return CaptureError(gettext(
            'offline_sales.msg_document_capture_unknown',
            record=pool.get(model)(id_).rec_name,
            **pool.get(node['model']).__names__(column.name)))


# At the central

def find(Model, ids):
    "Return which of the ids are there, whoever may see them, as a set"
    cursor = Transaction().connection.cursor()
    table = Model.__table__()
    found = set()
    # Beyond is no id of PostgreSQL's
    ids = [id_ for id_ in ids if 0 <= id_ < 2 ** 31]
    for sub_ids in grouped_slice(ids, 1000):
        cursor.execute(*table.select(
                table.id, where=table.id.in_(list(sub_ids))))
        found.update(id_ for id_, in cursor)
    return found


def find_replaced(ids):
    """Return the ids of the parties that stand for those of the ids that were
    replaced, by id"""
    pool = Pool()
    cursor = Transaction().connection.cursor()
    table = pool.get(CUSTOMER).__table__()
    replaced, waiting = {}, set(ids)
    while waiting:
        found = {}
        for sub_ids in grouped_slice(waiting, 1000):
            cursor.execute(*table.select(
                    table.id, table.replaced_by,
                    where=table.id.in_(list(sub_ids))
                    & (table.replaced_by != Null)))
            found.update(cursor)
        waiting = set(found.values()) - replaced.keys() - found.keys()
        replaced.update(found)
    for id_ in replaced:
        seen = {id_}
        while (other := replaced[id_]) in replaced and other not in seen:
            seen.add(other)
            replaced[id_] = replaced[other]
    return replaced


class Forest:
    """The trees of documents, with what their references are at the central

    Look-ups are made for all the trees at once.
    follow: whether a party that was replaced is the one that replaced it.
    """

    def __init__(self, trees, schema=None, follow=False):
        self.schema = schema or Schema()
        self._follow = follow
        self._ids = defaultdict(set)
        self._identities = defaultdict(dict)
        self._replaced = {}
        wanted = defaultdict(set)
        for tree in trees:
            nodes = [
                n for n in walk(tree) if self.schema.get_model(n['model'])]
            for node in nodes:
                wanted[node['model']].add(node['key'])
            for _, _, model, key in self._get_references(nodes):
                if is_key(key):
                    wanted[model].add(key)
        for model, keys in wanted.items():
            if Model := self.schema.get_model(model):
                self._find(Model, keys)

    def _get_references(self, nodes):
        "Yield as the schema does, and one for each of what is related"
        yield from self.schema.get_references(nodes)
        for node, column, keys in self.schema.get_related(nodes):
            for key in keys:
                yield node, column, column.target, key

    def _find(self, Model, keys):
        pool = Pool()
        Link = pool.get('offline_sales.link')
        identities = Link.from_wire(
            Model.__name__, [k for k in keys if isinstance(k, str)])
        ids = {k for k in keys if isinstance(k, int)}
        self._ids[Model.__name__] = find(Model, ids.union(identities.values()))
        self._identities[Model.__name__] = identities
        if self._follow and Model.__name__ == CUSTOMER:
            self._replaced = find_replaced(self._ids[CUSTOMER])

    def get(self, model, key):
        "Return the id of the record, None if there is none"
        id_ = self._identities[model].get(key, key)
        if id_ not in self._ids[model]:
            return None
        if model == CUSTOMER:
            return self._replaced.get(id_, id_)
        return id_

    def add(self, model, key, id_):
        "Take note of a record that was made"
        self._identities[model][key] = id_
        self._ids[model].add(id_)

    def check(self, tree):
        """Return the identities, as (model, identity), that the tree refers to
        and are not known yet

        Raise Rejection if it asks for what is not there.
        """
        nodes = list(walk(tree))
        for node in nodes:
            self._check_fields(node)
        own = {(node['model'], node['key']) for node in nodes}
        unknown = set()
        for _, column, model, key in self._get_references(nodes):
            if not is_key(key):
                raise Rejection('unreadable', what=column.name)
            if (model, key) in own or self.get(model, key):
                continue
            if isinstance(key, int):
                raise Rejection('missing_record', model=model, id=key)
            unknown.add((model, key))
        return unknown

    def _check_fields(self, node):
        """Raise Rejection if the node says something that is not kept here

        A module of the branch that the central lacks would lose its values.
        What is empty says nothing.
        """
        model = node['model']
        if not self.schema.get_model(model):
            raise Rejection('unknown_field', model=model, fields='')
        known = self.schema.get_columns(model)
        parts = self.schema.get_children(model)
        unknown = [
            name for name, value in node['values'].items()
            if name not in known and value not in (None, False, '', [])]
        unknown.extend(
            name for name, children in node['children'].items()
            if children and (
                name not in parts
                or any(c['model'] != parts[name].__name__ for c in children)))
        for name, value in node['values'].items():
            if (name in known and known[name].kind == 'many2many'
                    and not isinstance(value, list)):
                raise Rejection('unreadable', what=name)
        if unknown:
            raise Rejection(
                'unknown_field', model=model,
                fields=", ".join(sorted(unknown)))

    def get_values(self, tree, owned):
        """Return the values of the record of the tree, with those of its
        children to create

        owned is a dictionary of the names of the columns by model that are
        not the branch's to say.
        """
        values = self.get_written_values(tree, owned)
        for name, children in tree['children'].items():
            if children:
                values[name] = [('create', [
                            self.get_values(child, owned)
                            for child in children])]
        return values

    def get_written_values(self, tree, owned):
        "Return the values of the record of the tree alone as they are written"
        values = self.get_own_values(tree, owned)
        columns = self.schema.get_columns(tree['model'])
        for name, ids in values.items():
            if columns[name].kind == 'many2many':
                values[name] = [('add', ids)]
        return values

    def get_own_values(self, tree, owned):
        """Return the values of the record of the tree alone

        A relation is the sorted list of the ids.
        """
        model = tree['model']
        names = self.schema.get_columns(model).keys() - owned.get(model, set())
        node = {'model': model, 'values': {
                name: value for name, value in tree['values'].items()
                if name in names}}
        for _, column, target, key in list(self.schema.get_references([node])):
            put(node, column, target, self.get(target, key))
        for _, column, keys in list(self.schema.get_related([node])):
            ids = {self.get(column.target, key) for key in keys}
            node['values'][column.name] = sorted(ids - {None})
        return node['values']

    def get_inner_values(self, tree):
        """Yield (model, id, values) for the records of the tree that refer to
        others of it, which had to be made first"""
        nodes = list(walk(tree))
        own = {(node['model'], node['key']) for node in nodes}
        for node in nodes:
            inner = {'values': {}}
            for _, column, model, key in self.schema.get_references([node]):
                if (model, key) in own:
                    put(inner, column, model, self.get(model, key))
            if inner['values']:
                yield (
                    node['model'], self.get(node['model'], node['key']),
                    inner['values'])
