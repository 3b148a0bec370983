# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Usage tokens at the central: who gives them, and what is kept of it"
import base64
import datetime as dt
import logging
import os
import pwd
import re
import xmlrpc.client

import offline_sales_cli as cli
import offline_sales_cli.token
import pytest
from cryptography.fernet import Fernet

from trytond import config
from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.offline_sales.offline_sales import wire
from trytond.pool import Pool
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales.client import (  # isort: skip
    Client)
from trytond.modules.offline_sales.offline_sales.token import (  # isort: skip
    algorithm, issue)
from trytond.modules.offline_sales.offline_sales.token.key import (  # isort: skip
    fingerprint)

from .counter import Counter
from .process import PASSWORD
from .usage import Asked, Cashier, Fault, Refused, give


@pytest.fixture
def shop(closed_shop):
    return closed_shop


@pytest.fixture
def responsible(shop):
    "Somebody of the central who may give tokens"
    def make():
        User = shop.central.get('res.user')
        group = shop.central.get('ir.model.data').get_id(
            'offline_sales', 'group_offline_sales_responsible')
        User.write(User.search([('login', '=', 'esp.lupita')]), {
                'groups': [('add', [group])]})
    shop.central.run(make)
    return Cashier(shop.web.url, shop.central.name).login()


def branch_id(shop, code='ESP'):
    with shop.central.transaction():
        branch, = shop.central.get('offline_sales.branch').search([
                ('code', '=', code)])
        return branch.id


def context(shop):
    with shop.central.transaction():
        company = shop.central.get('company.company').search(
            [], limit=1, order=[('id', 'ASC')])[0]
        return {'company': company.id, 'companies': [company.id]}


def generate(shop, client, action_id=None, **values):
    "Generate a token by the wizard, as the desktop client does"
    ctx = context(shop)
    if action_id:
        ctx['action_id'] = action_id
    session, start, end = client.call(
        'wizard.offline_sales.token.generate.create', context=ctx)
    values = {
        'branch': branch_id(shop), 'hours': 4, 'reason': "Sin línea",
        **values}
    answer = client.call(
        'wizard.offline_sales.token.generate.execute', session,
        {'start': values}, 'result', context=ctx)
    return answer['view']['defaults']


def log(shop):
    def read():
        Token = shop.central.get('offline_sales.token')
        return [{
                'branch': t.branch.code, 'identifier': t.identifier,
                'hours': t.hours, 'reason': t.reason,
                'user': t.user.login if t.user else None,
                'terminal': t.terminal, 'given_at': t.given_at,
                } for t in Token.search([])]
    return shop.central.run(read)


def dump(database):
    "Return all that a database holds, as text"
    with database.transaction() as transaction:
        return '\n'.join(transaction.connection.iterdump())


def test_generate(shop, responsible):
    cashier = Cashier(shop.web.url, shop.branch.name)
    identifier = cashier.ask()
    told = generate(shop, responsible, identifier=identifier)
    assert re.fullmatch(r'\d{4} \d{4} 04', told['token'])
    assert told['identifier'] == identifier
    entry, = log(shop)
    assert wire.utcnow() - entry.pop('given_at') < dt.timedelta(minutes=1)
    assert entry == {
        'branch': 'ESP', 'identifier': identifier.replace(' ', ''),
        'hours': 4, 'reason': "Sin línea", 'user': 'esp.lupita',
        'terminal': None}
    cashier.login(told['token'])


def test_generate_proposes_the_hours_of_the_branch(shop, responsible):
    with shop.central.transaction():
        Branch = shop.central.get('offline_sales.branch')
        Branch.write(Branch.search([('code', '=', 'ESP')]), {
                'token_hours': 3, 'token_hours_max': 6})

    def propose():
        Start = shop.central.get('offline_sales.token.generate.start')
        start = Start(branch=branch_id_)
        start.on_change_branch()
        return start.hours, start.hours_max
    branch_id_ = branch_id(shop)
    assert shop.central.run(propose) == (3, 6)
    with pytest.raises(Fault) as fault:
        generate(
            shop, responsible, identifier=algorithm.make_id(), hours=7)
    assert "1 to 6 hours" in fault.value.text
    assert log(shop) == []


