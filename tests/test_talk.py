# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The central's door: who gets in, what is taken, what is told"
import datetime as dt
import gzip
import io
import logging

import pytest
import requests

from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    res, routes, wire)
from trytond.modules.offline_sales.tests.talk import (  # isort: skip
    Caller, Office, error)


@pytest.fixture
def office(make_database, web):
    return Office(make_database, web)


@pytest.fixture
def caller(office):
    return office.paired()


@pytest.fixture
def procedure(monkeypatch):
    "Register a procedure for the time of a test"
    monkeypatch.setattr(routes, '_procedures', dict(routes._procedures))
    return routes.procedure


def result(response):
    assert response.ok, response.text
    return wire.loads(response.content)['result']


def test_hello(office, caller):
    before = wire.utcnow()
    hello = result(caller.post('hello'))
    assert hello['branch'] == 'N'
    assert hello['name'] == "North"
    assert hello['company'] == "Abarrotes La Esperanza"
    assert hello['series'] == '8.0'
    assert hello['modules']['offline_sales'].startswith('8.0.')
    assert before <= hello['time'] <= wire.utcnow()
    assert hello['language'] == 'en'
    assert hello['price_decimal'] == 4
    assert hello['protocols'] == [1]


# Who gets in

def _wrong_keys(office, caller):
    with office.database.transaction():
        Application = Pool().get('res.user.application')
        rest, stray = Application.create([
                {'user': 1, 'application': 'rest', 'key': 'k' * 64},
                {'user': 1, 'application': 'offline_sales', 'key': 's' * 64},
                ])
        stored = Application.search([('application', '=', 'offline_sales')])
        hashes = [application.key for application in stored]
    return ['wrong', '', 'k' * 64, 's' * 64, *hashes, caller.key[:-1],
        caller.key.swapcase()]


def test_door_without_a_good_key(office, caller):
    answers = {Caller(office.url).post('hello').text}
    for key in _wrong_keys(office, caller):
        caller.key = key
        answer = caller.post('hello')
        assert answer.status_code == 401
        assert error(answer) == 'unauthorized'
        answers.add(answer.text)
    assert len(answers) == 1


@pytest.mark.parametrize('authorization', [
        'Bearer', 'Bearer ', 'Session YTox', 'Basic %s', 'Digest a=b',
        'Bearer a=b', 'Bearer \xff', 'x' * 5000])
def test_door_with_other_credentials(caller, authorization):
    answer = caller.send(
        'hello', wire.dumps(caller.envelope()), Authorization=authorization)
    assert error(answer) == 'unauthorized'


def test_door_with_a_revoked_key(office, caller):
    assert caller.post('hello').ok
    office.revoke()
    assert error(caller.post('hello')) == 'unauthorized'
    with office.contact() as contact:
        assert contact.state == 'new'


def test_door_of_an_inactive_branch(office, caller):
    with office.database.transaction():
        Branch = Pool().get('offline_sales.branch')
        Branch.write([Branch(office.branches['N'])], {'active': False})
    assert error(caller.post('hello')) == 'unauthorized'


def test_door_of_a_deleted_branch(office, caller):
    with office.database.transaction():
        Branch = Pool().get('offline_sales.branch')
        Branch.delete([Branch(office.branches['N'])])
    assert error(caller.post('hello')) == 'unauthorized'
    with office.database.transaction():
        Credential = Pool().get('offline_sales.credential')
        assert not Credential.search([])


def test_door_with_the_key_of_another_branch(office, caller):
    other = office.pair('S')
    caller.key = other.key
    assert error(caller.post('hello')) == 'refused'
    with office.contact('S') as contact:
        assert (contact.state, contact.refusal) == ('refused', 'uuid')


def test_door_of_another_database(office, caller, make_database):
    caller.url = f'{office.web.url}/nothing/offline_sales'
    unknown = caller.post('hello')
    assert (unknown.status_code, error(unknown)) == (404, 'unknown_database')
    make_database('other', 'depends')
    caller.url = f'{office.web.url}/other/offline_sales'
    assert caller.post('hello').text == unknown.text
    make_database('other', 'bare')
    assert error(caller.post('hello')) == 'unauthorized'


def test_door_of_a_branch(office, caller):
    with office.database.transaction():
        Configuration = Pool().get('offline_sales.configuration')
        Configuration.write([Configuration(1)], {'role': 'branch'})
    assert error(caller.post('hello')) == 'not_central'
    assert error(caller.post('pair')) == 'not_central'


