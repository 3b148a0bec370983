# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import datetime as dt
from typing import NamedTuple
from uuid import uuid4

from trytond import __series__
from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import ModelSingleton, ModelSQL, ModelView, fields
from trytond.modules import get_module_info
from trytond.modules.product.ir import price_decimal
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction
from trytond.wizard import Button, StateTransition, StateView, Wizard

from . import wire
from .catalog import numbers
from .client import Client
from .exceptions import (
    CentralError, NotTryton, OfflineAccessError, PairingRefused)
from .moment import Moment

CLOCK_TOLERANCE = 5 * 60

_at_branch = {
    'invisible': Eval('role') != 'branch',
    }


class Line(NamedTuple):
    """A line of the test of the connection

    step: one of Configuration.test_steps. state: 'ok', 'warning' or 'error'.
    """
    step: str
    state: str
    text: str


class Configuration(ModelSingleton, ModelSQL, ModelView):
    "Offline Sales Configuration"
    __name__ = 'offline_sales.configuration'

    role = fields.Selection([
            ('central', "Central"),
            ('branch', "Branch"),
            ], "Role", required=True, readonly=True, sort=False,
        help="Which side of the offline sales this database is.")
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", readonly=True, states=_at_branch)
    url = fields.Char(
        "URL", states=_at_branch,
        help="The address of the central, e.g. https://erp.example.com")
    database = fields.Char(
        "Database", states=_at_branch,
        help="The name of the central's database.")
    allow_http = fields.Boolean(
        "Allow Plain HTTP", states=_at_branch,
        help="Without TLS anyone on the way can read passwords and sales "
        "and change them.")
    uuid = fields.Char(
        "Database Identity", readonly=True, states=_at_branch,
        help="Tells this database from a copy of it.")
    central_uuid = fields.Char(
        "Identity of the Central", readonly=True, states=_at_branch)
    restored = fields.Integer(
        "Restoration of the Central", readonly=True,
        help="The last one after which the central was asked for all again.")
    branch_code = fields.Char(
        "Code of the Branch", readonly=True, states=_at_branch)
    branch_name = fields.Char(
        "Name of the Branch", readonly=True, states=_at_branch)
    company_name = fields.Char(
        "Name of the Company", readonly=True, states=_at_branch)
    obtain_time = fields.Time(
        "Daily at", format='%H:%M:%S', required=True, states=_at_branch,
        help="The local time at which changes are sent "
        "and the catalogs obtained.")

    send_failures = fields.Integer(
        "Failed Sendings", readonly=True, states=_at_branch,
        help="How often in a row the central did not answer.")
    send_after = fields.DateTime(
        "Next Sending", readonly=True,
        states={
            'invisible': ~Eval('send_failures'),
            })

    catalogs = fields.Text(
        "Catalogs", readonly=True, states=_at_branch,
        help="The models that the central keeps for the branch.")

    stock_moment = Moment(
        "Stock as of", readonly=True, states=_at_branch)

    # What has to work for the next to be tried
    test_steps = [
        'address', 'host', 'port', 'tls', 'answer', 'database', 'key']

    _role_cache = Cache('offline_sales.configuration.role', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'test': {
                    'invisible': Eval('role') != 'branch',
                    'depends': ['role'],
                    },
                'pair_again': {},
                })

    @classmethod
    def default_role(cls):
        return 'central'

    @classmethod
    def default_obtain_time(cls):
        return dt.time(23, 5)

    @classmethod
    def check_modification(
            cls, mode, configurations, values=None, external=False):
        "Who administers a branch does not make a central of it by hand"
        super().check_modification(
            mode, configurations, values=values, external=external)
        if external and cls.is_branch():
            if mode != 'write' or any(
                    cls._fields[name].readonly for name in values):
                raise OfflineAccessError(
                    gettext('offline_sales.msg_configuration_paired'))

    @classmethod
    def on_modification(cls, mode, configurations, field_names=None):
        pool = Pool()
        Catalog = pool.get('offline_sales.catalog')
        super().on_modification(mode, configurations, field_names=field_names)
        cls._role_cache.clear()
        if field_names is None or 'role' in field_names:
            ModelView._fields_view_get_cache.clear()
        Catalog._readonly_cache.clear()

    @classmethod
    def _identity(cls):
        "Return (role, id of the own branch) of this database, cached"
        identity = cls._role_cache.get(None)
        if identity is None:
            # The bare table: called from every modification of every model
            cursor = Transaction().connection.cursor()
            table = cls.__table__()
            cursor.execute(*table.select(table.role, table.branch, limit=1))
            identity = tuple(cursor.fetchone() or ('central', None))
            cls._role_cache.set(None, identity)
        return identity

    @classmethod
    def is_branch(cls):
        "Return True if this database is that of a branch"
        role, _ = cls._identity()
        return role == 'branch'

    @classmethod
    def get_branch(cls):
        "Return the branch whose database this is, None at the central"
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        role, branch = cls._identity()
        if role == 'branch' and branch:
            return Branch(branch)

    @classmethod
    def find_branch(cls):
        "Remember which record the central has sent of this branch"
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        configuration = cls(1)
        branches = Branch.search([], limit=1)
        configuration.branch = branches[0] if branches else None
        configuration.save()

    @classmethod
    def get_identity(cls):
        "Return the identity of this database, given at its first use"
        configuration = cls(1)
        if not configuration.uuid:
            configuration.uuid = str(uuid4())
            configuration.save()
        return configuration.uuid

    def get_rec_name(self, name):
        return self.branch_name or self.__names__()['model']

    @classmethod
    def get_heartbeat(cls):
        "Return what the branch tells of itself with each request"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Update = pool.get('offline_sales.update')
        heartbeat = {
            'version': get_module_info('offline_sales')['version'],
            }
        for state in ['pending', 'rejected']:
            heartbeat[state] = Document.search(
                [('state', '=', state)], count=True)
        for document in Document.search(
                [('state', '=', 'pending')],
                order=[('moment', 'ASC')], limit=1):
            heartbeat['oldest_pending'] = document.moment
        if update := Update.last_success():
            heartbeat['last_refresh'] = update.end
        return heartbeat

    @classmethod
    @ModelView.button_action('offline_sales.wizard_configuration_test')
    def test(cls, configurations):
        pass

    @classmethod
    @ModelView.button_action('offline_sales.wizard_configuration_pair')
    def pair_again(cls, configurations):
        pass

    # Pairing, at the branch

    @classmethod
    def pair(cls, url, database, code, allow_http=False, uuid=None):
        """Make this database that of the branch that the code is for

        uuid: its new identity; the same one with the same code may be tried
        again as long as the central does not know that it went well.
        Raise CentralError or PairingRefused; nothing has changed then.
        """
        pool = Pool()
        Document = pool.get('offline_sales.document')
        IrConfiguration = pool.get('ir.configuration')
        # The first record of a singleton is made under a lock, for which the
        # transaction is begun again: before the code is used, not after
        cls.lock()
        uuid = uuid or str(uuid4())
        former = cls._check_pair()
        with Client(url, database, allow_http=allow_http) as client:
            client.probe()
            answer = client.call('pair', {
                    'code': code or '',
                    'uuid': uuid,
                    'former': former,
                    'language': IrConfiguration.get_language(),
                    'price_decimal': price_decimal,
                    }, attempts=1)
            if not (isinstance(answer, dict) and all(
                        wire.is_name(answer.get(name)) for name in [
                            'branch', 'central', 'key', 'token_key'])):
                raise NotTryton(url=client.url)
            cls._become_branch({
                    'url': client.url,
                    'database': client.database,
                    'allow_http': allow_http,
                    'uuid': uuid,
                    'central_uuid': answer['central'],
                    'branch_code': answer['branch'],
                    'branch_name': answer.get('name'),
                    'company_name': answer.get('company'),
                    }, {
                    'key': answer['key'],
                    'token': answer['token_key'],
                    })
            # The central may be another than the one that has settled them
            Document.doubt()
            if (branch := cls.get_branch()) and answer.get('numbers'):
                numbers.prepare(branch)
                numbers.move_on(branch, answer['numbers'])

    @classmethod
    def _check_pair(cls):
        "Return the pairing that the data here is of, None without data"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Link = pool.get('offline_sales.link')
        configuration = cls(1)
        if not cls.is_branch():
            for name in [
                    'offline_sales.branch', 'sale.point.sale', 'sale.sale']:
                if pool.get(name).search([], limit=1, order=[]):
                    raise PairingRefused(
                        gettext('offline_sales.msg_pair_central'))
        elif (Link.search([], limit=1, order=[])
                or Document.search([], limit=1, order=[])):
            return {
                'central': configuration.central_uuid,
                'branch': configuration.branch_code,
                }

    @classmethod
    def _become_branch(cls, values, secrets):
        "The one place where a database becomes that of a branch"
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        cls.write([cls(1)], {'role': 'branch', **values})
        for name, value in secrets.items():
            Credential.set(name, value)

    # Test of the connection

    @classmethod
    def test_connection(cls):
        "Return what works and what does not as a list of Line"
        lines = list(cls._test_connection())
        if cls.is_branch():
            lines.extend(cls.test_server())
        return lines

    @classmethod
    def test_server(cls):
        "Return what of the configuration of this server is unsafe"
        return []

    @classmethod
    def _test_connection(cls):
        try:
            with Client.from_configuration() as client:
                variables = client.variables
                answer = client.hello(attempts=1)
        except CentralError as error:
            lines = cls._test_passed(error.step, error.variables)
            return [*lines, Line(error.step, 'error', error.message)]
        lines = cls._test_passed(
            None, {**variables, **cls._test_variables(answer)})
        for test in [
                cls._test_series, cls._test_modules, cls._test_clock,
                cls._test_language, cls._test_decimals]:
            lines.extend(test(answer))
        return lines

    @staticmethod
    def _test_variables(answer):
        return {
            'company': answer.get('company'),
            'branch': answer.get('name'),
            }

    @classmethod
    def _test_passed(cls, step, variables):
        "Return the lines of the steps before that which failed, if one did"
        url = variables.get('url') or ''
        lines = []
        for passed in cls.test_steps:
            if passed == step:
                break
            if passed == 'tls' and url.startswith('http:'):
                lines.append(Line(passed, 'warning', gettext(
                            'offline_sales.msg_test_no_tls', **variables)))
                continue
            lines.append(Line(passed, 'ok', gettext(
                        f'offline_sales.msg_test_{passed}', **variables)))
        return lines

    @classmethod
    def _test_series(cls, answer):
        series = answer.get('series')
        if series == __series__:
            yield Line('series', 'ok', gettext(
                    'offline_sales.msg_test_series', series=series))
        else:
            yield Line('series', 'error', gettext(
                    'offline_sales.msg_central_wrong_version', series=series))

    @classmethod
    def _test_modules(cls, answer):
        pool = Pool()
        Module = pool.get('ir.module')
        theirs = set(answer.get('modules') or {})
        ours = {m.name for m in Module.search([('state', '=', 'activated')])}
        for missing, text in [
                (theirs - ours, 'offline_sales.msg_test_modules_here'),
                (ours - theirs, 'offline_sales.msg_test_modules_there')]:
            if missing:
                yield Line('modules', 'warning', gettext(
                        text, modules=', '.join(sorted(missing))))
        if theirs == ours:
            yield Line(
                'modules', 'ok', gettext('offline_sales.msg_test_modules'))

    @classmethod
    def _test_clock(cls, answer):
        offset = answer['clock_offset']
        if abs(offset) <= CLOCK_TOLERANCE:
            text = 'offline_sales.msg_test_clock'
            state = 'ok'
        else:
            text = ('offline_sales.msg_test_clock_ahead' if offset > 0
                else 'offline_sales.msg_test_clock_behind')
            state = 'warning'
        yield Line('clock', state, gettext(text, seconds=round(abs(offset))))

    @classmethod
    def _test_language(cls, answer):
        pool = Pool()
        IrConfiguration = pool.get('ir.configuration')
        language = answer.get('language')
        if language != IrConfiguration.get_language():
            yield Line('language', 'error', gettext(
                    'offline_sales.msg_central_wrong_language',
                    language=language))

    @classmethod
    def _test_decimals(cls, answer):
        decimals = answer.get('price_decimal')
        if decimals != price_decimal:
            yield Line('decimals', 'error', gettext(
                    'offline_sales.msg_central_wrong_decimals',
                    decimals=decimals))


