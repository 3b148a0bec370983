# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Costs of goods that came in at the central after a sale that came late

The average was computed without the sale, and the sale is costed as of now:
both are put right by computing the costs anew from the date of the sale. What
is to be computed is kept with what was processed, so that no crash forgets it.
"""
import logging
import time
from functools import partial

from trytond.model import ModelSQL, fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .process import perform

logger = logging.getLogger(__name__)

METHODS = {'average', 'fifo'}


class Cost(ModelSQL):
    """Cost to Compute

    The cost of a product that is to be computed from a date on.
    """
    __name__ = 'offline_sales.document.cost'

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='CASCADE')
    product = fields.Many2One(
        'product.product', "Product", required=True, ondelete='CASCADE')
    date = fields.Date("Date", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}

    @classmethod
    def note(cls, moves):
        "Remember the products of the moves, done, that others came after"
        dates = {}
        for move in moves:
            if move.product.cost_price_method in METHODS:
                key = move.company, move.product
                dates[key] = min(
                    dates.get(key, move.effective_date), move.effective_date)
        later = cls._get_later(dates)
        cls.create([{
                    'company': company.id,
                    'product': product.id,
                    'date': date,
                    } for (company, product), date in dates.items()
                if date < later.get((company, product), date)
                and cls._has_earlier(company, product, date)])

    @classmethod
    def _get_later(cls, dates):
        "Return the last date on which goods came in, by company and product"
        pool = Pool()
        Move = pool.get('stock.move')
        if not dates:
            return {}
        later = {}
        for move in Move.search([
                    ('product', 'in', [product.id for _, product in dates]),
                    ('effective_date', '>', min(dates.values())),
                    *cls._incoming]):
            key = move.company, move.product
            later[key] = max(
                later.get(key, move.effective_date), move.effective_date)
        return later

    @classmethod
    def _has_earlier(cls, company, product, date):
        "Return True if it is known what the goods cost before the date"
        pool = Pool()
        Move = pool.get('stock.move')
        return Move.search([
                ('company', '=', company.id),
                ('product', '=', product.id),
                ('effective_date', '<', date),
                *cls._incoming], limit=1, order=[])

    _incoming = [
        ('state', '=', 'done'),
        ('from_location.type', '!=', 'storage'),
        ('to_location.type', '=', 'storage'),
        ]

    @classmethod
    def take(cls, product):
        """Forget what is to be computed of the product and return the first
        date by company

        Empty if another process does. It must be the first that the
        transaction writes.
        """
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        table = cls.__table__()
        query = table.select(
            table.id, table.company, table.date,
            where=table.product == product)
        if transaction.database.has_select_for():
            query.for_ = transaction.database.get_select_for_skip_locked()(
                'UPDATE')
        else:
            cursor.execute(*table.update(
                    [table.product], [product],
                    where=table.product == product))
        cursor.execute(*query)
        dates, ids = {}, []
        for id_, company, date in cursor.fetchall():
            ids.append(id_)
            dates[company] = min(dates.get(company, date), date)
        cls.delete(cls.browse(ids))
        return dates


class Document(metaclass=PoolMeta):
    __name__ = 'offline_sales.document'

    @classmethod
    def _compute_costs(cls, deadline):
        "Compute the costs that were noted, each in a transaction of its own"
        pool = Pool()
        Cost = pool.get('offline_sales.document.cost')
        with Transaction().new_transaction(readonly=True):
            products = {c.product.id for c in Cost.search([])}
        for product in sorted(products):
            if time.monotonic() > deadline:
                break
            try:
                perform(partial(cls._compute_cost, product))
            except Exception:
                # It stays noted, and nothing else waits for it
                logger.exception("the cost of %s was not computed", product)

    @classmethod
    def _compute_cost(cls, product):
        pool = Pool()
        Cost = pool.get('offline_sales.document.cost')
        Product = pool.get('product.product')
        for company, date in Cost.take(product).items():
            with Transaction().set_context(
                    company=company, companies=[company],
                    _skip_warnings=True):
                Product.recompute_cost_price(
                    [Product(product)], start=date)
