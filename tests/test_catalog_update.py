# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The log of the updates, those by schedule, in the background and of all"
import datetime as dt
import threading

import pytest

from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)
from trytond.modules.offline_sales.offline_sales.catalog import (  # isort: skip
    refresh, schedule, serve)
from trytond.modules.offline_sales.offline_sales.catalog.shared import (  # isort: skip
    Scans)
from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    CentralError, DiskFull, ResetRefused, UpdateRunning)

from .counter import Counter, documents
from .usage import Cashier

LINE = 'account.invoice.payment_term.line.delta'


def rename(database, name="Nombre nuevo"):
    with database.transaction():
        Party = database.get('party.party')
        party = Party.search([], order=[('id', 'ASC')], limit=1)[0]
        party.name = name
        party.save()


def names(database):
    with database.transaction():
        return {p.name for p in database.get('party.party').search([])}


def log(database):
    with database.transaction():
        return [
            {name: getattr(u, name) for name in [
                    'kind', 'state', 'rows', 'deleted', 'bytes', 'models',
                    'message', 'number', 'told', 'start', 'end']}
            for u in database.get('offline_sales.update').search(
                [], order=[('id', 'ASC')])]


def obtain(shop, user=1, **kwargs):
    with shop.branch.transaction(user=user):
        return shop.branch.get('offline_sales.update').obtain(**kwargs)


# The log

def test_log_of_both_sides(shop):
    rename(shop.central)
    obtain(shop, user=Counter(shop.branch).user)
    first, second = log(shop.branch)
    assert (first['kind'], second['kind']) == ('full', 'delta')
    assert second['models'] == "party.party: 1" and second['rows'] == 1
    assert 500 < second['bytes'] < first['bytes'] < 500_000
    assert second['told']
    with shop.central.transaction():
        updates = shop.central.get('offline_sales.update').search(
            [], order=[('number', 'ASC')])
        assert {u.branch.code for u in updates} == {'ESP'}
        # Who is not known there is nobody
        assert [u.user.login if u.user else None for u in updates] == [
            None, 'esp.lupita']
    theirs = log(shop.central)
    for mine, other in zip([first, second], theirs, strict=True):
        for name in ['kind', 'state', 'rows', 'bytes', 'models', 'start']:
            assert mine[name] == other[name]


def test_failed_update_is_told_with_the_next(shop):
    with shop.offline(), pytest.raises(CentralError):
        obtain(shop)
    failed = log(shop.branch)[-1]
    assert failed['state'] == 'failed' and failed['message']
    assert failed['end'] and not failed['told']
    obtain(shop)
    assert [u['state'] for u in log(shop.central)].count('failed') == 1
    assert all(u['told'] for u in log(shop.branch))


def test_update_told_twice_is_kept_once(shop):
    with shop.branch.transaction():
        Update = shop.branch.get('offline_sales.update')
        Update.write(Update.search([]), {'told': False})
    obtain(shop)
    assert len(log(shop.central)) == 2


def test_hostile_log_is_refused(shop):
    for updates in [None, [None], [{'number': 1}], [{}] * 1000]:
        with shop.branch.transaction(), pytest.raises(CentralError):
            from trytond.modules.offline_sales.offline_sales.client import (
                Client)
            with Client.from_configuration() as client:
                client.call('updates', {'updates': updates}, attempts=1)
    assert len(log(shop.central)) == 1


def test_update_left_by_a_crash_is_closed(shop):
    with shop.branch.transaction():
        Update = shop.branch.get('offline_sales.update')
        Update.create([{'kind': 'delta', 'start': dt.datetime.now()}])
    obtain(shop)
    _, left, last = log(shop.branch)
    assert left['state'] == 'failed' and left['end'] and left['message']
    assert last['state'] == 'done'


def test_error_of_the_disk_is_told_in_words(shop, monkeypatch):
    def fail(self, staging):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(refresh.Refresh, '_apply', fail)
    rename(shop.central)
    with pytest.raises(DiskFull):
        obtain(shop)
    assert 'disk' in log(shop.branch)[-1]['message']
    monkeypatch.undo()
    obtain(shop)
    assert "Nombre nuevo" in names(shop.branch)


