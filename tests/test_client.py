# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The branch's side: whatever answers, a sentence says what to do"
import datetime as dt
import gzip
import ipaddress
import logging
import multiprocessing
import socket
import ssl
import threading
import time
import types

import filelock
import pytest
import requests

from trytond.pool import Pool
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    client, configuration, exceptions, routes, wire)
from trytond.modules.offline_sales.offline_sales.client import (  # isort: skip
    Client)
from trytond.modules.offline_sales.tests.talk import (  # isort: skip
    Office, other_server)


@pytest.fixture
def office(make_database, web):
    return Office(make_database, web)


def _pair(url, code):
    Pool().get('offline_sales.configuration').pair(url, 'central', code)


@pytest.fixture(scope='module')
def files():
    "The files of a paired branch and its office, once there are"
    return []


@pytest.fixture
def paired(office, branch, files):
    "The branch, paired with the office"
    databases = [branch, office.database]
    if not files:
        branch.run(_pair, office.web.url, office.code())
        files.extend(
            database.save(database.file.with_suffix('.talk'))
            for database in databases)
    for database, file in zip(databases, files, strict=True):
        database.restore(file)
    return branch


@pytest.fixture
def naps(monkeypatch):
    "The seconds that clients slept, without sleeping"
    naps = []
    monkeypatch.setattr(Client, '_sleep', staticmethod(naps.append))
    monkeypatch.setattr(Client, '_random', staticmethod(lambda: 0))
    return naps


def call(port, scheme='http', attempts=1, key=None, **options):
    "Call what needs no key: without database"
    with Client(f'{scheme}://127.0.0.1:{port}', 'central', key) as talk:
        return talk.call('hello', {'x': 1}, attempts=attempts, **options)


def reply(*args, **kwargs):
    return lambda handler: handler.reply(*args, **kwargs)


# The address

@pytest.mark.parametrize('url', [
        '', None, 'erp.example.com', 'ftp://example.com', 'https://',
        'https://a b.example.com', 'https://example.com:port',
        'https://example.com:99999', 'https://[::1', 'https://e.com/?q=1',
        'javascript:alert(1)', 'file:///etc/passwd'])
def test_address_invalid(url):
    with pytest.raises(exceptions.InvalidAddress):
        Client(url, 'central')


def test_address_with_password_is_not_repeated(paired):
    with paired.transaction(), pytest.raises(
            exceptions.InvalidAddress) as raised:
        Client('https://me:hunter2@example.com', 'central')
    assert 'hunter2' not in str(raised.value)


def test_address_without_database():
    with pytest.raises(exceptions.MissingDatabase):
        Client('https://example.com', ' ')


@pytest.mark.parametrize('host', [
        'erp.example.com', '192.168.1.5', '127.0.0.1.example.com', '0.0.0.0'])
def test_address_plain_http(host):
    with pytest.raises(exceptions.PlainHTTP):
        Client(f'http://{host}', 'central')
    assert Client(f'http://{host}', 'central', allow_http=True)
    assert Client(f'https://{host}', 'central')


@pytest.mark.parametrize('host', [
        '127.0.0.1', '127.8.8.8', '[::1]', 'localhost'])
def test_address_plain_http_to_this_machine(host):
    assert Client(f'http://{host}:8000/', 'central').url == (
        f'http://{host}:8000')


def test_address_is_quoted():
    with other_server(reply(200, b'{"result": 5}')) as (port, came):
        with Client(f'http://127.0.0.1:{port}', '../a b?c') as talk:
            assert talk.call('hello') == 5
    assert came[0][0] == '/..%2Fa%20b%3Fc/offline_sales/hello'


# What may answer

def test_answer():
    answer = b'{"result": {"a": [1]}}'
    packed = gzip.compress(answer)
    for data, headers in [(answer, {}), (packed, {
                'Content_Encoding': 'gzip'})]:
        with other_server(reply(200, data, **headers)) as (port, came):
            assert call(port) == {'a': [1]}
        path, headers, body = came[0]
        assert path == '/central/offline_sales/hello'
        assert headers['Accept-Encoding'] == 'gzip'
        assert 'Authorization' not in headers
        assert wire.loads(body)['params'] == {'x': 1}


