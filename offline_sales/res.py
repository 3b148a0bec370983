# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import hashlib

from trytond.i18n import gettext
from trytond.model.exceptions import AccessError
from trytond.pool import PoolMeta

APPLICATION = 'offline_sales'


def hash_key(key):
    "Return what is kept of a key: it is random, so that no salt is needed"
    return hashlib.sha256(key.encode()).hexdigest()


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
