# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond import config
from trytond.model import ModelSQL, fields

from . import cipher


class Credential(ModelSQL):
    "Offline Sales Credential"
    __name__ = 'offline_sales.credential'
    # Of the branch whose secret it is at the central, empty at the branch.
    # Not a relation: no domain may be written through it.
    branch = fields.Integer("Branch")
    name = fields.Char("Name", required=True)
    value = fields.Char("Value", required=True, strip=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # Secrets have no door: no procedure may be called from outside
        cls.__rpc__ = {}

    @classmethod
    def _find(cls, name, branch):
        return cls.search([
                ('name', '=', name),
                ('branch', '=', int(branch) if branch else None),
                ], limit=1)

    @classmethod
    def _fernet_keys(cls):
        return cipher.split_keys(
            config.get('offline_sales', 'fernet_key', default=''))

    @classmethod
    def get(cls, name, branch=None):
        "Return the secret of that name, None if there is none"
        for credential in cls._find(name, branch):
            return cipher.reveal(credential.value, cls._fernet_keys())

    @classmethod
    def set(cls, name, value, branch=None):
        "Keep value as the secret of that name, None to forget it"
        credentials = cls._find(name, branch)
        if value is None:
            cls.delete(credentials)
            return
        value = cipher.protect(value, cls._fernet_keys())
        if credentials:
            cls.write(credentials, {'value': value})
        else:
            cls.create([{
                        'name': name,
                        'value': value,
                        'branch': int(branch) if branch else None,
                        }])
