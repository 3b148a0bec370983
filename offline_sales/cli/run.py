# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch run: serve a branch until it is told to end

One process that holds the lock `run` of the directory starts the others and
starts anew what dies. What they say goes to logs that do not grow for ever,
and a copy of the database is made each day.
"""
import contextlib
import datetime as dt
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from logging.handlers import RotatingFileHandler

from . import backup, check, errors
from .place import Place, add_directory, reach, write
from .text import _, utcnow

__all__ = ['add_arguments', 'pause', 'run']

POLL = .2
PATIENCE = 10
LONGEST_PAUSE = 60
# Who lives so long begins to count anew
STEADY = 60
LOG_SIZE = 5 * 1024 ** 2
LOG_COUNT = 5
READY = 120
BACKUP = dt.timedelta(days=1)
BACKUP_RETRY = dt.timedelta(hours=1)
# Not in the seconds in which a shop opens
BACKUP_FIRST = dt.timedelta(minutes=10)


def pause(deaths):
    "Return the seconds to wait after so many deaths in a row"
    return min(LONGEST_PAUSE, 2 ** min(deaths, 16) / 2) if deaths > 1 else 0


def add_arguments(parser):
    add_directory(parser)
    parser.add_argument(
        '-v', '--verbose', action='count', default=0,
        help=_("log more"))


def run(options):
    place = Place.of(options)
    place.check_installed()
    with place.alone('run', _(
                "The branch in {directory} is running already.").format(
                directory=place.directory)):
        if problem := check.port(*place.address):
            raise errors.Stop(problem, errors.COMPUTER)
        return Supervisor(place, options.verbose).run()


def make_log(file, format='%(message)s'):
    "Return a logger of its own to the file"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        file, maxBytes=LOG_SIZE, backupCount=LOG_COUNT, encoding='utf-8')
    handler.setFormatter(logging.Formatter(format))
    # A full disk does not end who logs
    handler.handleError = lambda record: None
    logger = logging.Logger(file.stem)
    logger.addHandler(handler)
    return logger


class Child:
    "A process that shall live, and its log"

    def __init__(self, name, arguments, log):
        self.name = name
        self.arguments = arguments
        self.log = make_log(log)
        self.deaths = 0
        self.since = self.due = time.monotonic()
        self.process = None

    def start(self):
        options = {}
        if os.name == 'posix':
            # Ctrl-C is for the supervisor, which ends them in order
            options['start_new_session'] = True
        else:
            options['creationflags'] = subprocess.CREATE_NEW_PROCESS_GROUP
        self.process = subprocess.Popen(
            [sys.executable, '-m', f'{__package__}.child', *self.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **options)
        self.since = time.monotonic()
        threading.Thread(
            target=self._keep, args=(self.process.stdout,),
            daemon=True).start()

    def _keep(self, stream):
        with stream:
            for line in stream:
                self.log.info(line.decode('utf-8', 'replace').rstrip())

    def tend(self):
        """Start it if it is due, and return the exit code with which it has
        died, None if it has not"""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
            return None
        code = self.process.poll()
        if code is None:
            return None
        self._end_group(signal.SIGTERM)
        self.deaths = 1 if now - self.since > STEADY else self.deaths + 1
        self.due = now + pause(self.deaths)
        self.process = None
        return code

    def interrupt(self):
        if self.process:
            if os.name == 'posix':
                self.process.send_signal(signal.SIGINT)
            else:
                self.process.terminate()

    def end(self, deadline):
        "Wait until it has ended, kill what has not by then"
        if not self.process:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0, deadline - time.monotonic()))
        if self.process.poll() is None:
            self.process.kill()
        self._end_group(getattr(signal, 'SIGKILL', None))
        self.process.wait()

    def _end_group(self, number):
        "End the processes that it has made"
        if os.name == 'posix':
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Supervisor:

    def __init__(self, place, verbose=0):
        self.place = place
        self.log = make_log(
            place.logs / 'run.log', '%(asctime)s %(message)s')
        options = [
            '-c', str(place.configuration), '-d', place.database,
            *(['-' + 'v' * verbose] if verbose else [])]
        self.children = [
            Child(name, [module, *options, *more], place.logs / log)
            for name, module, log, more in [
                ('server', 'trytond.cli', 'server.log', []),
                ('cron', 'trytond.cli.cron', 'cron.log', ['-n', '1'])]]
        self.stopping = threading.Event()
        self.backup = None
        self.backup_due = dt.datetime.now() + BACKUP_FIRST

    def run(self):
        for name in ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK']:
            if number := getattr(signal, name, None):
                signal.signal(number, lambda *args: self.stopping.set())
        self.say(_("The branch starts."))
        threading.Thread(target=self.announce, daemon=True).start()
        try:
            while not self.stopping.is_set():
                self.tend()
                self.stopping.wait(POLL)
        finally:
            self.say(_("The branch stops."))
            self.stop()
        self.say(_("The branch has stopped."))

    def say(self, text):
        self.log.info(text)
        # Who started it may have closed the terminal
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def announce(self):
        "Say when the branch answers"
        host, port = self.place.address
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and not self.stopping.is_set():
            try:
                with socket.create_connection((reach(host), port), timeout=1):
                    pass
            except OSError:
                self.stopping.wait(POLL)
                continue
            self.say(_("The branch is served at {url}").format(
                    url=self.place.url))
            return

    def tend(self):
        before = [child.process for child in self.children]
        for child in self.children:
            if (code := child.tend()) is not None:
                self.say(_(
                        "{name} has ended ({code}) and is started again in "
                        "{seconds} s; see {log}").format(
                        name=child.name, code=code,
                        seconds=pause(child.deaths),
                        log=self.place.logs / f'{child.name}.log'))
        if before != [child.process for child in self.children]:
            self.write_processes()
        self.tend_backup()

    def write_processes(self):
        # Sales go on where the disk is full, as long as they can
        with contextlib.suppress(OSError):
            write(self.place.processes_file, json.dumps({
                        child.name: child.process.pid
                        for child in self.children if child.process}))

    def tend_backup(self):
        now = dt.datetime.now()
        if self.backup:
            if self.backup.poll() is not None:
                if self.backup.returncode:
                    self.say(_("The daily backup failed, see {log}").format(
                            log=self.place.logs / 'backup.log'))
                self.backup = None
        elif now >= self.backup_due:
            self.backup_due = now + BACKUP_RETRY
            last = backup.last(self.place)
            if not last or utcnow() - last.moment >= BACKUP:
                with contextlib.suppress(OSError), (
                        self.place.logs / 'backup.log').open('w') as log:
                    self.backup = subprocess.Popen(
                        [sys.executable, '-m', __package__,
                            *self.place.arguments('backup')],
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        for child in self.children:
            child.interrupt()
        deadline = time.monotonic() + PATIENCE
        for child in self.children:
            child.end(deadline)
        if self.backup:
            self.backup.terminate()
        self.place.processes_file.unlink(missing_ok=True)
