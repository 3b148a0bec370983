# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Tickets at the branch: captured, frozen, withdrawn, refused"
import datetime as dt
import hashlib
import json
from decimal import Decimal

import pytest

from trytond.exceptions import UserError
from trytond.modules.offline_sales.offline_sales import wire
from trytond.modules.offline_sales.offline_sales.document import durability

from .counter import Counter, contents, documents, send


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


def test_ticket_is_captured(shop, counter):
    sale = counter.sell([(counter.codes(1)[0], 2)])
    session, ticket = documents(shop.branch)
    assert session['kind'] == 'cash_session'
    assert ticket['kind'] == 'ticket' and ticket['state'] == 'pending'
    assert ticket['record'] == f'sale.point.sale,{sale}'
    assert ticket['user'] == 'esp.lupita'
    assert ticket['point'] == counter.point
    assert ticket['number'].startswith('ESP-SI-')
    assert abs(wire.utcnow() - ticket['moment']) < dt.timedelta(minutes=1)

    def totals():
        record = shop.branch.get('sale.point.sale')(sale)
        return record.number, record.date, record.total, record.total_tax
    assert shop.branch.run(totals) == (
        ticket['number'], ticket['date'], ticket['total'], ticket['tax'])
    assert ('payment', "Efectivo", ticket['total']) in ticket['amounts']


def test_nothing_is_captured_before_it_is_done(shop, counter):
    sale = counter.open([(counter.codes(1)[0], 1)])
    assert documents(shop.branch) == []
    counter.button('sale.point.sale', 'cancel', sale)
    assert documents(shop.branch) == []


def test_document_and_ticket_are_of_one_transaction(
        shop, counter, monkeypatch):
    def fail():
        raise OSError("the disk is full")
    sale = counter.open([(counter.codes(1)[0], 1)])
    counter.pay(sale)
    monkeypatch.setattr(durability, 'ensure', fail)
    with pytest.raises(OSError):
        counter.process(sale)
    assert documents(shop.branch, ('kind', '=', 'ticket')) == []

    def state():
        return shop.branch.get('sale.point.sale')(sale).state
    assert shop.branch.run(state) == 'open'


def test_payload_names_what_the_central_has_by_its_ids(shop, counter):
    code = counter.codes(1)[0]
    counter.sell([(code, 1)])
    session, ticket = map(contents, documents(shop.branch))
    central = Counter(shop.central, kind='offline')
    values = ticket['record']['values']
    assert values['point'] == ticket['header']['point'] == central.point
    assert values['company'] == central.company
    assert ticket['header']['user'] == central.user
    line, = ticket['record']['children']['lines']
    assert line['values']['product'] == central.products[code]
    payment, = ticket['record']['children']['payments']
    assert payment['values']['method'] == central.methods['cash']


def test_payload_names_what_the_branch_made_by_identities(shop, counter):
    counter.sell([(c, 1) for c in counter.codes(2)])
    session, ticket = map(contents, documents(shop.branch))
    record = ticket['record']
    payment, = record['children']['payments']
    assert payment['values']['session'] == session['record']['key']
    keys = [record['key'], payment['key'], *(
            line['key'] for line in record['children']['lines'])]
    assert len(set(keys)) == 4
    assert all(isinstance(key, str) for key in keys)


def test_payload_is_exact(shop, counter):
    code, = counter.codes(1, decimals=True)
    counter.sell([(code, 1.1), (code, -1), (code, 0.7)])
    _, ticket = documents(shop.branch)
    assert ticket['sha256'] == hashlib.sha256(
        ticket['payload'].encode()).hexdigest()
    raw = json.loads(ticket['payload'])
    lines = raw['record']['children']['lines']
    assert [l['values']['quantity'] for l in lines] == [1.1, -1, 0.7]
    assert lines[0]['values']['unit_gross_price']['__class__'] == 'Decimal'
    totals = contents(ticket)['totals']
    assert totals['total'] == ticket['total']
    assert totals['quantity'] == Decimal('0.8')


def test_payload_holds_every_stored_column(shop, counter):
    counter.sell([(counter.codes(1)[0], 1)])
    _, ticket = map(contents, documents(shop.branch))

    def columns(name):
        table = shop.branch.get(name)._table
        with shop.branch.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(f'PRAGMA table_info({table})')
            return {row[1] for row in cursor} - {
                'id', 'create_uid', 'create_date', 'write_uid', 'write_date'}
    record = ticket['record']
    for node, name, inverse in [
            (record, 'sale.point.sale', set()),
            (record['children']['lines'][0], 'sale.point.sale.line', {'sale'}),
            (record['children']['payments'][0], 'sale.point.payment',
                {'sale'})]:
        assert node['values'].keys() == columns(name) - inverse


