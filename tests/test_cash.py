# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Cash sessions: the branch's own, from the first ticket to the cut"
import datetime as dt
import threading
from decimal import Decimal

import pytest

from trytond.exceptions import UserError
from trytond.exceptions import UserWarning as TrytonWarning

from .counter import Counter, balances, contents, documents, send


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


@pytest.fixture
def central(shop):
    return Counter(shop.central, kind='offline')


def kinds(database):
    return [d['kind'] for d in documents(database)]


def states(database, kind):
    return [d['state'] for d in documents(database, ('kind', '=', kind))]


def sessions(counter):
    "Return the sessions of the point, from the first on"
    def read():
        Session = counter.get('sale.point.cash.session')
        found, = Session.search([
                ('point', '=', counter.point),
                ('previous_session', '=', None)]) or [None]
        chain = []
        while found:
            chain.append({
                    'state': found.state,
                    'start': found.start_amount,
                    'balance': found.balance,
                    'end': found.end_amount,
                    'transfers': [
                        (t.type.name, t.amount, t.date, t.state,
                            t.move.state if t.move else None)
                        for t in found.transfers],
                    'tickets': sorted({p.sale.number for p in found.payments}),
                    })
            found = found.next_session
        return chain
    return counter.database.run(read)


def press(counter, model, name, records=None):
    def click():
        Model = counter.get(model)
        chosen = Model.search([
                ('point', '=', counter.point)], order=[('id', 'ASC')])
        if records is not None:
            chosen = [chosen[i] for i in records]
        getattr(Model, name)(chosen)
    return counter.database.run(click, context={'company': counter.company})


def test_session_is_captured_before_its_first_ticket(shop, counter):
    counter.sell([(counter.codes(1)[0], 1)])
    assert kinds(shop.branch) == ['cash_session', 'ticket']
    session, _ = documents(shop.branch)
    assert session['point'] == counter.point
    assert session['user'] == 'esp.lupita'


def test_session_opened_by_hand(shop, counter):
    def create():
        counter.get('sale.point.cash.session').create([
                {'point': counter.point}])
    counter.run(create)
    counter.sell([(counter.codes(1)[0], 1)])
    assert kinds(shop.branch) == ['cash_session', 'ticket']


def test_cards_need_no_session(shop, counter):
    counter.sell([(counter.codes(1)[0], 1)], [('card', None)])
    assert kinds(shop.branch) == ['ticket']
    send(shop)
    assert states(shop.central, 'ticket') == ['processed']


def test_cut_tells_what_it_counts(shop, counter):
    counter.sell_some(4)
    counter.transfer("Fondo de caja", 500)
    session = counter.cut()

    def read():
        record = counter.get('sale.point.cash.session')(session)
        return record.end_amount, record.balance
    end, balance = shop.branch.run(read)
    cut, = map(contents, documents(shop.branch, ('kind', '=', 'cash_cut')))
    assert cut['totals'] == {
        'start': Decimal(0), 'end': end, 'balance': balance}
    transfer, = cut['record']['children']['transfers']
    assert transfer['values']['amount'] == 500
    by_cash = {
        d['uuid'] for d in documents(shop.branch, ('kind', '=', 'ticket'))
        if any(a[1] == "Efectivo" for a in d['amounts'])}
    assert set(cut['documents']) == by_cash and len(by_cash) == 3


def test_two_days_offline(shop, counter, central):
    days = [dt.date.today() - dt.timedelta(days=n) for n in [2, 1]]
    for i, day in enumerate(days):
        counter.sell_some(3, start=i * 3, date=day)
        counter.transfer("Fondo de caja", 100 * (i + 1))
        counter.cut()
    send(shop)
    ours, theirs = sessions(counter), sessions(central)
    assert len(ours) == 2
    for session in ours:
        assert session['state'] == 'closed'
    for our, their in zip(ours, theirs, strict=True):
        assert [t[:3] for t in our.pop('transfers')] == [
            t[:3] for t in their['transfers']]
        assert {t[3:] for t in their.pop('transfers')} == {
            ('posted', 'posted')}
        assert our == their
    assert theirs[0]['end'] == theirs[1]['start'] > 0
    assert set(states(shop.central, 'cash_cut')) == {'processed'}


def test_session_is_never_open_at_the_central(shop, counter, central):
    online = Counter(shop.central)
    online.sell([(online.codes(1)[0], 1)])
    session = online.session()
    counter.sell_some(2)
    send(shop)
    assert [s['state'] for s in sessions(central)] == ['closed']
    assert online.session() == session
    with pytest.raises(UserError):
        press(central, 'sale.point.cash.session', 'open')
    counter.cut()
    send(shop)
    with pytest.raises(UserError):
        press(central, 'sale.point.cash.session', 'open')


