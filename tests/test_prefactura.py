# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Prefacturas: confirmed at the branch, processed at the central"
import datetime as dt
import uuid
from decimal import Decimal

import pytest

from trytond.exceptions import UserError

from .counter import Counter, balances, contents, documents, send, stock
from .test_inbox import (
    Inbox, change, post_sessions, sessions, storage, taxes)
from .test_repair import Desk
from .usage import Cashier, Fault


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


def read(database, *domain):
    "Return what the sales are, by number"
    def run():
        found = database.get('sale.sale').search(list(domain))
        return {s.number: {
                'state': s.state,
                'dates': (s.quotation_date, s.sale_date),
                'party': s.party.name,
                'address': s.shipment_address.rec_name,
                'term': s.payment_term and s.payment_term.name,
                'price_list': s.price_list and s.price_list.name,
                'by': [
                    e and e.rec_name for e in (s.quoted_by, s.confirmed_by)],
                'total': (s.untaxed_amount, s.tax_amount, s.total_amount),
                'lines': [
                    (l.product.code, l.quantity, l.unit.symbol, l.unit_price,
                        sorted(t.name for t in l.taxes)) for l in s.lines],
                'paid': [
                    (p.method.name, p.amount, p.date)
                    for p in s.counter_payments],
                } for s in found}
    return database.run(run)


def made(database, number):
    "Return what was made of the sale"
    def run():
        sale, = database.get('sale.sale').search([('number', '=', number)])
        shipments = [*sale.shipments, *sale.shipment_returns]
        return {
            'user': sale.create_uid.login,
            'state': sale.state,
            'shipment_state': sale.shipment_state,
            'shipments': [(s.state, s.effective_date) for s in shipments],
            'moves': {
                (m.state, m.effective_date) for s in shipments
                for m in s.moves},
            'invoices': [(i.state, i.total_amount) for i in sale.invoices],
            'advances': {
                (p.move.state, p.move.date) for p in sale.counter_payments
                if p.move},
            'receivable': [
                (l.party == sale.party, l.debit - l.credit)
                for p in sale.counter_payments[:1] if p.move
                for l in p.move.lines if l.account.type.receivable],
            }
    return database.run(run)


def today(shop):
    "Return the day at the branch, which is not everywhere the same"
    return shop.branch.run(shop.branch.get('offline_sales.branch').today)


def total(database, sale):
    return database.run(
        lambda: database.get('sale.sale')(sale).total_amount)


def attend(shop):
    return [
        (d['kind'], d['state'], d['reason'], d['text'])
        for d in documents(shop.central) if d['state'] != 'processed']


def test_prefactura_goes_from_branch_to_central(shop, counter):
    "Paid in cash with change and by card, days ago, with decimals"
    day = dt.date.today() - dt.timedelta(days=2)
    party, = counter.parties(1)
    sale = counter.quote([
            *((c, 3) for c in counter.codes(3, decimals=False)),
            (counter.codes(1, decimals=True)[0], 1.1)],
        party=party, quotation_date=day, sale_date=day)
    amount = total(shop.branch, sale)
    counter.pay_counter(sale, [
            ('card', '10'), ('cash', amount + 40), ('cash', None)])
    counter.confirm(sale)
    number, = read(shop.branch)
    assert number.startswith('ESP-P-')
    ours = made(shop.branch, number)
    assert (ours['state'], ours['shipments'], ours['invoices']) == (
        'confirmed', [], [])
    kinds = [(d['kind'], d['number'], d['total'])
        for d in documents(shop.branch)]
    assert kinds == [
        ('cash_session', None, None), ('prefactura', number, amount)]
    before = balances(shop.central, counter.company)
    send(shop)
    assert attend(shop) == []
    theirs = read(shop.central, ('number', '=', number))
    here = read(shop.branch)
    assert theirs[number].pop('state') == 'processing'
    del here[number]['state']
    assert theirs == here
    assert made(shop.central, number) == {
        'user': 'esp.lupita',
        'state': 'processing',
        'shipment_state': 'sent',
        'shipments': [('done', day)],
        'moves': {('done', day)},
        'invoices': [('draft', amount)],
        'advances': {('posted', today(shop))},
        'receivable': [(True, -amount)],
        }
    after = balances(shop.central, counter.company)
    assert after['101.01'] - before.get('101.01', 0) == amount - 10
    assert after['102.02'] - before.get('102.02', 0) == 10
    assert {d['state'] for d in documents(shop.branch)} == {'accepted'}

    def tasks():
        return [
            t.data['method'] for t in shop.central.get('ir.queue').search([])
            if t.data['model'] == 'sale.sale' and not t.finished_at]
    assert shop.central.run(tasks) == []


