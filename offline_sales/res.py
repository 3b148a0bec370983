# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import hashlib

from trytond.i18n import gettext
from trytond.model.exceptions import AccessError
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .catalog.readonly import refuse

APPLICATION = 'offline_sales'


def hash_key(key):
    "Return what is kept of a key: it is random, so that no salt is needed"
    return hashlib.sha256(key.encode()).hexdigest()


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    # What a cashier is at the branch, whatever he is at the central
    _branch_groups = [
        ('offline_sales', 'group_offline_sales_branch'),
        ('sale_point', 'group_sale_point'),
        ('sale', 'group_sale'),
        ]

    # What is the central's of the preferences
    _central_preferences = {'name', 'password', 'email', 'signature'}

    @classmethod
    def set_preferences(cls, values):
        user = cls(Transaction().user)
        for name in cls._central_preferences & values.keys():
            if ((name == 'password' or values[name] != getattr(user, name))
                    and user.is_replicated()):
                refuse()
        super().set_preferences(values)

    def is_replicated(self):
        "Return True at a branch if the user is one of the central's"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Link = pool.get('offline_sales.link')
        return Configuration.is_branch() and bool(
            Link.to_wire(self.__name__, [self.id]))

    @classmethod
    def set_branch_groups(cls):
        """Give the users of this branch the groups of a branch, and take the
        others, who came from the central once, out"""
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Link = pool.get('offline_sales.link')
        ModelData = pool.get('ir.model.data')
        Session = pool.get('ir.session')
        branch = Configuration.get_branch()
        groups = [ModelData.get_id(*group) for group in cls._branch_groups]
        links = Link.search([('model', '=', 'res.user')])
        with Transaction().set_context(active_test=False):
            users = cls.browse([link.local for link in links])
        allowed = {u.id for u in branch.users} if branch else set()
        inside = [u for u in users if u.id in allowed and u.active]
        outside = [u for u in users if u not in inside]
        for users, groups_ in [(inside, groups), (outside, [])]:
            different = [
                u for u in users
                if {g.id for g in u.groups} != set(groups_)]
            if different:
                cls.write(
                    different, {'groups': _replace(different, groups_)})
        Session.clear([u.id for u in outside])
        if branch:
            cls._set_company(branch.company, {link.local for link in links})

    @classmethod
    def _set_company(cls, company, replicated):
        "Have those who administer here, the branch's own, see its company"
        users = [
            u for u in cls.search([('company', '=', None)])
            if u.id not in replicated
            and cls._administer({g.id for g in u.groups})]
        if users:
            cls.write(users, {
                    'companies': [('add', [company.id])],
                    'company': company.id,
                    })


def _replace(users, groups):
    "Return what makes the groups those of the users"
    former = {g.id for user in users for g in user.groups}
    return [
        ('remove', list(former - set(groups))),
        ('add', list(set(groups))),
        ]


class UserApplication(metaclass=PoolMeta):
    __name__ = 'res.user.application'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.application.selection.append((APPLICATION, "Offline Sales"))

    def get_rec_name(self, name):
        if self.application == APPLICATION:
            return self.user.rec_name if self.user else ''
        return super().get_rec_name(name)

    @classmethod
    def check(cls, key, application):
        if application == APPLICATION:
            key = hash_key(key or '')
        return super().check(key, application)

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('application') == APPLICATION:
            values['key'] = hash_key(values['key'])
        return values

    @classmethod
    def check_modification(
            cls, mode, applications, values=None, external=False):
        super().check_modification(
            mode, applications, values=values, external=external)
        if mode == 'write' and {'key', 'user', 'application'} & set(values):
            if (values.get('application') == APPLICATION
                    or any(a.application == APPLICATION
                        for a in applications)):
                raise AccessError(
                    gettext('offline_sales.msg_application_modify'))