def test_payload_says_what_the_branch_cannot_name(shop, counter, caplog):
    "A reference that may be empty is left out, but not in silence"
    def forget():
        Link = shop.branch.get('offline_sales.link')
        Link.delete(Link.search([('model', '=', 'company.employee')]))
    counter.sell_some(1)
    shop.branch.run(forget)
    counter.sell_some(1)
    named, unnamed = (
        contents(d) for d in documents(
            shop.branch, ('kind', '=', 'ticket')))
    assert named['record']['values']['employee']
    assert 'left_out' not in named
    assert 'employee' not in unnamed['record']['values']
    assert unnamed['left_out'] == ['sale.point.sale.employee']
    assert [
        'sale.point.sale.employee' in r.getMessage() for r in caplog.records
        if r.levelname == 'WARNING'] == [True]


def test_payload_never_changes(shop, counter):
    counter.sell([(counter.codes(1)[0], 1)])

    def change():
        Document = shop.branch.get('offline_sales.document')
        document, = Document.search([('kind', '=', 'ticket')])
        Document.write([document], {'payload': '{}'})

    def delete():
        Document = shop.branch.get('offline_sales.document')
        Document.delete(Document.search([]))
    for function in [change, delete]:
        with pytest.raises(UserError):
            shop.branch.run(function)


def test_taxes_are_kept_as_computed(shop, counter):
    counter.sell([(c, 1) for c in counter.codes(6)])
    _, ticket = map(contents, documents(shop.branch))
    totals = ticket['totals']
    assert totals['taxes']
    assert sum(t['amount'] for t in totals['taxes']) == pytest.approx(
        totals['tax'], abs=Decimal('.05'))

    def taxes():
        return {t.id for t in shop.central.get('account.tax').search([])}
    assert {t['tax'] for t in totals['taxes']} <= shop.central.run(taxes)


def test_reopened_ticket_is_withdrawn_and_keeps_its_number(shop, counter):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    counter.button('sale.point.sale', 'open', sale)
    _, first = documents(shop.branch)
    assert first['state'] == 'withdrawn' and first['number']
    counter.process(sale)
    _, first, second = documents(shop.branch)
    assert (first['state'], second['state']) == ('withdrawn', 'pending')
    assert first['number'] == second['number']
    assert first['uuid'] != second['uuid']
    assert contents(first)['record']['key'] == contents(
        second)['record']['key']


def test_cancelled_ticket_leaves_its_number_in_sight(shop, counter):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    counter.button('sale.point.sale', 'open', sale)

    def give_back():
        Sale = shop.branch.get('sale.point.sale')
        Payment = shop.branch.get('sale.point.payment')
        Payment.delete(Sale(sale).payments)
    counter.run(give_back)
    counter.button('sale.point.sale', 'cancel', sale)
    _, ticket = documents(shop.branch)
    assert ticket['state'] == 'withdrawn'
    other = counter.sell([(counter.codes(1)[0], 1)])

    def number():
        return shop.branch.get('sale.point.sale')(other).number
    assert shop.branch.run(number) > ticket['number']


@pytest.mark.parametrize('state, tried', [
        ('pending', dt.datetime(2024, 1, 1)), ('sent', None),
        ('accepted', None), ('rejected', None)])
def test_ticket_that_may_be_at_the_central_cannot_be_reopened(
        shop, counter, state, tried):
    sale = counter.sell([(counter.codes(1)[0], 1)])

    def send():
        Document = shop.branch.get('offline_sales.document')
        Document.write(Document.search([('kind', '=', 'ticket')]), {
                'state': state, 'tried': tried})
    shop.branch.run(send)
    with pytest.raises(UserError):
        counter.button('sale.point.sale', 'open', sale)
    assert documents(shop.branch)[1]['state'] == state


def test_ticket_whose_cash_was_counted_cannot_be_reopened(shop, counter):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    counter.cut()
    with pytest.raises(UserError):
        counter.button('sale.point.sale', 'open', sale)