def test_door_of_an_unknown_procedure(caller):
    answer = caller.post('everything')
    assert (answer.status_code, error(answer)) == (404, 'unknown_procedure')


def test_door_is_no_login(office, caller):
    "The technical user cannot log in, nor does the key open anything else"
    with office.contact() as contact:
        user = contact.technical_user
        assert not user.active and not user.groups and not user.password_hash
        login = user.login
    for parameters in [{'password': ''}, {'password': caller.key}]:
        answer = requests.post(
            f'{office.web.url}/central/rpc/', timeout=10, json={
                'id': 1, 'method': 'common.db.login',
                'params': [login, parameters]})
        assert answer.status_code == 401
    for path in ['rest/model/res.user', 'data/res.user']:
        answer = requests.get(
            f'{office.web.url}/central/{path}', timeout=10,
            headers={'Authorization': f'Bearer {caller.key}'})
        assert answer.status_code in {401, 404, 405}


def test_key_is_kept_as_hash(office, caller):
    with office.contact() as contact:
        assert contact.application.key == res.hash_key(caller.key)
        assert caller.key not in contact.application.rec_name
        cursor = Transaction().connection.cursor()
        text = '\n'.join(Transaction().connection.iterdump())
        assert cursor and caller.key not in text


def test_key_is_not_changed_by_hand(office, caller):
    with office.contact() as contact, pytest.raises(UserError):
        contact.application.key = 'known'
        contact.application.save()
    assert caller.post('hello').ok


# What is taken

@pytest.mark.parametrize('data', [
        b'', b'{', b'[]', b'5', b'"text"', b'null', b'{}', b'\xff\xfe',
        b'{"protocol": 1}', b'[' * 10_000 + b']' * 10_000,
        b'{"a":' * 10_000, b'NaN', b'{"__class__": "date"}'])
def test_body_malformed(caller, data):
    answer = caller.send('hello', data)
    assert (answer.status_code, error(answer)) == (400, 'malformed')


@pytest.mark.parametrize('change', [
        {'params': []}, {'counter': 'x'}, {'counter': -1}, {'branch': {}},
        {'uuid': None}, {'request': 7}, {'recent': 'x'}, {'time': 5},
        {'heartbeat': 'x'}, {'heartbeat': {'pending': 1.5}}])
def test_body_with_wrong_types(office, caller, change):
    answer = caller.post('hello', **change)
    assert (answer.status_code, error(answer)) == (400, 'malformed')
    with office.contact() as contact:
        assert (contact.state, contact.counter) == ('paired', 0)


def _envelope_of(caller, size):
    return wire.dumps(caller.envelope({'text': 'x' * size}))


def test_body_compressed(caller):
    data = gzip.compress(_envelope_of(caller, 1000))
    assert caller.send('hello', data, Content_Encoding='gzip').ok


@pytest.mark.parametrize(
    'data', [b'', b'text', gzip.compress(b'{}')[:-4]],
    ids=['empty', 'text', 'cut'])
def test_body_badly_compressed(caller, data):
    answer = caller.send('hello', data, Content_Encoding='gzip')
    assert error(answer) == 'malformed'


def test_body_of_another_encoding(caller):
    answer = caller.send('hello', b'{}', Content_Encoding='br')
    assert (answer.status_code, error(answer)) == (415, 'malformed')


def test_body_too_large(office, caller):
    data = _envelope_of(caller, 200_000)
    for body in [data, io.BytesIO(data), iter([data[:9], data[9:]])]:
        answer = caller.send('hello', body)
        assert (answer.status_code, error(answer)) == (413, 'too_large')
    answer = caller.send(
        'hello', gzip.compress(data), Content_Encoding='gzip')
    assert (answer.status_code, error(answer)) == (413, 'too_large')
    with office.contact() as contact:
        assert contact.counter == 0


def test_body_of_a_bomb(caller):
    bomb = gzip.compress(bytes(90 * 1024 * 1024))
    answer = caller.send('hello', bomb[:100_000], Content_Encoding='gzip')
    assert (answer.status_code, error(answer)) == (413, 'too_large')


def test_body_is_not_read_without_a_key(office):
    "and the answer arrives all the same"
    answer = Caller(office.url).send('hello', bytes(5_000_000))
    assert error(answer) == 'unauthorized'


def test_size_is_that_of_the_procedure(caller, procedure):
    @procedure('large', max_size=5_000_000)
    def large(branch, params):
        return len(params['text'])
    assert result(caller.send(
            'large', _envelope_of(caller, 3_000_000))) == 3_000_000


# What is told

