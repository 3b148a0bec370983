# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Documents between a branch and its central: sent, answered for, in words"
import datetime as dt
import threading

import pytest

from trytond.exceptions import UserError

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)
from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    outbox, payload)
from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    TotalsDiffer, Unreachable)

from .counter import Counter, balances, documents, send
from .talk import other_server


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


def states(database, *domain):
    return [d['state'] for d in documents(database, *domain)]


def test_everything_is_sent_and_processed(shop, counter):
    counter.sell_some(4)
    counter.cut()
    message = send(shop)
    assert states(shop.branch) == ['accepted'] * 6
    assert states(shop.central) == ['processed'] * 6
    assert "Ticket: 4, Cash Cut: 1" in message
    assert "processed everything" in message
    assert {d['payload'] for d in documents(shop.branch)} == {
        d['payload'] for d in documents(shop.central)}


def test_sending_again_changes_nothing(shop, counter):
    counter.sell_some(3)
    send(shop)
    before = balances(shop.central, counter.company), documents(shop.central)
    assert "nothing to send" in send(shop)
    assert before == (
        balances(shop.central, counter.company), documents(shop.central))


def test_offline_it_says_so_and_keeps_everything(shop, counter):
    counter.sell_some(2)
    with shop.offline():
        message = send(shop)
    assert "Ticket: 2" in message and "Not processed" in message
    assert states(shop.branch) == ['pending'] * 3
    assert documents(shop.central) == []
    assert "processed everything" in send(shop)


def test_what_never_left_can_still_be_reopened(shop, counter):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    with shop.offline():
        send(shop)
    counter.button('sale.point.sale', 'open', sale)
    assert states(shop.branch, ('kind', '=', 'ticket')) == ['withdrawn']
    send(shop)
    assert states(shop.central, ('kind', '=', 'ticket')) == []


def test_what_was_on_its_way_cannot_be_reopened(shop, counter, monkeypatch):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    call = outbox.Client.call

    def cut(self, procedure, params=None, **kwargs):
        if procedure == 'documents':
            raise Unreachable(host='', port=0, url='', database='')
        return call(self, procedure, params, **kwargs)
    monkeypatch.setattr(outbox.Client, 'call', cut)
    send(shop)
    assert states(shop.branch) == ['pending'] * 2
    with pytest.raises(UserError):
        counter.button('sale.point.sale', 'open', sale)
    monkeypatch.undo()
    send(shop)
    assert states(shop.branch) == ['accepted'] * 2


def test_answer_that_is_lost(shop, counter, monkeypatch):
    counter.sell_some(3)
    call = outbox.Client.call

    def lose(self, procedure, params=None, **kwargs):
        result = call(self, procedure, params, **kwargs)
        if procedure == 'documents':
            raise Unreachable(host='', port=0, url='', database='')
        return result
    monkeypatch.setattr(outbox.Client, 'call', lose)
    send(shop)
    assert states(shop.branch) == ['pending'] * 4
    assert states(shop.central) == ['received'] * 4
    monkeypatch.undo()
    send(shop)
    assert states(shop.branch) == ['accepted'] * 4
    assert states(shop.central) == ['processed'] * 4


def test_requests_are_bounded(shop, counter, monkeypatch):
    counter.sell_some(5)
    sizes = []
    call = outbox.Client.call

    def count(self, procedure, params=None, **kwargs):
        if procedure == 'documents':
            sizes.append(len(params['documents']))
        return call(self, procedure, params, **kwargs)
    monkeypatch.setattr(outbox.Client, 'call', count)
    monkeypatch.setattr(outbox, 'REQUEST_COUNT', 2)
    send(shop)
    assert sizes == [2, 2, 2]
    assert states(shop.central) == ['processed'] * 6


def test_request_is_bounded_in_size(shop, counter, monkeypatch):
    counter.sell_some(3)
    sizes = [len(d['payload']) for d in documents(shop.branch)]
    monkeypatch.setattr(outbox, 'REQUEST_SIZE', max(sizes) + 10)

    def requests():
        Document = shop.branch.get('offline_sales.document')
        return [
            [len(d.payload) for d in Document.browse(ids)]
            for ids in Document._get_requests(set())]
    found = shop.branch.run(requests)
    assert len(found) > 1
    assert sorted(sum(found, [])) == sorted(sizes)
    assert all(sum(request) <= max(sizes) + 10 for request in found)


