# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The journal in groups: by branch and day, with sums and missing numbers

Plain values in, plain values out.
"""
import datetime as dt
from collections.abc import Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ..document.payload import find_gaps

ZERO = Decimal(0)


class Gap(NamedTuple):
    "The first and the last of numbers that are missing"
    first: str
    last: str

    @property
    def single(self):
        return self.first == self.last


@dataclass
class Entry:
    """A document

    moment: local, to sort by. series: in what its number is counted.
    taxes: (base, amount) by name. payments: amounts by name.
    counted: whether its amounts count in the sums.
    """
    id: int
    branch: str
    date: dt.date
    moment: dt.datetime
    series: Hashable = None
    kind: str = ''
    number: str = ''
    point: str = ''
    party: str = ''
    user: str = ''
    state: str = ''
    total: Decimal | None = None
    tax: Decimal | None = None
    taxes: dict = field(default_factory=dict)
    payments: dict = field(default_factory=dict)
    counted: bool = True
    gap: Gap | None = None


@dataclass
class Sums:
    "Of the documents that count"
    count: int = 0
    total: Decimal = ZERO
    tax: Decimal = ZERO
    taxes: dict = field(default_factory=dict)
    payments: dict = field(default_factory=dict)

    def add(self, other, count=1):
        "Add an Entry, or Sums with their count"
        self.count += count
        self.total += other.total or ZERO
        self.tax += other.tax or ZERO
        for name, (base, amount) in other.taxes.items():
            former_base, former = self.taxes.get(name, (ZERO, ZERO))
            self.taxes[name] = former_base + base, former + amount
        for name, amount in other.payments.items():
            self.payments[name] = self.payments.get(name, ZERO) + amount


@dataclass
class Day:
    date: dt.date
    entries: list
    sums: Sums


@dataclass
class Branch:
    name: str
    days: list
    sums: Sums


@dataclass
class Journal:
    branches: list
    sums: Sums
    count: int


def summarize(entries, numbers=None):
    """Return the Journal of the Entry

    numbers: all that there are by series, whether they are among the entries
    or not: what is filtered out is not missing.
    """
    gaps = {
        (series, number): Gap(first, last)
        for series, found in (numbers or {}).items()
        for number, first, last in find_gaps(found)}
    entries = sorted(
        entries, key=lambda e: (e.branch, e.date, e.moment, e.id))
    marked = set()
    branches, total = [], Sums()
    for name, of_branch in groupby(entries, key=attrgetter('branch')):
        days, branch_sums = [], Sums()
        for date, of_day in groupby(of_branch, key=attrgetter('date')):
            day = Day(date, list(of_day), Sums())
            for entry in day.entries:
                # A number that was withdrawn and taken again is listed twice
                key = entry.series, entry.number
                if key not in marked:
                    entry.gap = gaps.get((entry.series, entry.number))
                    marked.add(key)
                if entry.counted:
                    day.sums.add(entry)
            branch_sums.add(day.sums, day.sums.count)
            days.append(day)
        total.add(branch_sums, branch_sums.count)
        branches.append(Branch(name, days, branch_sums))
    return Journal(branches, total, len(entries))
