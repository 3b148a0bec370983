# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The database of a branch, from nothing to its catalogs"
import logging
import os
from contextlib import contextmanager
from importlib.metadata import entry_points

from . import errors, progress, refresh
from .database import Database
from .text import _

__all__ = ['check_modules', 'create']

MODULE = 'offline_sales'
LANGUAGE = 'es'


def check_modules(modules):
    "Raise Stop if the packages of some of the modules are not installed"
    installed = {
        ep.name for ep in entry_points(group='trytond.modules')} | {
        'ir', 'res'}
    if missing := sorted(set(modules) - installed):
        raise errors.Stop(_(
                "The central has modules that are not installed here: "
                "{modules}. Install them and run the same command again: pip "
                "install {packages}").format(
                modules=', '.join(missing),
                packages=' '.join(f'trytond_{name}' for name in missing)),
            errors.COMPUTER)


def create(place):
    "Return the database, made if it is not yet"
    from trytond import config
    config.update_etc([str(place.configuration)])
    os.environ['TRYTOND_DATABASE_NAMES'] = place.database
    if place.file:
        _create_file(place.file)
    else:
        _create_on_server(place.database)
    return BranchDatabase(place)


def _create_file(file):
    from trytond import backend
    if file.exists() and not backend.Database(file.stem).connect().test():
        # Less than its first step was done
        file.unlink()
        backend.Database.clear_cache()
    for suffix in ['-wal', '-shm'] if not file.exists() else []:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    # Of nobody else's
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    file.chmod(0o600)


def _create_on_server(name):
    import psycopg

    from trytond.backend import Database as Backend
    params = Backend._connection_params('postgres')
    try:
        with psycopg.connect(
                params['conninfo'], autocommit=True,
                connect_timeout=10) as connection:
            found = connection.execute(
                'SELECT 1 FROM pg_database WHERE datname = %s', [name])
            if not found.fetchall():
                Backend.create(connection, name)
    except psycopg.Error as error:
        raise errors.Stop(_(
                "PostgreSQL refused: {reason}. Check --database-uri, and that "
                "its user may create databases.").format(
                reason=str(error).strip().splitlines()[0]),
            errors.COMPUTER) from None


class BranchDatabase(Database):
    "The database while it is being installed"

    def __init__(self, place):
        super().__init__(place.database, [str(place.configuration)])

    def _load(self):
        "It is loaded once its modules are activated"

    # Modules

    def activate(self, modules, language, again=False):
        """Activate the modules in those languages

        again: all of them, whether they are activated or not. trytond makes
        the indexes after it has committed that they are.
        """
        from trytond import backend
        database = backend.Database(self.name).connect()
        if not database.test():
            database.init()
        missing = self._missing(modules)
        if again and not missing:
            missing = sorted({*modules, MODULE, 'ir', 'res'})
        languages = sorted({language, LANGUAGE, 'en'})
        if missing:
            self.update(missing, languages)
        else:
            self.load()
        self.run(lambda: self._prepare(language, languages))

    def load(self):
        from trytond.pool import Pool
        with self.transaction(readonly=True):
            Pool(self.name).init()

    def close(self):
        "Have no connection left, that the database can be replaced"
        from trytond import backend
        backend.Database(self.name).close()
        backend.Database.clear_cache()

    def update(self, modules, languages=(LANGUAGE, 'en')):
        "Activate or update the modules"
        from trytond.pool import Pool
        with _bar_of_modules(modules):
            Pool(self.name).init(
                update=list(modules), lang=list(languages), activatedeps=True)

    def _missing(self, modules):
        "Return the modules that are not activated yet"
        return sorted(
            {*modules, MODULE, 'ir', 'res'} - self.get_activated())

    @staticmethod
    def _prepare(language, languages):
        "What trytond-admin and the wizards of a new database do"
        from trytond import __series__
        from trytond.pool import Pool
        pool = Pool()
        Configuration = pool.get('ir.configuration')
        Item = pool.get('ir.module.config_wizard.item')
        Lang = pool.get('ir.lang')
        User = pool.get('res.user')
        Lang.write(
            Lang.search([('code', 'in', languages)]), {'translatable': True})
        configuration = Configuration(1)
        configuration.series = __series__
        configuration.language = language
        configuration.save()
        Item.write(Item.search([('state', '=', 'open')]), {'state': 'done'})
        spanish, = Lang.search([('code', '=', LANGUAGE)], limit=1)
        admin, = User.search([('login', '=', 'admin')])
        User.write([admin], {'language': spanish.id})

    # Pairing

    def paired(self):
        from trytond import backend
        if (not backend.Database(self.name).connect().test()
                or MODULE not in self.get_activated()):
            return False

        def make(Table):
            table = Table('offline_sales_configuration')
            return table.select(table.id, where=table.role == 'branch')
        return bool(self.select(make))

    def pair(self, url, database, code, allow_http, uuid):
        self.run(lambda: self.get('offline_sales.configuration').pair(
                url, database, code, allow_http, uuid=uuid))

    # Catalogs

    def obtain(self):
        "Obtain the catalogs, if they were not yet"
        with self.transaction(readonly=True):
            if self.get('offline_sales.update').last_success():
                return
        refresh.obtain(self)

    def set_password(self, password):
        def write():
            User = self.get('res.user')
            admin, = User.search([('login', '=', 'admin')])
            User.write([admin], {'password': password})
        self.run(write)


@contextmanager
def _bar_of_modules(modules):
    "Show a bar that trytond moves by what it logs"
    from trytond.modules import (
        MissingDependenciesException, create_graph)
    names = set(modules)
    while True:
        try:
            total = len(list(create_graph(names)))
            break
        except MissingDependenciesException as error:
            names.update(error.missings)
    logger = logging.getLogger('trytond.modules')
    level = logger.level
    with progress.bar(total=total, unit=_("modules")) as bar:
        handler = _Handler(bar)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


class _Handler(logging.Handler):

    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def emit(self, record):
        if record.msg == '%s load':
            self.bar.update(1)
