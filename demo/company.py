# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A small Mexican company for demonstrations, tests and measurements

load() fills an empty central database; the same seed gives the same records.
"""
import datetime as dt
import random
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from trytond.model import Exclude
from trytond.pool import Pool
from trytond.transaction import Transaction

from .accounting import load_accounting
from .branches import Branch, User, create_branches, load_shops
from .customers import company_letters, load_customers, make_rfc
from .products import Product, load_products
from .tables import create, create_by_key, has, read

NAME = "Abarrotes La Esperanza, S.A. de C.V."
TIMEZONE = 'America/Mexico_City'
SINGLETONS = {
    'account.configuration', 'party.configuration',
    'product.configuration', 'sale.configuration'}


@dataclass
class Company:
    """What load() created: ids by name, and what else a caller cannot read

    Everything but branches, users and products are plain ids, which stay
    good after the transaction that made them.
    """
    rng: random.Random
    today: dt.date
    name: str = NAME
    id: int | None = None
    party: int | None = None
    postal_code: str = '06700'
    currency: int | None = None
    language: int | None = None
    country: int | None = None
    states: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)
    taxes: dict[str, int] = field(default_factory=dict)
    tax_rule: int | None = None
    payment_terms: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)
    accounting_categories: dict[str, int] = field(default_factory=dict)
    products: list[Product] = field(default_factory=list)
    price_lists: dict[str, int] = field(default_factory=dict)
    party_categories: dict[str, int] = field(default_factory=dict)
    public: int | None = None
    customers: list[int] = field(default_factory=list)
    payment_methods: dict[str, int] = field(default_factory=dict)
    transfer_types: dict[str, int] = field(default_factory=dict)
    branches: dict[str, Branch] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)

    def select(self, active=True, **criteria):
        "Return the products that are so: select(type='goods', tax='iva16')"
        return [
            product for product in self.products
            if product.active == active
            and all(getattr(product, name) == value
                for name, value in criteria.items())]


def load(products=1000, customers=500, seed=1910, passwords=None, today=None):
    """Load the company in the current transaction and return what was made

    The caller commits. passwords maps logins to passwords, random ones are
    made for the others. today is the day at the company's head office from
    which the fiscal years and the date of the stock are taken.
    """
    if today is None:
        today = dt.datetime.now(ZoneInfo(TIMEZONE)).date()
    company = Company(random.Random(seed), today)
    _lock()
    with Transaction().set_context(language='es'):
        _create_country(company)
        _create_company(company)
        with Transaction().set_context(company=company.id):
            load_accounting(company)
            load_products(company, products)
            company.party_categories = create_by_key('party.category', {
                    'retail': {'name': "Menudeo"},
                    'wholesale': {'name': "Mayoreo"},
                    })
            load_customers(company, customers)
            load_shops(company, passwords or {})
            if has('offline_sales.branch'):
                create_branches(company)
    return company


def _lock():
    """Take now the locks that the creation of records will ask for

    Else each of them would have the caller start the transaction again.
    """
    transaction = Transaction()
    database, connection = transaction.database, transaction.connection
    for name, Model in Pool().iterobject():
        if name in SINGLETONS or any(
                not database.has_constraint(sql)
                for _, sql, _ in getattr(Model, '_sql_constraints', [])
                if isinstance(sql, Exclude)):
            database.lock(connection, Model._table)
            transaction._locked_tables.add(Model._table)


def _create_country(company):
    "Create Mexico and its 32 states (ISO 3166-2:MX)"
    country, = create('country.country', [{
                'name': "México",
                'code': 'MX',
                'code3': 'MEX',
                'code_numeric': '484',
                }])
    company.country = country.id
    company.states = create_by_key('country.subdivision', {
            row['code']: {
                'country': country.id,
                'code': row['code'],
                'name': row['name'],
                'type': row['type'],
                }
            for row in read('states')})


def _create_company(company):
    pool = Pool()
    Lang = pool.get('ir.lang')
    PartyConfiguration = pool.get('party.configuration')
    User = pool.get('res.user')

    language, = Lang.search([('code', '=', 'es')])
    company.language = language.id
    # $1,234.50 as it is written in Mexico, not 1.234,50 $
    Lang.write([language], {
            'decimal_point': '.',
            'thousands_sep': ',',
            'mon_decimal_point': '.',
            'mon_thousands_sep': ',',
            'p_cs_precedes': True,
            'n_cs_precedes': True,
            'p_sep_by_space': False,
            'n_sep_by_space': False,
            })
    configuration = PartyConfiguration(1)
    configuration.party_lang = language
    configuration.save()
    company.currency = _create_currencies(company)['MXN']
    company.party = _create_company_party(company)
    record, = create('company.company', [{
                'party': company.party,
                'currency': company.currency,
                'timezone': TIMEZONE,
                'footer': "${name} · RFC ${tax_identifier}",
                **_fiscal_regime(),
                }])
    company.id = record.id
    User.write([User(Transaction().user)], {
            'companies': [('add', [company.id])],
            'company': company.id,
            'language': company.language,
            })


def _fiscal_regime():
    if 'fiscal_regime' in Pool().get('company.company')._fields:
        return {'fiscal_regime': "601 General de Ley Personas Morales"}
    return {}


def _create_currencies(company):
    start = dt.date(company.today.year - 1, 1, 1)
    return create_by_key('currency.currency', {
            code: {
                'name': name,
                'symbol': symbol,
                'code': code,
                'numeric_code': number,
                'digits': 2,
                'rates': [('create', [
                            {'date': start, 'rate': Decimal(rate)}])],
                }
            for code, name, symbol, number, rate in [
                ('MXN', "Peso mexicano", '$', '484', '1'),
                ('USD', "Dólar estadounidense", 'US$', '840', '0.054'),
                ]})


def _create_company_party(company):
    party, = create('party.party', [{
                'name': company.name,
                'addresses': [],
                'identifiers': [('create', [{
                                'type': 'mx_vat',
                                'code': make_rfc(
                                    company_letters(company.name),
                                    dt.date(1998, 3, 17), company.rng),
                                }])],
                }])
    return party.id
