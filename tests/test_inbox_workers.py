# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Documents processed on PostgreSQL by several processes at once"
import os
import signal
import time

import pytest
from proteus import Model

from trytond.pool import Pool

from .counter import Counter, balances, contents, documents
from .test_inbox import Inbox


def receive(code, entries):
    "At the central, in a process of its own"
    pool = Pool()
    Branch = pool.get('offline_sales.branch')
    branch, = Branch.search([('code', '=', code)])
    return pool.get('offline_sales.document').receive(branch, entries)


def process(code):
    pool = Pool()
    Branch = pool.get('offline_sales.branch')
    pool.get('offline_sales.document').process(
        Branch.search([('code', '=', code)]))


def outcome():
    "What the documents have become, and what they left"
    pool = Pool()
    Document = pool.get('offline_sales.document')
    Sale = pool.get('sale.point.sale')
    Line = pool.get('account.move.line')
    Queue = pool.get('ir.queue')
    amounts = {}
    for line in Line.search([('move.state', '=', 'posted')]):
        amounts[line.account.code] = (
            amounts.get(line.account.code, 0) + line.debit - line.credit)
    return {
        'states': [
            [d.kind, d.state, d.reason]
            for d in Document.search([], order=[('id', 'ASC')])],
        'numbers': sorted(
            s.number for s in Sale.search([('state', '=', 'posted')])),
        'stock': Pool().get('stock.move').search([
                ('origin', 'like', 'sale.point.sale.line,%')], count=True),
        'balances': {c: a for c, a in amounts.items() if a},
        'waiting': Queue.search([('finished_at', '=', None)], count=True),
        }


def sweep():
    "As the cron does"
    Pool().get('offline_sales.document').sweep()


# make soak sells the whole day of a shop
TICKETS = int(os.environ.get('OFFLINE_SALES_TEST_TICKETS', 60))
_days = []


@pytest.fixture
def day(request):
    "What a branch has to send, and what becomes of it on SQLite"
    if not _days:
        _days.append(make_day(request.getfixturevalue('shop')))
    return _days[0]


def make_day(shop):
    counter = Counter(shop.branch)
    morning = TICKETS * 2 // 3
    counter.sell_some(morning)
    counter.transfer("Fondo de caja", 100)
    counter.cut()
    counter.sell_some(TICKETS - morning, start=morning)
    counter.cut()
    inbox = Inbox(shop)
    entries = inbox.entries()
    inbox.deliver()
    assert set(inbox.states()) == {'processed'}
    return {
        'entries': entries,
        'numbers': sorted(
            d['number'] for d in documents(
                shop.branch, ('kind', '=', 'ticket'))),
        'balances': balances(shop.central, counter.company),
        }


def check(found, day):
    assert {(state, reason) for _, state, reason in found['states']} == {
        ('processed', None)}
    assert len(found['states']) == len(day['entries'])
    assert found['numbers'] == day['numbers']
    assert found['balances'] == day['balances']


def test_inline(day, make_server):
    central = make_server('central', 'company', 'postgresql')
    result = central.run(receive, 'ESP', day['entries'])
    assert {r['state'] for r in result['receipts'].values()} == {'received'}
    central.run(process, 'ESP')
    found = central.run(outcome)
    check(found, day)
    again = central.run(receive, 'ESP', day['entries'])
    assert {r['state'] for r in again['receipts'].values()} == {'processed'}
    central.run(process, 'ESP')
    assert central.run(outcome) == found


def test_two_workers(day, make_server):
    central = make_server(
        'central', 'company', 'postgresql', {'queue': {'worker': True}})
    half = len(day['entries']) // 2
    # The tickets of the second half come first: those that wait go on
    central.run(receive, 'ESP', day['entries'][half:])
    central.spawn('trytond-worker', '-n', '2')
    central.run(receive, 'ESP', day['entries'][:half])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = central.run(outcome)
        if {state for _, state, _ in found['states']} == {'processed'}:
            break
        time.sleep(1)
    check(found, day)
    assert 'Traceback' not in central.tail(1000)


def sell(config, products, methods):
    "Sell at the online point and post at once, by the screens' own buttons"
    Sale = Model.get('sale.point.sale', config=config)
    Point = Model.get('sale.point', config=config)
    Product = Model.get('product.product', config=config)
    Method = Model.get('sale.point.payment.method', config=config)
    point, = Point.find([('id', '=', methods['point'])])
    sale = Sale(point=point)
    for product in products:
        line = sale.lines.new()
        line.product = Product(product)
        line.quantity = 1
    sale.save()
    payment = sale.payments.new()
    payment.method = Method(methods['cash'])
    payment.amount = sale.total
    sale.save()
    sale.click('process')
    sale.click('post')
    assert sale.state == 'posted'


def facts(code):
    pool = Pool()
    Register = pool.get('offline_sales.register')
    register, = Register.search([('branch.code', '=', code)])
    method, = pool.get('sale.point.payment.method').search([
            ('cash', '=', True),
            ('company', '=', register.branch.company.id)])
    return {'point': register.online_point.id, 'cash': method.id}


def test_online_cashier_is_never_refused(day, make_server):
    """While two workers process the day of a branch

    By the configuration of the manual.
    """
    central = make_server('central', 'company', 'postgresql', {
            'database': {'retry': 10}, 'queue': {'worker': True}})
    methods = central.run(facts, 'ESP')
    central.run(receive, 'ESP', day['entries'])
    central.start()
    products = sorted({
            node['values']['product']
            for entry in day['entries']
            for node in contents(entry)['record']['children'].get('lines', [])
            })[:2]
    sold = 0
    with central.proteus('gerencia') as config:
        Document = Model.get('offline_sales.document', config=config)
        central.spawn('trytond-worker', '-n', '2')
        deadline = time.monotonic() + 10 * TICKETS
        while Document.find(
                [('state', 'in', ['received', 'prepared'])], limit=1):
            assert time.monotonic() < deadline
            # Whatever is refused raises
            sell(config, products, methods)
            sold += 1
    assert sold
    found = central.run(outcome)
    assert {(state, reason) for _, state, reason in found['states']} == {
        ('processed', None)}
    assert set(day['numbers']) < set(found['numbers'])
    assert len(found['numbers']) == len(day['numbers']) + sold
    assert 'Traceback' not in central.tail(1000)


def test_sweep_takes_up_what_killed_workers_left(day, make_server):
    central = make_server(
        'central', 'company', 'postgresql', {'queue': {'worker': True}})
    central.run(receive, 'ESP', day['entries'])
    worker = central.spawn('trytond-worker', '-n', '2')
    central.start()
    with central.proteus() as config:
        Document = Model.get('offline_sales.document', config=config)
        while not Document.find(
                [('state', '=', 'prepared')], limit=1):
            time.sleep(.05)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    states = {state for _, state, _ in central.run(outcome)['states']}
    assert states & {'received', 'prepared'}
    central.run(sweep, user=0)
    check(central.run(outcome), day)
