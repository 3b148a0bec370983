# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Documents processed on PostgreSQL by several processes at once"
import time

import pytest

from trytond.pool import Pool

from .counter import Counter, balances, documents
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


@pytest.fixture
def day(shop):
    "What a branch has to send, and what becomes of it on SQLite"
    counter = Counter(shop.branch)
    counter.sell_some(40)
    counter.transfer("Fondo de caja", 100)
    counter.cut()
    counter.sell_some(20, start=40)
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
