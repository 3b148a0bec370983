# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Documents that the central set aside, repaired by a person"
import datetime as dt
import uuid
from decimal import Decimal

import pytest

from trytond.exceptions import UserError

from .counter import Counter, balances, contents, documents, send, stock
from .test_inbox import Inbox, change, storage
from .usage import Cashier, Fault

DOCUMENT = 'offline_sales.document'
WIZARD = 'wizard.offline_sales.document.repair'


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


@pytest.fixture
def inbox(shop):
    return Inbox(shop)


@pytest.fixture
def desk(shop):
    return Desk(shop)


class Desk:
    "Who attends documents at the central, over RPC as the clients do"

    def __init__(self, shop, login='gerencia'):
        self.shop = shop
        self.person = Cashier(
            shop.web.url, shop.central.name, login).login()
        self.preferences = {
            name: value for name, value in self.call(
                'model.res.user.get_preferences', True).items()
            if name in {'company', 'companies'}}

    def call(self, method, *params, **context):
        return self.person.call(method, *params, context={
                **getattr(self, 'preferences', {}),
                'language': 'en', **context})

    def open(self, document, **context):
        "Open the wizard and return its session, context and first form"
        context = {
            'active_model': DOCUMENT, 'active_id': document['id'],
            'active_ids': [document['id']], **context}
        session, start, _ = self.call(f'{WIZARD}.create')
        answer = self.call(f'{WIZARD}.execute', session, {}, start, **context)
        return session, context, answer['view']['defaults']

    def press(
            self, button, document, instead=None, reason="So it was", **data):
        """Fill the form in, press the button and return the message

        instead: what to choose by the value that the rows show.
        """
        session, context, form = self.open(document)
        rows = form.get('rows') or []
        for row in rows:
            if row['value'] in (instead or {}):
                row['instead'] = instead[row['value']]
        answer = self.call(f'{WIZARD}.execute', session, {'start': {
                    'document': document['id'], 'rows': rows,
                    'reason': reason, **data}}, button, **context)
        return answer['view']['defaults']['message']

    def rows(self, document):
        _, _, form = self.open(document)
        return [(r['section'], r['label'], r['value']) for r in form['rows']]


def repairs(database):
    def read():
        Repair = database.get('offline_sales.document.repair')
        return [
            (r.document.id, r.action, r.user.login, r.reason, r.accept)
            for r in Repair.search([], order=[('id', 'ASC')])]
    return database.run(read)


def line(values):
    return values['record']['children']['lines'][0]['values']


def moves(database, number):
    "Return what the ticket moved and posted, by product and by account"
    def read():
        sale, = database.get('sale.point.sale').search([
                ('number', '=', number)])
        return {
            'state': sale.state,
            'date': sale.move.date,
            'goods': sorted(
                (m.product.code, m.quantity, m.unit.symbol, m.state)
                for l in sale.lines for m in l.moves),
            'lines': sorted(
                (l.account.code, l.debit - l.credit)
                for l in sale.move.lines),
            'taxes': sorted(
                (t.tax.name, t.type, t.amount)
                for l in sale.move.lines for t in l.tax_lines),
            }
    return database.run(read)


def test_contents_are_read_as_a_form(shop, counter, inbox, desk):
    code, = counter.codes(1, decimals=False)
    counter.sell([(code, 3)])
    session, ticket = inbox.entries()
    inbox.receive([session, change(
                ticket, lambda v: line(v).update(product=999_999))])
    inbox.process()
    document, = inbox.tickets()
    rows = desk.rows(document)
    values = contents(ticket)
    assert ("Document", "Number", document['number']) in rows
    assert ("Lines 1", "Quantity", "3.0") in rows
    assert ("Lines 1", "Product", "999999 (does not exist)") in rows
    assert ("Payments 1", "Method", "Efectivo") in rows
    assert ("Totals", "Total", f"{values['totals']['total']:,}") in rows
    assert any(
        section == "Taxes 1" and label == "Tax" and "IVA" in value
        for section, label, value in rows)
    text, = desk.call(f'model.{DOCUMENT}.read', [document['id']], ['contents'])
    assert "Product: 999999 (does not exist)" in text['contents']
    assert '{' not in text['contents']


