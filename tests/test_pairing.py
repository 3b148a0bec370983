# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A database becomes that of a branch, or nothing changes"
import datetime as dt
import threading

import pytest
from werkzeug.test import Client as Visitor

from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction
from trytond.wsgi import app

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    client, configuration, exceptions, wire)
from trytond.modules.offline_sales.offline_sales.contact import (  # isort: skip
    read_code)
from trytond.modules.offline_sales.tests.talk import (  # isort: skip
    Caller, Office, error, make_branches, make_code)


@pytest.fixture
def office(make_database, web):
    return Office(make_database, web)


def pair(url, database, code, allow_http=False):
    Pool().get('offline_sales.configuration').pair(
        url, database, code, allow_http)


def mistype(code):
    return code[:-1] + ('0' if code[-1] != '0' else '1')


def state(database):
    "Return what pairing could have changed"
    with database.transaction():
        dump = '\n'.join(Transaction().connection.iterdump())
    return {
        line for line in dump.splitlines() if any(
            f'INTO "{table}"' in line for table in [
                'offline_sales_configuration', 'offline_sales_credential',
                'offline_sales_branch', 'offline_sales_contact'])}


def get_configuration(database):
    with database.transaction():
        Configuration = Pool().get('offline_sales.configuration')
        record = Configuration(1)
        return {
            name: getattr(record, name) for name in [
                'role', 'url', 'database', 'allow_http', 'uuid',
                'central_uuid', 'branch_code', 'branch_name', 'company_name']}


def test_pair_again_while_the_first_is_answered(office):
    "what was read before the first one was done does not count"
    code = office.code()
    answer = {'language': 'en', 'price_decimal': 4}
    with office.database.transaction():
        Contact = Pool().get('offline_sales.contact')
        Configuration = Pool().get('offline_sales.configuration')
        contact = Contact.of(office.branches['N'])
        assert not contact.database_uuid
        with Transaction().new_transaction(
                _lock_tables=[Configuration._table]):
            assert Contact.pair(code, 'uuid', answer)['key']
        read = read_code(code)
        assert contact._check_code(read, 'another').code == 'used_code'
        assert contact._check_code(read, 'uuid') is None


def get_credential(database, name, branch=None):
    with database.transaction():
        return Pool().get('offline_sales.credential').get(name, branch)


def hello(database):
    def ask():
        with client.Client.from_configuration() as talk:
            return talk.hello(attempts=1)
    return database.run(ask)


@pytest.fixture
def refuses(office, branch):
    "Pairing raises the error, and nothing has changed at the branch"
    def refuses(Error, code, url=None, database=None):
        before = state(branch)
        with pytest.raises(Error) as raised:
            branch.run(
                pair, url or office.web.url,
                database or office.database.name, code)
        assert state(branch) == before
        assert code not in str(raised.value)
        return raised.value
    return refuses


def test_pair(office, branch):
    branch.run(pair, office.web.url + '/', 'central', office.code())
    paired = get_configuration(branch)
    central = get_configuration(office.database)
    assert len(paired.pop('uuid')) == 36
    assert paired == {
        'role': 'branch',
        'url': office.web.url,
        'database': 'central',
        'allow_http': False,
        'central_uuid': central['uuid'],
        'branch_code': 'N',
        'branch_name': "North",
        'company_name': "Abarrotes La Esperanza",
        }
    with branch.transaction():
        assert Pool().get('offline_sales.configuration').is_branch()
    token = get_credential(branch, 'token')
    assert token == get_credential(
        office.database, 'token', office.branches['N'])
    assert len(token) == 44
    assert hello(branch)['name'] == "North"
    with office.contact() as contact:
        assert contact.state == 'paired'
        assert contact.counter == 1
        assert contact.version.startswith('8.0.')
        assert abs(contact.clock_offset) < 5


def test_pair_code_as_it_is_typed(office, branch):
    code = office.code().lower().replace('-', ' ').replace('0', 'o')
    branch.run(pair, office.web.url, 'central', f' {code} ')
    assert hello(branch)


