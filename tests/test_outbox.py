# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Documents between a branch and its central: sent, answered for, in words"
import pytest

from trytond.exceptions import UserError

from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    outbox)
from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    TotalsDiffer, Unreachable)

from .counter import Counter, balances, documents, send


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
