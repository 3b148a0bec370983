# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What a customer is made of, and when it is captured

A customer and all its parts are one document. Whatever is done to them in a
transaction is captured once, when it ends: before the first change what the
branch had is read, at the end what it has.
"""
from collections import defaultdict

from trytond.model import fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import (
    Transaction, inactive_records, without_check_access)

from .. import record as definition
from ..catalog.catalog import CUSTOMER
from . import tree as tree_
from .payload import walk
from .tree import Schema

# The type of a column that holds the ids of other records
SET = 'SET'
NUMBER = 'code'


class CustomerSchema(Schema):
    """Of a customer only what a cashier may write

    The values of its MultiValues, those of the company of the context, and the
    ids of its relations stand beside its own columns.
    """

    def is_customer(self, name):
        "Return if the model is one that customers are made of"
        pool = Pool()
        ModelAccess = pool.get('ir.model.access')
        return name in ModelAccess.branch_customer and self.get_model(name)

    def get_columns(self, name):
        if name not in self._columns:
            pool = Pool()
            ModelAccess = pool.get('ir.model.access')
            Model = self.get_model(name)
            permitted = ModelAccess.branch_customer.get(name, set())
            if name == CUSTOMER:
                permitted = permitted | {NUMBER}
            columns = {
                c.name: c for c in definition.stored_columns(Model)
                if c.name in permitted}
            for field_name in sorted(permitted - columns.keys()):
                if column := self._get_column(Model, field_name):
                    columns[field_name] = column
            self._columns[name] = columns
        return self._columns[name]

    @staticmethod
    def _get_column(Model, name):
        field = Model._fields.get(name)
        if isinstance(field, fields.MultiValue):
            Value = Model.multivalue_model(name)
            column, = [
                c for c in definition.stored_columns(Value) if c.name == name]
            return column._replace(required=False)
        if field and field._type == 'many2many':
            return definition.Column(
                name, 'value', SET, field.get_target().__name__)

    def get_children(self, name):
        if name not in self._children:
            pool = Pool()
            ModelAccess = pool.get('ir.model.access')
            self._children[name] = {
                field: Child for field, Child
                in super().get_children(name).items()
                if Child.__name__ in ModelAccess.branch_customer}
        return self._children[name]

    def get_sets(self, nodes):
        "Yield (node, column, ids) for each value that is a set"
        for node in nodes:
            for name, value in node['values'].items():
                column = self.get_columns(node['model']).get(name)
                if column and column.sql_type == SET:
                    yield node, column, value


@without_check_access
@inactive_records
def read(ids, company):
    "Return the trees of the customers as they are now, by id"
    pool = Pool()
    Party = pool.get(CUSTOMER)
    transaction = Transaction()
    with transaction.set_user(0), transaction.set_context(company=company):
        for cache in transaction.cache.values():
            cache.clear()
        schema = CustomerSchema()
        trees = tree_.read_all(schema, Party, list(ids))
    for tree in trees:
        for node in walk(tree):
            columns = schema.get_columns(node['model'])
            for name, value in node['values'].items():
                # SQLite has but integers
                if columns[name].sql_type == 'BOOL':
                    node['values'][name] = bool(value)
    return {tree['key']: tree for tree in trees}


def export(tree):
    """Name all that the tree refers to as the central knows it, and return
    the names of the fields that were left out, as tree.export does"""
    pool = Pool()
    Link = pool.get('offline_sales.link')
    schema = CustomerSchema()
    for node, column, ids in list(schema.get_sets(walk(tree))):
        known = Link.to_wire(column.target, ids or ())
        node['values'][column.name] = sorted(
            id_ for id_ in known.values() if isinstance(id_, int))
    return tree_.export(tree, schema)


@without_check_access
@inactive_records
def find_local(documents):
    """Return the ids by model of the customers of the documents, of all their
    parts here and of those that the documents speak of"""
    pool = Pool()
    Catalog = pool.get('offline_sales.catalog')
    Link = pool.get('offline_sales.link')
    found, keys = defaultdict(set), defaultdict(set)
    for document in documents:
        # One that came back from a second copy may be of nobody here
        if document.record:
            found[CUSTOMER].add(document.record.id)
        contents = document.get_contents()
        for tree in filter(None, [contents['record'], contents['base']]):
            for node in walk(tree):
                keys[node['model']].add(node['key'])
    cursor = Transaction().connection.cursor()
    for model, (inverse, parent) in Catalog.customer_models().items():
        if not inverse:
            continue
        table = pool.get(model).__table__()
        for sub_ids in grouped_slice(found[parent], 1000):
            cursor.execute(*table.select(
                    table.id, where=fields.SQL_OPERATORS['in'](
                        getattr(table, inverse), list(sub_ids))))
            found[model].update(id_ for id_, in cursor)
    for model, names in keys.items():
        found[model].update(Link.from_wire(model, names).values())
    return {model: ids for model, ids in found.items() if ids}


def touch(ids):
    "Capture at the end of the transaction what is done to the customers"
    pool = Pool()
    Document = pool.get('offline_sales.document')
    changes = Transaction().join(_Changes())
    ids = set(ids) - changes.before.keys()
    if ids:
        # Not touched again by what is asked for now
        changes.before.update(dict.fromkeys(ids))
        changes.before.update(Document.begin_customers(ids))


class _Changes:
    """The customers of a transaction, as a data manager of it

    before -- by id what was before, see Document.begin_customers
    """

    def __init__(self):
        self.before = {}

    def __eq__(self, other):
        return isinstance(other, _Changes)

    __hash__ = object.__hash__

    def tpc_begin(self, transaction):
        pass

    def commit(self, transaction):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        before, self.before = self.before, {}
        if before:
            Document.capture_customers(before)

    def tpc_vote(self, transaction):
        pass

    def tpc_finish(self, transaction):
        pass

    def tpc_abort(self, transaction):
        self.before = {}
