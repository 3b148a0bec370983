# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A central and a branch of it, paired and with the catalogs, in this process"
from contextlib import contextmanager

from trytond.modules.offline_sales.tests.tools import Database

from .usage import give, open_usage

__all__ = ['LOGINS', 'Shop', 'pair']

LOGINS = {'ESP': 'esp.lupita'}


def pair(central, branch, url, code='ESP'):
    "Pair the database branch with the central's branch of the code"
    def new_code():
        Branch = central.get('offline_sales.branch')
        Contact = central.get('offline_sales.contact')
        record, = Branch.search([('code', '=', code)])
        return Contact.of(record).new_code()
    pairing_code = central.run(new_code)
    branch.run(
        lambda: branch.get('offline_sales.configuration').pair(
            url, central.name, pairing_code, True))


class Shop:
    """
    central and branch are databases of this process, web serves both.

    facts is what the loader of the company returned.
    Unless usage is false the branch has an open usage.
    """
    BARE = {
        'company': 'selling',
        'foreign': 'foreign-bare',
        'images': 'images-bare',
        }
    _saved = {}

    def __init__(
            self, web, directory, code='ESP', template='company',
            usage=True):
        self.web = web
        self.code = code
        key = code, template
        if key not in self._saved:
            self.central = Database('central', template)
            self.branch = Database('branch', self.BARE[template])
            self._pair()
            self.obtain()
            self._save(directory, key)
        key = (*key, usage)
        if key not in self._saved:
            self._restore(key[:2])
            self.open_usage()
            self._save(directory, key)
        self._restore(key if usage else key[:2])

    def _save(self, directory, key):
        stem = '-'.join(map(str, key))
        self._saved[key] = [
            database.save(directory / f'{database.name}-{stem}')
            for database in [self.central, self.branch]]

    def _restore(self, key):
        central, branch = self._saved[key]
        self.central = Database('central', central)
        self.branch = Database('branch', branch)

    def open_usage(self, login=None, hours=8):
        "Ask for a token at the branch and type it; return who is logged in"
        login = login or LOGINS[self.code]
        return open_usage(
            self.web.url, self.branch.name,
            give(self.central, hours, self.code), login)

    def _pair(self):
        pair(self.central, self.branch, self.web.url, self.code)

    def obtain(self):
        "Obtain the catalogs at the branch"
        with self.branch.transaction():
            self.branch.get('offline_sales.update').obtain()

    @contextmanager
    def offline(self):
        with self.web.down():
            yield