def test_product_in_place_of_another(shop, counter, inbox, desk):
    code, other = counter.codes(2, decimals=False)
    before = stock(shop.central, storage(Counter(shop.central)))
    counter.sell([(code, 3)])
    session, ticket = inbox.entries()

    def lose(values):
        line(values)['product'] = 999_999
        for row in values['totals']['goods']:
            row['product'] = 999_999
    ticket = change(ticket, lose)
    inbox.receive([session, ticket])
    inbox.process()
    document, = inbox.tickets()
    assert document['reason'] == 'missing_record'
    product = Counter(shop.central).products[code]
    message = desk.press('repair', document, {
            "999999 (does not exist)": f'product.product,{product}'})
    assert "Processed" in message and "So it was" in message
    repaired, = inbox.tickets()
    assert (repaired['state'], repaired['reason']) == (
        'processed', 'repaired')
    # What the branch said stands unchanged
    assert (repaired['payload'], repaired['sha256']) == (
        ticket['payload'], ticket['sha256'])
    assert repairs(shop.central) == [
        (document['id'], 'repair', 'gerencia', "So it was", False)]
    assert stock(shop.central, storage(Counter(shop.central)))[code] == (
        before.get(code, 0) - 3)
    # And the branch is told, once
    told = inbox.report([ticket])['documents'][ticket['uuid']]
    assert told['state'] == 'processed' and told['records']
    assert told['reason']['code'] == 'repaired'
    assert told['reason']['params']['reason'] == "So it was"
    assert inbox.receive([ticket])['receipts'][ticket['uuid']][
        'state'] == 'processed'
    with pytest.raises(Fault):
        desk.press('retry', document)
    assert len(documents(shop.central)) == 2


def test_what_is_kept_of_a_repair_is_never_changed(
        shop, counter, inbox, desk):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    inbox.receive([session, change(
                ticket, lambda v: line(v).update(product=999_999))])
    inbox.process()
    document, = inbox.tickets()
    desk.press('retry', document)
    assert [d['state'] for d in inbox.tickets()] == ['rejected']
    Repair = inbox.get('offline_sales.document.repair')
    for change_ in [
            lambda: Repair.write(Repair.search([]), {'reason': "Other"}),
            lambda: Repair.delete(Repair.search([]))]:
        with pytest.raises(UserError):
            shop.central.run(change_)
    with pytest.raises(Fault):
        desk.call('model.offline_sales.document.repair.create', [{
                    'document': document['id'], 'action': 'void',
                    'reason': "x"}])
    # Nothing is asked of a person twice: why is always there
    for button in ['retry', 'void', 'repair']:
        with pytest.raises(Fault):
            desk.press(button, document, reason=" ")
    with pytest.raises(Fault) as nothing:
        desk.press('repair', document)
    assert "Nothing was changed" in nothing.value.text
    assert len(repairs(shop.central)) == 1


def test_date_in_an_open_period(shop, counter, inbox, desk):
    date = dt.date(dt.date.today().year - 2, 6, 1)
    counter.sell([(counter.codes(1)[0], 1)], date=date)
    send(shop)
    document, = inbox.tickets()
    assert document['reason'] == 'closed_period'
    today = dt.date.today()
    desk.press('repair', document, date={
            '__class__': 'date', 'year': today.year, 'month': today.month,
            'day': today.day})
    document, = inbox.tickets()
    assert (document['state'], document['date']) == ('processed', date)
    done = moves(shop.central, document['number'])
    assert (done['state'], done['date']) == ('posted', today)
    send(shop)
    at_branch, = documents(shop.branch, ('kind', '=', 'ticket'))
    assert (at_branch['state'], at_branch['reason']) == (
        'accepted', 'repaired')
    assert "María Esperanza" in at_branch['text']


