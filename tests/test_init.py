# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A technician installs a branch, and whatever happens, installs it"
import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
from configparser import ConfigParser
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from offline_sales_cli import (
    backup, client, configuration, errors, init, setup)
from offline_sales_cli.place import Place

from trytond import config

from trytond.modules.offline_sales.tests.install import (  # isort: skip
    Line, Technician, new_code, select)
from trytond.modules.offline_sales.tests.process import (  # isort: skip
    free_port)
from trytond.modules.offline_sales.tests.talk import (  # isort: skip
    other_server)
from trytond.modules.offline_sales.tests.template import (  # isort: skip
    ROOT, TEMPLATES)

pytestmark = pytest.mark.xdist_group('init')


@pytest.fixture
def line(office):
    with Line(office).open() as line:
        yield line


@pytest.fixture
def technician(tmp_path):
    return Technician(tmp_path)


# What is wrong with the computer

def test_port_taken(technician):
    with socket.socket() as other:
        other.bind(('127.0.0.1', technician.port))
        other.listen()
        code, said = technician.init('http://127.0.0.1:1', 'x')
    assert code == 3
    assert f"port {technician.port}" in said and "--listen" in said


def test_disk_full(technician):
    technician.directory = '/proc/branch'
    code, said = technician.init('http://127.0.0.1:1', 'x')
    assert code == 3
    assert "0 MB free" in said and "--directory" in said


def test_no_right_to_write(technician, tmp_path):
    if not os.geteuid():
        # Without what lets root write everywhere
        technician.prefix = [
            'setpriv', '--inh-caps=-dac_override',
            '--bounding-set=-dac_override']
    there = tmp_path / 'there'
    there.mkdir(mode=0o500)
    technician.directory = there / 'branch'
    code, said = technician.init('http://127.0.0.1:1', 'x')
    assert (code, "no right to write" in said) == (3, True), said


@pytest.mark.skipif(
    os.name != 'posix' or os.geteuid() != 0, reason="only root is refused")
@pytest.mark.parametrize('command', ['init', 'status'])
def test_branch_of_another_user(technician, command):
    technician.directory.mkdir()
    os.chown(technician.directory, 65534, 65534)
    code, said = technician.type(command)
    assert (code, "sudo -u nobody" in said) == (3, True), said
    assert not list(technician.directory.iterdir())


def test_listen_for_several_registers(tmp_path):
    "with TLS, by a certificate that the registers get"
    place = Place(tmp_path)
    state = {
        'listen': '0.0.0.0:8443',
        'central': {'language': 'en', 'price_decimal': 4},
        }
    written = []
    for _ in range(2):
        configuration.write(place, state)
        written.append((
                place.configuration.read_text(),
                Path(place.get('ssl', 'certificate')).read_text()))
    # Neither the key of the secrets nor the certificate changes
    assert written[0] == written[1]
    key = Path(place.get('ssl', 'privatekey'))
    assert not stat.S_IMODE(key.stat().st_mode) & 0o077
    client.write(place, "Esperancita")
    assert (place.client / 'ca_certs').read_text() == written[0][1]
    profiles = ConfigParser()
    profiles.read(place.client / 'profiles.cfg')
    assert profiles['Esperancita']['host'] == (
        f'{socket.gethostname()}:8443')
    # What was added by hand stays
    parser = place.read_configuration()
    parser.read_dict({
            'email': {'uri': 'smtp://here'},
            'offline_sales': {'pending_days': '3'}})
    with place.configuration.open('w') as file:
        parser.write(file)
    own = tmp_path / 'own.pem'
    own.touch()
    configuration.write(place, {**state, 'certificate': str(own)})
    assert place.get('ssl', 'certificate') == str(own)
    configuration.write(place, {**state, 'listen': '127.0.0.1:8000'})
    assert not place.get('ssl', 'certificate')
    assert place.get('email', 'uri') == 'smtp://here'
    assert place.get('offline_sales', 'pending_days') == '3'
    own.unlink()
    with pytest.raises(errors.Stop, match="own.pem"):
        configuration.write(place, {**state, 'certificate': str(own)})