def test_request_is_compressed():
    with other_server(reply(200, b'{"result": 1}')) as (port, came):
        with Client(f'http://127.0.0.1:{port}', 'central') as talk:
            talk.call('documents', {'text': 'x' * 10_000})
    _, headers, body = came[0]
    assert headers['Content-Encoding'] == 'gzip'
    assert len(body) < 1000
    assert len(wire.loads(gzip.decompress(body))['params']['text']) == 10_000


def test_connection_is_kept():
    connections = set()

    def answer(handler):
        connections.add(handler.client_address)
        handler.reply(200, b'{"result": 1}')
    with other_server(answer) as (port, came):
        with Client(f'http://127.0.0.1:{port}', 'central') as talk:
            for _ in range(3):
                talk.call('hello')
    assert (len(came), len(connections)) == (3, 1)


def _html(status):
    return (status, b'<html>Please log in</html>', 'text/html')


@pytest.mark.parametrize('answer, Error', [
        (_html(200), exceptions.NotTryton),
        (_html(404), exceptions.NotTryton),
        (_html(401), exceptions.NotTryton),
        (_html(500), exceptions.ServerFault),
        (_html(502), exceptions.ServerBusy),
        (_html(503), exceptions.ServerBusy),
        (_html(413), exceptions.TooLarge),
        (_html(429), exceptions.RateLimited),
        ((200, b''), exceptions.NotTryton),
        ((200, b'5'), exceptions.NotTryton),
        ((200, b'{}'), exceptions.NotTryton),
        ((200, b'{"result": '), exceptions.NotTryton),
        ((200, b'{"error": {"code": "stale"}}'), exceptions.NotTryton),
        ((404, b'{"error": 5}'), exceptions.NotTryton),
        ((404, b'[]'), exceptions.NotTryton),
        ((500, b'{"error": {"code": []}}'), exceptions.ServerFault),
        ((400, b'{"error": {"code": "new", "params": 5}}'),
            exceptions.Invalid),
        ((500, b'{"error": {"code": "new"}}'), exceptions.ServerFault),
        ])
def test_answer_of_another_kind(answer, Error):
    with other_server(reply(*answer)) as (port, _):
        with pytest.raises(exceptions.CentralError) as raised:
            call(port)
    assert type(raised.value) is Error


@pytest.mark.parametrize('code, Error', sorted(exceptions.CODES.items()))
def test_answer_of_the_central(code, Error):
    data = wire.dumps({'error': {'code': code, 'params': {
                    'series': 'x' * 999, 'other': ['y']}}})
    with other_server(reply(400, data)) as (port, _):
        with pytest.raises(exceptions.CentralError) as raised:
            call(port)
    assert type(raised.value) is Error
    assert len(raised.value.variables['series']) == 200


def test_answer_redirect_is_not_followed():
    with other_server(reply(200, b'{"result": 1}')) as (other, came):
        with other_server(reply(
                    302, Location=f'http://127.0.0.1:{other}/')) as (port, _):
            with pytest.raises(exceptions.Redirected) as raised:
                call(port)
    assert not came
    assert str(other) in raised.value.variables['location']


@pytest.mark.parametrize('headers', [
        {}, {'Content_Encoding': 'gzip'}, {'Content_Encoding': 'br'}])
def test_answer_badly_compressed(headers):
    Error = {
        'gzip': exceptions.Interrupted,
        'br': exceptions.NotTryton,
        None: exceptions.NotTryton,
        }[headers.get('Content_Encoding')]
    with other_server(reply(200, b'\x1f\x8bno gzip', **headers)) as (port, _):
        with pytest.raises(Error):
            call(port)


def test_answer_too_large():
    bomb = gzip.compress(b'"' + b'x' * 10_000_000 + b'"')
    with other_server(reply(
                200, bomb, Content_Encoding='gzip')) as (port, _):
        with pytest.raises(exceptions.AnswerTooLarge):
            call(port, max_size=1_000_000)


def test_answer_cut():
    def answer(handler):
        handler.send_response(200)
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', '1000')
        handler.end_headers()
        handler.wfile.write(b'{"result": ')
        handler.close_connection = True
    with other_server(answer) as (port, _):
        with pytest.raises(exceptions.Interrupted):
            call(port)


