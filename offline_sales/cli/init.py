# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch init: install a branch

What is done is found out from what is there, so that the command can be run
again after whatever has ended it: each step leaves alone what is done. The
branch is paired in one transaction at each side, and if the answer of the
central was lost the same code is good for the same database.
"""
import configparser
import os
import secrets
import sqlite3
import sys
import uuid
from contextlib import closing, suppress
from pathlib import Path

from . import (
    ask, check, client, configuration, errors, setup, upgrade)
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'run']

# None of them is mistaken for another when it is read on paper
LEGIBLE = 'abcdefghijkmnpqrstuvwxyz23456789'
# What is remembered of the options
REMEMBERED = [
    'url', 'central_database', 'allow_http', 'listen', 'spool', 'certificate',
    'private_key']
FILES = {'spool', 'certificate', 'private_key'}


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--url', metavar=_("URL"),
        help=_("address of the central, e.g. https://erp.example.com"))
    parser.add_argument(
        '--database', metavar=_("NAME"), dest='central_database',
        help=_("name of the database of the central"))
    parser.add_argument(
        '--code', metavar=_("CODE"),
        help=_("pairing code, generated at the central on the form of the "
            "branch; better typed when asked for"))
    parser.add_argument(
        '--allow-http', action='store_true', default=None,
        help=_("accept an address without TLS: anyone on the way can read "
            "passwords and sales and change them"))
    parser.add_argument(
        '--listen', metavar=_("HOST:PORT"),
        help=_("where the branch is served, by default 127.0.0.1:8000; for "
            "several registers the address of this computer, then with TLS"))
    parser.add_argument(
        '--certificate', metavar=_("FILE"),
        help=_("certificate for --listen, by default one is made"))
    parser.add_argument(
        '--private-key', metavar=_("FILE"), help=_("its private key"))
    parser.add_argument(
        '--database-uri', metavar=_("URI"), dest='uri',
        help=_("postgresql://user:password@host:port/name; by default a file "
            "of SQLite"))
    parser.add_argument(
        '--spool', metavar=_("DIRECTORY"),
        help=_("on another disk, for a second copy of what is sold"))
    parser.add_argument(
        '--no-profile', action='store_false', dest='profile',
        help=_("do not add the branch to the desktop client of this user"))
    parser.add_argument(
        '-y', '--yes', action='store_true', help=_("do not ask to go on"))


def run(options):
    place = Place.of(options)
    problems = list(filter(None, [
                check.python(), check.disk(place.directory)]))
    if not problems:
        problems = list(filter(None, map(check.writable, [
                        place.directory,
                        *([Path(options.spool)] if options.spool else [])])))
    if problems:
        raise errors.Stop("\n".join(problems), errors.COMPUTER)
    options.directory = place.directory
    with place.alone('init', _(
                "Another offline-sales branch init is at work. Wait until it "
                "has ended.")):
        Init(place, options).run()


class Init:
    "An installation, from what the options and former runs have told"

    def __init__(self, place, options):
        self.place = place
        self.options = options
        self.state = place.read_state()
        self.code = options.code
        # It holds a password: it is in the configuration alone
        self.uri = options.uri or configuration.read_uri(place)
        if options.uri and not configuration.is_written_for(
                place, options.uri):
            # In another database nothing is done yet
            for name in ['activated', 'paired']:
                self.state.pop(name, None)

    def run(self):
        if self.state.get('done'):
            if self.options.listen not in {None, self.state['listen']}:
                self.move()
            print(_("The branch is installed in {directory}.").format(
                    directory=self.place.directory))
            self.tell_next()
            return
        self.remember()
        self.check_port()
        if not self.paired():
            self.ask_central()
            self.announce()
        configuration.write(self.place, self.state, self.uri)
        self.fill()
        self.finish()

    def paired(self):
        """Whether the database is paired

        It is asked itself: the power may have failed before this was noted,
        and the code is good no more.
        """
        return self.state.get('activated') and (
            setup.create(self.place).paired())

    def move(self):
        "Serve at another address what is installed"
        with self.place.stopped():
            self.remember()
            self.check_port()
            configuration.write(self.place, self.state, self.uri)
            self.place.write_state(self.state)
            self.leave_profile()

    def note(self, name):
        "Note that something is done, once it is on the disk"
        if self.place.file:
            # trytond's NORMAL may lose a commit in a power cut
            with closing(sqlite3.connect(
                        self.place.file, timeout=30)) as database:
                database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        self.state[name] = True
        self.place.write_state(self.state)

    # What to install

    def remember(self):
        for name in REMEMBERED:
            if (value := getattr(self.options, name)) is not None:
                if name in FILES:
                    value = str(Path(value).absolute())
                self.state[name] = value
        self.state.setdefault('uuid', str(uuid.uuid4()))
        self.state.setdefault('listen', '127.0.0.1:8000')
        host, separator, port = self.state['listen'].rpartition(':')
        if not (separator and port.isdecimal() and 0 < int(port) < 2 ** 16):
            self.options.parser.error(
                _("--listen is an address and a port, as 127.0.0.1:8000"))
        for name, question in [
                ('url', _("Address of the central")),
                ('central_database', _("Database of the central"))]:
            if not self.state.get(name):
                self.state[name] = self.prompt(question, f'--{name}')
        configuration.check_uri(self.uri)
        configuration.get_certificate(self.state)

    def prompt(self, question, option):
        if not sys.stdin.isatty():
            self.options.parser.error(
                _("{option} is missing").format(
                    option=option.replace('central_', '')))
        while not (answer := input(f"{question}: ").strip()):
            continue
        return answer

    def check_port(self):
        host, _separator, port = self.state['listen'].rpartition(':')
        if problem := check.port(host, int(port)):
            raise errors.Stop(problem, errors.COMPUTER)

    def ask_central(self):
        if not self.code:
            self.code = self.prompt(
                _("Pairing code, from the form of the branch at the central"),
                '--code')
        answer = ask.ask({
                'url': self.state['url'],
                'database': self.state['central_database'],
                'allow_http': bool(self.state.get('allow_http')),
                'uuid': self.state['uuid'],
                'code': self.code,
                })
        if problem := check.clock(answer.pop('clock_offset')):
            raise errors.Stop(problem, errors.COMPUTER)
        self.state['central'] = answer
        setup.check_modules(answer['branch_modules'])

    def announce(self):
        central = self.state['central']
        print(_(
                "Branch {name} [{code}] of {company}\n"
                "  central: {url}, database {database}, Tryton {series}\n"
                "  directory: {directory}\n"
                "  database: {uri}\n"
                "  served at: {listen}\n"
                "It takes a few minutes, and the central is asked for the "
                "catalogs.").format(
                name=central['name'], code=central['branch'],
                company=central['company'], url=self.state['url'],
                database=self.state['central_database'],
                series=central['series'], directory=self.place.directory,
                uri=configuration.show_uri(self.uri),
                listen=self.state['listen']))
        if not self.options.yes and sys.stdin.isatty():
            answer = input(_("Go on? [Y/n] ")).strip().lower()
            if answer not in {'', 'y', 'yes', 's', 'si', 'sí'}:
                raise errors.Stop(_("Nothing was done."))
        # From here on the next run knows
        self.place.write_state(self.state)

    # Fill the database

    def fill(self):
        self.step(_("Create the database"))
        database = setup.create(self.place)
        self.step(_("Activate the modules"))
        database.activate(
            self.state['central']['branch_modules'],
            self.state['central']['language'],
            again=not self.state.get('activated'))
        self.note('activated')
        if not database.paired():
            self.step(_("Pair with the central"))
            if not self.code:
                self.code = self.prompt(_("Pairing code"), '--code')
            database.pair(
                self.state['url'], self.state['central_database'], self.code,
                bool(self.state.get('allow_http')), self.state['uuid'])
        self.note('paired')
        self.step(_("Obtain the catalogs"))
        database.obtain()
        self.database = database

    def finish(self):
        central = self.state['central']
        self.step(_("Leave a profile for the desktop client"))
        self.leave_profile()
        password = ''.join(secrets.choice(LEGIBLE) for _i in range(12))
        self.database.set_password(password)
        print("\n" + _(
                "The branch {name} is installed.\n"
                "Password of admin, shown this time only: {password}").format(
                name=central['name'], password=password), flush=True)
        self.state['versions'] = upgrade.get_versions(self.database)
        # Last of all: who has not read the password gets another
        self.note('done')
        self.tell_next()

    def leave_profile(self):
        name = self.state['central']['name']
        client.write(self.place, name)
        if self.options.profile and not _is_root():
            try:
                client.add(self.place, name)
            except (OSError, ValueError, configparser.Error) as error:
                print(_(
                        "The desktop client of this user does not know the "
                        "branch ({reason}). Copy there the files of {client}."
                        ).format(
                        reason=str(error).splitlines()[0],
                        client=self.place.client))

    def tell_next(self):
        print("\n" + _(
                "Start it: offline-sales branch run --directory {directory}\n"
                "or with the computer: offline-sales branch service install "
                "--directory {directory}\n"
                "Connect: Tryton, profile \"{name}\"; host {host}, database "
                "{database}, the users and passwords of the central.\n"
                "Files for the computers of other registers: {client}").format(
                directory=self.place.directory,
                name=self.state['central']['name'],
                host=client.host(self.place), database=self.place.database,
                client=self.place.client))

    @staticmethod
    def step(text):
        print(f"* {text}", flush=True)


def _is_root():
    with suppress(AttributeError):
        return os.geteuid() == 0
    return False
