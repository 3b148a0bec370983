# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import datetime as dt
import hashlib
import hmac

from sql.operators import Equal

from trytond import backend, config
from trytond.exceptions import LoginException, RateLimitException
from trytond.i18n import gettext
from trytond.model import Exclude, Index, ModelSQL, ModelView, fields
from trytond.model.exceptions import SQLConstraintError
from trytond.pool import Pool
from trytond.protocols.wrappers import HTTPStatus, abort
from trytond.transaction import Transaction

from ..branch import GRACE as GRACE_MINUTES
from .algorithm import Challenge, check_token, format_id
from .period import CLOCK, ENDING, GRACE, OPEN, OVER, Period, read_clock

__all__ = ['PARAMETER', 'Usage']

# Of the login. The name keeps trytond from logging what is in it.
PARAMETER = 'offline_sales_token'

# The phases in which something can be sold, or finished
_USABLE = {OPEN, ENDING, GRACE}
# Which usage counts, of several: the one that allows most
_RANKS = {OPEN: 3, ENDING: 3, GRACE: 2, CLOCK: 1, OVER: 0}


def _moment(seconds):
    "Return the moment as Tryton keeps it: UTC, without zone and fractions"
    return dt.datetime.fromtimestamp(
        int(seconds), dt.timezone.utc).replace(tzinfo=None)


def _begin_again():
    "Have trytond begin the login again, because another one was faster"
    # It commits what was done so far
    Transaction().rollback()
    raise backend.DatabaseOperationalError("another login was faster")


class _UsedIds:
    "The container of the Ids that this database has ever asked"

    def __contains__(self, identifier):
        Usage = Pool().get('offline_sales.usage')
        return bool(Usage.search([
                    ('identifier', '=', identifier),
                    ], limit=1, order=[]))


