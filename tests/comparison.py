# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What a branch holds, compared with what its central has for it"
import hashlib

from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    record)
from trytond.modules.offline_sales.offline_sales.catalog.refresh import (  # isort: skip
    Held, schema)
from trytond.modules.offline_sales.offline_sales.catalog.serve import (  # isort: skip
    Source)
from trytond.modules.offline_sales.offline_sales.catalog.spec import (  # isort: skip
    Spec)

from . import replica

__all__ = ['faults', 'fingerprint']

LINK = 'offline_sales.link'


class _Plain(Source):
    "The values of all the rows of a database, as they travel"

    def _many2one(self, model, column, value):
        return value

    def _reference(self, value):
        return value


def theirs(database, code, schema):
    """Return what the central has for the branch, by model: the names of the
    columns, (count, xor) and the values by id"""
    def read():
        Branch = Pool().get('offline_sales.branch')
        branch, = Branch.search([('code', '=', code)])
        with Transaction().set_context(company=branch.company.id):
            source = Source(Spec(branch, {
                        model: set(names)
                        for model, names in schema.items()}))
            result = {}
            for model, spec in source.spec.models.items():
                names = [
                    c.name for c in spec.columns
                    if c.name not in spec.initial]
                places = [
                    i for i, c in enumerate(spec.columns, 3)
                    if c.name not in spec.initial]
                rows = {
                    row[0]: [row[i] for i in places]
                    for row in source.spec.fetch(source.rows(model))}
                count, xor, _, _ = source.root(model)
                result[model] = names, [count, xor], rows
            return result
    return database.run(read, user=0)


def ours(database, models):
    """Return what the branch holds of the models, given with the names of
    their columns: (count, xor) and the values by the id of the central"""
    def read():
        Link = Pool().get('offline_sales.link')
        links = {}
        versions = set()
        for link in Link.search([]):
            links[link.model, link.local] = link.central
            if link.version is not None:
                versions.add((link.model, link.local))
        roots = Held().roots()
        source = _Plain.__new__(_Plain)
        result = {}
        for model, names in models.items():
            result[model] = (
                roots.get(model, [0, 0]),
                dict(_rows(source, model, names, links, versions)))
        return result
    return database.run(read, user=0)


def _rows(source, model, names, links, versions):
    Model = Pool().get(model)
    table = Model.__table__()
    columns = {c.name: c for c in record.stored_columns(Model)}
    cursor = Transaction().connection.cursor()
    cursor.execute(*table.select(table.id, *[
                source.expression(model, columns[name], table)
                for name in names]))
    for id_, *values in cursor.fetchall():
        if (model, id_) not in versions:
            continue
        for i, name in enumerate(names):
            values[i] = _known(columns[name], values[i], links)
        if model == 'ir.translation' and values:
            other = values[names.index('name')].partition(',')[0]
            i = names.index('res_id')
            values[i] = links.get((other, values[i]))
        yield links[model, id_], values


def _known(column, value, links):
    "Return the value as the central knows it"
    if value is None:
        return None
    if column.kind == 'many2one':
        return links.get((column.target, value), ('unknown', value))
    if column.kind == 'reference' and ',' in value:
        model, id_ = value.split(',')
        return f'{model},{links.get((model, int(id_)))}'
    return value


def faults(shop, code='ESP'):
    """Return by what the branch differs from what its central has for it, and
    what is not valid Tryton, as a list of texts that is empty if all is well
    """
    found = []
    central = theirs(
        shop.central, code, shop.branch.run(schema, user=0))
    branch = ours(shop.branch, {
            model: names for model, (names, _, _) in central.items()})
    for model, (names, root, rows) in central.items():
        held, values = branch[model]
        if held != root and root[0]:
            found.append(f"{model}: digest {held} instead of {root}")
        for id_ in rows.keys() ^ values.keys():
            found.append(
                f"{model},{id_}: "
                + ("missing" if id_ in rows else "should be gone"))
        for id_ in rows.keys() & values.keys():
            for name, a, b in zip(names, rows[id_], values[id_], strict=True):
                if a != b:
                    found.append(f"{model},{id_}: {name} {b!r} not {a!r}")
    found.extend(shop.branch.run(replica.faults, changed=[], user=0))
    return found + invalid(shop.branch, central)


def invalid(database, models):
    "Return what trytond-admin --validate would find of the models"
    found = []
    with database.transaction(user=0):
        for model in models:
            if model.startswith('ir.') and model != 'ir.sequence.strict':
                continue
            Model = Pool().get(model)
            try:
                # Many at once: one by one it takes long
                for records in grouped_slice(
                        Model.search([], order=[('id', 'ASC')]), 50):
                    Model._validate(Model.browse(records))
            except Exception as error:
                found.append(f'{model}: {type(error).__name__}: {error}')
    return found


def fingerprint(database):
    "Return a hash of the rows of the catalogs at the branch, and of the links"
    def read():
        Configuration = Pool().get('offline_sales.configuration')
        models = (Configuration(1).catalogs or '').split()
        digest = hashlib.sha256()
        cursor = Transaction().connection.cursor()
        for model in [*sorted(models), LINK]:
            table = Pool().get(model)._table
            columns = ', '.join(['id', *(
                        f'"{c.name}"' for c in record.stored_columns(
                            Pool().get(model))
                        # Selling moves them on
                        if not c.name.startswith('number_next'))])
            # Selling gives identities to what it makes
            where = 'central IS NOT NULL' if model == LINK else '1 = 1'
            cursor.execute(
                f'SELECT {columns} FROM "{table}" WHERE {where} ORDER BY id')
            digest.update(repr(cursor.fetchall()).encode())
        return digest.hexdigest()
    return database.run(read, user=0)
