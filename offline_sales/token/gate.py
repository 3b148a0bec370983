# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Who may sell at a branch, and for how long

The login asks for a token, the sessions end with the usage; but the rule is
that of check_modification: whatever the door, without an open usage nothing
is sold.
"""
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from ..exceptions import OfflineAccessError
from .period import CLOCK, ENDING, GRACE, OPEN, read_clock

_SELLERS = 'offline_sales', 'group_offline_sales_branch'


def _get_id(module, fs_id):
    return Pool().get('ir.model.data').get_id(module, fs_id)


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    # Who may administer a branch, and so not sell
    _administrator_groups = [
        ('res', 'group_admin'),
        ('offline_sales', 'group_offline_sales_admin'),
        ]

    @classmethod
    def get_sellers(cls):
        "Return the users of the branch, who sell with a usage"
        users = cls.search([('groups', '=', _get_id(*_SELLERS))])
        return [
            user for user in users
            if not cls._administer({g.id for g in user.groups})]

    @classmethod
    def _administer(cls, groups):
        return any(
            _get_id(*group) in groups for group in cls._administrator_groups)

    @classmethod
    def is_administrator(cls):
        "Return if the user of the transaction administers"
        return cls._administer(set(cls.get_groups()))

    @classmethod
    def is_seller(cls):
        "Return if the user of the transaction sells at the branch"
        return (_get_id(*_SELLERS) in cls.get_groups()
            and not cls.is_administrator())

    @classmethod
    def _login_offline_sales(cls, login, parameters):
        "Password, and at a branch a token where no usage is open"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Usage = pool.get('offline_sales.usage')
        user = cls._login_password(login, parameters)
        if user and Configuration.is_branch():
            with Transaction().set_user(user):
                seller = cls.is_seller()
            if seller:
                Usage.login(user, login, parameters)
        return user

    def get_status_bar(self, name):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Usage = pool.get('offline_sales.usage')
        status = super().get_status_bar(name)
        if Configuration.is_branch():
            usage = Usage.get_current(self.id, read_clock())
            if usage:
                text = gettext(
                    'offline_sales.msg_usage_status', end=usage.get_end())
                status = ' - '.join(filter(None, [status, text]))
        return status


class UserApplication(metaclass=PoolMeta):
    __name__ = 'res.user.application'

    @classmethod
    def check(cls, key, application):
        "At a branch no key takes the place of a cashier's login"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        User = pool.get('res.user')
        found = super().check(key, application)
        if found and Configuration.is_branch():
            with Transaction().set_user(found.user.id):
                if not User.is_administrator():
                    return
        return found


class Session(metaclass=PoolMeta):
    __name__ = 'ir.session'

    @classmethod
    def check(cls, user, key, domain=None):
        "Sessions end with the usage: it is closed by the first who asks"
        pool = Pool()
        Usage = pool.get('offline_sales.usage')
        Usage.watch()
        return super().check(user, key, domain=domain)


class GateMixin:
    """A model of which a branch makes records only while it may sell

    Overridable: which of its modifications need an open usage at all, and
    which finish what was begun.
    """
    __slots__ = ()

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if Configuration.is_branch() and Transaction().user:
            cls.check_usage(mode, records)
        super().check_modification(
            mode, records, values=values, external=external)

    @classmethod
    def check_usage(cls, mode, records):
        "Raise OfflineAccessError if the user may not do it now"
        pool = Pool()
        Usage = pool.get('offline_sales.usage')
        User = pool.get('res.user')
        if not User.is_seller():
            raise OfflineAccessError(
                gettext('offline_sales.msg_usage_not_seller'))
        if not cls._needs_usage(mode):
            return
        reading = read_clock()
        usage, phase = Usage.find(Transaction().user, reading)
        if phase in {OPEN, ENDING} or (
                phase == GRACE and cls._finishes(mode, records)):
            usage.mark(reading)
        elif phase == CLOCK:
            raise OfflineAccessError(
                gettext('offline_sales.msg_usage_clock'))
        elif phase == GRACE:
            raise OfflineAccessError(
                gettext('offline_sales.msg_usage_grace'))
        else:
            raise OfflineAccessError(
                gettext('offline_sales.msg_usage_over'))

    @classmethod
    def _needs_usage(cls, mode):
        return True

    @classmethod
    def _finishes(cls, mode, records):
        "Return if it only finishes what was begun before the end"
        return False


class NoticeMixin:
    "A form that says that the usage ends"
    __slots__ = ()

    @fields.depends('state')
    def on_change_notify(self):
        return [*super().on_change_notify(), *self._notify_usage()]

    def _notify_usage(self):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Usage = pool.get('offline_sales.usage')
        if not Configuration.is_branch():
            return
        usage, phase = Usage.find(Transaction().user, read_clock())
        if phase == ENDING:
            yield 'warning', gettext(
                'offline_sales.msg_usage_ending', end=usage.get_end())
        elif phase == GRACE:
            yield 'warning', gettext('offline_sales.msg_usage_grace')
        elif phase == CLOCK:
            yield 'error', gettext('offline_sales.msg_usage_clock')


class PointSale(GateMixin, NoticeMixin, metaclass=PoolMeta):
    __name__ = 'sale.point.sale'

    @classmethod
    def _finishes(cls, mode, sales):
        return mode != 'create' and all(s.state == 'open' for s in sales)


class _OfTicket(GateMixin):
    __slots__ = ()

    @classmethod
    def _finishes(cls, mode, records):
        return all(record.sale.state == 'open' for record in records)


class PointSaleLine(_OfTicket, metaclass=PoolMeta):
    __name__ = 'sale.point.sale.line'


class PointPayment(_OfTicket, metaclass=PoolMeta):
    __name__ = 'sale.point.payment'


class PointCashSession(GateMixin, metaclass=PoolMeta):
    __name__ = 'sale.point.cash.session'

    @classmethod
    def _needs_usage(cls, mode):
        # The cash is cut after the end
        return mode != 'write'

    @classmethod
    def _finishes(cls, mode, sessions):
        # The first payment of a day makes it
        return mode == 'create'


class PointCashTransfer(GateMixin, metaclass=PoolMeta):
    __name__ = 'sale.point.cash.transfer'

    @classmethod
    def _needs_usage(cls, mode):
        # The cash is taken out and a difference noted when it is cut
        return False


class Sale(GateMixin, NoticeMixin, metaclass=PoolMeta):
    __name__ = 'sale.sale'


class SaleLine(GateMixin, metaclass=PoolMeta):
    __name__ = 'sale.line'


class PrefacturaPayment(GateMixin, metaclass=PoolMeta):
    __name__ = 'offline_sales.prefactura.payment'


class Party(GateMixin, metaclass=PoolMeta):
    __name__ = 'party.party'


class PartyAddress(GateMixin, metaclass=PoolMeta):
    __name__ = 'party.address'


class PartyIdentifier(GateMixin, metaclass=PoolMeta):
    __name__ = 'party.identifier'


class PartyContactMechanism(GateMixin, metaclass=PoolMeta):
    __name__ = 'party.contact_mechanism'


class PartyContactMechanismLanguage(GateMixin, metaclass=PoolMeta):
    __name__ = 'party.contact_mechanism.language'
