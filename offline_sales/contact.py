# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What the central knows of its talk with a branch

Apart from the branch itself, which is a catalog: it travels to the branch,
and may neither hold a secret nor change with each contact.
"""
import base64
import datetime as dt
import json
import logging
import secrets
from typing import NamedTuple

from trytond import __series__, config
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, Unique, fields
from trytond.modules import get_module_info
from trytond.modules.product.ir import price_decimal
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import wire
from .catalog import numbers
from .credential import TOKEN_KEYS
from .token.key import fingerprint, settle

logger = logging.getLogger(__name__)

NAME = 'offline_sales'
PAIRING_TIME = dt.timedelta(minutes=30)
PAIRING_TRIES = 5

# Crockford's digits: none is mistaken for another when read out
_DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
_ALIASES = str.maketrans('OILU', '011V')
_GROUPS = 3
_GROUP = 4
_LENGTH = _GROUPS * (_GROUP + 1) - 1


def make_code():
    "Return a random pairing code, e.g. 7K2M-09QX-DT4B"
    return '-'.join(
        ''.join(secrets.choice(_DIGITS) for _ in range(_GROUP))
        for _ in range(_GROUPS))


def read_code(text):
    """Return the pairing code that was typed, as make_code writes it

    Case, spaces and dashes do not matter, nor the letters that are not used.
    """
    code = ''.join(c for c in text.upper() if c.isalnum())
    code = code.translate(_ALIASES)
    return '-'.join(
        code[i:i + _GROUP] for i in range(0, len(code), _GROUP))


def random_key():
    "Return 32 random bytes as text"
    return base64.b64encode(secrets.token_bytes(32)).decode('ascii')


class Refusal(NamedTuple):
    "Why a database is not paired, and what its sentence needs"
    code: str
    params: dict = {}


class Contact(ModelSQL, ModelView):
    "Contact with a Branch"
    __name__ = 'offline_sales.contact'

    branch = fields.Many2One(
        'offline_sales.branch', "Branch", required=True, readonly=True,
        ondelete='CASCADE')
    state = fields.Selection([
            ('new', "Not Paired"),
            ('paired', "Paired"),
            ('refused', "Refused"),
            ], "State", required=True, readonly=True, sort=False)
    refusal = fields.Selection([
            (None, ""),
            ('clone', "Copied or Restored Database"),
            ('uuid', "Another Database with its Key"),
            ], "Reason of Refusal", readonly=True, sort=False,
        help="Why the branch is refused until it is paired again.")
    refused_at = fields.DateTime("Refused at", readonly=True)
    technical_user = fields.Many2One(
        'res.user', "Technical User", readonly=True,
        help="In whose name the branch asks the central. "
        "Nobody can log in as this user.")
    application = fields.Many2One(
        'res.user.application', "Key", readonly=True, ondelete='SET NULL')
    database_uuid = fields.Char(
        "Database Identity", readonly=True,
        help="The database that was paired with the branch.")
    counter = fields.Integer(
        "Requests", required=True, readonly=True,
        help="The number of the last request that was accepted.")
    requests = fields.Text("Known Requests", readonly=True)
    restored = fields.Integer(
        "Restored", readonly=True,
        help="The number of the request that has shown that this database "
        "was restored from a copy.")

    pairing_selector = fields.Char("Beginning of Code", readonly=True)
    pairing_expire = fields.DateTime("Code Expires at", readonly=True)
    pairing_tries = fields.Integer("Tries of Code", readonly=True)
    pairing_used = fields.Boolean("Code Used", readonly=True)

    last_contact = fields.DateTime("Last Contact", readonly=True)
    pending = fields.Integer(
        "Pending", readonly=True, help="The documents still to be sent.")
    oldest_pending = fields.DateTime("Oldest Pending", readonly=True)
    oldest_pending_age = fields.Function(fields.TimeDelta(
            "Pending Since",
            help="How long the oldest pending document has been waiting, "
            "whatever the branch's clock shows."),
        'get_oldest_pending_age')
    rejected = fields.Integer(
        "Rejected", readonly=True,
        help="The documents that need attention.")
    clock_offset = fields.Float(
        "Clock Offset", digits=(None, 1), readonly=True,
        help="The seconds by which the branch's clock is ahead.")
    series = fields.Char("Series", readonly=True)
    version = fields.Char("Version", readonly=True)
    last_refresh = fields.DateTime("Last Refresh", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('branch_unique', Unique(t, t.branch),
                'offline_sales.msg_contact_branch_unique'),
            ]
        cls._order.insert(0, ('branch', 'ASC'))
        cls.__access__.add('branch')

    @classmethod
    def default_state(cls):
        return 'new'

    @classmethod
    def default_counter(cls):
        return 0

    def get_rec_name(self, name):
        return self.branch.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('branch.rec_name', *clause[1:])]

    def get_oldest_pending_age(self, name):
        if self.oldest_pending:
            ahead = dt.timedelta(seconds=self.clock_offset or 0)
            age = wire.utcnow().replace(microsecond=0) - (
                self.oldest_pending - ahead)
            return max(age, dt.timedelta())

    @classmethod
    def of(cls, branch):
        "Return the contact with the branch"
        contacts = cls.search([('branch', '=', branch)], limit=1)
        if not contacts:
            contacts = cls.create([{'branch': branch}])
        return contacts[0]

    # Each request

    def admit(self, envelope, received):
        """Count the request and return None, or the code of why it is not
        admitted

        received: when it came, UTC. Commit the transaction in both cases.
        """
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        where = table.id == self.id
        # First of all and even if refused: it takes the lock of the row, so
        # that the requests of a branch come one after the other
        cursor.execute(*table.update(
                [table.last_contact, table.series],
                [received.replace(microsecond=0), envelope.series],
                where=where))
        cursor.execute(*table.select(
                table.state, table.database_uuid, table.counter,
                table.requests, where=where))
        state, uuid, counter, requests = cursor.fetchone()
        known = dict(json.loads(requests or '[]'))
        if state != 'paired':
            return 'refused'
        if envelope.uuid != uuid:
            return self._refuse('uuid', received)
        if envelope.branch != self.branch.code:
            return 'wrong_branch'
        verdict = wire.judge(counter, known, envelope)
        if verdict == 'clone':
            return self._refuse('clone', received)
        if verdict == 'stale':
            return 'stale'
        values = self._heard(envelope, received)
        if envelope.answered > counter:
            # The branch remembers what this database does not
            values['restored'] = envelope.counter
        values['counter'] = envelope.counter
        values['requests'] = json.dumps(
            list(wire.remember(known, envelope).items()),
            separators=(',', ':'))
        self._update(values)

    def _heard(self, envelope, received):
        "Return what the branch tells of itself, by column"
        values = {
            name: value for name, value in envelope.heartbeat.items()
            if name in wire.HEARTBEAT}
        if envelope.time:
            values['clock_offset'] = round(
                (envelope.time - received).total_seconds(), 1)
        return values

    def _refuse(self, reason, received):
        self._update({
                'state': 'refused',
                'refusal': reason,
                'refused_at': received.replace(microsecond=0),
                })
        return 'refused'

    def _update(self, values):
        "Write columns that change with the requests: not a matter of history"
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [getattr(table, name) for name in values],
                list(values.values()), where=table.id == self.id))

    # Pairing

    def new_code(self):
        """Return a new pairing code, the only one of the branch that is good

        It is kept as a hash: nobody can be told it again.
        """
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        User = pool.get('res.user')
        code = make_code()
        Credential.set(
            'pairing', User.hash_password(code), branch=self.branch.id)
        self.pairing_selector = code[:_GROUP]
        self.pairing_expire = wire.utcnow().replace(
            microsecond=0) + PAIRING_TIME
        self.pairing_tries = 0
        self.pairing_used = False
        self.save()
        return code

    @classmethod
    def pair(cls, code, uuid, branch):
        """Return what the database that shows the code needs, or a Refusal

        uuid: the new identity of the database.
        branch: language, price_decimal of the database, and former, the
        {central, branch} of the pairing that its data is of, if it has some.

        The beginning of the code tells which branch it is for, so that who
        knows none cannot use up the tries of another.
        Commit the transaction in both cases.
        """
        contact = cls._find_code(code, uuid)
        if isinstance(contact, Refusal):
            return contact
        return contact._check_pair(branch) or contact._pair(uuid)

    @classmethod
    def invite(cls, code, uuid):
        """Return what a database has to be that is to be paired by the code,
        or a Refusal

        uuid: the identity that the database will have.
        Commit the transaction in both cases: a wrong code costs a try.
        """
        contact = cls._find_code(code, uuid)
        if isinstance(contact, Refusal):
            return contact
        contact._give_try_back()
        return {
            **cls.introduce(contact.branch),
            'branch_modules': cls.get_branch_modules(),
            }

    @classmethod
    def get_branch_modules(cls):
        """Return the names of the modules activated here that a branch needs

        Those that this one knows, those that know this one, and those of the
        option branch_modules, separated by commas.
        """
        pool = Pool()
        Module = pool.get('ir.module')
        ours = get_module_info(NAME)
        chosen = config.get('offline_sales', 'branch_modules', default='')
        known = {
            NAME, *ours['depends'], *ours['extras_depend'],
            *map(str.strip, chosen.split(','))}
        needed = set()
        for module in Module.search([('state', '=', 'activated')]):
            info = get_module_info(module.name)
            if module.name in known or NAME in {
                    *info.get('depends', []), *info.get('extras_depend', [])}:
                needed.add(module.name)
        return sorted(needed)

    @classmethod
    def _find_code(cls, code, uuid):
        "Return the contact that the code is for, or a Refusal"
        code = read_code(code)
        refusal = Refusal('wrong_code')
        if len(code) != _LENGTH:
            return refusal
        for contact in cls.search([
                    ('pairing_selector', '=', code[:_GROUP]),
                    ('branch.active', '=', True),
                    ]):
            refusal = contact._check_code(code, uuid)
            if refusal is None:
                return contact
            if refusal.code != 'wrong_code':
                break
        return refusal

    def _check_code(self, code, uuid):
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        User = pool.get('res.user')
        code_state = self._take_try()
        if not code_state:
            return Refusal('burnt_code')
        used, expire, uuid_of_code, counter = code_state
        valid, _ = User.check_password(
            code, Credential.get('pairing', branch=self.branch.id))
        if not valid:
            return Refusal('wrong_code')
        if used and (uuid_of_code != uuid or counter):
            # Else the database was paired but may not know it: the power or
            # the connection failed before it has ever used its key
            return Refusal('used_code')
        if expire < wire.utcnow():
            return Refusal('expired_code')

    def _give_try_back(self):
        "Who has the code does not use up its tries by showing it"
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.pairing_tries], [table.pairing_tries - 1],
                where=(table.id == self.id) & (table.pairing_tries > 0)))

    def _check_pair(self, branch):
        "Return why the database cannot be that of the branch, None if it can"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        IrConfiguration = pool.get('ir.configuration')
        former = branch.get('former')
        if former and former != {
                'central': Configuration.get_identity(),
                'branch': self.branch.code,
                }:
            return Refusal('other_branch')
        language = IrConfiguration.get_language()
        if branch.get('language') != language:
            return Refusal('wrong_language', {'language': language})
        if branch.get('price_decimal') != price_decimal:
            return Refusal('wrong_decimals', {'decimals': price_decimal})

    def _take_try(self):
        """Count a try, one at a time, and return (used, expire) of the code
        and (uuid, counter) of the database that has used it, None if there
        are no tries left"""
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.pairing_tries], [table.pairing_tries + 1],
                where=(table.id == self.id)
                & (table.pairing_tries < PAIRING_TRIES)))
        # The record was read before the lock was taken
        if cursor.rowcount:
            cursor.execute(*table.select(
                    table.pairing_used, table.pairing_expire,
                    table.database_uuid, table.counter,
                    where=table.id == self.id))
            return cursor.fetchone()

    def _pair(self, uuid):
        pool = Pool()
        Application = pool.get('res.user.application')
        Configuration = pool.get('offline_sales.configuration')
        Credential = pool.get('offline_sales.credential')
        self.revoke([self])
        key, token_key = secrets.token_urlsafe(32), random_key()
        self.technical_user = self._get_technical_user()
        self.application, = Application.create([{
                    'user': self.technical_user.id,
                    'application': 'offline_sales',
                    'key': key,
                    'state': 'validated',
                    }])
        self.state = 'paired'
        self.refusal = self.refused_at = None
        self.database_uuid = uuid
        self.counter = 0
        self.requests = None
        self.pairing_used = True
        self.save()
        Credential.set('token', token_key, branch=self.branch.id)
        Credential.set('token_next', None, branch=self.branch.id)
        return {
            **self.introduce(self.branch),
            'central': Configuration.get_identity(),
            'key': key,
            'token_key': token_key,
            'numbers': numbers.highest(self.branch),
            }

    # The keys of the usage tokens

    @classmethod
    def rotate(cls, contacts):
        "Have the branches take a new key at their next contacts"
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        for contact in contacts:
            if contact.state == 'paired':
                Credential.set(
                    'token_next', random_key(), branch=contact.branch.id)

    def lacks_token_key(self):
        "Return if no token can be given though the branch is paired"
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        return (self.state == 'paired'
            and not Credential.find_token_keys(branch=self.branch.id))

    def settle_token_keys(self, accepted):
        """Return what the branch is told of the keys, see token/key.py, None
        if there is nothing to tell

        accepted: the fingerprints of the keys that the branch has.
        """
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        keys = Credential.find_token_keys(branch=self.branch.id)
        if not keys:
            # What was sold is taken all the same
            logger.error(
                "the token keys of branch %s of database %s cannot be read: "
                "set the fernet_key they were kept with, or pair it again",
                self.branch.code, Transaction().database.name)
            return
        current, next_ = settle(*[*keys, None][:2], accepted)
        keys = [current] if next_ is None else [current, next_]
        Credential.set_token_keys(keys, branch=self.branch.id)
        return {
            'issuing': fingerprint(current),
            'offered': next_,
            }

    def _get_technical_user(self):
        "Return the user of the branch: without groups, password and login"
        pool = Pool()
        User = pool.get('res.user')
        name = gettext(
            'offline_sales.msg_technical_user', branch=self.branch.name)
        if self.technical_user:
            User.write([self.technical_user], {'name': name})
            return self.technical_user
        user, = User.create([{
                    'name': name,
                    'login': f'offline_sales,{self.branch.id}',
                    'active': False,
                    'menu': None,
                    }])
        return user

    @classmethod
    def revoke(cls, contacts):
        "Close the door to the branches: their keys open nothing any more"
        cls._cancel_keys(contacts)
        cls.write(contacts, {'state': 'new', 'application': None})

    @classmethod
    def _cancel_keys(cls, contacts):
        pool = Pool()
        Application = pool.get('res.user.application')
        Application.cancel(Application.search([
                    ('user', 'in', [
                            c.technical_user.id for c in contacts
                            if c.technical_user]),
                    ('application', '=', 'offline_sales'),
                    ('state', '!=', 'cancelled'),
                    ]))

    @classmethod
    def on_delete(cls, contacts):
        pool = Pool()
        Credential = pool.get('offline_sales.credential')
        callback = super().on_delete(contacts)
        cls._cancel_keys(contacts)
        for contact in contacts:
            for name in ['pairing', *TOKEN_KEYS]:
                Credential.set(name, None, branch=contact.branch.id)
        return callback

    @classmethod
    def introduce(cls, branch):
        "Return who the central is to the branch"
        pool = Pool()
        IrConfiguration = pool.get('ir.configuration')
        Module = pool.get('ir.module')
        return {
            'branch': branch.code,
            'name': branch.name,
            'company': branch.company.rec_name,
            'series': __series__,
            'modules': {
                m.name: m.version
                for m in Module.search([('state', '=', 'activated')])},
            'time': wire.utcnow(),
            'language': IrConfiguration.get_language(),
            'price_decimal': price_decimal,
            'protocols': list(wire.PROTOCOLS),
            }
