# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Whatever goes wrong, what was done at the branch is at the central once

Each seed is a few rounds of work at the branch and of sending it, in each of
which something goes wrong: processes are killed, the power is cut, the
internet cuts, stalls, repeats and reorders, databases come back from copies.
Then all is well again, and the central must be like one that was given the
same documents one by one.

As many new seeds as fit in OFFLINE_SALES_TEST_SECONDS are tried; make soak
tries OFFLINE_SALES_TEST_DOCUMENT_FAULTS faults. A red run tells its seed: add
it to FAILED, or set OFFLINE_SALES_TEST_SEED.
"""
import gc
import os
import random
import secrets
import shutil
import sqlite3
import sys
import threading
import time
from collections import Counter as Counted
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    client)
from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    durability, outbox)
from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    CentralError)

from .counter import Counter, balances, documents, figures, stock
from .fork import Fork, Killer
from .proxy import Cut, Duplicate, Hold, Proxy, Stall
from .shop import pair
from .test_cash import sessions
from .test_inbox import Inbox, storage
from .test_party import Clerk
from .test_prefactura import read as prefacturas
from .tools import Web

SECONDS = min(
    80, float(os.environ.get('OFFLINE_SALES_TEST_SECONDS', 40)))
FAULTS = int(os.environ.get('OFFLINE_SALES_TEST_DOCUMENT_FAULTS', 0))
SEED = os.environ.get('OFFLINE_SALES_TEST_SEED')
# Those of the past that did not end well
FAILED = [841329107, 3479559179]
ROUNDS = 3
# About how many statements of SQL each takes
STATEMENTS = {
    'ticket': 400, 'refund': 400, 'again': 600, 'customer': 300, 'edit': 300,
    'prefactura': 900, 'transfer': 150, 'cut': 200,
    'send': 150, 'central': 2500}


# What is done at the branch

class Work:
    "Drawn by the one who tests, done by a process that may be killed"

    def __init__(self, rng):
        self.rng = rng
        self.made = 0

    def draw(self):
        "Return some actions: the name of each and what it is about"
        names = ['ticket'] * 4 + [
            'refund', 'again', 'customer', 'edit', 'prefactura', 'transfer',
            'cut']
        actions = []
        for _ in range(self.rng.randint(1, 3)):
            self.made += 1
            actions.append([
                    self.rng.choice(names), self.made,
                    self.rng.randrange(100), self.rng.randint(1, 3)])
        return actions

    @staticmethod
    def do(shop, actions, note):
        worker = Worker(shop)
        for name, *values in actions:
            getattr(worker, name)(*values)
            # Who did it has been told so
            note([d['uuid'] for d in documents(shop.branch)])


class Worker:
    "The actions: number is theirs alone, at and size were drawn"

    def __init__(self, shop):
        self.counter = Counter(shop.branch)
        self.clerk = Clerk(shop)

    def _lines(self, at, size):
        counter = self.counter
        return [
            (code, 1.1 if counter.digits[code] else 1 + i)
            for i, code in enumerate(counter.codes(size, start=at))]

    def ticket(self, number, at, size):
        self.counter.sell(self._lines(at, size), [
                None,
                [('card', None)],
                [('card', '1.50'), ('cash', None)],
                ][at % 3])

    def refund(self, number, at, size):
        (code, quantity), *_ = self._lines(at, 1)
        self.counter.sell([(code, -quantity)])

    def again(self, number, at, size):
        "Opened once more before it is sent"
        sale = self.counter.sell(self._lines(at, size), [('card', None)])
        self.counter.button('sale.point.sale', 'open', sale)
        self.counter.process(sale)

    def customer(self, number, at, size):
        self.clerk.create(f"Cliente {number}")

    def edit(self, number, at, size):
        party, _ = self.clerk.known(at % 5)
        self.clerk.write(party, name=f"Cambiado {number}")

    def prefactura(self, number, at, size):
        self.counter.invoice(self._lines(at, size))

    def transfer(self, number, at, size):
        self.counter.transfer("Fondo de caja", at)

    def cut(self, number, at, size):
        self._end()
        # Without a session there is nothing to count
        with suppress(ValueError):
            self.counter.cut()

    def _end(self):
        "Do what was paid, as a whole or in part, when the process ended"
        def begun(model, payments, states):
            return lambda: [
                s.id for s in self.counter.get(model).search([
                        (payments, '!=', None), ('state', 'in', states)])]

        def is_paid(sale):
            return lambda: not self.counter.get('sale.point.sale')(
                sale).amount_to_pay
        for sale in self.counter.run(
                begun('sale.point.sale', 'payments', ['open'])):
            if not self.counter.run(is_paid(sale)):
                self.counter.pay(sale)
            self.counter.process(sale)
        for sale in self.counter.run(begun(
                    'sale.sale', 'counter_payments', ['quotation'])):
            self.counter.confirm(sale)


# What goes wrong

class Disk:
    """What a power cut leaves of a database of SQLite

    What was forced to the disk, and nothing else.
    """

    def __init__(self, database, path):
        self.database = database
        self.path = path
        self.count = 0
        # Of one whose power was not cut
        shutil.rmtree(path, ignore_errors=True)
        self.keep()

    def install(self):
        "In the process whose power will be cut"
        force, take = durability.force, client.Request.take.__func__

        def forced(path):
            force(path)
            self.keep()

        def taken(cls, answered=None):
            # With synchronous=FULL
            result = take(cls, answered)
            self.keep()
            return result
        durability.force = forced
        client.Request.take = classmethod(taken)

    def keep(self):
        self.count += 1
        place = self.path / f'{self.count}-new'
        place.mkdir(parents=True)
        for suffix in ['', '-wal']:
            file = self.database.file
            with suppress(FileNotFoundError):
                shutil.copyfile(
                    file.with_name(file.name + suffix),
                    place / f'disk.sqlite{suffix}')
        place.rename(self.path / f'{self.count}')
        shutil.rmtree(
            self.path / f'{self.count - 1}', ignore_errors=True)

    def cut(self):
        "Leave what there is after the power comes back"
        kept, = [p for p in self.path.iterdir() if p.name.isdecimal()]
        file = kept / 'disk.sqlite'
        with closing(sqlite3.connect(file)) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        self.database.restore(file)
        shutil.rmtree(self.path)


class Trial:
    "A shop where things go wrong, by a seed"

    def __init__(self, shop, seed, directory):
        self.shop = shop
        self.seed = seed
        self.rng = random.Random(seed)
        self.directory = directory
        self.work = Work(self.rng)
        self.happened = []
        # What was shown as done at the branch and must be there
        self.shown = set()
        self.copies = {}

    def __str__(self):
        return f"seed {self.seed}, {self.happened}"

    def run(self):
        with Proxy(self.shop.web.port) as self.proxy:
            self._move(self.proxy.url)
            for i in range(ROUNDS):
                if i == self.rng.randrange(ROUNDS):
                    self._copy()
                self._work()
                fault = self.rng.choice(Trial.FAULTS)
                self.happened.append(fault)
                getattr(self, fault)()
                self.proxy.clear()
                self._check_shown()
            self._settle()
        self._check()

    def _move(self, url):
        "Let the branch call the central at the address"
        def move():
            Configuration = self.shop.branch.get(
                'offline_sales.configuration')
            configuration = Configuration(1)
            configuration.url = url
            configuration.save()
        self.shop.branch.run(move, user=0)

    def _copy(self):
        self._rest()
        for database in [self.shop.central, self.shop.branch]:
            self.copies[database.name] = database.save(
                self.directory / f'copy-{database.name}')

    def _k(self, *names):
        "Draw at which statement somebody is killed"
        return self.rng.randint(1, sum(STATEMENTS[n] for n in names))

    def _work(self):
        "Work at the branch, which may be killed or lose its power"
        actions = self.work.draw()
        harm = self.rng.choice([None, 'kill', 'power'])
        killer = Killer(self._k(*[a[0] for a in actions]) if harm else None)
        self.happened.append([actions, harm, killer.k])
        disk = self._disk(self.shop.branch) if harm == 'power' else None

        def work(note):
            killer.install()
            if disk:
                disk.install()
            Work.do(self.shop, actions, note)
        fork = self._fork(work)
        for uuids in fork.notes():
            self.shown.update(uuids)
        assert not fork.error, f"{self}\n{fork.error}"
        if disk and fork.killed:
            disk.cut()
        self._check_shown()

    def _fork(self, function):
        self._rest()
        return Fork(function)

    @staticmethod
    def _rest():
        """Wait until no database is open here: what was answered too late is
        still worked at, and SQLite does not bear forks meanwhile"""
        deadline = time.monotonic() + 60
        while opened := _get_opened():
            assert time.monotonic() < deadline, opened
            gc.collect()
            time.sleep(.02)

    def _disk(self, database):
        self._rest()
        return Disk(database, self.directory / f'disk-{database.name}')

    def _check_shown(self):
        there = {d['uuid'] for d in documents(self.shop.branch)}
        assert self.shown <= there, str(self)
        self.shown = there

    # Sending

    def _send(self, wait=0):
        "Send, and return the error if there was one"
        Document = self.shop.branch.get('offline_sales.document')
        try:
            self.shop.branch.run(lambda: Document.send(wait), user=0)
        except CentralError as error:
            return error

    def _fork_send(self, *installed, ready=None):
        "Send in a process"
        def send(note):
            for what in installed:
                what.install()
            if ready:
                ready.wait()
            self._send()
        return self._fork(send)

    def _end(self, *forks):
        for fork in forks:
            fork.wait()
            assert not fork.error, f"{self}\n{fork.error}"

    @contextmanager
    def _central(self, *installed):
        "Let the central be a process that may be killed"
        web = self.shop.web

        def serve(note):
            for what in installed:
                what.install()
            server = Web()
            server.port = web.port
            server.start()
            note('up')
            threading.Event().wait()
        with web.down():
            fork = self._fork(serve)
            notes = fork.notes()
            assert next(notes) == 'up', f"{self}\n{fork.error}"
            yield fork
            fork.kill()
            for _ in notes:
                pass

    @contextmanager
    def _hasty(self, timeout=60):
        "Nobody waits between the attempts, nor longer for an answer"
        kept = client.READ_TIMEOUT, outbox.Client._sleep
        client.READ_TIMEOUT = timeout
        outbox.Client._sleep = staticmethod(lambda seconds: None)
        try:
            yield
        finally:
            client.READ_TIMEOUT = kept[0]
            outbox.Client._sleep = staticmethod(kept[1])

    def _plan(self, fault, procedure=None, times=None):
        for _ in range(times or self.rng.randint(1, 3)):
            self.proxy.plan(
                fault, procedure or self.rng.choice([
                        'documents', 'documents', 'status', 'heartbeat']))

    # The faults

    def nothing(self):
        self._send(wait=20)

    def branch_killed(self):
        self._end(self._fork_send(Killer(self._k('send'))))

    def branch_killed_at_byte(self):
        forks = []
        ready = threading.Event()

        def kill():
            ready.wait(60)
            with suppress(ProcessLookupError):
                forks[0].kill()
        name = self.rng.choice(['answer', 'request'])
        self._plan(Cut(**{name: self.rng.randrange(3000)}, then=kill),
            times=1)
        forks.append(self._fork_send())
        ready.set()
        self._end(*forks)

    def branch_loses_power(self):
        disk = self._disk(self.shop.branch)
        self._end(self._fork_send(Killer(self._k('send')), disk))
        disk.cut()

    def central_killed(self):
        with self._hasty(), self._central(Killer(self._k('central'))):
            self._send(wait=2)

    def central_killed_at_byte(self):
        "As soon as the answer begins: what it did is committed"
        with self._hasty(), self._central() as central:
            self._plan(Cut(
                    answer=self.rng.randrange(2000), then=central.kill),
                times=1)
            self._send()
            self.proxy.clear()

    def central_loses_power(self):
        disk = self._disk(self.shop.central)
        with self._hasty(), self._central(
                Killer(self._k('central')), disk):
            self._send(wait=2)
        disk.cut()

    def cut(self):
        name = self.rng.choice(['answer', 'request'])
        self._plan(Cut(**{name: self.rng.randrange(3000)}))
        with self._hasty():
            self._send()

    def stalled(self):
        self._plan(Stall(answer=self.rng.randrange(1500)))
        with self._hasty(1):
            self._send()

    def answer_lost(self):
        "Whatever the central did, nobody was told"
        self._plan(Cut(answer=0), 'documents', times=3)
        with self._hasty():
            self._send()

    def duplicated(self):
        self._plan(Duplicate())
        self._send()

    def reordered(self):
        "The requests arrive after others that were sent later"
        self._plan(Hold(), 'documents')
        with self._hasty():
            self._send()
        self._work()
        self._send()
        self.proxy.deliver()

    def two_send(self):
        barrier = Barrier()
        forks = [self._fork_send(ready=barrier) for _ in range(2)]
        barrier.open()
        self._end(*forks)

    def two_process(self):
        "Two workers for one inbox, one of which may be killed"
        self._hand_over()
        barrier = Barrier()
        killers = [
            Killer(self._k('central') if self.rng.random() < .5 else None),
            Killer()]

        def process(killer):
            def process(note):
                killer.install()
                barrier.wait()
                Inbox(self.shop).process()
            return self._fork(process)
        forks = [process(killer) for killer in killers]
        barrier.open()
        self._end(*forks)

    def _hand_over(self):
        "Have the central receive, and nobody process"
        inbox = Inbox(self.shop)
        inbox.receive(inbox.entries(('state', '=', 'pending')))

    def branch_restored(self):
        "From a copy, after which it has to be paired anew"
        if 'branch' not in self.copies:
            return
        # Of what is not sent nothing is left but on paper
        self._send(wait=20)
        self._rest()
        self.shop.branch.restore(self.copies.pop('branch'))
        assert self._send(), f"not refused: {self}"
        pair(self.shop.central, self.shop.branch, self.shop.web.url)
        self._move(self.proxy.url)
        self.shop.open_usage()
        self.copies.clear()
        self.shown = set()

    def central_restored(self):
        if 'central' not in self.copies:
            return
        self._rest()
        self.shop.central.restore(self.copies.pop('central'))

    FAULTS = [
        'nothing', 'branch_killed', 'branch_killed', 'branch_killed_at_byte',
        'branch_loses_power', 'central_killed', 'central_killed',
        'central_killed', 'central_killed_at_byte', 'central_loses_power',
        'cut', 'stalled', 'answer_lost', 'duplicated', 'reordered',
        'two_send', 'two_process', 'branch_restored', 'central_restored']

    # What must hold

    def _settle(self):
        self.proxy.clear()
        self.proxy.deliver()
        for _ in range(20):
            self._rest()
            error = self._send(wait=20)
            assert not error, f"{self}\n{error}"
            states = {d['state'] for d in documents(self.shop.branch)}
            if not states & {'pending', 'sent'}:
                return
        raise AssertionError(f"{self}\nnot settled: {states}")

    def _check(self):
        ours = documents(self.shop.branch, ('state', '!=', 'withdrawn'))
        theirs = documents(self.shop.central)
        assert {d['state'] for d in ours} <= {'accepted'}, (
            f"{self}\n{[(d['state'], d['text']) for d in ours]}")
        assert {d['state'] for d in theirs} <= {'processed'}, (
            f"{self}\n{[(d['state'], d['text']) for d in theirs]}")
        by_uuid = {d['uuid']: d['payload'] for d in theirs}
        assert len(by_uuid) == len(theirs)
        for document in ours:
            assert by_uuid[document['uuid']] == document['payload'], str(self)
        self._check_totals(theirs)
        found = self._outcome()
        assert found == self._expected(theirs), str(self)

    def _check_totals(self, theirs):
        "What was made adds up to what the documents say"
        tickets = figures(
            self.shop.central, Inbox(self.shop).offline).values()
        said = [d for d in theirs if d['kind'] == 'ticket']
        assert len(tickets) == len(said), str(self)
        for name in ['total', 'tax']:
            assert sum(t[name] for t in tickets) == sum(
                d[name] for d in said), str(self)

    def _outcome(self):
        "Return what the central has"
        central = self.shop.central
        counter = Counter(central, kind='offline')

        def count():
            parties = central.get('party.party').search([])
            return {
                **{
                    name: central.get(name).search([], count=True)
                    for name in [
                        'party.address', 'party.contact_mechanism',
                        'stock.move', 'account.move', 'account.invoice',
                        'sale.point.payment']},
                'parties': sorted((p.code, p.name) for p in parties),
                }
        return {
            **central.run(count, context={'company': counter.company}),
            'tickets': {
                number: {**values, 'lines': sorted(values['lines'])}
                for number, values in figures(
                    central, Inbox(self.shop).offline).items()},
            'prefacturas': prefacturas(central, ('number', 'like', 'ESP-P-%')),
            'sessions': sessions(counter),
            'balances': balances(central, counter.company),
            'stock': stock(central, storage(counter)),
            }

    def _expected(self, theirs):
        "Return what a central has that was given them one by one"
        self.shop = type(self.shop)(self.shop.web, self.directory)
        inbox = Inbox(self.shop)
        for document in theirs:
            inbox.receive([{
                        name: document[name]
                        for name in ['uuid', 'kind', 'sha256', 'payload']}])
        inbox.process()
        assert set(inbox.states()) <= {'processed'}, str(self)
        return self._outcome()


def _get_opened():
    "Return the files of databases that this process has open"
    found = []
    for link in Path('/proc/self/fd').iterdir():
        with suppress(OSError):
            found.append(os.readlink(link))
    return [f for f in found if '.sqlite' in f]


class Barrier:
    "Lets processes begin together"

    def __init__(self):
        self._read, self._write = os.pipe()

    def wait(self):
        "In a process"
        os.close(self._write)
        os.read(self._read, 1)

    def open(self):
        os.close(self._write)
        os.close(self._read)


@pytest.mark.timeout(0)
def test_once_whatever_goes_wrong(shop, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, 'POLL', .05)
    end = time.monotonic() + SECONDS
    waiting = [int(SEED)] if SEED else list(FAILED)
    counts = Counted()
    while waiting or not SEED and (
            sum(counts.values()) < FAULTS if FAULTS
            else time.monotonic() < end):
        seed = waiting.pop() if waiting else secrets.randbelow(2 ** 32)
        directory = tmp_path / str(seed)
        directory.mkdir()
        trial = Trial(shop, seed, directory)
        try:
            trial.run()
        except Exception as error:
            raise AssertionError(str(trial)) from error
        counts.update(h for h in trial.happened if isinstance(h, str))
        shutil.rmtree(directory)
        # As it was
        shop = type(shop)(shop.web, tmp_path)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{sum(counts.values())} faults harmed no document: "
            + ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
            + "\n")
