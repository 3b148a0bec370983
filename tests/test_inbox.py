# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Documents at the central: kept, done again exactly once, or set aside"
import datetime as dt
import uuid
from decimal import Decimal

import pytest

from trytond import backend
from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)
from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    payload, process)

from .counter import (
    Counter, balances, contents, documents, figures, send, stock)


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


@pytest.fixture
def inbox(shop):
    return Inbox(shop)


class Inbox:
    "The central's side, without the wire"

    def __init__(self, shop):
        self.shop = shop
        self.database = shop.central

        def read():
            branch, = self.get('offline_sales.branch').search([
                    ('code', '=', shop.code)])
            return branch.id
        self.branch = self.database.run(read)
        point = Counter(self.database, kind='offline').point
        self.offline = [('point', '=', point)]

    def get(self, name):
        return self.database.get(name)

    def entries(self, *domain):
        "What the branch has to send, in order"
        return [
            {name: d[name] for name in ['uuid', 'kind', 'sha256', 'payload']}
            for d in documents(self.shop.branch, *domain)
            if d['state'] != 'withdrawn']

    def receive(self, entries, branch=None):
        def receive():
            Branch = self.get('offline_sales.branch')
            return self.get('offline_sales.document').receive(
                Branch(branch or self.branch), entries)
        return self.database.run(receive)

    def process(self, budget=None, branch=None):
        def process():
            Branch = self.get('offline_sales.branch')
            self.get('offline_sales.document').process(
                [Branch(branch or self.branch)], budget=budget)
        self.database.run(process)

    def deliver(self, *domain):
        self.receive(self.entries(*domain))
        self.process()

    def report(self, entries):
        def report():
            Branch = self.get('offline_sales.branch')
            return self.get('offline_sales.document').report(
                Branch(self.branch), {e['uuid']: e['sha256'] for e in entries})
        return self.database.run(report)

    def states(self, *domain):
        return [d['state'] for d in documents(self.database, *domain)]

    def tickets(self):
        return documents(self.database, ('kind', '=', 'ticket'))


def change(entry, function, new_uuid=False):
    "Return the entry with its contents changed by function, and signed again"
    values = wire.loads(entry['payload'].encode())
    if new_uuid:
        values['uuid'] = str(uuid.uuid4())
    function(values)
    text = payload.dump(values)
    return {
        **entry,
        'uuid': values['uuid'],
        'payload': text,
        'sha256': payload.digest(text),
        }


# What is done again

def test_offline_equals_online(shop, counter, make_database):
    "The same day made directly at a central, and through a branch"
    online = Counter(make_database('central2', 'company'), kind='online')
    location = storage(online)
    for cashier in [online, counter]:
        cashier.sell_some(9)
        cashier.sell([
                (cashier.codes(1, decimals=True)[0], -1.5),
                (cashier.codes(1, decimals=False)[0], 3)])
        cashier.transfer("Fondo de caja", 500)
        cashier.transfer("Faltante", '-3.50')
        cashier.cut()

    def post():
        Sale = online.get('sale.point.sale')
        Sale.post(Sale.search([('state', '=', 'done')], order=[('id', 'ASC')]))
        post_sessions(online.database)
    online.database.run(post, context={'company': online.company})
    send(shop)
    shop.central.run(
        lambda: post_sessions(shop.central),
        context={'company': online.company})
    assert stock(online.database, location) == stock(shop.central, location)
    assert balances(online.database, online.company) == balances(
        shop.central, online.company)
    assert taxes(online.database) == taxes(shop.central)
    assert sessions(online.database, online.point) == sessions(
        shop.central, Counter(shop.central, kind='offline').point)
    made = figures(online.database, [('point', '=', online.point)])
    done = figures(shop.central, Inbox(shop).offline)
    assert list(made.values()) == list(done.values())


def storage(counter):
    def read():
        point = counter.get('sale.point')(counter.point)
        return point.storage_location.id
    return counter.database.run(read)


def post_sessions(database):
    Session = database.get('sale.point.cash.session')
    Session.post(Session.search([('state', '=', 'closed')]))


def taxes(database):
    def read():
        found = {}
        for line in database.get('account.tax.line').search([]):
            key = line.tax.name, line.type
            found[key] = found.get(key, 0) + line.amount
        return found
    return database.run(read)


def sessions(database, point):
    def read():
        Session = database.get('sale.point.cash.session')
        return [
            (s.start_amount, s.balance, s.end_amount, s.state,
                sorted((t.type.name, t.amount, t.state, t.move.state)
                    for t in s.transfers))
            for s in Session.search([('point', '=', point)])]
    return database.run(read)


def test_ticket_is_that_of_the_branch(shop, counter, inbox):
    counter.sell_some(6)
    send(shop)
    assert figures(shop.central, inbox.offline) == figures(
        shop.branch, [])


def test_number_is_that_of_the_branch(shop, counter, inbox):
    "Whatever number the central would give next"
    def go_on():
        sequence = counter.get('sale.point')(counter.point).sequence
        sequence.number_next = 700
        sequence.save()
    shop.branch.run(go_on)
    counter.sell_some(2)
    send(shop)
    assert list(figures(shop.central, inbox.offline)) == [
        'ESP-SI-000701', 'ESP-SI-000700']


