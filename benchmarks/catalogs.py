# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What obtaining the catalogs takes

The central is on PostgreSQL, the branch on SQLite: two trytond, HTTP between
them. What it is compared with is measured in between, on the same machine.
"""
import datetime as dt
import json
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from proteus import Model, Wizard
from proteus import config as proteus_config

from trytond.modules.offline_sales.demo import day
from trytond.modules.offline_sales.tests.process import (
    PACKAGE, PASSWORD, Server, pair)
from trytond.modules.offline_sales.tests.store import Cluster, SQLite
from trytond.modules.offline_sales.tests.template import (
    ROOT, TEMPLATES, Template)

from . import volume

CASHIER = 'esp.lupita'
# How many products and customers the ORM is timed with
SAMPLE = 400
SHARE = .01
TODAY = dt.datetime.now(ZoneInfo('America/Mexico_City')).date()
VOLUME = Template(
    'volume', 'selling', load=f'{PACKAGE}.tests.company:load', arguments={
        'products': volume.PRODUCTS,
        'customers': volume.CUSTOMERS,
        'today': TODAY,
        }, sources=(ROOT / 'demo',))


def peak(process):
    "Return the most memory that the process has had, in MB"
    status = Path(f'/proc/{process.pid}/status').read_text()
    line, = [l for l in status.splitlines() if l.startswith('VmHWM')]
    return int(line.split()[1]) / 1024


class Waiter(threading.Thread):
    """Who wants to write to a database of SQLite again and again

    longest: the seconds that he had to wait at most.
    """

    def __init__(self, file):
        super().__init__(daemon=True)
        self.file = file
        self.longest = 0
        self._end = threading.Event()

    def run(self):
        with closing(sqlite3.connect(
                    self.file, timeout=600, isolation_level=None)
                ) as connection:
            while not self._end.wait(.02):
                start = time.perf_counter()
                connection.execute('BEGIN IMMEDIATE')
                connection.execute('ROLLBACK')
                self.longest = max(
                    self.longest, time.perf_counter() - start)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, type, value, traceback):
        self._end.set()
        self.join()


class Pair:
    """A central with so many products and customers, and a branch of it

    size: how many of each.
    """

    def __init__(self, directory, size):
        self.directory = Path(directory)
        self.size = size
        self.cluster = Cluster.shared(directory)
        self.central = self._make_central()
        self.branch = None

    def _make_central(self):
        name = self.cluster.name('central')
        self.cluster.create(name, VOLUME.file(self.cluster))
        server = Server(self.cluster, name, self.directory)
        server.facts = VOLUME.facts(self.cluster)
        server.run(
            volume.multiply, self.size, self.size, {
                'products': [
                    {'id': p['id']} for p in server.facts['products']],
                'customers': server.facts['customers'],
                })
        self.vacuum(name)
        server.rows = server.run(volume.prepare_bare)
        self.vacuum(name)
        return server

    def vacuum(self, name):
        with self.cluster.connect(name) as connection:
            connection.execute('VACUUM ANALYZE')

    def new_branch(self):
        "Begin with a branch that is paired and has nothing"
        self.close_branch()
        store = SQLite(self.directory)
        store.create('branch', TEMPLATES['selling'].file(store))
        self.branch = Server(store, 'branch', self.directory)
        self.central.restart()
        self.branch.start()
        pair(self.central, self.branch)
        return self.branch

    def close_branch(self):
        if self.branch:
            self.branch.close()
            self.branch.store.drop('branch')

    def close(self):
        self.close_branch()
        self.central.close()
        self.cluster.drop(self.central.database)

    # What is measured

    def obtain(self, wizard='offline_sales.catalog.obtain'):
        "Obtain by the wizard and return the entry of the log"
        with self.branch.proteus() as config:
            Wizard(wizard, config=config).execute('obtain')
        while True:
            entry = self._log()
            if entry['state'] == 'done':
                return entry
            if entry['state'] != 'running':
                raise RuntimeError(f"{entry['message']}\n{self.branch.tail()}")
            time.sleep(.2)

    def _log(self):
        with closing(sqlite3.connect(
                    self.branch.store.file('branch'), timeout=600)) as db:
            db.row_factory = sqlite3.Row
            row = db.execute(
                'SELECT * FROM offline_sales_update ORDER BY id DESC LIMIT 1'
                ).fetchone()
        entry = dict(row)
        if entry['end']:
            entry['seconds'] = (
                dt.datetime.fromisoformat(entry['end'])
                - dt.datetime.fromisoformat(entry['start'])).total_seconds()
        return entry

    def first_fill(self):
        branch = self.new_branch()
        with Waiter(branch.store.file('branch')) as waiter:
            entry = self.obtain()
        return {
            'seconds': entry['seconds'],
            'rows': entry['rows'],
            'bytes': entry['bytes'],
            'peak_mb_branch': peak(branch.process),
            'peak_mb_central': peak(self.central.process),
            'longest_wait_seconds': waiter.longest,
            }

    def bare(self):
        "Return the seconds and rows of the bare copy"
        store = SQLite(self.directory)
        store.create('bare', TEMPLATES['selling'].file(store))
        uri = f'{self.cluster.uri}/{self.central.database}'
        command = [sys.executable, '-m', f'{PACKAGE}.benchmarks.bare']
        server = subprocess.Popen(
            [*command, 'serve', uri], stdout=subprocess.PIPE, text=True,
            env=self.central.environment)
        try:
            port = server.stdout.readline().strip()
            done = subprocess.run(
                [*command, 'fetch', port, store.file('bare')],
                env=self.central.environment, stdout=subprocess.PIPE,
                text=True, check=True)
        finally:
            server.kill()
            server.wait()
            store.drop('bare')
        return json.loads(done.stdout)

    def one_percent(self, seed):
        "Change a hundredth at the central, obtain, and return the log"
        self.central.run(volume.change, SHARE, seed)
        self.vacuum(self.central.database)
        return self.obtain()

    def linked(self):
        "Return how many rows the branch holds links of"
        with closing(sqlite3.connect(
                    self.branch.store.file('branch'))) as db:
            return db.execute(
                'SELECT COUNT(*) FROM offline_sales_link '
                'WHERE version IS NOT NULL').fetchone()[0]

    def by_orm(self):
        "Return the seconds that the ORM takes for a product and a customer"
        store = SQLite(self.directory)
        store.create('orm', TEMPLATES['selling'].file(store))
        server = Server(store, 'orm', self.directory)
        try:
            return server.run(volume.make_by_orm, SAMPLE, SAMPLE, TODAY)
        finally:
            store.drop('orm')

    def reset_while_selling(self):
        """Make everything anew and return the log, and by how many seconds a
        ticket that was sold meanwhile took longer than usual"""
        tickets = day.plan(self.central.facts['products'], 1000)
        with self.branch.proteus(
                CASHIER, PASSWORD, give=self.central.give_token) as config:
            usual = Seller(config, tickets[:5])
            usual.run()
            self._send(config)
            with Seller(config, tickets[5:]) as seller:
                entry = self.obtain('offline_sales.catalog.reset')
        return entry, max(seller.took) - statistics.median(usual.took)

    @staticmethod
    def _send(config):
        "Nothing is made anew as long as something is pending"
        Document = Model.get('offline_sales.document', config=config)
        while Document.find([('state', 'in', ['pending', 'sent'])]):
            Wizard('offline_sales.document.send', config=config)


class Seller(threading.Thread):
    """Sells one ticket after the other

    took: the seconds of each.
    """

    def __init__(self, config, tickets):
        super().__init__(daemon=True)
        self.config = config
        self.tickets = tickets
        self.took = []
        self._end = threading.Event()

    def run(self):
        # Printing asks for the configuration of the thread
        proteus_config._CONFIG.current = self.config
        for ticket in self.tickets:
            if self._end.is_set():
                break
            start = time.perf_counter()
            day.sell(self.config, ticket)
            self.took.append(time.perf_counter() - start)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, type, value, traceback):
        self._end.set()
        self.join()


def run(report, directory, size=100_000, runs=5):
    "Measure, and put the figures into the report"
    pair = Pair(directory, size)
    try:
        report.note(
            f"{size} products and customers: "
            f"{pair.central.rows} rows in a first fill")
        fills, bares = [], []
        for _ in range(runs):
            bares.append(pair.bare()[0])
            fills.append(pair.first_fill())
            report.note(
                f"bare {bares[-1]:.1f} s, {_show(fills[-1])}")
        first = _medians(fills)
        _report_first(report, first, statistics.median(bares), pair)
        unchanged = [pair.obtain() for _ in range(runs)]
        report.put('unchanged.rows', pair.linked())
        for name in ['seconds', 'bytes']:
            report.put(f'unchanged.{name}', statistics.median(
                    entry[name] for entry in unchanged))
        changed = []
        for i in range(runs):
            changed.append(pair.one_percent(volume.SEED + i))
            report.note(f"1 %: {_show(changed[-1])}")
        seconds = statistics.median(c['seconds'] for c in changed)
        report.put('one_percent.rows', changed[-1]['rows'])
        report.put('one_percent.seconds', seconds)
        report.put(
            'one_percent.ratio_to_first_fill', seconds / first['seconds'])
        entry, longest = pair.reset_while_selling()
        report.put('reset.seconds', entry['seconds'])
        report.put('reset.longest_sale_seconds', longest)
    finally:
        pair.close()
    return first


def _report_first(report, first, bare, pair):
    for name in ['rows', 'seconds', 'bytes']:
        report.put(f'first_fill.{name}', first[name])
    report.put('bare.seconds', bare)
    report.put('first_fill.ratio_to_bare', first['seconds'] / bare)
    orm = pair.size * sum(pair.by_orm())
    report.put('orm.seconds', orm)
    report.put('first_fill.speedup_over_orm', orm / first['seconds'])
    for name in [
            'peak_mb_branch', 'peak_mb_central', 'longest_wait_seconds']:
        report.put(f'first_fill.{name}', first[name])


def run_double(report, directory, first, size):
    "Measure the memory with twice as many products and customers"
    pair = Pair(directory, 2 * size)
    try:
        double = pair.first_fill()
        report.note(f"{2 * size} of each: {_show(double)}")
    finally:
        pair.close()
    report.put('double_fill.seconds', double['seconds'])
    for side in ['branch', 'central']:
        name = f'peak_mb_{side}'
        report.put(f'double_fill.{name}', double[name])
        report.put(f'double_fill.ratio_{name}', double[name] / first[name])


def _medians(fills):
    return {
        name: statistics.median(fill[name] for fill in fills)
        for name in fills[0]}


def _show(entry):
    return ', '.join(
        f"{name} {entry[name]:.1f}" for name in [
            'seconds', 'rows', 'bytes', 'longest_wait_seconds',
            'peak_mb_branch', 'peak_mb_central'] if name in entry)
