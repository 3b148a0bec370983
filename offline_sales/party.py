# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Customers at a branch: who makes and changes them, and what is told of it

Mixed into every stored model, as what a customer is made of follows from the
definitions of the fields.
"""
from trytond.i18n import gettext
from trytond.model import ValueMixin, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import record as definition
from .catalog.catalog import CUSTOMER
from .catalog.numbers import prefix
from .document.customer import NUMBER, touch
from .exceptions import OfflineAccessError
from .token.gate import GateMixin


def _get_part(Model):
    """Return (field, model) of what the records of the model are part of, None
    if it is not a customer's or nobody at a branch modifies it"""
    pool = Pool()
    if not Transaction().user:
        return None
    try:
        Configuration = pool.get('offline_sales.configuration')
        Catalog = pool.get('offline_sales.catalog')
    except KeyError:
        # The module is being activated
        return None
    if Configuration.is_branch():
        return Catalog.customer_models().get(Model.__name__)


def _get_customers(model, ids):
    "Return the ids of the customers that the records are part of"
    pool = Pool()
    Catalog = pool.get('offline_sales.catalog')
    models = Catalog.customer_models()
    while model != CUSTOMER:
        inverse, parent = models[model]
        records = pool.get(model).browse(list(ids))
        ids = {getattr(r, inverse).id for r in records if getattr(r, inverse)}
        model = parent
    return set(ids)


class CustomerModel:
    "Mixed into every stored model"
    __slots__ = ()

    @classmethod
    def preprocess_values(cls, mode, values):
        # Before it is there: what was before can be read
        if mode == 'create' and (part := _get_part(cls)):
            inverse, parent = part
            if inverse and values.get(inverse):
                touch(_get_customers(parent, [values[inverse]]))
        return super().preprocess_values(mode, values)

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        part = _get_part(cls)
        if not part:
            return
        if not issubclass(cls, GateMixin):
            pool = Pool()
            Party = pool.get(CUSTOMER)
            Party.check_usage(mode, [])
        if external and mode != 'delete':
            _check_fields(cls, mode, records, values)
        inverse, parent = part
        touch(_get_customers(cls.__name__, map(int, records)))
        if mode == 'write' and inverse and values.get(inverse):
            touch(_get_customers(parent, [values[inverse]]))

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        super().on_modification(mode, records, field_names=field_names)
        if mode == 'create' and _get_part(cls):
            pool = Pool()
            Link = pool.get('offline_sales.link')
            ModelAccess = pool.get('ir.model.access')
            if cls.__name__ in ModelAccess.branch_customer:
                # What is captured before the end may refer to them
                Link.identify(records)


def _check_fields(Model, mode, records, values):
    "Raise OfflineAccessError if it is not for a cashier to say"
    permitted = _get_permitted(Model)
    # Those that are being saved show what is not stored yet
    records = Model.browse(records)
    names = [c.name for c in definition.stored_columns(Model)]
    # They are stored without access checks
    names.extend(
        name for name, field in Model._fields.items()
        if isinstance(field, fields.MultiValue))
    for name in names:
        if name in permitted or (values is not None and name not in values):
            continue
        for record in records:
            value = _plain(getattr(record, name))
            if mode == 'write':
                allowed = value == _plain(values[name])
            else:
                allowed = (
                    not value or value == _plain(_get_default(record, name))
                    or (name == NUMBER and _is_own_number(value)))
            if not allowed:
                raise OfflineAccessError(gettext(
                        'offline_sales.msg_customer_field',
                        **Model.__names__(name)))


def _get_permitted(Model):
    "Return the names of the columns that a cashier may write"
    pool = Pool()
    Catalog = pool.get('offline_sales.catalog')
    ModelAccess = pool.get('ir.model.access')
    inverse, parent = Catalog.customer_models()[Model.__name__]
    permitted = ModelAccess.branch_customer.get(Model.__name__)
    if permitted is None:
        permitted = ModelAccess.branch_customer.get(parent, set()) | {
            'company'}
        if not issubclass(Model, ValueMixin):
            # A relation has but its two ends
            permitted |= _get_relation_columns(Model, parent)
    return permitted | _DERIVED.get(Model.__name__, set()) | {inverse}


def _get_relation_columns(Model, parent):
    pool = Pool()
    ModelAccess = pool.get('ir.model.access')
    Parent = pool.get(parent)
    columns = set()
    for name in ModelAccess.branch_customer.get(parent, set()):
        field = Parent._fields.get(name)
        if (field and field._type == 'many2many'
                and field.relation_name == Model.__name__):
            columns.add(field.target)
    return columns


# Follow from others
_DERIVED = {
    'party.party': {'code_alnum', 'code_digit'},
    'party.contact_mechanism': {'value_compact'},
    'party.identifier': {'code_compact'},
    }


def _get_default(record, name):
    "Return what the column would hold if nobody said"
    pool = Pool()
    Catalog = pool.get('offline_sales.catalog')
    Model = record.__class__
    _, parent = Catalog.customer_models()[Model.__name__]
    pattern = {}
    if isinstance(record, ValueMixin):
        Model = pool.get(parent)
        if company := getattr(record, 'company', None):
            pattern['company'] = company.id
    default = getattr(Model, f'default_{name}', None)
    return default(**pattern) if default else None


def _plain(value):
    return getattr(value, 'id', value)


def _is_own_number(number):
    pool = Pool()
    Configuration = pool.get('offline_sales.configuration')
    branch = Configuration.get_branch()
    return number.startswith(prefix(branch.code, 'C'))
