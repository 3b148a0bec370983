# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch upgrade: bring the database to the installed version

A copy is made first, and put back if anything goes wrong. What waits to be
sent is not touched, which is checked. Until it is updated the database may
lack columns that the models have, so it is asked by SQL.
"""
from . import backup, errors, restore, setup
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'get_changed', 'get_versions', 'run']


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--all', action='store_true',
        help=_("every module, whether its version has changed or not"))


def get_versions(database):
    "Return the versions of the modules as installed, by name"
    from trytond.modules import get_module_info
    return {
        name: get_module_info(name).get('version', '')
        for name in database.get_activated()}


def get_changed(place, database):
    "Return the modules of another version than the database is of"
    former = place.read_state().get('versions', {})
    return [
        name for name, version in get_versions(database).items()
        if former.get(name) != version]


def run(options):
    place = Place.of(options)
    place.check_installed()
    with place.stopped():
        database = setup.BranchDatabase(place)
        modules = (
            list(get_versions(database)) if options.all
            else get_changed(place, database))
        if not modules:
            print(_("The database is of the version that is installed."))
            return
        copy = backup.make(place, 'before-upgrade', keep=3)
        print(_("The copy before the upgrade is {file}.").format(file=copy),
            flush=True)
        waiting = get_waiting(database)
        try:
            database.update(modules)
            if get_waiting(database) != waiting:
                raise errors.Stop(_(
                        "The documents that wait to be sent have changed."))
        except BaseException as error:
            database.close()
            restore.put_back(place, copy)
            sentence, code = (
                (str(error), error.code) if isinstance(error, errors.Stop)
                else errors.explain(error))
            raise errors.Stop(_(
                    "The upgrade failed: {reason}\nThe database is again what "
                    "it was. Install the former version of the packages, and "
                    "send {file} to who supports you.").format(
                    reason=sentence, file=copy), code) from error
        state = place.read_state()
        state['versions'] = get_versions(database)
        place.write_state(state)
    print(_("The database is upgraded."))


def get_waiting(database):
    "Return what has to survive: the documents that are not settled"
    def make(Table):
        table = Table('offline_sales_document')
        return table.select(
            table.uuid, table.state, table.sha256, table.payload,
            where=table.state.in_(['pending', 'sent', 'rejected']),
            order_by=table.uuid)
    return database.select(make)
