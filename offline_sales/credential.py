# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import base64

from trytond import config
from trytond.i18n import gettext
from trytond.model import ModelSQL, fields

from . import cipher
from .exceptions import SecretError

# Those of a branch whose token keys are being changed are two
TOKEN_KEYS = ['token', 'token_next']


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
            return cls._cipher(cipher.reveal, credential.value)

    @classmethod
    def _cipher(cls, function, value):
        try:
            return function(value, cls._fernet_keys())
        except cipher.CipherError as error:
            raise SecretError(gettext(
                    'offline_sales.msg_secret', reason=error)) from None

    @classmethod
    def get_token_keys(cls, branch=None):
        "Return the keys of the usage tokens as bytes, the current one first"
        keys = (cls.get(name, branch=branch) for name in TOKEN_KEYS)
        return [base64.b64decode(key) for key in keys if key]

    @classmethod
    def find_token_keys(cls, branch=None):
        "Return the same, nothing if they cannot be read"
        try:
            return cls.get_token_keys(branch=branch)
        except SecretError:
            return []

    @classmethod
    def set_token_keys(cls, keys, branch=None):
        keys = [base64.b64encode(key).decode('ascii') for key in keys]
        keys += [None] * (len(TOKEN_KEYS) - len(keys))
        for name, key in zip(TOKEN_KEYS, keys, strict=True):
            if cls.get(name, branch=branch) != key:
                cls.set(name, key, branch=branch)

    @classmethod
    def set(cls, name, value, branch=None):
        "Keep value as the secret of that name, None to forget it"
        credentials = cls._find(name, branch)
        if value is None:
            cls.delete(credentials)
            return
        value = cls._cipher(cipher.protect, value)
        if credentials:
            cls.write(credentials, {'value': value})
        else:
            cls.create([{
                        'name': name,
                        'value': value,
                        'branch': int(branch) if branch else None,
                        }])
