# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The stock on hand at a branch as the central knew it at a moment

Kept by the ids of the central: what a row is of may come later than the row.
Compared by buckets of products, as the catalogs are, so that only what moved
travels.
"""
import datetime as dt
from collections import defaultdict

from sql import Cast, Null
from sql.aggregate import Sum
from sql.functions import Substring

from trytond.model import ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .. import wire
from ..routes import procedure
from ..wire import Malformed
from . import digest

MAX_BUCKETS = 2 ** 15
# Rows of a bucket, about
BUCKET = 64
_TICKET = 'sale.point.sale'


def buckets(rows, count):
    """Return the digests of the rows (product, location, quantity) by bucket,
    as [bucket, xor] of the count buckets that are not empty"""
    digests = defaultdict(int)
    for row in rows:
        digests[row[0] % count] ^= digest.row_hash(*row)
    return sorted(map(list, digests.items()))


def bucket_count(rows):
    "Return how many buckets are good for so many rows, a power of two"
    count = 1
    while count * BUCKET < rows and count < MAX_BUCKETS:
        count *= 2
    return count


# At the central

def on_hand(branch):
    """Return what there is, as a list of (product, location, quantity) in the
    default unit of the product: one grouped query"""
    pool = Pool()
    Date = pool.get('ir.date')
    Location = pool.get('stock.location')
    Move = pool.get('stock.move')
    locations = Location.search([
            ('parent', 'child_of', [branch.warehouse.storage_location.id]),
            ('type', '=', 'storage'),
            ], order=[])
    with Transaction().set_context(
            company=branch.company.id, stock_date_end=Date.today(),
            forecast=False):
        query = Move.compute_quantities_query(
            [location.id for location in locations])
    cursor = Transaction().connection.cursor()
    cursor.execute(*query)
    return [
        (product, location, float(quantity))
        for location, product, quantity in cursor if quantity]


@procedure('stock', readonly=True, any_series=False)
def stock(branch, params):
    """Answer with the stock on hand at the branch

    params: count, of buckets; digests, the [bucket, xor] that the branch
    holds. The answer has the rows of those buckets that are different, as
    [bucket, rows], and the moment that all of it is of.
    """
    count, held = params.get('count'), params.get('digests')
    if type(count) is not int or not 1 <= count <= MAX_BUCKETS:
        raise Malformed('count')
    if not isinstance(held, list) or not all(
            isinstance(d, list) and len(d) == 2
            and all(type(v) is int for v in d) for d in held):
        raise Malformed('digests')
    moment = wire.utcnow()
    rows = on_hand(branch)
    different = digest.differing(dict(held), dict(buckets(rows, count)))
    changed = {bucket: [] for bucket in different}
    for row in rows:
        if row[0] % count in changed:
            changed[row[0] % count].append(row)
    return {'moment': moment, 'buckets': sorted(changed.items())}


# At the branch

class Stock(ModelSQL):
    "Stock on Hand"
    __name__ = 'offline_sales.stock'

    product = fields.Integer("Product at the Central", required=True)
    location = fields.Integer("Location at the Central", required=True)
    quantity = fields.Float("Quantity", required=True)

    # The models of what is sold, and of their lines
    _sales = {
        _TICKET: 'sale.point.sale.line',
        'sale.sale': 'sale.line',
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('product_location_unique', Unique(t, t.product, t.location),
                'offline_sales.msg_stock_unique'),
            ]
        cls.__rpc__ = {}

    @classmethod
    def obtain(cls, client):
        """Obtain what is on hand from the central

        Nothing is written in the current transaction.

        :raises CentralError: if the central did not answer as it should
        """
        with Transaction().new_transaction(readonly=True):
            held = cls._get_rows()
        count = bucket_count(len(held))
        answer = client.call('stock', {
                'count': count,
                'digests': buckets(held, count),
                })
        with Transaction().new_transaction():
            cls._replace(held, count, dict(answer['buckets']))
            cls._set_moment(answer['moment'])

    @classmethod
    def _get_rows(cls):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.product, table.location, table.quantity))
        return cursor.fetchall()

    @classmethod
    def _replace(cls, held, count, changed):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        products = {p for p, _, _ in held if p % count in changed}
        for ids in grouped_slice(products, 1000):
            cursor.execute(*table.delete(
                    where=fields.SQL_OPERATORS['in'](
                        table.product, list(ids))))
        query, _ = table.insert(
            [table.product, table.location, table.quantity], [[0, 0, 0]])
        cursor.executemany(
            query, [tuple(row) for rows in changed.values() for row in rows])

    @classmethod
    def _set_moment(cls, moment):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        configuration = Configuration(1)
        configuration.stock_moment = moment
        configuration.save()

    @classmethod
    def get_moment(cls):
        """Return the moment that the stock on hand is of, None if it is not
        known, as at the central"""
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if Configuration.is_branch():
            return Configuration(1).stock_moment

    @classmethod
    def get_quantities(cls, products):
        """Return what there should be by now of the products, by id

        What was on hand at the moment, without what was sold here since; a
        product that is not there has zero.
        """
        pool = Pool()
        Link = pool.get('offline_sales.link')
        table, link = cls.__table__(), Link.__table__()
        cursor = Transaction().connection.cursor()
        quantities = defaultdict(float)
        for sub_products in grouped_slice(products):
            ids = [p.id for p in sub_products]
            cursor.execute(*table
                .join(link, condition=(link.central == table.product)
                    & (link.model == 'product.product'))
                .select(link.local, Sum(table.quantity),
                    where=fields.SQL_OPERATORS['in'](link.local, ids),
                    group_by=[link.local]))
            quantities.update(cursor)
            for model in cls._sales:
                cursor.execute(*cls._query_sold(model, ids))
                for product, quantity in cursor:
                    quantities[product] -= quantity
        return {
            p.id: p.default_uom.round(quantities[p.id]) for p in products}

    @classmethod
    def _query_sold(cls, model, products):
        "Return the query of what was sold and is not in what was on hand"
        pool = Pool()
        document = pool.get('offline_sales.document').__table__()
        line = pool.get(cls._sales[model]).__table__()
        product = pool.get('product.product').__table__()
        template = pool.get('product.template').__table__()
        Uom = pool.get('product.uom')
        uom, default_uom = Uom.__table__(), Uom.__table__()
        # The unit of a line of a ticket is that of its product
        unit = template.sale_uom if model == _TICKET else line.unit
        record = Substring(document.record, len(model) + 2)
        sold = document.select(
            Cast(record, 'INTEGER').as_('id'),
            where=document.record.like(f'{model},%')
            & cls._where_unknown(document), distinct=True)
        return (line
            .join(product, condition=line.product == product.id)
            .join(template, condition=product.template == template.id)
            .join(uom, condition=uom.id == unit)
            .join(default_uom,
                condition=default_uom.id == template.default_uom)
            .select(
                line.product,
                Sum(line.quantity * uom.factor / default_uom.factor),
                where=line.sale.in_(sold)
                & fields.SQL_OPERATORS['in'](line.product, products),
                group_by=[line.product]))

    @classmethod
    def _where_unknown(cls, document):
        "Return what tells the documents that the central had not processed"
        moment = cls.get_moment() or dt.datetime.max
        return (
            document.kind.in_(['ticket', 'prefactura'])
            & (document.state.in_(['pending', 'sent', 'rejected'])
                | ((document.state == 'accepted')
                    & ((document.processed > moment)
                        | (document.processed == Null)))))
