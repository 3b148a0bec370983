# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What travels, and its bounds: functions of bytes and values"
import datetime as dt
import gzip
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    limit, wire)
from trytond.modules.offline_sales.offline_sales.client import (  # isort: skip
    delay)
from trytond.modules.offline_sales.offline_sales.contact import (  # isort: skip
    make_code, read_code)

naive = st.datetimes(timezones=st.none())
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2**53, 2**53)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.decimals(-10**12, 10**12, allow_nan=False) | st.dates() | naive
    | st.binary(max_size=50)
    | st.times(timezones=st.none()),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(
        st.text().filter(lambda name: name != '__class__'), children,
        max_size=5),
    max_leaves=20)


def envelope(counter, request, recent=(), /, **others):
    value = {
        'protocol': 1, 'series': '8.0', 'branch': 'N', 'uuid': 'u' * 36,
        'counter': counter, 'request': request,
        'recent': [list(r) for r in recent], **others}
    return wire.Envelope.parse(value)


@given(values)
def test_codec_round_trip(value):
    assert wire.loads(wire.dumps(value)) == value


@given(st.binary())
def test_codec_takes_any_bytes(data):
    try:
        wire.loads(data)
    except wire.Malformed:
        pass


@pytest.mark.parametrize('data', [
        b'', b'{', b'\xff', b'NaN', b'[Infinity]', b'1e999',
        b'{"__class__": "date"}', b'{"__class__": []}',
        b'{"__class__": "date", "year": 1e9, "month": 1, "day": 1}',
        b'{"__class__": "Decimal", "decimal": "x"}',
        b'{"__class__": "Decimal", "decimal": "NaN"}',
        b'{"__class__": "Decimal", "decimal": "1E999999"}',
        b'{"__class__": "bytes", "base64": 5}',
        b'{"__class__": "timedelta", "seconds": 1e99}',
        b'9' * 5000,
        b'[' * 10_000 + b']' * 10_000,
        b'[' * 100_000,
        b'{"a":' * 10_000 + b'1' + b'}' * 10_000,
        b'[' * 70 + b']' * 70,
        ])
def test_codec_refuses(data):
    with pytest.raises(wire.Malformed):
        wire.loads(data)


@given(st.lists(st.binary()), st.integers(1, 100))
def test_inflate_is_the_inverse_of_compress(chunks, size):
    data = b''.join(wire.compress(chunks))
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    assert b''.join(wire.inflate(pieces)) == b''.join(chunks)


def test_inflate_of_a_bomb_is_bounded():
    bomb = b''.join(wire.compress(bytes(1024 * 1024) for _ in range(100)))
    assert len(bomb) < 1024 * 1024
    taken = 0
    with pytest.raises(wire.TooLarge):
        for chunk in wire.bound(wire.inflate([bomb]), 1_000_000):
            assert len(chunk) <= wire.CHUNK
            taken += len(chunk)
    assert taken <= 1_000_000


@pytest.mark.parametrize('data', [
        b'', b'no gzip', gzip.compress(b'x' * 1000)[:-9],
        gzip.compress(b'one') + gzip.compress(b'two'),
        gzip.compress(b'one') + b'rest',
        ], ids=['empty', 'text', 'cut', 'two', 'rest'])
def test_inflate_refuses(data):
    with pytest.raises(wire.Malformed):
        list(wire.inflate([data]))


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_delay_is_bounded_and_grows(attempt, chance):
    assert 0.5 <= delay(attempt, chance) <= 900
    assert delay(attempt, chance) <= delay(attempt + 1, chance)
    assert delay(attempt, 0) >= delay(attempt, chance) / 2
    assert delay(attempt, chance, base=0.1, most=5) <= 5


def test_delay_differs():
    assert delay(3, 0.1) != delay(3, 0.9)
    assert [delay(n, 0) for n in range(4)] == [0.5, 1, 2, 4]


@given(st.integers(-10**6, 10**6), st.integers(0, 10**6))
def test_clock_offset_halves_the_round_trip(offset, latency):
    offset, latency = (
        dt.timedelta(milliseconds=offset), dt.timedelta(milliseconds=latency))
    answered = dt.datetime(2026, 1, 1)
    sent, received = answered + offset - latency, answered + offset + latency
    assert wire.clock_offset(sent, received, answered) == pytest.approx(
        offset.total_seconds())


@pytest.mark.parametrize('change', [
        {'protocol': '1'}, {'protocol': True}, {'series': None},
        {'series': 'x' * 101}, {'branch': 5}, {'branch': ''},
        {'branch': 'a\x00'}, {'uuid': ['x']}, {'counter': 0},
        {'counter': '1'}, {'counter': 1.5}, {'counter': 2 ** 70},
        {'counter': True}, {'request': None}, {'recent': {}},
        {'recent': [[1]]}, {'recent': [['a', 'b']]}, {'recent': [[9, 'b']]},
        {'recent': [[1, 'b']] * (wire.RECENT + 1)}, {'time': 'now'},
        {'heartbeat': []}, {'heartbeat': {'pending': 'many'}},
        {'heartbeat': {'pending': -1}}, {'heartbeat': {'version': 'x' * 200}},
        {'heartbeat': {'oldest_pending': 5}}, {'params': []},
        ])
def test_envelope_refuses(change):
    with pytest.raises(wire.Malformed):
        envelope(5, 'request', **change)


@given(values)
def test_envelope_takes_any_value(value):
    try:
        wire.Envelope.parse(value)
    except wire.Malformed:
        pass


