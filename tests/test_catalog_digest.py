# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The exchange of digests, as pure functions"
import functools
import operator

from hypothesis import example, given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.catalog.digest import (
    compare, differing, row_hash, width)

versions = st.dictionaries(
    st.integers(1, 5000), st.integers(-2 ** 63, 2 ** 63 - 1), max_size=60)


def buckets(rows, width):
    "The (count, xor) of the rows by bucket, as both sides make them in SQL"
    result = {}
    for id_, version in rows.items():
        count, xor = result.get(id_ // width, (0, 0))
        result[id_ // width] = (count + 1, xor ^ version)
    return result


def exchange(ours, theirs):
    "What is listed and what travels, for ours to become theirs"
    size = width(
        len(theirs), min(theirs, default=0), max(theirs, default=0))
    different = differing(buckets(ours, size), buckets(theirs, size))

    def within(rows):
        return {i: v for i, v in rows.items() if i // size in different}
    changed, vanished = compare(within(ours), within(theirs))
    return different, changed, vanished


@given(versions, versions)
def test_exchange_ends_with_both_equal(ours, theirs):
    _, changed, vanished = exchange(ours, theirs)
    result = {i: v for i, v in ours.items() if i not in vanished}
    result.update((i, theirs[i]) for i in changed)
    assert result == theirs


@given(versions, versions)
def test_exchange_moves_only_what_differs(ours, theirs):
    _, changed, vanished = exchange(ours, theirs)
    assert changed == {
        i for i, v in theirs.items() if ours.get(i) != v}
    assert vanished == ours.keys() - theirs.keys()


@given(versions)
def test_exchange_of_equals_lists_nothing(rows):
    assert exchange(rows, dict(rows)) == (set(), set(), set())


@given(versions, st.data())
def test_exchange_lists_the_bucket_of_a_change(rows, data):
    if not rows:
        return
    id_ = data.draw(st.sampled_from(sorted(rows)))
    changed = {**rows, id_: rows[id_] ^ 1}
    different, ids, vanished = exchange(rows, changed)
    assert len(different) == 1
    assert (ids, vanished) == ({id_}, set())


@given(st.integers(0, 10 ** 6), st.integers(1, 10 ** 6),
    st.integers(0, 10 ** 9))
@example(0, 1, 0)
@example(1, 1, 0)
@example(10 ** 6, 1, 10 ** 6 - 1)
def test_width_is_a_power_of_two_that_holds_some_rows(count, first, span):
    size = width(count, first, first + span)
    assert size >= 64 and size & (size - 1) == 0
    # On average a bucket holds 64 to 128 rows, or all of them
    assert size * max(count, 1) < 128 * max(span + 1, count or 1) or size == 64


def test_row_hash_tells_values_apart():
    rows = [
        (1, 'a', None), (1, None, 'a'), (1, 'a', ''), (1, 'a', 'None'),
        (1, 'a,', None), (11, 'a', None), (1, b'a', None), (1, 1.5, None),
        (1, '1.5', None), (2, 'a', None)]
    assert len({row_hash(*row) for row in rows}) == len(rows)


@given(st.lists(st.tuples(st.integers(), st.text()), max_size=20))
def test_row_hash_is_a_signed_64_bit_integer(rows):
    hashes = [row_hash(*row) for row in rows]
    assert all(-2 ** 63 <= h < 2 ** 63 for h in hashes)
    xor = functools.reduce(operator.xor, hashes, 0)
    assert -2 ** 63 <= xor < 2 ** 63


def test_row_hash_is_stable():
    "The versions that branches hold outlive the process that made them"
    assert row_hash(1, 'Jabón', '12.50') == -1211517188554353439
