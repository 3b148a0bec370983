# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import errno

from trytond.exceptions import UserError
from trytond.exceptions import UserWarning as TrytonWarning
from trytond.i18n import gettext
from trytond.model.exceptions import AccessError, ValidationError

# The memory that processes share is a file too
SQLITE_FULL = {'SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'}
POSTGRESQL_FULL = '53100'


class CatalogError(ValidationError):
    pass


class OfflineAccessError(AccessError):
    "What the restricted branch, or the central on its points, refuses"


class CentralError(UserError):
    """The central could not be asked, or did not answer as it should

    The text says what happened and what to do.

    code: by which the central tells of it, if it does.
    text: the id of the message.
    retry: whether the same may succeed a moment later.
    step: of the test of the connection, see configuration.py.
    seconds: the central asked to wait so long, or None.
    variables: of the text.
    """
    code = None
    text = 'offline_sales.msg_central_unreachable'
    retry = False
    step = 'answer'

    def __init__(self, seconds=None, **variables):
        self.seconds = seconds
        self.variables = variables
        super().__init__(gettext(
                self.text, seconds=seconds or 0, **variables))


class NotPaired(CentralError):
    "This database is not that of a branch"
    text = 'offline_sales.msg_central_not_paired'
    step = 'address'


class InvalidAddress(CentralError):
    text = 'offline_sales.msg_central_invalid_address'
    step = 'address'


class MissingDatabase(CentralError):
    text = 'offline_sales.msg_central_missing_database'
    step = 'address'


class PlainHTTP(CentralError):
    "The address has no TLS and that was not allowed"
    text = 'offline_sales.msg_central_plain_http'
    step = 'address'


class Busy(CentralError):
    "Another process of this branch is talking to the central"
    text = 'offline_sales.msg_central_talking'
    step = 'address'


class UpdateRunning(CentralError):
    "The catalogs are being obtained already"
    text = 'offline_sales.msg_update_running'
    step = 'address'


class Unreachable(CentralError):
    retry = True
    step = 'port'


class UnknownHost(Unreachable):
    text = 'offline_sales.msg_central_unknown_host'
    step = 'host'


class ClosedPort(Unreachable):
    text = 'offline_sales.msg_central_closed_port'


class TimedOut(Unreachable):
    text = 'offline_sales.msg_central_timed_out'


class Interrupted(Unreachable):
    text = 'offline_sales.msg_central_interrupted'
    step = 'answer'


class TLSFailed(CentralError):
    "The server did not prove to be who it says"
    text = 'offline_sales.msg_central_tls_failed'
    step = 'tls'


class NoTLS(CentralError):
    "The port does not speak TLS"
    text = 'offline_sales.msg_central_no_tls'
    step = 'tls'


class Redirected(CentralError):
    text = 'offline_sales.msg_central_redirected'


class NotTryton(CentralError):
    "What answers is something else"
    text = 'offline_sales.msg_central_not_tryton'


class IncompleteAnswer(CentralError):
    "The answer was cut, or is not what was asked for"
    text = 'offline_sales.msg_central_incomplete'
    retry = True


class AnswerTooLarge(CentralError):
    text = 'offline_sales.msg_central_answer_too_large'


class UnknownDatabase(CentralError):
    code = 'unknown_database'
    text = 'offline_sales.msg_central_unknown_database'
    step = 'database'


class NotCentral(CentralError):
    "The database is that of a branch"
    code = 'not_central'
    text = 'offline_sales.msg_central_not_central'
    step = 'database'


class WrongVersion(CentralError):
    "Only one side was updated"
    code = 'wrong_version'
    text = 'offline_sales.msg_central_wrong_version'
    step = 'series'


class WrongProtocol(WrongVersion):
    code = 'wrong_protocol'
    text = 'offline_sales.msg_central_wrong_protocol'


class UnknownProcedure(WrongVersion):
    code = 'unknown_procedure'
    text = 'offline_sales.msg_central_wrong_protocol'


class Refused(CentralError):
    "The central does not let the branch in, or not with this request"
    step = 'key'


class KeyRefused(Refused):
    code = 'unauthorized'
    text = 'offline_sales.msg_central_key_refused'


