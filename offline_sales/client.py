# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The branch's side of the talk with the central

    with Client.from_configuration() as client:
        result = client.call('status', {…})
        with client.stream('rows', {…}) as chunks:
            for chunk in chunks:
                …

Each request waits for those of other processes of the branch and counts
before it leaves. What goes wrong is raised as a CentralError, whose text says
what to do.

Nothing may have been written in the transaction that calls: a lock would be
held for as long as the other side takes.
"""
import datetime as dt
import email.utils
import ipaddress
import math
import os
import random
import secrets
import socket
import ssl
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import filelock
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from trytond import __series__, backend, config
from trytond.model import ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import exceptions, wire
from .token.key import fingerprint, keep

__all__ = ['Client', 'Request', 'delay']

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
TOTAL_TIMEOUT = 30 * 60
TURN_TIMEOUT = 120
MAX_SIZE = 64 * 1024 * 1024
MAX_STREAM = 4 * 1024 * 1024 * 1024
COMPRESSED_FROM = 1400
PATIENCE = 60


def delay(attempt, chance, base=1, most=900):
    """Return the seconds to wait after a failed attempt

    attempt: how many failed before, 0 for the first.
    chance: of [0, 1), that those who failed together do not return together.
    The delay doubles with each attempt up to most; chance takes up to a half.
    """
    # Beyond 2 ** 64 any base has reached what is most
    longest = min(most, base * 2 ** min(attempt, 64))
    return longest * (1 + chance) / 2


class Request(ModelSQL):
    """Request to the Central

    Those that the branch sent lately, whether they were answered or not.
    """
    __name__ = 'offline_sales.request'
    counter = fields.Integer("Counter", required=True)
    identity = fields.Char("Identity", required=True)
    answered = fields.Boolean("Answered")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('counter_unique', Unique(t, t.counter),
                'offline_sales.msg_request_counter_unique'),
            ]
        cls.__rpc__ = {}

    @classmethod
    def take(cls, answered=None):
        """Count a request in a transaction of its own and return
        (counter, identity, [[counter, identity] of those before], the counter
        of the last one that was answered)

        answered: the counter of a request that was answered meanwhile.
        What is returned is on the disk: a number is never given again.
        """
        table = cls.__table__()
        identity = secrets.token_urlsafe(12)
        with Transaction().new_transaction() as transaction:
            cursor = transaction.connection.cursor()
            if backend.name == 'sqlite':
                # trytond's NORMAL may lose a commit in a power cut
                cursor.execute('PRAGMA synchronous = FULL')
            if answered:
                cursor.execute(*table.update(
                        [table.answered], [True],
                        where=table.counter == answered))
            cursor.execute(*table.select(
                    table.counter, table.identity, table.answered,
                    order_by=table.counter.asc))
            rows = cursor.fetchall()
            last = max((c for c, _, answered in rows if answered), default=0)
            requests = [[counter, identity] for counter, identity, _ in rows]
            recent = wire.retain(requests, last)
            counter = requests[-1][0] + 1 if requests else 1
            cursor.execute(*table.insert(
                    [table.counter, table.identity], [[counter, identity]]))
            if forgotten := [r[0] for r in requests if r not in recent]:
                cursor.execute(*table.delete(
                        where=table.counter.in_(forgotten)))
        return counter, identity, recent, last

    @classmethod
    def give_back(cls, counter):
        "Forget the last request, which never left"
        table = cls.__table__()
        with Transaction().new_transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(*table.delete(where=table.counter == counter))


class _Bearer(AuthBase):
    "Sets the key, and keeps requests from looking for another in .netrc"

    def __init__(self, key):
        self._key = key

    def __call__(self, request):
        if self._key:
            request.headers['Authorization'] = f'Bearer {self._key}'
        return request


class _OtherProtocol(Exception):
    "The central understands another protocol, which is taken from now on"


class Client:
    """A run of requests to the central over one kept connection

    url, database: of the central. key, branch, uuid: of the pairing; without
    a key only what needs none can be called.
    allow_http: whether the address may be one without TLS.
    variables: of the texts of its errors.
    bytes: how many were sent and received, compressed, without headers.
    """

    def __init__(
            self, url, database, key=None, branch=None, uuid=None,
            allow_http=False):
        self.url = (url or '').strip().rstrip('/')
        self.database = (database or '').strip()
        self._key = key
        self.branch = branch
        self.uuid = uuid
        self.variables = {'url': self.url, 'database': self.database}
        self._check_address(allow_http)
        self.protocol = max(wire.PROTOCOLS)
        self.bytes = 0
        self._taken = self._answered = None
        self._session = requests.Session()
        self._session.auth = _Bearer(key)
        self._session.headers.update({
                'Accept': 'application/json, application/octet-stream',
                'Accept-Encoding': 'gzip',
                'Content-Type': 'application/json',
                })
        # How often is decided here, not in the connection pool
        adapter = HTTPAdapter(max_retries=0)
        self._session.mount('https://', adapter)
        self._session.mount('http://', adapter)

    @classmethod
    def from_configuration(cls):
        "Return the client of this branch, raise NotPaired if it is none"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Credential = pool.get('offline_sales.credential')
        configuration = Configuration(1)
        key = Credential.get('key')
        if not Configuration.is_branch() or not key:
            raise exceptions.NotPaired()
        return cls(
            configuration.url, configuration.database, key=key,
            branch=configuration.branch_code, uuid=configuration.uuid,
            allow_http=configuration.allow_http)

    def __enter__(self):
        return self

    def __exit__(self, type, value, traceback):
        self.close()

    def close(self):
        self._session.close()

    def _check_address(self, allow_http):
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts = host = port = None
        self.variables.update(
            host=host, port=port or (
                443 if parts and parts.scheme == 'https' else 80))
        if (not host or parts.scheme not in {'http', 'https'}
                or parts.query or parts.fragment or parts.username
                or any(c.isspace() for c in self.url)):
            # It may hold a password that was written into it
            shown = host or ('' if '@' in self.url else self.url[:200])
            raise exceptions.InvalidAddress(url=shown)
        if not self.database:
            raise exceptions.MissingDatabase()
        if (parts.scheme == 'http' and not allow_http
                and not _is_loopback(host)):
            raise exceptions.PlainHTTP(**self.variables)

    def _error(self, Error, **variables):
        return Error(**{**self.variables, **variables})

    def call(
            self, procedure, params=None, timeout=None, attempts=3,
            max_size=MAX_SIZE):
        """Return the result of a procedure of the central

        params: what JSON can write by trytond's codec, a dictionary.
        timeout: seconds without an answer.
        attempts: how often to try, where trying again may help.
        max_size: of the answer in bytes, inflated.
        Raise CentralError.
        """
        def once():
            with self._send(procedure, params, timeout) as response:
                answer = _load(b''.join(
                        self._receive(response, max_size)))
                if 'result' not in answer:
                    raise self._error(exceptions.NotTryton)
                return answer['result']
        return self._persist(once, attempts)

    @contextmanager
    def stream(
            self, procedure, params=None, timeout=None, attempts=3,
            max_size=MAX_STREAM):
        """Yield the body that a procedure answers as an iterator of chunks of
        bytes, inflated; see call

        The attempts are those to get the answer to begin.
        """
        @contextmanager
        def once():
            with self._send(procedure, params, timeout) as response:
                yield self._receive(response, max_size)

        with ExitStack() as stack:
            yield self._persist(
                lambda: stack.enter_context(once()), attempts)

    def probe(self):
        """Return if there is a central at the address, without a key

        Raise CentralError.
        """
        try:
            self.call('hello', attempts=1)
        except exceptions.KeyRefused:
            return
        raise self._error(exceptions.NotTryton)

    def hello(self, attempts=3):
        """Return who the central is, with the seconds by which the clock here
        is ahead of the central's as clock_offset"""
        return self._meet(
            lambda: self._keep_token_keys(
                self.call('hello', self._name_token_keys(), attempts=1)),
            attempts)

    def invitation(self, code, uuid, attempts=3):
        """Return who the central is to who shows a pairing code, as hello

        uuid: the identity that the database will have.
        """
        return self._meet(
            lambda: self.call(
                'invitation', {'code': code, 'uuid': uuid}, attempts=1),
            attempts)

    def _meet(self, ask, attempts):
        "Return who the central is with the offset of the clocks"
        times = {}

        def meet():
            times['sent'] = wire.utcnow()
            result = ask()
            times['received'] = wire.utcnow()
            if not (isinstance(result, dict)
                    and isinstance(result.get('time'), dt.datetime)):
                raise self._error(exceptions.NotTryton)
            return result
        result = self._persist(meet, attempts)
        result['clock_offset'] = wire.clock_offset(
            times['sent'], times['received'], result['time'])
        return result

    def heartbeat(self, attempts=3):
        "Tell the central how the branch is doing"
        return self._keep_token_keys(self.call(
                'heartbeat', self._name_token_keys(), attempts=attempts))

    @staticmethod
    def _name_token_keys():
        Credential = Pool().get('offline_sales.credential')
        try:
            keys = Credential.get_token_keys()
        except exceptions.SecretError:
            # What was sold is sent all the same
            return {}
        return {'token_keys': [fingerprint(key) for key in keys]}

    def _keep_token_keys(self, result):
        "Take what the central tells of the keys of the usage tokens"
        Credential = Pool().get('offline_sales.credential')
        told = result.get('token_keys') if isinstance(result, dict) else None
        if not told:
            return result
        # So that the central can be asked again in the transaction
        with Transaction().new_transaction():
            keys = Credential.get_token_keys()
            kept = keep(keys, told['issuing'], told['offered'])
            if kept != keys:
                Credential.set_token_keys(kept)
        return result

    def _persist(self, once, attempts):
        for attempt in range(attempts):
            try:
                return self._speak(once)
            except exceptions.CentralError as error:
                if not error.retry or attempt + 1 == attempts:
                    raise
                seconds = delay(attempt, self._random())
                if error.seconds:
                    seconds = max(seconds, error.seconds)
                if seconds > PATIENCE:
                    raise
            self._sleep(seconds)

    @staticmethod
    def _speak(once):
        while True:
            try:
                return once()
            except _OtherProtocol:
                continue

    _random = staticmethod(random.random)
    _sleep = staticmethod(time.sleep)

    # One request

    @contextmanager
    def _send(self, procedure, params, timeout):
        "Yield the response of the central, if it is not an error"
        _check_nothing_written()
        with self._turn():
            data = wire.dumps(self._envelope(params))
            headers = {}
            if len(data) >= COMPRESSED_FROM:
                headers['Content-Encoding'] = 'gzip'
                data = b''.join(wire.compress([data]))
            self.bytes += len(data)
            response = self._post(procedure, data, headers, timeout)
            try:
                self._check(response)
                self._answered = self._taken
                yield response
            finally:
                response.close()

    def _post(self, procedure, data, headers, timeout):
        with self._translated():
            try:
                return self._session.post(
                    f'{self.url}/{quote(self.database, safe="")}'
                    f'/offline_sales/{procedure}',
                    data=data, headers=headers, stream=True,
                    timeout=(CONNECT_TIMEOUT, timeout or READ_TIMEOUT),
                    allow_redirects=False)
            except requests.RequestException as error:
                if self._taken and _never_left(error):
                    self._give_back(self._taken)
                raise

    def _envelope(self, params):
        envelope = {
            'protocol': self.protocol,
            'series': __series__,
            'params': params or {},
            }
        if self._key:
            counter, request, recent, answered = self._take(self._answered)
            self._taken = counter
            envelope.update({
                    'branch': self.branch,
                    'uuid': self.uuid,
                    'counter': counter,
                    'request': request,
                    'recent': recent,
                    'answered': answered,
                    'time': wire.utcnow(),
                    'heartbeat': self._heartbeat(),
                    })
        return envelope

    def _take(self, answered):
        return Pool().get('offline_sales.request').take(answered)

    def _give_back(self, counter):
        Pool().get('offline_sales.request').give_back(counter)

    def _heartbeat(self):
        return Pool().get('offline_sales.configuration').get_heartbeat()

    @contextmanager
    def _turn(self):
        "Wait for the other processes of the branch"
        if not self._key:
            yield
            return
        lock = filelock.FileLock(lock_path(), thread_local=False)
        try:
            lock.acquire(timeout=TURN_TIMEOUT)
        except filelock.Timeout:
            raise self._error(exceptions.Busy) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _translated(self):
        "Raise what went wrong on the way as an error of ours"
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError,
                OSError, ValueError) as error:
            # Not as the cause: the error may hold the header with the key
            Error, variables = _diagnose(error)
            raise self._error(Error, **variables) from None

    def _check(self, response):
        "Raise what the response tells of if it is not a result"
        status = response.status_code
        if 300 <= status < 400:
            raise self._error(
                exceptions.Redirected,
                location=_show(response.headers.get('Location')))
        kind = response.headers.get('Content-Type', '').partition(';')[0]
        if status == 200 and kind in {
                'application/json', 'application/octet-stream',
                'application/x-ndjson'}:
            return
        seconds = _retry_after(response)
        if kind == 'application/json':
            answer = _load(b''.join(self._receive(response, 64 * 1024)))
            error = answer.get('error')
            if isinstance(error, dict) and isinstance(error.get('code'), str):
                self._fail(error, status, seconds)
        raise self._error(
            _get_error(None, status), status=status, seconds=seconds)

    def _fail(self, error, status, seconds):
        params = error.get('params')
        if error['code'] == exceptions.WrongProtocol.code:
            self._negotiate(params)
        variables = {
            name: value if isinstance(value, int) else _show(value)
            for name, value in (
                params if isinstance(params, dict) else {}).items()}
        variables['status'] = status
        if seconds is not None:
            variables['seconds'] = seconds
        raise self._error(_get_error(error['code'], status), **variables)

    def _negotiate(self, params):
        """Have the central be asked again in an older protocol, if there is
        one that both understand"""
        agreed = wire.agree(
            params.get('protocols') if isinstance(params, dict) else None)
        if agreed and agreed < self.protocol:
            self.protocol = agreed
            raise _OtherProtocol()

    def _receive(self, response, max_size):
        "Yield the body of the response, inflated"
        chunks = wire.bound(self._read(response), max_size)
        encoding = response.headers.get('Content-Encoding', 'identity')
        if encoding == 'gzip':
            chunks = wire.bound(wire.inflate(chunks), max_size)
        elif encoding != 'identity':
            raise self._error(exceptions.NotTryton)
        try:
            yield from chunks
        except wire.TooLarge:
            raise self._error(exceptions.AnswerTooLarge) from None
        except wire.Malformed:
            raise self._error(exceptions.Interrupted) from None

    def _read(self, response):
        "Yield the body of the response as it comes, one piece at a time"
        deadline = time.monotonic() + TOTAL_TIMEOUT
        while True:
            with self._translated():
                chunk = response.raw.read1(wire.CHUNK, decode_content=False)
            if not chunk:
                return
            self.bytes += len(chunk)
            if time.monotonic() > deadline:
                raise self._error(exceptions.TimedOut)
            yield chunk


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def _check_nothing_written():
    "SQLite would let nobody else write until the central has answered"
    if getattr(Transaction().connection, 'in_transaction', False):
        raise RuntimeError("commit before the central is asked")


