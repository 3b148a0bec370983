# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The central's door, all procedures: see test_talk for what one of them takes"
import gzip
import threading

import pytest
import requests
from requests.adapters import HTTPAdapter

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    routes, wire)

from .counter import Counter
from .talk import Caller, Office, error
from .usage import Cashier

# That need a key
PROCEDURES = [
    'digest', 'documents', 'heartbeat', 'hello', 'rows', 'status', 'stock',
    'updates']
ALL = [*PROCEDURES, 'invitation', 'pair']


@pytest.fixture
def office(make_database, web):
    return Office(make_database, web)


def test_procedures_are_known(office):
    "What is new needs its tests"
    assert set(routes._procedures) == set(ALL)
    assert [
        name for name in ALL if routes._procedures[name].key] == PROCEDURES


@pytest.mark.parametrize('name', PROCEDURES)
def test_no_good_key(office, name):
    caller = office.pair()
    with office.database.transaction():
        Application = office.database.get('res.user.application')
        Application.create([
                {'user': 1, 'application': 'rest', 'key': 'k' * 64,
                    'state': 'validated'}])
    answers = set()
    for key in [None, '', 'wrong', 'k' * 64, caller.key[:-1]]:
        stranger = Caller(office.url, key, caller.branch, caller.uuid)
        answer = stranger.post(name)
        assert (answer.status_code, error(answer)) == (401, 'unauthorized')
        answers.add(answer.text)
    assert len(answers) == 1
    office.revoke()
    assert error(caller.post(name)) == 'unauthorized'


class From(HTTPAdapter):
    "Who asks from another address of this machine"

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(
            *args, source_address=(self.address, 0), **kwargs)


def test_wrong_keys_are_limited_by_address(office, configure, monkeypatch):
    "A branch that asks from there passes, and who asks from elsewhere"
    configure('wrong_key_rate', '20')
    caller = office.pair()
    wrong = Caller(office.url, 'wrong', caller.branch, caller.uuid)
    no_key = Caller(office.url, None, caller.branch, caller.uuid)
    told = [wrong.post(name).status_code for name in PROCEDURES * 2]
    told += [no_key.post('hello').status_code for _ in range(4)]
    assert set(told) == {401}
    for stranger in [wrong, no_key]:
        answer = stranger.post('hello')
        assert (answer.status_code, error(answer)) == (429, 'rate_limited')
        assert 1 <= int(answer.headers['Retry-After']) <= 3
    assert caller.post('hello').ok
    elsewhere = requests.Session()
    elsewhere.mount('http://', From('127.0.0.2'))
    answer = elsewhere.post(f'{office.url}/hello', data=wire.dumps(
            wrong.envelope()), headers={'Authorization': 'Bearer wrong'})
    assert answer.status_code == 401
    # Nor do many addresses crowd out the rate of a branch
    configure('rate', '2')
    routes._buckets.clear()
    assert [caller.post('hello').status_code for _ in range(3)] == [
        200, 200, 429]
    for buckets in [routes._buckets, routes._strangers]:
        monkeypatch.setattr(buckets, 'size', 5)
    for number in range(3, 10):
        elsewhere.mount('http://', From(f'127.0.0.{number}'))
        assert elsewhere.post(f'{office.url}/hello').status_code == 401
    assert len(routes._strangers) == 5
    assert caller.post('hello').status_code == 429


@pytest.mark.parametrize('name', PROCEDURES)
def test_key_of_another_branch(office, name):
    caller, other = office.pair('N'), office.pair('S')
    assert error(caller.post(name, branch='S')) == 'wrong_branch'
    thief = Caller(office.url, caller.key, 'S', other.uuid)
    assert error(thief.post(name)) == 'refused'


@pytest.mark.parametrize('name', ALL)
def test_another_database(office, name):
    caller = office.pair()
    caller.url = caller.url.replace('/central/', '/nowhere/')
    assert error(caller.post(name)) == 'unknown_database'


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('data', [
        b'', b'{', b'[' * 10_000 + b']' * 10_000,
        b'{"a":' * 10_000 + b'1' + b'}' * 10_000,
        ], ids=['empty', 'cut', 'deep list', 'deep object'])
def test_malformed(office, name, data):
    if len(data) > routes._procedures[name].max_size:
        expected = 413, 'too_large'
    else:
        expected = 400, 'malformed'
    caller = office.pair()
    answer = caller.send(name, data)
    assert (answer.status_code, error(answer)) == expected
    answer = caller.send(
        name, gzip.compress(data), Content_Encoding='gzip')
    assert (answer.status_code, error(answer)) == expected


@pytest.mark.parametrize('name', ALL)
def test_bomb(office, name):
    caller = office.pair()
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
    answer = caller.send(name, bomb, Content_Encoding='gzip')
    assert (answer.status_code, error(answer)) == (413, 'too_large')


