# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch spool: the second copy of what was sold"
from pathlib import Path

from . import errors
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'restore', 'run']


def add_arguments(parser):
    commands = parser.add_subparsers(
        dest='spool_command', required=True, metavar=_("COMMAND"))
    restore = commands.add_parser(
        'restore',
        help=_("what the outbox lacks is put into it, nothing twice"))
    add_directory(restore)
    restore.add_argument(
        'file', metavar=_("FILE"), nargs='?', type=Path,
        help=_("the second copy, by default that of the configuration"))


def run(options):
    database = Place.of(options).open()
    file = options.file or get_file(database)
    if not file or not file.is_file():
        raise errors.Stop(_("There is no second copy {file}.").format(
                file=file or ''))
    return restore(database, file)


def get_file(database):
    "Return the second copy that the configuration names, None if it does not"
    from trytond.modules.offline_sales.offline_sales.document.spool import (
        get_path)
    with database.transaction(readonly=True):
        return get_path()


def restore(database, file=None):
    """Put what the outbox lacks into it, say so, and return the exit code

    file: by default that of the configuration, if there is one.
    """
    file = file or get_file(database)
    if not file or not file.is_file():
        return None
    Document = database.get('offline_sales.document')
    restored = database.run(lambda: Document.restore(file))
    print(_("{count} documents were restored, {known} were there.").format(
            count=restored.restored, known=restored.known))
    if restored.damaged:
        print(_("{count} lines are damaged.").format(count=restored.damaged))
    if restored.taken:
        print(_("Not restored, as their numbers were given again: {numbers}."
                ).format(numbers=", ".join(restored.taken)))
    if restored.damaged or restored.taken:
        return errors.ATTENTION
