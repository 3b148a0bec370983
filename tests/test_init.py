# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A technician installs a branch, and whatever happens, installs it"
import os
import re
import socket
import stat
from configparser import ConfigParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from offline_sales_cli import client, configuration
from offline_sales_cli.place import Place

from trytond.modules.offline_sales.tests.install import (  # isort: skip
    Line, Technician, new_code, select)
from trytond.modules.offline_sales.tests.process import (  # isort: skip
    free_port)
from trytond.modules.offline_sales.tests.talk import (  # isort: skip
    other_server)
from trytond.modules.offline_sales.tests.template import (  # isort: skip
    TEMPLATES)

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


def test_listen_for_several_registers(tmp_path):
    "with TLS, by a certificate that the registers get"
    place = Place(tmp_path)
    state = {
        'listen': '0.0.0.0:8443',
        'central': {'language': 'en', 'price_decimal': 4},
        }
    options = SimpleNamespace(certificate=None, private_key=None)
    written = []
    for _ in range(2):
        configuration.write(place, state, options)
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
    place.configuration.unlink()
    configuration.write(
        place, {**state, 'listen': '127.0.0.1:8000'}, options)
    assert not place.get('ssl', 'certificate')


def test_options_missing(technician):
    code, said = technician.type('init', '--yes')
    assert (code, "--url is missing" in said) == (2, True)


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
    cluster.drop(name)


def test_postgresql_refuses(technician, office):
    port = free_port()
    code, said = technician.init(
        office.url, new_code(office, 'TIJ'), '--database-uri',
        f'postgresql://tryton:secret@127.0.0.1:{port}/shop')
    assert (code, "--database-uri" in said) == (3, True), said
    assert 'secret' not in said
