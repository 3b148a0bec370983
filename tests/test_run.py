# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A branch that runs, and what its technician does with it"
import datetime as dt
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from filelock import FileLock
from offline_sales_cli import backup, doctor, errors, service
from offline_sales_cli import run as supervisor
from offline_sales_cli.place import Place
from offline_sales_cli.text import utcnow

from trytond.modules.offline_sales.demo.day import (  # isort: skip
    plan, sell)
from trytond.modules.offline_sales.tests.install import (  # isort: skip
    Till, kill, new_code, select)
from trytond.modules.offline_sales.tests.process import (  # isort: skip
    PASSWORD, free_port)

pytestmark = pytest.mark.xdist_group('init')


def eventually(condition):
    deadline = time.monotonic() + 60
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(.1)
    return result


def stat(pid):
    "Return what the system tells of a process, None if there is none"
    try:
        found = Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    state, _, group, *_ = found.rpartition(')')[2].split()
    # Who has ended and was not waited for does not live
    return None if state == 'Z' else group


def group_lives(pid):
    "Whether the process or one that it has made lives"
    return any(
        stat(path.name) == str(pid) for path in Path('/proc').glob('[0-9]*'))


def processes(installed):
    try:
        return json.loads((installed.directory / 'run.json').read_text())
    except FileNotFoundError:
        return {}


def told(installed, *command):
    "Return (exit code, what the command said for programs)"
    code, said = installed.type(*command, '--json')
    return code, json.loads(said)


def sell_one(installed, office, seed):
    "Sell a ticket as the cashier, and return its number"
    with Till(installed).proteus(
            'esp.lupita', PASSWORD, give=office.give_token) as config:
        return sell(config, *plan(office.facts['products'], 1, seed=seed))


def sold(office, numbers):
    "Return how often the central has the tickets"
    marks = ', '.join(f"'{number}'" for number in numbers)
    return select(office.store.file('central'),
        f"SELECT COUNT(*) FROM sale_point_sale WHERE number IN ({marks})"
        )[0][0]


def test_sales_go_on(installed, office):
    with installed.running() as process:
        first = processes(installed)
        numbers = {sell_one(installed, office, 1)}
        for name in ['server', 'cron']:
            os.kill(first[name], signal.SIGKILL)
        second = eventually(lambda: (
                (now := processes(installed)).keys() == {'server', 'cron'}
                and not set(now.values()) & set(first.values()) and now))
        till = Till(installed)
        eventually(lambda: answers(till))
        # The password that was shown once
        password = re.search(
            r"Password of admin.*: (\S+)", installed.said[1][1]).group(1)
        with till.proteus('admin', password) as config:
            assert config.user
        numbers.add(sell_one(installed, office, 2))
        assert len(numbers) == 2

        code, status = told(installed, 'status')
        assert code == 0
        assert status['running']
        # The cron may have sent them already
        assert status['pending'] + sold(office, numbers) >= 2
        assert status['branch'] == 'ESP' and status['sold_until']
        code, findings = told(installed, 'doctor')
        assert {f['name']: f['state'] for f in findings}.items() >= {
            'running': 'ok', 'served': 'ok', 'port': 'ok', 'cron': 'ok',
            'key': 'ok', 'clock': 'ok', 'integrity': 'ok', 'catalogs': 'ok',
            'documents': 'ok', 'rights': 'ok', 'versions': 'ok',
            'disk': 'ok'}.items()
        assert code == 0, findings

        code, said = installed.type('run')
        assert (code, "running already" in said) == (1, True)
        for command in [
                ['restore', '--yes', installed.directory / 'trytond.conf'],
                ['upgrade'],
                ['init', '--listen', '127.0.0.1:1']]:
            code, said = installed.type(*command)
            assert (code, "Stop it first" in said) == (1, True), said
    assert process.returncode == 0
    assert "has stopped" in process.said
    assert not any(map(group_lives, second.values()))
    assert "-9" in (installed.directory / 'logs' / 'run.log').read_text()


def answers(till):
    import requests
    try:
        return requests.get(f"{till.url}/", timeout=5) is not None
    except requests.RequestException:
        return None


def pending(installed):
    return select(installed.file, (
            "SELECT COUNT(*) FROM offline_sales_document "
            "WHERE state IN ('pending', 'sent')"))[0][0]


