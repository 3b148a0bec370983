# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""How long a usage has lasted, by clocks of which one may be set by hand

A computer without network has two clocks. The one on the wall can be set by
who sits in front of it; the steady one (CLOCK_BOOTTIME, suspended time
included) cannot, but starts again with the computer. A period keeps the
latest moment it knows to have come, and moves it on by the stronger of the
two:

- within one start of the computer by the steady clock, whatever the clock on
  the wall is set to;
- across a restart by the clock on the wall, and at least by the steady time
  since that start;
- and a clock on the wall that is ahead is believed: that only shortens.

So turning the clock never adds a second in which something can be sold. What
nobody can tell is how long a computer was off whose clock was set on purpose
to just after the last mark: that time was not one of selling either. A clock
which after a restart stands before what was already seen is known to be wrong
(and would date the sales wrong): the period waits until it is put right.
"""
import time
from typing import NamedTuple

# How far a clock may stand behind after a restart and still be taken for
# right, in seconds: the hardware clock of a PC loses that in a few weeks.
# It gives nothing away, the steady clock counts all the same.
TOLERANCE = 5 * 60
# How much may be lost between two marks of a period, in seconds
MARK = 60
# How long before its end a period says so, in seconds
NOTICE = 10 * 60

OPEN = 'open'
ENDING = 'ending'
GRACE = 'grace'
OVER = 'over'
CLOCK = 'clock'

_BOOT_ID = '/proc/sys/kernel/random/boot_id'


class Reading(NamedTuple):
    """What the clocks of this computer say at one moment

    wall: seconds since 1970, by the clock that can be set.
    boot: identity of this start of the computer, empty where the system has
        none.
    steady: seconds, by the clock that cannot be set but starts again with
        the computer.
    """
    wall: float
    boot: str
    steady: float


def read_clock():
    "Return the Reading of now"
    if hasattr(time, 'CLOCK_BOOTTIME'):
        steady = time.clock_gettime(time.CLOCK_BOOTTIME)
    else:
        steady = time.monotonic()
    try:
        with open(_BOOT_ID, encoding='ascii') as file:
            boot = file.read().strip()
    except OSError:
        boot = ''
    return Reading(time.time(), boot, steady)


class Period(NamedTuple):
    """A span of time that was granted, and how much of it is known as gone

    start: the clock on the wall when it began, in seconds since 1970.
    length: what was granted, in seconds.
    latest: the latest moment known to have come, on the scale of start.
    boot, steady: the start of the computer and its steady clock then.

    It has no clock inside: each question takes a Reading. advance returns
    the period to keep from then on; who asks keeps it at least when it is
    due, and in the same transaction as what the period allowed.
    """
    start: float
    length: float
    latest: float
    boot: str
    steady: float

    @classmethod
    def begin(cls, reading, length):
        "Return the period of length seconds which begins with reading"
        return cls(
            reading.wall, length, reading.wall, reading.boot, reading.steady)

    @property
    def end(self):
        "When it ends at the latest, in seconds since 1970, to show a person"
        return self.start + self.length

    def _restarted(self, reading):
        return reading.boot != self.boot or reading.steady < self.steady

    def _at_least(self, reading):
        "The moment that has come whatever the clock on the wall says"
        if self._restarted(reading):
            return self.latest + reading.steady
        return self.latest + reading.steady - self.steady

    def is_credible(self, reading):
        "Return if the clock on the wall may be right as far as can be known"
        return (not self._restarted(reading)
            or reading.wall >= self._at_least(reading) - TOLERANCE)

    def advance(self, reading):
        """Return the period with what reading tells

        The same if the clock is not credible: else the steady clock of this
        start would be taken up and the time the computer was off forgotten.
        """
        if not self.is_credible(reading):
            return self
        return self._replace(
            latest=max(reading.wall, self._at_least(reading)),
            boot=reading.boot,
            steady=reading.steady)

    def is_due(self, reading):
        "Return if the advanced period should be kept now"
        return (self._restarted(reading)
            or self.advance(reading).latest - self.latest >= MARK)

    def left(self, reading):
        """Return the seconds left, negative once it is over

        If the clock is not credible those left when it last was.
        """
        return self.end - self.advance(reading).latest

    def is_open(self, reading):
        "Return if it allows what it was granted for"
        return self.phase(reading) in {OPEN, ENDING}

    def phase(self, reading, grace=0):
        """Return what may be done, grace being in seconds

        OPEN; ENDING: still open, but for less than NOTICE; GRACE: what was
        begun may be finished; CLOCK: nothing, until the clock of the
        computer is put right; OVER.
        """
        left = self.left(reading)
        if left <= -grace:
            return OVER
        elif not self.is_credible(reading):
            return CLOCK
        elif left <= 0:
            return GRACE
        elif left <= NOTICE:
            return ENDING
        return OPEN
