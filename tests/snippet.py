# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Run a function on a database, here or in a process of its own"
import importlib
import json
import sys
import traceback
from pathlib import Path

from trytond.pool import Pool
from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder
from trytond.transaction import Transaction, TransactionError
from trytond.worker import run_task

__all__ = ['perform', 'run_tasks', 'dump', 'load']


def dump(value):
    "The JSON of value, decimals, dates and bytes included"
    return json.dumps(value, cls=JSONEncoder)


def load(text):
    return json.loads(text, object_hook=JSONDecoder())


def run_tasks(database, transaction):
    "Run the tasks that a transaction left, as a server without worker does"
    while transaction.tasks:
        run_task(database, transaction.tasks.pop(0))


def perform(function, database, user=1, context=None):
    """
    Return what the function returns in a transaction that is committed.
    It is begun again with the locks that the function asked for, and the tasks
    that it queued are run, as for a request.
    """
    extras = {}
    while True:
        with Transaction().start(
                database, user, context=context, **extras) as transaction:
            try:
                result = function()
            except TransactionError as e:
                transaction.rollback()
                transaction.tasks.clear()
                e.fix(extras)
                continue
        run_tasks(database, transaction)
        return result


def _function(target, args, kwargs):
    "The function without argument for module:function or for source code"
    if isinstance(target, dict):
        def execute():
            scope = {'args': args, 'pool': Pool(), **kwargs}
            exec(target['source'], scope)
            return scope.get('result')
        return execute
    module, name = target.split(':')
    function = getattr(importlib.import_module(module), name)
    return lambda: function(*args, **kwargs)


def main(request, answer):
    "Answer in a file to the request of another: what is printed is not it"
    request = load(Path(request).read_text())
    database = request['database']
    try:
        with Transaction().start(database, 0, readonly=True):
            Pool(database).init()
        answered = {'result': perform(
                _function(
                    request['target'], request['args'], request['kwargs']),
                database, request['user'], request['context'])}
    except Exception:
        answered = {'error': traceback.format_exc()}
    Path(answer).write_text(dump(answered))


if __name__ == '__main__':
    main(*sys.argv[1:])