def test_parties_sessions_tickets_cuts_in_order(shop, counter):
    counter.sell([(counter.codes(1)[0], 1)])
    counter.cut()
    counter.sell([(counter.codes(1)[0], 1)])

    def kinds():
        Document = shop.branch.get('offline_sales.document')
        ids, = Document._get_requests(set())
        return [Document(i).kind for i in ids]
    assert shop.branch.run(kinds) == [
        'cash_session', 'cash_session', 'ticket', 'ticket', 'cash_cut']


def test_totals_must_agree(shop, counter, monkeypatch):
    counter.sell_some(2)
    call = outbox.Client.call

    def lie(self, procedure, params=None, **kwargs):
        result = call(self, procedure, params, **kwargs)
        if procedure == 'documents':
            result['totals'][-1]['count'] -= 1
        return result
    monkeypatch.setattr(outbox.Client, 'call', lie)

    def send_():
        shop.branch.get('offline_sales.document').send()
    with pytest.raises(TotalsDiffer):
        shop.branch.run(send_)
    assert states(shop.branch) == ['pending'] * 3


def test_damaged_payload_is_not_sent(shop, counter):
    counter.sell_some(1)
    with shop.branch.transaction() as transaction:
        transaction.connection.cursor().execute(
            "UPDATE offline_sales_document SET payload = payload || ' ' "
            "WHERE kind = 'ticket'")
    message = send(shop)
    ticket, = documents(shop.branch, ('kind', '=', 'ticket'))
    assert (ticket['state'], ticket['reason']) == ('rejected', 'damaged')
    assert "Need attention at the central: Ticket: 1" in message
    assert states(shop.central) == ['processed']


def test_ticket_without_document_is_captured_when_sending(shop, counter):
    sale, = counter.sell_some(1)
    with shop.branch.transaction() as transaction:
        transaction.connection.cursor().execute(
            "DELETE FROM offline_sales_document WHERE kind = 'ticket'")
    send(shop)
    ticket, = documents(shop.central, ('kind', '=', 'ticket'))
    assert ticket['state'] == 'processed'


def test_central_that_was_restored_gets_everything_again(
        shop, counter, tmp_path):
    "What it had accepted too, and what it still has is not done twice"
    counter.sell_some(2)
    send(shop)
    former = shop.central.save(tmp_path / 'former.sqlite')
    counter.sell_some(2, start=2)
    send(shop)
    assert states(shop.branch) == ['accepted'] * 5
    before = balances(shop.central, counter.company)
    shop.central.restore(former)
    assert len(states(shop.central)) == 3
    send(shop)
    assert states(shop.central) == ['processed'] * 5
    assert states(shop.branch) == ['accepted'] * 5
    assert balances(shop.central, counter.company) == before
    send(shop)
    assert states(shop.central) == ['processed'] * 5


def test_branch_learns_what_its_records_are_at_the_central(shop, counter):
    sale = counter.sell([(c, 1) for c in counter.codes(2)])
    send(shop)

    def links():
        Link = shop.branch.get('offline_sales.link')
        Sale = shop.branch.get('sale.point.sale')
        record = Sale(sale)
        return Sale(sale).number, Link.to_wire(
            'sale.point.sale', [sale])[sale], list(Link.to_wire(
                'sale.point.sale.line', [l.id for l in record.lines]).values())
    number, central, lines = shop.branch.run(links)

    def read():
        record, = shop.central.get('sale.point.sale').search([
                ('number', '=', number)])
        return record.id, [l.id for l in record.lines]
    assert shop.central.run(read) == (central, lines)


# By schedule

