# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What sending the tickets of a branch and doing them again takes

The central is on PostgreSQL, the branch on SQLite. What it is compared with
is measured on copies of the same central, in the same run.
"""
import statistics
import time
from functools import partial
from pathlib import Path

from proteus import Model

from trytond.modules.offline_sales.offline_sales.document import process
from trytond.modules.offline_sales.tests.process import Server, pair
from trytond.modules.offline_sales.tests.store import Cluster, SQLite
from trytond.modules.offline_sales.tests.template import TEMPLATES
from trytond.pool import Pool
from trytond.transaction import Transaction

CASHIER = 'esp.lupita'
BRANCH = 'ESP'
LINES = 3
BATCH = 40
# How many tickets are timed one by one
SAMPLE = 40
WORKER = {'queue': {'worker': True}}


# In the databases

def facts(kind):
    "Return who sells where, kind: offline or online"
    pool = Pool()
    User = pool.get('res.user')
    Register = pool.get('offline_sales.register')
    register, = Register.search([('branch.code', '=', BRANCH)])
    point = getattr(register, f'{kind}_point')
    user, = User.search([('login', '=', CASHIER)])
    company = point.company.id
    with Transaction().set_context(company=company):
        method, = pool.get('sale.point.payment.method').search([
                ('cash', '=', True), ('company', '=', company)])
        products = [
            p.id for p in pool.get('product.product').search(
                [('salable', '=', True)], order=[('code', 'ASC')])
            if p.gross_price_used]
    return {
        'user': user.id, 'company': company, 'point': point.id,
        'cash': method.id, 'products': products}


def make(seller, count, post):
    """Make tickets in batches, each in a transaction of its own, and return
    the seconds it took

    seller: see facts. post: whether they are posted too.
    """
    lines = process.perform(partial(_get_lines, seller))
    extras = {}
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        process.perform(
            partial(_make, seller, lines, numbers, post), extras)
    return time.perf_counter() - start


def _as(seller):
    return Transaction().set_context(
        company=seller['company'], companies=[seller['company']],
        _skip_warnings=True)


def _get_lines(seller):
    "Return the values of a line of each product"
    pool = Pool()
    Sale = pool.get('sale.point.sale')
    Line = pool.get('sale.point.sale.line')
    found = []
    with _as(seller):
        sale = Sale(point=seller['point'], company=seller['company'])
        for product in seller['products']:
            line = Line(sale=sale, product=product, quantity=1)
            line.on_change_product()
            found.append({
                    'product': product,
                    'quantity': 1,
                    'unit_list_price': line.unit_list_price,
                    'unit_gross_price': line.unit_gross_price,
                    })
    return found


def _make(seller, lines, numbers, post):
    pool = Pool()
    Payment = pool.get('sale.point.payment')
    Sale = pool.get('sale.point.sale')
    with Transaction().set_user(seller['user']), _as(seller):
        sales = Sale.create([{
                    'point': seller['point'],
                    'lines': [('create', [
                                lines[(number + i) % len(lines)]
                                for i in range(LINES)])],
                    } for number in numbers])
        Payment.create([{
                    'sale': sale.id,
                    'method': seller['cash'],
                    'amount': sale.total,
                    } for sale in sales])
        Sale.process(sales)
        if post:
            Sale.post(sales)


def send():
    "Return the seconds until all that is pending is safe at the central"
    Document = Pool().get('offline_sales.document')
    start = time.perf_counter()
    Document.send()
    return time.perf_counter() - start


def process_all():
    "Return the seconds that it takes without a worker"
    pool = Pool()
    Branch = pool.get('offline_sales.branch')
    Document = pool.get('offline_sales.document')
    start = time.perf_counter()
    Document.process(Branch.search([('code', '=', BRANCH)]))
    return time.perf_counter() - start


# Over XML-RPC

def sell(config, seller, product):
    "Make a ticket and post it by the buttons of the screen"
    Method = Model.get('sale.point.payment.method', config=config)
    Point = Model.get('sale.point', config=config)
    Product = Model.get('product.product', config=config)
    Sale = Model.get('sale.point.sale', config=config)
    sale = Sale(point=Point(seller['point']))
    count = len(seller['products'])
    for i in range(LINES):
        line = sale.lines.new()
        line.product = Product(seller['products'][(product + i) % count])
        line.quantity = 1
    sale.save()
    payment = sale.payments.new()
    payment.method = Method(seller['cash'])
    payment.amount = sale.total
    sale.save()
    sale.click('process')
    sale.click('post')


class Day:
    "A central that has a branch, which has a day of tickets to send"

    def __init__(self, directory, tickets):
        self.directory = Path(directory)
        self.tickets = tickets
        self.cluster = Cluster.shared(directory)
        self.central = self._server(TEMPLATES['company'].file(self.cluster))
        store = SQLite(self.directory)
        store.create('branch', TEMPLATES['selling'].file(store))
        self.branch = Server(store, 'branch', self.directory)

    def _server(self, template):
        name = self.cluster.name('central')
        self.cluster.create(name, template)
        return Server(self.cluster, name, self.directory, WORKER)

    def close(self):
        self.branch.close()
        self.drop(self.central)

    def drop(self, server):
        server.close()
        self.cluster.drop(server.database)

    def sell(self):
        "Sell the day at the branch, and return the seconds of it"
        self.central.start()
        self.branch.start()
        pair(self.central, self.branch)
        self.branch.run(
            "pool.get('offline_sales.update').obtain()", user=1)
        # The door: a usage is open from then on
        with self.branch.proteus(CASHIER, give=self.central.give_token):
            pass
        return self.branch.run(
            make, self.branch.run(facts, 'offline'), self.tickets, False)

    def upload(self):
        "Send the day, and keep what the central is then"
        seconds = self.branch.run(send)
        self.branch.close()
        self.central.close()
        self.received = self.directory / 'received.dump'
        self.cluster.save(self.central.database, self.received)
        return seconds

    def direct(self):
        server = self._server(self.received)
        try:
            return server.run(
                make, server.run(facts, 'online'), self.tickets, True)
        finally:
            self.drop(server)

    def inline(self):
        server = self._server(self.received)
        try:
            seconds = server.run(process_all)
            self._check(server)
            return seconds
        finally:
            self.drop(server)

    def by_proteus(self):
        "Return the seconds of a ticket, one by one"
        server = self._server(self.received)
        try:
            seller = server.run(facts, 'online')
            server.start()
            took = []
            with server.proteus('gerencia') as config:
                for number in range(min(SAMPLE, self.tickets)):
                    start = time.perf_counter()
                    sell(config, seller, number)
                    took.append(time.perf_counter() - start)
            return statistics.median(took)
        finally:
            self.drop(server)

    def by_workers(self, count):
        """Return the seconds that so many workers take, reckoned from when the
        first ticket was done"""
        server = self._server(self.received)
        try:
            with self.cluster.connect(server.database) as connection:
                server.spawn('trytond-worker', '-n', str(count))
                while not (first := _done(connection)):
                    time.sleep(.02)
                start = time.perf_counter()
                while (done := _done(connection)) < self.tickets:
                    time.sleep(.1)
                seconds = time.perf_counter() - start
            self._check(server)
            return seconds * done / max(1, done - first)
        finally:
            self.drop(server)

    def _check(self, server):
        with self.cluster.connect(server.database) as connection:
            states = dict(connection.execute(
                    "SELECT state, COUNT(*) FROM offline_sales_document "
                    "WHERE kind = 'ticket' GROUP BY state").fetchall())
        if states != {'processed': self.tickets}:
            raise RuntimeError(f"{states}\n{server.tail()}")


def _done(connection):
    count, = connection.execute(
        "SELECT COUNT(*) FROM offline_sales_document "
        "WHERE kind = 'ticket' AND state IN ('processed', 'rejected')"
        ).fetchone()
    return count


def run(report, directory, tickets=1000):
    "Measure, and put the figures into the report"
    day = Day(directory, tickets)
    try:
        report.note(f"{tickets} tickets of {LINES} lines: "
            f"sold at the branch in {day.sell():.1f} s")
        seconds = day.upload()
        report.put('upload.seconds_until_safe', seconds)
        report.note(f"safe at the central after {seconds:.1f} s")
        direct, inline = day.direct(), day.inline()
        report.put('process.direct_seconds', direct)
        report.put('process.seconds', inline)
        report.put('process.ratio_to_direct', inline / direct)
        report.note(f"direct {direct:.1f} s, processed {inline:.1f} s")
        single = day.by_proteus() * tickets
        report.put('process.proteus_seconds', single)
        report.put('process.speedup_over_proteus', single / inline)
        report.note(f"one by one over proteus {single:.1f} s")
        one, two = day.by_workers(1), day.by_workers(2)
        report.put('process.one_worker_seconds', one)
        report.put('process.two_workers_seconds', two)
        report.put('process.speedup_two_workers', one / two)
        report.note(f"one worker {one:.1f} s, two {two:.1f} s")
    finally:
        day.close()
