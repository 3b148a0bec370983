# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch send: send what was done to the central"
import json

from . import errors
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'run', 'send']

WAIT = 20


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--json', action='store_true', help=_("for programs"))


def run(options):
    return send(Place.of(options).open(), options.json)


def send(database, as_json=False):
    "Send, say in words what became of it, and return the exit code"
    Configuration = database.get('offline_sales.configuration')
    Document = database.get('offline_sales.document')
    with database.transaction():
        delivery = Document.send(WAIT)
        text = Document.tell(delivery)
    with database.transaction(readonly=True):
        heartbeat = Configuration.get_heartbeat()
    if as_json:
        print(json.dumps({
                    'sent': dict(delivery.sent),
                    'pending': heartbeat['pending'],
                    'rejected': heartbeat['rejected'],
                    }))
    else:
        print(text)
    return errors.ATTENTION if heartbeat['rejected'] else errors.DONE