@pytest.mark.parametrize('change, text', [
        (lambda n: n[:-1] + str((int(n[-1]) + 1) % 10), "digit of the Id"),
        (lambda n: n[:3], "nine digits"),
        (lambda n: '1' + n[1:], "nine digits"),
        (lambda n: 'x' + n[1:], "nine digits"),
        ])
def test_mistyped_id_gives_no_token(shop, responsible, change, text):
    identifier = change(algorithm.make_id())
    with pytest.raises(Fault) as fault:
        generate(shop, responsible, identifier=identifier)
    assert text in fault.value.text
    assert log(shop) == []


def test_swapped_digits_give_no_token(shop, responsible):
    identifier = next(
        n for n in iter(algorithm.make_id, None) if n[3] != n[4])
    swapped = (
        identifier[:3] + identifier[4] + identifier[3] + identifier[5:])
    with pytest.raises(Fault) as fault:
        generate(shop, responsible, identifier=swapped)
    assert "swapped" in fault.value.text


@pytest.mark.parametrize('values', [
        {'reason': ' '}, {'hours': 0}, {'hours': -1}, {'hours': 25},
        {'hours': None}])
def test_what_gives_no_token(shop, responsible, values):
    with pytest.raises(Fault) as fault:
        generate(
            shop, responsible, identifier=algorithm.make_id(), **values)
    assert fault.value.kind == 'UserError'
    assert log(shop) == []


def test_branch_that_is_not_paired_gets_no_token(shop, responsible):
    with pytest.raises(Fault) as fault:
        generate(
            shop, responsible, branch=branch_id(shop, 'TIJ'),
            identifier=algorithm.make_id())
    assert "is not paired" in fault.value.text


def test_branch_of_another_company_gets_no_token(shop, responsible):
    def move():
        Branch = shop.central.get('offline_sales.branch')
        Company = shop.central.get('company.company')
        Party = shop.central.get('party.party')
        company, = Company.search([])
        other, = Company.create([{
                    'party': Party.create([{'name': "Otra"}])[0].id,
                    'currency': company.currency.id}])
        table = Branch.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.company], [other.id], where=table.code == 'ESP'))
    branch = branch_id(shop)
    shop.central.run(move)
    with pytest.raises(Fault) as fault:
        generate(
            shop, responsible, branch=branch, identifier=algorithm.make_id())
    assert "of your companies" in fault.value.text


def put_in_groups(shop, names, login='esp.martin'):
    "Give the user these groups of the module at the central, and no other"
    def put():
        ModelData = shop.central.get('ir.model.data')
        User = shop.central.get('res.user')
        User.write(User.search([('login', '=', login)]), {
                'groups': [
                    ('remove', [
                            g.id for g in shop.central.get(
                                'res.group').search([])]),
                    ('add', [
                            ModelData.get_id('offline_sales', name)
                            for name in names])]})
    shop.central.run(put)


# A client may name any action as that of the wizard
@pytest.mark.parametrize('action', [None, 999_999, 1])
def test_only_the_responsible_generate(shop, action):
    other = Cashier(shop.web.url, shop.central.name, 'esp.martin').login()
    for groups in [
            [], ['group_offline_sales_admin', 'group_offline_sales_branch']]:
        put_in_groups(shop, groups)
        with pytest.raises(Fault) as fault:
            generate(
                shop, other, identifier=algorithm.make_id(),
                action_id=action)
        assert fault.value.kind == 'UserError'
        with pytest.raises(Fault):
            other.call('model.offline_sales.token.search', [], 0, None, None)
    assert log(shop) == []