def test_offline_equals_online(shop, counter, make_database):
    "The same sales at a central and through a branch, with their cut"
    online = Counter(make_database('central2', 'company'), kind='online')
    for cashier in [online, counter]:
        codes = cashier.codes(6)
        cashier.invoice([(c, 2) for c in codes[:3]])
        # Goods come back and are paid out
        cashier.invoice([(codes[4], 1), (codes[5], -2)])
        cashier.invoice([(codes[0], -1)])
        cashier.sell_some(1)
        cashier.cut()

    def ship():
        Sale = online.get('sale.sale')
        for sale in Sale.search([], order=[('id', 'ASC')]):
            for name, buttons in [
                    ('shipments',
                        ['assign_force', 'pick', 'pack', 'ship', 'do']),
                    ('shipment_returns', ['receive', 'do'])]:
                for shipment in getattr(sale, name):
                    for button in buttons:
                        Shipment = shipment.__class__
                        getattr(Shipment, button)([Shipment(shipment.id)])

    def post():
        Sale = online.get('sale.point.sale')
        Sale.post(Sale.search([('state', '=', 'done')], order=[('id', 'ASC')]))
        post_sessions(online.database)
    for step in [ship, post]:
        online.database.run(step, context={'company': online.company})
    send(shop)
    assert attend(shop) == []
    shop.central.run(
        lambda: post_sessions(shop.central),
        context={'company': online.company})
    location = storage(online)
    assert stock(online.database, location) == stock(shop.central, location)
    assert balances(online.database, online.company) == balances(
        shop.central, online.company)
    assert taxes(online.database) == taxes(shop.central)
    assert sessions(online.database, online.point) == sessions(
        shop.central, Counter(shop.central, kind='offline').point)

    def compare(database):
        return sorted(
            (s['state'], s['total'], s['lines'], s['paid'], s['by'])
            for s in read(database, ('number', '!=', None)).values())
    assert compare(online.database) == compare(shop.central)


def set_branch(database, **values):
    def write():
        Branch = database.get('offline_sales.branch')
        Branch.write(Branch.search([('code', '=', 'ESP')]), values)
    database.run(write)


def test_credit_and_what_is_not_delivered(shop, counter):
    code, = counter.codes(1)
    one, other = counter.parties(2)
    sale = counter.quote([(code, 1)], party=one)
    amount = total(shop.branch, sale)
    # Not allowed, unless paid
    with pytest.raises(UserError, match=str(amount)):
        counter.confirm(sale)
    credit = {'credit': True, 'credit_limit': amount * 2, 'deliver': False}
    set_branch(shop.branch, **credit)
    set_branch(shop.central, credit=True)
    counter.confirm(sale)
    counter.invoice([(code, 2)], [('cash', amount)], party=one)
    assert len(documents(shop.branch, ('kind', '=', 'prefactura'))) == 2
    for lines, party, refused in [
            ([(code, 1)], one, True), ([(code, 3)], other, True),
            ([(code, 2)], other, False)]:
        sale = counter.quote(lines, party=party)
        if refused:
            with pytest.raises(UserError):
                counter.confirm(sale)
        else:
            counter.confirm(sale)
    message = send(shop)
    assert "3" in message and attend(shop) == []
    # Sent is not forgotten, as long as the central's limit is the old one,
    # whatever its clock says
    with shop.branch.transaction() as transaction:
        table = shop.branch.get('offline_sales.document').__table__()
        transaction.connection.cursor().execute(*table.update(
                [table.processed], [dt.datetime(2020, 1, 1)]))
    sale = counter.quote([(code, 1)], party=one)
    with pytest.raises(UserError):
        counter.confirm(sale)
    shop.obtain()
    set_branch(shop.branch, **credit)
    counter.confirm(sale)
    first = made(shop.central, 'ESP-P-00001')
    assert first['invoices'] == [('draft', amount)]
    assert [s for s, _ in first['shipments']] == ['waiting']
    assert (first['advances'], first['receivable']) == (set(), [])
    second = made(shop.central, 'ESP-P-00002')
    assert second['receivable'] == [(True, -amount)]