class Usage(ModelSQL, ModelView):
    """Usage of a Branch

    An Id that was asked and the period that its token opened. Nothing but
    what is here makes them: no procedure writes it from outside.
    """
    __name__ = 'offline_sales.usage'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True,
        ondelete='RESTRICT')
    identifier = fields.Char("Id", required=True, readonly=True)
    state = fields.Selection([
            ('asked', "Asked"),
            ('open', "Open"),
            ('closed', "Closed"),
            ('lapsed', "Lapsed"),
            ('burnt', "Burnt"),
            ], "State", required=True, readonly=True, sort=False)
    failures = fields.Integer(
        "Wrong Tokens", required=True, readonly=True)
    asked_at = fields.DateTime("Asked at", required=True, readonly=True)
    hours = fields.Integer("Hours", readonly=True)
    opened_at = fields.DateTime("Opened at", readonly=True)
    end = fields.DateTime("End", readonly=True)
    closed_at = fields.DateTime("Closed at", readonly=True)
    noticed = fields.Boolean("Noticed", readonly=True)

    # The columns of the periods, see period.py: of the Id and of the usage
    asked_start = fields.Float("Start of Id", readonly=True)
    asked_length = fields.Float("Length of Id", readonly=True)
    asked_latest = fields.Float("Latest of Id", readonly=True)
    asked_boot = fields.Char("Boot of Id", readonly=True)
    asked_steady = fields.Float("Steady Clock of Id", readonly=True)
    start = fields.Float("Start", readonly=True)
    length = fields.Float("Length", readonly=True)
    latest = fields.Float("Latest", readonly=True)
    boot = fields.Char("Boot", readonly=True)
    steady = fields.Float("Steady Clock", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order.insert(0, ('asked_at', 'DESC'))
        t = cls.__table__()
        cls._sql_constraints += [
            ('identifier_unique', Exclude(t, (t.identifier, Equal)),
                'offline_sales.msg_usage_identifier_unique'),
            ('asked_unique', Exclude(t, (t.user, Equal),
                    where=t.state == 'asked'),
                'offline_sales.msg_usage_asked_unique'),
            ]
        cls._sql_indexes.add(Index(
                t, (t.state, Index.Equality(cardinality='low')),
                where=t.state.in_(['asked', 'open'])))
        for name in ['create', 'write', 'delete', 'copy', 'import_data']:
            cls.__rpc__.pop(name, None)

    @classmethod
    def default_failures(cls):
        return 0

    @classmethod
    def default_noticed(cls):
        return False

    def get_rec_name(self, name):
        return format_id(self.identifier)

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        if isinstance(operand, str):
            operand = operand.replace(' ', '')
        return [('identifier', operator, operand, *extra)]

    # The periods and their columns

    @staticmethod
    def _columns(period, prefix=''):
        return {
            f'{prefix}{name}': value
            for name, value in period._asdict().items()}

    def _get_period(self, prefix=''):
        return Period(*(
                getattr(self, f'{prefix}{name}')
                for name in Period._fields))

    @property
    def period(self):
        "The Period that was opened"
        return self._get_period()

    @property
    def challenge(self):
        "The Challenge that was asked"
        return Challenge(
            self.identifier, self._get_period('asked_'), self.failures)

    def _update(self, state, values):
        """Write values if the state is still that, and return if it was

        One statement, so that of two who do it at once one does.
        """
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [getattr(table, name) for name in values],
                list(values.values()),
                where=(table.id == self.id) & (table.state == state)))
        for cache in Transaction().cache.values():
            cache.pop(self.__name__, None)
        return cursor.rowcount == 1

    # Asking and opening

    @classmethod
    def login(cls, user, login, parameters):
        """Let the user of a branch in, or raise LoginException that asks for
        a token

        login: the name by which wrong tokens are counted.
        Without a token typed he is let in too: what he may sell is decided
        where it is sold.
        """
        reading = read_clock()
        cls.watch(reading)
        if cls.get_phase(user, reading) in {OPEN, ENDING}:
            return
        token = parameters.get(PARAMETER)
        if token is None:
            raise cls._prompt(user, reading)
        if isinstance(token, str) and not token.strip():
            return
        attempt = cls._Attempt(login, parameters.get('device_cookie'))
        attempt.check()
        usage = cls._get_asked(user, reading)
        if not usage:
            # Another login may just have opened it
            if cls.get_phase(user, read_clock()) in {OPEN, ENDING}:
                return
            raise cls._prompt(user, reading, 'offline_sales.msg_usage_lapsed')
        try:
            hours = cls._check(token, usage.identifier)
        except ValueError:
            attempt.add()
            raise cls._prompt(
                user, reading, 'offline_sales.msg_usage_malformed') from None
        if not hours:
            attempt.add()
            raise cls._prompt(user, reading, usage._fail(reading))
        usage._open(reading, hours)

    class _Attempt:
        """The wrong tokens of a login, by trytond's limits

        They count as failed logins, and once more under a name of their own:
        a login without a token would take the others back. Nobody outside
        can tell it: any name that is tried to log in with is counted.
        """

        def __init__(self, login, device_cookie):
            self.login = login
            self.device_cookie = device_cookie
            self.name = self._get_name(login)
            self.Attempt = Pool().get('res.user.login.attempt')

        @staticmethod
        def _get_name(login):
            Credential = Pool().get('offline_sales.credential')
            # Without one no token opens: there is nothing to count
            key, *_ = [*Credential.get_token_keys(), b'']
            return hmac.new(
                key, f'{PARAMETER},{login}'.encode(),
                hashlib.sha256).hexdigest()

        def check(self):
            most = config.getint('session', 'max_attempt', default=5)
            if self.Attempt.count(self.name) > most:
                raise RateLimitException()

        def add(self):
            self.Attempt.add(self.login, self.device_cookie)
            self.Attempt.add(self.name)

    @classmethod
    def _check(cls, token, identifier):
        "Return the hours for which the token opens the Id, None if not"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Credential = pool.get('offline_sales.credential')
        configuration = Configuration(1)
        return check_token(
            token, identifier, Credential.get_token_keys(),
            configuration.branch_code, configuration.uuid)

    @classmethod
    def _prompt(cls, user, reading, problem=None):
        "Return the exception that asks the user for the token of his Id"
        usage = cls._ask(user, reading)
        text = gettext(
            'offline_sales.msg_usage_prompt',
            id=format_id(usage.identifier))
        if not problem and cls.get_phase(user, reading) == CLOCK:
            problem = 'offline_sales.msg_usage_clock'
        if problem:
            text = f'{gettext(problem)} {text}'
        return LoginException(PARAMETER, text, type='char')

    @classmethod
    def _get_asked(cls, user, reading):
        "Return the Id that is live for the user, None if there is none"
        for usage in cls.search([
                    ('user', '=', user),
                    ('state', '=', 'asked'),
                    ]):
            if usage.challenge.is_live(reading):
                return usage
            usage._update('asked', {'state': 'lapsed'})

    @classmethod
    def _ask(cls, user, reading):
        "Return the Id that is live for the user, a new one if there is none"
        usage = cls._get_asked(user, reading)
        if not usage:
            challenge = Challenge.make(reading, used=_UsedIds())
            try:
                usage, = cls.create([{
                            'user': user,
                            'identifier': challenge.id,
                            'state': 'asked',
                            'asked_at': _moment(reading.wall),
                            **cls._columns(challenge.period, 'asked_'),
                            }])
            except SQLConstraintError:
                _begin_again()
        return usage

    def _fail(self, reading):
        "Count a wrong token and return the message of it"
        challenge = self.challenge.fail(reading)
        burnt = not challenge.is_live(reading)
        self._update('asked', {
                'state': 'burnt' if burnt else 'asked',
                'failures': challenge.failures,
                **self._columns(challenge.period, 'asked_'),
                })
        return ('offline_sales.msg_usage_burnt' if burnt
            else 'offline_sales.msg_usage_wrong')

    def _open(self, reading, hours):
        period = Period.begin(reading, hours * 60 * 60)
        opened = self._update('asked', {
                'state': 'open',
                'hours': hours,
                'opened_at': _moment(period.start),
                'end': _moment(period.end),
                **self._columns(period),
                })
        if not opened:
            _begin_again()

    # While it is open

    @classmethod
    def _is_for_each(cls):
        "Return if each user needs a usage of his own"
        branch = Pool().get('offline_sales.configuration').get_branch()
        return bool(branch) and branch.usage == 'user'

    @classmethod
    def _get_grace(cls):
        "Return the grace in seconds"
        branch = Pool().get('offline_sales.configuration').get_branch()
        if branch and branch.grace is not None:
            return branch.grace * 60
        return GRACE_MINUTES * 60

    @classmethod
    def _get_open(cls, user):
        "Return the usages of the user that nobody has closed"
        domain = [('state', '=', 'open')]
        if cls._is_for_each():
            domain.append(('user', '=', user))
        return cls.search(domain, order=[])

    @classmethod
    def get_current(cls, user, reading):
        """Return the open usage of the user that allows most, of those the
        one that lasts longest, None without"""
        grace = cls._get_grace()

        def rank(usage):
            period = usage.period
            return _RANKS[period.phase(reading, grace)], period.left(reading)
        return max(cls._get_open(user), key=rank, default=None)

    @classmethod
    def find(cls, user, reading):
        """Return the current usage of the user, see get_current, and its
        phase, see period.py"""
        usage = cls.get_current(user, reading)
        if not usage:
            return None, OVER
        return usage, usage.period.phase(reading, cls._get_grace())

    @classmethod
    def get_phase(cls, user, reading):
        "Return the phase, see period.py, of the usage of the user"
        _, phase = cls.find(user, reading)
        return phase

    def mark(self, reading):
        "Keep what the clocks say, if it is due"
        if self.period.is_due(reading):
            self._update('open', self._columns(self.period.advance(reading)))

    @classmethod
    def watch(cls, reading=None):
        """Close the usages that are over with their sessions, keep what the
        clocks say for the others and give notice of their end

        Each minute by cron, and with each request that is logged in.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if not Configuration.is_branch():
            return
        reading = reading or read_clock()
        usages = cls.search([('state', '=', 'open')], order=[])
        grace = cls._get_grace() if usages else None
        for usage in usages:
            phase = usage.period.phase(reading, grace)
            if phase == OVER:
                usage._close(reading)
                continue
            usage.mark(reading)
            if phase in {ENDING, GRACE} and not usage.noticed:
                usage._notice()

    @classmethod
    def check_session(cls):
        """Refuse the request if the user's usage has ended and nobody closed
        it

        The first request after a start is let in without ir.session.check if
        the database is not preloaded.
        """
        reading, grace = read_clock(), cls._get_grace()
        phases = {
            usage.period.phase(reading, grace)
            for usage in cls._get_open(Transaction().user)}
        if OVER in phases and not phases & _USABLE:
            abort(HTTPStatus.UNAUTHORIZED)

    def _get_users(self):
        "Return who sells by the usage"
        pool = Pool()
        User = pool.get('res.user')
        return [self.user] if self._is_for_each() else User.get_sellers()

    def _close(self, reading):
        pool = Pool()
        Session = pool.get('ir.session')
        users = self._get_users()
        if self._update('open', {
                    'state': 'closed',
                    'closed_at': _moment(reading.wall),
                    **self._columns(self.period.advance(reading)),
                    }):
            # One that waits for the clock to be put right opens nothing
            Session.clear([
                    user.id for user in users
                    if self.get_phase(user.id, reading) not in _USABLE])

    def _notice(self):
        "Tell who sells that the usage ends soon"
        pool = Pool()
        Notification = pool.get('res.notification')
        if not self._update('open', {'noticed': True}):
            return
        notifications = []
        for user in self._get_users():
            with Transaction().set_context(
                    language=user.language.code if user.language else None):
                notifications.append(Notification(
                        user=user,
                        label=gettext(
                            'offline_sales.msg_usage_ending',
                            end=self.get_end()),
                        icon='tryton-warning',
                        unread=True))
        Notification.save(notifications)

    def get_end(self):
        "Return the end of the usage as the hour that a person reads"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        branch = Configuration.get_branch()
        end = dt.datetime.fromtimestamp(self.period.end, branch.get_zone())
        return end.strftime('%H:%M')
