# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.token import period
from trytond.modules.offline_sales.offline_sales.token.period import (
    CLOCK,
    ENDING,
    GRACE,
    MARK,
    NOTICE,
    OPEN,
    OVER,
    TOLERANCE,
    Period,
    Reading,
    read_clock,
    )

HOUR = 60 * 60
NOON = 1_700_000_000


class Computer:
    """A computer whose user sets its clock and starts it again

    now: the true time. ahead: how far its clock is ahead of it.
    has_boot: if its system names its starts.
    """

    def __init__(self, has_boot=True):
        self.now = NOON
        self.ahead = 0
        self.has_boot = has_boot
        self.boots = 1
        self.booted = NOON - HOUR

    def read(self):
        return Reading(
            self.now + self.ahead,
            f'boot-{self.boots}' if self.has_boot else '',
            self.now - self.booted)

    def run(self, seconds):
        self.now += seconds

    def restart(self, seconds):
        "Be off for so many seconds"
        self.now += seconds
        self.boots += 1
        self.booted = self.now

    def set(self, ahead):
        self.ahead = ahead


spans = st.integers(0, 3 * HOUR)
offsets = st.integers(-5 * HOUR, 5 * HOUR)
runs = st.tuples(st.just('run'), spans)
restarts = st.tuples(st.just('restart'), spans)
sets = st.tuples(st.just('set'), offsets)
sets_ahead = st.tuples(st.just('set'), st.integers(0, 5 * HOUR))
lengths = st.integers(1, 9).map(lambda h: h * HOUR)


def events(*kinds):
    return st.lists(st.one_of(*kinds), max_size=12)


def live(computer, events, granted):
    "Yield the period kept and the reading after each event"
    yield granted, computer.read()
    for name, value in events:
        getattr(computer, name)(value)
        reading = computer.read()
        granted = granted.advance(reading)
        yield granted, reading


@given(lengths, events(runs, restarts), st.booleans(), offsets)
def test_period_lasts_exactly_by_a_right_clock(
        length, events, has_boot, ahead):
    "A clock which is always as far off is as good as a right one"
    computer = Computer(has_boot)
    computer.set(ahead)
    granted = Period.begin(computer.read(), length)

    for kept, reading in live(computer, events, granted):
        left = NOON + length - computer.now
        assert kept.left(reading) == left
        assert kept.is_open(reading) == (left > 0)


@given(lengths, events(runs, sets), st.booleans(), offsets)
def test_period_is_not_longer_by_any_clock(length, events, has_boot, ahead):
    computer = Computer(has_boot)
    computer.set(ahead)
    granted = Period.begin(computer.read(), length)

    for kept, reading in live(computer, events, granted):
        assert kept.left(reading) <= NOON + length - computer.now
        if kept.is_open(reading):
            assert computer.now < NOON + length


@given(lengths, events(runs, sets_ahead, restarts), st.booleans())
def test_period_is_not_longer_by_a_clock_ahead(length, events, has_boot):
    "Whatever is restarted"
    computer = Computer(has_boot)
    granted = Period.begin(computer.read(), length)

    for kept, reading in live(computer, events, granted):
        if kept.is_open(reading):
            assert computer.now < NOON + length


def allowed(computer, events, granted, is_kept):
    """Yield the seconds in which sales could be made, and if more can

    is_kept: if the period is kept at a reading, a function of both.
    """
    usable, may = 0, True
    for name, value in events:
        getattr(computer, name)(value)
        reading = computer.read()
        if name == 'run' and may:
            usable += value
        if is_kept(granted, reading):
            granted = granted.advance(reading)
        yield usable, granted.is_open(reading)
        may = granted.phase(reading) != CLOCK


@given(lengths, events(runs, sets, restarts), st.booleans(), offsets)
def test_period_does_not_allow_more_hours_by_any_clock(
        length, events, has_boot, ahead):
    "Whatever is restarted: the time a sale could be made is counted"
    computer = Computer(has_boot)
    computer.set(ahead)
    granted = Period.begin(computer.read(), length)

    for usable, is_open in allowed(
            computer, events, granted, lambda granted, reading: True):
        assert usable < length or not is_open


@given(lengths, events(runs, sets, restarts), offsets)
def test_period_kept_when_due_loses_less_than_a_mark(length, events, ahead):
    "For each restart, if the clock hides it"
    computer = Computer()
    computer.set(ahead)
    granted = Period.begin(computer.read(), length)

    for usable, is_open in allowed(
            computer, events, granted, Period.is_due):
        lost = MARK * (computer.boots - 1)
        assert usable < length + lost or not is_open


@given(lengths, events(runs, sets, restarts), st.booleans())
def test_period_which_is_over_stays_so(length, events, has_boot):
    computer = Computer(has_boot)
    granted = Period.begin(computer.read(), length)
    was_over = False

    for kept, reading in live(computer, events, granted):
        is_over = kept.phase(reading) == OVER
        assert is_over or not was_over
        was_over = is_over