def test_branch_does_not_post(shop, counter):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    transfer = counter.transfer("Fondo de caja", 100)
    session = counter.cut()
    for model, record in [
            ('sale.point.sale', sale),
            ('sale.point.cash.transfer', transfer),
            ('sale.point.cash.session', session)]:
        def post(model=model, record=record):
            Model = shop.branch.get(model)
            Model.post([Model(record)])
        with pytest.raises(UserError):
            shop.branch.run(post)


def test_branch_sells_on_its_offline_points_only(shop, counter):
    def other_point():
        Point = shop.branch.get('sale.point')
        point, = Point.copy([Point(counter.point)])
        return point.id
    counter.point = shop.branch.run(other_point)
    with pytest.raises(UserError):
        counter.open([(counter.codes(1)[0], 1)])


def test_central_does_not_sell_on_offline_points(shop):
    central = Counter(shop.central, kind='offline')
    line = [(central.codes(1)[0], 1)]
    with pytest.raises(UserError):
        central.open(line)
    with pytest.raises(UserError):
        central.transfer("Fondo de caja", 10)

    def session():
        central.get('sale.point.cash.session').create([
                {'point': central.point}])
    with pytest.raises(UserError):
        central.run(session)
    # Whatever a client may write into its context
    central.context = {
        **central.context, 'offline_sales_replay': True,
        'offline_sales_session': 1}
    with pytest.raises(UserError):
        central.open(line)


def test_central_does_not_move_a_sale_to_an_offline_point(shop):
    online = Counter(shop.central)
    sale = online.open([(online.codes(1)[0], 1)])
    offline = Counter(shop.central, kind='offline')

    def move():
        Sale = shop.central.get('sale.point.sale')
        Sale.write([Sale(sale)], {'point': offline.point})
    with pytest.raises(UserError):
        shop.central.run(move)


def test_central_still_sells_on_its_own_points(shop):
    counter = Counter(shop.central)
    sale = counter.sell([(counter.codes(1)[0], 1)])

    def post():
        Sale = shop.central.get('sale.point.sale')
        Sale.post([Sale(sale)])
        return Sale(sale).state, Sale(sale).move.state
    assert shop.central.run(post, context={'company': counter.company}) == (
        'posted', 'posted')
    assert documents(shop.central) == []


@pytest.mark.parametrize('utc, zone, day', [
        ('2025-03-01 07:30', 'America/Tijuana', '2025-02-28'),
        ('2025-03-01 08:30', 'America/Tijuana', '2025-03-01'),
        ('2025-07-01 06:30', 'America/Tijuana', '2025-06-30'),
        ('2025-03-01 05:30', 'America/Mexico_City', '2025-02-28'),
        ])
def test_date_is_the_day_of_the_branch(
        shop, counter, monkeypatch, utc, zone, day):
    now = dt.datetime.fromisoformat(utc).replace(tzinfo=dt.timezone.utc)
    Branch = shop.branch.get('offline_sales.branch')
    monkeypatch.setattr(Branch, '_now', classmethod(lambda cls: now))

    def set_zone():
        branch, = Branch.search([])
        branch.timezone = zone
        branch.save()
    shop.branch.run(set_zone)
    counter.sell([(counter.codes(1)[0], 1)])
    _, ticket = documents(shop.branch)
    assert ticket['date'] == dt.date.fromisoformat(day)


def test_two_tickets_of_one_number_are_refused(shop, counter):
    counter.sell([(counter.codes(1)[0], 1)])
    number = documents(shop.branch)[1]['number']
    with pytest.raises(UserError):
        counter.sell([(counter.codes(1)[0], 1)], number=number)


def test_field_of_another_module_travels(foreign_shop):
    counter = Counter(foreign_shop.branch)
    sale = counter.open([(c, 1) for c in counter.codes(2)])

    def wrap():
        Line = counter.get('sale.point.sale.line')
        line, _ = counter.get('sale.point.sale')(sale).lines
        Line.write([line], {'gift_note': "Para Lucía ñ \N{WRAPPED PRESENT}"})
    counter.run(wrap)
    counter.pay(sale)
    counter.process(sale)
    send(foreign_shop)

    def notes():
        Line = foreign_shop.central.get('sale.point.sale.line')
        return [l.gift_note for l in Line.search(
                [('sale.number', 'like', 'ESP-SI-%')], order=[('id', 'ASC')])]
    assert foreign_shop.central.run(notes) == [
        "Para Lucía ñ \N{WRAPPED PRESENT}", None]