def test_send_by_schedule_backs_off(shop, counter, monkeypatch):
    now = wire.utcnow()
    asked = []
    monkeypatch.setattr(wire, 'utcnow', lambda: now)
    send_ = outbox.Client.heartbeat

    def heartbeat(self, attempts=3):
        asked.append(now)
        return send_(self, attempts=1)
    monkeypatch.setattr(outbox.Client, 'heartbeat', heartbeat)

    def run():
        shop.branch.run(
            lambda: shop.branch.get(
                'offline_sales.document').send_by_schedule(), user=0)

    def configuration():
        record = shop.branch.get('offline_sales.configuration')(1)
        return record.send_failures or 0, record.send_after
    counter.sell_some(1)
    with shop.offline():
        waits = []
        for failures in range(1, 8):
            run()
            count, after = shop.branch.run(configuration)
            assert count == failures and after > now
            waits.append((after - now).total_seconds())
            # Before that nobody is asked
            tried = len(asked)
            run()
            assert len(asked) == tried
            now = after
    assert all(
        30 * 2 ** n <= seconds <= 60 * 2 ** n + 1
        for n, seconds in enumerate(waits[:4]))
    assert 450 <= waits[-1] <= 900
    # A clock that was put right after it had been ahead
    now -= dt.timedelta(days=1)
    run()
    assert states(shop.branch) == ['accepted'] * 2
    assert shop.branch.run(configuration) == (0, None)
    run()
    assert len(asked) == 9


def test_seller_does_not_wait_for_the_network(shop, counter):
    "The central stalls in its answer, and tickets are sold"
    arrived, go_on = threading.Event(), threading.Event()

    def stall(handler):
        arrived.set()
        go_on.wait(60)
        handler.reply(503)
    with other_server(stall) as (port, came):
        def redirect():
            configuration = shop.branch.get('offline_sales.configuration')(1)
            configuration.url = f'http://127.0.0.1:{port}'
            configuration.save()
        shop.branch.run(redirect)
        counter.sell_some(1)
        sending = threading.Thread(target=lambda: shop.branch.run(
                lambda: shop.branch.get(
                    'offline_sales.document').send_by_schedule(), user=0))
        sending.start()
        try:
            assert arrived.wait(60)
            counter.sell_some(2, start=1)
            counter.cut()
            # None of that was after the answer
            assert len(came) == 1 and sending.is_alive()
        finally:
            go_on.set()
            sending.join()
    assert states(shop.branch) == ['pending'] * 5


def test_schedule_does_nothing_at_a_central(shop):
    shop.central.run(
        lambda: shop.central.get('offline_sales.document').send_by_schedule())


# What both sides know

def test_branch_is_told_of_at_the_central(shop, counter, monkeypatch):
    "By the heartbeat of each contact"
    counter.sell_some(2)
    oldest = documents(shop.branch)[0]['moment']
    utcnow = wire.utcnow

    def contact():
        Contact = shop.central.get('offline_sales.contact')
        record, = Contact.search([('branch.code', '=', shop.code)])
        return {
            name: getattr(record, name) for name in [
                'pending', 'oldest_pending', 'oldest_pending_age',
                'rejected', 'version',
                'clock_offset', 'last_refresh', 'last_contact']}

    def wrong(self, procedure, params=None, **kwargs):
        with monkeypatch.context() as patch:
            # Of the branch alone
            patch.setattr(
                outbox.Client, '_envelope', lambda *args: {
                    **envelope(*args),
                    'time': utcnow() + dt.timedelta(hours=1)})
            return call(self, procedure, params, **kwargs)
    call, envelope = outbox.Client.call, outbox.Client._envelope
    monkeypatch.setattr(outbox.Client, 'call', wrong)

    def beat():
        with outbox.Client.from_configuration() as client:
            client.heartbeat()
    shop.branch.run(beat)
    told = shop.central.run(contact)
    assert (told['pending'], told['oldest_pending'], told['rejected']) == (
        3, oldest, 0)
    assert 3500 < told['clock_offset'] < 3700
    # By the clock of the central: the branch's is an hour ahead
    assert told['oldest_pending_age'] > dt.timedelta(seconds=3500)
    assert told['version'] and told['last_refresh'] and told['last_contact']
    send(shop)
    told = shop.central.run(contact)
    assert (told['pending'], told['oldest_pending'],
        told['oldest_pending_age']) == (0, None, None)
    # Both times of each document are kept
    for row in journal(shop.central):
        assert 3500 < row['clock_offset'] < 3700
        assert row['moment'] and row['received'] and row['sent']