def test_only_the_responsible_give(shop):
    "also beneath the wizard"
    put_in_groups(
        shop, ['group_offline_sales_admin', 'group_offline_sales_branch'])

    def give():
        Branch = shop.central.get('offline_sales.branch')
        Token = shop.central.get('offline_sales.token')
        branch, = Branch.search([('code', '=', 'ESP')])
        return Token.give(branch, algorithm.make_id(), 4, "Sin línea")
    martin = Counter(shop.central, 'esp.martin').user
    with pytest.raises(AccessError) as error:
        shop.central.run(give, user=martin)
    assert "Only members of the group" in error.value.message
    assert log(shop) == []
    put_in_groups(shop, ['group_offline_sales_responsible'])
    shop.central.run(give, user=martin)
    assert [entry['user'] for entry in log(shop)] == ['esp.martin']


def own_doors(shop):
    "Return the groups of each wizard and each button of the module"
    def read():
        pool = Pool()
        Action = pool.get('ir.action.wizard')
        Button = pool.get('ir.model.button')
        doors = {
            ('wizard', name): Action.get_groups(name)
            for name, _ in pool.iterobject(type='wizard')
            if name.startswith('offline_sales.')}
        for name, Model in pool.iterobject():
            if name.startswith('offline_sales.'):
                for button in getattr(Model, '_buttons', {}):
                    doors['model', f'{name}.{button}'] = Button.get_groups(
                        name, button)
        return doors
    return shop.central.run(read)


def test_each_wizard_and_button_is_for_its_groups(shop):
    "whatever action the client names, and whatever else the user is"
    def prepare(groups):
        User = shop.central.get('res.user')
        Group = shop.central.get('res.group')
        Session = shop.central.get('ir.session.wizard')
        User.write(User.search([('login', '=', 'esp.martin')]), {
                'groups': [
                    ('remove', list(groups)),
                    ('add', [
                            g.id for g in Group.search([
                                    ('id', 'not in', list(groups))])])]})
        return Session.create([{}])[0].id
    doors = own_doors(shop)
    assert {name for type_, name in doors if type_ == 'wizard'} >= {
        'offline_sales.branch.pairing', 'offline_sales.catalog.obtain',
        'offline_sales.catalog.reset', 'offline_sales.configuration.pair',
        'offline_sales.configuration.test', 'offline_sales.document.send',
        'offline_sales.token.generate'}
    assert [door for door, groups in doors.items() if not groups] == []
    other = Cashier(shop.web.url, shop.central.name, 'esp.martin').login()
    branch = branch_id(shop)
    for (type_, name), groups in doors.items():
        session = shop.central.run(prepare, groups)
        ctx = {
            **context(shop), 'action_id': 999_999,
            'active_model': 'offline_sales.branch', 'active_id': branch,
            'active_ids': [branch]}
        if type_ == 'model':
            calls = [(f'model.{name}', [branch])]
        else:
            start = shop.central.get(name, type='wizard').start_state
            calls = [
                (f'wizard.{name}.create',),
                (f'wizard.{name}.execute', session, {}, start)]
        for call in calls:
            with pytest.raises(Fault) as fault:
                other.call(*call, context=ctx)
            assert fault.value.kind == 'UserError', call
            assert re.search(
                "not allowed|access|not a member|don't exist",
                fault.value.text), call


def test_log_is_written_by_nobody(shop, responsible):
    for call in [
            ('create', [{}]), ('write', [1], {'hours': 1}), ('delete', [1]),
            ('copy', [1]), ('import_data', ['id'], [['1']])]:
        name, *arguments = call
        with pytest.raises((Fault, Refused)):
            responsible.call(f'model.offline_sales.token.{name}', *arguments)
    with pytest.raises(UserError):
        give(shop.branch)(algorithm.make_id())