def test_difference_is_accepted_as_charged(
        shop, counter, inbox, desk, make_database):
    "Posted as if the taxes and the units were still those of the sale"
    taxed, counted = counter.codes(2, decimals=False)
    lines = [(taxed, 2), (counted, 4), (taxed, 1)]
    online = Counter(make_database('central2', 'company'), kind='online')
    expected = online.sell(lines)

    def post():
        Sale = online.get('sale.point.sale')
        Sale.post([Sale(expected)])
        return Sale(expected).number
    expected = online.database.run(post, context={'company': online.company})
    counter.sell(lines)
    boxed = Counter(shop.central, kind='offline').products[counted]

    def change_central():
        Tax = inbox.get('account.tax')
        for tax in Tax.search([('type', '=', 'percentage')]):
            tax.rate += Decimal('.03')
            tax.save()
        product = inbox.get('product.product')(boxed)
        box, = inbox.get('product.uom').create([{
                    'name': "Box of 12", 'symbol': "b12",
                    'category': product.default_uom.category.id,
                    'factor': 12, 'rate': round(1 / 12, 12), 'rounding': 1,
                    'digits': 0}])
        product.template.sale_uom = box
        product.template.save()
    shop.central.run(change_central, context={'company': counter.company})
    send(shop)
    document, = inbox.tickets()
    assert document['reason'] == 'tax_changed'
    # Nothing else makes it pass
    desk.press('retry', document)
    assert [d['state'] for d in inbox.tickets()] == ['rejected']
    message = desk.press('repair', document, accept=True)
    assert "Processed" in message
    document, = inbox.tickets()
    done = moves(shop.central, document['number'])
    as_charged = moves(online.database, expected)
    # The bases of one tax may stand in one line instead of several
    for outcome in [done, as_charged]:
        taxes = {}
        for name, type_, amount in outcome['taxes']:
            taxes[name, type_] = taxes.get((name, type_), 0) + amount
        outcome['taxes'] = taxes
    assert done == as_charged


def test_branch_cannot_accept_for_itself(shop, counter, inbox):
    counter.sell_some(1)
    session, ticket = inbox.entries()

    def falsify(values):
        values['totals']['tax'] += 1
        values['accept'] = values['header']['accept'] = True
        values['repair'] = {'accept': True}
    inbox.receive([session, change(ticket, falsify)])
    inbox.process()
    assert [d['reason'] for d in inbox.tickets()] == ['total_changed']


def test_voided_is_never_resurrected(shop, counter, inbox, desk):
    "Neither by a retry, by the branch, nor by a doubt of the branch"
    counter.sell_some(3)
    counter.cut()
    bad = documents(shop.branch, ('kind', '=', 'ticket'))[2]

    def close():
        template = inbox.get('product.product')(product).template
        template.salable = False
        template.save()
    product = line(contents(bad))['product']
    shop.central.run(close)
    send(shop)
    at_central, = documents(shop.central, ('state', '=', 'rejected'))
    assert at_central['number'] == bad['number']
    cut, = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert (cut['state'], cut['reason']) == ('received', 'waiting')
    message = desk.press('void', at_central, reason="Sold twice")
    assert "Voided" in message and "Sold twice" in message
    # What waited for it goes on, to where a person has to look again
    cut, = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert (cut['state'], cut['reason']) == ('rejected', 'balance')
    before = balances(shop.central, counter.company)
    send(shop)
    at_branch, = documents(
        shop.branch, ('number', '=', bad['number']))
    assert (at_branch['state'], at_branch['reason']) == ('voided', 'voided')
    assert "Sold twice" in at_branch['text']
    with pytest.raises(Fault):
        desk.press('retry', at_central)

    def doubt():
        shop.branch.get(DOCUMENT).doubt()
    shop.branch.run(doubt)
    send(shop)
    entry, = inbox.entries(('number', '=', bad['number']))
    assert inbox.receive([entry])['receipts'][entry['uuid']][
        'state'] == 'voided'
    inbox.process()
    assert balances(shop.central, counter.company) == before
    assert {
        d['state'] for database in [shop.central, shop.branch]
        for d in documents(database, ('number', '=', bad['number']))
        } == {'voided'}
    book_missing_cash(shop, inbox, desk)


