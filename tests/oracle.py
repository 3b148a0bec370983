# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The differential oracle: offline equals online (N3)

Days are drawn from a seed and done twice: directly at a central, and at a
branch that sends them afterwards to a copy of that central. What both leave
there must be equal.
"""
import datetime as dt
from contextlib import ExitStack, contextmanager
from unittest.mock import patch
from zoneinfo import ZoneInfo

from trytond import config

from .counter import documents, send
from .days import NextDay, Send, draw
from .desk import Clerk, Office
from .ledger import difference, figures

__all__ = ['Difference', 'compare']

CASHIER = 'esp.lupita'
POINTS = {
    'central': "Esperancita en línea",
    'branch': "Esperancita sin internet",
    }
# At most two days are begun at the counter, and one at the office in each of
# two phases
DAYS = 4


class Difference(AssertionError):
    "The days did not leave the same"


class Failure(AssertionError):
    "The days could not be done"


class Clock:
    "What day it is at both databases"

    def __init__(self, shop):
        self.databases = [shop.central, shop.branch]
        zone = ZoneInfo('America/Mexico_City')
        self.start = dt.datetime.now(zone).date() - dt.timedelta(days=DAYS)
        self.today = self.start

    def next(self):
        self.today += dt.timedelta(days=1)

    @contextmanager
    def set(self):
        "Have it be the first of the days"
        self.today = self.start
        with ExitStack() as stack:
            for database in self.databases:
                stack.enter_context(patch.object(
                        database.get('ir.date'), 'today',
                        lambda timezone=None: self.today))
                Branch = database.get('offline_sales.branch')
                stack.enter_context(patch.object(
                        Branch, '_now', lambda: dt.datetime.combine(
                            self.today, dt.time(18), dt.timezone.utc)))
            yield


class Oracle:

    def __init__(self, shop, days):
        self.shop = shop
        self.days = days
        self.clock = Clock(shop)

    def login(self, who, database, login, *args):
        return who.login(self.shop.web.url, database, login, *args)

    @contextmanager
    def patience(self):
        "Nobody is logged out while another works, however slow the machine"
        timeout = config.get('session', 'timeout')
        config.set('session', 'timeout', str(24 * 60 * 60))
        try:
            yield
        finally:
            config.set('session', 'timeout', timeout)

    def compare(self):
        "Raise Difference if it matters where the days are done"
        with self.patience():
            self._compare()

    def _compare(self):
        central = self.shop.central
        # Who is logged in before the copy is so in the copy
        with self.login(Office, 'central', 'admin') as office:
            office.set_up(self.days)
            snapshot = central.save(central.file.with_suffix('.before'))
            with self.clock.set():
                self.do_online(office)
                online = figures(central)
            central.restore(snapshot)
            with self.clock.set():
                self.do_offline(office)
                offline = figures(central)
        if found := difference(online, offline):
            raise Difference(f"{found}\n{self.days}")

    def do_online(self, office):
        with self.login(
                Clerk, 'central', CASHIER, POINTS['central'],
                office) as clerk:
            for acts, edits in self.days.phases:
                for act in acts:
                    self.do(clerk, act)
                # A branch's sales are of the day on which they were made
                office.post()
                self.edit(office, edits)
        office.reconcile()

    def do_offline(self, office):
        self.shop.obtain()
        with self.login(
                Clerk, 'branch', CASHIER, POINTS['branch']) as clerk:
            for acts, edits in self.days.phases:
                for act in acts:
                    self.do(clerk, act)
                self.edit(office, edits)
                self.refresh()
        send(self.shop)
        self.check_sent()
        office.post()
        office.reconcile()

    def refresh(self):
        "Send and obtain, as the schedule does"
        branch = self.shop.branch
        with branch.transaction():
            branch.get('offline_sales.update').obtain(send=True)

    def do(self, clerk, act):
        if isinstance(act, NextDay):
            self.clock.next()
        elif not isinstance(act, Send):
            clerk.do(act)
        elif not clerk.office:
            send(self.shop)

    def edit(self, office, edits):
        self.clock.next()
        for edit in edits:
            office.edit(edit)

    def check_sent(self):
        left = [
            (d['kind'], d['number'], d['state'], d['reason'], d['text'])
            for d in documents(self.shop.branch)
            if d['state'] not in {'accepted', 'withdrawn'}]
        if left:
            raise Difference(f"not accepted: {left}\n{self.days}")


def compare(shop, seed):
    """Do the days of the seed both ways and return them, raise Difference if
    they do not leave the same"""
    def read():
        Product = shop.central.get('product.product')
        Party = shop.central.get('party.party')
        products = {
            p.code: p.sale_uom.digits
            for p in Product.search([('salable', '=', True)])
            if p.gross_price_used is not None}
        customers = [
            p.name for p in Party.search([('addresses', '!=', None)])
            if p.customer_payment_term]
        return products, customers
    company, = shop.central.run(lambda: [
            c.id for c in shop.central.get('company.company').search([])])
    products, customers = shop.central.run(
        read, context={'company': company})
    discount = 'discount_rate' in shop.central.get('sale.line')._fields
    days = draw(seed, products, sorted(customers), discount)
    try:
        Oracle(shop, days).compare()
    except Difference:
        raise
    except Exception as e:
        raise Failure(f"{e}\n{days}") from e
    return days
