# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A technician: the real commands, and the line between shop and central"
import datetime as dt
import json
import os
import pty
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager, suppress

import pytest
import requests
from proteus import Model, Wizard

from trytond.modules.offline_sales.offline_sales import wire  # isort: skip

from .process import BIN, Server, free_port
from .store import SQLite
from .talk import other_server
from .template import TEMPLATES

__all__ = [
    'Line', 'Technician', 'Till', 'installed', 'kill', 'new_code', 'office',
    'plant', 'select']


def new_code(central, branch='ESP'):
    "Generate a pairing code at the central's server"
    with central.proteus() as config:
        Branch = Model.get('offline_sales.branch', config=config)
        branch, = Branch.find([('code', '=', branch)])
        return Wizard(
            'offline_sales.branch.pairing', [branch], config=config).form.code


class Line:
    """What is between a branch and its central, which can fail

    offset: seconds that the central's clock is ahead.
    cut: the part of each answer of rows after which the line breaks.
    before: called with the name of the procedure, once the central has
    answered and before the branch is told.
    """

    def __init__(self, central):
        self.central = central
        self.heal()

    def heal(self):
        self.down = False
        self.offset = 0
        self.cut = None
        self.before = lambda procedure: None

    @contextmanager
    def broken(self):
        self.down = True
        yield
        self.heal()

    @contextmanager
    def open(self):
        with other_server(self._forward) as (port, self.came):
            self.url = f'http://127.0.0.1:{port}'
            yield self

    def _forward(self, handler):
        if self.down:
            handler.close_connection = True
            return
        path, headers, body = self.came[-1]
        procedure = path.rpartition('/')[2]
        headers = {
            name: value for name, value in headers.items()
            if name not in {'Host', 'Content-Length', 'Connection'}}
        answer = requests.post(
            self.central.url + path, data=body, headers=headers,
            stream=True, timeout=60)
        data = answer.raw.read(decode_content=False)
        if self.offset and procedure == 'invitation':
            result = wire.loads(answer.content or data)
            result['result']['time'] += dt.timedelta(seconds=self.offset)
            data = wire.dumps(result)
        self.before(procedure)
        handler.send_response(answer.status_code)
        for name in ['Content-Type', 'Content-Encoding', 'Retry-After']:
            if value := answer.headers.get(name):
                handler.send_header(name, value)
        handler.send_header('Content-Length', str(len(data)))
        handler.end_headers()
        if self.cut and procedure == 'rows':
            data = data[:int(len(data) * self.cut)]
            handler.close_connection = True
        handler.wfile.write(data)


class Technician:
    "Who types offline-sales branch … on the computer of a shop"

    prefix = []
    variables = {}
    command = BIN / 'offline-sales'

    def __init__(self, directory, language='en'):
        self.home = directory / 'home'
        self.home.mkdir(parents=True)
        self.directory = directory / 'branch'
        self.language = language
        self.port = free_port()

    @property
    def environment(self):
        environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(('TRYTOND_', 'DB_', 'LC_', 'XDG_'))}
        return {
            **environment, 'HOME': str(self.home), 'LANG': self.language,
            'LANGUAGE': '', 'PYTHONPATH': '', **self.variables}

    def _popen(self, *args, **options):
        return subprocess.Popen(
            [*self.prefix, self.command, 'branch',
                *map(str, args), '--directory', self.directory],
            env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.home, **options)

    def start(self, *args, **options):
        "Return the process of the command"
        return self._popen(*args, start_new_session=True, **options)

    @contextmanager
    def running(self, end=signal.SIGTERM):
        "Yield the process of run, which answers and is told to end after"
        process = self.start('run')
        try:
            while "served at" not in (said := process.stdout.readline()):
                assert said, "it has ended"
            yield process
            if process.poll() is None:
                process.send_signal(end)
            process.said, _ = process.communicate(timeout=40)
        finally:
            if process.poll() is None:
                kill(process)

    def type(self, *args, timeout=300, **options):
        "Return (exit code, what was said) of a command, with no traceback"
        process = self._popen(*args, **options)
        try:
            said, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
        assert 'Traceback' not in said, said
        return process.returncode, said

    def talk(self, *args, answers):
        """Return (exit code, lines on the screen, all that was written) of a
        command that asks in a terminal

        answers: {question: answer}, in the order of the questions.
        """
        screen, keyboard = pty.openpty()
        process = subprocess.Popen(
            [*self.prefix, self.command, 'branch', *map(str, args),
                '--directory', self.directory],
            env=self.environment, stdin=keyboard, stdout=keyboard,
            stderr=keyboard, cwd=self.home, start_new_session=True)
        os.close(keyboard)
        answers = list(answers.items())
        said = b''
        try:
            # Once nobody writes on it reading fails
            with suppress(OSError):
                while data := os.read(screen, 4096):
                    said += data
                    if answers and said.endswith(
                            f'{answers[0][0]} '.encode()):
                        os.write(screen, f'{answers.pop(0)[1]}\n'.encode())
            code = process.wait(60)
        finally:
            os.close(screen)
            if process.poll() is None:
                kill(process)
        # Of a line that was written over the last state is seen
        return code, [
            line.rstrip('\r').rpartition('\r')[2]
            for line in said.decode().split('\n')], said.decode()

    def init(self, url, code=None, *args, database='central', **options):
        return self.type(
            *self._init(url, code, *args, database=database), **options)

    def _init(self, url, code, *args, database='central'):
        if code:
            args = ['--code', code, *args]
        return [
            'init', '--yes', '--url', url, '--database', database,
            '--listen', f'127.0.0.1:{self.port}', *args]

    def init_until(self, url, code, text, *args):
        "Install until the text is said and a little longer: the power fails"
        process = self.start(*self._init(url, code, *args))
        while text not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(.5)
        kill(process)


