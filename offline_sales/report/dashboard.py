# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"How the branches are doing, and what they sold by day"
import datetime as dt

from sql import Null
from sql.aggregate import Count, Max, Sum

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from .. import wire

DUE = dt.timedelta(hours=24)
OUTDATED = dt.timedelta(hours=48)
# What takes no part in what was sold
UNCOUNTED = ['withdrawn', 'voided']
# No token is for more
_TOKEN_MAX = dt.timedelta(hours=99)


def tell_age(age):
    """Return an age in words, with its two largest units

    age: a timedelta, None for what never was.
    """
    if age is None:
        return gettext('offline_sales.msg_age_never')
    minutes = max(0, int(age.total_seconds() // 60))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return gettext('offline_sales.msg_age_days', days=days, hours=hours)
    elif hours:
        return gettext(
            'offline_sales.msg_age_hours', hours=hours, minutes=minutes)
    return gettext('offline_sales.msg_age_minutes', minutes=minutes)


def judge_age(age):
    "Return how fresh catalogs of the age are, as Contact.freshness"
    if age is None:
        return 'never'
    elif age < DUE:
        return 'fresh'
    elif age < OUTDATED:
        return 'due'
    return 'outdated'


class Contact(metaclass=PoolMeta):
    __name__ = 'offline_sales.contact'

    age = fields.Function(
        fields.Char("Age of the Catalogs"), 'get_age')
    freshness = fields.Function(fields.Selection([
                ('fresh', "Under 24 h"),
                ('due', "Over 24 h"),
                ('outdated', "Over 48 h"),
                ('never', "Never Refreshed"),
                ], "Freshness", sort=False),
        'get_age', searcher='search_freshness')
    token = fields.Function(fields.Many2One(
            'offline_sales.token', "Last Token",
            help="The usage token that was given last and is in use."),
        'get_token')
    token_end = fields.Function(fields.DateTime(
            "Token until",
            help="When the usage token ends, if it was typed at once."),
        'get_token')

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(
                    Eval('state') == 'new', 'muted', If(
                        Eval('freshness') == 'fresh', 'success', If(
                            Eval('freshness') == 'due', 'warning',
                            'danger')))),
            ]

    @classmethod
    def get_age(cls, contacts, names):
        now = wire.utcnow()
        result = {name: {} for name in names}
        for contact in contacts:
            age = (
                now - contact.last_refresh if contact.last_refresh else None)
            if 'age' in names:
                result['age'][contact.id] = tell_age(age)
            if 'freshness' in names:
                result['freshness'][contact.id] = judge_age(age)
        return result

    @classmethod
    def search_freshness(cls, name, clause):
        _, operator, value = clause
        values = value if isinstance(value, (list, tuple)) else [value]
        now = wire.utcnow()
        domains = {
            'fresh': [('last_refresh', '>', now - DUE)],
            'due': [
                ('last_refresh', '<=', now - DUE),
                ('last_refresh', '>', now - OUTDATED)],
            'outdated': [('last_refresh', '<=', now - OUTDATED)],
            'never': [('last_refresh', '=', None)],
            }
        # What is not one of the values is one of the others
        wanted = set(values) & set(domains)
        if operator in {'!=', 'not in'}:
            wanted = set(domains) - wanted
        return ['OR', [('id', '=', -1)], *(domains[v] for v in sorted(wanted))]

    @classmethod
    @without_check_access
    def get_token(cls, contacts, names):
        pool = Pool()
        Token = pool.get('offline_sales.token')
        now = wire.utcnow()
        result = {name: dict.fromkeys(map(int, contacts)) for name in names}
        by_branch = {c.branch.id: c.id for c in contacts}
        for token in Token.search([
                    ('branch', 'in', list(by_branch)),
                    ('given_at', '>', now - _TOKEN_MAX),
                    ], order=[('given_at', 'ASC'), ('id', 'ASC')]):
            end = token.given_at + dt.timedelta(hours=token.hours)
            if end > now:
                contact = by_branch[token.branch.id]
                for name, value in [('token', token.id), ('token_end', end)]:
                    if name in names:
                        result[name][contact] = value
        return result


class DocumentDay(ModelSQL, ModelView):
    "Offline Sales of a Day"
    __name__ = 'offline_sales.document.day'

    branch = fields.Many2One('offline_sales.branch', "Branch")
    date = fields.Date("Date")
    number = fields.Integer("Number")
    total = Monetary("Total", currency='currency', digits='currency')
    tax = Monetary("Tax", currency='currency', digits='currency')
    currency = fields.Function(fields.Many2One(
            'currency.currency', "Currency"), 'get_currency')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('date', 'DESC'), ('branch', 'ASC'), ('id', 'DESC')]

    @classmethod
    def table_query(cls):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        document = Document.__table__()
        return document.select(
            # Each document is of one branch and day
            Max(document.id).as_('id'),
            document.branch.as_('branch'),
            document.date.as_('date'),
            Count(document.id).as_('number'),
            cls.total.sql_cast(Sum(document.total)).as_('total'),
            cls.tax.sql_cast(Sum(document.tax)).as_('tax'),
            where=(document.total != Null)
            & (document.original == Null)
            & ~document.state.in_(UNCOUNTED),
            group_by=[document.branch, document.date])

    def get_currency(self, name):
        return self.branch.company.currency.id if self.branch else None

    def get_rec_name(self, name):
        return f'{self.branch.rec_name} {self.date}'