def test_backup_and_restore(installed, office):
    # So that the cron does not send it
    with installed.line.broken(), installed.running() as process:
        number = sell_one(installed, office, 3)
        code, file = installed.type('backup')
        assert code == 0
        # Of which only the second copy will know
        later = sell_one(installed, office, 4)
        groups = processes(installed).values()
        kill(process)
        eventually(lambda: not any(map(group_lives, groups)))
    code, said = installed.type('restore', '--yes', file.strip())
    assert (code, "branch pair" in said) == (1, True), said
    assert "documents were restored" in said
    # Without the new code it does not even try
    code, said = installed.type('send')
    assert (code, "pair" in said) == (5, True), said
    assert pending(installed) >= 2
    code, said = installed.type('pair', '--code', new_code(office))
    assert code == 0, said
    assert pending(installed) == 0
    assert sold(office, [number, later]) == 2
    code, delivery = told(installed, 'send')
    assert (code, delivery) == (0, {'sent': {}, 'pending': 0, 'rejected': 0})
    code, said = installed.type('refresh')
    assert (code, "rows received" in said) == (0, True)


def test_copies(installed, monkeypatch):
    copies = installed.directory / 'backups'
    for hours in [3, 2, 1]:
        # Their names tell the second
        moment = utcnow() - dt.timedelta(hours=hours)
        monkeypatch.setattr(backup, 'utcnow', lambda moment=moment: moment)
        backup.make(Place(installed.directory))
    oldest = sorted(copies.glob('branch-*'))
    code, said = installed.type('backup', '--keep', 2)
    assert code == 0, said
    assert sorted(copies.glob('branch-*')) == [
        oldest[-1], Path(said.strip())]
    with FileLock(installed.directory / '.backup.lock'):
        code, said = installed.type('backup')
    assert (code, "Another copy" in said) == (1, True), said
    code, said = installed.type('restore', '--yes', copies / 'none')
    assert (code, "no copy" in said) == (1, True)
    (copies / 'none').write_text("Not a database")
    before = installed.file.read_bytes()
    code, said = installed.type('restore', '--yes', copies / 'none')
    assert (code, "no copy of a branch" in said) == (1, True), said
    assert installed.file.read_bytes() == before