del _at_branch


class ConfigurationTest(Wizard):
    "Test Connection"
    __name__ = 'offline_sales.configuration.test'

    start = StateView('offline_sales.configuration.test.result',
        'offline_sales.configuration_test_result_view_form', [
            Button("Close", 'end', 'tryton-ok', default=True),
            ])

    def default_start(self, fields):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return {
            'lines': [
                {'state': line.state, 'text': line.text}
                for line in Configuration.test_connection()],
            }


class ConfigurationTestResult(ModelView):
    "Test Connection"
    __name__ = 'offline_sales.configuration.test.result'
    lines = fields.One2Many(
        'offline_sales.configuration.test.line', None, "What Was Tested",
        readonly=True)


class ConfigurationTestLine(ModelView):
    "Test Connection"
    __name__ = 'offline_sales.configuration.test.line'
    state = fields.Selection([
            ('ok', "Good"),
            ('warning', "Attention"),
            ('error', "Problem"),
            ], "State", readonly=True, sort=False)
    text = fields.Text("Result", readonly=True)


class ConfigurationPair(Wizard):
    "Pair with the Central"
    __name__ = 'offline_sales.configuration.pair'

    start = StateView('offline_sales.configuration.pair.start',
        'offline_sales.configuration_pair_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Pair", 'pair', 'tryton-ok', default=True),
            ])
    pair = StateTransition()
    done = StateView('offline_sales.configuration.pair.done',
        'offline_sales.configuration_pair_done_view_form', [
            Button("Close", 'end', 'tryton-ok', default=True),
            ])

    def default_start(self, fields):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        configuration = Configuration(1)
        return {
            'url': configuration.url,
            'database': configuration.database,
            'allow_http': configuration.allow_http,
            }

    def transition_pair(self):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Configuration.pair(
            self.start.url, self.start.database, self.start.code,
            bool(self.start.allow_http))
        # It opens nothing any more, but need not be kept
        self.start.code = None
        return 'done'

    def default_done(self, fields):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        configuration = Configuration(1)
        return {
            'text': gettext(
                'offline_sales.msg_pair_done',
                branch=configuration.branch_name,
                company=configuration.company_name),
            }


class ConfigurationPairStart(ModelView):
    "Pair with the Central"
    __name__ = 'offline_sales.configuration.pair.start'
    url = fields.Char(
        "URL", required=True,
        help="The address of the central, e.g. https://erp.example.com")
    database = fields.Char(
        "Database", required=True,
        help="The name of the central's database.")
    allow_http = fields.Boolean(
        "Allow Plain HTTP",
        help="Without TLS anyone on the way can read passwords and sales "
        "and change them.")
    code = fields.Char(
        "Pairing Code", required=True,
        help="Generated at the central on the form of the branch.")


class ConfigurationPairDone(ModelView):
    "Pair with the Central"
    __name__ = 'offline_sales.configuration.pair.done'
    text = fields.Text("Result", readonly=True)