def test_terminal_gives_the_same(shop, capsys, monkeypatch):
    for name in ['LOGNAME', 'USER', 'LNAME', 'USERNAME']:
        monkeypatch.setenv(name, "otra")
    monkeypatch.delenv('SUDO_UID', raising=False)
    monkeypatch.setattr(config, 'update_etc', lambda files: None)
    cashier = Cashier(shop.web.url, shop.branch.name)
    identifier = cashier.ask()
    with pytest.raises(SystemExit) as end:
        cli.main([
                '-d', shop.central.name, 'token', '--branch', 'ESP', '--hours',
                '2', '--reason', "Sin línea", identifier])
    assert end.value.code == 0
    token = capsys.readouterr().out.rpartition(':')[2].strip()
    assert re.fullmatch(r'\d{4} \d{4} 02', token)
    entry, = log(shop)
    assert (entry['user'], entry['terminal']) == (
        None, pwd.getpwuid(os.getuid()).pw_name)
    assert (entry['hours'], entry['reason']) == (2, "Sin línea")
    cashier.login(token)


@pytest.mark.parametrize('arguments, text', [
        (['--branch', 'NADA', '985 960 485'], "0 branches"),
        (['--branch', 'ESP', '123'], "nine digits"),
        (['--branch', 'ESP', '--hours', '99', '385960487'], "hours"),
        (['--branch', 'ESP', '--hours', '0', '385960487'], "hours")])
def test_terminal_says_what_is_wrong(
        shop, capsys, monkeypatch, arguments, text):
    monkeypatch.setattr(config, 'update_etc', lambda files: None)
    with pytest.raises(SystemExit) as end:
        cli.main([
                '-d', shop.central.name, 'token', '--reason', "x",
                *arguments])
    assert end.value.code == 1
    assert text in capsys.readouterr().err
    assert log(shop) == []


@pytest.mark.parametrize('uid, sudo, name', [
        (0, None, 'root'), (0, '1', pwd.getpwuid(1).pw_name), (0, 'x', 'root'),
        (0, '٣', 'root'), (0, '4123456789', '4123456789'),
        (0, '9' * 30, '9' * 30), (1, '2', pwd.getpwuid(1).pw_name),
        (4123456789, None, '4123456789')])
def test_terminal_says_who(monkeypatch, uid, sudo, name):
    "Only root can say that somebody else is behind"
    monkeypatch.setenv('LOGNAME', "otra")
    monkeypatch.setattr(os, 'getuid', lambda: uid)
    monkeypatch.delenv('SUDO_UID', raising=False)
    if sudo:
        monkeypatch.setenv('SUDO_UID', sudo)
    assert offline_sales_cli.token.get_operator() == name


# Secrets

def secrets_of(shop):
    def read():
        Credential = Pool().get('offline_sales.credential')
        return [c.value for c in Credential.search([])]
    return {
        *shop.central.run(read), *shop.branch.run(read)}


def hashes_of(database):
    "Return what is kept of passwords, keys and sessions"
    def read():
        found = set()
        for model, name in [
                ('res.user', 'password_hash'),
                ('res.user.application', 'key'),
                ('ir.session', 'key')]:
            table = Pool().get(model).__table__()
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.select(getattr(table, name)))
            found.update(value for value, in cursor if value)
        return found
    return database.run(read)


def test_nothing_keeps_or_logs_a_token(shop, responsible, caplog):
    caplog.set_level(logging.DEBUG)
    cashier = Cashier(shop.web.url, shop.branch.name)
    told = generate(shop, responsible, identifier=cashier.ask())
    token = told['token'].replace(' ', '')
    with pytest.raises(Asked):
        cashier.login(f'{(int(token[:2]) + 1) % 100:02}' + token[2:])
    cashier.login(told['token'])
    cashier.call('model.res.user.get_preferences', False)
    text = '\n'.join(r.getMessage() for r in caplog.records)
    assert 'common.db.login' in text and 'token.generate' in text
    for secret in [
            token, told['token'], token[:8], PASSWORD, *secrets_of(shop)]:
        assert secret not in text
    for database in [shop.central, shop.branch]:
        contents = dump(database)
        assert token not in contents and told['token'] not in contents
        assert token[:8] not in contents