def test_pair_by_wizard(office, branch):
    with office.database.transaction():
        Branch = Pool().get('offline_sales.branch')
        User = Pool().get('res.user')
        Wizard = Pool().get('offline_sales.branch.pairing', type='wizard')
        company = Branch(office.branches['N']).company
        User.write([User(1)], {
                'companies': [('add', [company.id])],
                'company': company.id,
                })
        session, start, _ = Wizard.create()
        with Transaction().set_context(
                active_model='offline_sales.branch',
                active_id=office.branches['N'],
                active_ids=[office.branches['N']]):
            shown = Wizard.execute(session, {}, start)['view']['defaults']
        assert Branch(shown['branch']).code == 'N'
        assert shown['expire'] > wire.utcnow()

    def wizard():
        Wizard = Pool().get('offline_sales.configuration.pair', type='wizard')
        session, _, _ = Wizard.create()
        Transaction().commit()
        return Wizard.execute(session, {'start': {
                    'url': office.web.url, 'database': 'central',
                    'allow_http': False, 'code': shown['code'],
                    }}, 'pair')['view']['defaults']['text']
    text = branch.run(wizard)
    assert "North" in text and "Abarrotes" in text
    with branch.transaction():
        dump = '\n'.join(Transaction().connection.iterdump())
    assert shown['code'] not in dump


def test_code_is_kept_as_hash(office):
    code = office.code()
    with office.database.transaction():
        dump = '\n'.join(Transaction().connection.iterdump())
    assert code not in dump
    assert code[5:] not in dump


@pytest.fixture
def fernet(configure):
    "A Fernet key of the servers"
    from cryptography.fernet import Fernet
    configure('fernet_key', Fernet.generate_key().decode())


def test_secrets_are_protected_at_rest(fernet, office, branch):
    branch.run(pair, office.web.url, 'central', office.code())
    token = get_credential(branch, 'token')
    assert token == get_credential(
        office.database, 'token', office.branches['N'])
    key = get_credential(branch, 'key')
    for database in [office.database, branch]:
        with database.transaction():
            dump = '\n'.join(Transaction().connection.iterdump())
        assert token not in dump and key not in dump
    assert hello(branch)


def test_code_is_replaced_by_the_next(office, refuses):
    former = office.code()
    code = office.code()
    refuses(exceptions.WrongCode, former)
    refuses(exceptions.WrongCode, mistype(code))


def test_code_is_generated_at_the_central_only(branch):
    def generate():
        Configuration = Pool().get('offline_sales.configuration')
        Wizard = Pool().get('offline_sales.branch.pairing', type='wizard')
        ids = make_branches()
        Configuration.write([Configuration(1)], {'role': 'branch'})
        session, start, _ = Wizard.create()
        with Transaction().set_context(
                active_model='offline_sales.branch', active_id=ids['N'],
                active_ids=[ids['N']]):
            Wizard.execute(session, {}, start)
    with pytest.raises(AccessError, match="at the central"):
        branch.run(generate, user=0)


@pytest.mark.parametrize('code', [
        '?', 'XX', 'XXXX-XXXX-XXXX', 'x' * 99, '¡é!'])
def test_code_wrong(office, refuses, code):
    office.code()
    refuses(exceptions.WrongCode, code)


def test_code_used(office, refuses):
    code = office.code()
    Caller(office.url).post('pair', {
            'code': code, 'uuid': 'x' * 36, 'language': 'en',
            'price_decimal': 4})
    assert "used" in refuses(exceptions.UsedCode, code).message


def test_code_expired(office, refuses):
    code = office.code()
    with office.contact() as contact:
        contact.pairing_expire -= dt.timedelta(minutes=31)
        contact.save()
    assert "30 minutes" in refuses(exceptions.ExpiredCode, code).message


def test_code_burnt_by_five_tries(office, refuses, branch):
    code = office.code()
    for _ in range(5):
        refuses(exceptions.WrongCode, mistype(code))
    refuses(exceptions.BurntCode, code)
    with office.contact() as contact:
        assert contact.state == 'new'
        assert contact.pairing_tries == 5
    branch.run(pair, office.web.url, 'central', office.code())


