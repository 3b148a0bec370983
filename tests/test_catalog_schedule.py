# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Each night at the branch's own time, and again when it was missed"
import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.catalog.schedule import (  # isort: skip
    RETRY, SPREAD, jitter, last_occurrence, next_run, occurrence)

MEXICO = ZoneInfo('America/Mexico_City')
TIJUANA = ZoneInfo('America/Tijuana')
MADRID = ZoneInfo('Europe/Madrid')
NIGHT = dt.time(23, 5)
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def utc(*args):
    return dt.datetime(*args, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize('day, time, zone, expected', [
        ((2026, 6, 1), NIGHT, MEXICO, utc(2026, 6, 2, 5, 5)),
        ((2026, 12, 1), NIGHT, MEXICO, utc(2026, 12, 2, 5, 5)),
        ((2026, 6, 1), NIGHT, TIJUANA, utc(2026, 6, 2, 6, 5)),
        ((2026, 12, 1), NIGHT, TIJUANA, utc(2026, 12, 2, 7, 5)),
        # Skipped, and twice there
        ((2026, 3, 29), dt.time(2, 30), MADRID, utc(2026, 3, 29, 1, 30)),
        ((2026, 10, 25), dt.time(2, 30), MADRID, utc(2026, 10, 25, 0, 30)),
        ])
def test_occurrence_is_of_local_time(day, time, zone, expected):
    assert occurrence(dt.date(*day), time, zone) == expected


def test_next_night_after_a_success():
    done = utc(2026, 6, 2, 5, 5)
    assert next_run(done + HOUR, NIGHT, MEXICO, done) == done + DAY


@pytest.mark.parametrize('day, hours', [
        ((2026, 3, 28), 23), ((2026, 10, 24), 25), ((2026, 6, 1), 24)])
def test_night_of_the_change_of_the_clock(day, hours):
    done = occurrence(dt.date(*day), NIGHT, MADRID)
    assert next_run(done + HOUR, NIGHT, MADRID, done) == (
        done + dt.timedelta(hours=hours))


def test_success_before_the_night_is_not_that_of_the_night():
    planned = utc(2026, 6, 2, 5, 5)
    before = planned - dt.timedelta(minutes=1)
    assert next_run(before, NIGHT, MEXICO, before) == planned
    assert next_run(planned, NIGHT, MEXICO, before) == planned


def test_computer_was_off():
    done = utc(2026, 6, 2, 5, 5)
    on = done + 5 * DAY + 9 * HOUR
    assert next_run(on, NIGHT, MEXICO, done) <= on


def test_failed_night_is_tried_again_hourly():
    done = utc(2026, 6, 2, 5, 5)
    failed = done + DAY
    for _ in range(3):
        now = failed + dt.timedelta(minutes=1)
        again = next_run(now, NIGHT, MEXICO, done, failed)
        assert again == failed + RETRY
        failed = again
    now = failed + dt.timedelta(minutes=5)
    assert next_run(now, NIGHT, MEXICO, failed, failed - HOUR) == (
        done + 2 * DAY)


def test_clock_that_was_ahead_makes_nobody_wait():
    now = utc(2026, 6, 2, 5, 5) + HOUR
    ahead = now + 365 * DAY
    assert next_run(now, NIGHT, MEXICO, ahead) <= now
    assert next_run(now, NIGHT, MEXICO, now - 2 * DAY, ahead) <= now


def test_first_time_is_at_once_then_hourly():
    now = utc(2026, 6, 2, 12)
    assert next_run(now, NIGHT, MEXICO) <= now
    failed = now
    assert next_run(now, NIGHT, MEXICO, None, failed) == failed + RETRY


def test_branches_do_not_call_in_the_same_second():
    delays = [jitter(f'database-{i}') for i in range(500)]
    assert delays == [jitter(f'database-{i}') for i in range(500)]
    seconds = [delay.total_seconds() for delay in delays]
    assert 0 <= min(seconds) and max(seconds) < SPREAD
    by_second = {}
    for second in seconds:
        by_second[int(second)] = by_second.get(int(second), 0) + 1
    assert max(by_second.values()) <= 8


moments = st.datetimes(
    dt.datetime(2024, 1, 1), dt.datetime(2030, 1, 1),
    timezones=st.just(dt.timezone.utc))
times = st.times().map(lambda t: t.replace(microsecond=0))
zones = st.sampled_from([MEXICO, TIJUANA, MADRID, ZoneInfo('Asia/Kolkata'),
        ZoneInfo('Pacific/Kiritimati'), ZoneInfo('Australia/Lord_Howe')])
delays = st.integers(0, SPREAD).map(lambda s: dt.timedelta(seconds=s))


@given(moments, times, zones, delays)
def test_last_occurrence_is_within_the_last_day(now, time, zone, delay):
    last = last_occurrence(now, time, zone, delay)
    assert last <= now < last + 26 * HOUR


@given(moments, times, zones, delays)
def test_success_now_makes_the_next_run_a_later_one(now, time, zone, delay):
    after = next_run(now, time, zone, now, delay=delay)
    assert now < after <= now + 26 * HOUR
    assert next_run(after, time, zone, now, delay=delay) == after


@given(moments, times, zones, delays)
def test_schedule_runs_once_a_day(now, time, zone, delay):
    runs, end = [], now + 10 * DAY
    moment = now
    while moment < end:
        moment = next_run(moment, time, zone, moment, delay=delay)
        runs.append((moment - delay).astimezone(zone).date())
    assert len(set(runs)) == len(runs)
    assert all(b - a == DAY for a, b in zip(runs, runs[1:], strict=False))
