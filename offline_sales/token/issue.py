# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Usage tokens at the central: who gave one, to whom, for how long

The token itself is told once and kept nowhere.
"""
import datetime as dt
from xmlrpc import client

from stdnum.exceptions import InvalidChecksum

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, check_access
from trytond.wizard import Button, StateView, Wizard

from ..exceptions import TokenError
from .algorithm import format_id, format_token, make_token, validate_id


class Told(str):
    "A text that is shown to a person, and that no log writes"
    __slots__ = ()

    def __repr__(self):
        return "'…'"


client.Marshaller.dispatch[Told] = client.Marshaller.dump_unicode


class Token(ModelSQL, ModelView):
    "Usage Token"
    __name__ = 'offline_sales.token'

    branch = fields.Many2One(
        'offline_sales.branch', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    identifier = fields.Char("Id", required=True, readonly=True)
    hours = fields.Integer("Hours", required=True, readonly=True)
    reason = fields.Char("Reason", required=True, readonly=True)
    user = fields.Many2One(
        'res.user', "Given by", readonly=True, ondelete='RESTRICT',
        help="Empty if it was given from a terminal.")
    terminal = fields.Char(
        "Terminal", readonly=True,
        help="The user of the operating system who gave it.")
    given_at = fields.DateTime("Given at", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order.insert(0, ('given_at', 'DESC'))
        # A log: it is written by what gives a token
        for name in ['create', 'write', 'delete', 'copy', 'import_data']:
            cls.__rpc__.pop(name, None)

    def get_rec_name(self, name):
        return f'{format_id(self.identifier)} - {self.branch.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        identifier = operand
        if isinstance(identifier, str):
            identifier = identifier.replace(' ', '')
        return [bool_op,
            ('identifier', operator, identifier, *extra),
            ('branch.rec_name', operator, operand, *extra),
            ]

    @classmethod
    def give(cls, branch, identifier, hours, reason, terminal=None):
        """Return the token that opens the Id at the branch, and log it

        identifier: the Id as it was read out.
        terminal: who gives it, if it is not the user of the transaction.
        Raise TokenError, whose text says what to do, or AccessError.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Contact = pool.get('offline_sales.contact')
        Credential = pool.get('offline_sales.credential')
        if Configuration.is_branch():
            raise TokenError(gettext('offline_sales.msg_token_at_branch'))
        if not terminal:
            cls._check_responsible()
        cls._check_hours(branch, hours)
        reason = (reason or '').strip()
        if not reason:
            raise TokenError(gettext('offline_sales.msg_token_reason'))
        identifier = cls._read_id(identifier)
        contact = Contact.of(branch)
        if contact.state != 'paired' or not branch.active:
            raise TokenError(gettext(
                    'offline_sales.msg_token_not_paired',
                    branch=branch.rec_name))
        if contact.lacks_token_key():
            raise TokenError(gettext(
                    'offline_sales.msg_token_key_lost',
                    branch=branch.rec_name))
        key, *_ = Credential.get_token_keys(branch=branch.id)
        token = make_token(
            identifier, hours, key, branch.code, contact.database_uuid)
        cls.create([{
                    'branch': branch.id,
                    'identifier': identifier,
                    'hours': hours,
                    'reason': reason,
                    'user': None if terminal else Transaction().user,
                    'terminal': terminal,
                    'given_at': dt.datetime.now(dt.timezone.utc).replace(
                        tzinfo=None, microsecond=0),
                    }])
        return Told(token)

    @staticmethod
    def _check_responsible():
        "Whatever the door: the access to the wizard is but the first"
        pool = Pool()
        Group = pool.get('res.group')
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        group = Group(ModelData.get_id(
                'offline_sales', 'group_offline_sales_responsible'))
        if group.id not in User.get_groups():
            raise AccessError(gettext(
                    'offline_sales.msg_token_not_responsible',
                    group=group.rec_name))

    @staticmethod
    def _read_id(text):
        try:
            return validate_id(text)
        except InvalidChecksum:
            raise TokenError(
                gettext('offline_sales.msg_token_mistyped')) from None
        except ValueError:
            raise TokenError(
                gettext('offline_sales.msg_token_not_id')) from None

    @staticmethod
    def _check_hours(branch, hours):
        most = branch.get_token_hours_max()
        if not hours or not 1 <= hours <= most:
            raise TokenError(gettext(
                    'offline_sales.msg_token_hours',
                    branch=branch.rec_name, hours=most))


class TokenGenerate(Wizard):
    "Generate Usage Token"
    __name__ = 'offline_sales.token.generate'

    start = StateView('offline_sales.token.generate.start',
        'offline_sales.token_generate_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Generate", 'result', 'tryton-ok', default=True),
            ])
    result = StateView('offline_sales.token.generate.result',
        'offline_sales.token_generate_result_view_form', [
            Button("Close", 'end', 'tryton-ok', default=True),
            ])

    def default_start(self, fields):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        with check_access():
            branches = Branch.search([], limit=2)
        if len(branches) != 1:
            return {}
        branch, = branches
        return {'branch': branch.id, 'hours': branch.get_token_hours()}

    def default_result(self, fields):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        Token = pool.get('offline_sales.token')
        # The wizard reads without the rules of the companies
        with check_access():
            branches = Branch.search([('id', '=', self.start.branch.id)])
        if not branches:
            raise TokenError(gettext('offline_sales.msg_token_no_branch'))
        branch, = branches
        token = Token.give(
            branch, self.start.identifier, self.start.hours,
            self.start.reason)
        return {
            'branch': branch.id,
            'hours': self.start.hours,
            'identifier': format_id(validate_id(self.start.identifier)),
            'token': Told(format_token(token)),
            }


class TokenGenerateStart(ModelView):
    "Generate Usage Token"
    __name__ = 'offline_sales.token.generate.start'
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", required=True)
    identifier = fields.Char(
        "Id", required=True,
        help="The nine digits that the cashier reads out.")
    hours = fields.Integer(
        "Hours", required=True,
        domain=[
            ('hours', '>=', 1),
            ('hours', '<=', Eval('hours_max', 99)),
            ])
    hours_max = fields.Integer("Maximum of Hours", readonly=True)
    reason = fields.Char(
        "Reason", required=True, help="Why the branch sells without internet.")

    @fields.depends('branch')
    def on_change_branch(self):
        if self.branch:
            self.hours = self.branch.get_token_hours()
            self.hours_max = self.branch.get_token_hours_max()


class TokenGenerateResult(ModelView):
    "Generate Usage Token"
    __name__ = 'offline_sales.token.generate.result'
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", readonly=True)
    identifier = fields.Char("Id", readonly=True)
    hours = fields.Integer("Hours", readonly=True)
    token = fields.Char(
        "Usage Token", readonly=True, strip=False,
        help="It is shown only now.")