def test_answer_none():
    def answer(handler):
        handler.connection.shutdown(socket.SHUT_RDWR)
    with other_server(answer) as (port, _):
        with pytest.raises(exceptions.Interrupted):
            call(port)


def test_answer_late():
    done = threading.Event()

    def answer(handler):
        done.wait(10)
    with other_server(answer) as (port, _):
        with pytest.raises(exceptions.TimedOut):
            call(port, timeout=.2)
        done.set()


def test_answer_that_drips(monkeypatch):
    monkeypatch.setattr(client, 'TOTAL_TIMEOUT', .3)
    done = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', '1000')
        handler.end_headers()
        while not done.wait(.1):
            handler.wfile.write(b' ')
    with other_server(answer) as (port, _):
        with pytest.raises(exceptions.TimedOut):
            call(port, timeout=5)
        done.set()


def test_port_closed():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with pytest.raises(exceptions.ClosedPort):
        call(port)


def test_host_unknown():
    with pytest.raises(exceptions.UnknownHost):
        with Client('https://nowhere.invalid', 'central') as talk:
            talk.call('hello', attempts=1)


# TLS

@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    "A certificate for 127.0.0.1 that nobody has signed but itself"
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(
                x509.oid.NameOID.COMMON_NAME, '127.0.0.1')])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([
                    x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]),
            critical=False)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp('tls')
    pem = serialization.Encoding.PEM
    (path / 'certificate').write_bytes(certificate.public_bytes(pem))
    (path / 'key').write_bytes(key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / 'certificate', certificate / 'key')
    return context


def test_tls_not_trusted(tls):
    with other_server(reply(200, b'{"result": 1}'), tls) as (port, came):
        with pytest.raises(exceptions.TLSFailed) as raised:
            call(port, 'https', key=None)
    assert not came
    assert 'self' in raised.value.variables['reason']


def test_tls_trusted(tls, certificate, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(certificate / 'certificate'))
    with other_server(reply(200, b'{"result": 1}'), tls) as (port, _):
        assert call(port, 'https') == 1


def test_tls_of_another_host(tls, certificate, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(certificate / 'certificate'))
    with other_server(reply(200, b'{"result": 1}'), tls) as (port, _):
        with pytest.raises(exceptions.TLSFailed):
            with Client(f'https://localhost:{port}', 'central') as talk:
                talk.call('hello', attempts=1)


def test_tls_missing():
    with other_server(reply(200, b'{"result": 1}')) as (port, _):
        with pytest.raises(exceptions.NoTLS):
            call(port, 'https')


# Again

def test_attempts_wait_longer_and_longer(naps):
    with other_server(reply(503)) as (port, came):
        with pytest.raises(exceptions.ServerBusy):
            call(port, attempts=4)
    assert len(came) == 4
    assert naps == [.5, 1, 2]


def test_attempts_end_with_success(naps):
    answers = iter([reply(503), reply(500), reply(200, b'{"result": 1}')])
    with other_server(lambda handler: next(answers)(handler)) as (port, _):
        assert call(port, attempts=3) == 1
    assert len(naps) == 2


@pytest.mark.parametrize('status', [200, 302, 401, 404])
def test_attempts_only_where_they_help(naps, status):
    with other_server(reply(status, b'', 'text/html')) as (port, came):
        with pytest.raises(exceptions.CentralError):
            call(port, attempts=3)
    assert (len(came), naps) == (1, [])


def test_attempts_honour_retry_after(naps):
    with other_server(reply(429, Retry_After='7')) as (port, _):
        with pytest.raises(exceptions.RateLimited) as raised:
            call(port, attempts=2)
    assert raised.value.seconds == 7
    assert naps == [7]


def test_attempts_end_where_the_wait_is_long(naps):
    with other_server(reply(503, Retry_After='3600')) as (port, came):
        with pytest.raises(exceptions.ServerBusy) as raised:
            call(port, attempts=3)
    assert raised.value.seconds == 3600
    assert (len(came), naps) == (1, [])


@pytest.mark.parametrize('value, seconds', [
        ('', None), ('0', 0), ('120', 120), ('-5', None), ('soon', None),
        ('9' * 50, None), ('Thu, 01 Jan 1970 00:00:00 GMT', 0),
        ('Thu, 01 Jan 1970 00:00:00', None)])
