# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What a cashier may do at a branch: what is listed here and nothing else

Whoever does not administer is a cashier. The list stands above the access
rights that came from the central, and holds for models, wizards and reports,
over every protocol. Other modules add to it:

    class ModelAccess(metaclass=PoolMeta):
        __name__ = 'ir.model.access'

        @classmethod
        def __setup__(cls):
            super().__setup__()
            cls.branch_models['stock.lot'] = 'r'
            cls.branch_customer['party.party'].add('nickname')
"""
import re

from trytond.i18n import gettext
from trytond.model import ValueMixin
from trytond.model.exceptions import AccessError
from trytond.pool import Pool, PoolBase, PoolMeta
from trytond.rpc import RPC
from trytond.transaction import Transaction

from .exceptions import OfflineAccessError

__all__ = []

# r(ead) w(rite) c(reate) d(elete). What is not stored has an empty right, and
# is listed for its form to open. After the colon the procedures beyond these
# and beyond those that only read: buttons, and what clients keep.
_MODELS = """
sale.point.sale rwcd: cancel open pay process
sale.point.sale.line rwcd
sale.point.payment rwcd
sale.point.cash.session rwcd: close open
sale.point.cash.session.relation r
sale.point.cash.transfer rwcd
sale.sale rwcd: cancel confirm draft quote
sale.line rwcd
sale.line-account.tax rwcd
party.party rwc
party.party-party.category rwcd
party.address rwcd
party.contact_mechanism rwcd
party.identifier rwcd

account.account r
account.account-account.tax r
account.account.type r
account.configuration r
account.fiscalyear r
account.invoice r
account.invoice.line r
account.invoice.payment_term r
account.invoice.payment_term.line r
account.invoice.payment_term.line.delta r
account.journal r
account.period r
account.tax r
account.tax.group r
account.tax.rule r
account.tax.rule.line r
company.company r
company.company.tax_identifier r
company.employee r
country.country r
country.postal_code r
country.region r
country.subdivision r
currency.currency r
currency.currency.rate r
party.address.format r
party.address.subdivision_type r
party.category r
party.configuration r
product.category r
product.category-customer-account.tax r
product.configuration r
product.identifier r
product.image r
product.image.cache r
product.price_list r
product.price_list.line r
product.product r
product.template r
product.template-product.category r
product.template-product.category.account r
product.template-product.category.all r
product.uom r
product.uom.category r
product.by_location.context
product.sale.context
sale.configuration r
sale.point r
sale.point.cash.transfer.type r
sale.point.payment.method r
stock.configuration r
stock.location r
stock.lot r
stock.move r
stock.products_by_locations r
stock.products_by_locations.context
stock.shipment.out r
stock.shipment.out.return r

offline_sales.branch r
offline_sales.branch-res.user r
offline_sales.cash_cut.print.start
offline_sales.catalog.obtain.result
offline_sales.catalog.obtain.start
offline_sales.configuration r: obtain send test
offline_sales.configuration.test.line
offline_sales.configuration.test.result
offline_sales.document r
offline_sales.document.amount r
offline_sales.document.conflict r
offline_sales.document.send.result
offline_sales.journal.print.start
offline_sales.prefactura.payment rwcd
offline_sales.register r
offline_sales.update r
offline_sales.usage r

ir.action r
ir.action.act_window r
ir.action.act_window.domain r
ir.action.act_window.view r
ir.action.keyword r
ir.action.report r
ir.action.url r
ir.action.wizard r
ir.attachment r
ir.calendar.day r
ir.calendar.month r
ir.chat.channel
ir.configuration r
ir.date
ir.email.template r
ir.export r
ir.export.line r
ir.lang r
ir.message r
ir.model r
ir.model.access
ir.model.button r
ir.model.button.click rc
ir.model.button.rule r
ir.model.field r
ir.note r
ir.sequence.strict r
ir.sequence.type r
ir.session.wizard rwcd
ir.translation r
ir.ui.icon r
ir.ui.menu r
ir.ui.menu.favorite rwcd: set unset
ir.ui.view r
ir.ui.view_search r: set unset
ir.ui.view_tree_optional rwcd: set_optional
ir.ui.view_tree_state r: set
ir.ui.view_tree_width rwcd: reset_width set_width
res.group r
res.notification r: mark_read
res.user r: set_preferences
res.user.device: renew
res.user.warning r: skip
"""

# The fields of a customer that a cashier writes, and that the central takes
# from a branch: no accounts, no taxes, no prices, no limits.
_CUSTOMER = """
party.party: active categories customer_payment_term lang name
party.address: active attn building_name building_number city country
    delivery floor_number invoice party_name post_box post_office postal_code
    private_bag room_number sequence street_name street_unstructured
    subdivision unit_number