def test_nothing_logs_a_key_or_a_hash(shop, caplog):
    "not even the statements at the level DEBUG"
    caplog.set_level(logging.DEBUG)
    with shop.central.transaction():
        User = shop.central.get('res.user')
        User.write(User.search([('login', '=', 'esp.lupita')]), {
                'password': 'caja de las 8'})
    rotate(shop)
    shop.obtain()
    contact(shop)
    cashier = Cashier(shop.web.url, shop.branch.name)
    cashier.login('', password='caja de las 8')
    cashier.call('model.res.user.get_preferences', False)
    text = '\n'.join(r.getMessage() for r in caplog.records)
    assert 'UPDATE …' in text and 'SELECT "' in text
    secrets = secrets_of(shop)
    for database in [shop.central, shop.branch]:
        secrets |= hashes_of(database)
    assert len(secrets) > 8
    assert not [secret for secret in secrets if secret in text]


def test_told_is_shown_but_not_written():
    told = issue.Told('1234567808')
    assert '1234' not in repr(told) and '1234' not in repr({'token': told})
    assert wire.dumps({'token': told}) == b'{"token":"1234567808"}'
    assert '1234567808' in xmlrpc.client.dumps((told,))


@pytest.mark.parametrize('name', [
        'read', 'search', 'search_read', 'export_data', 'export_data_domain',
        'fields_get', 'history_revisions', 'write', 'create'])
@pytest.mark.parametrize('side', ['central', 'branch'])
def test_keys_have_no_door(shop, side, name):
    admin = Cashier(
        shop.web.url, getattr(shop, side).name, 'admin').login()
    with pytest.raises(Refused) as refusal:
        admin.call(f'model.offline_sales.credential.{name}', [1], ['value'])
    assert refusal.value.status == 403


@pytest.mark.parametrize('side', ['central', 'branch'])
def test_nothing_that_is_read_holds_a_key(shop, side):
    "An administrator reads, searches and exports all there is"
    secrets = secrets_of(shop)
    database = getattr(shop, side)
    admin = Cashier(shop.web.url, database.name, 'admin').login()
    for model in [
            'offline_sales.branch', 'offline_sales.contact',
            'offline_sales.configuration', 'offline_sales.usage',
            'offline_sales.token', 'offline_sales.document',
            'offline_sales.update', 'res.user.application', 'res.user',
            'ir.session', 'ir.model.log']:
        with database.transaction():
            names = sorted(database.get(model)._fields)
        for call in [
                (f'model.{model}.search_read', [], 0, 100, None, names),
                (f'model.{model}.export_data_domain', [], names)]:
            try:
                text = str(admin.call(*call))
            except (Fault, Refused):
                continue
            for secret in secrets:
                assert secret not in text
        response = admin.web.get(
            f'{admin.url}data/offline_sales.credential',
            params={'f': 'value'}, headers=admin.headers(), timeout=30)
        assert response.status_code >= 400


# The change of the key

def keys(database, branch=None):
    def read():
        Credential = Pool().get('offline_sales.credential')
        return [
            fingerprint(k) for k in Credential.get_token_keys(branch=branch)]
    return database.run(read)


def rotate(shop):
    def rotate():
        Branch = shop.central.get('offline_sales.branch')
        Branch.rotate_token_key([Branch(branch_id_)])
    branch_id_ = branch_id(shop)
    shop.central.run(rotate)


def contact(shop):
    def contact():
        with Client.from_configuration() as client:
            client.heartbeat()
    shop.branch.run(contact)


def test_key_is_changed_at_the_next_contacts(shop):
    branch = branch_id(shop)
    former, = keys(shop.branch)
    rotate(shop)
    current, next_ = keys(shop.central, branch)
    assert current == former != next_
    assert keys(shop.branch) == [former]
    contact(shop)
    assert keys(shop.branch) == [former, next_]
    assert keys(shop.central, branch) == [former, next_]
    contact(shop)
    assert keys(shop.branch) == keys(shop.central, branch) == [next_]


