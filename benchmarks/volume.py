# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A company with as many products and customers as wanted

Some are made by the ORM, as the demo's; their rows are then copied in SQL,
with other ids, names and codes, which takes seconds instead of an hour. The
same seed gives the same rows.
"""
import random
import time
from types import SimpleNamespace

from trytond.pool import Pool
from trytond.transaction import Transaction

from trytond.modules.offline_sales.demo import (  # isort: skip
    company as demo_company)
from trytond.modules.offline_sales.demo.customers import (  # isort: skip
    Customers, load_customers)
from trytond.modules.offline_sales.demo.products import (  # isort: skip
    create_products, make_code, make_ean, make_name)
from trytond.modules.offline_sales.demo.tables import (  # isort: skip
    column, read)
from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    record)
from trytond.modules.offline_sales.offline_sales.catalog.serve import (  # isort: skip
    Source)
from trytond.modules.offline_sales.offline_sales.catalog.spec import (  # isort: skip
    Spec)

# What the ORM makes: a multiple of the products of the table, see demo/data
PRODUCTS, CUSTOMERS = 8 * 66, 500
SEED = 1910


def multiply(products, customers, facts):
    """Copy the products and customers of the database until there are so many

    facts: what the loader of the company returned.
    """
    pool = Pool()
    cursor = Transaction().connection.cursor()
    cursor.execute(
        'CREATE TEMPORARY TABLE drawn (model VARCHAR, id INTEGER, '
        'name VARCHAR, code VARCHAR, PRIMARY KEY (model, id))')
    Product = pool.get('product.product')
    templates = sorted({
            p.template.id
            for p in Product.browse([p['id'] for p in facts['products']])})
    goods = Trees(
        'product.template', templates, -(-products // PRODUCTS) - 1)
    goods.copy()
    _name_products(goods)
    people = Trees(
        'party.party', facts['customers'], -(-customers // CUSTOMERS) - 1)
    people.copy()
    _name_customers(people)


class Trees:
    """Records with all that is part of them, to be copied

    model, ids: the roots. copies: how many copies to make of each.
    """

    def __init__(self, model, ids, copies):
        self.model = model
        self.ids = sorted(ids)
        self.copies = copies
        self.cursor = Transaction().connection.cursor()
        # By model: what a copy adds to the ids
        self.strides = {}

    def copy(self):
        waiting = [self.model]
        names = []
        while waiting:
            name = waiting.pop(0)
            if name not in names:
                names.append(name)
                waiting.extend(record.parts(Pool().get(name)))
        for name in names:
            self._copy(Pool().get(name), names)
        self._copy_translations(names)

    def _copy(self, Model, names):
        name = Model.__name__
        owners = [
            c for c in record.stored_columns(Model) if c.target in names]
        if name == self.model:
            where = f'id IN ({", ".join(map(str, self.ids))})'
        else:
            where = ' OR '.join(
                f'{c.name} IN (SELECT id FROM {self._source(c.target)})'
                for c in owners if c.target in self.strides) or 'FALSE'
        # The ids of what is copied, which the parts of it look for
        self.cursor.execute(
            f'CREATE TEMPORARY TABLE {self._source(name)} AS '
            f'SELECT id FROM "{Model._table}" WHERE {where}')
        self.cursor.execute(f'SELECT MAX(id) FROM "{Model._table}"')
        self.strides[name], = self.cursor.fetchone()
        if self.strides[name] is None:
            return
        shifts = {
            c.name: self.strides[c.target] for c in owners
            if c.target in self.strides}
        self._insert(
            Model, shifts, f'id IN (SELECT id FROM {self._source(name)})')

    def _copy_translations(self, names):
        Translation = Pool().get('ir.translation')
        self.cursor.execute('SELECT MAX(id) FROM ir_translation')
        self.strides['ir.translation'], = self.cursor.fetchone()
        for name in names:
            if self.strides[name]:
                self._insert(
                    Translation, {'res_id': self.strides[name]},
                    f"type = 'model' AND name LIKE '{name},%%' AND res_id IN ("
                    f'SELECT id FROM {self._source(name)})')

    @staticmethod
    def _source(name):
        return 'copied_' + name.replace('.', '_').replace('-', '_')

    def _insert(self, Model, shifts, where):
        transaction = Transaction()
        columns = [
            c.name for c in record.stored_columns(Model)] + [
            'create_uid', 'create_date', 'write_uid', 'write_date']
        values = [
            f'{c} + k.k * {shifts[c]}' if c in shifts
            # Unique; another is drawn later
            else "code || '~' || k.k" if c == 'code'
            else f'"{c}"'
            for c in columns]
        stride = self.strides[Model.__name__]
        self.cursor.execute(
            'WITH RECURSIVE k(k) AS '
            '(SELECT 1 UNION ALL SELECT k + 1 FROM k '
            f'WHERE k < {self.copies}) '
            f'INSERT INTO "{Model._table}" '
            f'(id, {", ".join(f"{chr(34)}{c}{chr(34)}" for c in columns)}) '
            f'SELECT id + k.k * {stride}, {", ".join(values)} '
            f'FROM "{Model._table}", k '
            f'WHERE {self.copies} > 0 AND ({where})')
        transaction.database.setnextid(
            transaction.connection, Model._table,
            stride * (self.copies + 1) + 1)

    def made(self):
        "Yield (turn, place, id) of the roots that were made"
        stride = self.strides[self.model]
        for turn in range(1, self.copies + 1):
            for place, id_ in enumerate(self.ids):
                yield turn, place, id_ + turn * stride


def _keep(rows):
    Transaction().connection.cursor().executemany(
        'INSERT INTO drawn (model, id, name, code) VALUES (%s, %s, %s, %s)',
        rows)


def _set(table, column, model, drawn, key='id', where=''):
    "Set the column of the table to what was drawn for the model"
    Transaction().connection.cursor().execute(
        f'UPDATE "{table}" SET {column} = d.{drawn} FROM drawn d '
        f"WHERE d.model = '{model}' AND d.id = {table}.{key} {where}")


def _name_products(trees):
    pool = Pool()
    Identifier = pool.get('product.identifier')
    cursor = Transaction().connection.cursor()
    rows, brands = read('products'), column('brands')
    size = len(trees.ids)

    def draw():
        for turn, place, id_ in trees.made():
            index = turn * size + place
            row = rows[index % len(rows)]
            yield (trees.model, id_,
                make_name(row, index // len(rows), brands),
                make_code(row, index))
    _keep(list(draw()))
    _set('product_template', 'name', trees.model, 'name')
    _set('product_template', 'code', trees.model, 'code')
    _set('ir_translation', 'value', trees.model, 'name', 'res_id',
        "AND ir_translation.name = 'product.template,name'")
    cursor.execute(
        "UPDATE product_product "
        "SET code = t.code || COALESCE(suffix_code, '') "
        "FROM product_template t WHERE t.id = template")
    cursor.execute(
        "SELECT id, code FROM product_identifier WHERE type = 'ean'")
    _keep([
            (Identifier.__name__, id_, None, make_ean(
                    'kg' if code.startswith('20') else 'piece', id_))
            for id_, code in cursor.fetchall()])
    _set('product_identifier', 'code', Identifier.__name__, 'code')


def _name_customers(trees):
    cursor = Transaction().connection.cursor()
    drawn = Customers(
        SimpleNamespace(rng=random.Random(SEED + 1)))
    size = len(trees.ids)
    _keep([
            (trees.model, id_, *drawn.identity(turn * size + place))
            for turn, place, id_ in trees.made()])
    _set('party_party', 'name', trees.model, 'name')
    for name in ['code', 'code_compact']:
        _set('party_identifier', name, trees.model, 'code', 'party')
    cursor.execute(
        'UPDATE party_party SET code = CAST(id AS VARCHAR), '
        'code_alnum = CAST(id AS VARCHAR), code_digit = id '
        'WHERE id IN (SELECT id FROM drawn WHERE model = %s)',
        (trees.model,))
    for name in ['value', 'value_compact']:
        cursor.execute(
            f"UPDATE party_contact_mechanism "
            f"SET {name} = 'cliente' || party || '@example.com' "
            f"WHERE type = 'email' AND party IN "
            f"(SELECT id FROM drawn WHERE model = %s)", (trees.model,))


def change(share, seed):
    """Change the price of some products and the name of some customers

    share: of all of them, e.g. 0.01. Return how many rows were changed.
    """
    cursor = Transaction().connection.cursor()
    rng = random.Random(seed)
    changed = 0
    for table, assignment in [
            ('product_gross_price', 'gross_price = gross_price + 0.5'),
            ('product_list_price', 'list_price = list_price + 0.4'),
            ('party_party', "name = name || ' *'"),
            ('party_address', "street_name = street_name || ' bis'"),
            ]:
        cursor.execute(f'SELECT id FROM {table} ORDER BY id')
        ids = [id_ for id_, in cursor.fetchall()]
        drawn = rng.sample(ids, int(len(ids) * share))
        cursor.executemany(
            f'UPDATE {table} SET {assignment} WHERE id = %s',
            [(id_,) for id_ in drawn])
        changed += len(drawn)
    return changed


def prepare_bare(code='ESP'):
    """Lay the rows that travel to the branch ready for the bare copy, and
    return their number"""
    Branch = Pool().get('offline_sales.branch')
    branch, = Branch.search([('code', '=', code)])
    with Transaction().set_context(company=branch.company.id):
        source = Source(Spec(branch))
    cursor = Transaction().connection.cursor()
    cursor.execute('CREATE SCHEMA bare')
    count = 0
    for model, spec in source.spec.models.items():
        table = spec.Model.__table__()
        sql, params = table.select(table.id, *[
                source.expression(model, column, table).as_(column.name)
                for column in spec.columns],
            where=source.spec.where(model, table))
        cursor.execute(
            f'CREATE TABLE bare."{spec.Model._table}" AS {sql}', params)
        count += cursor.rowcount
    return count


def make_by_orm(products, customers, today):
    """Let the ORM make so many products and customers in an empty database,
    and return the seconds that each took"""
    made = demo_company.load(products=0, customers=0, today=today)
    with Transaction().set_context(language='es', company=made.id):
        start = time.perf_counter()
        create_products(made, read('products'), products)
        between = time.perf_counter()
        load_customers(made, customers)
        end = time.perf_counter()
    return (between - start) / products, (end - between) / customers