@given(lengths, events(runs, sets), st.data())
def test_period_is_not_longer_by_being_kept(length, events, data):
    computer = Computer()
    often = seldom = Period.begin(computer.read(), length)

    for name, value in events:
        getattr(computer, name)(value)
        reading = computer.read()
        assert often.left(reading) <= seldom.left(reading)
        often = often.advance(reading)
        assert often.advance(reading) == often
        if data.draw(st.booleans()):
            seldom = seldom.advance(reading)


@given(events(runs, sets, restarts), st.booleans())
def test_period_latest_never_goes_back(events, has_boot):
    computer = Computer(has_boot)
    latest = NOON

    for kept, _ in live(computer, events, Period.begin(computer.read(), HOUR)):
        assert kept.latest >= latest
        latest = kept.latest


def test_period_with_the_clock_turned_back():
    computer = Computer()
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.set(-5 * HOUR)
    computer.run(3 * HOUR)

    assert granted.left(computer.read()) == 5 * HOUR


def test_period_with_the_clock_turned_forth_and_back():
    computer = Computer()
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.set(5 * HOUR)
    granted = granted.advance(computer.read())
    computer.set(0)
    computer.run(HOUR)

    assert granted.left(computer.read()) == 2 * HOUR


def test_period_begun_by_a_clock_ahead():
    computer = Computer()
    computer.set(5 * HOUR)
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.set(0)
    computer.run(7 * HOUR)

    assert granted.left(computer.read()) == HOUR


def test_period_waits_for_a_clock_behind_after_a_restart():
    "As with an empty battery: the clock begins in 2010"
    computer = Computer()
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.restart(HOUR)
    computer.set(1_262_304_000 - computer.now)

    granted = granted.advance(computer.read())
    assert granted.phase(computer.read()) == CLOCK
    computer.run(HOUR)
    granted = granted.advance(computer.read())
    assert granted.phase(computer.read()) == CLOCK

    computer.set(0)
    granted = granted.advance(computer.read())
    assert granted.phase(computer.read()) == OPEN
    assert granted.left(computer.read()) == 6 * HOUR


def test_period_after_a_restart_without_names():
    computer = Computer(has_boot=False)
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.restart(0)
    computer.set(-HOUR)
    computer.run(60)

    assert granted.phase(computer.read()) == CLOCK


@pytest.mark.parametrize('behind,phase', [
        (TOLERANCE, OPEN),
        (TOLERANCE + 1, CLOCK),
        ])
def test_period_tolerates_a_clock_slightly_behind(behind, phase):
    computer = Computer()
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.restart(0)
    computer.set(-behind)

    assert granted.phase(computer.read()) == phase


def test_period_counts_by_a_clock_slightly_behind():
    computer = Computer()
    granted = Period.begin(computer.read(), 8 * HOUR)
    computer.restart(0)
    computer.set(-TOLERANCE)
    computer.run(HOUR)

    assert granted.left(computer.read()) == 7 * HOUR


def test_period_which_is_over_needs_no_right_clock():
    computer = Computer()
    granted = Period.begin(computer.read(), HOUR)
    computer.run(2 * HOUR)
    granted = granted.advance(computer.read())
    computer.restart(0)
    computer.set(-5 * HOUR)

    assert granted.phase(computer.read()) == OVER


@pytest.mark.parametrize('seconds,phase', [
        (0, OPEN),
        (HOUR - NOTICE - 1, OPEN),
        (HOUR - NOTICE, ENDING),
        (HOUR - 1, ENDING),
        (HOUR, GRACE),
        (HOUR + 299, GRACE),
        (HOUR + 300, OVER),
        ])
def test_period_phase(seconds, phase):
    computer = Computer()
    granted = Period.begin(computer.read(), HOUR)
    computer.run(seconds)

    assert granted.phase(computer.read(), grace=300) == phase
    assert granted.is_open(computer.read()) == (phase in {OPEN, ENDING})


def test_period_without_grace():
    computer = Computer()
    granted = Period.begin(computer.read(), HOUR)
    computer.run(HOUR)

    assert granted.phase(computer.read()) == OVER


def test_period_end():
    assert Period.begin(Computer().read(), HOUR).end == NOON + HOUR


def test_period_is_due():
    computer = Computer()
    granted = Period.begin(computer.read(), HOUR)

    computer.run(MARK - 1)
    assert not granted.is_due(computer.read())
    computer.run(1)
    assert granted.is_due(computer.read())
    granted = granted.advance(computer.read())
    assert not granted.is_due(computer.read())
    computer.restart(0)
    assert granted.is_due(computer.read())


def test_read_clock():
    before = time.time()
    first = read_clock()
    second = read_clock()

    assert before <= first.wall <= second.wall <= time.time()
    assert first.steady <= second.steady
    assert first.boot == second.boot


def test_read_clock_without_linux(monkeypatch, tmp_path):
    monkeypatch.delattr(time, 'CLOCK_BOOTTIME', raising=False)
    monkeypatch.setattr(period, '_BOOT_ID', str(tmp_path / 'boot_id'))
    before = time.monotonic()

    reading = read_clock()

    assert reading.boot == ''
    assert before <= reading.steady <= time.monotonic()
