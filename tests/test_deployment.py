# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A central as its manual says: nginx, gunicorn with two workers, PostgreSQL,
two trytond-workers; and a branch that is installed and sells to it"""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import requests

from trytond.modules.offline_sales.demo.day import (  # isort: skip
    plan, sell)
from trytond.modules.offline_sales.tests.install import (  # isort: skip
    Technician, Till, plant)
from trytond.modules.offline_sales.tests.process import (  # isort: skip
    BIN, PASSWORD, free_port)
from trytond.modules.offline_sales.tests.template import ROOT  # isort: skip

pytestmark = pytest.mark.xdist_group('init')

MANUAL = ROOT / 'doc' / 'central'


def adapt(name, directory, changes):
    "Write the file of the manual with what is this computer's"
    text = (MANUAL / name).read_text()
    for there, here in changes.items():
        assert there in text, there
        text = text.replace(there, str(here))
    file = directory / name
    file.write_text(text)
    return file


@pytest.fixture
def central(make_server, tmp_path):
    "The server of the database, and how nginx is reached"
    nginx = shutil.which('nginx') or shutil.which(
        'nginx', path='/usr/sbin')
    if not nginx or not (BIN / 'gunicorn').exists():
        pytest.skip("nginx or gunicorn is missing: apt install nginx-light")
    server = make_server('central', 'company', 'postgresql')
    from offline_sales_cli import certificate
    certified, key = certificate.make(tmp_path, 'localhost')
    uri = server.store.uri
    server.configuration = adapt('trytond.conf', tmp_path, {
            'postgresql://tryton:PASSWORD@localhost:5432': uri})
    socket = tmp_path / 'gunicorn.sock'
    gunicorn = adapt('gunicorn.conf.py', tmp_path, {
            '/run/tryton/gunicorn.sock': socket,
            '/etc/tryton/trytond.conf': server.configuration,
            '=erp': f'={server.database}'})
    port = free_port()
    site = adapt('nginx.conf', tmp_path, {
            '443 ssl': f'127.0.0.1:{port} ssl',
            '/run/tryton/gunicorn.sock': socket,
            '/etc/ssl/certs/erp.example.com.pem': certified,
            '/etc/ssl/private/erp.example.com.key': key,
            'erp.example.com': 'localhost',
            })
    main = tmp_path / 'main.conf'
    user = 'user root;' if not os.geteuid() else ''
    main.write_text(f"""
{user} daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
    fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u;
    scgi_temp_path {tmp_path}/s;
    include {site};
}}""")
    processes = [
        subprocess.Popen(
            command, env=server.environment, start_new_session=True,
            stdout=log, stderr=log)
        for log in [(tmp_path / 'processes.log').open('ab')]
        for command in [
            [BIN / 'gunicorn', '-c', gunicorn, 'trytond.application:app'],
            [nginx, '-c', main],
            *([[BIN / 'trytond-worker', '-c', server.configuration,
                '-d', server.database, '-n', '1']] * 2)]]
    server.tls = f'https://localhost:{port}'
    server.certificate = certified
    try:
        wait_for(server)
        yield server
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(server):
    deadline = time.monotonic() + 60
    while True:
        try:
            answer = requests.get(
                f'{server.tls}/', verify=server.certificate, timeout=5)
            if answer.status_code != 502:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline
        time.sleep(.2)


def code_of():
    from trytond.pool import Pool
    pool = Pool()
    branch, = pool.get('offline_sales.branch').search([('code', '=', 'ESP')])
    return pool.get('offline_sales.contact').of(branch).new_code()


def settled():
    "Return the states of the documents and of the tickets"
    from trytond.pool import Pool
    pool = Pool()
    return [
        [d.kind, d.state]
        for d in pool.get('offline_sales.document').search([])], [
        s.number for s in pool.get('sale.point.sale').search([
                ('state', '=', 'posted')])]


def test_deployment(central, tmp_path):
    technician = Technician(tmp_path / 'shop')
    technician.variables = {'REQUESTS_CA_BUNDLE': str(central.certificate)}
    plant(technician, 'depends')
    code, said = technician.init(
        central.tls, central.run(code_of), database=central.database)
    assert code == 0, said
    # As from a terminal that is closed
    with technician.running(signal.SIGHUP) as process:
        with Till(technician).proteus(
                'esp.lupita', PASSWORD, give=central.give_token) as config:
            numbers = [
                sell(config, ticket)
                for ticket in plan(central.facts['products'], 2)]
        code, said = technician.type('send')
        assert code == 0, said
        code, findings = technician.type('doctor')
    assert (process.returncode, "has stopped" in process.said) == (0, True)
    assert re.search(r"encrypted|TLS", findings), findings
    deadline = time.monotonic() + 60
    while True:
        states, tickets = central.run(settled)
        if {s for _, s in states} == {'processed'} and set(
                numbers) <= set(tickets):
            break
        assert time.monotonic() < deadline, (states, tickets)
        time.sleep(1)


@pytest.mark.parametrize('name', [
    'tryton.service', 'trytond-cron.service', 'trytond-worker@.service'])
def test_units(name, tmp_path):
    if not shutil.which('systemd-analyze'):
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    text = (MANUAL / name).read_text()
    # What the manual installs there is here
    text = text.replace('/opt/tryton/bin', str(BIN))
    text = text.replace('User=tryton', 'User=root')
    unit = tmp_path / name.replace('@', '@1')
    unit.write_text(text)
    done = subprocess.run(
        ['systemd-analyze', 'verify', unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
