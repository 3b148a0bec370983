# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import datetime as dt

from sql.operators import Equal

from trytond import config
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Exclude, ModelSQL, ModelView, Unique, fields)
from trytond.model.exceptions import AccessError
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import timezone as tz
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateView, Wizard

TOKEN_HOURS = 12
TOKEN_HOURS_MAX = 24
GRACE = 5  # minutes


class Branch(DeactivableMixin, ModelSQL, ModelView):
    "Branch"
    __name__ = 'offline_sales.branch'

    name = fields.Char("Name", required=True)
    code = fields.Char(
        "Code", required=True,
        help="Begins the numbers made at the branch.")
    company = fields.Many2One(
        'company.company', "Company", required=True,
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    timezone = fields.Selection(
        'get_timezones', "Timezone", translate=False,
        help="Leave empty to use the timezone of the company.")
    warehouse = fields.Many2One(
        'stock.location', "Warehouse", required=True,
        domain=[('type', '=', 'warehouse')])
    users = fields.Many2Many(
        'offline_sales.branch-res.user', 'branch', 'user', "Users",
        help="Who can sell at the branch.")
    registers = fields.One2Many(
        'offline_sales.register', 'branch', "Registers")
    deliver = fields.Boolean(
        "Delivered on the Spot",
        help="Check if the goods of prefacturas leave with the customer.")
    credit = fields.Boolean(
        "Sell on Credit",
        help="Check to allow prefacturas that are not paid at the counter.")
    credit_limit = Monetary(
        "Credit Limit", currency='currency', digits='currency',
        domain=['OR',
            ('credit_limit', '=', None),
            ('credit_limit', '>=', 0),
            ],
        states={
            'invisible': ~Eval('credit'),
            },
        help="What each customer can be sold on credit before the branch "
        "has to obtain the catalogs again.\n"
        "Leave empty for no limit, but for that of the customer.")
    shortage_type = fields.Many2One(
        'sale.point.cash.transfer.type', "Shortage", ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))],
        help="The type of the transfer that a cash cut makes "
        "when less is counted than should be there.")
    surplus_type = fields.Many2One(
        'sale.point.cash.transfer.type', "Surplus", ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))],
        help="The type of the transfer that a cash cut makes "
        "when more is counted than should be there.")
    currency = fields.Function(fields.Many2One(
            'currency.currency', "Currency"), 'on_change_with_currency')
    usage = fields.Selection([
            ('branch', "The Branch"),
            ('user', "Each User"),
            ], "A Token Opens", sort=False,
        help="For whom the branch may sell once a usage token was typed.")
    token_hours = fields.Integer(
        "Hours of a Token",
        domain=['OR',
            ('token_hours', '=', None),
            [('token_hours', '>=', 1), ('token_hours', '<=', 99)],
            ],
        help="What is proposed when a usage token is generated.")
    token_hours_max = fields.Integer(
        "Maximum of Hours",
        domain=['OR',
            ('token_hours_max', '=', None),
            [('token_hours_max', '>=', 1), ('token_hours_max', '<=', 99)],
            ],
        help="No usage token is generated for more.")
    grace = fields.Integer(
        "Grace in Minutes",
        domain=['OR',
            ('grace', '=', None),
            [('grace', '>=', 0), ('grace', '<=', 60)],
            ],
        help="How long after the end of a usage a ticket that is open "
        "can be finished.")
    token_notice = fields.Function(fields.Text(
            "Attention",
            states={
                'invisible': ~Eval('token_notice'),
                }), 'get_token_notices')
    installer = fields.Function(fields.Char(
            "Installer", states={
                'invisible': ~Eval('installer'),
                },
            help="Where to download what is installed at the branch."),
        'get_installer')
    contact = fields.Function(fields.Many2One(
            'offline_sales.contact', "Contact"),
        'get_contacts', searcher='search_contact')
    contact_state = fields.Function(fields.Selection(
            'get_contact_states', "State"), 'get_contacts')

    @classmethod
    def __setup__(cls):
        cls.code.search_unaccented = False
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code),
                'offline_sales.msg_branch_code_unique'),
            ]
        cls._order.insert(0, ('name', 'ASC'))
        cls._buttons.update({
                'generate_code': {
                    'invisible': ~Eval('contact_state'),
                    'depends': ['contact_state'],
                    },
                'revoke_key': {
                    'invisible': ~Eval('contact_state').in_(
                        ['paired', 'refused']),
                    'depends': ['contact_state'],
                    },
                'rotate_token_key': {
                    'invisible': Eval('contact_state') != 'paired',
                    'depends': ['contact_state'],
                    },
                })

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_warehouse(cls):
        return Pool().get('stock.location').get_default_warehouse()

    @classmethod
    def default_deliver(cls):
        return True

    @classmethod
    def default_usage(cls):
        return 'branch'

    @classmethod
    def default_token_hours(cls):
        return TOKEN_HOURS

    @classmethod
    def default_token_hours_max(cls):
        return TOKEN_HOURS_MAX

    @classmethod
    def default_grace(cls):
        return GRACE

    @fields.depends('company')
    def on_change_with_currency(self, name=None):
        return self.company.currency if self.company else None

    def get_token_hours(self):
        "Return the hours of a usage token by default"
        return min(
            self.token_hours or TOKEN_HOURS, self.get_token_hours_max())

    def get_token_hours_max(self):
        return self.token_hours_max or TOKEN_HOURS_MAX

    @classmethod
    def get_timezones(cls):
        return [(name, name) for name in tz.available_timezones()] + [
            (None, '')]

    def get_zone(self):
        """Return the zone of the branch's days as a tzinfo: its own, else that
        of its company, else UTC"""
        return tz.ZoneInfo(self.timezone or self.company.timezone or 'UTC')

    @classmethod
    def _now(cls):
        return dt.datetime.now(dt.timezone.utc)

    @classmethod
    @without_check_access
    def today(cls):
        "Return the day at the branch whose database this is, else None"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if branch := Configuration.get_branch():
            return cls._now().astimezone(branch.get_zone()).date()

    @property
    def allowed_users(self):
        "The users that go to the branch: never an administrator"
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        admin = ModelData.get_id('res', 'group_admin')
        return [
            user for user in self.users
            if admin not in {g.id for g in user.groups}]

    def get_installer(self, name):
        return config.get('offline_sales', 'bundle_url', default='') or None

    @classmethod
    def get_contacts(cls, branches, names):
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        contacts = {
            c.branch.id: c for c in Contact.search([
                    ('branch', 'in', [b.id for b in branches]),
                    ])}
        result = {name: dict.fromkeys(map(int, branches)) for name in names}
        for id_, contact in contacts.items():
            if 'contact' in names:
                result['contact'][id_] = contact.id
            if 'contact_state' in names:
                result['contact_state'][id_] = contact.state
        return result

    @classmethod
    def get_token_notices(cls, branches, name):
        "Say of which branches the key of the tokens is lost"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Contact = pool.get('offline_sales.contact')
        notices = dict.fromkeys(map(int, branches))
        # At a branch there is no key but its own
        if not Configuration.is_branch():
            for contact in Contact.search([
                        ('branch', 'in', list(notices))]):
                if contact.lacks_token_key():
                    notices[contact.branch.id] = gettext(
                        'offline_sales.msg_token_key_lost',
                        branch=contact.branch.rec_name)
        return notices

    @classmethod
    def search_contact(cls, name, clause):
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        nested = clause[0][len(name) + 1:] or 'id'
        return [('id', 'in', [
                    c.branch.id for c in Contact.search([
                            (nested, *clause[1:])], order=[])])]

    @classmethod
    def get_contact_states(cls):
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        return Contact.fields_get(['state'])['state']['selection'] + [
            (None, '')]

    @classmethod
    def check_modification(cls, mode, branches, values=None, external=False):
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        super().check_modification(
            mode, branches, values=values, external=external)
        if mode == 'write' and 'code' in values:
            contacts = Contact.search([
                    ('branch', 'in', [
                            b.id for b in branches
                            if b.code != values['code']]),
                    ('database_uuid', '!=', None),
                    ], limit=1)
            for contact in contacts:
                raise AccessError(gettext(
                        'offline_sales.msg_branch_code_paired',
                        branch=contact.branch.rec_name))

    @classmethod
    def on_modification(cls, mode, branches, field_names=None):
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        super().on_modification(mode, branches, field_names=field_names)
        if mode == 'create':
            Contact.create([{'branch': branch.id} for branch in branches])

    @classmethod
    @ModelView.button_action('offline_sales.wizard_branch_pairing')
    def generate_code(cls, branches):
        pass

    @classmethod
    @ModelView.button
    def revoke_key(cls, branches):
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        Contact.revoke([Contact.of(branch) for branch in branches])

    @classmethod
    @ModelView.button
    def rotate_token_key(cls, branches):
        "Begin the change of the keys of the usage tokens"
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        Contact.rotate([Contact.of(branch) for branch in branches])

    def get_rec_name(self, name):
        return f'[{self.code}] {self.name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('name', operator, operand, *extra),
            ('code', operator, operand, *extra),
            ]


