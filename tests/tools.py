# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The two servers of a test: databases in this process, real HTTP between them"
import tempfile
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from socket import SHUT_RDWR

from werkzeug.serving import ThreadedWSGIServer

from trytond import backend, config
from trytond.cache import Cache
from trytond.pool import Pool
from trytond.transaction import Transaction
from trytond.wsgi import app

from .process import PASSWORD, ProcessError, Server, free_port
from .snippet import perform, run_tasks
from .store import Cluster, ClusterMissing, SQLite
from .template import MODULE, TEMPLATES

__all__ = [
    'Cluster', 'ClusterMissing', 'Database', 'MODULE', 'PASSWORD',
    'ProcessError', 'SQLite', 'Server', 'TEMPLATES', 'Web', 'free_port']


class Database:
    """
    A database of this process, as a SQLite file.

    The pool of a name is kept from test to test: only the file is laid anew.
    facts is what the template's loader returned.
    """
    _modules = {}
    facts = None

    def __init__(self, name, template='bare'):
        self.name = name
        self.store = SQLite(config.get('database', 'path'))
        self.restore(template)

    def __repr__(self):
        return f'Database({self.name!r})'

    @property
    def file(self):
        return self.store.file(self.name)

    def restore(self, template):
        "Begin again as a copy of the template, or of a saved file"
        if not isinstance(template, Path):
            template = TEMPLATES[template]
            template, self.facts = template.file(self.store), template.facts(
                self.store)
        self.store.create(self.name, template)
        self._load()

    def admin(self, *args):
        "Run trytond-admin, and go on with the modules that are then activated"
        with tempfile.TemporaryDirectory() as directory:
            Server(self.store, self.name, directory).admin(*args)
        self._load()

    def _load(self):
        Cache.drop(self.name)
        backend.Database.clear_cache()
        modules = self._activated()
        if self._modules.get(self.name) != modules:
            Pool.stop(self.name)
            with Transaction().start(self.name, 0, readonly=True):
                Pool(self.name).init()
            self._modules[self.name] = modules

    def _activated(self):
        with Transaction().start(self.name, 0, readonly=True) as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(
                "SELECT name FROM ir_module WHERE state = 'activated'")
            return {name for name, in cursor}

    def save(self, file):
        "Keep the present state in a file that restore takes"
        self.store.save(self.name, file)
        return Path(file)

    @property
    def pool(self):
        return Pool(self.name)

    def get(self, name, type='model'):
        return self.pool.get(name, type=type)

    @contextmanager
    def transaction(self, user=1, context=None, **extras):
        """
        Yield a transaction that is committed at the end, if nothing is raised;
        then what it queued is run. One at a time in a thread.
        """
        with Transaction().start(
                self.name, user, context=context, **extras) as transaction:
            yield transaction
        run_tasks(self.name, transaction)

    def run(self, function, *args, user=1, context=None, **kwargs):
        """
        Return what the function returns in a transaction that is committed:
        for what locks tables or records, where it is called once more.
        """
        return perform(
            lambda: function(*args, **kwargs), self.name, user, context)


class _HTTPServer(ThreadedWSGIServer):
    "A server whose open connections can be cut"

    daemon_threads = True

    def __init__(self, port):
        self.connections = weakref.WeakSet()
        super().__init__('127.0.0.1', port, app)

    def get_request(self):
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def server_close(self):
        super().server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(SHUT_RDWR)
            except OSError:
                continue


class Web:
    "The databases of this process, served over HTTP on one loopback port"

    def __init__(self):
        self.port = free_port()
        self._server = None

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    def start(self):
        if self._server:
            return
        self._server = _HTTPServer(self.port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(.05,), daemon=True)
        self._thread.start()

    def stop(self):
        "Close the port and cut what is connected: the internet is down"
        if not self._server:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None

    @contextmanager
    def down(self):
        self.stop()
        try:
            yield
        finally:
            self.start()