def test_posting_stays_an_act_of_the_central(shop, counter, central):
    counter.sell_some(2)
    counter.transfer("Fondo de caja", 100)
    send(shop)
    with pytest.raises(TrytonWarning):
        press(central, 'sale.point.cash.session', 'post')
    counter.cut()
    send(shop)
    before = balances(shop.central, counter.company)
    assert [s['state'] for s in sessions(central)] == ['closed']
    press(central, 'sale.point.cash.session', 'post')
    assert [s['state'] for s in sessions(central)] == ['posted']
    assert balances(shop.central, counter.company) == before


def test_transfers_are_booked_as_online(shop, counter):
    before = balances(shop.central, counter.company)
    counter.transfer("Fondo de caja", 300)
    counter.transfer("Faltante", -12)
    counter.cut()
    send(shop)
    after = balances(shop.central, counter.company)
    moved = {
        code: after.get(code, 0) - before.get(code, 0)
        for code in before.keys() | after.keys()
        if after.get(code, 0) != before.get(code, 0)}
    assert moved == {'101.01': 288, '101.02': -300, '703.21': 12}


def test_session_follows_the_last_of_the_point(shop, counter, central):
    counter.sell_some(1)
    counter.cut()
    send(shop)
    counter.sell_some(1, start=4)
    send(shop)
    chain = sessions(central)
    assert len(chain) == 2
    assert chain[1]['start'] == chain[0]['end'] > 0


def test_session_of_a_new_database_follows_the_last_of_the_point(
        shop, counter, central):
    "The branch has lost its database and was paired anew"
    from .test_repair import Desk
    counter.sell_some(1)
    counter.cut()
    send(shop)
    with shop.branch.transaction() as transaction:
        cursor = transaction.connection.cursor()
        for table in [
                'offline_sales_document_amount', 'offline_sales_document',
                'sale_point_payment', 'sale_point_cash_session',
                'sale_point_sale']:
            cursor.execute(f'DELETE FROM {table}')
        cursor.execute(
            'DELETE FROM offline_sales_link WHERE uuid IS NOT NULL')
    counter.sell_some(1, start=4)
    counter.cut()
    message = send(shop)
    chain = sessions(central)
    assert len(chain) == 2 and len(chain[1]['tickets']) == 1
    # The drawer began with what the former cut left, which it did not know
    cut = documents(shop.central, ('kind', '=', 'cash_cut'))[1]
    assert (cut['state'], cut['reason']) == ('rejected', 'start_changed')
    assert "Need attention" in message
    # Once it is accepted, what is missing is booked
    Desk(shop).press(
        'repair', cut, accept=True,
        transfer_type=central.transfer_types["Faltante"])
    assert set(states(shop.central, 'cash_cut')) == {'processed'}


def test_rejected_ticket_keeps_its_own_day_unsettled(
        shop, counter, central, monkeypatch):
    counter.sell_some(3)
    counter.cut()
    counter.sell_some(3, start=4)
    counter.cut()
    number = documents(shop.branch, ('kind', '=', 'ticket'))[0]['number']
    Sale = shop.central.get('sale.point.sale')
    prepare = Sale.prepare_posting

    def fail(cls, sales):
        if number in {s.number for s in sales}:
            raise ZeroDivisionError
        prepare(sales)
    monkeypatch.setattr(Sale, 'prepare_posting', classmethod(fail))
    send(shop)
    cuts = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert [(c['state'], c['reason']) for c in cuts] == [
        ('received', 'waiting'), ('processed', None)]
    tickets = states(shop.central, 'ticket')
    assert sorted(tickets) == ['processed'] * 5 + ['rejected']
    assert sessions(central)[1]['end'] == sessions(counter)[1]['end']


