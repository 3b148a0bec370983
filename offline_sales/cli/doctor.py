# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch doctor: what goes wrong in the field, and what to do

Each check yields findings (name, state, text), the state one of 'ok',
'warning' and 'error'. With an error the exit code tells so.
"""
import datetime as dt
import json
import os
import shutil
import socket
import stat
from typing import NamedTuple

from . import backup, check, errors, upgrade
from .place import Place, add_directory, reach
from .text import _, show, utcnow

__all__ = ['add_arguments', 'run']

CRON_LATE = dt.timedelta(minutes=15)
STUCK = dt.timedelta(days=1)
CATALOGS_OLD = dt.timedelta(hours=48)
BACKUP_OLD = dt.timedelta(days=3)
FREE = 256 * 1024 ** 2


class Finding(NamedTuple):
    name: str
    state: str
    text: str


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '--json', action='store_true', help=_("for programs"))


def run(options):
    place = Place.of(options)
    place.check_installed(least='paired')
    findings = list(examine(place))
    if options.json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        signs = {'ok': _("good"), 'warning': _("look"), 'error': _("WRONG")}
        for finding in findings:
            print(f"{signs[finding.state]:<6} {finding.text}")
    if any(finding.state == 'error' for finding in findings):
        return errors.ATTENTION


def examine(place):
    for examination in [_computer, _files, _processes, _integrity]:
        yield from _try(examination, place)
    try:
        database = place.open(least='paired')
    except Exception as error:
        sentence, code = errors.explain(error)
        if code == errors.COMPUTER:
            # To restore would not help and costs what was sold since
            yield Finding('database', 'error', sentence)
            return
        yield Finding('database', 'error', _(
                "The database cannot be opened: {reason}. If it does not help "
                "to start again, restore a copy: offline-sales branch restore."
                ).format(reason=sentence))
        return
    versions = list(_try(_versions, place, database))
    yield from versions
    if any(version.state == 'error' for version in versions):
        # Of a database that is not of the packages nothing else can be said
        return
    for examination in [_connection, _cron, _documents, _catalogs]:
        yield from _try(examination, place, database)


def _try(examination, *arguments):
    "Yield what it finds; what it cannot find out is a finding, too"
    try:
        yield from examination(*arguments)
    except Exception as error:
        sentence, _code = errors.explain(error)
        yield Finding(
            examination.__name__.strip('_'), 'error',
            _("It cannot be looked at: {reason}").format(reason=sentence))


# The computer

def _computer(place):
    problem = check.disk(place.directory, FREE)
    yield Finding('disk', 'error' if problem else 'ok',
        problem or _("There is space on the disk."))
    copy = backup.last(place)
    if copy and utcnow() - copy.moment < BACKUP_OLD:
        yield Finding('backup', 'ok', _("The last backup is of {moment}."
                ).format(moment=show(copy.moment)))
    else:
        yield Finding('backup', 'warning', _(
                "There is no recent backup. Make one: offline-sales branch "
                "backup; while the branch runs it is made each day."))
    if shutil.which('soffice') or shutil.which('libreoffice'):
        yield Finding('libreoffice', 'ok', _("LibreOffice is installed."))
    else:
        yield Finding('libreoffice', 'warning', _(
                "LibreOffice is not installed: what is printed comes as a "
                "document instead of as PDF. Install libreoffice-writer."))


def _files(place):
    if os.name != 'posix':
        return
    for file in filter(None, [place.configuration, place.file]):
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding('rights', 'error', _(
                    "Others can read {file}. Type: chmod 600 {file}").format(
                    file=file))
            return
    yield Finding('rights', 'ok', _("Nobody else can read the files."))


def _processes(place):
    state = place.read_state()
    if state and not state.get('done'):
        yield Finding('installed', 'error', place.complete())
        return
    if not place.running:
        yield Finding('running', 'error', _(
                "The branch is not running. Start it: offline-sales branch "
                "run, or the service."))
        return
    try:
        processes = json.loads(place.processes_file.read_text())
    except (OSError, ValueError):
        processes = {}
    dead = {'server', 'cron'} - {
        name for name, pid in processes.items() if _lives(pid)}
    if dead:
        yield Finding('running', 'error', _(
                "{names} does not live; see the logs in {logs}").format(
                names=', '.join(sorted(dead)), logs=place.logs))
    else:
        yield Finding('running', 'ok', _("The branch is running."))
    host, port = place.address
    try:
        socket.create_connection((reach(host), port), timeout=5).close()
    except OSError:
        yield Finding('served', 'error', _(
                "Nobody answers at {url}; see {log}").format(
                url=place.url, log=place.logs / 'server.log'))
    else:
        yield Finding('served', 'ok', _("It answers at {url}.").format(
                url=place.url))


def _lives(pid):
    if os.name != 'posix':
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _integrity(place):
    if not place.file:
        return
    if problem := backup.check_sqlite(place.file):
        yield Finding('integrity', 'error', _(
                "The database is damaged: {problem}. Stop the branch and "
                "restore a copy: offline-sales branch restore.").format(
                problem=problem))
    else:
        yield Finding('integrity', 'ok', _("The database is whole."))


# The branch

def _connection(place, database):
    Configuration = database.get('offline_sales.configuration')
    with database.transaction(readonly=True):
        if not Configuration.is_branch():
            yield Finding('paired', 'error', _(
                    "The branch is not paired. Complete it: offline-sales "
                    "branch init."))
            return
        for line in Configuration.test_connection():
            yield Finding(line.step, line.state, line.text)


def _cron(place, database):
    Cron = database.get('ir.cron')
    with database.transaction(readonly=True):
        late = Cron.search([
                ('next_call', '<', utcnow() - CRON_LATE),
                ('method', 'like', 'offline_sales%'),
                ])
        if late and place.running:
            yield Finding('cron', 'error', _(
                    "The cron does not work: nothing is sent or obtained by "
                    "itself. See {log}, then stop and start the branch."
                    ).format(log=place.logs / 'cron.log'))
        else:
            yield Finding('cron', 'ok', _("The cron is on time."))


def _documents(place, database):
    Configuration = database.get('offline_sales.configuration')
    with database.transaction(readonly=True):
        heartbeat = Configuration.get_heartbeat()
    if heartbeat['rejected']:
        yield Finding('rejected', 'error', _(
                "{count} documents need attention at the central: tell its "
                "responsible person.").format(count=heartbeat['rejected']))
    oldest = heartbeat.get('oldest_pending')
    if oldest and utcnow() - oldest > STUCK:
        yield Finding('pending', 'error', _(
                "{count} documents wait to be sent, the oldest since "
                "{moment}. Once there is internet: offline-sales branch send"
                ).format(count=heartbeat['pending'], moment=show(oldest)))
    elif not heartbeat['rejected']:
        yield Finding('documents', 'ok', _(
                "No document is stuck; {count} wait to be sent.").format(
                count=heartbeat['pending']))


def _catalogs(place, database):
    Configuration = database.get('offline_sales.configuration')
    with database.transaction(readonly=True):
        moment = Configuration.get_heartbeat().get('last_refresh')
    if not moment:
        yield Finding('catalogs', 'error', _(
                "The catalogs were never obtained: offline-sales branch "
                "refresh"))
    elif utcnow() - moment > CATALOGS_OLD:
        yield Finding('catalogs', 'warning', _(
                "The catalogs are of {moment}: prices may have changed. Once "
                "there is internet: offline-sales branch refresh").format(
                moment=show(moment)))
    else:
        yield Finding('catalogs', 'ok', _(
                "The catalogs are of {moment}.").format(moment=show(moment)))


def _versions(place, database):
    if changed := upgrade.get_changed(place, database):
        yield Finding('versions', 'error', _(
                "The packages are newer than the database ({modules}): "
                "offline-sales branch upgrade").format(
                modules=', '.join(sorted(changed))))
    else:
        yield Finding('versions', 'ok', _(
                "The database is of the version that is installed."))
