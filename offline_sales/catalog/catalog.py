# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, ModelSQL, ModelView, Unique, fields, sequence_ordered)
from trytond.pool import Pool
from trytond.pyson import PYSONDecoder
from trytond.transaction import Transaction

from .. import record
from ..exceptions import CatalogError
from . import numbers

# What of the catalogs is made at the branch too
CUSTOMER = 'party.party'


class Catalog(sequence_ordered(), DeactivableMixin, ModelSQL, ModelView):
    "Catalog"
    __name__ = 'offline_sales.catalog'

    model = fields.Char(
        "Model", required=True,
        help="The model that is replicated to the branches.")
    parent = fields.Char(
        "Parent Field",
        help="The field of the record that this one is a part of.\n"
        "It goes where its parent goes.")
    domain = fields.Char(
        "Domain", required=True,
        help="Which records are replicated: a PYSON domain that may use "
        "the branch.\n"
        "[] for all of them, [[\"id\", \"=\", -1]] for those only that "
        "others need.")
    excluded = fields.Char(
        "Excluded Fields",
        help="The names of the fields that do not leave the central, "
        "separated by spaces.")
    initial = fields.Char(
        "Initial Fields",
        help="The names of the fields that the branch changes on its own "
        "once it has the record, separated by spaces.")

    late = fields.Boolean(
        "Late",
        help="Check if the records travel after all the others are in use.")

    # What works without access checks and writes catalogs
    _wizards = frozenset({
            'account.create_chart',
            'account.update_chart',
            'company.company.config',
            'party.erase',
            'party.replace',
            'product.modify_cost_price',
            'product.product.replace',
            'product.recompute_cost_price',
            'res.user.config',
            })
    _crons = frozenset({
            'currency.cron|update',
            'product.product|deactivate_replaced',
            'product.product|recompute_cost_price_from_moves',
            'sale.sale|cancel_expired_quotation',
            })
    _readonly_cache = Cache('offline_sales.catalog.readonly', context=False)
    # Follows from the definitions of the fields
    _customer_models = None

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('model_unique', Unique(t, t.model),
                'offline_sales.msg_catalog_model_unique'),
            ]
        cls._order.insert(1, ('model', 'ASC'))

    @classmethod
    def default_domain(cls):
        return '[]'

    def get_rec_name(self, name):
        return self.model

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('model', *clause[1:])]

    @classmethod
    def validate_fields(cls, catalogs, field_names):
        super().validate_fields(catalogs, field_names)
        for catalog in catalogs:
            catalog.check_domain(field_names)

    def check_domain(self, field_names=None):
        if field_names and not (field_names & {'domain', 'model'}):
            return
        try:
            domain = self.get_domain({
                    'branch': -1, 'company': -1, 'warehouse': -1,
                    'points': [], 'users': []})
            if not isinstance(domain, list):
                raise ValueError(domain)
            Model = self.get_model()
            if Model:
                Model.search(domain, limit=1, order=[])
        except Exception as exception:
            raise CatalogError(gettext(
                    'offline_sales.msg_catalog_domain_invalid',
                    catalog=self.rec_name)) from exception

    def get_model(self):
        "Return the model, None if no activated module has it"
        try:
            return Pool().get(self.model)
        except KeyError:
            return None

    @classmethod
    def get_domain_context(cls, branch):
        "Return what the domains may use of the branch"
        return {
            'branch': branch.id,
            'company': branch.company.id,
            'warehouse': branch.warehouse.id,
            'points': [r.offline_point.id for r in branch.registers],
            'users': [u.id for u in branch.allowed_users],
            }

    def get_domain(self, context):
        "Return the domain for the values of the branch in context"
        with Transaction().set_context(context):
            return PYSONDecoder(context).decode(self.domain)

    @property
    def excluded_fields(self):
        return set((self.excluded or '').split())

    @property
    def initial_fields(self):
        return set((self.initial or '').split())

    # Read only at the branch

    @classmethod
    def readonly_models(cls):
        """Return the names of the models whose records nobody modifies here,
        as a set: none at the central"""
        models = cls._readonly_cache.get(None)
        if models is None:
            models = cls._readonly_cache.set(
                None, frozenset(cls._get_readonly_models()))
        return models

    @classmethod
    def _get_readonly_models(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if not Configuration.is_branch():
            return set()
        catalogs = Configuration(1).catalogs
        # Until the central has said, what it says at first
        models = set(catalogs.split()) if catalogs else {
            catalog.model for catalog in cls.search([])}
        return (models | {cls.__name__}) - cls.customer_models().keys()

    @classmethod
    def customer_models(cls):
        """Return the names of the models that a customer is made of, and the
        (field, model) that say what their records are part of"""
        if cls._customer_models is None:
            models, waiting = {CUSTOMER: (None, None)}, [CUSTOMER]
            while waiting:
                parent = waiting.pop()
                for name, inverse in record.parts(Pool().get(parent)).items():
                    if name not in models:
                        models[name] = (inverse, parent)
                        waiting.append(name)
            cls._customer_models = models
        return cls._customer_models

    @classmethod
    def readonly_wizards(cls):
        "Return the names of the wizards that nobody uses here, as a set"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return cls._wizards if Configuration.is_branch() else frozenset()

    @classmethod
    def readonly_crons(cls):
        "Return the methods that are not called by schedule here, as a set"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return cls._crons if Configuration.is_branch() else frozenset()

    @classmethod
    def on_modification(cls, mode, catalogs, field_names=None):
        super().on_modification(mode, catalogs, field_names=field_names)
        cls._readonly_cache.clear()

    # What the branch does with them

    @classmethod
    def unsettled(cls, after=None):
        """Return the ids by model of the records that a refresh leaves alone

        They were changed at the branch and the central has not taken that yet.
        after: the last document when the refresh began; what was changed since
        then may be older in what was received, though it is settled.
        """
        pool = Pool()
        Document = pool.get('offline_sales.document')
        return Document.get_unsettled_customers(after)

    @classmethod
    def applying(cls, models):
        """Do what is to be done before the rows of the models change

        Called in the transaction in which they are applied.
        """

    @classmethod
    def keep_models(cls, models):
        "Remember at the branch which models are catalogs"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        catalogs = ' '.join(sorted(models))
        configuration = Configuration(1)
        if configuration.catalogs != catalogs:
            configuration.catalogs = catalogs
            configuration.save()

    @classmethod
    def applied(cls, models):
        """Do what follows from the changed rows of the models

        Called in the transaction in which they are applied.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        User = pool.get('res.user')
        if 'offline_sales.branch' in models:
            Configuration.find_branch()
        User.set_branch_groups()
        if branch := Configuration.get_branch():
            numbers.prepare(branch)