def test_payments_are_bounded(shop, counter):
    code, = counter.codes(1)
    sale = counter.quote([(code, 1)])
    amount = total(shop.branch, sale)
    more, = counter.pay_counter(sale, [('cash', amount + 5)])
    with pytest.raises(UserError):
        counter.confirm(sale)
    with pytest.raises(UserError):
        counter.button('sale.sale', 'cancel', sale)
    with pytest.raises(UserError):
        counter.cut()
    Payment = shop.branch.get('offline_sales.prefactura.payment')

    def write():
        Payment.write([Payment(more)], {'amount': Decimal(1)})
    with pytest.raises(UserError):
        counter.run(write)
    counter.run(lambda: Payment.delete([Payment(more)]))
    with pytest.raises(UserError):
        # Only cash is given back
        counter.pay_counter(sale, [('card', -5)])
    counter.pay_counter(sale)
    counter.confirm(sale)
    with pytest.raises(UserError):
        counter.pay_counter(sale, [('cash', 1)])
    with pytest.raises(UserError):
        counter.run(lambda: Payment.delete(Payment.search([])))
    other = Counter(shop.branch)
    other.point = shop.branch.run(lambda: shop.branch.get('sale.point').copy(
            [shop.branch.get('sale.point')(counter.point)])[0].id)
    with pytest.raises(UserError):
        other.pay_counter(counter.quote([(code, 1)]))


def test_prefactura_reopened_and_cancelled(shop, counter):
    codes = counter.codes(2)
    sale = counter.invoice([(codes[0], 1)], [('card', None)])
    counter.button('sale.sale', 'draft', sale)
    assert [d['state'] for d in documents(shop.branch)] == ['withdrawn']

    def edit():
        Line = counter.get('sale.line')
        line, = counter.get('sale.sale')(sale).lines
        Line.write([line], {'quantity': 2})
    counter.run(edit)
    counter.button('sale.sale', 'quote', sale)
    counter.pay_counter(sale)
    counter.confirm(sale)
    first, _, second = documents(shop.branch)
    assert first['number'] == second['number']
    assert second['total'] == first['total'] * 2
    # Cancelled: the card is given back from the drawer
    other = counter.invoice([(codes[1], 1)], [('card', None)])
    counter.button('sale.sale', 'draft', other)
    paid = total(shop.branch, other)
    counter.pay_counter(other, [('cash', -paid)])
    counter.button('sale.sale', 'cancel', other)
    # Nothing was paid: nothing to tell
    counter.button('sale.sale', 'cancel', counter.quote([(codes[0], 1)]))
    counter.cut()
    send(shop)
    assert attend(shop) == []
    assert [d['kind'] for d in documents(shop.central)] == [
        'cash_session', 'prefactura', 'prefactura', 'cash_cut']
    assert read(shop.central)[second['number']]['total'][-1] == second['total']
    gone = documents(shop.central, ('total', '=', 0))[0]['number']
    assert made(shop.central, gone) == {
        'user': 'esp.lupita', 'state': 'cancelled',
        'shipment_state': 'none', 'shipments': [], 'moves': set(),
        'invoices': [], 'advances': {('posted', today(shop))},
        'receivable': [],
        }
    for sent in [sale, other]:
        with pytest.raises(UserError):
            counter.button('sale.sale', 'draft', sent)