def test_doctor_finds(installed):
    "what is old, stuck, dead, readable by others, cut off or damaged"
    execute(installed, 'PRAGMA wal_checkpoint(TRUNCATE)')
    saved = installed.file.read_bytes()
    for query in NEGLECT:
        execute(installed, query)
    installed.file.chmod(0o644)
    # Who serves it holds the lock, but none of its processes lives
    with installed.line.broken(), FileLock(
            installed.directory / '.run.lock'):
        code, findings = told(installed, 'doctor')
    states = {f['name']: f['state'] for f in findings}
    assert code == 6
    assert {name for name, state in states.items() if state == 'error'} == {
        'rights', 'running', 'served', 'answer', 'cron', 'pending',
        'rejected'}
    assert len(states) == len(findings)
    assert states['catalogs'] == 'warning'
    assert {'backup', 'libreoffice', 'disk'} < states.keys()

    put(installed, saved[:len(saved) // 2])
    code, said = installed.type('doctor')
    assert (code, "branch restore" in said) == (6, True)
    put(installed, saved)


NEGLECT = [
    "UPDATE ir_cron SET next_call = '2020-01-01 00:00:00' "
    "WHERE method LIKE 'offline_sales%'",
    """UPDATE offline_sales_update SET "end" = '2020-01-01 00:00:00'""",
    *("INSERT INTO offline_sales_document (uuid, kind, state, moment) "
        f"VALUES ('{state}', 'ticket', '{state}', '2020-01-01 00:00:00')"
        for state in ['pending', 'rejected']),
    ]


def put(installed, content):
    "Make the database that of the content"
    for suffix in ['-wal', '-shm']:
        installed.file.with_name(
            installed.file.name + suffix).unlink(missing_ok=True)
    installed.file.write_bytes(content)
    installed.file.chmod(0o600)


def test_another_address(installed):
    former, installed.port = installed.port, free_port()
    code, said = installed.type(
        'init', '--listen', f'127.0.0.1:{installed.port}')
    assert (code, f'127.0.0.1:{installed.port}' in said) == (0, True), said
    for name in ['trytond.conf', 'client/profiles.cfg']:
        text = (installed.directory / name).read_text()
        assert str(installed.port) in text and str(former) not in text


def test_log_rotates(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(supervisor, 'LOG_SIZE', 100)
    log = supervisor.make_log(tmp_path / 'server.log')
    for number in range(50):
        log.info(f"{number:020d}")
    files = list(tmp_path.iterdir())
    assert len(files) == supervisor.LOG_COUNT + 1
    assert all(file.stat().st_size <= 100 for file in files)
    # Where nothing can be written who logs goes on
    log.handlers[0].stream = open('/dev/full', 'w', buffering=1)
    log.info("lost")
    assert capfd.readouterr().err == ''


def test_doctor_of_a_full_disk(installed, monkeypatch):
    "does not tell to give up what was sold"
    def fail(*args, **options):
        raise sqlite3.OperationalError("disk I/O error")
    monkeypatch.setattr(doctor.backup, 'check_sqlite', fail)
    monkeypatch.setattr(Place, 'open', fail)
    found = list(doctor.examine(Place(installed.directory)))
    assert {f.name: f.state for f in found}.items() >= {
        'integrity': 'error', 'database': 'error'}.items()
    assert "perhaps it is full" in found[-1].text
    assert not any("restore" in f.text for f in found)


def test_service_unit(installed, tmp_path):
    code, said = installed.type('service', 'install', '--output', tmp_path)
    assert (code, "systemctl" in said) == (0, True)
    unit, = tmp_path.glob('*.service')
    assert str(installed.directory) in unit.read_text()
    if not shutil.which('systemd-analyze'):
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    own = tmp_path / 'own.service'
    own.write_text(service.unit(Place(installed.directory), system=False))
    # What the kernel may refuse to who is not root
    assert 'PrivateTmp' in unit.read_text()
    assert 'PrivateTmp' not in own.read_text()
    done = subprocess.run(
        ['systemd-analyze', 'verify', unit, own],
        capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')


def test_service_without_session(installed, tmp_path, monkeypatch):
    "of who became the user of the branch by su"
    systemctl = tmp_path / 'systemctl'
    systemctl.write_text("#!/bin/sh\necho 'No medium found' >&2\nexit 1\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path))
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    with pytest.raises(errors.Stop) as stopped:
        service.install_unit(
            Place(installed.directory),
            SimpleNamespace(user=None, output=None))
    assert "No medium found" in str(stopped.value)
    assert "sudo" in str(stopped.value)
    assert str(installed.directory) in str(stopped.value)
    assert not list(tmp_path.rglob('*.service'))


def test_service_task(installed, tmp_path):
    code, said = installed.type(
        'service', 'install', '--windows', '--output', tmp_path)
    assert (code, "schtasks" in said) == (0, True)
    task = ElementTree.parse(next(tmp_path.glob('*.xml')))
    arguments, = task.iterfind('.//{*}Arguments')
    assert 'branch run' in arguments.text
    assert str(installed.directory) in arguments.text


def execute(installed, query):
    with closing(sqlite3.connect(installed.file)) as connection:
        connection.execute(query)
        connection.commit()


WAITING = "SELECT uuid, state, payload FROM offline_sales_document ORDER BY id"


def test_upgrade(installed, office):
    "from a release whose documents had less columns"
    code, said = installed.type('upgrade')
    assert (code, "of the version" in said) == (0, True)
    with installed.line.broken(), installed.running():
        sell_one(installed, office, 5)
        code, said = installed.type('send')
        assert (code, "does not" in said or "connection" in said) == (
            4, True), said
    waiting = select(installed.file, WAITING)
    assert pending(installed)
    file = installed.directory / 'install.json'
    state = json.loads(file.read_text())
    execute(installed, (
            "ALTER TABLE offline_sales_document DROP COLUMN reason_code"))
    code, said = installed.type('status')
    assert (code, "branch upgrade" in said) == (1, True), said
    file.write_text(json.dumps({
                **state,
                'versions': {**state['versions'], 'offline_sales': '7.9.0'}}))
    code, findings = told(installed, 'doctor')
    assert [f['name'] for f in findings if f['state'] == 'error'] == [
        'running', 'versions']

    # Something goes wrong half way
    execute(installed, """
        CREATE TRIGGER fails BEFORE UPDATE OF state ON ir_module
        WHEN NEW.name = 'offline_sales' AND NEW.state = 'activated'
        BEGIN SELECT RAISE(ABORT, 'as it may'); END""")
    code, said = installed.type('upgrade')
    assert code and "is again what it was" in said, said
    assert select(installed.file, WAITING) == waiting
    assert not column(installed, 'reason_code')
    execute(installed, 'DROP TRIGGER fails')

    code, said = installed.type('upgrade')
    assert (code, "upgraded" in said) == (0, True), said
    assert list(
        (installed.directory / 'backups').glob('before-upgrade-*'))
    assert column(installed, 'reason_code')
    assert select(installed.file, WAITING) == waiting
    assert json.loads(file.read_text())['versions'] == state['versions']
    code, delivery = told(installed, 'send')
    assert (code, delivery['pending']) == (0, 0), delivery


def column(installed, name):
    return select(installed.file, (
            "SELECT 1 FROM pragma_table_info('offline_sales_document') "
            f"WHERE name = '{name}'"))
