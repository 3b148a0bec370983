# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What travels between a branch and the central, and its bounds.

Functions of bytes and values, used by both sides: nothing here knows of
databases or sockets.

A request is a JSON object, the envelope:

    protocol    the version of what is described here, one of PROTOCOLS
    series      the Tryton series of the branch, e.g. "8.0"
    branch      the code of the branch
    uuid        the identity of the branch's database
    counter     a number that grows with each request
    request     the random identity of this request
    recent      requests before this one, as [counter, identity], see retain
    answered    the counter of the last request that the branch saw answered
    time        the clock of the branch, UTC
    heartbeat   how the branch is doing, see HEARTBEAT
    params      the arguments of the procedure, an object

The answer is {"result": …} or {"error": {"code": …, "params": {…}}}.
"""
import datetime as dt
import json
import math
import zlib
from dataclasses import dataclass, field
from decimal import Decimal

from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder

# The versions that are understood: that of now and the one before, so that a
# branch and its central need not be updated in the same hour
PROTOCOLS = (1,)
RECENT = 32  # requests that the branch tells of
KNOWN = 256  # requests that the central remembers
DEPTH = 64
CHUNK = 64 * 1024
COMPRESSION = 1

HEARTBEAT = {
    'pending': int,
    'oldest_pending': dt.datetime,
    'rejected': int,
    'last_refresh': dt.datetime,
    'version': str,
    }


class Malformed(ValueError):
    "What was received is not what was agreed"


class TooLarge(ValueError):
    "What was received is more than what is taken"


def agree(protocols):
    """Return the newest protocol that both sides understand, None without one

    protocols: what the other side said that it understands.
    """
    if not isinstance(protocols, list):
        return None
    return max(
        (p for p in PROTOCOLS if any(_is(q, int) and p == q
                for q in protocols)), default=None)


def utcnow():
    "Return the clock as it is written down: UTC, without a zone"
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


def dumps(value):
    "Return the value as bytes of JSON, by trytond's codec"
    return json.dumps(
        value, cls=JSONEncoder, separators=(',', ':'),
        allow_nan=False).encode()


def _refuse_constant(name):
    raise Malformed(name)


def loads(data):
    """Return the value of bytes of JSON, by trytond's codec

    Raise Malformed, whatever the bytes are.
    """
    try:
        value = json.loads(
            str(data, 'utf-8'), object_hook=JSONDecoder(),
            parse_constant=_refuse_constant)
    # The decoders of trytond raise what they like on what is not theirs
    except Exception as error:
        raise Malformed(type(error).__name__) from None
    if not _is_plain(value):
        raise Malformed('depth or number')
    return value


def _is_plain(value):
    "Test the depth of a value and that its numbers can be computed with"
    level = [value]
    for _ in range(DEPTH):
        below = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, float) and not math.isfinite(item):
                return False
            elif isinstance(item, Decimal) and (
                    not item.is_finite() or abs(item.adjusted()) > 1000):
                return False
        if not below:
            return True
        level = below
    return False


def compress(chunks):
    "Yield the gzip stream of chunks of bytes"
    compressor = zlib.compressobj(level=COMPRESSION, wbits=31)
    for chunk in chunks:
        if data := compressor.compress(chunk):
            yield data
    yield compressor.flush()


def inflate(chunks):
    """Yield the contents of a gzip stream, never more than CHUNK at once

    Raise Malformed if it is not one, is cut or is followed by something.
    """
    inflater = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                if inflater.eof:
                    raise Malformed('gzip')
                data = inflater.decompress(chunk, CHUNK)
                chunk = inflater.unconsumed_tail or inflater.unused_data
                if data:
                    yield data
        if data := inflater.flush():
            yield data
    except zlib.error:
        raise Malformed('gzip') from None
    if not inflater.eof:
        raise Malformed('gzip')


def bound(chunks, size):
    "Yield the chunks, raise TooLarge beyond size bytes"
    for chunk in chunks:
        size -= len(chunk)
        if size < 0:
            raise TooLarge()
        yield chunk


def clock_offset(sent, received, answered):
    """Return the seconds by which the clock here is ahead of the other's

    sent, received: when the question left and the answer came, here.
    answered: what the other's clock showed in between.
    """
    return ((sent - answered) + (received - answered)).total_seconds() / 2


def _is(value, type_):
    if type_ is int:
        return type(value) is int
    return isinstance(value, type_)


def _check(test, name):
    if not test:
        raise Malformed(name)


def is_name(value):
    "Test if the value is a short text that can be kept and shown"
    return _is(value, str) and 0 < len(value) <= 100 and value.isprintable()


def _is_counter(value):
    return _is(value, int) and 0 < value < 2 ** 31


def parse_heartbeat(value):
    "Return what is known of a heartbeat, raise Malformed"
    if value is None:
        return {}
    _check(isinstance(value, dict), 'heartbeat')
    heartbeat = {}
    for name, type_ in HEARTBEAT.items():
        item = value.get(name)
        if item is not None:
            _check(_is(item, type_), name)
            if type_ is int:
                _check(0 <= item < 2 ** 31, name)
            elif type_ is str:
                _check(is_name(item), name)
            else:
                item = item.replace(microsecond=0)
        heartbeat[name] = item
    return heartbeat


@dataclass(frozen=True)
class Envelope:
    "A request that was checked; what comes with a key only may be None"
    protocol: int
    series: str
    params: dict
    branch: str = None
    uuid: str = None
    counter: int = None
    request: str = None
    recent: dict = field(default_factory=dict)
    answered: int = 0
    time: dt.datetime = None
    heartbeat: dict = field(default_factory=dict)

    @classmethod
    def parse(cls, value, key=True):
        """Return the envelope, raise Malformed

        key: whether it comes with a key, and so says who asks.
        """
        _check(isinstance(value, dict), 'envelope')
        _check(_is(value.get('protocol'), int), 'protocol')
        _check(is_name(value.get('series')), 'series')
        params = value.get('params', {})
        _check(isinstance(params, dict), 'params')
        common = {
            'protocol': value['protocol'],
            'series': value['series'],
            'params': params,
            }
        if not key:
            return cls(**common)
        for name in ['branch', 'uuid', 'request']:
            _check(is_name(value.get(name)), name)
            common[name] = value[name]
        _check(_is_counter(value.get('counter')), 'counter')
        answered = value.get('answered', 0)
        _check(
            _is(answered, int) and 0 <= answered < value['counter'],
            'answered')
        time = value.get('time')
        _check(time is None or isinstance(time, dt.datetime), 'time')
        return cls(
            **common,
            counter=value['counter'],
            recent=cls._parse_recent(value.get('recent', []), value),
            answered=answered,
            time=time,
            heartbeat=parse_heartbeat(value.get('heartbeat')))

    @staticmethod
    def _parse_recent(recent, value):
        _check(isinstance(recent, list) and len(recent) <= RECENT, 'recent')
        parsed = {}
        for item in recent:
            _check(isinstance(item, list) and len(item) == 2, 'recent')
            counter, request = item
            _check(
                _is_counter(counter) and counter < value['counter']
                and is_name(request),
                'recent')
            parsed[counter] = request
        return parsed


def retain(requests, answered):
    """Return what to tell of the requests, RECENT at most

    requests: [counter, identity] by counter. answered: the counter of the
    last one that was answered, 0 if none was.

    The first ones after it say where a copy of the database has parted from
    it, however often it has tried since, the last ones what may still come.
    """
    since = [r for r in requests if r[0] >= answered]
    if len(since) < RECENT:
        return requests[-RECENT:]
    half = RECENT // 2
    return since[:half] + since[half - RECENT:]


def judge(last, known, envelope):
    """Return 'new', 'stale' or 'clone'

    last: the highest counter that was accepted.
    known: the identities of the requests by counter, as far as remembered.

    A copy of the branch's database counts on from where it was copied: its
    requests have the numbers of others. A request that was repeated or
    overtaken on its way has its own.
    """
    for counter, request in envelope.recent.items():
        if known.get(counter, request) != request:
            return 'clone'
    if envelope.counter > last:
        return 'new'
    if known.get(envelope.counter) == envelope.request:
        return 'stale'
    return 'clone'


def remember(known, envelope):
    "Return the known requests after an accepted one, KNOWN at most"
    known = {**known, **envelope.recent, envelope.counter: envelope.request}
    return dict(sorted(known.items())[-KNOWN:])