def test_counted_prefactura_is_not_reopened(shop, counter):
    sale = counter.invoice([(counter.codes(1)[0], 1)])
    counter.cut()
    cut, = map(contents, documents(shop.branch, ('kind', '=', 'cash_cut')))
    told, = documents(shop.branch, ('kind', '=', 'prefactura'))
    assert cut['documents'] == [told['uuid']]
    assert cut['totals']['balance'] == told['total']
    with pytest.raises(UserError):
        counter.button('sale.sale', 'draft', sale)


def test_fields_of_other_modules_travel(foreign_shop):
    counter = Counter(foreign_shop.branch)
    sale = counter.quote([(c, 1) for c in counter.codes(2)])
    counter.button('sale.sale', 'draft', sale)

    def discount():
        line, _ = counter.get('sale.sale')(sale).lines
        line.discount_rate = Decimal('.25')
        line.on_change_discount_rate()
        line.gift_note = "Para Lucía"
        line.save()
        return line.unit_price, line.base_price
    price, base = counter.run(discount)
    assert abs(price - base * 3 / 4) <= Decimal('.0001')
    counter.button('sale.sale', 'quote', sale)
    counter.pay_counter(sale)
    counter.confirm(sale)
    send(foreign_shop)
    assert attend(foreign_shop) == []

    def lines():
        return [
            (l.unit_price, l.base_price, l.discount_rate, l.gift_note)
            for l in foreign_shop.central.get('sale.line').search(
                [('sale.number', 'like', 'ESP-P-%')],
                order=[('id', 'ASC')])]
    first, second = foreign_shop.central.run(lines)
    assert first == (price, base, Decimal('.25'), "Para Lucía")
    assert second[-1] is None


def twin(values):
    for node in [values['record'], *(
                child for children in values['record']['children'].values()
                for child in children)]:
        node['key'] = str(uuid.uuid4())


def pay_elsewhere(values):
    payment, = values['record']['children']['counter_payments']
    payment['values']['point'] = 1


def charge_less(values):
    values['record']['children']['lines'][0]['values']['unit_price'] -= 1


def lose_tax(values):
    values['record']['children']['lines'][0]['values']['taxes'] = []


def close_period(values):
    date = dt.date(dt.date.today().year - 2, 6, 1)
    values['header']['date'] = values['record']['values']['sale_date'] = date


def taxed(counter):
    "Return the codes of three products with taxes"
    return [
        code for code, taxes in counter.taxes.items()
        if taxes == ["IVA 16 %"]][:3]


@pytest.fixture
def three(shop, counter):
    "Three prefacturas to send"
    for code in taxed(counter):
        counter.invoice([(code, 2)])
    return Inbox(shop)


def overpay(values):
    payment, = values['record']['children']['counter_payments']
    payment['values']['amount'] += 100_000
    values['totals']['payments'][0]['amount'] += 100_000
    values['totals']['cash'] += 100_000


def owe(values):
    values['record']['children']['counter_payments'] = []
    values['totals'].update(payments=[], cash=Decimal(0))
    values['header']['point'] = None


def sell_to_company(values):
    # The party of the first company of the database
    values['header']['party'] = values['record']['values']['party'] = 1


REFUSED = [
    (lambda v: v['record']['values'].pop('currency'), 'unreadable'),
    (overpay, 'overpaid'),
    (owe, 'credit'),
    (sell_to_company, 'foreign_record'),
    (lambda v: v['record']['values'].update(number='X'), 'unreadable'),
    (lambda v: v['record']['values'].update(state='draft'), 'unreadable'),
    (lambda v: v['record']['values'].update(warehouse=1), 'unreadable'),
    (lambda v: v.pop('delivered'), 'unreadable'),
    (lambda v: v['record']['children']['lines'][0]['values'].update(
            taxes='all'), 'unreadable'),
    (pay_elsewhere, 'foreign_point'),
    (close_period, 'closed_period'),
    (charge_less, 'total_changed'),
    (lose_tax, 'tax_changed'),
    ]