def lock_path(what='offline_sales'):
    "Return the path of the file by which processes of the branch take turns"
    name = f'.{Transaction().database.name}.{what}.lock'
    directory = Path(config.get('database', 'path', default='') or '.')
    if not os.access(directory, os.W_OK):
        directory = Path(tempfile.gettempdir())
    return directory / name


def _load(data):
    "Return the object of the answer, an empty one if it is something else"
    try:
        answer = wire.loads(data)
    except wire.Malformed:
        answer = None
    return answer if isinstance(answer, dict) else {}


def _show(value):
    "Return what the other side said in a form that can be shown"
    return ''.join(c for c in str(value or '') if c.isprintable())[:200]


def _retry_after(response):
    "Return the seconds of the header Retry-After, None without"
    value = response.headers.get('Retry-After', '')
    if value.isdecimal() and len(value) < 7:
        return int(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    now = dt.datetime.now(dt.timezone.utc)
    return max(0, math.ceil((moment - now).total_seconds()))


def _get_error(code, status):
    "Return the class of the error with that code, or that HTTP status"
    Error = exceptions.CODES.get(code)
    if Error:
        return Error
    if status == 429:
        return exceptions.RateLimited
    if status == 413:
        return exceptions.TooLarge
    if status in {502, 503, 504}:
        return exceptions.ServerBusy
    if status >= 500:
        return exceptions.ServerFault
    return exceptions.Invalid if code else exceptions.NotTryton


def _causes(error):
    "Yield the error and those that it came from"
    seen = set()
    waiting = [error]
    while waiting:
        error = waiting.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        waiting.extend([
                getattr(error, 'reason', None), error.__cause__,
                error.__context__, *error.args])


def _never_left(error):
    "Return True if there was no connection on which the request could leave"
    return any(
        isinstance(cause, (
                requests.ConnectTimeout,
                urllib3.exceptions.NewConnectionError))
        for cause in _causes(error))


def _diagnose(error):
    "Return the class of our error and its variables for one of the network"
    if isinstance(error, requests.exceptions.InvalidURL):
        return exceptions.InvalidAddress, {}
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return exceptions.TLSFailed, {'reason': cause.verify_message}
    for kinds, Error in [
            ((ssl.SSLError, requests.exceptions.SSLError), exceptions.NoTLS),
            ((socket.gaierror, urllib3.exceptions.NameResolutionError),
                exceptions.UnknownHost),
            ((ConnectionRefusedError,), exceptions.ClosedPort),
            ((requests.Timeout, urllib3.exceptions.TimeoutError,
                    TimeoutError), exceptions.TimedOut),
            ((urllib3.exceptions.NewConnectionError,
                    requests.exceptions.ProxyError), exceptions.Unreachable),
            ]:
        if any(isinstance(cause, kinds) for cause in causes):
            return Error, {}
    return exceptions.Interrupted, {}
