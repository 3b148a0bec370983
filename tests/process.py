# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Real processes: trytond, trytond-admin, trytond-worker and snippets"
import os
import re
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

import requests
from proteus import Model, Wizard
from proteus import config as proteus_config

from trytond.modules import offline_sales

from .snippet import dump, load

__all__ = [
    'FOREIGN', 'PACKAGE', 'PASSWORD', 'ProcessError', 'Server', 'free_port',
    'pair']

PASSWORD = 'only-for-tests'
BIN = Path(sys.executable).parent
PACKAGE = offline_sales.__name__
FOLDER = Path(offline_sales.__file__).parent.name
# Where the modules are that only the tests know
FOREIGN = Path(__file__).parent / 'modules'


class ProcessError(Exception):
    "A process failed; its last lines are the message"


def free_port():
    with socket.socket() as socket_:
        socket_.bind(('127.0.0.1', 0))
        return socket_.getsockname()[1]


class Server:
    """
    A database and the processes that serve it.

    store -- where the database is, see store.py
    database -- its name
    directory -- for configuration and logs
    options -- {section: {option: value}} added to the configuration
    """

    def __init__(self, store, database, directory, options=None):
        self.store = store
        self.database = database
        self.directory = Path(directory)
        self.port = free_port()
        self.process = None
        self._others = []
        self.configuration = self.directory / f'{database}.conf'
        self.log = self.directory / f'{database}.log'
        self.configure(options or {})

    def configure(self, options):
        "Write the configuration; it is read at the next start"
        parser = ConfigParser(interpolation=None)
        parser.read_dict({
                'database': {
                    'uri': self.store.uri,
                    'path': str(self.store.path),
                    },
                'web': {'listen': f'127.0.0.1:{self.port}'},
                'cache': {'clean_timeout': self.store.clean_timeout},
                'session': {'authentications': 'offline_sales'},
                })
        parser.read_dict(options)
        with self.configuration.open('w') as file:
            parser.write(file)
        self.configuration.chmod(0o600)

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    @property
    def environment(self):
        environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(('TRYTOND_', 'DB_'))}
        environment['TRYTOND_CONFIG'] = str(self.configuration)
        environment['PYTHONPATH'] = str(FOREIGN)
        return environment

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, timeout=60):
        "Start trytond and wait until it answers"
        assert not self.running
        self.process = self._popen(
            'trytond', '-c', self.configuration, '-d', self.database)
        deadline = time.monotonic() + timeout
        while True:
            try:
                requests.get(f'{self.url}/', timeout=5)
                return self
            except requests.RequestException:
                if not self.running or time.monotonic() > deadline:
                    self.kill()
                    raise ProcessError(
                        f"trytond did not start\n{self.tail()}") from None
                time.sleep(.1)

    def stop(self, timeout=20):
        "End trytond as an administrator would"
        if self.running:
            self.process.terminate()
            self.process.wait(timeout)

    def kill(self):
        "End trytond as a power cut would (kill -9)"
        if self.running:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def restart(self):
        "Start again, on the same port"
        self.kill()
        return self.start()

    def spawn(self, command, *args):
        """
        Start another of trytond's commands (trytond-worker, trytond-cron) for
        the database; it is killed with the server at the latest.
        """
        process = self._popen(
            command, '-c', self.configuration, '-d', self.database, *args)
        self._others.append(process)
        return process

    def close(self):
        self.kill()
        for process in self._others:
            if process.poll() is None:
                # With the processes that it has made
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _popen(self, command, *args):
        with self.log.open('ab') as log:
            return subprocess.Popen(
                [BIN / command, *args], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def tail(self, lines=30):
        "The last lines of the log"
        if not self.log.exists():
            return ''
        return '\n'.join(
            self.log.read_text(errors='replace').splitlines()[-lines:])

    def admin(self, *args, timeout=600):
        "Run trytond-admin and return what it said"
        passfile = self.directory / 'admin-password'
        passfile.write_text(PASSWORD)
        done = subprocess.run(
            [BIN / 'trytond-admin', '-c', self.configuration,
                '-d', self.database, *args],
            env={**self.environment, 'TRYTONPASSFILE': str(passfile)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=timeout, text=True)
        if done.returncode:
            raise ProcessError(done.stdout[-5000:])
        return done.stdout

    def run(self, target, *args, user=1, context=None, timeout=600, **kwargs):
        """
        Return what target does to the database in a process of its own, in a
        transaction that is committed and whose tasks are run.

        target -- a function of a module, called with the arguments; or source
        code, which finds pool, args and the named arguments, and leaves result

        Arguments and result travel as JSON (decimals, dates, bytes included).
        """
        if callable(target):
            module = target.__module__
            if module.split('.')[0] == FOLDER:
                module = PACKAGE + module[len(FOLDER):]
            target = f'{module}:{target.__qualname__}'
        elif ':' not in target or '\n' in target or ' ' in target:
            target = {'source': target}
        stem = self.directory / f'{self.database}-snippet'
        request, answer = stem.with_suffix('.in'), stem.with_suffix('.out')
        request.write_text(dump({
                    'database': self.database,
                    'target': target,
                    'args': args,
                    'kwargs': kwargs,
                    'user': user,
                    'context': context,
                    }))
        answer.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, '-m', f'{PACKAGE}.tests.snippet',
                request, answer],
            env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, text=True)
        if not answer.exists():
            raise ProcessError(done.stdout[-5000:])
        answered = load(answer.read_text())
        if 'error' in answered:
            raise ProcessError(answered['error'])
        return answered['result']

    @contextmanager
    def proteus(
            self, login='admin', password=PASSWORD, give=None, **parameters):
        """
        Log in over XML-RPC, with further login parameters if the server asks
        for them, and yield proteus' configuration

        give -- the function that returns the usage token for the Id that the
        login may ask for
        """
        url = f'{self.url}/{self.database}/rpc/'
        if give:
            parameters.update(self._answer(url, login, password, give))
        with proteus_config.set_xmlrpc_session(
                url, login, password, parameters=parameters) as config:
            yield config

    @staticmethod
    def _answer(url, login, password, give):
        "Return the parameter that a login asks for"
        server = xmlrpc.client.ServerProxy(url, allow_none=True)
        try:
            server.common.db.login(login, {'password': password})
        except xmlrpc.client.Fault as fault:
            identifier = re.search(r'Id: ([0-9 ]{11})', fault.faultString)
            if not identifier:
                raise
            return {'offline_sales_token': give(identifier.group(1))}
        return {}

    def give_token(self, identifier, branch='ESP', hours=8):
        "Return the token for the Id, as from a terminal at the central"
        done = subprocess.run(
            [BIN / 'offline-sales', '-c', self.configuration,
                '-d', self.database, 'token', '--branch', branch,
                '--hours', str(hours), '--reason', "The internet is down",
                identifier],
            env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise ProcessError(done.stdout + done.stderr)
        return done.stdout.rpartition(':')[2].strip()


def pair(central, branch, code='ESP'):
    "Pair two servers that are running, as their administrators do"
    with central.proteus() as config:
        Branch = Model.get('offline_sales.branch', config=config)
        record, = Branch.find([('code', '=', code)])
        pairing_code = Wizard(
            'offline_sales.branch.pairing', [record], config=config).form.code
    with branch.proteus() as config:
        pairing = Wizard('offline_sales.configuration.pair', config=config)
        pairing.form.url = central.url
        pairing.form.database = central.database
        pairing.form.code = pairing_code
        pairing.execute('pair')
