# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What must hold of the database of a branch after any refresh"
import logging

from sql import Column, Null

from trytond.admin import validate
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    record)
from trytond.modules.offline_sales.offline_sales.catalog.spec import (  # isort: skip
    TRANSLATION)

__all__ = ['faults', 'here', 'moved']


def here(model, central):
    "Return the record of the branch that the central's id stands for, or None"
    pool = Pool()
    Link = pool.get('offline_sales.link')
    local = Link.from_wire(model, [central]).get(central)
    return pool.get(model)(local) if local else None


def moved(database):
    """Return how many rows came and went with the last refresh, and the names
    of the models of those that came"""
    update = database.get('offline_sales.update').last_success()
    return update.rows + update.deleted, [
        line.partition(':')[0]
        for line in (update.models or '').splitlines()]


def faults(changed=None):
    """Return what is wrong with the current database, as a list of texts

    changed are the names of the models that are validated, None for all the
    catalogs.
    """
    models = {
        name: Model for name, Model in Pool().iterobject()
        if record.is_stored(Model)}
    found = []
    for Model in models.values():
        for column in record.stored_columns(Model):
            if column.kind == 'many2one':
                found.extend(_dangling(Model, column))
            elif column.kind == 'reference':
                found.extend(_dangling_references(Model, column, models))
        found.extend(_broken_trees(Model))
    found.extend(_doubles())
    found.extend(_invalid(_catalogs() if changed is None else changed))
    return found


def _fetch(query):
    cursor = Transaction().connection.cursor()
    cursor.execute(*query)
    return cursor.fetchall()


def _dangling(Model, column):
    Target = Pool().get(column.target)
    if not record.is_stored(Target):
        return
    table, target = Model.__table__(), Target.__table__()
    value = Column(table, column.name)
    for id_, other in _fetch(table
            .join(target, 'LEFT', condition=value == target.id)
            .select(table.id, value,
                where=(value != Null) & (target.id == Null))):
        yield f'{Model.__name__},{id_}: no {column.target},{other}'


def _dangling_references(Model, column, models):
    table = Model.__table__()
    value = Column(table, column.name)
    for text, in _fetch(table.select(
                value, distinct=True, where=value != Null)):
        name, id_ = record.parse_reference(text)
        if id_ is None or id_ < 0:
            continue
        target = models[name].__table__()
        if not _fetch(target.select(target.id, where=target.id == id_)):
            yield f'{Model.__name__}.{column.name}: no {text}'


def _broken_trees(Model):
    for name, field in Model._fields.items():
        if field._type != 'many2one':
            continue
        table, parent = Model.__table__(), Model.__table__()
        join = table.join(parent, condition=Column(table, name) == parent.id)
        if field.path:
            rows = {id_: (up, path) for id_, up, path in _fetch(
                    table.select(
                        table.id, Column(table, name),
                        Column(table, field.path)))}
            for id_, (up, path) in rows.items():
                if path != f'{rows[up][1] if up else ""}{id_}/':
                    yield f'{Model.__name__},{id_}: path {path}'
        if field.left and field.right:
            sides = [
                Column(t, side) for t in [table, parent]
                for side in [field.left, field.right]]
            left, right, outer_left, outer_right = sides
            for id_, in _fetch(join.select(
                        table.id,
                        where=(left <= outer_left) | (right >= outer_right))):
                yield f'{Model.__name__},{id_}: outside of its parent'
            numbers = [n for row in _fetch(table.select(left, right))
                for n in row]
            if len(set(numbers)) != len(numbers):
                yield f'{Model.__name__}: {field.left} and {field.right}'


def _doubles():
    "Yield what is linked and not there, or there twice"
    for model in _catalogs():
        links = Pool().get('offline_sales.link').__table__()
        table = Pool().get(model).__table__()
        for id_, in _fetch(links
                .join(table, 'LEFT', condition=links.local == table.id)
                .select(links.local,
                    where=(links.model == model) & (table.id == Null))):
            yield f'{model},{id_} is linked and not there'


def _catalogs():
    Configuration = Pool().get('offline_sales.configuration')
    return (Configuration(1).catalogs or '').split()


def _invalid(models):
    "Return what trytond-admin --validate finds"
    logger, handler = logging.getLogger('validate'), _Handler()
    logger.addHandler(handler)
    try:
        # Most translations are those of the modules
        if names := [model for model in models if model != TRANSLATION]:
            validate(names)
    finally:
        logger.removeHandler(handler)
    if TRANSLATION in models:
        Link = Pool().get('offline_sales.link')
        Translation = Pool().get(TRANSLATION)
        for links in grouped_slice(
                Link.search([('model', '=', TRANSLATION)]), 500):
            for translation in Translation.browse([l.local for l in links]):
                Translation._validate([translation])
    return handler.messages


class _Handler(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.messages = []

    def emit(self, message):
        self.messages.append(message.getMessage())
