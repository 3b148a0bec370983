# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Where a branch is on its computer

    trytond.conf    the configuration of trytond, and the name of the database
    install.json    what init has learnt and decided, without secrets
    data/           the database, if it is SQLite
    client/         what the computers of the registers need
    logs/ backups/
"""
import json
import os
import sys
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

from . import errors
from .text import _

__all__ = ['Place', 'add_directory', 'write']

NAME = 'branch'


def default_directory():
    "Return where a branch is if nobody says something else"
    if directory := os.environ.get('OFFLINE_SALES_DIRECTORY'):
        return Path(directory)
    if sys.platform == 'win32':
        return Path(os.environ['PROGRAMDATA']) / 'offline-sales'
    if os.geteuid() == 0:
        return Path('/var/lib/offline-sales')
    home = os.environ.get('XDG_DATA_HOME') or Path.home() / '.local/share'
    return Path(home) / 'offline-sales'


def add_directory(parser):
    parser.add_argument(
        '--directory', metavar=_("DIRECTORY"), type=Path,
        default=default_directory(),
        help=_("where the branch is, by default %(default)s"))


def write(file, text, mode=0o600):
    """Have the file hold the text, the former one or the new one whatever
    happens meanwhile"""
    temporary = file.with_name(f'.{file.name}.new')
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, 'w', encoding='utf-8') as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, file)


class Place:
    "The directory of a branch"

    def __init__(self, directory, configuration=None, database=None):
        self.directory = Path(directory).absolute()
        self.configuration = Path(
            configuration or self.directory / 'trytond.conf').absolute()
        self.data = self.directory / 'data'
        self.logs = self.directory / 'logs'
        self.backups = self.directory / 'backups'
        self.client = self.directory / 'client'
        self._database = database

    @classmethod
    def of(cls, options, root=False):
        """Return the place that the options tell of

        root: whether root may do what is to be done for another user.
        """
        files = [file for file in options.config if file]
        # What the terminal was set up for is not the branch
        for name in list(os.environ):
            if name.startswith('TRYTOND_'):
                del os.environ[name]
        place = cls(
            options.directory, files[-1] if files else None, options.database)
        if not root:
            place.check_owner()
        return place

    def check_owner(self):
        "Root's files would be in the way of the user who serves the branch"
        if os.name != 'posix' or os.geteuid() or not self.directory.exists():
            return
        if uid := self.directory.stat().st_uid:
            try:
                owner = self.directory.owner()
            except KeyError:
                # Nobody's who is known here, as sudo takes it
                owner = f'#{uid}'
            raise errors.Stop(_(
                    "The branch in {directory} is of the user {owner}, not of "
                    "root. Type the same after: sudo -u {owner}").format(
                    directory=self.directory, owner=owner),
                errors.COMPUTER)

    # Configuration

    def read_configuration(self):
        parser = ConfigParser(interpolation=None)
        parser.read(self.configuration, encoding='utf-8')
        return parser

    def get(self, section, option, default=None):
        return self.read_configuration().get(
            section, option, fallback=default)

    @property
    def database(self):
        return self._database or self.get('offline_sales', 'database', NAME)

    @property
    def file(self):
        "The file of the database, None if it is not SQLite"
        if self.get('database', 'uri', 'sqlite:').startswith('sqlite'):
            path = self.get('database', 'path', str(self.data))
            return Path(path) / f'{self.database}.sqlite'

    @property
    def address(self):
        "The address where the branch is served, as (host, port)"
        host, port = self.get(
            'web', 'listen', '127.0.0.1:8000').rsplit(':', 1)
        return host, int(port)

    @property
    def url(self):
        host, port = self.address
        scheme = 'https' if self.get('ssl', 'certificate') else 'http'
        return f'{scheme}://{reach(host)}:{port}'

    # What init knows

    @property
    def state_file(self):
        return self.directory / 'install.json'

    def read_state(self):
        try:
            return json.loads(self.state_file.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise errors.Stop(_(
                    "The file {file} cannot be read. Remove it and run init "
                    "again.").format(file=self.state_file)) from None

    def write_state(self, state):
        write(self.state_file, json.dumps(state, indent=4) + '\n')

    @property
    def processes_file(self):
        "Names and ids of the processes while the branch is served"
        return self.directory / 'run.json'

    # Use

    def arguments(self, *command):
        "Return the arguments of the command of this place"
        arguments = ['-c', str(self.configuration)]
        if self._database:
            arguments += ['-d', self._database]
        return [
            *arguments, 'branch', *command,
            '--directory', str(self.directory)]

    def check_installed(self, least='done'):
        """Stop if there is no branch

        least: what init has to have come to, if it was installed by it.
        """
        if not self.configuration.exists() or (
                self.file and not self.file.exists()):
            raise errors.Stop(_(
                    "There is no branch in {directory}. Install one by "
                    "offline-sales branch init, or tell where it is by "
                    "--directory.").format(directory=self.directory))
        state = self.read_state()
        if state and not state.get(least):
            raise errors.Stop(self.complete())

    def complete(self):
        return _(
            "The installation of the branch has not ended. Complete it: "
            "offline-sales branch init --directory {directory}").format(
                directory=self.directory)

    def open(self, least='done'):
        "Return the Database of the branch, an error if there is none"
        from .database import Database
        self.check_installed(least)
        os.environ['TRYTOND_DATABASE_NAMES'] = self.database
        return Database(self.database, [str(self.configuration)])

    def lock(self, what):
        import filelock
        return filelock.FileLock(
            self.directory / f'.{what}.lock', thread_local=False)

    @contextmanager
    def alone(self, what, sentence):
        "Hold the lock of that name, or stop with the sentence"
        import filelock
        lock = self.lock(what)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise errors.Stop(sentence) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def stopped(self):
        "Nobody serves the branch meanwhile"
        with self.alone('run', _(
                    "The branch is running. Stop it first, as it was started:"
                    " by the service or by Ctrl-C.")):
            yield

    @property
    def running(self):
        "Whether the branch is served now"
        import filelock
        lock = self.lock('run')
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return True
        except OSError:
            return False
        lock.release()
        return False


def reach(host):
    "Return the name by which this computer reaches what listens on host"
    return '127.0.0.1' if host in {'', '*', '0.0.0.0', '::'} else host