def test_token_is_good_at_each_step_of_the_change(shop):
    def opens():
        cashier = Cashier(shop.web.url, shop.branch.name)
        cashier.login(give(shop.central)(cashier.ask()))
        with shop.branch.transaction(user=0):
            Usage = shop.branch.get('offline_sales.usage')
            for usage in Usage.search([('state', '=', 'open')]):
                usage._update('open', {'state': 'closed'})
    rotate(shop)
    opens()
    for _ in range(3):
        contact(shop)
        opens()


def test_obtaining_and_sending_are_contacts(shop):
    rotate(shop)
    shop.obtain()
    assert len(keys(shop.branch)) == 2
    with shop.branch.transaction():
        shop.branch.get('offline_sales.document').send()
    assert len(keys(shop.branch)) == 1


@pytest.mark.parametrize('accepted', [
        'x', {}, 7, [1], [None], [['x']], ['x'] * 11])
def test_nonsense_about_keys_is_refused(shop, accepted):
    def ask():
        with Client.from_configuration() as client:
            client.call('heartbeat', {'token_keys': accepted}, attempts=1)
    with pytest.raises(UserError):
        shop.branch.run(ask)


@pytest.fixture
def set_fernet_key(configure):
    return lambda key: configure('fernet_key', key)


def test_dump_of_the_central_does_not_give_the_key(shop, set_fernet_key):
    set_fernet_key(Fernet.generate_key().decode())
    rotate(shop)
    for _ in range(2):
        contact(shop)

    def read():
        Credential = Pool().get('offline_sales.credential')
        return Credential.get('token', branch=branch_id_)
    branch_id_ = branch_id(shop)
    key = shop.central.run(read)
    assert len(base64.b64decode(key)) == 32
    assert key not in dump(shop.central)
    cashier = Cashier(shop.web.url, shop.branch.name)
    cashier.login(give(shop.central)(cashier.ask()))


@pytest.mark.parametrize('lost', ['configuration', 'credential'])
def test_key_that_the_central_lost(
        shop, responsible, set_fernet_key, caplog, lost):
    "The branch is answered all the same, and somebody is told"
    def notice():
        branch, = responsible.call(
            'model.offline_sales.branch.read', [branch_id_],
            ['token_notice'], context=context(shop))
        return branch['token_notice']

    def protect():
        # At the central alone: the branch has a configuration of its own
        Credential = Pool().get('offline_sales.credential')
        value = Credential.get('token', branch=branch_id_)
        Credential.set('token', value, branch=branch_id_)
        return value

    def lose():
        Credential = Pool().get('offline_sales.credential')
        Credential.set('token', None, branch=branch_id_)
    branch_id_ = branch_id(shop)
    assert notice() is None
    fernet = Fernet.generate_key().decode()
    set_fernet_key(fernet)
    key = shop.central.run(protect)
    if lost == 'configuration':
        set_fernet_key('')
    else:
        shop.central.run(lose)
    former = keys(shop.branch)
    caplog.clear()
    contact(shop)
    shop.obtain()
    assert keys(shop.branch) == former
    told = [r.getMessage() for r in caplog.records if r.levelname == 'ERROR']
    assert told and all(
        'branch ESP of database central' in text and 'pair it again' in text
        for text in told)
    assert not [s for s in [key, fernet] if s in caplog.text]
    assert 'fernet_key' in notice() and 'pair the branch again' in notice()
    with pytest.raises(Fault) as fault:
        generate(shop, responsible, identifier=algorithm.make_id())
    assert fault.value.text == notice()
    assert log(shop) == []
    if lost == 'configuration':
        set_fernet_key(Fernet.generate_key().decode())
        assert notice()
        set_fernet_key(fernet)
        assert notice() is None
        contact(shop)
        cashier = Cashier(shop.web.url, shop.branch.name)
        cashier.login(give(shop.central)(cashier.ask()))
