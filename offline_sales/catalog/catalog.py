# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, ModelSQL, ModelView, Unique, fields, sequence_ordered)
from trytond.pool import Pool
from trytond.pyson import PYSONDecoder
from trytond.transaction import Transaction

from ..exceptions import CatalogError


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

    # What the branch does with them

    @classmethod
    def unsettled(cls):
        """Return the ids by model of the records that a refresh leaves alone

        They were changed at the branch and the central has not taken that yet.
        """
        return {}

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
        if {'res.user', 'offline_sales.branch-res.user'} & set(models):
            User.set_branch_groups()
