# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import os
import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from trytond import backend, config, tools

from trytond.modules.offline_sales.tests.process import (  # isort: skip
    FOREIGN)
from trytond.modules.offline_sales.tests.store import (  # isort: skip
    Cluster, ClusterMissing, SQLite)
from trytond.modules.offline_sales.tests.template import (  # isort: skip
    TEMPLATES, module_cache)

__all__ = ['installed', 'office']

RUN = 'OFFLINE_SALES_TEST_RUN'

if backend.name != 'sqlite':
    pytest.exit(
        "The tests run on SQLite and start PostgreSQL themselves: unset "
        "TRYTOND_CONFIG and TRYTOND_DATABASE_URI.", returncode=4)

os.environ['DB_CACHE'] = str(module_cache())
# trytond finds there the modules that only the tests know
sys.path.append(str(FOREIGN))
tools.entry_points.cache_clear()

from trytond.tests import test_tryton

from trytond.modules.offline_sales.tests.install import (  # isort: skip
    installed, office)
from trytond.modules.offline_sales.tests.process import (  # isort: skip
    Server)
from trytond.modules.offline_sales.tests.shop import (  # isort: skip
    Shop)
from trytond.modules.offline_sales.tests.tools import (  # isort: skip
    Database, Web)


def pytest_configure(config):
    "Make the run's directory, which the processes of the run share"
    if not hasattr(config, 'workerinput'):
        os.environ[RUN] = tempfile.mkdtemp(prefix='offline-sales-')
    _prepare(Path(os.environ[RUN]))
    # How long an example takes says nothing on a busy machine
    hypothesis.settings.register_profile('offline_sales', deadline=None)
    hypothesis.settings.load_profile('offline_sales')


def pytest_unconfigure(config):
    if not hasattr(config, 'workerinput'):
        Cluster.stop(os.environ[RUN])
        shutil.rmtree(os.environ[RUN], ignore_errors=True)


def _prepare(run):
    path = Path(tempfile.mkdtemp(prefix='databases-', dir=run))
    config.set('database', 'path', str(path))
    # At a central it is the password alone
    config.set('session', 'authentications', 'offline_sales')
    config.set('cache', 'clean_timeout', '1')
    os.environ['TRYTOND_DATABASE_NAMES'] = 'central,branch'
    _share_templates()


def _share_templates():
    """
    Let trytond.tests begin with our templates, instead of activating once
    more, and never read what another process is still writing.
    """
    copy = test_tryton._sqlite_copy
    templates = {
        test_tryton._db_cache_file(
            test_tryton.DB_CACHE, '-'.join(template.modules)): template
        for template in [TEMPLATES['bare'], TEMPLATES['extras']]}

    def _sqlite_copy(file_, restore=False):
        with FileLock(f'{file_}.lock'):
            if restore and file_ in templates and not os.path.exists(file_):
                shutil.copyfile(
                    templates[file_].file(SQLite(config.get(
                                'database', 'path'))), file_)
            return copy(file_, restore)
    test_tryton._sqlite_copy = _sqlite_copy


@pytest.fixture(scope='session')
def web():
    "The HTTP server of this process' databases"
    server = Web()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_database():
    "Make a database of this process: make_database(name, template)"
    return Database


@pytest.fixture
def central():
    "The central of a small Mexican company"
    return Database('central', 'company')


@pytest.fixture
def branch():
    "A database with the module activated, not paired yet"
    return Database('branch', 'bare')


@pytest.fixture
def shop(web, tmp_path_factory):
    "A branch that is paired with its central and has the catalogs"
    return Shop(web, tmp_path_factory.getbasetemp())


@pytest.fixture
def foreign_shop(web, tmp_path_factory):
    "The same where a module that nobody here knows is activated"
    return Shop(web, tmp_path_factory.getbasetemp(), template='foreign')


@pytest.fixture
def closed_shop(web, tmp_path_factory):
    "A shop whose branch has no open usage"
    return Shop(web, tmp_path_factory.getbasetemp(), usage=False)


@pytest.fixture
def configure():
    "Set options of the section offline_sales for the time of a test"
    if not config.has_section('offline_sales'):
        config.add_section('offline_sales')

    yield lambda name, value: config.set('offline_sales', name, value)
    config.remove_section('offline_sales')
    # The values that were read are remembered
    config.set('database', 'list', 'True')


@pytest.fixture(scope='session')
def cluster():
    "The run's PostgreSQL cluster"
    try:
        return Cluster.shared(os.environ[RUN])
    except ClusterMissing as e:
        if os.environ.get('CI'):
            raise
        pytest.skip(f"{e}; apt-get install postgresql")


@pytest.fixture
def make_server(request, tmp_path):
    """
    Make a database with real processes:
    make_server(name, template='bare', backend='sqlite', options=None)
    """
    servers = []

    def make(name, template='bare', backend='sqlite', options=None):
        if backend == 'postgresql':
            store = request.getfixturevalue('cluster')
        else:
            store = SQLite(tmp_path)
        database = store.name(name)
        store.create(database, TEMPLATES[template].file(store))
        server = Server(store, database, tmp_path, options)
        server.facts = TEMPLATES[template].facts(store)
        servers.append(server)
        return server
    yield make
    for server in servers:
        server.close()
        server.store.drop(server.database)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from trytond.modules.offline_sales.tests.groups import Scheduling
    if config.getvalue('dist') == 'loadgroup':
        return Scheduling(config, log)