def test_profile_of_the_user(tmp_path, monkeypatch, capsys):
    "what is in the way of it is in the way of nothing else"
    monkeypatch.setattr(init, '_is_root', lambda: False)
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path / 'config'))
    profiles = tmp_path / 'config' / 'tryton' / '8.0' / 'profiles.cfg'
    installation = init.Init(Place(tmp_path / 'branch'), SimpleNamespace(
            code=None, uri=None, profile=True))
    installation.state['central'] = {'name': "Esperancita"}
    installation.leave_profile()
    assert "[Esperancita]" in profiles.read_text()
    assert capsys.readouterr().out == ''
    profiles.write_text("not of a client")
    installation.leave_profile()
    assert "does not know the branch" in capsys.readouterr().out
    assert profiles.read_text() == "not of a client"


def test_database_that_was_removed():
    "is none that is paired, and init makes it anew"
    (Path(config.get('database', 'path')) / 'removed.sqlite').touch()
    database = setup.BranchDatabase.__new__(setup.BranchDatabase)
    database.name = 'removed'
    assert not database.paired()


def test_noted_once_it_is_on_the_disk(tmp_path, monkeypatch):
    place = Place(tmp_path)
    place.data.mkdir()
    noted = []
    with closing(sqlite3.connect(place.file)) as database:
        database.execute('PRAGMA journal_mode = WAL')
        database.execute('CREATE TABLE paired (id INTEGER)')
        log = place.file.with_name(f'{place.file.name}-wal')
        assert log.stat().st_size
        monkeypatch.setattr(place, 'write_state', lambda state: noted.append(
                (state, log.stat().st_size)))
        init.Init(
            place, SimpleNamespace(code=None, uri=None)).note('paired')
    assert noted == [({'paired': True}, 0)]


@pytest.mark.parametrize('uri, variables', [
        ('postgresql://a:p%40s%2Fs@db:5433', {
                'PGHOST': 'db', 'PGPORT': '5433', 'PGUSER': 'a',
                'PGPASSWORD': 'p@s/s'}),
        ('postgresql://a@?host=/run/postgresql', {
                'PGHOST': '/run/postgresql', 'PGUSER': 'a'}),
        ])
def test_commands_of_postgresql(tmp_path, uri, variables):
    assert backup.get_variables(uri) == variables
    place = Place(tmp_path)
    place.configuration.write_text(
        f"[database]\nuri = {uri}\n[offline_sales]\ndatabase = shop\n")
    # What init has written is read as it was given
    again = configuration.read_uri(place)
    assert configuration.split_uri(again) == (uri, 'shop')
    assert configuration.is_written_for(place, again)
    assert configuration.is_written_for(place, uri)
    assert not configuration.is_written_for(
        place, again.replace('shop', 'another'))


def test_options_missing(technician):
    code, said = technician.type('init', '--yes')
    assert (code, "--url is missing" in said) == (2, True)


@pytest.mark.parametrize('manual, language', [
        ('setup.rst', 'en'), ('es/instalacion.rst', 'es')])
def test_exit_codes_are_documented(technician, manual, language):
    if not (ROOT / 'doc').exists():
        pytest.skip("the manual is with the sources")
    technician.language = language
    said = subprocess.run(
        [technician.command, '--help'], env=technician.environment,
        capture_output=True, text=True).stdout
    told = re.findall(r'^  (\d+) +(.+)$', said, re.MULTILINE)
    text = ' '.join((ROOT / 'doc' / manual).read_text().split())
    assert len(told) == 9
    for code, meaning in told:
        assert f" {code} {meaning}" in text