def book_missing_cash(shop, inbox, desk):
    "The cut of a session one of whose tickets was voided"
    cut, = documents(shop.central, ('kind', '=', 'cash_cut'))
    _, _, form = desk.open(cut)
    bad, = documents(shop.central, ('state', '=', 'voided'))
    difference = Decimal(form['difference']['decimal'])
    assert difference == sum(
        p['values']['amount'] for p in contents(bad)['record']['children'][
            'payments'] if p['values'].get('session')) > 0
    with pytest.raises(Fault):
        desk.press('repair', cut, accept=True)
    type_ = Counter(shop.central).transfer_types["Sobrante"]
    desk.press('repair', cut, accept=True, transfer_type=type_)
    cut, = documents(shop.central, ('kind', '=', 'cash_cut'))
    assert (cut['state'], cut['reason']) == ('processed', 'repaired')

    def read():
        Session = inbox.get('sale.point.cash.session')
        session, = Session.search(inbox.offline)
        Session.post([session])
        return session.end_amount - session.start_amount - session.balance, [
            (t.type.name, t.amount, t.move.state) for t in session.transfers]
    company = Counter(shop.central).company
    assert shop.central.run(read, context={'company': company}) == (
        0, [("Sobrante", difference, 'posted')])


def test_cashier_in_place_of_another(shop, counter, inbox, desk):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    ticket = change(ticket, lambda v: v['header'].update(user=1))
    inbox.receive([session, ticket])
    inbox.process()
    document, = inbox.tickets()
    assert document['reason'] == 'foreign_user'
    desk.press('retry', document)
    document, = inbox.tickets()
    assert (document['state'], document['reason']) == (
        'rejected', 'foreign_user')
    cashier = Counter(shop.central, kind='offline').user
    desk.press('repair', document, {
            "Administrator": f'res.user,{cashier}'})
    document, = inbox.tickets()
    assert (document['state'], document['user']) == (
        'processed', 'esp.lupita')


def test_what_cannot_be_read_is_voided_only(shop, counter, inbox, desk):
    counter.sell_some(1)
    session, ticket = inbox.entries()
    inbox.deliver()
    inbox.receive([
            change(ticket, lambda v: v['totals'].update(tax=Decimal(1))),
            {**change(ticket, lambda v: None, new_uuid=True),
                'kind': 'coupon'}])
    rejected = documents(shop.central, ('state', '=', 'rejected'))
    assert len(rejected) == 2
    for document in rejected:
        _, _, form = desk.open(document)
        assert not form.get('readable')
        text, = desk.call(
            f'model.{DOCUMENT}.read', [document['id']], ['contents'])
        assert "cannot be read" in text['contents']
        with pytest.raises(Fault):
            desk.press('retry', document)
        desk.press('void', document)
    assert inbox.states() == ['processed'] * 2 + ['voided'] * 2


def test_only_who_may(shop, counter, inbox, desk):
    "Whatever action the client says that it comes from"
    counter.sell_some(1)
    session, ticket = inbox.entries()
    inbox.receive([session, change(
                ticket, lambda v: line(v).update(product=999_999))])
    inbox.process()
    document, = inbox.tickets()
    for context in [{}, {'action_id': 0}, {'action_id': 999_999}]:
        with pytest.raises(Fault):
            Desk(shop, 'esp.lupita').open(document, **context)
    with pytest.raises(Fault):
        desk.open({'id': 999_999})
    Wizard = shop.branch.get(
        'offline_sales.document.repair', type='wizard')
    with pytest.raises(UserError):
        shop.branch.run(Wizard.create)
    # And in place of a product stands no user, nor another's point
    session_, context, form = desk.open(document)
    row, = [r for r in form['rows'] if r['missing']]
    for reference in ['res.user,1', 'product.product,999998']:
        with pytest.raises(Fault):
            desk.press('repair', document, {row['value']: reference})
    assert inbox.tickets()[0]['state'] == 'rejected'

    def dismiss():
        User = inbox.get('res.user')
        User.write(User.search([('login', '=', 'gerencia')]), {
                'companies': [('remove', [counter.company])],
                'company': None, 'employees': [('remove', [
                            e.id for e in inbox.get(
                                'company.employee').search([])])],
                'employee': None})
    shop.central.run(dismiss)
    with pytest.raises(Fault):
        Desk(shop).open(document)