def test_cut_that_never_comes(shop, counter, central):
    "Voided after the next was done, or lost with the branch's computer"
    from .test_inbox import Inbox, change
    from .test_repair import Desk
    inbox, desk = Inbox(shop), Desk(shop)
    counter.transfer("Fondo de caja", 500)
    for day in range(2):
        counter.sell_some(1, start=day * 4)
        counter.cut()
    counter.sell_some(1, start=8)
    first, second = inbox.entries(('kind', '=', 'cash_cut'))
    others = inbox.entries(('kind', '!=', 'cash_cut'))
    inbox.receive([*others, change(
                first, lambda v: v['record']['values'].update(
                    end_amount=Decimal(1))), second])
    inbox.process()
    first, second = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert [d['reason'] for d in [first, second]] == ['balance', None]
    desk.press('void', first)
    # What was in the drawer is what should have been, less the transfer
    one, two, three = sessions(central)
    assert one['end'] == one['balance'] > 0
    _, second = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert (second['state'], second['reason']) == (
        'processed', 'start_changed')
    assert two['end'] - two['balance'] == one['end'] + 500
    # The third is posted without its cut, if a person says so
    with pytest.raises(TrytonWarning):
        press(central, 'sale.point.cash.session', 'post')
    with shop.central.transaction(context={
                'company': central.company, '_skip_warnings': True}):
        Session = central.get('sale.point.cash.session')
        Session.post(Session.search([('point', '=', central.point)]))
    one, two, three = sessions(central)
    assert {s['state'] for s in [one, two, three]} == {'posted'}
    assert three['end'] - three['start'] == three['balance'] > 0
    # What comes all the same is set aside
    counter.sell_some(1, start=12)
    counter.cut()
    inbox.deliver(('uuid', '!=', first['uuid']))
    assert [
        (d['kind'], d['reason'])
        for d in documents(shop.central, ('state', '=', 'rejected'))] == [
            ('ticket', 'session_counted'), ('cash_cut', 'session_posted')]


def test_ticket_rejected_before_the_cut_is_counted(
        shop, counter, monkeypatch):
    "The cut waits for it, however long it takes"
    def fail(cls, sales):
        raise ZeroDivisionError
    counter.sell_some(1)
    with monkeypatch.context() as patch:
        patch.setattr(
            shop.central.get('sale.point.sale'), 'prepare_posting',
            classmethod(fail))
        send(shop)
    counter.sell_some(1, start=4)
    counter.cut()
    send(shop)
    assert [d['state'] for d in documents(shop.central)] == [
        'processed', 'rejected', 'processed', 'received']


def test_cut_while_another_pays(shop, counter, monkeypatch):
    "What is paid while the drawer is counted is not left out"
    counter.sell_some(1)
    other = Counter(shop.branch, login='esp.martin')
    sale = other.open([(other.codes(1)[0], 1)])
    counted = counter.session()
    Session = shop.branch.get('sale.point.cash.session')

    def count():
        session = Session(counted)
        session.end_amount = session.start_amount + session.balance
        session.save()
    counter.run(count)
    browse, threads = Session.browse, []

    def sell():
        other.pay(sale)
        other.process(sale)

    def after_the_lock(cls, records):
        if not threads:
            threads.append(threading.Thread(target=sell))
            threads[0].start()
            # Long enough for what is not locked
            threads[0].join(2)
        return browse(records)
    monkeypatch.setattr(Session, 'browse', classmethod(after_the_lock))
    counter.button('sale.point.cash.session', 'close', counted)
    threads[0].join()
    monkeypatch.undo()
    counter.cut()
    send(shop)
    assert {d['state'] for d in documents(shop.central)} == {'processed'}
    assert len(documents(shop.central, ('kind', '=', 'cash_cut'))) == 2


@pytest.mark.parametrize('name', ['balance', 'end', 'start'])
def test_cut_that_does_not_add_up(shop, counter, name):
    from .test_inbox import Inbox, change
    counter.sell_some(2)
    counter.cut()
    inbox = Inbox(shop)
    *others, cut = inbox.entries()

    def falsify(values):
        if name == 'end':
            values['record']['values']['end_amount'] += 1
        values['totals'][name] += 1
    inbox.receive([*others, change(cut, falsify)])
    inbox.process()
    kept, = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert kept['state'] == 'rejected'
    assert kept['reason'] in {'balance', 'total_changed', 'start_changed'}


def test_cut_reopened_before_it_was_sent_is_withdrawn(shop, counter):
    counter.sell_some(1)
    session = counter.cut()
    counter.button('sale.point.cash.session', 'open', session)
    assert states(shop.branch, 'cash_cut') == ['withdrawn']
    counter.sell_some(1, start=4)
    counter.cut()
    send(shop)
    assert states(shop.branch, 'cash_cut') == ['withdrawn', 'accepted']
    assert states(shop.central, 'cash_cut') == ['processed']


def test_cut_that_was_sent_cannot_be_reopened(shop, counter):
    counter.sell_some(1)
    session = counter.cut()
    send(shop)
    with pytest.raises(UserError):
        counter.button('sale.point.cash.session', 'open', session)


def test_session_that_was_followed_cannot_be_reopened(shop, counter):
    counter.sell_some(1)
    session = counter.cut()
    counter.sell_some(1, start=4)
    counter.cut()
    with pytest.raises(UserError):
        counter.button('sale.point.cash.session', 'open', session)


