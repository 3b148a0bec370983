# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The central's door: the procedures that a branch calls

Modules add theirs:

    @procedure('rows', max_size=100_000, readonly=True)
    def rows(branch, params):
        return {…}

The handler gets the record of the branch that holds the key and the params of
the envelope, which are hostile until checked. It runs without access checks
as the technical user of the branch, in the context of its company, and is
bounded by what it takes from the branch alone. It returns what JSON can write,
or a Response; it raises Failure for what the branch shall be told.
"""
import ipaddress
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from trytond import __series__, backend, config
from trytond.exceptions import UserError
from trytond.exceptions import UserWarning as TrytonWarning
from trytond.pool import Pool
from trytond.protocols.wrappers import (
    HTTPStatus, Response, exceptions, set_max_request_size, user_application,
    with_pool, with_transaction)
from trytond.transaction import Transaction, without_check_access
from trytond.wsgi import app

from . import wire
from .contact import Refusal
from .limit import Buckets

__all__ = ['Failure', 'procedure']

logger = logging.getLogger(__name__)

APPLICATION = 'offline_sales'
MAX_SIZE = 1024 * 1024
COMPRESSED_FROM = 1400
DRAINED = 8 * 1024 * 1024

_procedures = {}
_buckets = Buckets()
# Apart, so that many strangers do not crowd out the branches
_strangers = Buckets()


class Failure(Exception):
    "What a branch is told instead of a result: a code of exceptions.py"

    def __init__(self, code, status=HTTPStatus.BAD_REQUEST, **params):
        super().__init__(code)
        self.code = code
        self.status = status
        self.params = params

    def answer(self, request):
        headers = {}
        if 'seconds' in self.params:
            headers['Retry-After'] = str(math.ceil(self.params['seconds']))
        return _respond(
            request, {'error': {'code': self.code, 'params': self.params}},
            self.status, headers)


@dataclass(frozen=True)
class Procedure:
    "See procedure"
    name: str
    handler: Callable
    max_size: int
    key: bool
    readonly: bool
    any_series: bool


def procedure(
        name, max_size=MAX_SIZE, key=True, readonly=False, any_series=True):
    """Register the decorated function as the handler of a procedure

    max_size: of the body in bytes, compressed or not.
    key: whether it needs the key of a branch; without one, the handler gets
    the request instead of a branch.
    readonly: whether it writes nothing. The count of the request is then
    committed before it runs, and it holds no lock while it works.
    any_series: whether a branch of another Tryton series may call it.
    """
    def decorator(handler):
        _procedures[name] = Procedure(
            name, handler, max_size, key, readonly, any_series)
        return handler
    return decorator


def _respond(request, value, status=HTTPStatus.OK, headers=None):
    response = Response(
        wire.dumps(value), status, headers=headers,
        content_type='application/json')
    if response.content_length >= COMPRESSED_FROM:
        _compress(request, response)
    return response


def _compress(request, response):
    "Compress the response, streamed or not, if the client can read it"
    response.headers.add('Vary', 'Accept-Encoding')
    if ('gzip' in request.accept_encodings
            and 'Content-Encoding' not in response.headers):
        response.headers['Content-Encoding'] = 'gzip'
        streamed = response.is_streamed
        chunks = wire.compress(response.iter_encoded())
        if streamed:
            response.headers.pop('Content-Length', None)
            response.response = chunks
        else:
            response.set_data(b''.join(chunks))
    return response


_CODES = {
    HTTPStatus.UNAUTHORIZED: 'unauthorized',
    HTTPStatus.NOT_FOUND: 'unknown_database',
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 'too_large',
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: 'malformed',
    HTTPStatus.INTERNAL_SERVER_ERROR: 'server_fault',
    }


def _failure(error):
    "Return the failure that tells of an error without telling what it was"
    if isinstance(error, Failure):
        return error
    if isinstance(error, wire.TooLarge):
        return Failure('too_large', HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if isinstance(error, wire.Malformed):
        return Failure('malformed')
    if isinstance(error, exceptions.HTTPException):
        return Failure(_CODES.get(error.code, 'invalid'), error.code)
    if isinstance(error, (UserError, TrytonWarning)):
        return Failure('invalid')
    if isinstance(error, backend.DatabaseOperationalError):
        return Failure('busy', HTTPStatus.SERVICE_UNAVAILABLE, seconds=2)
    return Failure('server_fault', HTTPStatus.INTERNAL_SERVER_ERROR)


def _answered(func):
    "Answer whatever is raised as JSON"
    @wraps(func)
    def wrapper(request, *args, **kwargs):
        try:
            return func(request, *args, **kwargs)
        except Exception as error:
            failure = _failure(error)
            if failure.code == 'server_fault':
                logger.exception("%s failed", request.path)
            elif not isinstance(error, Failure):
                logger.info("%s refused: %s", request.path, failure.code,
                    exc_info=logger.isEnabledFor(logging.DEBUG))
            _drain(request)
            return failure.answer(request)
    return wrapper


def _drain(request):
    "Read what is left of a body: who still sends does not see the answer"
    left = DRAINED
    try:
        while left > 0 and (chunk := request.stream.read(wire.CHUNK)):
            left -= len(chunk)
    except (OSError, exceptions.HTTPException):
        # Nobody is there any more
        return


@app.route(
    '/<string:database_name>/offline_sales/<string:name>', methods=['POST'])
@set_max_request_size(MAX_SIZE)
@_answered
def call(request, database_name, name):
    "Call the procedure of that name"
    received = wire.utcnow()
    # The bound is that of the procedure
    request.max_content_length = None
    if name not in _procedures:
        raise Failure('unknown_procedure', HTTPStatus.NOT_FOUND)
    return _call(request, database_name, _procedures[name], received)


# Once more: with_pool would put the text of an error into its answer
@with_pool
@_answered
def _call(request, pool, procedure, received):
    contact = _recognize(request, pool, procedure)
    _limit(request, pool, procedure, contact)
    envelope = wire.Envelope.parse(
        wire.loads(_read(request, procedure.max_size)), key=procedure.key)
    _check_version(procedure, envelope)
    if not procedure.key:
        result = _perform_open(request, pool, procedure, envelope)
    elif procedure.readonly:
        if failure := _admit(request, pool, envelope, received):
            raise failure
        result = _perform_readonly(request, pool, procedure, envelope)
    else:
        result = _perform(request, pool, procedure, envelope, received)
    # Returned and not raised where what was done shall be committed
    if isinstance(result, Failure):
        raise result
    if isinstance(result, Response):
        return _compress(request, result)
    return _respond(request, {'result': result})


def _recognize(request, pool, procedure):
    """Return what _open does, and limit the wrong keys from an address

    A right one is let in even so: a key of 256 random bits is not found by
    trying, and a branch often has the address of others.
    """
    try:
        return _open(request, pool, procedure)
    except (Failure, exceptions.HTTPException) as error:
        if _failure(error).status == HTTPStatus.UNAUTHORIZED:
            _take(
                _strangers, pool, 'wrong_key_rate', 30, _get_network(request))
        raise


def _get_network(request):
    "Return the network that asks, by trytond's option for failed logins"
    try:
        address = ipaddress.ip_address(request.remote_addr or '')
    except ValueError:
        return request.remote_addr
    prefix = config.getint('session', f'ip_network_{address.version}')
    return ipaddress.ip_network((address, prefix), strict=False)


@with_transaction(readonly=True)
def _open(request, pool, procedure):
    "Return the id of the contact whose key it is, before anything is read"
    try:
        Configuration = pool.get('offline_sales.configuration')
    except KeyError:
        raise Failure('unknown_database', HTTPStatus.NOT_FOUND) from None
    if Configuration.is_branch():
        raise Failure('not_central', HTTPStatus.NOT_FOUND)
    if procedure.key:
        return _identify(request)


def _get_contact():
    "Return the contact whose technical user the transaction is of"
    pool = Pool()
    Contact = pool.get('offline_sales.contact')
    contacts = Contact.search([
            ('technical_user', '=', Transaction().user),
            ('branch.active', '=', True),
            ], limit=1)
    if not contacts:
        raise Failure('unauthorized', HTTPStatus.UNAUTHORIZED)
    return contacts[0]


@user_application(APPLICATION, json=False)
@without_check_access
def _identify(request):
    return _get_contact().id


def _limit(request, pool, procedure, contact):
    if procedure.key:
        _take(_buckets, pool, 'rate', 600, contact)
    else:
        _take(_buckets, pool, 'pair_rate', 10, _get_network(request))


def _take(buckets, pool, option, default, who):
    "Raise Failure if who has asked more often than the option allows"
    rate = config.getint('offline_sales', option, default=default)
    if rate > 0:
        seconds = buckets.take(
            (pool.database_name, option, who), rate, time.monotonic())
        if seconds:
            raise Failure(
                'rate_limited', HTTPStatus.TOO_MANY_REQUESTS,
                seconds=math.ceil(seconds))


def _read(request, max_size):
    "Return the body of the request, inflated"
    if (request.content_length or 0) > max_size:
        raise wire.TooLarge()
    chunks = wire.bound(
        iter(lambda: request.stream.read(wire.CHUNK), b''), max_size)
    encoding = request.headers.get('Content-Encoding', 'identity').lower()
    if encoding == 'gzip':
        chunks = wire.bound(wire.inflate(chunks), max_size)
    elif encoding != 'identity':
        raise Failure('malformed', HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return b''.join(chunks)


def _check_version(procedure, envelope):
    if envelope.protocol not in wire.PROTOCOLS:
        raise Failure('wrong_protocol', HTTPStatus.CONFLICT,
            protocols=list(wire.PROTOCOLS))
    if envelope.series != __series__ and not procedure.any_series:
        raise Failure('wrong_version', HTTPStatus.CONFLICT, series=__series__)


def _run(procedure, envelope, contact):
    "Return the result of the handler in the context of the branch"
    branch = contact.branch
    with Transaction().set_context(
            company=branch.company.id,
            companies=[branch.company.id],
            offline_sales_branch=branch.id,
            offline_sales_protocol=envelope.protocol):
        branch = Pool().get('offline_sales.branch')(branch.id)
        return procedure.handler(branch, envelope.params)


@with_transaction()
@user_application(APPLICATION, json=False)
@without_check_access
def _admit(request, pool, envelope, received):
    return _admission(_get_contact(), envelope, received)


def _admission(contact, envelope, received):
    code = contact.admit(envelope, received)
    if code:
        status = (HTTPStatus.FORBIDDEN if code == 'refused'
            else HTTPStatus.CONFLICT)
        return Failure(code, status)


@with_transaction()
@user_application(APPLICATION, json=False)
@without_check_access
def _perform(request, pool, procedure, envelope, received):
    contact = _get_contact()
    if failure := _admission(contact, envelope, received):
        return failure
    return _run(procedure, envelope, contact)


@with_transaction(readonly=True)
@user_application(APPLICATION, json=False)
@without_check_access
def _perform_readonly(request, pool, procedure, envelope):
    return _run(procedure, envelope, _get_contact())


@with_transaction()
@without_check_access
def _perform_open(request, pool, procedure, envelope):
    return procedure.handler(request, envelope.params)


def is_private(request):
    "Test if nobody on the way can read the request"
    if request.is_secure:
        return True
    if config.getboolean('offline_sales', 'allow_http', default=False):
        return True
    try:
        return ipaddress.ip_address(request.remote_addr or '').is_loopback
    except ValueError:
        return False


def _get_code(request, params):
    "Return (code, uuid) that a request without a key shows"
    if not is_private(request):
        raise Failure('insecure', HTTPStatus.FORBIDDEN)
    code, uuid = params.get('code'), params.get('uuid')
    if not (isinstance(code, str) and len(code) <= 100
            and wire.is_name(uuid) and len(uuid) >= 16):
        raise wire.Malformed('code')
    return code, uuid


def _tell_refusal(result):
    if isinstance(result, Refusal):
        return Failure(result.code, HTTPStatus.FORBIDDEN, **result.params)
    return result


@procedure('invitation', max_size=10_000, key=False, any_series=False)
def invitation(request, params):
    """Tell who shows a pairing code what its database has to be

    params: code; uuid that the database will have. The code is not used up.
    """
    pool = Pool()
    Contact = pool.get('offline_sales.contact')
    return _tell_refusal(Contact.invite(*_get_code(request, params)))


@procedure('pair', max_size=10_000, key=False, any_series=False)
def pair(request, params):
    """Give its keys to the database that shows a pairing code

    params: code; uuid, language, price_decimal and former as for Contact.pair.
    """
    pool = Pool()
    Contact = pool.get('offline_sales.contact')
    return _tell_refusal(Contact.pair(*_get_code(request, params), params))


@procedure('hello', max_size=100_000)
def hello(branch, params):
    "Tell who the central is, and its time"
    pool = Pool()
    Contact = pool.get('offline_sales.contact')
    return {**Contact.introduce(branch), **_settle_token_keys(branch, params)}


def _settle_token_keys(branch, params):
    pool = Pool()
    Contact = pool.get('offline_sales.contact')
    accepted = params.get('token_keys')
    if accepted is None:
        return {}
    if (not isinstance(accepted, list) or len(accepted) > 10
            or not all(isinstance(key, str) for key in accepted)):
        raise wire.Malformed('token_keys')
    told = Contact.of(branch).settle_token_keys(accepted)
    return {'token_keys': told} if told else {}


@procedure('heartbeat', max_size=100_000)
def heartbeat(branch, params):
    "Take note that the branch is well: the envelope has told how"
    pool = Pool()
    Contact = pool.get('offline_sales.contact')
    return {
        'time': wire.utcnow(),
        'restored': Contact.of(branch).restored,
        **_settle_token_keys(branch, params),
        }