def test_code_of_another_branch_is_not_burnt(office, branch):
    north, south = office.code('N'), office.code('S')
    for _ in range(5):
        error(Caller(office.url).post('pair', {
                    'code': south[:4] + '-XXXX-XXXX', 'uuid': 'x' * 36}))
    branch.run(pair, office.web.url, 'central', north)
    assert get_configuration(branch)['branch_code'] == 'N'


def test_pair_needs_the_right_address(office, refuses):
    code = office.code()
    for Error, url, database in [
            (exceptions.InvalidAddress, 'erp.example.com', 'central'),
            (exceptions.PlainHTTP, 'http://192.0.2.1', 'central'),
            (exceptions.UnknownDatabase, None, 'nothing'),
            (exceptions.NotTryton, f'{office.web.url}/nowhere', 'central')]:
        refuses(Error, code, url, database)
    with office.web.down():
        refuses(exceptions.ClosedPort, code)
    with office.contact() as contact:
        assert (contact.state, contact.pairing_tries) == ('new', 0)


def test_pair_of_another_series(office, refuses, monkeypatch):
    monkeypatch.setattr(client, '__series__', '7.0')
    assert "8.0" in refuses(exceptions.WrongVersion, office.code()).message


def test_pair_of_another_language(office, refuses, branch, monkeypatch):
    with branch.transaction():
        Configuration = Pool().get('ir.configuration')
        Configuration.write([Configuration(1)], {'language': 'es'})
    assert "«en»" in refuses(exceptions.WrongLanguage, office.code()).message


def test_pair_of_other_decimals(office, refuses, monkeypatch):
    monkeypatch.setattr(configuration, 'price_decimal', 2)
    assert "4 decimals" in refuses(
        exceptions.WrongDecimals, office.code()).message


def test_pair_refusal_leaves_the_code(office, refuses, branch, monkeypatch):
    code = office.code()
    with monkeypatch.context() as patch:
        patch.setattr(configuration, 'price_decimal', 2)
        refuses(exceptions.WrongDecimals, code)
    branch.run(pair, office.web.url, 'central', code)


def test_pair_of_a_central(office, branch, refuses):
    branch.run(make_branches)
    refuses(exceptions.PairingRefused, office.code())


def test_pair_with_itself(office):
    code = office.code()
    before = state(office.database)
    with pytest.raises(exceptions.PairingRefused):
        office.database.run(pair, office.web.url, 'central', code)
    assert state(office.database) == before


def _hold_catalogs():
    Link = Pool().get('offline_sales.link')
    Link.create([{'model': 'party.party', 'local': 1, 'central': 1}])


def test_pair_again(office, branch):
    branch.run(pair, office.web.url, 'central', office.code())
    former, key = get_configuration(branch), get_credential(branch, 'key')
    branch.run(_hold_catalogs)
    branch.run(pair, office.web.url, 'central', office.code())
    paired = get_configuration(branch)
    assert paired.pop('uuid') != former.pop('uuid')
    assert paired == former
    assert hello(branch)
    stolen = Caller(office.url, key, 'N', 'x')
    assert error(stolen.post('hello')) == 'unauthorized'
    with office.database.transaction():
        Application = Pool().get('res.user.application')
        first, second = Application.search(
            [('application', '=', 'offline_sales')], order=[('id', 'ASC')])
        assert (first.state, second.state) == ('cancelled', 'validated')
        assert first.user == second.user


def test_pair_with_another_branch(office, branch, refuses):
    branch.run(pair, office.web.url, 'central', office.code('N'))
    branch.run(_hold_catalogs)
    refuses(exceptions.OtherBranch, office.code('S'))
    assert hello(branch)


def test_pair_with_another_central(office, branch, refuses, make_database):
    branch.run(pair, office.web.url, 'central', office.code('N'))
    other = make_database('other', 'bare')
    code = other.run(make_code, other.run(make_branches)['N'])
    branch.run(_hold_catalogs)
    refuses(exceptions.OtherBranch, code, database='other')
    assert hello(branch)


