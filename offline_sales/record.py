# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What of a record is stored, and how it is written down.

The list of the stored columns of a model and the translation of references
stand here once, for the catalogs and for the documents.
"""
from typing import NamedTuple

from trytond.model import ModelSQL, fields
from trytond.pool import Pool

# Kept by each database for itself
TECHNICAL = frozenset({
        'id', 'create_uid', 'create_date', 'write_uid', 'write_date'})


class Column(NamedTuple):
    """A stored column of a model

    kind is 'value', 'many2one', 'reference' or, where relations are asked for,
    'many2many'; sql_type is Tryton's name of the type, the same on every
    database (e.g. 'NUMERIC'), None of a relation; target the name of the model
    it points to; required if the ORM always asks for a value.
    """
    name: str
    kind: str
    sql_type: str
    target: str = None
    required: bool = False


def is_stored(Model):
    "Return True if the records of the model are rows of a table of its own"
    return (
        isinstance(Model, type)
        and issubclass(Model, ModelSQL)
        and not callable(getattr(Model, 'table_query', None)))


def tree_columns(Model):
    """Return the columns derived from the parent fields of the model, which
    each database computes for itself, as a dictionary of names and of what
    stands there until then"""
    columns = {}
    for field in Model._fields.values():
        if field._type == 'many2one':
            columns.update({field.left: 0, field.right: 0, field.path: ''})
    columns.pop(None, None)
    return columns


def stored_columns(Model):
    """Return the stored columns of a model as a tuple of Column, by name

    Driven by the definitions of the fields, so that what other modules add is
    there too. The technical columns (id, create_date, …) and those derived
    from others (trees, full text) are left out. A transaction must be open.
    """
    skipped = TECHNICAL | tree_columns(Model).keys()
    columns = []
    for name, field in sorted(Model._fields.items()):
        if name in skipped:
            continue
        if isinstance(field, (fields.Function, fields.FullText)):
            continue
        if field.sql_type() is None:
            continue
        kind, target = 'value', None
        if field._type in {'many2one', 'one2one'}:
            kind, target = 'many2one', field.get_target().__name__
        elif field._type == 'reference':
            kind = 'reference'
        sql_type, _, _ = field._sql_type.partition('(')
        columns.append(
            Column(name, kind, sql_type, target, bool(field.required)))
    return tuple(columns)


def relations(Model):
    """Return the Many2Many fields of a model as a tuple of Column, by name

    They are parts of its records, though stored in tables of their own.
    """
    columns = []
    for name, field in sorted(Model._fields.items()):
        if (field._type == 'many2many'
                and not isinstance(field, fields.Function)
                and is_stored(field.get_relation())
                and is_stored(field.get_target())):
            columns.append(Column(
                    name, 'many2many', None, field.get_target().__name__,
                    bool(field.required)))
    return tuple(columns)


def parse_reference(value):
    """Return (model name, id) of the stored value of a reference

    The id is None where the reference names but a model.
    """
    model, _, id_ = value.partition(',')
    if not id_ or id_ in {'-1', '%'}:
        return model, None
    return model, int(id_)


def children(Model):
    """Return the One2Many fields that are parts of a record of the model, as
    a dictionary of the names and the models of the children

    A child is part of its parent when it cannot be without it. Two fields may
    show the same children: the one that shows all stands for them.
    """
    pool = Pool()
    parts, seen = {}, set()
    for name, field in sorted(
            Model._fields.items(),
            key=lambda i: (bool(getattr(i[1], 'filter', None)), i[0])):
        if field._type != 'one2many' or isinstance(field, fields.Function):
            continue
        if (field.model_name, field.field) in seen:
            continue
        seen.add((field.model_name, field.field))
        Child = pool.get(field.model_name)
        inverse = Child._fields[field.field]
        if (is_stored(Child)
                and inverse._type == 'many2one'
                and inverse.required):
            parts[name] = Child
    return parts


def parts(Model):
    """Return the models that hold what a record of the model is made of, as a
    dictionary of their names and of the fields that say what they belong to:
    its children, the values of its MultiValues and its relations"""
    found = {
        Child.__name__: Model._fields[name].field
        for name, Child in children(Model).items()}
    for name, field in sorted(Model._fields.items()):
        if isinstance(field, fields.MultiValue):
            Value = Model.multivalue_model(name)
            for inverse, target in sorted(Value._fields.items()):
                if (target._type == 'many2one'
                        and target.model_name == Model.__name__):
                    found.setdefault(Value.__name__, inverse)
        elif (field._type == 'many2many'
                and not isinstance(field, fields.Function)
                and is_stored(field.get_relation())):
            found.setdefault(field.get_relation().__name__, field.origin)
    return found


def users(name):
    """Return the (model, column) that refer to records of the model or may do
    so"""
    return [
        (other, column)
        for other, Model in Pool().iterobject() if is_stored(Model)
        for column in stored_columns(Model)
        if column.target == name or column.kind == 'reference']