def test_answer_compressed(caller, procedure):
    @procedure('long')
    def long(branch, params):
        return ['x' * 10] * 1000
    answer = caller.post('long')
    assert answer.headers['Content-Encoding'] == 'gzip'
    assert int(answer.headers['Content-Length']) < 1000
    assert result(answer) == ['x' * 10] * 1000
    answer = caller.send(
        'long', wire.dumps(caller.envelope()), Accept_Encoding='identity')
    assert 'Content-Encoding' not in answer.headers
    assert result(answer) == ['x' * 10] * 1000


def test_answer_streamed(caller, procedure):
    @procedure('lines', readonly=True)
    def lines(branch, params):
        return Response(
            (f'{n}\n' for n in range(1000)),
            content_type='application/x-ndjson')
    answer = caller.post('lines')
    assert answer.headers['Content-Encoding'] == 'gzip'
    assert answer.text.split() == [str(n) for n in range(1000)]


def test_answer_to_a_fault(office, caller, procedure, caplog):
    @procedure('faulty')
    def faulty(branch, params):
        Branch = Pool().get('offline_sales.branch')
        Branch.write([branch], {'name': "Changed"})
        raise ValueError("North knows a secret")
    answer = caller.post('faulty')
    assert (answer.status_code, error(answer)) == (500, 'server_fault')
    assert "knows a secret" in caplog.text
    with office.contact() as contact:
        assert contact.branch.name == "North"
        assert contact.counter == 0
    assert caller.post('hello').ok


def test_answer_to_a_user_error(caller, procedure):
    @procedure('strict')
    def strict(branch, params):
        raise UserError("North cannot do that")
    answer = caller.post('strict')
    assert (answer.status_code, error(answer)) == (400, 'invalid')


def test_answer_to_a_failure(caller, procedure):
    @procedure('choosy')
    def choosy(branch, params):
        raise routes.Failure('choosy', 409, wanted='more')
    answer = caller.post('choosy')
    assert answer.status_code == 409
    assert answer.json()['error'] == {
        'code': 'choosy', 'params': {'wanted': 'more'}}


# How it runs

def test_handler_runs_for_the_branch(office, caller, procedure):
    @procedure('self')
    def self_(branch, params):
        transaction = Transaction()
        return {
            'branch': branch.id,
            'user': transaction.user,
            'company': transaction.context['company'],
            'companies': transaction.context['companies'],
            'offline_sales_branch': (
                transaction.context['offline_sales_branch']),
            'check_access': transaction.check_access,
            'params': params,
            }
    told = result(caller.post('self', {'day': dt.date(2026, 1, 1)}))
    with office.contact() as contact:
        company = contact.branch.company.id
        assert told == {
            'branch': office.branches['N'],
            'user': contact.technical_user.id,
            'company': company,
            'companies': [company],
            'offline_sales_branch': office.branches['N'],
            'check_access': False,
            'params': {'day': dt.date(2026, 1, 1)},
            }


@pytest.mark.parametrize('readonly', [False, True])
def test_handler_begins_again_with_its_locks(
        office, caller, procedure, readonly):
    runs = []

    @procedure('locking', readonly=readonly)
    def locking(branch, params):
        runs.append(branch)
        Transaction().lock_table(Pool().get('party.party')._table)
        return len(runs)
    assert result(caller.post('locking')) == 2
    with office.contact() as contact:
        assert contact.counter == 1


def test_handler_readonly_counts_first(office, caller, procedure):
    @procedure('failing', readonly=True)
    def failing(branch, params):
        raise routes.Failure('failing')
    assert error(caller.post('failing')) == 'failing'
    with office.contact() as contact:
        assert contact.counter == 1


# How often, in which order, by which database

def test_counter_grows(office, caller):
    for counter in [1, 2, 10]:
        assert caller.post('hello', counter=counter, recent=[]).ok
        with office.contact() as contact:
            assert contact.counter == counter


def test_counter_repeated_request(office, caller):
    data = wire.dumps(caller.envelope())
    assert caller.send('hello', data).ok
    answer = caller.send('hello', data)
    assert (answer.status_code, error(answer)) == (409, 'stale')
    assert caller.post('hello').ok


def test_counter_late_request(office, caller):
    late = wire.dumps(caller.envelope())
    assert caller.post('hello').ok
    assert error(caller.send('hello', late)) == 'stale'
    assert caller.post('hello').ok