def test_prefactura_set_aside(shop, counter):
    "Others go on"
    code, = taxed(counter)[:1]
    for _ in range(len(REFUSED) + 1):
        counter.invoice([(code, 2)])
    inbox = Inbox(shop)
    session, *sales, last = inbox.entries()
    inbox.receive([session, *(
                change(sale, function)
                for sale, (function, _) in zip(sales, REFUSED, strict=True)),
            last])
    inbox.process()
    *found, last = documents(shop.central, ('kind', '=', 'prefactura'))
    assert [d['reason'] for d in found] == [reason for _, reason in REFUSED]
    assert all(d['text'] for d in found)
    assert last['state'] == 'processed'
    # What a customer owes may be accepted, unlike what nobody can have paid
    desk = Desk(shop)
    for document in found:
        if document['reason'] in {'credit', 'overpaid'}:
            desk.press('repair', document, accept=True)
    states = {d['reason']: d['state'] for d in documents(
            shop.central, ('kind', '=', 'prefactura'))}
    assert states['overpaid'] == 'rejected' and 'credit' not in states


def test_number_of_another_prefactura(shop, three):
    session, first, second, third = three.entries()
    copy = change(first, twin, new_uuid=True)
    three.receive([session, first, copy, second, third])
    three.process()
    three.receive([change(second, twin, new_uuid=True)])
    three.process()
    found = documents(shop.central, ('kind', '=', 'prefactura'))
    assert [d['reason'] for d in found] == [
        None, 'number_taken', None, None, 'number_taken']
    assert len(read(shop.central, ('number', 'like', 'ESP-P-%'))) == 3


def test_prefactura_after_changes_at_the_central(shop, three):
    "A product is withdrawn, the unit of another cannot be halved"
    central = Counter(shop.central, kind='offline')
    codes = taxed(central)

    def alter():
        Product = shop.central.get('product.product')
        Product.write([Product(central.products[codes[0]])], {
                'active': False})
        unit = Product(central.products[codes[1]]).sale_uom
        unit.category.__class__.write([unit.category], {'name': "Piezas"})
        box, = unit.__class__.copy([unit], {
                'name': "Caja", 'symbol': "cj", 'digits': 0})
        return box.id
    box = shop.central.run(alter)
    session, first, second, third = three.entries()

    def sell_half(values):
        line, = values['record']['children']['lines']
        line['values'].update(quantity=.5, unit=box)
    three.receive([session, first, change(second, sell_half), third])
    three.process()
    found = documents(shop.central, ('kind', '=', 'prefactura'))
    assert [d['reason'] for d in found] == [
        'product_withdrawn', 'unit_changed', None]


def raise_taxes(database):
    def alter():
        Tax = database.get('account.tax')
        for tax in Tax.search([('rate', '>', 0)]):
            tax.rate += Decimal('.01')
            tax.save()
    database.run(alter)


def test_prefactura_after_a_change_of_tax(shop, three):
    raise_taxes(shop.central)
    three.deliver()
    found = documents(shop.central, ('kind', '=', 'prefactura'))
    assert {d['reason'] for d in found} == {'tax_changed'}
    assert all("IVA" in d['text'] for d in found)


def test_prefactura_of_a_new_customer(shop, counter):
    "Which goes first, whatever is waited for"
    def make():
        party, = counter.get('party.party').create([{
                    'name': "Lucía Peña",
                    'addresses': [('create', [{
                                    'street_name': "Allende"}])],
                    }])
        return party.id
    counter.invoice([(counter.codes(1)[0], 1)], party=counter.run(make))
    inbox = Inbox(shop)
    by_kind = {e['kind']: e for e in inbox.entries()}
    inbox.receive([by_kind['cash_session'], by_kind['prefactura']])
    inbox.process()
    assert [(kind, reason) for kind, _, reason, _ in attend(shop)] == [
        ('prefactura', 'waiting')]
    send(shop)
    assert attend(shop) == []
    assert {
        (s['party'], s['address']) for s in read(
            shop.central, ('number', 'like', 'ESP-P-%')).values()} == {
        (s['party'], s['address']) for s in read(shop.branch).values()}