def test_retry_after(value, seconds):
    response = requests.Response()
    response.headers['Retry-After'] = value
    assert client._retry_after(response) == seconds


def test_retry_after_date():
    moment = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=100)
    response = requests.Response()
    response.headers['Retry-After'] = moment.strftime(
        '%a, %d %b %Y %H:%M:%S GMT')
    assert 97 <= client._retry_after(response) <= 100


# With a key

def ask(procedure='hello', params=None, **options):
    with Client.from_configuration() as talk:
        return talk.call(procedure, params, **options)


def requests_of(database):
    with database.transaction():
        cursor = Transaction().connection.cursor()
        cursor.execute(
            'SELECT counter, identity FROM offline_sales_request '
            'ORDER BY counter')
        return cursor.fetchall()


def test_not_paired(branch):
    with pytest.raises(exceptions.NotPaired):
        branch.run(ask)


def test_counter_is_durable_before_it_is_sent(office, paired, monkeypatch):
    def lose(self, request, **kwargs):
        raise requests.ConnectionError("lost")
    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, 'send', lose)
        with pytest.raises(exceptions.Interrupted):
            paired.run(ask, attempts=1)
    assert [n for n, _ in requests_of(paired)] == [1]
    assert paired.run(ask)['branch'] == 'N'
    assert [n for n, _ in requests_of(paired)] == [1, 2]
    with office.contact() as contact:
        assert contact.counter == 2


def test_counter_survives_a_rollback(office, paired):
    with pytest.raises(ZeroDivisionError), paired.transaction():
        ask()
        raise ZeroDivisionError
    assert [n for n, _ in requests_of(paired)] == [1]
    assert paired.run(ask)


def test_counter_after_a_lost_answer(office, paired, monkeypatch):
    "The request arrived, the answer did not: no alarm"
    send = requests.Session.send

    def lose(self, request, **kwargs):
        send(self, request, **kwargs)
        raise requests.ConnectionError("lost")
    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, 'send', lose)
        with pytest.raises(exceptions.Interrupted):
            paired.run(ask, attempts=1)
    assert paired.run(ask)
    with office.contact() as contact:
        assert (contact.state, contact.counter) == ('paired', 2)


def test_counter_remembers_few(paired):
    for _ in range(wire.RECENT + 10):
        with paired.transaction():
            Pool().get('offline_sales.request').take()
    kept = requests_of(paired)
    # And the one that is on its way
    assert len(kept) == wire.RECENT + 1
    assert kept[-1][0] == wire.RECENT + 10


def test_what_never_left_has_no_number(office, paired):
    "However often a branch tries without internet"
    paired.run(ask)
    before = requests_of(paired)
    for _ in range(3):
        with office.web.down(), pytest.raises(exceptions.ClosedPort):
            paired.run(ask, attempts=1)
    assert requests_of(paired) == before


def test_hello_tells_the_clock(paired, monkeypatch):
    shift_clock(monkeypatch, dt.timedelta(hours=-1))

    def hello():
        with Client.from_configuration() as talk:
            return talk.hello()
    assert paired.run(hello)['clock_offset'] == pytest.approx(-3600, abs=5)


def test_stream(office, paired, monkeypatch):
    monkeypatch.setattr(routes, '_procedures', dict(routes._procedures))

    @routes.procedure('lines', readonly=True)
    def lines(branch, params):
        return routes.Response(
            (f'{n}\n' for n in range(params['count'])),
            content_type='application/x-ndjson')

    def read(count, take=None, **options):
        with Client.from_configuration() as talk:
            with talk.stream('lines', {'count': count}, **options) as chunks:
                if take:
                    next(chunks)
                    return None
                return b''.join(chunks)
    assert paired.run(read, 1000).split()[-1] == b'999'
    # Left early, it leaves nothing behind
    paired.run(read, 1_000_000, take=1)
    with pytest.raises(exceptions.AnswerTooLarge):
        paired.run(read, 100_000, max_size=1000)
    assert paired.run(ask)