party.contact_mechanism: active address comment delivery invoice language name
    sequence type value
party.identifier: active address code sequence type
"""

_WIZARDS = {
    'offline_sales.cash_cut.print',
    'offline_sales.catalog.obtain',
    'offline_sales.configuration.test',
    'offline_sales.document.send',
    'offline_sales.journal.print',
    'sale.point.sale.pay',
    }

_REPORTS = {
    'offline_sales.cash_cut',
    'offline_sales.journal',
    'offline_sales.prefactura',
    'offline_sales.ticket',
    'sale.sale',
    }

# Shown with the menus above them
_MENUS = {
    'offline_sales.menu_cash_cut_print',
    'offline_sales.menu_catalog_obtain',
    'offline_sales.menu_configuration_form',
    'offline_sales.menu_configuration_test',
    'offline_sales.menu_document_attend_form',
    'offline_sales.menu_document_form',
    'offline_sales.menu_document_send',
    'offline_sales.menu_journal_print',
    'offline_sales.menu_update_form',
    'offline_sales.menu_usage_form',
    'party.menu_party_form',
    'product.menu_product',
    'sale.menu_sale_form',
    'sale_point.menu_cash_session_form',
    'sale_point.menu_sale_form',
    }

# What only one of the sides does, whoever looks
_MENUS_CENTRAL = {
    'offline_sales.menu_branch_form',
    'offline_sales.menu_catalog_form',
    'offline_sales.menu_contact_form',
    'offline_sales.menu_document_conflict_form',
    'offline_sales.menu_document_day_form',
    'offline_sales.menu_token_form',
    'offline_sales.menu_token_generate',
    }
_MENUS_BRANCH = {
    'offline_sales.menu_catalog_obtain',
    'offline_sales.menu_catalog_reset',
    'offline_sales.menu_configuration_test',
    'offline_sales.menu_document_send',
    'offline_sales.menu_usage_form',
    }

_RIGHTS = {'read': 'r', 'write': 'w', 'create': 'c', 'delete': 'd'}
# Each checks the rights itself
_STORAGE = {
    'copy', 'create', 'delete', 'import_data', 'write',
    }


def _parse(text):
    "Return the rights and the procedures of the list, by model"
    rights, procedures = {}, {}
    for line in filter(None, text.splitlines()):
        head, _, names = line.partition(':')
        model, _, right = head.partition(' ')
        rights[model] = right
        procedures[model] = set(names.split())
    return rights, procedures


def _parse_customer(text):
    "Return the names of the fields by model"
    fields = {}
    for line in re.sub(r'\n\s+', ' ', text).splitlines():
        if line:
            model, _, names = line.partition(':')
            fields[model] = set(names.split())
    return fields


def is_restricted():
    "Return if the user of the transaction is a cashier at a branch"
    pool = Pool()
    Configuration = pool.get('offline_sales.configuration')
    User = pool.get('res.user')
    return bool(
        Configuration.is_branch()
        and Transaction().user
        and not User.is_administrator())


class ModelAccess(metaclass=PoolMeta):
    __name__ = 'ir.model.access'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        rights, procedures = _parse(_MODELS)
        cls.branch_models = rights
        cls.branch_procedures = procedures
        cls.branch_wizards = set(_WIZARDS)
        cls.branch_reports = set(_REPORTS)
        cls.branch_menus = set(_MENUS)
        cls.branch_customer = _parse_customer(_CUSTOMER)

    @classmethod
    def get_access(cls, models):
        if is_restricted():
            return {
                model: {
                    mode: right in cls.get_branch_rights(model)
                    for mode, right in _RIGHTS.items()}
                for model in models}
        return super().get_access(models)

    @classmethod
    def get_branch_rights(cls, model):
        """Return the rights of a cashier on a model, of the letters rwcd

        What stores the values of multi-values is a part of its records.
        """
        rights = cls.branch_models.get(model)
        if rights is None:
            Model = Pool().get(model)
            if not issubclass(Model, ValueMixin):
                return ''
            owners = {
                field.model_name for field in Model._fields.values()
                if field._type == 'many2one'} & set(cls.branch_models)
            if any('w' in cls.branch_models[owner] for owner in owners):
                return 'rwcd'
            return 'r' if owners else ''
        return rights

    @classmethod
    def allows(cls, type, name, procedure, readonly):
        """Return if a cashier may call a procedure of a model, a wizard or a
        report

        readonly: if the procedure only reads.
        """
        if type == 'model':
            return name in cls.branch_models and (
                readonly or procedure in _STORAGE
                or procedure in cls.branch_procedures.get(name, ()))
        elif type == 'wizard':
            return name in cls.branch_wizards
        return name in cls.branch_reports


class Menu(metaclass=PoolMeta):
    __name__ = 'ir.ui.menu'

    @classmethod
    def search(
            cls, domain, offset=0, limit=None, order=None, count=False,
            query=False):
        if Transaction().check_access:
            if is_restricted():
                domain = [domain, ('id', 'in', cls._get_branch_menus())]
            else:
                domain = [domain, ('id', 'not in', cls._get_other_menus())]
        return super().search(
            domain, offset=offset, limit=limit, order=order, count=count,
            query=query)

    @classmethod
    def _get_other_menus(cls):
        "Return the ids of the menus of what the other side does"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        ModelData = pool.get('ir.model.data')
        names = (
            _MENUS_CENTRAL if Configuration.is_branch() else _MENUS_BRANCH)
        return [ModelData.get_id(*name.split('.')) for name in names]

    @classmethod
    def _get_branch_menus(cls):
        "Return the ids of the menus of a cashier"
        pool = Pool()
        ModelAccess = pool.get('ir.model.access')
        ModelData = pool.get('ir.model.data')
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(table.id, table.parent))
        parents = dict(cursor.fetchall())
        menus = set()
        for name in ModelAccess.branch_menus:
            try:
                menu = ModelData.get_id(*name.split('.'))
            except KeyError:
                continue
            while menu and menu not in menus:
                menus.add(menu)
                menu = parents.get(menu)
        return list(menus)


class GuardedRPC(RPC):
    "An RPC that refuses a cashier what is not on the list"
    __slots__ = ('type', 'procedure')

    def __init__(self, rpc, type, procedure):
        for name in RPC.__slots__:
            setattr(self, name, getattr(rpc, name))
        self.type = type
        self.procedure = procedure

    def convert(self, obj, *args, **kwargs):
        # It is the first that the dispatcher calls in the transaction, before
        # it sets the context: who is refused reads why in his language
        language = None
        if args and isinstance(args[-1], dict):
            language = args[-1].get('language')
        context = {'language': language} if isinstance(language, str) else {}
        with Transaction().set_context(context):
            self.check(obj.__name__)
        return super().convert(obj, *args, **kwargs)

    def check(self, name):
        pool = Pool()
        ModelAccess = pool.get('ir.model.access')
        Usage = pool.get('offline_sales.usage')
        if is_restricted():
            Usage.check_session()
            if not ModelAccess.allows(
                    self.type, name, self.procedure, self.readonly):
                raise OfflineAccessError(gettext(
                        'offline_sales.msg_branch_restricted'))


class _GuardMixin:
    __slots__ = ()
    _guard_type = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # The pool makes it of a class that is complete
        if issubclass(cls, PoolBase):
            cls.__rpc__ = {
                name: (rpc if isinstance(rpc, GuardedRPC)
                    else GuardedRPC(rpc, cls._guard_type, name))
                for name, rpc in cls.__rpc__.items()}


class GuardModelMixin(_GuardMixin):
    _guard_type = 'model'


# Of the names of this module's wizards and reports
_OWN = 'offline_sales.'


class GuardWizardMixin(_GuardMixin):
    _guard_type = 'wizard'

    @classmethod
    def check_access(cls):
        """Judge this module's wizards by all of their actions

        Clients name the action: with one that is none of the wizard's,
        trytond finds no groups and lets everybody in.
        """
        context = {'action_id': None} if cls.__name__.startswith(_OWN) else {}
        with Transaction().set_context(context):
            super().check_access()


class GuardReportMixin(_GuardMixin):
    _guard_type = 'report'

    @classmethod
    def check_access(cls, action, model, ids):
        "Take no action of another report for this module's, as for wizards"
        if (cls.__name__.startswith(_OWN)
                and action.report_name != cls.__name__):
            raise AccessError(gettext(
                    'ir.msg_access_report_error', report=cls.__name__))
        super().check_access(action, model, ids)
