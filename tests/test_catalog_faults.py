# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A refresh that is interrupted, anywhere, harms nobody

The branch sells on with the former catalogs, a plain new refresh completes,
and nothing is left behind. What is drawn tells its seed: set it again with
OFFLINE_SALES_TEST_SEED; make soak draws OFFLINE_SALES_TEST_FAULTS of each.
"""
import ctypes
import gzip
import os
import queue
import random
import secrets
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from trytond import config

from trytond.modules.offline_sales.offline_sales.catalog import (  # isort: skip
    apply, refresh, staging)
from trytond.modules.offline_sales.offline_sales.client import (  # isort: skip
    Client)
from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    CentralError)

from .counter import Counter
from .edits import Edits
from .fork import Fork, Killer
from .proxy import Answer, Cut, Proxy, Stall
from .comparison import faults, fingerprint
from .store import SQLite

SEED = int(
    os.environ.get('OFFLINE_SALES_TEST_SEED', secrets.randbelow(2 ** 32)))
FAULTS = int(os.environ.get('OFFLINE_SALES_TEST_FAULTS', 4))
EDITS = 20


def obtain(database, **kwargs):
    with database.transaction():
        database.get('offline_sales.update').obtain(**kwargs)


class Case:
    "A shop where something goes wrong again and again"

    def __init__(self, shop):
        self.shop = shop
        self.rng = random.Random(SEED)
        self.edits = Edits(shop.central, SEED)
        self.path = Path(config.get('database', 'path'))

    def change(self):
        "Let something be there to obtain, and note what is held"
        self.edits.make(EDITS)
        self.before = fingerprint(self.shop.branch)

    def sell(self):
        counter = Counter(self.shop.branch)
        return counter.sell([(counter.codes(1)[0], 1)])

    def check(self, applied=False):
        """Check what is there after the fault, and after a plain refresh

        applied: whether it may have come after all was done.
        """
        why = f"seed {SEED}, edits {self.edits.made[-EDITS:]}"
        with closing(sqlite3.connect(self.shop.branch.file)) as connection:
            assert connection.execute(
                'PRAGMA integrity_check').fetchone() == ('ok',), why
        now = fingerprint(self.shop.branch)
        self.sell()
        obtain(self.shop.branch)
        if now != self.before:
            assert applied and self.rows() == 0, why
        found = faults(self.shop)
        assert not found, '\n'.join([why, *found[:20]])
        assert not list(self.path.glob(f'*{staging.SUFFIX}*')), why
        with self.shop.branch.transaction():
            assert not self.shop.branch.get('offline_sales.update').search(
                [('state', '=', 'running')]), why

    def rows(self):
        with self.shop.branch.transaction():
            Update = self.shop.branch.get('offline_sales.update')
            return Update.last_success().rows


@pytest.fixture
def case(shop, capsys):
    with capsys.disabled():
        os.write(1, f"\nseed {SEED} ".encode())
    return Case(shop)


# Killed

class StagingKiller(Killer):
    "applying: the first statement of the apply"

    applying = None

    def install(self):
        super().install()
        init, killer = staging.Staging.__init__, self

        def initialize(self, *args):
            init(self, *args)
            self.connection.set_trace_callback(killer.see)
        staging.Staging.__init__ = initialize

    def see(self, statement):
        if statement.startswith('ATTACH') and self.applying is None:
            self.applying = self.count + 1
        super().see(statement)


def refresh_in_a_process(shop, k=None):
    "Return the Fork that refreshes, and notes the statements at the end"
    def work(note):
        killer = StagingKiller(k)
        killer.install()
        obtain(shop.branch)
        note([killer.count, killer.applying])
    return Fork(work)


@pytest.mark.timeout(0)
def test_killed_at_any_statement(case):
    "Half of them while the rows are applied"
    case.change()
    fork = refresh_in_a_process(case.shop)
    count, applying = fork.wait()
    assert not fork.error and not fork.killed
    case.before = fingerprint(case.shop.branch)
    case.check()
    killed = 0
    for i in range(FAULTS):
        case.change()
        k = case.rng.randint(
            *([1, applying] if i % 2 else [applying, count]))
        fork = refresh_in_a_process(case.shop, k)
        fork.wait()
        assert not fork.error, fork.error
        killed += fork.killed
        case.check(applied=True)
    assert killed > FAULTS / 2


@contextmanager
def internet(shop):
    "Put a proxy between the branch and the central"
    def move(url):
        Configuration = shop.branch.get('offline_sales.configuration')
        configuration = Configuration(1)
        configuration.url = url
        configuration.save()
    with Proxy(shop.web.port) as proxy:
        shop.branch.run(move, proxy.url, user=0)
        yield proxy
        shop.branch.run(move, shop.web.url, user=0)


@pytest.mark.timeout(0)
def test_killed_at_any_byte(case):
    case.change()
    with internet(case.shop) as proxy:
        for _ in range(FAULTS):
            forks = queue.Queue()
            proxy.plan(Cut(
                    answer=case.rng.randrange(200, 4000),
                    then=lambda forks=forks: forks.get().kill()),
                case.rng.choice(['digest', 'rows']))
            fork = refresh_in_a_process(case.shop)
            forks.put(fork)
            fork.wait()
            proxy.clear()
            case.check(applied=True)
            case.change()


# Cut

@pytest.fixture
def hasty(monkeypatch):
    "No wait between the attempts, and little for an answer"
    monkeypatch.setattr(Client, '_sleep', staticmethod(lambda seconds: None))
    monkeypatch.setattr(
        'trytond.modules.offline_sales.offline_sales.client.READ_TIMEOUT', 1)


def fail(shop):
    with pytest.raises(CentralError) as error:
        obtain(shop.branch)
    return error.value


@pytest.mark.timeout(0)
def test_answer_cut_at_any_byte(case, hasty):
    "Whichever, it is told in words; what is begun again may succeed"
    with internet(case.shop) as proxy:
        for i in range(FAULTS):
            case.change()
            procedure = ['rows', 'digest', 'rows', 'stock'][i % 4]
            Fault = Stall if i % 3 == 2 else Cut
            # As often as it is tried
            size = case.rng.randrange(200, 1500)
            for _ in range(3):
                proxy.plan(Fault(answer=size), procedure)
            try:
                obtain(case.shop.branch)
            except CentralError as error:
                assert error.message and 'Traceback' not in error.message
            proxy.clear()
            case.check(applied=True)
        assert proxy.done


def page(data, kind='application/json'):
    "Return the bytes of an answer that is a gzip bomb"
    body = gzip.compress(data, 1)
    return (
        f'HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n'
        f'Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n'
        ).encode() + body


@pytest.mark.parametrize('procedure', ['digest', 'rows'])
def test_answer_too_large(case, hasty, monkeypatch, procedure):
    # Of the stream nobody waits for 4 GB
    monkeypatch.setattr(Client.stream.__wrapped__, '__defaults__', (
            None, None, 3, 10 ** 6))
    case.change()
    bomb = page(
        b'[' + b' ' * 70 * 1024 ** 2, 'application/json'
        if procedure == 'digest' else 'application/x-ndjson')
    with internet(case.shop) as proxy:
        for _ in range(3):
            proxy.plan(Answer(bomb), procedure)
        error = fail(case.shop)
    assert type(error).__name__ == 'AnswerTooLarge'
    assert fingerprint(case.shop.branch) == case.before
    case.check()


# The disk is full

def mount(directory, size, remount=False):
    "Mount a file system in memory, and return what went wrong"
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 32 if remount else 0
    if libc.mount(b'tmpfs', str(directory).encode(), b'tmpfs', flags,
            f'size={size}'.encode()):
        return os.strerror(ctypes.get_errno())


class Disk:
    "A small one, which a process may fill"

    SIZE = 200 * 1024 ** 2

    def __init__(self, path):
        self.path = path

    def mount(self):
        return mount(self.path, self.SIZE)

    def fill(self, room):
        "Leave room for so many bytes"
        used = sum(f.stat().st_blocks * 512 for f in self.path.iterdir())
        assert not mount(self.path, used + room, remount=True)

    def empty(self):
        assert not mount(self.path, self.SIZE, remount=True)

    def run(self, function, *args):
        "Run the function in a process whose branch is on the disk"
        def work(note):
            config.set('database', 'path', str(self.path))
            note(function(*args))
        fork = Fork(work)
        result = fork.wait()
        assert not fork.error, fork.error
        return result


@pytest.fixture
def small_disk(shop, tmp_path):
    "A disk with the branch's database"
    if os.getuid():
        pytest.skip("to mount a small file system one must be root")
    disk = Disk(tmp_path / 'disk')
    disk.path.mkdir()
    if error := disk.mount():
        pytest.skip(f"no small file system can be mounted here: {error}")
    shop.branch.save(disk.path / 'branch.sqlite')
    yield disk
    ctypes.CDLL(None).umount2(str(disk.path).encode(), 2)


def update_on(disk, shop, room=None):
    """Obtain everything with room for so many bytes, and return what it ended
    with, and whether something was applied before"""
    attempt, applied = refresh.Refresh._attempt, []

    def note(self, staging):
        deleted = attempt(self, staging)
        applied.append(True)
        return deleted
    refresh.Refresh._attempt = note
    try:
        with shop.branch.transaction():
            if room is not None:
                disk.fill(room)
            shop.branch.get('offline_sales.update').obtain(full=True)
    except Exception as error:
        return [type(error).__name__, str(error), bool(applied)]


def look(case):
    "Sell, and return what is held and what the log says at last"
    held = fingerprint(case.shop.branch)
    case.sell()
    with case.shop.branch.transaction():
        Update = case.shop.branch.get('offline_sales.update')
        Update.close_interrupted()
    with case.shop.branch.transaction():
        last, = Update.search([], order=[('id', 'DESC')], limit=1)
        return [held, last.id, last.state]


def test_disk_full(case, small_disk, tmp_path):
    "First it is so full that not even the beginning can be noted"
    case.change()
    disk, failed = small_disk, []
    before, former, _ = disk.run(look, case)
    for most in [1, 800_000, 2_000_000, 4_000_000]:
        room = case.rng.randrange(min(most - 1, 100_000), most)
        error = disk.run(update_on, disk, case.shop, room)
        left = [f.name for f in disk.path.glob(f'*{staging.SUFFIX}*')]
        assert not left, left
        disk.empty()
        held, last, state = disk.run(look, case)
        if error:
            name, text, applied = error
            assert name == 'DiskFull' and "The disk of this" in text, error
            assert held == before or applied, error
            assert state == 'failed' or last == former, error
            failed.append(last == former)
        else:
            assert state == 'done' and last > former
        before, former = held, last
    assert failed[0] and not all(failed)
    assert disk.run(update_on, disk, case.shop) is None
    assert disk.run(look, case)[2] == 'done'
    SQLite(disk.path).save('branch', kept := tmp_path / 'kept')
    case.shop.branch.restore(kept)
    assert not faults(case.shop)


@pytest.mark.parametrize('name', ['_forget_failure', '_tell', '_end'])
def test_what_follows_fails(shop, monkeypatch, name):
    "The update is as it is, whatever happens to the notes of it"
    Update = shop.branch.get('offline_sales.update')
    asked = []

    def fail(*args):
        asked.append(args)
        raise sqlite3.OperationalError("unable to open database file")
    monkeypatch.setattr(Update, name, fail)
    if name == '_end':
        with shop.offline(), pytest.raises(CentralError):
            obtain(shop.branch)
    else:
        obtain(shop.branch)
        with shop.branch.transaction():
            assert Update.search([], limit=1)[0].state == 'done'
    assert asked


# While it is applied

def test_sale_waits_while_it_is_applied(case):
    case.change()

    def work(note):
        run = apply.Apply.run

        def slow(self):
            deleted = run(self)
            note('applied')
            time.sleep(2)
            note('committing')
            return deleted
        apply.Apply.run = slow
        obtain(case.shop.branch)
        note('done')
    fork = Fork(work)
    notes = fork.notes()
    assert next(notes) == 'applied'
    ticket = case.sell()
    assert list(notes) == ['committing', 'done'] and not fork.error
    with case.shop.branch.transaction():
        assert case.shop.branch.get(
            'sale.point.sale')(ticket).state == 'done'
    case.check(applied=True)


def test_more_is_written_than_fits_the_cache(case, monkeypatch):
    "SQLite then locks the staging for all other connections"
    monkeypatch.setattr(refresh, 'CACHE', 1)
    case.change()
    obtain(case.shop.branch, full=True)
    assert case.rows() > 100
    case.check(applied=True)
