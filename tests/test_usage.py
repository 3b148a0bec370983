# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The usage of a branch: asked for, opened, measured, ended"
import datetime as dt
import threading
from functools import partial

import pytest
import requests

from trytond import config
from trytond.exceptions import UserError
from trytond.protocols.wrappers import HTTPStatus, exceptions

from trytond.modules.offline_sales.offline_sales.token import (  # isort: skip
    algorithm, gate, period, usage)

from .counter import Counter as SpanishCounter
from .process import PASSWORD
from .usage import (
    PARAMETER, Asked, Browser, Cashier, Fault, Refused, give, read_id)

HOUR = 60 * 60


class Clock:
    "The clocks of the branch's computer, set and moved by hand"

    def __init__(self):
        self.reading = period.read_clock()

    def __call__(self):
        return self.reading

    def pass_(self, seconds):
        self.reading = self.reading._replace(
            wall=self.reading.wall + seconds,
            steady=self.reading.steady + seconds)

    def turn(self, seconds):
        "Set the clock on the wall"
        self.reading = self.reading._replace(wall=self.reading.wall + seconds)

    def restart(self, off=60):
        self.reading = self.reading._replace(
            wall=self.reading.wall + off, boot='another', steady=5.0)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in [usage, gate]:
        monkeypatch.setattr(module, 'read_clock', clock)
    return clock


@pytest.fixture
def shop(closed_shop):
    return closed_shop


@pytest.fixture
def cashier(shop):
    return Cashier(shop.web.url, shop.branch.name)


@pytest.fixture
def patient(monkeypatch):
    "Let wrong tokens be typed as often as one likes, without a pause"
    config.set('session', 'max_attempt', '1000')
    monkeypatch.setattr('trytond.res.user.time.sleep', lambda seconds: None)
    yield
    config.set('session', 'max_attempt', '5')


def usages(database, *names):
    def read():
        Usage = database.get('offline_sales.usage')
        return [
            tuple(getattr(u, n) for n in names)
            for u in Usage.search([], order=[('id', 'ASC')])]
    return database.run(read)


def sell(shop, login='esp.lupita'):
    counter = Counter(shop.branch, login)
    return counter.sell([(counter.codes(1)[0], 1)])


def refused(function, *args):
    with pytest.raises(UserError) as raised:
        function(*args)
    return raised.value.message


Counter = partial(SpanishCounter, language='en')
OVER = "There is no open usage"


# Asking

def test_login_asks_for_a_token(cashier):
    with pytest.raises(Asked) as asked:
        cashier.login()
    assert asked.value.name == PARAMETER
    assert asked.value.type == 'char'
    assert asked.value.text == (
        f'Id: {read_id(asked.value.text)} · Usage token')
    algorithm.validate_id(read_id(asked.value.text))


def test_wrong_password_is_not_asked(cashier, shop):
    with pytest.raises(Refused) as refusal:
        cashier.login(password='wrong')
    assert refusal.value.status == HTTPStatus.UNAUTHORIZED
    with pytest.raises(Refused):
        cashier.login('1234567808', password='wrong')
    assert usages(shop.branch, 'state') == []


def test_asking_again_does_not_change_the_id(cashier, shop):
    assert cashier.ask() == cashier.ask()
    assert usages(shop.branch, 'state') == [('asked',)]


def test_each_user_has_an_id_of_his_own(cashier, shop):
    other = Cashier(shop.web.url, shop.branch.name, 'esp.martin')
    assert cashier.ask() != other.ask()


def test_basic_authentication_makes_one_id(shop):
    for _ in range(3):
        response = requests.post(
            f'{shop.web.url}/{shop.branch.name}/rpc/', json={
                'id': 1, 'method': 'model.res.user.get_preferences',
                'params': [True, {}]},
            auth=('esp.lupita', PASSWORD), timeout=30)
        assert 'LoginException' in response.text
    assert usages(shop.branch, 'state') == [('asked',)]


