# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch refresh: send, then obtain the catalogs"
import time

from . import progress
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'obtain', 'run']

POLL = .3


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--full', action='store_true',
        help=_("every row, not only what has changed"))


def run(options):
    database = Place.of(options).open()
    update = obtain(database, full=options.full)
    with database.transaction(readonly=True):
        update = database.get('offline_sales.update')(update)
        print(_("Catalogs: {rows} rows received, {deleted} deleted.").format(
                rows=update.rows, deleted=update.deleted))


def obtain(database, full=False):
    """Obtain the catalogs, show how it goes, and return the id of the update

    Raise CentralError.
    """
    Update = database.get('offline_sales.update')
    with database.transaction(readonly=True):
        background = Update.obtain_in_background(full=full)
    try:
        _watch(database, Update, background)
    finally:
        background.join()
    if background.error:
        raise background.error
    return background.update


def _watch(database, Update, background):
    with progress.bar(unit=_("rows")) as bar:
        while background.is_alive():
            with database.transaction(readonly=True):
                update = Update(background.update)
                bar.total = update.rows_total or bar.total
                bar.update((update.rows or 0) - bar.n)
            time.sleep(POLL)
