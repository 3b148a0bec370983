# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch pair: pair the branch anew, with a new code"
import sys

from . import errors, send
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'pair', 'run']


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--code', metavar=_("CODE"),
        help=_("pairing code, generated at the central on the form of the "
            "branch"))
    parser.add_argument(
        '--url', metavar=_("URL"),
        help=_("address of the central, if it is another now"))


def run(options):
    place = Place.of(options)
    pair(place, place.open(), options)


def pair(place, database, options):
    "Pair by the code, or say how, then send and obtain"
    code = options.code
    if not code and sys.stdin.isatty():
        code = input(_("Pairing code") + ': ').strip()
    if not code:
        raise errors.Stop(_(
                "The branch is not paired. Generate a code at the central on "
                "the form of the branch, then: offline-sales branch pair "
                "--code CODE --directory {directory}").format(
                directory=place.directory))
    Configuration = database.get('offline_sales.configuration')

    def do():
        configuration = Configuration(1)
        Configuration.pair(
            getattr(options, 'url', None) or configuration.url,
            configuration.database, code, configuration.allow_http)
    database.run(do)
    print(_("The branch is paired."), flush=True)
    send.send(database)