class Till(Server):
    "A register of the branch, which speaks to its server"

    def __init__(self, technician):
        self.port = technician.port
        self.database = 'branch'


def plant(technician, template):
    "Leave a database as if the template was what init had come to"
    store = SQLite(technician.directory / 'data')
    store.path.mkdir(parents=True)
    store.create('branch', TEMPLATES[template].file(store))
    return store.file('branch')


def select(file, query):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def kill(process):
    "What a power cut does to a process and those that it has started"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope='session')
def office(tmp_path_factory):
    "The central, which serves a database without the module, too"
    store = SQLite(tmp_path_factory.mktemp('central'))
    store.create('central', TEMPLATES['company'].file(store))
    store.create('plain', TEMPLATES['depends'].file(store))
    server = Server(store, 'central', store.path, {
            'offline_sales': {'pair_rate': '0'}})
    server.facts = TEMPLATES['company'].facts(store)
    yield server.start()
    server.close()



@pytest.fixture(scope='session')
def installed(office, tmp_path_factory):
    """The technician of a branch whose installation was hit by all of it: the
    power failed while modules were activated and as the central had paired it,
    then the line broke at 60 % of the catalogs"""
    technician = Technician(tmp_path_factory.mktemp('shop'))
    technician.code = code = new_code(office)
    technician.said = []
    file = plant(technician, 'depends')
    with Line(office).open() as line:
        technician.url = line.url
        # While the module itself is being activated
        technician.init_until(
            line.url, code, "Activate", '--spool', technician.home / 'spool')
        assert not select(file, (
                "SELECT 1 FROM ir_module WHERE name = 'offline_sales' "
                "AND state = 'activated'"))
        technician.said_early = [
            technician.type(command) for command in ['doctor', 'run']]

        process = technician.start(*technician._init(line.url, code))
        line.before = lambda procedure: (
            procedure == 'pair' and kill(process))
        process.communicate(timeout=120)
        assert select(file, (
                "SELECT role FROM offline_sales_configuration")) in [
            [], [('central',)]]

        line.heal()
        line.cut = .6
        technician.said.append(technician.init(line.url, code))
        technician.rows_after_cut = select(
            file, "SELECT COUNT(*) FROM offline_sales_link")
        line.heal()
        # The power failed before it was noted that it is paired
        note = technician.directory / 'install.json'
        state = json.loads(note.read_text())
        del state['paired']
        note.write_text(json.dumps(state))
        technician.said.append(technician.type('init'))
        technician.said.append(technician.type('init'))
        other = Technician(tmp_path_factory.mktemp('other'))
        technician.said.append(other.init(line.url, code))
        technician.file = file
        technician.line = line
        yield technician