@pytest.mark.parametrize('name', PROCEDURES)
@pytest.mark.parametrize('params', [
        {}, {'documents': 7}, {'documents': [7]}, {'documents': {'x': 7}},
        {'documents': [{'uuid': 'x', 'kind': 'unknown'}]},
        {'models': {'res.user': None, 'ir.session': [1]}},
        {'models': {'offline_sales.credential': None}},
        {'models': 'x'}, {'schema': {'res.user': ['password_hash']}},
        {'schema': 'x'}, {'roots': {'res.user': [0, 0]}, 'schema': {}},
        {'token_keys': {'a': 1}},
        ], ids=str)
def test_nonsense(office, name, params):
    answer = office.pair().post(name, params)
    assert answer.status_code < 500
    if not answer.ok:
        error(answer)
    for word in ['password_hash', 'Traceback', 'File "', 'fernet']:
        assert word not in answer.text


def test_status_of_the_documents_of_another_branch(shop):
    "One branch learns nothing of what another has sent"
    def make():
        Contact = shop.central.get('offline_sales.contact')
        Branch = shop.central.get('offline_sales.branch')
        branch, = Branch.search([('code', '=', 'TIJ')])
        return Contact.of(branch).new_code()
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    with shop.branch.transaction():
        Document = shop.branch.get('offline_sales.document')
        Document.send()
        documents = {d.uuid: d.sha256 for d in Document.search([])}
    url = f'{shop.web.url}/{shop.central.name}/offline_sales'
    with shop.central.transaction():
        language = shop.central.get('ir.configuration').get_language()
    answer = Caller(url).post('pair', {
            'code': shop.central.run(make), 'uuid': 'u' * 16,
            'language': language, 'price_decimal': 4})
    paired = wire.loads(answer.content)['result']
    other = Caller(url, paired['key'], 'TIJ', 'u' * 16)
    told = wire.loads(other.post(
            'status', {'documents': documents}).content)['result']
    for found in told['documents'].values():
        assert not found or found.get('state') in {None, 'unknown'}


def test_key_is_no_session(office):
    caller = office.pair()
    client = Cashier(office.web.url, office.database.name)
    for path in [
            'rpc/', 'rest/model/party.party', 'data/party.party?f=name',
            'session/login', 'bus']:
        for method in ['get', 'post']:
            answer = requests.request(
                method, client.url + path, headers={
                    'Authorization': f'Bearer {caller.key}',
                    'Content-Type': 'application/json'},
                data=b'{"id": 1, "method": "model.party.party.search_read",'
                b' "params": [[], 0, 1, null, ["name"], {}]}', timeout=30)
            assert answer.status_code >= 400 or 'error' in answer.json()
            assert 'Abarrotes' not in answer.text


def resident(pid):
    "Return the memory of the process in MB"
    with open(f'/proc/{pid}/status') as file:
        for line in file:
            if line.startswith('VmRSS'):
                return int(line.split()[1]) / 1024


def flood(url, key, count, statuses):
    session = requests.Session()
    caller = Caller(url, key, 'ESP', 'u' * 16)
    for _ in range(count):
        answer = session.post(
            f'{url}/hello', data=wire.dumps(caller.envelope()), headers={
                'Authorization': f'Bearer {key}',
                'Content-Type': 'application/json'}, timeout=60)
        statuses.append(answer.status_code)


@pytest.mark.timeout(900)
def test_ten_thousand_requests(make_server):
    "The rate of a key is limited and the memory bounded"
    server = make_server('central', 'company').start()

    def code():
        return server.run('''
Contact = pool.get('offline_sales.contact')
Branch = pool.get('offline_sales.branch')
branch, = Branch.search([('code', '=', 'ESP')])
result = [
    Contact.of(branch).new_code(),
    pool.get('ir.configuration').get_language()]
''')
    url = f'{server.url}/{server.database}/offline_sales'
    pairing, language = code()
    answer = Caller(url).post('pair', {
            'code': pairing, 'uuid': 'u' * 16, 'language': language,
            'price_decimal': 4})
    key = wire.loads(answer.content)['result']['key']
    statuses = []

    def flood_all(count):
        threads = [
            threading.Thread(target=flood, args=(
                    url, key if i % 2 else 'wrong', count, statuses))
            for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # It grows until it holds what it holds at most, by some 8,000 requests
    flood_all(2500)
    before = resident(server.process.pid)
    statuses.clear()
    flood_all(2500)
    assert len(statuses) == 10_000
    # Two at once with one key look like a copy of the branch: 403
    assert set(statuses) <= {200, 401, 403, 409, 429}
    assert statuses.count(429) > 1000
    assert resident(server.process.pid) < before * 1.2
    assert Caller(url).post('hello').status_code == 401