def test_tax_of_a_prefactura_in_place_of_another(
        shop, counter, inbox, desk):
    "And its date: the office finds both as it chose them"
    lines = [(c, 2) for c in counter.codes(2, decimals=False)]
    day = dt.date.today() - dt.timedelta(days=1)
    counter.invoice(lines)
    *entries, prefactura = inbox.entries()
    known = {
        tax for node in contents(prefactura)['record']['children']['lines']
        for tax in node['values']['taxes']}

    def lose(values):
        for node in values['record']['children']['lines']:
            node['values']['taxes'] = [
                900_000 + tax for tax in node['values']['taxes']]
        for row in values['totals']['taxes']:
            row['tax'] += 900_000
    inbox.receive([*entries, change(prefactura, lose)])
    inbox.process()
    document, = documents(shop.central, ('kind', '=', 'prefactura'))
    assert document['reason'] == 'missing_record'
    message = desk.press('repair', document, {
            f"{900_000 + tax} (does not exist)": f'account.tax,{tax}'
            for tax in known}, date={
                '__class__': 'date', 'year': day.year, 'month': day.month,
                'day': day.day})
    assert "Processed" in message, message

    def read():
        sale, = inbox.get('sale.sale').search([
                ('number', '=', document['number'])])
        return (
            sale.sale_date, {t.id for l in sale.lines for t in l.taxes},
            sale.total_amount, {i.total_amount for i in sale.invoices},
            {p.date for p in sale.counter_payments})
    total = contents(prefactura)['totals']['total']
    assert shop.central.run(read) == (day, known, total, {total}, {day})


def test_customer_is_one_who_is_here(shop, counter, inbox, desk):
    "Chosen by a person, where no tax identifier tells"
    def create():
        party, = shop.branch.get('party.party').create([{
                    'name': "Rosa", 'addresses': [('create', [{
                                    'city': "Ensenada"}])]}])
        return party.id, party.code
    party, code = counter.run(create)

    def create_there():
        party, = inbox.get('party.party').create([
                {'name': "Rosa Díaz", 'code': code}])
        return party.id
    there = shop.central.run(create_there)
    counter.sell([(counter.codes(1)[0], 1)], party=party)
    send(shop)
    states = {d['kind']: d['state'] for d in documents(shop.central)}
    assert (states['party'], states['ticket']) == ('rejected', 'received')
    document, = documents(shop.central, ('kind', '=', 'party'))
    message = desk.press('repair', document, party=there)
    assert "Processed" in message, message
    assert set(inbox.states()) == {'processed'}

    def read():
        sale, = inbox.get('sale.point.sale').search(inbox.offline)
        return sale.party.id, [
            a.city for a in sale.party.addresses], inbox.get(
                'party.party').search([('code', '=', code)], count=True)
    assert shop.central.run(read) == (there, ["Ensenada"], 1)
    send(shop)
    assert {d['state'] for d in documents(shop.branch)} == {'accepted'}


def test_voided_ticket_is_not_opened_again(shop, counter, inbox, desk):
    "Its number would be that of two"
    sale = counter.sell([(counter.codes(1, decimals=False)[0], 3)])
    _, ticket = inbox.entries()

    def withdraw():
        product = inbox.get('product.product')(
            line(contents(ticket))['product'])
        product.template.salable = False
        product.template.save()
    shop.central.run(withdraw)
    send(shop)
    document, = inbox.tickets()
    desk.press('void', document, reason="Sold twice")
    send(shop)
    at_branch, = documents(shop.branch, ('kind', '=', 'ticket'))
    assert at_branch['state'] == 'voided'
    with pytest.raises(UserError):
        counter.button('sale.point.sale', 'open', sale)


def test_ticket_of_a_customer_who_was_voided(shop, counter, inbox, desk):
    "It does not wait for ever, and is of another then"
    def create():
        party, = shop.branch.get('party.party').create([{'name': "Rosa"}])
        return party.id, party.code
    party, code = counter.run(create)
    there = shop.central.run(lambda: inbox.get('party.party').create([
                {'name': "Rosa Díaz", 'code': code}])[0].id)
    counter.sell([(counter.codes(1)[0], 1)], party=party)
    send(shop)
    document, = documents(shop.central, ('kind', '=', 'party'))
    desk.press('void', document)
    ticket, = inbox.tickets()
    assert (ticket['state'], ticket['reason']) == (
        'rejected', 'customer_voided')
    send(shop)
    # Nobody sells to her again
    assert not shop.branch.run(
        lambda: shop.branch.get('party.party')(party).active)
    _, _, form = desk.open(ticket)
    value, = {
        r['value'] for r in form['rows'] if r['model'] == 'party.party'}
    desk.press('repair', ticket, {value: f'party.party,{there}'})
    ticket, = inbox.tickets()
    assert ticket['state'] == 'processed'

    def parties():
        return [s.party.id for s in inbox.get('sale.point.sale').search(
                inbox.offline)]
    assert shop.central.run(parties) == [there]