def test_ticket_is_made_by_its_cashier_on_its_date(shop, counter, inbox):
    date = dt.date.today() - dt.timedelta(days=2)
    counter.sell([(counter.codes(1)[0], 2)], date=date)
    send(shop)

    def read():
        sale, = inbox.get('sale.point.sale').search(inbox.offline)
        stock_move, = sale.lines[0].moves
        return (
            sale.create_uid.login, sale.date, sale.state,
            stock_move.state, stock_move.effective_date,
            stock_move.create_uid.login,
            sale.move.state, sale.move.date, sale.move.create_uid.login)
    assert shop.central.run(read) == (
        'esp.lupita', date, 'posted', 'done', date, 'esp.lupita', 'posted',
        date, 'esp.lupita')


def test_ticket_of_late_evening_is_of_that_day(
        shop, counter, inbox, monkeypatch):
    "23:30 in Tijuana is the next day in Greenwich and in Mexico City"
    now = dt.datetime(
        dt.date.today().year, 1, 10, 7, 30, tzinfo=dt.timezone.utc)
    monkeypatch.setattr(
        shop.branch.get('offline_sales.branch'), '_now',
        classmethod(lambda cls: now))

    def set_zone():
        branch, = shop.branch.get('offline_sales.branch').search([])
        branch.timezone = 'America/Tijuana'
        branch.save()
    shop.branch.run(set_zone)
    counter.sell([(counter.codes(1)[0], 1)])
    send(shop)

    def read():
        sale, = inbox.get('sale.point.sale').search(inbox.offline)
        move, = sale.lines[0].moves
        return sale.date, sale.move.date, move.effective_date
    day = dt.date(now.year, 1, 9)
    assert shop.central.run(read) == (day, day, day)
    assert {d['date'] for d in documents(shop.branch)} == {
        d['date'] for d in inbox.tickets()} == {day}


def test_payment_is_of_the_session_of_the_branch(shop, counter, inbox):
    online = Counter(shop.central)
    online.sell([(online.codes(1)[0], 1)])
    counter.sell_some(3)
    send(shop)

    def read():
        return {
            (p.session.point.id, p.session.state)
            for p in inbox.get('sale.point.payment').search([
                    ('sale.point.id', '!=', online.point),
                    ('session', '!=', None)])}
    assert shop.central.run(read) == {
        (Counter(shop.central, kind='offline').point, 'closed')}
    # That of the central's own point is as it was
    online.session()


def test_returned_goods_come_back(shop, counter, inbox):
    code, = counter.codes(1)
    location = storage(Counter(shop.central, kind='offline'))
    before = stock(shop.central, location)[code]
    counter.sell([(code, -2)])
    send(shop)
    assert inbox.states() == ['processed'] * 2
    assert stock(shop.central, location)[code] == before + 2


# Exactly once

def test_receipt_is_the_same_each_time(shop, counter, inbox):
    counter.sell_some(3)
    entries = inbox.entries()
    first = inbox.receive(entries)
    assert inbox.receive(entries) == first
    assert len(documents(shop.central)) == 4
    inbox.process()
    before = balances(shop.central, counter.company)
    second = inbox.receive(entries)
    inbox.process()
    assert {r['state'] for r in second['receipts'].values()} == {'processed'}
    assert len(documents(shop.central)) == 4
    assert balances(shop.central, counter.company) == before