class BranchUser(ModelSQL):
    "Branch - User"
    __name__ = 'offline_sales.branch-res.user'
    # What was made by who has left comes late, see document/origin.py
    _history = True
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", required=True, ondelete='CASCADE')
    user = fields.Many2One(
        'res.user', "User", required=True, ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('branch')


class BranchPairing(Wizard):
    "Generate Pairing Code"
    __name__ = 'offline_sales.branch.pairing'

    start = StateView('offline_sales.branch.pairing.code',
        'offline_sales.branch_pairing_code_view_form', [
            Button("Close", 'end', 'tryton-ok', default=True),
            ])

    def default_start(self, fields):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Contact = pool.get('offline_sales.contact')
        if Configuration.is_branch():
            raise AccessError(gettext('offline_sales.msg_pairing_at_branch'))
        contact = Contact.of(self.record)
        return {
            'branch': self.record.id,
            'code': contact.new_code(),
            'expire': contact.pairing_expire,
            }


class BranchPairingCode(ModelView):
    "Generate Pairing Code"
    __name__ = 'offline_sales.branch.pairing.code'
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", readonly=True)
    code = fields.Char(
        "Pairing Code", readonly=True,
        help="It is shown only now and good for one database.")
    expire = fields.DateTime("Good until", readonly=True)


class Register(ModelSQL, ModelView):
    "Register"
    __name__ = 'offline_sales.register'
    # As for the users
    _history = True

    branch = fields.Many2One(
        'offline_sales.branch', "Branch", required=True, ondelete='CASCADE')
    name = fields.Char("Name", required=True)
    company = fields.Function(fields.Many2One(
            'company.company', "Company"), 'on_change_with_company')
    online_point = fields.Many2One(
        'sale.point', "Online Point",
        domain=[
            ('company', '=', Eval('company', -1)),
            ('id', '!=', Eval('offline_point', -1)),
            ],
        help="The point of sale used while there is internet.")
    offline_point = fields.Many2One(
        'sale.point', "Offline Point", required=True,
        domain=[
            ('company', '=', Eval('company', -1)),
            ('id', '!=', Eval('online_point', -1)),
            ],
        help="The point of sale used without internet. "
        "The central itself cannot sell on it.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('online_point_unique', Exclude(t, (t.online_point, Equal)),
                'offline_sales.msg_register_point_unique'),
            ('offline_point_unique', Exclude(t, (t.offline_point, Equal)),
                'offline_sales.msg_register_point_unique'),
            ]
        cls.__access__.add('branch')

    @fields.depends('branch', '_parent_branch.company')
    def on_change_with_company(self, name=None):
        return self.branch.company if self.branch else None