@pytest.mark.parametrize('arguments, code, text', [
        (['-c', '/nowhere', '-d', 'x', 'token', '--branch', 'A', '--reason',
                'It is down', '123456789'], 2, "no file /nowhere"),
        (['branch', 'init', '--database', 'x', '--code', 'x', '--url',
                'http://erp.example.com'], 5, "--allow-http"),
        (['branch', 'init', '--database', 'x', '--code', 'x', '--url',
                'erp.example.com'], 5, '"erp.example.com"'),
        (['branch', 'spool', 'restore', '--directory', '/nowhere', 'file'],
            1, "no branch in /nowhere"),
        ])
def test_mistyped(technician, arguments, code, text):
    done = subprocess.run(
        [technician.command, *arguments], env=technician.environment,
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, text in done.stderr) == (code, True), (
        done.stderr)
    assert 'Traceback' not in done.stderr


# What is wrong with the central

def answer_series(handler):
    handler.reply(409, (
            b'{"error": {"code": "wrong_version", "params": '
            b'{"series": "7.8"}}}'))


def answer_portal(handler):
    handler.reply(200, b'<html>Welcome to our WiFi</html>', 'text/html')


@pytest.mark.parametrize('answer, text', [
        (answer_series, "con Tryton 7.8"),
        (answer_portal, "no es el Tryton de la central"),
        ])
def test_central_is_another(technician, answer, text):
    technician.language = 'es_MX.UTF-8'
    with other_server(answer) as (port, _):
        code, said = technician.init(f'http://127.0.0.1:{port}', 'x')
    assert (code, text in said) == (5, True), said


@pytest.mark.parametrize('database, code, ends, text', [
        ('nothing', 'x', 5, "no database"),
        ('plain', 'x', 5, "no database"),
        ('central', '0000-0000-0000', 5, "code"),
        ])
def test_central_refuses(technician, office, database, code, ends, text):
    code, said = technician.init(office.url, code, database=database)
    assert (code, text in said) == (ends, True), said
    assert not (technician.directory / 'trytond.conf').exists()


def test_central_is_down(technician):
    code, said = technician.init(f'http://127.0.0.1:{free_port()}', 'x')
    assert (code, "does not accept connections" in said) == (4, True)


@pytest.mark.parametrize('offset, text', [
        (7200, "120 minutes behind"), (-7200, "120 minutes ahead")])
def test_clock_wrong(technician, office, line, offset, text):
    line.offset = offset
    code, said = technician.init(line.url, new_code(office, 'TIJ'))
    assert (code, text in said) == (3, True), said


# From nothing to a branch

def test_not_ended(installed):
    "Who goes on without the rest of it is told what lacks"
    assert len(installed.said_early) == 2
    for code, said in installed.said_early:
        assert (code, "Complete it: offline-sales branch init" in said) == (
            1, True), said


def test_line_lost(installed):
    code, said = installed.said[0]
    assert code == 4
    assert "connection" in said
    assert installed.rows_after_cut == [(0,)]


def test_installed(installed, office):
    code, said = installed.said[1]
    assert code == 0, said
    assert re.search(r"Password of admin.*: \S{12}\n", said)
    assert f'127.0.0.1:{installed.port}' in said
    role, uuid = select(installed.file,
        "SELECT role, uuid FROM offline_sales_configuration")[0]
    assert role == 'branch'
    assert select(office.store.file('central'), (
            "SELECT state, database_uuid FROM offline_sales_contact "
            "WHERE branch = (SELECT id FROM offline_sales_branch "
            "WHERE code = 'ESP')")) == [('paired', uuid)]
    # The key of the lost answer opens nothing
    assert len(select(office.store.file('central'), (
                "SELECT a.id FROM res_user_application AS a "
                "JOIN offline_sales_contact AS c ON c.technical_user = a.user "
                "WHERE c.database_uuid = '" + uuid + "' "
                "AND a.state = 'validated'"))) == 1
    (products,), = select(
        installed.file, "SELECT COUNT(*) FROM product_product")
    assert products == sum(p['active'] for p in office.facts['products'])
    assert select(installed.file, (
            "SELECT state FROM ir_module_config_wizard_item "
            "WHERE state = 'open'")) == []
    assert select(installed.file, (
            "SELECT code FROM ir_lang WHERE translatable ORDER BY code")) == [
        ('en',), ('es',)]