def test_one_update_at_a_time(shop, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    run = refresh.Refresh.run

    def slow(self):
        begun.set()
        assert go_on.wait(60)
        return run(self)
    monkeypatch.setattr(refresh.Refresh, 'run', slow)
    thread = threading.Thread(target=obtain, args=(shop,))
    thread.start()
    try:
        assert begun.wait(60)
        with pytest.raises(UpdateRunning):
            obtain(shop)
    finally:
        go_on.set()
        thread.join()
    assert [u['state'] for u in log(shop.branch)] == ['done', 'done']


# By schedule

@pytest.fixture
def clock(shop, monkeypatch):
    "Moves the time of the schedule"
    class Clock:
        now = wire.utcnow()
        slept = []

        @classmethod
        def sleep(cls, seconds):
            cls.slept.append(seconds)
            cls.now += dt.timedelta(seconds=seconds)

        @classmethod
        def run(cls):
            cls.slept.clear()
            before = len(log(shop.branch))
            with shop.branch.transaction(user=0):
                Cron = shop.branch.get('ir.cron')
                cron, = Cron.search([
                        ('method', '=',
                            'offline_sales.update|obtain_by_schedule')])
                cron.run_once()
            return len(log(shop.branch)) - before
    with shop.branch.transaction():
        Update = shop.branch.get('offline_sales.update')
    monkeypatch.setattr(Update, '_sleep', staticmethod(Clock.sleep))
    monkeypatch.setattr(
        'trytond.modules.offline_sales.offline_sales.catalog.update.'
        'wire.utcnow', lambda: Clock.now)
    monkeypatch.setattr(Update, '_now', staticmethod(lambda: Clock.now))
    return Clock


def night(shop, day):
    with shop.branch.transaction():
        Configuration = shop.branch.get('offline_sales.configuration')
        zone = Configuration.get_branch().get_zone()
        configuration = Configuration(1)
        assert configuration.obtain_time == dt.time(23, 5)
        return schedule.occurrence(
            day, configuration.obtain_time, zone,
            schedule.jitter(configuration.uuid)).replace(tzinfo=None)


def test_schedule_obtains_each_night_once(shop, clock):
    planned = night(shop, clock.now.date() + dt.timedelta(days=2))
    clock.now = planned - dt.timedelta(days=1)
    clock.run()
    clock.now = planned - dt.timedelta(minutes=2)
    assert clock.run() == 0
    clock.now = planned - dt.timedelta(seconds=30)
    assert clock.run() == 1
    assert clock.slept == [pytest.approx(30)]
    for _ in range(3):
        clock.now += dt.timedelta(minutes=1)
        assert clock.run() == 0
    assert log(shop.branch)[-1]['state'] == 'done'


def test_schedule_sends_first(shop, clock):
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    clock.now += dt.timedelta(days=3)
    assert clock.run() == 1
    assert {d['state'] for d in documents(shop.branch)} <= {
        'sent', 'accepted'}


def test_schedule_tries_again_an_hour_after_a_failure(shop, clock):
    clock.now += dt.timedelta(days=3)
    with shop.offline(), pytest.raises(CentralError):
        clock.run()
    clock.now += dt.timedelta(minutes=30)
    assert clock.run() == 0
    clock.now += dt.timedelta(minutes=31)
    assert clock.run() == 1
    assert log(shop.branch)[-1]['state'] == 'done'


def notices(shop, login='esp.lupita'):
    "Return what a cashier reads, who logs in now"
    cashier = Cashier(shop.web.url, shop.branch.name, login).login()
    return [
        n for n in cashier.call('model.res.notification.get', 10)
        if n['unread']]


def test_failed_night_is_read_by_who_logs_in_next(shop, clock):
    clock.now += dt.timedelta(days=3)
    assert not notices(shop)
    for _ in range(2):
        with shop.offline(), pytest.raises(CentralError):
            clock.run()
        clock.now += dt.timedelta(minutes=61)
    for login in ['esp.lupita', 'esp.martin']:
        notice, = notices(shop, login)
        failed = log(shop.branch)[-1]
        assert notice['label'].startswith("Los catálogos no se actualizaron")
        assert notice['description'] == failed['message']
        assert "El servidor" in notice['description']
        cashier = Cashier(shop.web.url, shop.branch.name, login).login()
        record, = cashier.call(
            f"model.{notice['model']}.read", notice['records'], ['state'])
        assert record['state'] == 'failed'
    # The administrator of the branch reads it too
    with shop.branch.transaction(user=1):
        assert len(shop.branch.get('res.notification').get()) == 1
    assert clock.run() == 1
    assert not notices(shop)


def test_schedule_does_nothing_at_the_central(shop):
    with shop.central.transaction(user=0):
        shop.central.get('offline_sales.update').obtain_by_schedule()
    assert len(log(shop.central)) == 1


# In the background

def click(shop, wizard='offline_sales.catalog.obtain', wait=60, looks=60):
    "Obtain as the client does, and yield what the user sees each time"
    Wizard = shop.branch.get(wizard, type='wizard')
    kept, Wizard.WAIT = Wizard.WAIT, wait
    try:
        session, _, _ = shop.branch.run(Wizard.create)
        answer = shop.branch.run(Wizard.execute, session, {}, 'obtain')
        yield answer['view']['defaults']
        for _ in range(looks):
            if answer['view']['defaults']['state'] != 'running':
                break
            answer = shop.branch.run(Wizard.execute, session, {}, 'look')
            yield answer['view']['defaults']
    finally:
        Wizard.WAIT = kept


def test_button_shows_what_was_received(shop):
    rename(shop.central)
    seen, = click(shop)
    assert (seen['state'], seen['rows'], seen['deleted']) == ('done', 1, 0)


def test_button_does_not_make_the_user_wait(shop, monkeypatch):
    go_on = threading.Event()
    receive = refresh.Refresh._receive

    def slow(self, staging, asked):
        assert go_on.wait(60)
        return receive(self, staging, asked)
    monkeypatch.setattr(refresh.Refresh, '_receive', slow)
    rename(shop.central)
    view = click(shop, wait=.5)
    try:
        first = next(view)
        assert first['state'] == 'running'
        # Another client looks at the same
        other = click(shop, wait=.5)
        assert next(other)['update'] == first['update']
        # The shop sells meanwhile
        counter = Counter(shop.branch)
        counter.sell([(counter.codes(1)[0], 1)])
        seen = next(view)
        assert (seen['state'], seen['rows_total']) == ('running', 1)
    finally:
        go_on.set()
    *_, last = view
    assert (last['state'], last['rows']) == ('done', 1)
    assert list(other)[-1]['state'] == 'done'


def test_button_says_what_is_wrong(shop):
    with shop.offline(), pytest.raises(CentralError):
        list(click(shop))


def test_button_sends_first(shop):
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    list(click(shop))
    assert {d['state'] for d in documents(shop.branch)} <= {
        'sent', 'accepted'}


def test_what_cannot_be_sent_does_not_stop_the_catalogs(shop, monkeypatch):
    Document = shop.branch.get('offline_sales.document')

    def fail():
        raise ValueError("one of the documents")
    monkeypatch.setattr(Document, 'capture_missed', fail)
    rename(shop.central)
    *_, seen = click(shop)
    assert (seen['state'], seen['rows']) == ('done', 1)
    done, unsent = log(shop.branch)[-1]['message'].splitlines()
    assert 'ValueError' in unsent
    assert "one of the documents" not in unsent


# All anew

def test_reset_repairs_what_the_links_do_not_tell(shop):
    def harm():
        cursor = Transaction().connection.cursor()
        cursor.execute("UPDATE party_party SET name = 'Otra cosa'")
        cursor.execute("DELETE FROM product_identifier")
        cursor.execute(*shop.branch.get(LINE).__table__().delete())
        party, = shop.branch.get('party.party').create([
                {'name': "Ya no está"}])
        shop.branch.get('offline_sales.link').create([{
                    'model': 'party.party', 'local': party.id,
                    'central': 10 ** 6, 'version': 1}])
    shop.branch.run(harm, user=0)
    obtain(shop, full=True)
    with shop.branch.transaction():
        assert not shop.branch.get('party.party').search(
            [('name', 'in', ["Otra cosa", "Ya no está"])])
        count = shop.branch.get(LINE).search([], count=True)
    with shop.central.transaction():
        assert shop.central.get(LINE).search([], count=True) == count
    assert names(shop.branch) == names(shop.central)
    assert log(shop.branch)[-1]['kind'] == 'full'
    obtain(shop)
    assert log(shop.branch)[-1]['rows'] == 0


def test_reset_is_refused_while_something_is_pending(shop):
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    before = len(log(shop.branch))
    with pytest.raises(ResetRefused):
        list(click(shop, 'offline_sales.catalog.reset'))
    assert len(log(shop.branch)) == before


def test_reset_by_its_button_keeps_what_was_sold_and_its_numbers(shop):
    from .counter import send
    counter = Counter(shop.branch)
    sale = counter.sell([(counter.codes(1)[0], 1)])
    while {d['state'] for d in documents(shop.branch)} != {'accepted'}:
        send(shop)
    *_, seen = click(shop, 'offline_sales.catalog.reset')
    assert seen['state'] == 'done' and seen['rows'] > 100
    with shop.branch.transaction():
        Sale = shop.branch.get('sale.point.sale')
        assert Sale(sale).state == 'done'
        point, = shop.branch.get('sale.point').search([])
        assert point.sequence.number_next == 2


# Many branches at once

def test_scheduled_branches_share_the_digests(shop, monkeypatch):
    scans, fetched = Scans(), []
    from trytond.modules.offline_sales.offline_sales.catalog import shared
    fetch = shared.fetch
    monkeypatch.setattr(
        shared, 'fetch', lambda query: fetched.append(1) or fetch(query))
    monkeypatch.setattr(serve, 'scans', scans)
    obtain(shop, shared=True)
    first = len(fetched)
    assert first
    for _ in range(3):
        obtain(shop, shared=True)
    assert len(fetched) == first
    # A change is seen at once by who presses the button…
    rename(shop.central)
    obtain(shop)
    assert "Nombre nuevo" in names(shop.branch)
    # … and by the others as soon as the digests are old
    rename(shop.central, "Más nuevo")
    obtain(shop, shared=True)
    scans._now = lambda: 10 ** 9
    obtain(shop, shared=True)
    assert "Más nuevo" in names(shop.branch)


def test_shared_digests_are_bounded(shop):
    scans = Scans(most=25)
    with shop.central.transaction():
        table = shop.central.get('ir.model').__table__()
        for i in range(10):
            query = table.select(table.id, where=table.id > i, limit=10)
            assert len(scans.fetch(query)) == 10
        assert sum(len(e.rows) for e in scans._entries.values()) <= 25