def test_cash_of_an_open_ticket_is_not_counted(shop, counter):
    code, = counter.codes(1)
    sale = counter.open([(code, 1)])
    counter.pay(sale)
    with pytest.raises(UserError):
        counter.cut()
    counter.process(sale)
    counter.cut()
    send(shop)
    assert states(shop.central, 'cash_cut') == ['processed']


def should_be(counter):
    "Return what should be in the drawer"
    def read():
        Session = counter.get('sale.point.cash.session')
        session, = Session.search([('state', '=', 'open')])
        return session.start_amount + session.balance
    return counter.database.run(read)


def sure(counter):
    "Let the cashier skip the warnings"
    counter.context = {**counter.context, '_skip_warnings': True}


def test_difference_of_the_count_is_asked_for(shop, counter):
    counter.sell_some(1)
    with pytest.raises(TrytonWarning):
        counter.cut(counted='1000000')
    assert states(shop.branch, 'cash_cut') == []
    sure(counter)

    def forget():
        Branch = counter.get('offline_sales.branch')
        Branch.write(Branch.search([]), {'surplus_type': None})
    shop.branch.run(forget)
    # Nobody said how to note it
    with pytest.raises(UserError):
        counter.cut(counted='1000000')
    assert states(shop.branch, 'cash_cut') == []


def test_days_with_differences(shop, counter, central):
    "Counted short, over and right, on three days, and counted again"
    sure(counter)
    before = balances(shop.central, counter.company)
    counter.transfer("Fondo de caja", 500)
    counter.sell_some(2)
    session = counter.cut(counted=should_be(counter) - 5)
    counter.button('sale.point.cash.session', 'open', session)
    # What was noted is forgotten, it is counted anew
    counter.cut(counted=should_be(counter) - 3)
    counter.sell_some(1, start=4)
    expected = should_be(counter)
    counter.cut(counted=expected + Decimal('2.50'))
    counter.transfer("Fondo de caja", -500)
    counter.sell_some(1, start=8)
    counter.cut()
    send(shop)
    assert set(states(shop.central, 'cash_cut')) == {'processed'}
    ours, theirs = sessions(counter), sessions(central)
    assert [
        [t[:2] for t in day['transfers'] if t[0] != "Fondo de caja"]
        for day in theirs] == [
            [("Faltante", Decimal(-3))], [("Sobrante", Decimal('2.50'))], []]
    assert [(d['start'], d['balance'], d['end']) for d in ours] == [
        (d['start'], d['balance'], d['end']) for d in theirs]
    assert theirs[1]['end'] == expected + Decimal('2.50')
    assert {t[3:] for day in theirs for t in day['transfers']} == {
        ('posted', 'posted')}
    after = balances(shop.central, counter.company)
    assert after['703.21'] - before.get('703.21', 0) == Decimal('.50')
    assert after.get('101.02', 0) == before.get('101.02', 0)


def test_empty_session_that_is_deleted_is_withdrawn(shop, counter):
    def create():
        session, = counter.get('sale.point.cash.session').create([
                {'point': counter.point}])
        return session.id

    def delete(session):
        Session = counter.get('sale.point.cash.session')
        Session.delete([Session(session)])
    session = counter.run(create)
    counter.run(delete, session)
    assert states(shop.branch, 'cash_session') == ['withdrawn']
    session = counter.run(create)
    send(shop)
    with pytest.raises(UserError):
        counter.run(delete, session)


def test_session_cannot_go_to_another_point(shop, counter):
    counter.sell_some(1)

    def move():
        Point = counter.get('sale.point')
        other, = Point.copy([Point(counter.point)])
        Session = counter.get('sale.point.cash.session')
        Session.write(Session.search([]), {'point': other.id})
    with pytest.raises(UserError):
        shop.branch.run(move)


def test_draft_of_a_prepared_cut_cannot_be_deleted(
        shop, counter, monkeypatch):
    "Or the cash would be processed and not booked"
    before = balances(shop.central, counter.company)
    counter.transfer("Fondo de caja", 300)
    counter.cut()
    Document = shop.central.get('offline_sales.document')
    with monkeypatch.context() as patch:
        patch.setattr(
            Document, '_post_company', classmethod(lambda cls, *args: None))
        send(shop)

    def delete():
        Move = shop.central.get('account.move')
        drafts = Move.search([
                ('state', '=', 'draft'),
                ('origin.id', '!=', None, 'sale.point.cash.transfer')])
        assert drafts
        Move.delete(drafts)
    with pytest.raises(UserError):
        shop.central.run(delete, context={'company': counter.company})
    shop.central.run(
        lambda: Document.process(
            shop.central.get('offline_sales.branch').search([])))
    assert balances(shop.central, counter.company) != before
