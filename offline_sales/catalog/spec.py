# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What is replicated to a branch: which models, columns and rows.

Built at the central from the catalogs and the definitions of the fields.
"""
from sql import Literal, Null
from sql.functions import CharLength, Function

from trytond import backend
from trytond.i18n import gettext
from trytond.model import MatchMixin, ModelSingleton, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import record
from ..exceptions import CatalogError
from .shared import fetch

TRANSLATION = 'ir.translation'
USER = 'res.user'
# What is deactivated of these is of no use to those that refer to it
ENDED = {'party.party', 'product.product', 'product.template', USER}
# The largest binary that travels, in bytes
MAX_BINARY = 1024 * 1024
# What is excluded because each database has its own
OWN = frozenset({
        ('ir.sequence.strict', 'last_timestamp'),
        (USER, 'menu'),
        })
# The domain of a catalog whose rows travel only where others require them
NOTHING = [['id', '=', -1]]


class _OctetLength(Function):
    __slots__ = ()
    _function = 'OCTET_LENGTH'


def binary_length(value):
    "Return the expression of the number of bytes of a binary"
    if backend.name == 'sqlite':
        return CharLength(value)
    return _OctetLength(value)


class ModelSpec:
    """The replication of one model to one branch

    model: name of the model
    columns: the record.Column that travel, by name
    initial: names of the columns that are set when a row is new only
    late: whether the rows travel after all the others are in use
    parent: name of the column of the record that this one is a part of
    keys: names of the columns without whose targets a row does not travel
    domain: the domain of the rows, NOTHING for those that others require
    withheld: names of the columns that the branch has and should not fill
    """

    def __init__(
            self, model, columns, parent=None, domain=NOTHING, keys=(),
            initial=(), late=False, withheld=()):
        self.model = model
        self.columns = columns
        self.parent = parent
        self.domain = domain
        self.keys = frozenset(keys)
        self.initial = frozenset(initial)
        self.late = late
        self.withheld = frozenset(withheld)
        self.pulled = set()

    @property
    def Model(self):
        return Pool().get(self.model)

    def column(self, name):
        for column in self.columns:
            if column.name == name:
                return column


class Spec:
    """The replication to one branch, by model

    schema, if given, are the names of the columns that the branch has by
    model: what it lacks does not travel. fetch returns the rows of a query.
    """

    def __init__(self, branch, schema=None, fetch=fetch):
        self.branch = branch
        self.company = branch.company.id
        self.schema = schema
        self.fetch = fetch
        self.models = {}
        self._excluded = {}
        self._denied = self._get_denied()
        self._scopes = {}
        self._deactivated = {}
        self._declare()
        self._derive()
        self._complete()
        self._narrow()
        self._pull()

    # Which models

    def _declare(self):
        Catalog = Pool().get('offline_sales.catalog')
        context = Catalog.get_domain_context(self.branch)
        for catalog in Catalog.search([]):
            Model = catalog.get_model()
            if not Model or not self._at_branch(catalog.model):
                continue
            self._excluded[catalog.model] = catalog.excluded_fields
            keys = set()
            if issubclass(Model, MatchMixin):
                keys = self._links(Model) - {catalog.parent}
            self._add(
                catalog.model, parent=catalog.parent,
                domain=catalog.get_domain(context), keys=keys,
                initial=catalog.initial_fields, late=bool(catalog.late))

    def _derive(self):
        "Add the models in which fields of the declared ones are stored"
        for name in list(self.models):
            Model = self.models[name].Model
            for field_name, field in sorted(Model._fields.items()):
                if field_name in self._excluded[name]:
                    continue
                if isinstance(field, fields.MultiValue):
                    self._derive_multivalue(Model, field_name)
                elif (field._type == 'many2many'
                        and not isinstance(field, fields.Function)):
                    self._derive_many2many(Model, field)

    def _derive_multivalue(self, Model, field_name):
        Value = Model.multivalue_model(field_name)
        name = Value.__name__
        if name in self.models or not self._at_branch(name):
            return
        values, excluded = set(), set()
        for model, spec in self.models.items():
            for other, field in spec.Model._fields.items():
                if (isinstance(field, fields.MultiValue)
                        and spec.Model.multivalue_model(other) == Value):
                    values.add(other)
                    if other in self._excluded.get(model, ()):
                        excluded.add(other)
        owners = [
            column for column in record.stored_columns(Value)
            if column.target in self.models
            and column.name not in values
            and self._has_multivalue(column.target, Value)]
        owners.sort(key=lambda column: not column.required)
        self._excluded[name] = excluded
        self._add(
            name, parent=owners[0].name if owners else None, domain=[],
            keys=self._links(Value) - values)

    def _has_multivalue(self, model, Value):
        Model = Pool().get(model)
        return any(
            isinstance(field, fields.MultiValue)
            and Model.multivalue_model(name) == Value
            for name, field in Model._fields.items())

    def _derive_many2many(self, Model, field):
        Relation = field.get_relation()
        Target = field.get_target()
        name = Relation.__name__
        if (name in self.models
                or not record.is_stored(Relation)
                or not self._at_branch(name)):
            return
        if (Relation._fields[field.origin]._type != 'many2one'
                or Relation._fields[field.target]._type != 'many2one'
                or Target.__name__ not in self.models):
            return
        self._excluded[name] = set()
        self._add(
            name, parent=field.origin, domain=[],
            keys=self._links(Relation) - {field.origin})

    def _complete(self):
        "Add the models that the columns of the others require"
        waiting = list(self.models.values())
        while waiting:
            for column in waiting.pop().columns:
                if (column.kind == 'many2one'
                        and column.required
                        and column.target not in self.models):
                    self._excluded[column.target] = set()
                    waiting.append(self._add(column.target))
        if self._at_branch(TRANSLATION):
            self._excluded[TRANSLATION] = set()
            self._add(TRANSLATION, domain=[])

    def _add(self, name, keys=(), **values):
        Model = Pool().get(name)
        columns = tuple(
            column for column in record.stored_columns(Model)
            if self._travels(name, column))
        # Who is not of the branch does not travel because of a row
        users = {
            column.name for column in columns
            if column.required and column.target == USER}
        withheld = {
            column.name for column in record.stored_columns(Model)
            if self._is_withheld(name, column)}
        spec = self.models[name] = ModelSpec(
            name, columns, keys={*keys, *users}, withheld=withheld, **values)
        return spec

    def _at_branch(self, model):
        if not record.is_stored(Pool().get(model)):
            return False
        return self.schema is None or model in self.schema

    @staticmethod
    def _links(Model):
        return {
            column.name for column in record.stored_columns(Model)
            if column.kind == 'many2one'}

    # Which columns

    def _travels(self, model, column):
        if self.schema is not None and column.name not in self.schema[model]:
            return False
        if column.name in self._excluded[model]:
            if column.required:
                raise CatalogError(gettext(
                        'offline_sales.msg_catalog_excluded_required',
                        catalog=model, field=column.name))
            return False
        return column.required or (model, column.name) not in self._denied

    def _is_withheld(self, model, column):
        "Return True if the branch is not to know the values of the column"
        return (
            not column.required
            and (model, column.name) not in OWN
            and (column.name in self._excluded[model]
                or (model, column.name) in self._denied))

    @staticmethod
    def _get_denied():
        "Return the (model, field) that not every user may read"
        FieldAccess = Pool().get('ir.model.field.access')
        return {
            (a.model, a.field)
            for a in FieldAccess.search([('perm_read', '=', False)])}

    def _narrow(self):
        "Leave out the columns that point to models that do not travel"
        for spec in self.models.values():
            spec.columns = tuple(
                column for column in spec.columns
                if column.kind != 'many2one' or column.target in self.models)

    # Which rows

    def _pull(self):
        """Find the rows outside of the domains that others require or, though
        deactivated, still use

        Repeated until no more are found: what is pulled in may require more.
        """
        found = True
        while found:
            found = False
            for spec in self.models.values():
                for column, query in self._outside(spec):
                    ids = {id_ for id_, in self.fetch(query)}
                    if ids - self.models[column.target].pulled:
                        self.models[column.target].pulled |= ids
                        self._scopes.clear()
                        found = True

    def _outside(self, spec):
        table = spec.Model.__table__()
        for column in spec.columns:
            if (column.kind != 'many2one'
                    or column.name == spec.parent
                    or self.is_whole(column.target)):
                continue
            bound = self._is_bound(spec, column)
            if bound and column.target in ENDED:
                continue
            value = getattr(table, column.name)
            where = (value != Null) & ~value.in_(self.scope(column.target))
            if bound or not column.required:
                if not (unused := self._get_deactivated(column.target)):
                    continue
                where &= value.in_(unused)
            yield column, table.select(
                value, distinct=True,
                where=self.where(
                    spec.model, table, without=column.name if bound else None)
                & where)

    def _get_deactivated(self, model):
        """Return the query of the rows of the model that would travel if they
        were active, None if there are none

        A deactivated price list is that of its customers, and a deactivated
        tax that of its products, as long as they have it.
        """
        if model not in self._deactivated:
            self._deactivated[model] = self._find_deactivated(model)
        return self._deactivated[model]

    def _find_deactivated(self, model):
        spec = self.models[model]
        if (model == USER
                or spec.domain == NOTHING
                or 'active' not in {c.name for c in spec.columns}):
            return
        with Transaction().set_context(
                company=self.company, active_test=False):
            domain = [spec.domain, ('active', '=', False)]
            first = spec.Model.search(domain, order=[], limit=1, query=True)
            if list(self.fetch(first)):
                return spec.Model.search(domain, order=[], query=True)

    def _is_bound(self, spec, column):
        "Return True if the rows travel only with the target of the column"
        return (
            column.name in spec.keys
            and self.models[column.target].domain != NOTHING)

    def is_whole(self, model):
        "Return True if every row of the model is replicated"
        spec = self.models[model]
        return (
            spec.domain == []
            and not spec.parent
            and not spec.keys
            and not self._has_company(spec.Model)
            and 'active' not in spec.Model._fields)

    @staticmethod
    def _has_company(Model):
        field = Model._fields.get('company')
        return (
            field is not None
            and not isinstance(field, fields.Function)
            and field._type == 'many2one'
            and field.required
            and field.model_name == 'company.company')

    def scope(self, model):
        "Return the query of the ids of the rows of the model"
        try:
            return self._scopes[model]
        except KeyError:
            table = self.models[model].Model.__table__()
            query = table.select(table.id, where=self.where(model, table))
            return self._scopes.setdefault(model, query)

    def where(self, model, table, without=None):
        """Return the condition on table for the rows of the model

        without: the name of the key whose target is not asked for.
        """
        spec = self.models[model]
        if model == TRANSLATION:
            return self._where_translation(table)
        condition = self._where_domain(spec, table)
        if spec.pulled:
            condition |= fields.SQL_OPERATORS['in'](
                table.id, sorted(spec.pulled))
        if self._has_company(spec.Model):
            condition &= (
                (table.company == self.company) | (table.company == Null))
        for column in spec.columns:
            if column.sql_type == 'BLOB' and column.required:
                condition &= (
                    binary_length(getattr(table, column.name)) <= MAX_BINARY)
        if spec.parent:
            column = spec.column(spec.parent)
            condition &= getattr(table, spec.parent).in_(
                self.scope(column.target))
        for name in sorted(spec.keys - {spec.parent, without}):
            condition &= self._where_key(spec, getattr(table, name), name)
        return condition

    def _where_domain(self, spec, table):
        if spec.domain == NOTHING:
            return Literal(False)
        if spec.domain == []:
            if 'active' not in spec.Model._fields:
                return Literal(True)
            if any(c.name == 'active' for c in spec.columns):
                return table.active == Literal(True)
        with Transaction().set_context(
                company=self.company, active_test=True):
            return table.id.in_(
                spec.Model.search(spec.domain, order=[], query=True))

    def _where_key(self, spec, value, name):
        column = spec.column(name)
        if not column:
            # What does not travel cannot tell the rows apart
            return value == Null
        target = self.models[column.target]
        if target.domain != NOTHING:
            ids = self.scope(column.target)
        elif self._has_company(target.Model):
            table = target.Model.__table__()
            ids = table.select(
                table.id, where=table.company == self.company)
        else:
            return Literal(True)
        return (value == Null) | value.in_(ids)

    def _where_translation(self, table):
        condition = Literal(False)
        for model, spec in self.models.items():
            names = [
                f'{model},{column.name}' for column in spec.columns
                if getattr(
                    spec.Model._fields[column.name], 'translate', False)]
            if names:
                condition |= (
                    table.name.in_(names)
                    & table.res_id.in_(self.scope(model)))
        return (table.type == 'model') & (table.res_id >= 0) & condition

    def is_singleton(self, model):
        return issubclass(self.models[model].Model, ModelSingleton)
