# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Without an open usage nothing is sold, whatever the door"
import base64
from decimal import Decimal
from functools import partial

import pytest
import requests

from trytond import config
from trytond.exceptions import UserError
from trytond.pool import Pool

from .counter import Counter as SpanishCounter
from .counter import documents
from .process import PASSWORD
from .usage import Browser, Cashier, Fault, Refused

Counter = partial(SpanishCounter, language='en')
OVER = "There is no open usage"


@pytest.fixture
def shop(closed_shop):
    return closed_shop


@pytest.fixture
def authentications():
    def authentications(value):
        config.set('session', 'authentications', value)
    yield authentications
    config.set('session', 'authentications', 'offline_sales')


def customer():
    return {'name': "Clienta", 'code': "ESP-C-1"}


def ticket(counter):
    return {
        'point': counter.point, 'company': counter.company,
        'date': counter.run(
            lambda: counter.get('sale.point.sale').default_date())}


def creations(counter):
    "What a cashier can make, as (model, values)"
    party = counter.run(
        lambda: counter.get('party.party').search([], limit=1)[0].id)
    return {
        'ticket': ('sale.point.sale', ticket(counter)),
        'prefactura': ('sale.sale', {
                'party': party, 'company': counter.company}),
        'customer': ('party.party', customer()),
        'address': ('party.address', {'party': party}),
        'contact': ('party.contact_mechanism', {
                'party': party, 'type': 'phone', 'value': '+525512345678'}),
        'identifier': ('party.identifier', {
                'party': party, 'type': None, 'code': '123'}),
        'cash session': ('sale.point.cash.session', {
                'point': counter.point}),
        }


KINDS = [
    'ticket', 'prefactura', 'customer', 'address', 'contact', 'identifier',
    'cash session']


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_is_made_without_a_usage(shop, kind):
    counter = Counter(shop.branch)
    model, values = creations(counter)[kind]

    def create():
        counter.get(model).create([dict(values)])
    with pytest.raises(UserError) as error:
        counter.run(create)
    assert OVER in error.value.message
    shop.open_usage()
    if kind != 'prefactura':
        counter.run(create)


def test_nothing_is_changed_without_a_usage(shop):
    counter = Counter(shop.branch)

    def write():
        Party = counter.get('party.party')
        Party.write(Party.search([], limit=1), {'name': "Otra"})
    with pytest.raises(UserError) as error:
        counter.run(write)
    assert OVER in error.value.message


def close_usage(shop):
    with shop.branch.transaction(user=0):
        Usage = shop.branch.get('offline_sales.usage')
        for usage in Usage.search([('state', '=', 'open')]):
            usage._update('open', {'state': 'closed'})


def test_an_old_ticket_is_neither_paid_nor_changed(shop):
    shop.open_usage()
    counter = Counter(shop.branch)
    sale = counter.open([(counter.codes(1)[0], 1)])
    close_usage(shop)
    line = counter.run(lambda: counter.get('sale.point.sale.line').search(
            [('sale', '=', sale)])[0].id)

    def change():
        Line = counter.get('sale.point.sale.line')
        Line.write([Line(line)], {'quantity': 5})
    for function, *args in [
            (counter.pay, sale),
            (counter.run, change),
            ]:
        with pytest.raises(UserError) as error:
            function(*args)
        assert OVER in error.value.message


def test_cash_is_cut_without_a_usage(shop):
    shop.open_usage()
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    close_usage(shop)
    cashier = Cashier(shop.web.url, shop.branch.name).login('')
    session, = cashier.call(
        'model.sale.point.cash.session.search_read',
        [('state', '=', 'open')], 0, 1, None, ['balance', 'start_amount'])
    amount = Decimal(session['balance']['decimal']) + Decimal(
        session['start_amount']['decimal'])
    cashier.call('model.sale.point.cash.session.write', [session['id']], {
            'end_amount': {'__class__': 'Decimal', 'decimal': str(amount)}})
    cashier.call('model.sale.point.cash.session.close', [session['id']])
    with pytest.raises(Fault) as fault:
        cashier.call('model.sale.point.sale.create', [{
                    'point': counter.point, 'company': counter.company}])
    assert OVER in fault.value.text