def test_contradiction_in_one_request(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    other = change(ticket, lambda v: v['totals'].update(total=Decimal(1)))
    with pytest.raises(wire.Malformed):
        inbox.receive([session, ticket, other])
    assert not inbox.tickets()


def test_repeated_in_one_request(shop, counter, inbox):
    counter.sell_some(1)
    entries = inbox.entries()
    inbox.receive(entries + entries)
    inbox.process()
    assert inbox.states() == ['processed'] * 2


def test_any_order(shop, counter, inbox):
    counter.sell_some(2)
    counter.cut()
    counter.sell_some(2, start=2)
    counter.cut()
    for entry in reversed(inbox.entries()):
        inbox.receive([entry])
        inbox.process()
    assert inbox.states() == ['processed'] * 8


def test_other_contents_are_refused_and_kept_in_sight(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    inbox.deliver()
    before = balances(shop.central, counter.company)

    def less(values):
        values['totals']['total'] -= 1
    other = change(ticket, less)
    receipt = inbox.receive([other])['receipts'][ticket['uuid']]
    assert receipt['state'] == 'rejected'
    assert receipt['reason']['code'] == 'contents_changed'
    assert inbox.receive([other])['receipts'][ticket['uuid']] == receipt
    inbox.process()
    assert balances(shop.central, counter.company) == before
    kept, = documents(shop.central, ('original', '!=', None))
    assert kept['payload'] == other['payload']
    assert kept['state'] == 'rejected' and "other contents" in kept['text']
    answer = inbox.report([other])['documents'][ticket['uuid']]
    assert answer['reason']['code'] == 'contents_changed'
    assert inbox.report([ticket])['documents'][ticket['uuid']][
        'state'] == 'processed'


def test_other_contents_show_at_the_branch_too(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()

    def less(values):
        values['totals']['total'] -= 1
    inbox.receive([session, change(ticket, less)])
    message = send(shop)
    at_branch, = documents(shop.branch, ('kind', '=', 'ticket'))
    assert (at_branch['state'], at_branch['reason']) == (
        'rejected', 'contents_changed')
    assert "Need attention" in message


def test_damaged_on_the_way_is_sent_again(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    damaged = {**ticket, 'payload': ticket['payload'] + ' '}
    receipt = inbox.receive([damaged])['receipts'][ticket['uuid']]
    assert receipt['state'] == 'unknown'
    assert documents(shop.central) == []
    inbox.deliver()
    assert inbox.states() == ['processed'] * 2


def test_number_of_another_ticket_is_not_taken(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()

    def twin(values):
        tree = values['record']
        tree['key'] = str(uuid.uuid4())
        for children in tree['children'].values():
            for child in children:
                child['key'] = str(uuid.uuid4())
    for entries in [
            [session, ticket, change(ticket, twin, new_uuid=True)],
            [change(ticket, twin, new_uuid=True)]]:
        inbox.receive(entries)
        inbox.process()
    assert [(d['state'], d['reason']) for d in inbox.tickets()] == [
        ('processed', None), ('rejected', 'number_taken'),
        ('rejected', 'number_taken')]
    assert len(figures(shop.central, inbox.offline)) == 1


def test_record_of_another_document_is_not_made_again(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()

    def renumber(values):
        for place in [values['header'], values['record']['values']]:
            place['number'] = 'ESP-SI-999999'
    inbox.deliver()
    inbox.receive([change(ticket, renumber, new_uuid=True)])
    inbox.process()
    assert [(d['state'], d['reason']) for d in inbox.tickets()] == [
        ('processed', None), ('rejected', 'identity_taken')]


def test_crash_between_the_stages(shop, counter, inbox, monkeypatch):
    counter.sell_some(3)
    Document = inbox.get('offline_sales.document')
    monkeypatch.setattr(
        Document, '_post_company', classmethod(lambda cls, *args: None))
    inbox.deliver()
    assert inbox.states() == ['processed'] + ['prepared'] * 3
    # Nothing is posted yet, everything is there
    before = balances(shop.central, counter.company)
    drafts = balances(shop.central, counter.company, posted=False)
    assert before != drafts
    monkeypatch.undo()

    def sweep():
        Document.sweep()
    shop.central.run(sweep, user=0)
    assert inbox.states() == ['processed'] * 4
    assert balances(shop.central, counter.company) == drafts


def test_prepared_ticket_posted_by_hand(shop, counter, inbox, monkeypatch):
    counter.sell_some(2)
    Document = inbox.get('offline_sales.document')
    monkeypatch.setattr(
        Document, '_post_company', classmethod(lambda cls, *args: None))
    inbox.deliver()

    def moves():
        return inbox.get('stock.move').search([], count=True)
    before = shop.central.run(moves)

    def post():
        Sale = inbox.get('sale.point.sale')
        Sale.post(Sale.search([('state', '=', 'done')]))
    shop.central.run(post, context={'company': counter.company})
    assert shop.central.run(moves) == before
    drafts = balances(shop.central, counter.company, posted=False)
    assert balances(shop.central, counter.company) == drafts
    monkeypatch.undo()
    inbox.process()
    assert inbox.states() == ['processed'] * 3
    assert balances(shop.central, counter.company) == drafts


def test_prepared_ticket_cannot_be_reopened(
        shop, counter, inbox, monkeypatch):
    counter.sell_some(1)
    Document = inbox.get('offline_sales.document')
    monkeypatch.setattr(
        Document, '_post_company', classmethod(lambda cls, *args: None))
    inbox.deliver()

    def reopen():
        Sale = inbox.get('sale.point.sale')
        Sale.open(Sale.search([('state', '=', 'done')]))
    with pytest.raises(UserError):
        shop.central.run(reopen, context={'company': counter.company})


def test_draft_move_of_a_prepared_ticket_is_not_deleted(
        shop, counter, inbox, monkeypatch):
    counter.sell_some(1)
    Document = inbox.get('offline_sales.document')
    monkeypatch.setattr(
        Document, '_post_company', classmethod(lambda cls, *args: None))
    inbox.deliver()

    def delete():
        Move = inbox.get('account.move')
        Move.delete(Move.search([
                    ('state', '=', 'draft'),
                    ('origin.id', '!=', None, 'sale.point.sale')]))
    with pytest.raises(UserError):
        shop.central.run(delete, context={'company': counter.company})


def test_crash_while_processing_leaves_all_as_it_was(
        shop, counter, inbox, monkeypatch):
    counter.sell_some(3)
    inbox.receive(inbox.entries())
    Sale = inbox.get('sale.point.sale')

    class Killed(BaseException):
        pass

    def kill(cls, sales):
        raise Killed
    monkeypatch.setattr(Sale, 'prepare_posting', classmethod(kill))
    with pytest.raises(Killed):
        inbox.process()
    assert inbox.states() == ['processed'] + ['received'] * 3
    assert figures(shop.central, inbox.offline) == {}
    monkeypatch.undo()
    inbox.process()
    assert inbox.states() == ['processed'] * 4


def test_processed_by_one_only(shop, counter, inbox):
    counter.sell_some(2)
    inbox.receive(inbox.entries())
    inbox.process()
    Document = inbox.get('offline_sales.document')
    ids = [d['id'] for d in inbox.tickets()]
    for kind in ['ticket']:
        assert shop.central.run(
            lambda kind=kind: Document._prepare(kind, ids)) == 0
    assert len(figures(shop.central, inbox.offline)) == 2


def test_lock_asked_for_is_no_rejection(shop, counter, inbox, monkeypatch):
    counter.sell_some(2)
    Sale = inbox.get('sale.point.sale')
    prepare = Sale.prepare_posting
    asked = []

    def lock(cls, sales):
        asked.append(len(sales))
        Transaction().lock_table('sale_point_sale')
        prepare(sales)
    monkeypatch.setattr(Sale, 'prepare_posting', classmethod(lock))
    inbox.deliver()
    assert inbox.states() == ['processed'] * 3
    assert set(asked) == {2} and len(asked) > 1


def test_busy_database_is_no_rejection(shop, counter, inbox, monkeypatch):
    counter.sell_some(1)
    Sale = inbox.get('sale.point.sale')
    prepare = Sale.prepare_posting
    tries = []

    def busy(cls, sales):
        tries.append(1)
        if len(tries) < 3:
            raise backend.DatabaseOperationalError("database is locked")
        prepare(sales)
    monkeypatch.setattr(Sale, 'prepare_posting', classmethod(busy))
    inbox.deliver()
    assert inbox.states() == ['processed'] * 2


def test_time_is_bounded(shop, counter, inbox):
    counter.sell_some(3)
    inbox.receive(inbox.entries())
    inbox.process(budget=0)
    assert inbox.states() == ['received'] * 4
    inbox.process(budget=60)
    assert inbox.states() == ['processed'] * 4


# Set aside

@pytest.mark.parametrize('places', [[0], [4], [1, 3], [0, 1, 2, 3, 4]])
def test_bad_ones_are_set_aside_alone(
        shop, counter, inbox, monkeypatch, places):
    "Whatever fails, and wherever it stands in its batch"
    counter.sell_some(5)
    tickets = documents(shop.branch, ('kind', '=', 'ticket'))
    bad = {tickets[place]['number'] for place in places}
    Sale = inbox.get('sale.point.sale')
    prepare = Sale.prepare_posting

    def fail(cls, sales):
        if bad & {s.number for s in sales}:
            raise ZeroDivisionError("somewhere")
        prepare(sales)
    monkeypatch.setattr(Sale, 'prepare_posting', classmethod(fail))
    inbox.deliver()
    found = {d['number']: d for d in inbox.tickets()}
    assert {n for n, d in found.items() if d['state'] == 'rejected'} == bad
    for number in bad:
        assert found[number]['reason'] == 'fault'
        assert "ZeroDivisionError: somewhere" in found[number]['text']
    assert figures(
        shop.central, inbox.offline).keys() == found.keys() - bad


def reject_one(inbox, function):
    """Change the second of three tickets by function, process them and return
    its document"""
    session, first, second, third = inbox.entries()
    changed = change(second, function)
    inbox.receive([session, first, changed, third])
    inbox.process()
    one, two, three = inbox.tickets()
    assert (one['state'], three['state']) == ('processed', 'processed')
    assert two['state'] == 'rejected'
    assert two['payload'] == changed['payload']
    assert len(figures(inbox.database, inbox.offline)) == 2
    return two


def line(values):
    return values['record']['children']['lines'][0]


@pytest.mark.parametrize('name', [
        'total', 'tax', 'quantity', 'lines', 'payments', 'taxes', 'base'])
def test_total_that_differs(shop, counter, inbox, name):
    def falsify(values):
        totals = values['totals']
        if name in {'payments', 'taxes'}:
            totals[name][0]['amount'] += Decimal('.01')
        elif name == 'base':
            totals['taxes'][0]['base'] += Decimal('.01')
        elif name == 'lines':
            totals[name] += 1
        else:
            totals[name] += Decimal('.01')
    counter.sell_some(3)
    two = reject_one(inbox, falsify)
    assert two['reason'] == (
        'tax_changed' if name in {'taxes', 'base'} else 'total_changed')


def test_value_that_is_kept_other_than_it_was_sent(
        shop, counter, inbox, monkeypatch):
    "Another module of the central has its own mind"
    counter.sell_some(3)
    Line = inbox.get('sale.point.sale.line')
    preprocess = Line.preprocess_values
    _, first, second, _ = documents(shop.branch)
    odd = contents(second)['record']['children']['lines'][0]['values']

    def change_product(cls, mode, values):
        values = preprocess(mode, values)
        if values.get('product') == odd['product']:
            values['product'] = others[0]
        return values
    others = [
        l['values']['product']
        for l in contents(first)['record']['children']['lines']]
    monkeypatch.setattr(
        Line, 'preprocess_values', classmethod(change_product))
    inbox.deliver()
    two, = [d for d in inbox.tickets() if d['number'] == second['number']]
    assert (two['state'], two['reason']) == ('rejected', 'value_changed')
    assert str(odd['product']) in two['text']


def test_missing_line(shop, counter, inbox):
    def drop(values):
        values['record']['children']['lines'].pop()
    counter.sell_some(3)
    assert reject_one(inbox, drop)['reason'] == 'not_paid'


def test_quantity_changed(shop, counter, inbox):
    def change_quantity(values):
        line(values)['values']['quantity'] += 1
    counter.sell_some(3)
    assert reject_one(inbox, change_quantity)['reason'] in {
        'not_paid', 'total_changed'}


def test_price_changed(shop, counter, inbox):
    def reprice(values):
        line(values)['values']['unit_list_price'] += Decimal('.5')
    counter.sell_some(3)
    assert reject_one(inbox, reprice)['reason'] == 'total_changed'


def test_missing_product(shop, counter, inbox):
    def lose(values):
        line(values)['values']['product'] = 999_999
    counter.sell_some(3)
    two = reject_one(inbox, lose)
    assert two['reason'] == 'missing_record'
    assert 'product.product' in two['text'] and '999999' in two['text']


def test_field_that_is_not_known_here(shop, counter, inbox):
    def extend(values):
        line(values)['values']['loyalty'] = 7
    counter.sell_some(3)
    two = reject_one(inbox, extend)
    assert two['reason'] == 'unknown_field' and 'loyalty' in two['text']


def test_children_that_are_not_known_here(shop, counter, inbox):
    def extend(values):
        values['record']['children']['stamps'] = [{
                'model': 'sale.point.stamp', 'key': str(uuid.uuid4()),
                'values': {}, 'children': {}}]
    counter.sell_some(3)
    assert reject_one(inbox, extend)['reason'] == 'unknown_field'


@pytest.mark.parametrize('function', [
        lambda v: v['record'].update(model='res.user'),
        lambda v: v['record'].update(key=1),
        lambda v: v['record'].pop('values'),
        lambda v: v['record']['values'].update(number='X-1'),
        lambda v: v['header'].update(number='A\nB'),
        lambda v: v['header'].update(date='yesterday'),
        lambda v: v['header'].update(point=[1]),
        lambda v: v['totals'].update(taxes='none'),
        lambda v: v['totals'].update(payments=[{'method': 'cash'}]),
        lambda v: v['totals'].update(total=Decimal('1.001')),
        lambda v: v['totals'].update(total='a lot'),
        lambda v: v.update(version=99),
        lambda v: v.pop('totals'),
        lambda v: v.update(left_out=5),
        lambda v: line(v)['values'].update(product=[1]),
        ])
def test_nonsense_is_kept_and_rejected(shop, counter, inbox, function):
    counter.sell_some(3)
    assert reject_one(inbox, function)['reason'] in {
        'unreadable', 'identity_taken'}


@pytest.mark.parametrize('function', [
        lambda v: line(v)['values'].update(quantity='three'),
        lambda v: line(v)['values'].update(unit_list_price=None),
        lambda v: line(v)['values'].update(product=None),
        lambda v: line(v)['values'].update(quantity=1.23456789),
        lambda v: v['record']['values'].update(number='N' * 50),
        ])
def test_values_that_cannot_be(shop, counter, inbox, function):
    counter.sell_some(3)
    reject_one(inbox, function)


def test_other_kind(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    inbox.receive([session, {**ticket, 'kind': 'coupon'}])
    inbox.process()
    kept, = documents(shop.central, ('state', '=', 'rejected'))
    assert (kept['kind'], kept['reason']) == ('unknown', 'unreadable')
    assert kept['payload'] == ticket['payload']


def test_other_point(shop, counter, inbox):
    other = Counter(shop.central, kind='online').point

    def move(values):
        values['header']['point'] = other
        values['record']['values']['point'] = other
    counter.sell_some(3)
    assert reject_one(inbox, move)['reason'] == 'foreign_point'


def test_other_branch(shop, counter, inbox):
    "One branch can neither send for another nor ask for its documents"
    counter.sell_some(1)
    session, ticket = inbox.entries()

    def read():
        other, = inbox.get('offline_sales.branch').search([
                ('code', '!=', shop.code)], limit=1)
        return other.id
    other = shop.central.run(read)
    inbox.receive([session, ticket], branch=other)
    inbox.process(branch=other)
    assert {(d['state'], d['reason']) for d in documents(shop.central)} == {
        ('rejected', 'foreign_point')}

    def report():
        Branch = inbox.get('offline_sales.branch')
        return inbox.get('offline_sales.document').report(
            Branch(inbox.branch), {ticket['uuid']: ticket['sha256']})
    assert shop.central.run(report)['documents'][ticket['uuid']][
        'state'] == 'unknown'


def test_identity_of_another_branch(shop, counter, inbox):
    counter.sell_some(1)
    entries = inbox.entries()

    def read():
        other, = inbox.get('offline_sales.branch').search([
                ('code', '!=', shop.code)], limit=1)
        return other.id
    inbox.receive(entries, branch=shop.central.run(read))
    receipts = inbox.receive(entries)['receipts']
    assert {r['reason']['code'] for r in receipts.values()} == {
        'contents_changed'}


def test_other_user(shop, counter, inbox):
    def impersonate(values):
        values['header']['user'] = 1
    counter.sell_some(3)
    assert reject_one(inbox, impersonate)['reason'] == 'foreign_user'


def change_branch(inbox, code=None, **values):
    "Write the branch of the code at the central"
    def write():
        Branch = inbox.get('offline_sales.branch')
        Branch.write(
            Branch.search([('code', '=', code or inbox.shop.code)]), values)
    inbox.database.run(write)


def test_cashier_who_has_left_and_point_that_was_given_up(
        shop, counter, inbox):
    "What was made before comes late"
    counter.sell_some(2)
    counter.invoice([(counter.codes(1)[0], 2)])
    other = Counter(shop.central, kind='online').point

    def register():
        register, = inbox.get('offline_sales.register').search([
                ('branch', '=', inbox.branch)])
        return register.id
    change_branch(
        inbox, users=[('remove', [counter.user])], registers=[
            ('write', [shop.central.run(register)], {
                    'online_point': None, 'offline_point': other})])
    inbox.deliver()
    assert [(d['state'], d['reason']) for d in documents(shop.central)] == [
        ('processed', None)] * 4
    assert {d['user'] for d in inbox.tickets()} == {'esp.lupita'}


def test_point_that_another_branch_has_now(shop, counter, inbox):
    counter.sell_some(1)

    def move():
        Register = inbox.get('offline_sales.register')
        other, = inbox.get('offline_sales.branch').search([
                ('code', '!=', shop.code)], limit=1)
        Register.delete(Register.search([('branch', '=', other.id)]))
        Register.write(
            Register.search([('branch', '=', inbox.branch)]),
            {'branch': other.id})
    shop.central.run(move)
    inbox.deliver()
    assert {(d['state'], d['reason']) for d in documents(shop.central)} == {
        ('rejected', 'foreign_point')}


def test_cashier_who_is_put_back(shop, counter, inbox):
    "e.g. after the central was restored from a copy that did not know him"
    counter.sell_some(1)

    def forget():
        pool = Pool()
        BranchUser = pool.get('offline_sales.branch-res.user')
        for table in [BranchUser.__table__(), BranchUser.__table_history__()]:
            Transaction().connection.cursor().execute(
                *table.delete(where=table.user == counter.user))

    def sweep():
        inbox.get('offline_sales.document').sweep()
    shop.central.run(forget)
    send(shop)
    for side in [shop.central, shop.branch]:
        assert {(d['state'], d['reason']) for d in documents(side)} == {
            ('rejected', 'foreign_user')}
    shop.central.run(sweep)
    assert set(inbox.states()) == {'rejected'}
    change_branch(inbox, users=[('add', [counter.user])])
    shop.central.run(sweep)
    assert set(inbox.states()) == {'processed'}
    send(shop)
    assert {(d['state'], d['reason']) for d in documents(shop.branch)} == {
        ('accepted', None)}


def test_session_of_another_point(shop, counter, inbox):
    online = Counter(shop.central)
    online.sell([(online.codes(1)[0], 1)])
    session = online.session()

    def pour(values):
        for payment in values['record']['children']['payments']:
            payment['values']['session'] = session
    counter.sell_some(3)
    session, first, second, third = inbox.entries()
    first = change(first, pour)
    inbox.receive([session, first, second, third])
    inbox.process()
    assert [d['state'] for d in inbox.tickets()] == [
        'rejected', 'processed', 'processed']


def test_session_at_a_point_of_the_central(shop, counter, inbox):
    online = Counter(shop.central)
    online.sell([(online.codes(1)[0], 1)])
    online.cut()

    def move(values):
        values['record']['values']['point'] = online.point
    counter.sell_some(1)
    session, ticket = inbox.entries()
    inbox.receive([change(session, move), ticket])
    inbox.process()
    rejected, waiting = documents(shop.central)
    assert (rejected['state'], rejected['reason']) == (
        'rejected', 'unreadable')
    assert waiting['state'] == 'received'


def test_session_that_the_branch_did_not_open(shop, counter, inbox):
    "Its cut would count the drawer of another"
    online = Counter(shop.central)
    online.sell([(online.codes(1)[0], 1)])
    other = online.session()
    counter.sell_some(1)
    counter.cut()
    *entries, cut = inbox.entries()

    def take(values):
        values['record']['key'] = other
        values['record']['values']['point'] = online.point
    inbox.receive([*entries, change(cut, take)])
    inbox.process()
    assert inbox.states(('kind', '=', 'cash_cut')) == ['rejected']


def test_session_is_counted_once(shop, counter, inbox):
    counter.sell_some(1)
    counter.cut()
    *entries, cut = inbox.entries()
    inbox.receive([*entries, cut, change(cut, lambda v: None, new_uuid=True)])
    inbox.process()
    assert inbox.states(('kind', '=', 'cash_cut')) == [
        'processed', 'rejected']


def test_cash_without_session(shop, counter, inbox):
    "None is opened for it"
    def drop(values):
        for payment in values['record']['children']['payments']:
            del payment['values']['session']
    counter.sell([(counter.codes(1)[0], 1)])
    session, ticket = inbox.entries()
    inbox.receive([session, change(ticket, drop)])
    inbox.process()
    two, = inbox.tickets()
    assert (two['state'], two['reason']) == ('rejected', 'unreadable')

    def read():
        return [s.state for s in inbox.get(
                'sale.point.cash.session').search(inbox.offline)]
    assert shop.central.run(read) == ['closed']


def test_changed_unit_of_sale(shop, counter, inbox):
    "Two pieces are no two boxes"
    code, = counter.codes(1, decimals=False)
    online = Counter(shop.central, kind='offline')
    counter.sell([(code, 2)])

    def pack():
        Uom = inbox.get('product.uom')
        product = inbox.get('product.product')(online.products[code])
        box, = Uom.create([{
                    'name': "Box of 12",
                    'symbol': "b12",
                    'category': product.default_uom.category.id,
                    'factor': 12,
                    'rate': round(1 / 12, 12),
                    'rounding': 1,
                    'digits': 0,
                    }])
        product.template.sale_uom = box
        product.template.save()
    shop.central.run(pack, context={'company': online.company})
    inbox.deliver()
    two, = inbox.tickets()
    assert (two['state'], two['reason']) == ('rejected', 'unit_changed')


def test_fault_is_told_without_its_text(shop, counter, inbox, monkeypatch):
    def fail(cls, sales):
        raise ZeroDivisionError("a secret of the central")
    monkeypatch.setattr(
        inbox.get('sale.point.sale'), 'prepare_posting', classmethod(fail))
    counter.sell_some(1)
    entries = inbox.entries()
    inbox.receive(entries)
    inbox.process()
    told = inbox.report(entries)['documents'][entries[-1]['uuid']]
    assert told['reason'] == {
        'code': 'fault', 'params': {'message': 'ZeroDivisionError'}}


def test_closed_period(shop, counter, inbox):
    date = dt.date(dt.date.today().year - 2, 6, 1)
    counter.sell([(counter.codes(1)[0], 1)])
    counter.sell([(counter.codes(1)[0], 1)], date=date)
    send(shop)
    assert [(d['state'], d['reason']) for d in inbox.tickets()] == [
        ('processed', None), ('rejected', 'closed_period')]
    at_branch = documents(shop.branch, ('kind', '=', 'ticket'))[1]
    assert (at_branch['state'], at_branch['reason']) == (
        'rejected', 'closed_period')
    assert date.isoformat() in at_branch['text']


def test_changed_tax(shop, counter, inbox):
    counter.sell([(counter.codes(1)[0], 1)])

    def change_tax():
        Tax = inbox.get('account.tax')
        for tax in Tax.search([('type', '=', 'percentage')]):
            if tax.rate:
                tax.rate += Decimal('.01')
                tax.save()
    shop.central.run(change_tax)
    send(shop)
    ticket, = inbox.tickets()
    assert (ticket['state'], ticket['reason']) == ('rejected', 'tax_changed')


def test_reasons_are_of_their_types(shop, counter, inbox):
    """What was changed at the central since it was sold

    The others of the day go on, and the cut waits for all.
    """
    codes = counter.codes(3)
    heavy = next(
        c for c in counter.codes(99, decimals=True) if c not in codes)
    counter.sell([(codes[0], 1)])
    counter.sell([(codes[1], 1)])
    # What comes back may be of what is not sold any more
    counter.sell([(codes[0], -1), (codes[1], -1), (codes[2], 4)])
    counter.sell([(heavy, 1.1)])
    counter.sell([(codes[2], 1)])
    counter.cut()

    def alter():
        Product = inbox.get('product.product')
        by_code = {p.code: p for p in Product.search([])}
        Product.write([by_code[codes[0]]], {'active': False})
        unsold, weighed = (
            by_code[code].template for code in [codes[1], heavy])
        unsold.salable = False
        unsold.save()
        Uom = inbox.get('product.uom')
        weighed.sale_uom, = Uom.copy([weighed.sale_uom], {
                'name': "By the whole", 'symbol': "w", 'rounding': 1,
                'digits': 0})
        weighed.save()
    shop.central.run(alter)
    send(shop)
    found = [(d['state'], d['reason']) for d in inbox.tickets()]
    assert found == [
        ('rejected', 'product_withdrawn'), ('rejected', 'product_withdrawn'),
        ('processed', None), ('rejected', 'unit_changed'),
        ('processed', None)]
    assert [
        (d['state'], d['reason'])
        for d in documents(shop.central, ('kind', '=', 'cash_cut'))] == [
        ('received', 'waiting')]
    told = documents(shop.branch, ('kind', '=', 'ticket'))
    assert [d['reason'] for d in told] == [reason for _, reason in found]


def test_short_stock_is_no_reason(shop, counter, inbox):
    code, = counter.codes(1)
    counter.sell([(code, 9999)])
    send(shop)
    assert inbox.states() == ['processed'] * 2


def test_what_waits_goes_on_after_what_it_waits_for(shop, counter, inbox):
    counter.sell_some(3)
    session, *tickets = inbox.entries()
    inbox.receive(tickets)
    inbox.process()
    by_card = [
        d['state'] for d in inbox.tickets()
        if not any(a[1] == "Efectivo" for a in d['amounts'])]
    assert set(by_card) == {'processed'}
    waiting = [d for d in inbox.tickets() if d['state'] == 'received']
    assert {d['reason'] for d in waiting} == {'waiting'} and waiting
    assert inbox.report(tickets)['working'] is False
    inbox.receive([session])
    inbox.process()
    assert inbox.states() == ['processed'] * 4
    assert {d['reason'] for d in inbox.tickets()} == {None}


def test_rejected_session_keeps_its_tickets_waiting(
        shop, counter, inbox, monkeypatch):
    counter.sell_some(1)
    Session = inbox.get('sale.point.cash.session')

    def fail(cls, vlist):
        raise ZeroDivisionError
    monkeypatch.setattr(Session, 'create', classmethod(fail))
    inbox.deliver()
    session, ticket = documents(shop.central)
    assert (session['state'], session['reason']) == ('rejected', 'fault')
    assert (ticket['state'], ticket['reason']) == ('received', 'waiting')


def test_settled_is_told_with_what_was_made(shop, counter, inbox):
    counter.sell([(c, 1) for c in counter.codes(2)])
    entries = inbox.entries()
    inbox.deliver()
    answer = inbox.report(entries)
    assert answer['working'] is False
    ticket = contents(entries[1])['record']
    told = answer['documents'][entries[1]['uuid']]
    assert told['state'] == 'processed' and told['processed']
    assert {model for model, _ in told['records'].values()} == {
        'sale.point.sale', 'sale.point.sale.line', 'sale.point.payment'}
    assert ticket['key'] in told['records']


def test_receipt_is_of_the_journal(shop, counter, inbox):
    counter.sell_some(3)
    counter.cut()
    inbox.deliver()

    def shown(database):
        return [
            {name: d[name] for name in [
                    'uuid', 'kind', 'number', 'date', 'moment', 'user',
                    'total', 'tax', 'amounts']}
            for d in documents(database)]
    ours, theirs = shown(shop.branch), shown(shop.central)
    for document in ours + theirs:
        document['amounts'].sort()
    assert ours == theirs


def test_resize_of_a_batch():
    assert process._resize(10, 1, 2, 40) == 20
    assert process._resize(10, 0, 2, 40) == 40
    assert process._resize(10, 100, 2, 40) == 1


# Costs

def test_goods_that_came_in_before_the_ticket(
        shop, counter, inbox, make_database):
    "Sold yesterday, offline, while others were received today"
    today = dt.date.today()
    days = [today - dt.timedelta(days=n) for n in [5, 2, 1]]
    online = Counter(make_database('central2', 'company'), kind='online')
    code, other = counter.codes(2, decimals=False)
    results = []
    for database, cashier in [(online.database, online), (None, counter)]:
        goods = Goods(database or shop.central, counter.company)
        goods.receive(code, days[0], 10, '10')
        goods.receive(other, days[0], 10, '10')
        if database:
            cashier.sell([(code, 5), (other, 1)], date=days[1])
            database.run(lambda: online.get('sale.point.sale').post(
                    online.get('sale.point.sale').search([
                            ('state', '=', 'done')])),
                context={'company': online.company})
            goods.receive(code, days[2], 10, '20')
        else:
            goods.receive(code, days[2], 10, '20')
            cashier.sell([(code, 5), (other, 1)], date=days[1])
            inbox.deliver()
        results.append([goods.costs(code), goods.costs(other)])
    assert inbox.states() == ['processed'] * 2
    direct, late = results
    assert direct == late
    # It is not what the last reception alone would make of it
    cost, moves = late[0]
    assert moves[0] != cost

    def noted():
        return inbox.get('offline_sales.document.cost').search(
            [], count=True)
    assert shop.central.run(noted) == 0


def test_cost_is_computed_after_a_crash(shop, counter, inbox, monkeypatch):
    today = dt.date.today()
    goods = Goods(shop.central, counter.company)
    code, = counter.codes(1, decimals=False)
    goods.receive(code, today - dt.timedelta(days=5), 10, '10')
    counter.sell([(code, 5)], date=today - dt.timedelta(days=2))
    goods.receive(code, today, 10, '20')
    wrong = goods.costs(code)
    Product = inbox.get('product.product')

    def fail(cls, products, start=None):
        raise ZeroDivisionError
    monkeypatch.setattr(Product, 'recompute_cost_price', classmethod(fail))
    inbox.deliver()
    assert inbox.states() == ['processed'] * 2
    assert goods.costs(code)[0] == wrong[0]
    monkeypatch.undo()
    shop.central.run(
        lambda: inbox.get('offline_sales.document').sweep(), user=0)
    assert goods.costs(code)[0] != wrong[0]


class Goods:
    "What a central receives from suppliers"

    def __init__(self, database, company):
        self.database = database
        self.company = company

    def run(self, function):
        return self.database.run(function, context={
                'company': self.company, '_skip_warnings': True})

    def receive(self, code, date, quantity, price):
        def receive():
            Location = self.database.get('stock.location')
            Move = self.database.get('stock.move')
            Product = self.database.get('product.product')
            product, = Product.search([('code', '=', code)])
            point, = self.database.get('sale.point').search([], limit=1)
            supplier, = Location.search([('type', '=', 'supplier')], limit=1)
            moves = Move.create([{
                        'product': product.id,
                        'unit': product.default_uom.id,
                        'quantity': quantity,
                        'unit_price': Decimal(price),
                        'currency': point.company.currency.id,
                        'company': self.company,
                        'from_location': supplier.id,
                        'to_location': point.storage_location.id,
                        'effective_date': date,
                        }])
            Move.do(moves)
        self.run(receive)

    def costs(self, code):
        "Return the cost of the product, and of what left since"
        def read():
            Product = self.database.get('product.product')
            product, = Product.search([('code', '=', code)])
            return product.cost_price, [
                m.cost_price for m in self.database.get('stock.move').search([
                        ('product', '=', product.id),
                        ('to_location.type', '=', 'customer'),
                        ])]
        return self.run(read)