def test_prefactura_is_confirmed_by_its_button_only(shop, counter):
    cashier = Cashier(shop.web.url, shop.branch.name).login()
    sale = counter.quote([(counter.codes(1)[0], 1)])
    context = {
        name: counter.context[name] for name in ['company', 'companies']}
    for procedure, *arguments in [
            ('write', [sale], {'state': 'confirmed'}),
            ('create', [{
                        'state': 'confirmed', 'company': counter.company,
                        'party': counter.parties(1)[0]}])]:
        with pytest.raises(Fault):
            cashier.call(
                f'model.sale.sale.{procedure}', *arguments, context=context)
    payment, = cashier.call('model.offline_sales.prefactura.payment.create', [{
                'sale': sale, 'point': counter.point,
                'method': counter.methods['cash'],
                'amount': total(shop.branch, sale)}], context=context)
    assert payment
    cashier.call('model.sale.sale.confirm', [sale], context=context)
    assert read(shop.branch).popitem()[1]['state'] == 'confirmed'


def test_prefactura_is_repaired(shop, three):
    "A tax in place of one that is not there, and the day of a closed period"
    desk = Desk(shop)
    names = shop.central.run(lambda: {
            t.name: t.id
            for t in shop.central.get('account.tax').search([])})
    session, first, second, third = three.entries()

    def lose(values):
        line, = values['record']['children']['lines']
        line['values']['taxes'] = [9999]
    three.receive([session, change(first, lose), change(second, close_period)])
    three.process()
    lost, closed = documents(shop.central, ('kind', '=', 'prefactura'))
    assert (lost['reason'], closed['reason']) == (
        'missing_record', 'closed_period')
    rows = desk.rows(lost)
    missing, = [v for _, _, v in rows if '9999' in str(v)]
    desk.press('repair', lost, {missing: f"account.tax,{names['IVA 16 %']}"})
    desk.press('repair', closed, date=dt.date.today())
    assert attend(shop) == []
    number = contents(first)['header']['number']
    line, = read(shop.central, ('number', '=', number))[number]['lines']
    assert line[-1] == ["IVA 16 %"]
    redated = made(shop.central, contents(second)['header']['number'])
    assert redated['shipments'] == [('done', dt.date.today())]


def test_difference_of_a_prefactura_is_accepted(shop, three):
    "It is invoiced with the taxes of now, and what was paid is an advance"
    desk = Desk(shop)
    session, first, *_ = three.entries()

    raise_taxes(shop.central)
    three.receive([session, first])
    three.process()
    document, = documents(shop.central, ('kind', '=', 'prefactura'))
    assert document['reason'] == 'tax_changed'
    desk.press('repair', document, accept=True)
    assert attend(shop) == []
    done = made(shop.central, document['number'])
    (_, invoiced), = done['invoices']
    assert invoiced > document['total']
    assert done['receivable'] == [(True, -document['total'])]


def test_prefactura_of_who_is_no_employee(shop, counter):
    "Since then made an employee at the central"
    counter.context = {**counter.context, 'employee': None}

    def forget():
        User = shop.branch.get('res.user')
        User.write([User(counter.user)], {'employee': None})
    shop.branch.run(forget)
    counter.invoice([(counter.codes(1)[0], 1)])
    send(shop)
    assert attend(shop) == []
    number, = read(shop.branch)
    assert read(shop.central, ('number', '=', number))[number]['by'] == [
        None, None]


def test_ticket_whose_cash_was_counted_without_it(shop, counter):
    "As of a branch restored from a copy, or a hostile one"
    inbox = Inbox(shop)
    counter.sell_some(1)
    counter.cut()
    inbox.deliver()

    def late(values):
        twin(values)
        values['header']['number'] = 'ESP-SI-000777'
        values['record']['values']['number'] = 'ESP-SI-000777'
    ticket, = inbox.entries(('kind', '=', 'ticket'))
    inbox.receive([change(ticket, late, True)])
    inbox.process()
    (kind, state, reason, _), = attend(shop)
    assert (kind, state, reason) == ('ticket', 'rejected', 'session_counted')