def test_stream_refused(office, paired):
    def read():
        with Client.from_configuration() as talk:
            with talk.stream('nothing') as chunks:
                return list(chunks)
    with pytest.raises(exceptions.UnknownProcedure):
        paired.run(read)


def test_stream_cut(office, paired, monkeypatch):
    monkeypatch.setattr(routes, '_procedures', dict(routes._procedures))

    def broken():
        yield 'x' * 1000
        raise ValueError("cut")

    @routes.procedure('broken', readonly=True)
    def broken_(branch, params):
        return routes.Response(
            broken(), content_type='application/x-ndjson')

    def read():
        with Client.from_configuration() as talk:
            with talk.stream('broken') as chunks:
                return b''.join(chunks)
    with pytest.raises(exceptions.Interrupted):
        paired.run(read)


def test_call_needs_a_clean_transaction(paired):
    with paired.transaction(user=0):
        Party = Pool().get('party.party')
        Party.create([{'name': "Written"}])
        with pytest.raises(RuntimeError):
            ask()
    assert not requests_of(paired)


def test_call_locks_nobody_out(office, paired, monkeypatch):
    "While the central takes its time the shop writes"
    monkeypatch.setattr(routes, '_procedures', dict(routes._procedures))
    written = []

    @routes.procedure('slow', readonly=True)
    def slow(branch, params):
        sell = threading.Thread(target=write)
        sell.start()
        sell.join(4)
        return written

    def write():
        with Transaction().start(paired.name, 0):
            Pool(paired.name).get('party.party').create([{'name': "Now"}])
        written.append(time.monotonic())
    assert len(paired.run(ask, 'slow')) == 1


def _hold(path, held, done):
    with filelock.FileLock(path):
        held.set()
        done.wait(20)


def test_one_request_at_a_time(paired, monkeypatch):
    "also where other processes of the branch talk"
    monkeypatch.setattr(client, 'TURN_TIMEOUT', .2)
    with paired.transaction():
        path = client.lock_path()
    context = multiprocessing.get_context('spawn')
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, held, done))
    other.start()
    try:
        assert held.wait(60)
        with pytest.raises(exceptions.Busy):
            paired.run(ask)
        assert not requests_of(paired)
    finally:
        done.set()
        other.join()
    assert paired.run(ask)


def test_netrc_does_not_replace_the_key(
        office, paired, monkeypatch, tmp_path):
    netrc = tmp_path / 'netrc'
    netrc.write_text('default login someone password else\n')
    monkeypatch.setenv('NETRC', str(netrc))
    assert paired.run(ask)


def test_secrets_are_not_told(office, paired, caplog):
    caplog.set_level(logging.DEBUG)
    with paired.transaction():
        cursor = Transaction().connection.cursor()
        cursor.execute(
            'UPDATE offline_sales_credential SET value = ? '
            "WHERE name = 'key'", ['secret\nkey'])
    with pytest.raises(exceptions.CentralError) as raised:
        paired.run(ask, attempts=1)
    with paired.transaction(), Client.from_configuration() as talk:
        assert 'secret' not in repr(talk)
        assert 'secret' not in repr(vars(talk._session))
    error = raised.value
    assert 'secret' not in repr(error) + str(error) + repr(error.variables)
    assert error.__cause__ is None and error.__suppress_context__
    assert 'secret' not in '\n'.join(
        r.getMessage() for r in caplog.records)


# In words

def shift_clock(monkeypatch, delta):
    "Let the clock of the branch be wrong, not that of the central"
    monkeypatch.setattr(client, 'wire', types.SimpleNamespace(**{
                **vars(wire), 'utcnow': lambda: wire.utcnow() + delta}))


@pytest.fixture
def words(paired):
    "What the test of the connection says, by step, if it is worth a word"
    def words(**values):
        with paired.transaction():
            Configuration = Pool().get('offline_sales.configuration')
            if values:
                Configuration.write([Configuration(1)], values)
        lines = paired.run(lambda: Pool().get(
                'offline_sales.configuration').test_connection())
        said = {line.step: line.text for line in lines if line.state != 'ok'}
        words.good = [line.step for line in lines if line.state == 'ok']
        words.states = {line.step: line.state for line in lines}
        return said
    return words