def test_envelope_heartbeat_drops_what_it_does_not_know():
    moment = dt.datetime(2026, 1, 1, 10, 0, 0, 5)
    heartbeat = envelope(1, 'a', heartbeat={
            'pending': 3, 'oldest_pending': moment, 'other': 1}).heartbeat
    assert heartbeat['pending'] == 3
    assert heartbeat['oldest_pending'] == moment.replace(microsecond=0)
    assert 'other' not in heartbeat


def test_judge_new():
    assert wire.judge(0, {}, envelope(1, 'a')) == 'new'
    assert wire.judge(1, {1: 'a'}, envelope(9, 'b', [(1, 'a')])) == 'new'


def test_judge_repeated_request():
    assert wire.judge(1, {1: 'a'}, envelope(1, 'a')) == 'stale'


def test_judge_overtaken_request():
    "The first was lost for its sender, and comes after the second"
    known = wire.remember({}, envelope(2, 'b', [(1, 'a')]))
    assert wire.judge(2, known, envelope(1, 'a')) == 'stale'


def test_judge_restored_database():
    "It was at 3, its backup is at 1"
    known = {1: 'a', 2: 'b', 3: 'c'}
    assert wire.judge(3, known, envelope(2, 'x', [(1, 'a')])) == 'clone'


def test_judge_copy_that_went_ahead():
    "The original's 2 never arrived but tells that the central's is another's"
    known = {1: 'a', 2: 'copy'}
    assert wire.judge(
        2, known, envelope(3, 'c', [(2, 'original'), (1, 'a')])) == 'clone'


@given(st.data())
def test_judge_alarms_at_a_copy_only(data):
    """Whatever is lost, repeated or comes late, one database raises no alarm;
    and a copy of it does at its second request at the latest"""
    sent, last, known = [], 0, {}

    def deliver(request):
        nonlocal last, known
        verdict = wire.judge(last, known, request)
        if verdict == 'new':
            last, known = request.counter, wire.remember(known, request)
        return verdict

    def make(history, name):
        n = len(history) + 1
        recent = [(r.counter, r.request) for r in history[-wire.RECENT:]]
        return envelope(n, f'{name}{n}', recent[::-1])

    for _ in range(data.draw(st.integers(1, 40))):
        sent.append(make(sent, 'r'))
        late = data.draw(st.lists(
                st.sampled_from(sent[-wire.RECENT:]), max_size=3))
        if data.draw(st.booleans()):
            late.append(sent[-1])
        for request in late:
            assert deliver(request) in {'new', 'stale'}
    deliver(sent[-1])
    copied = sent[:data.draw(st.integers(0, len(sent) - 1))]
    behind = [*copied, make(copied, 'copy')]
    assert deliver(behind[-1]) == 'clone'


@given(
    st.integers(0, 80), st.integers(0, 15), st.integers(0, 200),
    st.booleans())
def test_judge_alarms_however_often_the_copy_tried(
        before, lost, tries, answered):
    """A copy that has tried without an answer, after its original has lost
    some requests and had another accepted"""
    last, known = 0, {}

    def go_on(requests, last_answered, name):
        request = envelope(
            (requests[-1][0] if requests else 0) + 1,
            f'{name}{len(requests)}',
            wire.retain(requests, last_answered))
        kept = wire.retain(requests, last_answered)
        return request, [*kept, [request.counter, request.request]]

    requests = []
    for n in range(before):
        request, requests = go_on(requests, n, 'r')
        assert wire.judge(last, known, request) == 'new'
        last, known = request.counter, wire.remember(known, request)
    # The copy may not know of the last answer
    seen = last if answered else max(last - 1, 0)
    original, copy = list(requests), list(requests)
    for _ in range(lost + 1):
        request, original = go_on(original, last, 'original')
    assert wire.judge(last, known, request) == 'new'
    last, known = request.counter, wire.remember(known, request)
    for _ in range(tries + 1):
        request, copy = go_on(copy, seen, 'copy')
    assert wire.judge(last, known, request) == 'clone'


@given(st.lists(st.text(max_size=1), max_size=3))
def test_remember_is_bounded(names):
    known = dict.fromkeys(range(1, 1000), "x")
    known = wire.remember(known, envelope(1000, 'y'))
    assert len(known) == wire.KNOWN
    assert max(known) == 1000


@given(st.integers(0, 2 ** 32))
def test_code_as_it_may_be_typed(seed):
    code = make_code()
    assert len(code) == 14
    assert read_code(code) == code
    assert read_code(code.lower().replace('-', ' ')) == code
    assert read_code(code.replace('0', 'o').replace('1', 'l')) == code
    assert not set(code) & set('ILOU')


@given(st.text())
def test_code_takes_any_text(text):
    assert isinstance(read_code(text), str)


def test_buckets():
    buckets = limit.Buckets(size=10)
    waits = [buckets.take('a', 60, 0) for _ in range(61)]
    assert waits[:60] == [0] * 60
    assert waits[60] == pytest.approx(1)
    assert buckets.take('a', 60, 1) == 0
    assert buckets.take('a', 60, 1) > 0
    assert buckets.take('b', 60, 1) == 0


def test_buckets_are_bounded():
    buckets = limit.Buckets(size=10)
    for key in range(1000):
        buckets.take(key, 1, 0)
    assert len(buckets) == 10


def test_json_of_decimals_is_exact():
    assert json.loads(wire.dumps(Decimal('0.10')))['decimal'] == '0.10'