class CloneRefused(Refused):
    "The database was restored or copied"
    code = 'refused'
    text = 'offline_sales.msg_central_clone_refused'


class WrongBranch(Refused):
    code = 'wrong_branch'
    text = 'offline_sales.msg_central_wrong_branch'


class Stale(Refused):
    "The request came late, or twice"
    code = 'stale'
    text = 'offline_sales.msg_central_stale'
    retry = True


class Invalid(Refused):
    "The request itself was refused"
    code = 'invalid'
    text = 'offline_sales.msg_central_invalid'
    step = 'answer'


class Malformed(Invalid):
    code = 'malformed'


class TooLarge(Invalid):
    code = 'too_large'
    text = 'offline_sales.msg_central_too_large'


class PairingError(Refused):
    step = 'code'


class WrongCode(PairingError):
    code = 'wrong_code'
    text = 'offline_sales.msg_central_wrong_code'


class UsedCode(PairingError):
    code = 'used_code'
    text = 'offline_sales.msg_central_used_code'


class ExpiredCode(PairingError):
    code = 'expired_code'
    text = 'offline_sales.msg_central_expired_code'


class BurntCode(PairingError):
    "Too many wrong codes were tried"
    code = 'burnt_code'
    text = 'offline_sales.msg_central_burnt_code'


class OtherBranch(PairingError):
    "The data of this database is of another branch"
    code = 'other_branch'
    text = 'offline_sales.msg_central_other_branch'


class WrongLanguage(PairingError):
    code = 'wrong_language'
    text = 'offline_sales.msg_central_wrong_language'


class WrongDecimals(PairingError):
    code = 'wrong_decimals'
    text = 'offline_sales.msg_central_wrong_decimals'


class InsecurePairing(PairingError):
    code = 'insecure'
    text = 'offline_sales.msg_central_insecure'


class RateLimited(CentralError):
    code = 'rate_limited'
    text = 'offline_sales.msg_central_rate_limited'
    retry = True


class ServerFault(CentralError):
    code = 'server_fault'
    text = 'offline_sales.msg_central_server_fault'
    retry = True


class ServerBusy(ServerFault):
    code = 'busy'
    text = 'offline_sales.msg_central_server_busy'


class TotalsDiffer(CentralError):
    "The two sides do not agree on what was sent"
    text = 'offline_sales.msg_central_totals_differ'
    retry = True


def _codes(Error):
    codes = {Error.code: Error} if Error.code else {}
    for Specific in Error.__subclasses__():
        codes.update(_codes(Specific))
    return codes


CODES = _codes(CentralError)


class DiskFull(UserError):
    "Nothing can be written any more at this computer"

    def __init__(self):
        super().__init__(gettext('offline_sales.msg_update_disk_full'))


def is_disk_full(error):
    "Return whether that is what the system, SQLite or PostgreSQL tells"
    return (
        isinstance(error, DiskFull)
        or getattr(error, 'errno', None) == errno.ENOSPC
        or getattr(error, 'sqlite_errorname', None) in SQLITE_FULL
        or getattr(error, 'sqlstate', None) == POSTGRESQL_FULL)


class ResetRefused(UserError):
    "What was done here is not at the central yet"


class PairingRefused(UserError):
    "This database cannot become that of the branch"


class CaptureError(ValidationError):
    "What the branch cannot tell the central of"


class DocumentError(AccessError):
    "What cannot be done with a document, or because of one"


class CashDifferenceWarning(TrytonWarning):
    "What is counted is not what should be there"


class CashUncountedWarning(TrytonWarning):
    "The cut of a branch's session has not come"


class PrefacturaError(UserError):
    "Why a prefactura cannot be confirmed or cancelled"


class PrintError(UserError):
    "What is not to be printed now"


class Rejection(Exception):
    """Why the central sets a document aside

    code: the text is that of the message msg_document_<code>.
    params: of the message, plain values.
    document: the one at fault, if it is known.
    """

    def __init__(self, code, document=None, **params):
        super().__init__(code)
        self.code = code
        self.document = document
        self.params = params


class TokenError(UserError):
    "No usage token is given, for the reason in the text"


class SecretError(UserError):
    "A secret of this database cannot be read or kept"


class ScanError(UserError):
    "What was typed or scanned is none of the products, or several"