def test_counter_of_a_clone(office, caller):
    for _ in range(3):
        assert caller.post('hello').ok
    clone = Caller(office.url, caller.key, caller.branch, caller.uuid)
    answer = clone.post('hello')
    assert (answer.status_code, error(answer)) == (403, 'refused')
    with office.contact() as contact:
        assert contact.state == 'refused'
        assert contact.refusal == 'clone'
        assert contact.refused_at
    # Both, until a person has looked at it
    assert error(caller.post('hello')) == 'refused'
    repaired = office.pair()
    assert repaired.post('hello').ok
    with office.contact() as contact:
        assert (contact.state, contact.refusal) == ('paired', None)
    assert error(caller.post('hello')) == 'unauthorized'


def test_counter_of_a_clone_that_went_ahead(office, caller):
    assert caller.post('hello').ok
    clone = Caller(office.url, caller.key, caller.branch, caller.uuid)
    clone.counter, clone.recent = caller.counter, list(caller.recent)
    assert clone.post('hello').ok
    caller.envelope()
    assert error(caller.post('hello')) == 'refused'


def test_counter_of_another_database(office, caller):
    answer = caller.post('hello', uuid='another database')
    assert error(answer) == 'refused'
    with office.contact() as contact:
        assert contact.refusal == 'uuid'


def test_counter_of_another_branch(office, caller):
    assert error(caller.post('hello', branch='S')) == 'wrong_branch'
    assert caller.post('hello').ok


def test_code_of_a_paired_branch_stays(office, caller):
    with office.database.transaction(), pytest.raises(UserError):
        Branch = Pool().get('offline_sales.branch')
        Branch.write([Branch(office.branches['N'])], {'code': 'X'})
    with office.database.transaction():
        Branch.write([Branch(office.branches['S'])], {'code': 'X'})


def test_series_other_sends_but_does_not_refresh(caller, procedure):
    @procedure('refresh', any_series=False)
    def refresh(branch, params):
        return True
    assert caller.post('hello', series='7.0').ok
    assert caller.post('heartbeat', series='8.2').ok
    answer = caller.post('refresh', series='7.0')
    assert (answer.status_code, error(answer)) == (409, 'wrong_version')
    assert answer.json()['error']['params'] == {'series': '8.0'}
    assert result(caller.post('refresh'))


def test_protocol_other(caller):
    answer = caller.post('hello', protocol=99)
    assert (answer.status_code, error(answer)) == (409, 'wrong_protocol')


def test_heartbeat(office, caller):
    moment = dt.datetime(2026, 3, 1, 12, 0)
    behind = wire.utcnow() - dt.timedelta(hours=1)
    assert caller.post('heartbeat', time=behind, heartbeat={
            'pending': 7, 'oldest_pending': moment, 'rejected': 2,
            'last_refresh': moment, 'version': '8.0.3', 'unknown': 'x'}).ok
    with office.contact() as contact:
        assert contact.pending == 7
        assert contact.oldest_pending == moment
        assert contact.rejected == 2
        assert contact.last_refresh == moment
        assert contact.version == '8.0.3'
        assert contact.series == '8.0'
        assert contact.clock_offset == pytest.approx(-3600, abs=5)
        assert contact.last_contact
    assert caller.post('hello', heartbeat={'pending': 0}).ok
    with office.contact() as contact:
        assert contact.pending == 0
        assert contact.oldest_pending is None


def test_rate_is_limited_by_key(office, caller, configure):
    other = office.pair('S')
    configure('rate', '5')
    answers = [caller.post('hello') for _ in range(7)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    assert error(answers[-1]) == 'rate_limited'
    assert 1 <= int(answers[-1].headers['Retry-After']) <= 12
    assert other.post('hello').ok
    with office.contact() as contact:
        assert contact.counter == 5


def test_rate_of_pairing(office):
    stranger = Caller(office.url)
    codes = [error(stranger.post('pair', {
                    'code': 'XXXX-XXXX-XXXX', 'uuid': 'x' * 16}))
        for _ in range(11)]
    assert codes == ['wrong_code'] * 10 + ['rate_limited']


def test_log_holds_no_secret(office, caplog):
    caplog.set_level(logging.DEBUG)
    code = office.code()
    caller = Caller(office.url)
    answer = result(caller.post('pair', {
                'code': code, 'uuid': 'x' * 16, 'language': 'en',
                'price_decimal': 4}))
    caller = Caller(office.url, answer['key'], 'N', 'x' * 16)
    assert caller.post('hello').ok
    caller.post('hello', params=[])
    text = '\n'.join(r.getMessage() for r in caplog.records)
    assert 'offline_sales/hello' in text
    for secret in [code, answer['key'], answer['token_key']]:
        assert secret not in text
