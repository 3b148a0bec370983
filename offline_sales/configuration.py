# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import datetime as dt
from uuid import uuid4

from trytond.cache import Cache
from trytond.model import ModelSingleton, ModelSQL, ModelView, fields
from trytond.modules import get_module_info
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction

_at_branch = {
    'invisible': Eval('role') != 'branch',
    }


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

    _role_cache = Cache('offline_sales.configuration.role', context=False)

    @classmethod
    def default_role(cls):
        return 'central'

    @classmethod
    def default_obtain_time(cls):
        return dt.time(23, 5)

    @classmethod
    def on_modification(cls, mode, configurations, field_names=None):
        super().on_modification(mode, configurations, field_names=field_names)
        cls._role_cache.clear()

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
    def get_identity(cls):
        "Return the identity of this database, given at its first use"
        configuration = cls(1)
        if not configuration.uuid:
            configuration.uuid = str(uuid4())
            configuration.save()
        return configuration.uuid

    @classmethod
    def get_heartbeat(cls):
        "Return what the branch tells of itself with each request"
        pool = Pool()
        Update = pool.get('offline_sales.update')
        heartbeat = {
            'version': get_module_info('offline_sales')['version'],
            }
        updates = Update.search([
                ('state', '=', 'done'),
                ], order=[('end', 'DESC')], limit=1)
        for update in updates:
            heartbeat['last_refresh'] = update.end
        return heartbeat


del _at_branch