def test_pair_with_another_branch_before_there_is_data(office, branch):
    branch.run(pair, office.web.url, 'central', office.code('N'))
    branch.run(pair, office.web.url, 'central', office.code('S'))
    assert hello(branch)['name'] == "South"


def _visit(office, address, scheme='http', code=None, uuid='x' * 36):
    return Visitor(app).post(
        '/central/offline_sales/pair',
        base_url=f'{scheme}://central.example.com',
        json={'protocol': 1, 'series': '8.0', 'params': {
                'code': code or office.code(), 'uuid': uuid,
                'language': 'en', 'price_decimal': 4}},
        environ_base={'REMOTE_ADDR': address})


@pytest.mark.parametrize('address, scheme, status', [
        ('192.0.2.1', 'http', 403),
        ('192.0.2.1', 'https', 200),
        ('127.0.0.9', 'http', 200),
        ('::1', 'http', 200),
        ('', 'http', 403),
        ])
def test_pair_is_private(office, address, scheme, status):
    answer = _visit(office, address, scheme)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.json['error']['code'] == 'insecure'
        with office.contact() as contact:
            assert contact.pairing_tries == 0


def test_pair_of_two_at_once(office):
    code, answers = office.code(), []
    threads = [
        threading.Thread(target=lambda n: answers.append(
                _visit(office, '127.0.0.1', code=code, uuid=str(n) * 36)),
            args=[n])
        for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [200] + [403] * 4


def test_heartbeat_of_what_is_pending(office, branch):
    branch.run(pair, office.web.url, 'central', office.code())
    moment = dt.datetime(2026, 3, 1, 12, 0)

    def add():
        cursor = Transaction().connection.cursor()
        for n, state in enumerate(['pending', 'pending', 'rejected', 'sent']):
            cursor.execute(
                'INSERT INTO offline_sales_document '
                '(uuid, kind, payload, sha256, state, moment, branch) '
                "VALUES (?, 'ticket', '', '', ?, ?, 1)",
                [str(n), state, moment + dt.timedelta(hours=n)])
    branch.run(add)
    hello(branch)
    with office.contact() as contact:
        assert (contact.pending, contact.rejected) == (2, 1)
        assert contact.oldest_pending == moment


def test_restored_branch(office, branch, tmp_path):
    "A backup is laid back: refused until it is paired again"
    branch.run(pair, office.web.url, 'central', office.code())
    hello(branch)
    backup = branch.save(tmp_path / 'backup.sqlite')
    hello(branch)
    branch.restore(backup)
    for _ in range(2):
        with pytest.raises(exceptions.CloneRefused):
            hello(branch)
    branch.run(pair, office.web.url, 'central', office.code())
    assert hello(branch)


def _pair_and_count(url, database, code):
    pair(url, database, code)
    Transaction().commit()
    with client.Client.from_configuration() as talk:
        talk.hello()
        talk.call('heartbeat')
    return Pool().get('offline_sales.configuration')(1).branch_name


def test_pair_with_postgresql(make_server, branch):
    "The pair that users will run, in processes of their own"
    central = make_server('central', 'bare', 'postgresql')
    ids = central.run(make_branches)
    code = central.run(make_code, ids['N'])
    central.start()
    with pytest.raises(exceptions.WrongCode):
        branch.run(pair, central.url, central.database, code[:5] + 'X' * 9)
    assert branch.run(
        _pair_and_count, central.url, central.database, code) == "North"
    with branch.transaction():
        key = Pool().get('offline_sales.credential').get('key')
        uuid = Pool().get('offline_sales.configuration')(1).uuid
    _ask_at_once(Caller(
            f'{central.url}/{central.database}/offline_sales', key, 'N', uuid))


def _ask_at_once(caller):
    "Requests of one branch that meet raise no alarm"
    caller.counter = 10
    caller.recent = []
    bodies = [wire.dumps(caller.envelope()) for _ in range(8)]
    codes = []

    def ask(body):
        answer = caller.send('hello', body)
        codes.append(None if answer.ok else error(answer))
    threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None in codes
    assert set(codes) <= {None, 'stale', 'busy'}
    assert caller.post('hello').ok
