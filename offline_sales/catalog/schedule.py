# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""When a branch obtains its catalogs by itself

Pure functions of moments, which are aware of their zone: no clock inside.
"""
import datetime as dt
import hashlib

# Branches that close at the same hour do not call in the same second
SPREAD = 10 * 60
RETRY = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)


def jitter(identity):
    "Return the delay of the database of that identity, always the same"
    digest = hashlib.sha256((identity or '').encode()).digest()
    seconds = int.from_bytes(digest[:8], 'big') / 2 ** 64 * SPREAD
    return dt.timedelta(seconds=round(seconds, 3))


def occurrence(day, time, zone, delay=dt.timedelta()):
    """Return the moment, in UTC, of the time of the day in the zone

    Once a day: of the two times when the clock is set back it is the first,
    and one that is skipped as much later as the clock was set forward.
    """
    local = dt.datetime.combine(day, time, tzinfo=zone)
    return local.astimezone(dt.timezone.utc) + delay


def last_occurrence(now, time, zone, delay=dt.timedelta()):
    "Return the last moment of the schedule that is not after now"
    day = now.astimezone(zone).date() + _DAY
    while (moment := occurrence(day, time, zone, delay)) > now:
        day -= _DAY
    return moment


def next_run(
        now, time, zone, last_success=None, last_failure=None,
        delay=dt.timedelta()):
    """Return when to obtain the catalogs next; a past moment means at once

    time, zone: of the branch; delay: its jitter.
    last_success, last_failure: when the last ones began, None if none did.
    What was missed, as the computer was off or the central did not answer, is
    made up for, an hour after each failure.
    """
    # A clock that was set back makes nobody wait for what it showed before
    last_success, last_failure = (
        moment if moment and moment <= now else None
        for moment in [last_success, last_failure])
    planned = last_occurrence(now, time, zone, delay)
    if last_success and last_success >= planned:
        day = planned.astimezone(zone).date()
        while (moment := occurrence(day, time, zone, delay)) <= now:
            day += _DAY
        return moment
    if last_failure and last_failure >= planned:
        return last_failure + RETRY
    if not last_success and last_failure:
        return max(planned, last_failure + RETRY)
    return planned
