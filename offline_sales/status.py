# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What those of a branch always see: how old the catalogs are, what waits,
until when they may sell and whether the internet is back"""
import datetime as dt

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access

from . import wire
from .moment import Moment
from .report.dashboard import tell_age
from .token.period import ENDING, OPEN, read_clock

# The updates that the configuration shows
SHOWN = 50
# The central is tried every two minutes: who answered longer ago may be gone
ANSWERED = dt.timedelta(minutes=5)

_at_branch = {
    'invisible': Eval('role') != 'branch',
    }


class Configuration(metaclass=PoolMeta):
    __name__ = 'offline_sales.configuration'

    contacted_at = fields.DateTime(
        "Last Contact", readonly=True, states=_at_branch,
        help="When the central answered last.")
    last_refresh = fields.Function(Moment(
            "Last Update of Catalogs", states=_at_branch),
        'get_status')
    last_refresh_age = fields.Function(fields.Char(
            "Age of the Catalogs", states=_at_branch),
        'get_status')
    pending = fields.Function(fields.Integer(
            "Documents to Send", states=_at_branch),
        'get_status')
    attend = fields.Function(fields.Integer(
            "Documents to Attend", states=_at_branch),
        'get_status')
    usage_end = fields.Function(fields.Char(
            "Selling until", states=_at_branch),
        'get_status')
    updates = fields.Function(fields.Many2Many(
            'offline_sales.update', None, None, "Updates of the Catalogs",
            readonly=True),
        'get_updates')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        for name in ['obtain', 'send', 'reset']:
            cls._buttons[name] = {
                'invisible': Eval('role') != 'branch',
                'depends': ['role'],
                }

    @classmethod
    @ModelView.button_action('offline_sales.wizard_catalog_obtain')
    def obtain(cls, configurations):
        pass

    @classmethod
    @ModelView.button_action('offline_sales.wizard_document_send')
    def send(cls, configurations):
        pass

    @classmethod
    @ModelView.button_action('offline_sales.wizard_catalog_reset')
    def reset(cls, configurations):
        pass

    @classmethod
    @without_check_access
    def get_status(cls, configurations, names):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Update = pool.get('offline_sales.update')
        values = dict.fromkeys(names)
        if cls.is_branch():
            update = Update.last_success()
            usage = cls._get_usage()
            values.update({
                    'last_refresh': update.end if update else None,
                    'last_refresh_age': cls._tell_age(update),
                    'pending': Document.search(
                        [('state', '=', 'pending')], count=True),
                    'attend': Document.search(
                        [('state', '=', 'rejected')], count=True),
                    'usage_end': usage.get_end() if usage else None,
                    })
        return {
            name: dict.fromkeys(map(int, configurations), values[name])
            for name in names}

    @classmethod
    def _tell_age(cls, update):
        return tell_age(wire.utcnow() - update.end if update else None)

    @classmethod
    def _get_usage(cls):
        "Return the usage that lets the user sell now, None without"
        pool = Pool()
        Usage = pool.get('offline_sales.usage')
        usage, phase = Usage.find(Transaction().user, read_clock())
        return usage if phase in {OPEN, ENDING} else None

    @classmethod
    def get_updates(cls, configurations, name):
        pool = Pool()
        Update = pool.get('offline_sales.update')
        updates = list(map(int, Update.search([], limit=SHOWN)))
        return {c.id: updates for c in configurations}

    @classmethod
    @without_check_access
    def tell_status(cls):
        "Return in one line how the branch is doing, None at the central"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Update = pool.get('offline_sales.update')
        if not cls.is_branch():
            return None
        parts = [
            gettext('offline_sales.msg_status_catalogs',
                age=cls._tell_age(Update.last_success())),
            gettext('offline_sales.msg_status_pending',
                count=Document.search(
                    [('state', '=', 'pending')], count=True)),
            ]
        if usage := cls._get_usage():
            parts.append(gettext(
                    'offline_sales.msg_status_usage', end=usage.get_end()))
            if cls(1).is_online():
                parts.append(gettext('offline_sales.msg_status_online'))
        else:
            parts.append(gettext('offline_sales.msg_status_no_usage'))
        return " · ".join(parts)

    def is_online(self):
        "Return if the central answered when it was tried last"
        return bool(
            self.contacted_at and not self.send_failures
            and abs(wire.utcnow() - self.contacted_at) <= ANSWERED)

    @classmethod
    @without_check_access
    def note_contact(cls, returned=False):
        """Remember that the central answered

        returned: if it did not the time before; who sells is told then.
        """
        pool = Pool()
        User = pool.get('res.user')
        # The bare table: it is no change of the configuration
        table = cls.__table__()
        with Transaction().new_transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(*table.update(
                    [table.contacted_at],
                    [wire.utcnow().replace(microsecond=0)]))
            if returned:
                for user in User.get_sellers():
                    with Transaction().set_user(user.id):
                        selling = cls._get_usage()
                    if selling:
                        cls._notify_online(user)

    @classmethod
    def _notify_online(cls, user):
        pool = Pool()
        Notification = pool.get('res.notification')
        with Transaction().set_context(
                language=user.language.code if user.language else None):
            Notification.create([{
                        'user': user.id,
                        'label': gettext('offline_sales.msg_status_online'),
                        'icon': 'tryton-info',
                        'unread': True,
                        }])


del _at_branch


class _StatusMixin:
    "A form of what is sold that shows how the branch is doing"
    __slots__ = ()

    offline_status = fields.Function(fields.Char(
            "State of the Branch",
            states={
                'invisible': ~Eval('offline_status'),
                }),
        'on_change_with_offline_status')

    @fields.depends('state', 'lines')
    def on_change_with_offline_status(self, name=None):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        return Configuration.tell_status()


class PointSale(_StatusMixin, metaclass=PoolMeta):
    __name__ = 'sale.point.sale'


class Prefactura(_StatusMixin, metaclass=PoolMeta):
    __name__ = 'sale.sale'