def test_installed_once(installed):
    code, said = installed.said[2]
    assert (code, "is installed" in said) == (0, True)
    assert "Password" not in said


def test_installed_files(installed):
    for path in [
            installed.directory / 'trytond.conf',
            installed.directory / 'install.json', installed.file,
            *(installed.directory / name for name in [
                'backups', 'client', 'logs'])]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    texts = [
        path.read_text() for path in installed.directory.rglob('*')
        if path.suffix in {'.conf', '.json', '.log', '.cfg'}]
    assert texts and not any(installed.code in text for text in texts)
    profiles = ConfigParser()
    profiles.read(installed.directory / 'client' / 'profiles.cfg')
    assert dict(profiles['Esperancita']) == {
        'host': f'127.0.0.1:{installed.port}', 'database': 'branch'}


def test_code_used_twice(installed):
    code, said = installed.said[3]
    assert (code, "used" in said) == (5, True), said


def test_postgresql(cluster, technician, office):
    name = cluster.name('shop')
    code = new_code(office, 'TIJ')
    options = ['--database-uri', f'{cluster.uri}/{name}']
    technician.init_until(office.url, code, "Activate", *options)
    with cluster.connect(name) as connection:
        assert connection.execute('SELECT 1').fetchone()
    # The first minute is that of the other test
    cluster.drop(name)
    cluster.create(name, TEMPLATES['depends'].file(cluster))
    done, said = technician.init(office.url, code, *options)
    assert done == 0, said
    assert cluster.password not in said
    assert cluster.password not in (
        technician.directory / 'install.json').read_text()
    with cluster.connect(name) as connection:
        assert connection.execute(
            'SELECT role FROM offline_sales_configuration'
            ).fetchall() == [('branch',)]
        assert connection.execute(
            'SELECT COUNT(*) FROM product_product').fetchone()[0]
    assert technician.type('init')[0] == 0

    code, copy = technician.type('backup')
    assert code == 0, copy
    with cluster.connect(name) as connection:
        connection.execute("""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'as it may'; END $$;
            CREATE TRIGGER fails BEFORE UPDATE OF state ON ir_module
            FOR EACH ROW WHEN (NEW.name = 'offline_sales'
                AND NEW.state = 'activated')
            EXECUTE FUNCTION fail()""")
        connection.execute("ALTER TABLE offline_sales_document "
            "DROP COLUMN reason_code")
    code, said = technician.type('status')
    assert (code, "branch upgrade" in said) == (1, True), said
    note = technician.directory / 'install.json'
    state = json.loads(note.read_text())
    state['versions']['offline_sales'] = '7.9.0'
    note.write_text(json.dumps(state))
    code, said = technician.type('upgrade')
    assert code and "is again what it was" in said, said
    # The trigger of the copy before the upgrade, not of the first one
    triggers = "SELECT 1 FROM pg_trigger WHERE tgname = 'fails'"
    with cluster.connect(name) as connection:
        assert connection.execute(triggers).fetchall()
    code, said = technician.type('restore', '--yes', copy.strip())
    assert (code, "branch pair" in said) == (1, True), said
    with cluster.connect(name) as connection:
        assert not connection.execute(triggers).fetchall()
    for database in [name, f'{name}_before']:
        cluster.drop(database)


def test_postgresql_refuses(technician, office):
    port = free_port()
    code, said = technician.init(
        office.url, new_code(office, 'TIJ'), '--database-uri',
        f'postgresql://tryton:secret@127.0.0.1:{port}/shop')
    assert (code, "--database-uri" in said) == (3, True), said
    assert 'secret' not in said