def test_without_a_token_one_sends_obtains_and_prints(shop):
    shop.open_usage()
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    party = creations(counter)['prefactura'][1]['party']
    sale, = counter.run(lambda: [
            s.id for s in counter.get('sale.sale').create([{
                        'party': party, 'company': counter.company}])])
    close_usage(shop)
    cashier = Cashier(shop.web.url, shop.branch.name).login('')
    for wizard, state in [
            ('offline_sales.document.send', 'start'),
            ('offline_sales.catalog.obtain', 'obtain')]:
        session, *_ = cashier.call(f'wizard.{wizard}.create')
        answer = cashier.call(f'wizard.{wizard}.execute', session, {}, state)
        while answer['view']['defaults'].get('state') == 'running':
            answer = cashier.call(
                f'wizard.{wizard}.execute', session, {}, 'look')
        assert answer['view']['state'] == 'result'
    assert {d['state'] for d in documents(shop.branch)} == {'accepted'}
    with shop.branch.transaction():
        update, = shop.branch.get('offline_sales.update').search(
            [], limit=1)
        assert (update.state, update.user.login) == ('done', cashier.name)
    extension, *_ = cashier.call(
        'report.sale.sale.execute', [sale], {'model': 'sale.sale'},
        context={'company': counter.company})
    assert extension == 'odt'
    refused(cashier)


# The doors

def refused(client):
    with pytest.raises(Fault) as fault:
        client.call('model.party.party.create', [customer()])
    assert OVER in fault.value.text


@pytest.mark.parametrize('Client', [Cashier, Browser])
def test_session_without_a_token(shop, Client):
    refused(Client(shop.web.url, shop.branch.name).login(''))


def test_basic_authentication(shop, authentications):
    authentications('password')
    response = requests.post(
        f'{shop.web.url}/{shop.branch.name}/rpc/', json={
            'id': 1, 'method': 'model.party.party.create',
            'params': [[customer()], {}]},
        auth=('esp.lupita', PASSWORD), timeout=30)
    assert OVER in response.text


@pytest.mark.parametrize('value', [
        'password', 'password,offline_sales',
        'password+offline_sales?device_cookie'])
def test_forgotten_setting(shop, authentications, value):
    authentications(value)
    cashier = Cashier(shop.web.url, shop.branch.name)
    try:
        cashier.login('')
    except Refused:
        pytest.skip("nobody gets in at all")
    refused(cashier)


def test_session_of_before_the_pairing(shop):
    def session():
        return Pool().get('ir.session').new({'ip_address': '127.0.0.1'})
    cashier = Cashier(shop.web.url, shop.branch.name)
    lupita = Counter(shop.branch).user
    key = shop.branch.run(session, user=lupita)
    cashier.session = lupita, key
    refused(cashier)


def application(shop, login):
    def create():
        pool = Pool()
        Application = pool.get('res.user.application')
        User = pool.get('res.user')
        user, = User.search([('login', '=', login)])
        made, = Application.create([{
                    'user': user.id, 'application': 'rest',
                    'state': 'validated'}])
        return made.key
    return shop.branch.run(create)


def rest(shop, key, method='post', path='party.party', **kwargs):
    context = base64.urlsafe_b64encode(
        b'{"_check_access": false, "company": 1}').decode()
    return requests.request(
        method, f'{shop.web.url}/{shop.branch.name}/rest/model/{path}',
        headers={
            'Authorization': f'Bearer {key}',
            'Content-Type': 'application/json',
            'X-Tryton-Context': context},
        timeout=30, **kwargs)


def test_rest_key(shop):
    key = application(shop, 'esp.lupita')
    assert rest(shop, key, json=customer()).status_code == 401
    assert rest(shop, key, 'get', 'ir.cron').status_code == 401
    key = application(shop, 'admin')
    response = rest(shop, key, json=customer())
    assert response.status_code == 400
    assert "Who administers it does not" in response.text

    def parties():
        return shop.branch.get('party.party').search(
            [('code', '=', customer()['code'])], count=True)
    assert shop.branch.run(parties) == 0


def test_cron_and_root_are_excepted(shop):
    def create():
        Pool().get('party.party').create([customer()])
    shop.branch.run(create, user=0)


def test_central_sells_without_a_token(shop):
    counter = Counter(shop.central)
    assert counter.sell([(counter.codes(1)[0], 1)])


def test_context_does_not_open_the_gate(shop):
    cashier = Cashier(shop.web.url, shop.branch.name).login('')
    with pytest.raises(Fault) as fault:
        cashier.call(
            'model.party.party.create', [customer()], context={
                '_check_access': False, 'offline_sales_branch': 1,
                '_offline_sales_replay': True, '_cron': 'x|y', 'user': 0})
    assert OVER in fault.value.text


