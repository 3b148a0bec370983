# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch status: how the branch is doing, without the central"
import json
import os

from . import backup
from .place import Place, add_directory
from .text import _, show

__all__ = ['add_arguments', 'get_status', 'run']


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--json', action='store_true', help=_("for programs"))


def run(options):
    place = Place.of(options)
    status = get_status(place, place.open())
    if options.json:
        print(json.dumps(status, default=_as_text))
    else:
        for name, value in _describe(status):
            print(f"{name}: {value}")


def _as_text(value):
    return value.isoformat() + 'Z'


def get_status(place, database):
    "Return what is known here; moments are UTC"
    Configuration = database.get('offline_sales.configuration')
    Usage = database.get('offline_sales.usage')
    with database.transaction(readonly=True):
        configuration = Configuration(1)
        status = {
            'branch': configuration.branch_code,
            'name': configuration.branch_name,
            'company': configuration.company_name,
            'central': configuration.url,
            'running': place.running,
            'url': place.url,
            'oldest_pending': None,
            'last_refresh': None,
            **Configuration.get_heartbeat(),
            'sold_until': max(
                (u.end for u in Usage.search([('state', '=', 'open')])
                    if u.end), default=None),
            }
    status['database_bytes'] = (
        os.path.getsize(place.file) if place.file else None)
    copy = backup.last(place)
    status['last_backup'] = copy and copy.moment
    return status


def _describe(status):
    yield _("Branch"), f"{status['name']} [{status['branch']}], " \
        f"{status['company']}"
    yield _("Central"), status['central']
    yield _("Running"), (
        _("yes, at {url}").format(url=status['url']) if status['running']
        else _("no"))
    pending = str(status['pending'])
    if status['oldest_pending']:
        pending += ' ' + _("(the oldest of {moment})").format(
            moment=show(status['oldest_pending']))
    yield _("Documents to be sent"), pending
    yield _("Documents that need attention"), status['rejected']
    yield _("Catalogs of"), show(status['last_refresh'])
    yield _("May sell until"), (
        show(status['sold_until']) if status['sold_until']
        else _("no usage is open"))
    yield _("Last backup"), show(status['last_backup'])
    yield _("Version"), status['version']
