# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Secrets at rest: Fernet (PyPI cryptography), where keys are configured

Functions of text: the keys come from `[offline_sales] fernet_key` of the
server's configuration, outside the database, so that a stolen dump does not
give the secrets away. Without keys secrets are kept as they are, and those
kept before a key was configured are still read.
"""
_MARK = 'fernet:'


class CipherError(Exception):
    "The secret cannot be protected or read with the keys configured"


def split_keys(text):
    "Return the keys in an option: separated by commas, the newest first"
    return [k for k in map(str.strip, (text or '').split(',')) if k]


def _fernet(keys):
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError as error:
        raise CipherError(
            "fernet_key is configured but cryptography is not installed"
            ) from error
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise CipherError("fernet_key is not a Fernet key") from error


def protect(value, keys):
    """Return the text to keep for a secret

    keys: Fernet keys, of which the first is used, or none.
    Raise CipherError.
    """
    if value.startswith(_MARK):
        raise CipherError("the secret is protected already")
    if not keys:
        return value
    return _MARK + _fernet(keys).encrypt(value.encode()).decode('ascii')


def reveal(value, keys):
    """Return the secret of a text kept by protect

    keys: Fernet keys, of which any may be the one. Raise CipherError.
    """
    if not value.startswith(_MARK):
        return value
    if not keys:
        raise CipherError("the secret needs the fernet_key it was kept with")
    fernet = _fernet(keys)
    from cryptography.fernet import InvalidToken
    try:
        return fernet.decrypt(value[len(_MARK):].encode()).decode()
    except InvalidToken as error:
        raise CipherError(
            "the secret was kept with another fernet_key") from error