def journal(database):
    def read():
        Document = database.get('offline_sales.document')
        return [{
                'branch': d.branch.code,
                'kind': d.kind,
                'number': d.number,
                'date': d.date,
                'cashier': d.user.login,
                'point': d.point.name,
                'amounts': sorted(
                    (a.type, (a.method or a.tax).name, a.base, a.amount)
                    for a in d.amounts),
                'total': d.total,
                'tax': d.tax,
                'state': d.state,
                'record': d.record and d.record.number,
                **{name: getattr(d, name) for name in [
                        'moment', 'sent', 'received', 'processed',
                        'clock_jump', 'clock_offset']},
                } for d in Document.search(
                [('kind', '=', 'ticket')], order=[('id', 'ASC')])]
    return database.run(read)


def test_journal_has_its_columns_on_both_sides(shop, counter):
    counter.sell_some(4)
    send(shop)
    ours, theirs = journal(shop.branch), journal(shop.central)
    for our, their in zip(ours, theirs, strict=True):
        assert our.pop('state') == 'accepted'
        assert their.pop('state') == 'processed'
        assert our.pop('sent') and their.pop('sent')
        assert our.pop('received') is None and their.pop('received')
        assert our.pop('clock_offset') is None
        their.pop('clock_offset')
        assert our == their
        assert our['record'] == our['number'] and our['processed']
        assert {type_ for type_, *_ in our['amounts']} == {'payment', 'tax'}
        assert sum(
            amount for type_, _, _, amount in our['amounts']
            if type_ == 'payment') == our['total']


def test_clock_that_is_set_back_is_noticed(
        shop, counter, monkeypatch, caplog):
    now = wire.utcnow()
    monkeypatch.setattr(wire, 'utcnow', lambda: now)
    for seconds in [0, -30, -3600, 10]:
        now += dt.timedelta(seconds=seconds)
        counter.sell([(counter.codes(1)[0], 1)], [('card', None)])
    monkeypatch.undo()
    assert "set back by 3600 seconds" in caplog.text
    send(shop)
    for database in [shop.branch, shop.central]:
        assert [row['clock_jump'] for row in journal(database)] == [
            None, None, 3600, None]


def test_both_sides_add_up_what_was_sent(shop, counter, monkeypatch):
    "With the cash and the numbers that are missing"
    sales = counter.sell_some(6)
    counter.button('sale.point.sale', 'open', sales[2])
    counter.button('sale.point.sale', 'open', sales[3])
    told = []
    call = outbox.Client.call

    def listen(self, procedure, params=None, **kwargs):
        result = call(self, procedure, params, **kwargs)
        if procedure == 'documents':
            told.extend(result['totals'])
        return result
    monkeypatch.setattr(outbox.Client, 'call', listen)
    message = send(shop)
    assert "ESP-SI-000003 – ESP-SI-000004" in message
    tickets, = [t for t in told if t['kind'] == 'ticket']
    rows = journal(shop.central)
    assert tickets == {
        'kind': 'ticket',
        'point': Counter(shop.central, kind='offline').point,
        'count': 4,
        'total': sum(r['total'] for r in rows),
        'tax': sum(r['tax'] for r in rows),
        'cash': sum(
            a[3] for r in rows for a in r['amounts'] if a[1] == "Efectivo"),
        'first': 'ESP-SI-000001',
        'last': 'ESP-SI-000006',
        'gaps': [['ESP-SI-000003', 'ESP-SI-000004']],
        }


@pytest.mark.parametrize('numbers, expected', [
        ([], []), ([''], []), (['A-1'], []), (['A-1', 'A-2', 'B-9'], []),
        (['A-3', 'A-1'], [['A-2', 'A-2']]),
        (['A-0009-X', 'A-0013-X'], [['A-0010-X', 'A-0012-X']]),
        (['7', '5', 'X'], [['6', '6']]),
        ])
def test_gaps(numbers, expected):
    assert payload.gaps(numbers) == expected


def test_what_needs_attention_is_told_by_name(shop, counter):
    date = dt.date(dt.date.today().year - 2, 6, 1)
    counter.sell([(counter.codes(1)[0], 1)], date=date)
    message = send(shop)
    assert f"- ESP-SI-000001: Nothing can be posted at the date {date}" in (
        message)