def test_prepared_that_cannot_be_posted(
        shop, counter, inbox, desk, monkeypatch):
    "What was made of it stays: it is tried again, and nothing else"
    counter.sell_some(1)

    def fail(cls, moves):
        raise UserError("The period is closed.")
    with monkeypatch.context() as patch:
        patch.setattr(inbox.get('account.move'), 'post', classmethod(fail))
        inbox.deliver()
        document, = inbox.tickets()
        assert (document['state'], document['reason']) == (
            'prepared', 'refused')
        for button in ['void', 'repair']:
            with pytest.raises(Fault) as refused:
                desk.press(button, document, accept=True)
            assert "try again" in refused.value.text
        desk.press('retry', document)
        assert inbox.tickets()[0]['reason'] == 'refused'
    desk.press('retry', document)
    document, = inbox.tickets()
    assert document['state'] == 'processed'
    assert moves(shop.central, document['number'])['state'] == 'posted'


def test_only_what_was_shown_is_accepted(shop, counter, inbox, desk):
    code, = counter.codes(1, decimals=False)
    counter.sell([(code, 1)])
    session, ticket = inbox.entries()
    product = line(contents(ticket))['product']

    def falsify(values):
        line(values)['product'] = 999_999
        values['totals']['tax'] += 1
        values['totals']['cash'] += 500
        for row in values['totals']['payments']:
            row['amount'] += 500
    inbox.receive([session, change(ticket, falsify)])
    inbox.process()
    document, = inbox.tickets()
    assert document['reason'] == 'missing_record'
    # Nothing was said of totals when it was accepted
    desk.press(
        'repair', document, {
            "999999 (does not exist)": f'product.product,{product}'},
        accept=True)
    document, = inbox.tickets()
    assert (document['state'], document['reason']) == (
        'rejected', 'total_changed')
    for name in ['tax', 'cash', 'payments']:
        assert name in document['text']
    desk.press('repair', document, accept=True)
    document, = inbox.tickets()
    assert document['state'] == 'processed'


def test_number_taken_and_employee_of_another(shop, counter, inbox, desk):
    counter.sell_some(2)
    session, first, second = inbox.entries()
    number = contents(first)['header']['number']

    def another():
        users = inbox.get('offline_sales.branch')(inbox.branch).users
        return inbox.get('company.employee').search([
                ('id', 'not in', [e.id for u in users for e in u.employees]),
                ], limit=1)[0].id
    other = shop.central.run(another)

    def repeat(values):
        for node in [values['record'], *(
                    child
                    for children in values['record']['children'].values()
                    for child in children)]:
            node['key'] = str(uuid.uuid4())
    inbox.receive([session, first, change(first, repeat, new_uuid=True),
            change(second, lambda v: v['record']['values'].update(
                    employee=other))])
    inbox.process()
    _, twin, third = inbox.tickets()
    assert [twin['reason'], third['reason']] == [
        'number_taken', 'foreign_employee']
    for same in [{}, {'number': number}]:
        with pytest.raises(Fault):
            desk.press('repair', twin, **same)
    desk.press('repair', twin, number=f'{number}-BIS')

    def numbers():
        return sorted(s.number for s in inbox.get('sale.point.sale').search(
                inbox.offline))
    assert shop.central.run(numbers) == [number, f'{number}-BIS']
    # What was printed stands in the journal
    twin = inbox.tickets()[1]
    assert (twin['state'], twin['number']) == ('processed', number)

    def employ():
        user, = inbox.get('res.user').search([('login', '=', 'esp.lupita')])
        user.employees = (*user.employees, other)
        user.save()
    shop.central.run(employ)
    inbox.process()
    assert inbox.tickets()[2]['state'] == 'processed'