def test_two_logins_at_once_ask_for_one_id(cashier, shop):
    found = []

    def ask():
        found.append(Cashier(shop.web.url, shop.branch.name).ask())
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1
    assert usages(shop.branch, 'state') == [('asked',)]


def test_web_client_is_asked_too(shop):
    browser = Browser(shop.web.url, shop.branch.name)
    with pytest.raises(Asked) as asked:
        browser.login()
    browser.login(give(shop.central)(read_id(asked.value.text)))
    assert browser.call('model.res.user.get_preferences', True)


def test_id_lapses_after_15_minutes(cashier, shop, clock):
    identifier = cashier.ask()
    token = give(shop.central)(identifier)
    clock.pass_(15 * 60 + 1)
    with pytest.raises(Asked) as asked:
        cashier.login(token)
    assert "has lapsed" in asked.value.text
    assert read_id(asked.value.text) != identifier
    assert usages(shop.branch, 'state') == [('lapsed',), ('asked',)]


def test_central_asks_for_no_token(shop):
    manager = Cashier(shop.web.url, shop.central.name)
    manager.login()
    assert manager.call('model.res.user.get_preferences', True)


def test_administrator_is_not_asked_and_sells_nothing(shop, cashier):
    admin = Cashier(shop.web.url, shop.branch.name, 'admin').login()
    assert usages(shop.branch, 'state') == []
    cashier_id = cashier.ask()
    cashier.login(give(shop.central)(cashier_id))
    with pytest.raises(Fault) as fault:
        admin.call('model.party.party.create', [{
                    'name': "Quien sea", 'code': "X1"}])
    assert "Who administers it does not" in fault.value.text


# Opening

def test_token_opens_the_branch(cashier, shop):
    identifier = cashier.ask()
    cashier.login(give(shop.central, hours=3)(identifier))
    (state, hours, opened, end), = usages(
        shop.branch, 'state', 'hours', 'opened_at', 'end')
    assert (state, hours) == ('open', 3)
    assert abs((end - opened) - dt.timedelta(hours=3)) <= dt.timedelta(
        seconds=1)
    assert sell(shop)


def test_nobody_is_asked_while_it_is_open(cashier, shop):
    shop.open_usage()
    cashier.login()
    Cashier(shop.web.url, shop.branch.name, 'esp.martin').login()
    assert sell(shop, 'esp.martin')


def test_each_user_needs_a_token_where_the_branch_says_so(cashier, shop):
    with shop.central.transaction():
        Branch = shop.central.get('offline_sales.branch')
        Branch.write(Branch.search([('code', '=', 'ESP')]), {'usage': 'user'})
    shop.obtain()
    shop.open_usage()
    other = Cashier(shop.web.url, shop.branch.name, 'esp.martin')
    other.ask()
    assert sell(shop)
    assert OVER in refused(sell, shop, 'esp.martin')


def test_token_opens_once(cashier, shop, clock):
    token = give(shop.central, hours=1)(cashier.ask())
    cashier.login(token)
    clock.pass_(2 * HOUR)
    with pytest.raises(Asked) as asked:
        cashier.login(token)
    assert "has lapsed" in asked.value.text
    with pytest.raises(Asked) as asked:
        cashier.login(token)
    assert "does not open" in asked.value.text


