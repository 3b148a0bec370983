# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A database as the commands use it, in the process of the command"
from contextlib import contextmanager

from . import text

__all__ = ['Database']


class Database:
    """The database of that name, its modules loaded

    files: the configuration of trytond.
    """

    def __init__(self, name, files):
        # trytond reads its configuration at import
        from trytond import config
        config.update_etc(files)
        self.name = name
        self._load()

    def _load(self):
        from trytond.pool import Pool
        from trytond.transaction import Transaction
        if self.name not in Pool.database_list():
            with Transaction().start(self.name, 0, readonly=True):
                Pool(self.name).init()

    def get(self, name, type='model'):
        from trytond.pool import Pool
        return Pool(self.name).get(name, type=type)

    def select(self, make):
        """Return the rows of a query, whatever version the database is of

        make: returns the query, given the function that makes a table.
        """
        from sql import Table

        from trytond.transaction import Transaction
        with Transaction().start(
                self.name, 0, readonly=True) as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(*make(Table))
            return cursor.fetchall()

    def get_activated(self):
        "Return the names of the modules that are activated"
        def make(Table):
            table = Table('ir_module')
            return table.select(table.name, where=table.state == 'activated')
        return {name for name, in self.select(make)}

    @contextmanager
    def transaction(self, user=0, readonly=False, **context):
        "Yield a transaction in the language of the terminal, then commit it"
        from trytond.transaction import Transaction
        with Transaction().start(
                self.name, user, readonly=readonly,
                context={'language': text.language(), **context},
                ) as transaction:
            yield transaction

    def run(self, function, **options):
        """Return what the function returns in a transaction, which begins
        again with the locks that it asks for"""
        from trytond.transaction import Transaction, TransactionError
        extras = {}
        while True:
            with Transaction().start(
                    self.name, 0, context={'language': text.language()},
                    **options, **extras) as transaction:
                try:
                    return function()
                except TransactionError as error:
                    transaction.rollback()
                    error.fix(extras)
