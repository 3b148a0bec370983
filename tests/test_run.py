# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A branch that runs, and what its technician does with it"
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from trytond.modules.offline_sales.demo.day import (  # isort: skip
    plan, sell)
from trytond.modules.offline_sales.tests.install import (  # isort: skip
    Till, kill, new_code, select)
from trytond.modules.offline_sales.tests.process import (  # isort: skip
    PASSWORD)

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
        numbers.add(sell_one(installed, office, 2))
        assert len(numbers) == 2

        code, status = told(installed, 'status')
        assert code == 0
        assert status['running'] and status['pending'] >= 2
        assert status['branch'] == 'ESP' and status['sold_until']
        code, findings = told(installed, 'doctor')
        assert {f['name']: f['state'] for f in findings}.items() >= {
            'running': 'ok', 'port': 'ok', 'cron': 'ok', 'key': 'ok',
            'clock': 'ok', 'integrity': 'ok', 'catalogs': 'ok',
            'documents': 'ok', 'rights': 'ok', 'versions': 'ok',
            'disk': 'ok'}.items()
        assert code == 0, findings

        code, said = installed.type('run')
        assert (code, "running already" in said) == (1, True)
        code, said = installed.type('restore', '--yes')
        assert code == 1
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
    with installed.running() as process:
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


def test_copies(installed, office):
    copies = installed.directory / 'backups'
    for _ in range(3):
        code, said = installed.type('backup', '--keep', 2)
        assert code == 0
        # Their names tell the second
        time.sleep(1)
    assert len(list(copies.glob('branch-*'))) == 2
    code, said = installed.type('restore', '--yes', copies / 'none')
    assert (code, "no copy" in said) == (1, True)
    (copies / 'none').write_text("Not a database")
    before = installed.file.read_bytes()
    code, said = installed.type('restore', '--yes', copies / 'none')
    assert (code, "no copy of a branch" in said) == (1, True), said
    assert installed.file.read_bytes() == before


def test_doctor_finds(installed):
    "what can be read by others, damaged or cut off, in words"
    saved = installed.file.read_bytes()
    with installed.line.broken():
        installed.file.chmod(0o644)
        code, findings = told(installed, 'doctor')
    installed.file.chmod(0o600)
    errors = {f['name'] for f in findings if f['state'] == 'error'}
    assert (code, errors) == (6, {'rights', 'running', 'answer'})
    installed.file.write_bytes(saved[:len(saved) // 2])
    code, said = installed.type('doctor')
    assert (code, "branch restore" in said) == (6, True)
    installed.file.write_bytes(saved)


def test_service_unit(installed, tmp_path):
    code, said = installed.type('service', 'install', '--output', tmp_path)
    assert (code, "systemctl" in said) == (0, True)
    unit, = tmp_path.glob('*.service')
    assert str(installed.directory) in unit.read_text()
    if not shutil.which('systemd-analyze'):
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    done = subprocess.run(
        ['systemd-analyze', 'verify', unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')


def test_service_task(installed, tmp_path):
    code, said = installed.type(
        'service', 'install', '--windows', '--output', tmp_path)
    assert (code, "schtasks" in said) == (0, True)
    task = ElementTree.parse(next(tmp_path.glob('*.xml')))
    arguments, = task.iterfind('.//{*}Arguments')
    assert 'branch run' in arguments.text
    assert str(installed.directory) in arguments.text


def test_upgrade(installed):
    code, said = installed.type('upgrade')
    assert (code, "of the version" in said) == (0, True)
    file = installed.directory / 'install.json'
    state = json.loads(file.read_text())
    file.write_text(json.dumps({
                **state,
                'versions': {**state['versions'], 'offline_sales': '7.9.0'}}))
    code, findings = told(installed, 'doctor')
    assert 'versions' in {
        f['name'] for f in findings if f['state'] == 'error'}
    documents = select(
        installed.file, "SELECT * FROM offline_sales_document ORDER BY id")
    code, said = installed.type('upgrade')
    assert (code, "upgraded" in said) == (0, True), said
    assert list(
        (installed.directory / 'backups').glob('before-upgrade-*'))
    assert documents == select(
        installed.file, "SELECT * FROM offline_sales_document ORDER BY id")
    assert json.loads(file.read_text())['versions'] == state['versions']