def test_two_logins_at_once_open_one_usage(cashier, shop):
    token = give(shop.central)(cashier.ask())

    def login():
        Cashier(shop.web.url, shop.branch.name).login(token)
    threads = [threading.Thread(target=login) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert usages(shop.branch, 'state', 'failures') == [('open', 0)]


def test_login_that_another_overtakes(cashier, shop, monkeypatch):
    token = give(shop.central)(cashier.ask())
    check = usage.Usage._Attempt.check

    def overtaken(attempt):
        monkeypatch.setattr(usage.Usage._Attempt, 'check', check)
        Cashier(shop.web.url, shop.branch.name).login(token)
        check(attempt)
    monkeypatch.setattr(usage.Usage._Attempt, 'check', overtaken)
    cashier.login(token)
    assert usages(shop.branch, 'state', 'failures') == [('open', 0)]


def test_token_of_another_user_does_not_open(cashier, shop):
    token = give(shop.central)(cashier.ask())
    other = Cashier(shop.web.url, shop.branch.name, 'esp.martin')
    other.ask()
    with pytest.raises(Asked):
        other.login(token)


def test_token_of_another_branch_does_not_open(cashier, shop):
    def pair_other():
        Branch = shop.central.get('offline_sales.branch')
        Contact = shop.central.get('offline_sales.contact')
        Credential = shop.central.get('offline_sales.credential')
        here, = Branch.search([('code', '=', 'ESP')])
        there, = Branch.search([('code', '=', 'TIJ')])
        contact = Contact.of(there)
        contact.state = 'paired'
        contact.database_uuid = Contact.of(here).database_uuid
        contact.save()
        # Even with the same key
        Credential.set(
            'token', Credential.get('token', branch=here.id),
            branch=there.id)
    shop.central.run(pair_other)
    with pytest.raises(Asked):
        cashier.login(give(shop.central, code='TIJ')(cashier.ask()))


def test_token_of_another_database_does_not_open(cashier, shop):
    token = give(shop.central)(cashier.ask())
    with shop.branch.transaction():
        Configuration = shop.branch.get('offline_sales.configuration')
        Configuration.write([Configuration(1)], {'uuid': "another database"})
    with pytest.raises(Asked):
        cashier.login(token)


def test_other_hours_do_not_open(cashier, shop):
    token = give(shop.central, hours=8)(cashier.ask())
    with pytest.raises(Asked):
        cashier.login(f'{token[:8]}24')
    cashier.login(f' {token[:4]}-{token[4:8]} {token[8:]} ')


# Wrong tokens

def test_wrong_tokens_burn_the_id(cashier, shop, patient):
    identifier = cashier.ask()
    token = give(shop.central)(identifier)
    for _ in range(4):
        with pytest.raises(Asked) as asked:
            cashier.login('0000000008')
        assert "does not open" in asked.value.text
        assert read_id(asked.value.text) == identifier
    with pytest.raises(Asked) as asked:
        cashier.login('0000000008')
    assert "too often" in asked.value.text
    assert read_id(asked.value.text) != identifier
    with pytest.raises(Asked):
        cashier.login(token)
    assert usages(shop.branch, 'state', 'failures') == [
        ('burnt', 5), ('asked', 1)]


@pytest.mark.parametrize('token', [
        'abc', '123', '12345678901', '1234567800', '١٢٣٤٥٦٧٨٠٨x',
        '1' * 100, 7, [], {}, True])
def test_what_is_no_token_does_not_count_against_the_id(
        cashier, shop, patient, token):
    cashier.ask()
    with pytest.raises(Asked) as asked:
        cashier.login(token)
    assert "ten digits" in asked.value.text
    assert usages(shop.branch, 'state', 'failures') == [('asked', 0)]


def test_wrong_tokens_are_failed_logins(cashier, shop, monkeypatch):
    monkeypatch.setattr('trytond.res.user.time.sleep', lambda seconds: None)
    cashier.ask()
    for _ in range(6):
        with pytest.raises(Asked):
            cashier.login('0000000008')
    with pytest.raises(Refused) as refusal:
        cashier.login('0000000008')
    assert refusal.value.status == HTTPStatus.TOO_MANY_REQUESTS


def test_login_without_a_token_takes_no_failure_back(
        cashier, shop, monkeypatch):
    monkeypatch.setattr('trytond.res.user.time.sleep', lambda seconds: None)
    cashier.ask()
    for _ in range(6):
        with pytest.raises(Asked):
            cashier.login('0000000008')
        cashier.login('')
    with pytest.raises(Refused) as refusal:
        cashier.login('0000000008')
    assert refusal.value.status == HTTPStatus.TOO_MANY_REQUESTS


def test_wrong_tokens_are_counted_under_a_name_nobody_can_guess(
        cashier, shop, monkeypatch):
    "Else who cannot log in could keep a cashier from typing his token"
    monkeypatch.setattr('trytond.res.user.time.sleep', lambda seconds: None)
    with shop.branch.transaction():
        uuid = shop.branch.get('offline_sales.configuration')(1).uuid
    for name in [f'{PARAMETER},esp.lupita', PARAMETER, uuid]:
        stranger = Cashier(shop.web.url, shop.branch.name, name)
        for _ in range(7):
            with pytest.raises(Refused):
                stranger.login(password='wrong')
    identifier = cashier.ask()
    with pytest.raises(Asked):
        cashier.login('0000000008')

    def names():
        Attempt = shop.branch.get('res.user.login.attempt')
        return {a.login for a in Attempt.search([])}
    counted = shop.branch.run(names) - {
        f'{PARAMETER},esp.lupita', PARAMETER, uuid, 'esp.lupita'}
    (name,) = counted
    assert len(name) == 64
    # Not the same at another branch
    with shop.branch.transaction(user=0):
        shop.branch.get('offline_sales.credential').set_token_keys(
            [algorithm.make_key()])
    with pytest.raises(Asked):
        cashier.login('0000000008')
    assert len(shop.branch.run(names)) == 6
    assert identifier == cashier.ask()


def test_no_neighbour_of_the_token_opens(shop):
    "None of 10,000 codes, all neighbours included"
    identifier = algorithm.make_id()
    token = give(shop.central)(identifier)
    with shop.branch.transaction():
        Usage = shop.branch.get('offline_sales.usage')
        code, hours = int(token[:8]), token[8:]
        configuration = shop.branch.get('offline_sales.configuration')(1)
        keys = shop.branch.get('offline_sales.credential').get_token_keys()
        bound = configuration.branch_code, configuration.uuid
        assert Usage._check(token, identifier) == 8
        near = {(code + i) % 10 ** 8 for i in range(-5000, 5001)} - {code}
        opened = [
            n for n in near if algorithm.check_token(
                f'{n:08}{hours}', identifier, keys, *bound)]
        changed = [
            f'{token[:i]}{digit}{token[i + 1:]}'
            for i in range(10) for digit in '0123456789'
            if digit != token[i]]
        for other in changed:
            try:
                if algorithm.check_token(other, identifier, keys, *bound):
                    opened.append(other)
            except ValueError:
                continue
    assert opened == []


# The end

def test_usage_lasts_the_hours_of_the_token(cashier, shop, clock):
    cashier.login(give(shop.central, hours=2)(cashier.ask()))
    clock.pass_(2 * HOUR - 1)
    assert sell(shop)
    clock.pass_(2)
    message = refused(sell, shop)
    assert "only the tickets that are open can be finished" in message
    clock.pass_(5 * 60)
    assert OVER in refused(sell, shop)


def test_open_ticket_can_be_finished_within_the_grace(cashier, shop, clock):
    shop.open_usage(hours=1)
    counter = Counter(shop.branch)
    codes = counter.codes(2)
    tickets = [counter.open([(code, 1)]) for code in codes]
    clock.pass_(HOUR + 60)
    counter.pay(tickets[0])
    counter.process(tickets[0])
    clock.pass_(5 * 60)
    assert OVER in refused(counter.pay, tickets[1])


def test_grace_is_a_setting(cashier, shop, clock):
    with shop.central.transaction():
        Branch = shop.central.get('offline_sales.branch')
        Branch.write(Branch.search([('code', '=', 'ESP')]), {'grace': 0})
    shop.obtain()
    shop.open_usage(hours=1)
    counter = Counter(shop.branch)
    ticket = counter.open([(counter.codes(1)[0], 1)])
    clock.pass_(HOUR + 1)
    assert OVER in refused(counter.pay, ticket)


@pytest.mark.parametrize('turn', [-24 * HOUR, -HOUR, HOUR])
def test_turning_the_clock_adds_nothing(cashier, shop, clock, turn):
    shop.open_usage(hours=8)
    clock.pass_(HOUR)
    assert sell(shop)
    clock.turn(turn)
    clock.pass_(7 * HOUR + 1)
    assert refused(sell, shop)


def test_clock_turned_back_over_a_restart_stops_the_selling(
        cashier, shop, clock):
    shop.open_usage(hours=8)
    clock.pass_(HOUR)
    assert sell(shop)
    clock.restart(off=-2 * HOUR)
    assert "put it right" in refused(sell, shop)
    with pytest.raises(Asked) as asked:
        cashier.login()
    assert "put it right" in asked.value.text
    clock.turn(2 * HOUR)
    assert sell(shop)
    clock.pass_(7 * HOUR)
    assert refused(sell, shop)


@pytest.mark.parametrize('passed', [1, 7], ids=['more left', 'less left'])
@pytest.mark.parametrize('whose', ['branch', 'user'])
def test_new_token_while_the_former_waits_for_the_clock(
        cashier, shop, clock, whose, passed):
    "It opens, whatever is left of the former, and its end is an end"
    if whose == 'user':
        with shop.central.transaction():
            Branch = shop.central.get('offline_sales.branch')
            Branch.write(
                Branch.search([('code', '=', 'ESP')]), {'usage': 'user'})
        shop.obtain()
    shop.open_usage(hours=8)
    clock.pass_(passed * HOUR)
    assert sell(shop)
    clock.restart(off=-10 * HOUR)
    token = give(shop.central, hours=2)(cashier.ask())
    cashier.login(token)
    assert sell(shop)
    # Who has a usage is not asked again
    Cashier(shop.web.url, shop.branch.name).login()
    clock.pass_(2 * HOUR + 60)
    assert "can be finished" in refused(sell, shop)
    assert cashier.call('model.res.user.get_preferences', True)
    clock.pass_(5 * 60)
    with pytest.raises(Refused):
        cashier.call('model.res.user.get_preferences', True)
    assert usages(shop.branch, 'state') == [('open',), ('closed',)]
    assert "put it right" in refused(sell, shop)
    clock.turn(10 * HOUR)
    if passed == 1:
        assert sell(shop)


def test_end_of_a_usage_leaves_who_has_another_his_session(
        cashier, shop, clock):
    "also the first request after a start, which ir.session does not check"
    shop.open_usage(hours=8)
    clock.pass_(7 * HOUR)
    assert sell(shop)
    clock.restart(off=-HOUR / 2)
    cashier.login(give(shop.central, hours=8)(cashier.ask()))
    clock.turn(HOUR / 2)
    clock.pass_(HOUR + 10 * 60)

    def check():
        shop.branch.get('offline_sales.usage').check_session()
    lupita = Counter(shop.branch).user
    shop.branch.run(check, user=lupita)
    assert cashier.call('model.res.user.get_preferences', True)
    assert usages(shop.branch, 'state') == [('closed',), ('open',)]
    clock.pass_(8 * HOUR)
    with pytest.raises(exceptions.Unauthorized):
        shop.branch.run(check, user=lupita)


def test_end_of_the_usage_of_another_refuses_nobody(shop, clock):
    with shop.central.transaction():
        Branch = shop.central.get('offline_sales.branch')
        Branch.write(Branch.search([('code', '=', 'ESP')]), {'usage': 'user'})
    shop.obtain()
    shop.open_usage(hours=1)
    shop.open_usage('esp.martin', hours=8)
    clock.pass_(2 * HOUR)

    def check():
        shop.branch.get('offline_sales.usage').check_session()
    lupita, martin = (
        Counter(shop.branch, login).user
        for login in ['esp.lupita', 'esp.martin'])
    shop.branch.run(check, user=martin)
    with pytest.raises(exceptions.Unauthorized):
        shop.branch.run(check, user=lupita)


def test_marks_are_kept_while_nobody_sells(cashier, shop, clock):
    shop.open_usage(hours=8)
    clock.pass_(7 * HOUR)
    with shop.branch.transaction(user=0):
        shop.branch.get('offline_sales.usage').watch()
    clock.restart(off=-6 * HOUR)
    clock.turn(6 * HOUR)
    clock.pass_(HOUR + 10 * 60)
    assert OVER in refused(sell, shop)


def test_a_closed_usage_stays_closed(cashier, shop, clock):
    shop.open_usage(hours=1)
    cashier.login()
    clock.pass_(2 * HOUR)
    with pytest.raises(Refused):
        cashier.call('model.res.user.get_preferences', True)
    assert usages(shop.branch, 'state') == [('closed',)]
    clock.turn(-2 * HOUR)
    clock.restart(off=0)
    assert OVER in refused(sell, shop)


@pytest.mark.parametrize('Client', [Cashier, Browser])
def test_sessions_end_with_the_usage(shop, clock, Client):
    client = Client(shop.web.url, shop.branch.name)
    client.login(give(shop.central, hours=1)(Cashier(
                shop.web.url, shop.branch.name).ask()))
    assert client.call('model.res.user.get_preferences', True)
    clock.pass_(HOUR + 60)
    # It finishes what is open
    assert client.call('model.res.user.get_preferences', True)
    clock.pass_(5 * 60)
    with pytest.raises(Refused) as refusal:
        client.call('model.res.user.get_preferences', True)
    assert refusal.value.status == HTTPStatus.UNAUTHORIZED
    with shop.branch.transaction():
        Session = shop.branch.get('ir.session')
        lupita, = shop.branch.get('res.user').search([
                ('login', '=', 'esp.lupita')])
        assert Session.search([('create_uid', '=', lupita.id)]) == []


def test_end_leaves_the_administrator_his_session(shop, clock):
    admin = Cashier(shop.web.url, shop.branch.name, 'admin').login()
    shop.open_usage(hours=1)
    clock.pass_(2 * HOUR)
    with shop.branch.transaction(user=0):
        shop.branch.get('offline_sales.usage').watch()
    assert admin.call('model.res.user.get_preferences', True)


def test_notice_before_the_end(cashier, shop, clock):
    def notifications():
        Notification = shop.branch.get('res.notification')
        return sorted(
            (n.user.login, n.label) for n in Notification.search([]))

    def watch():
        shop.branch.get('offline_sales.usage').watch()
    shop.open_usage(hours=1)
    clock.pass_(HOUR - 10 * 60 - 1)
    shop.branch.run(watch, user=0)
    assert shop.branch.run(notifications) == []
    clock.pass_(2)
    shop.branch.run(watch, user=0)
    shop.branch.run(watch, user=0)
    (login, label), (other, _) = shop.branch.run(notifications)
    assert (login, other) == ('esp.lupita', 'esp.martin')
    assert "The usage ends at" in label or "uso termina" in label

    def notify():
        Sale = shop.branch.get('sale.point.sale')
        return Sale(state='open').on_change_notify()
    (kind, text), = Counter(shop.branch).run(notify)
    assert kind == 'warning'


def test_status_bar_tells_the_end(cashier, shop):
    cashier.login(give(shop.central)(cashier.ask()))
    preferences = cashier.call('model.res.user.get_preferences', False)
    assert 'Usage until' in preferences['status_bar'] or (
        'Uso hasta' in preferences['status_bar'])
