# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The grouping and the sums of the journal, and its missing numbers"
import datetime as dt
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.document.payload import (
    find_gaps)
from trytond.modules.offline_sales.offline_sales.report.summary import (  # isort: skip
    Entry, Gap, Sums, summarize)

DAY = dt.date(2026, 11, 24)
amounts = st.integers(-10 ** 6, 10 ** 6).map(lambda n: Decimal(n) / 100)
days = st.integers(0, 3).map(lambda n: DAY + dt.timedelta(n))
entries = st.lists(st.builds(
        Entry,
        id=st.integers(0, 10 ** 6),
        branch=st.sampled_from(["Centro", "Esperancita", "Norte"]),
        date=days,
        moment=st.datetimes(
            dt.datetime(2026, 11, 1), dt.datetime(2026, 12, 1)),
        number=st.integers(1, 30).map('ESP-{:05}'.format),
        series=st.sampled_from([None, 'a', 'b']),
        total=st.none() | amounts,
        tax=st.none() | amounts,
        taxes=st.dictionaries(
            st.sampled_from(["IVA 16 %", "IVA 0 %"]),
            st.tuples(amounts, amounts)),
        payments=st.dictionaries(
            st.sampled_from(["Efectivo", "Tarjeta"]), amounts),
        counted=st.booleans()), max_size=30, unique_by=lambda e: e.id)


def sum_(entries):
    "The sums in one go"
    sums = Sums()
    for entry in entries:
        if entry.counted:
            sums.add(entry)
    return sums


@given(entries)
def test_groups_hold_each_document_once(entries):
    journal = summarize(entries)
    found = [
        (branch.name, day.date, entry)
        for branch in journal.branches for day in branch.days
        for entry in day.entries]
    assert Counter(id(e) for *_, e in found) == Counter(map(id, entries))
    assert journal.count == len(entries)
    assert all((name, date) == (e.branch, e.date) for name, date, e in found)
    assert [(name, date, e.moment) for name, date, e in found] == sorted(
        (e.branch, e.date, e.moment) for e in entries)
    assert len({b.name for b in journal.branches}) == len(journal.branches)


@given(entries)
def test_sums_of_groups_are_those_of_their_documents(entries):
    journal = summarize(entries)
    assert journal.sums == sum_(entries)
    for branch in journal.branches:
        assert branch.sums == sum_(
            e for e in entries if e.branch == branch.name)
        for day in branch.days:
            assert day.sums == sum_(day.entries)
    # One total by itself, to trust the others
    assert journal.sums.payments.get("Efectivo", 0) == sum(
        e.payments.get("Efectivo", 0) for e in entries if e.counted)


@given(st.sets(st.integers(1, 60)), st.data())
def test_gaps_are_what_is_missing(values, data):
    numbers = data.draw(st.permutations([f'A-{v:03}' for v in values]))
    missing = set()
    for gap in find_gaps(numbers):
        number, first, last = (int(n.removeprefix('A-')) for n in gap)
        assert number == last + 1
        missing.update(range(first, last + 1))
    expected = set(range(min(values), max(values))) - values if (
        values) else set()
    assert missing == expected


def test_gaps_of_each_prefix():
    numbers = ['A-1', 'B-3', 'A-2', 'B-5', 'sin', 'C9', 'C12']
    assert list(find_gaps(numbers)) == [
        ('B-5', 'B-4', 'B-4'), ('C12', 'C10', 'C11')]


def test_gap_is_marked_once_and_not_where_it_is_filtered_out():
    moment = dt.datetime(2026, 11, 24, 9)

    def entry(id, number, **values):
        return Entry(
            id, "Centro", DAY, moment, series='a', number=number, **values)
    journal = summarize([
            entry(1, 'A-1'), entry(2, 'A-4', counted=False), entry(3, 'A-4'),
            entry(4, 'A-6')], {'a': ['A-1', 'A-4', 'A-5', 'A-6']})
    assert [e.gap for e in journal.branches[0].days[0].entries] == [
        None, Gap('A-2', 'A-3'), None, None]


def test_nothing():
    journal = summarize([])
    assert (journal.branches, journal.count, journal.sums.total) == ([], 0, 0)