def test_words_when_all_is_well(words):
    assert list(words()) == ['tls']
    assert words.states['tls'] == 'warning'
    assert words.good == [
        'address', 'host', 'port', 'answer', 'database', 'key', 'series',
        'modules', 'clock']


def test_words_by_wizard(paired):
    def test():
        Wizard = Pool().get('offline_sales.configuration.test', type='wizard')
        session, start, _ = Wizard.create()
        Transaction().commit()
        return Wizard.execute(session, {}, start)['view']['defaults']
    lines = paired.run(test)['lines']
    assert {'ok', 'warning'} == {line['state'] for line in lines}
    assert any("North" in line['text'] for line in lines)


def test_words_before_pairing(branch):
    lines = branch.run(lambda: Pool().get(
            'offline_sales.configuration').test_connection())
    assert [line.state for line in lines] == ['error']
    assert "pair" in lines[0].text.lower()


@pytest.mark.parametrize('values, step, text', [
        ({'url': 'erp'}, 'address', "not valid"),
        ({'url': 'http://192.0.2.1'}, 'address', "not encrypted"),
        ({'database': None}, 'address', "name of the database"),
        ({'url': 'https://nowhere.invalid'}, 'host', "nowhere.invalid"),
        ({'database': 'nothing'}, 'database', '"nothing"'),
        ])
def test_words_of_settings(words, values, step, text):
    said = words(**values)
    assert list(said)[-1] == step
    assert text in said[step]
    assert words.states[step] == 'error'


def test_words_of_a_closed_port(office, words):
    with office.web.down():
        said = words()
    assert "does not accept" in said['port']
    assert str(office.web.port) in said['port']
    assert words.good == ['address', 'host']


def test_words_of_tls(words, tls):
    with other_server(reply(200), tls) as (port, _):
        said = words(url=f'https://127.0.0.1:{port}')
    assert "identity" in said['tls']
    assert words.good == ['address', 'host', 'port']


def test_words_of_html(words):
    with other_server(reply(*_html(200))) as (port, _):
        said = words(url=f'http://127.0.0.1:{port}')
    assert "is not the Tryton" in said['answer']


def test_words_of_a_branch_as_central(words):
    assert "is that of a branch" in words(database='branch')['database']


def test_words_of_a_revoked_key(office, words):
    office.revoke()
    said = words()
    assert "pairing code" in said['key']
    assert 'database' in words.good


def test_words_of_another_series(words, monkeypatch):
    monkeypatch.setattr(client, '__series__', '7.0')
    monkeypatch.setattr(configuration, '__series__', '7.0')
    said = words()
    assert "8.0" in said['series']
    assert words.states['series'] == 'error'
    assert 'key' in words.good


@pytest.mark.parametrize('side', ['branch', 'central'])
def test_words_of_a_missing_module(office, paired, words, side):
    database = paired if side == 'branch' else office.database
    with database.transaction():
        cursor = Transaction().connection.cursor()
        cursor.execute(
            "UPDATE ir_module SET state = 'not activated' "
            "WHERE name = 'sale_point'")
    said = words()
    assert "sale_point" in said['modules']
    assert ("here" in said['modules']) == (side == 'branch')
    assert words.states['modules'] == 'warning'


@pytest.mark.parametrize('hours, word', [(1, "ahead"), (-1, "behind")])
def test_words_of_the_clock(words, monkeypatch, hours, word):
    shift_clock(monkeypatch, dt.timedelta(hours=hours))
    said = words()
    assert f" seconds {word} " in said['clock']
    assert "3600" in said['clock'] or "3599" in said['clock']


def test_words_of_language_and_decimals(paired, words, monkeypatch):
    monkeypatch.setattr(configuration, 'price_decimal', 2)
    with paired.transaction():
        Configuration = Pool().get('ir.configuration')
        Configuration.write([Configuration(1)], {'language': 'es'})
    said = words()
    assert "«en»" in said['language']
    assert "4 decimales" in said['decimals']


def test_words_change_nothing(office, paired, words):
    def dump():
        with paired.transaction():
            return [
                line for line in Transaction().connection.iterdump()
                if 'offline_sales_request' not in line
                and 'ir_session' not in line]
    before = dump()
    words()
    office.revoke()
    words()
    assert dump() == before
