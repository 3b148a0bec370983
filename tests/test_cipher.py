# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import sys

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.cipher import (
    CipherError,
    protect,
    reveal,
    split_keys,
    )

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
secrets = st.text().filter(lambda text: not text.startswith('fernet:'))


@given(secrets)
def test_protect(secret):
    kept = protect(secret, [NEW])

    assert kept.isascii()
    assert reveal(kept, [NEW]) == secret


def test_protect_hides():
    assert 'secret' not in protect('secret', [NEW])


@given(secrets)
def test_protect_without_keys(secret):
    assert protect(secret, []) == secret
    assert reveal(secret, []) == secret
    assert reveal(secret, [NEW]) == secret


def test_protect_with_a_newer_key():
    kept = protect('secret', [OLD])

    assert reveal(kept, [NEW, OLD]) == 'secret'
    assert reveal(protect('secret', [NEW, OLD]), [NEW]) == 'secret'


def test_protect_twice():
    kept = protect('secret', [NEW])

    for keys in [[], [NEW]]:
        with pytest.raises(CipherError):
            protect(kept, keys)


@pytest.mark.parametrize('keys', [[], [OLD], ['not a key'], ['é']])
def test_reveal_without_its_key(keys):
    kept = protect('secret', [NEW])

    with pytest.raises(CipherError) as info:
        reveal(kept, keys)

    for key in keys:
        assert key not in str(info.value).split()


@pytest.mark.parametrize('kept', ['fernet:', 'fernet:x', 'fernet:é'])
def test_reveal_what_was_damaged(kept):
    with pytest.raises(CipherError):
        reveal(kept, [NEW])


def test_protect_without_cryptography(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cryptography.fernet', None)

    assert reveal(protect('secret', []), []) == 'secret'
    with pytest.raises(CipherError):
        protect('secret', [NEW])


@pytest.mark.parametrize('text,keys', [
        (None, []),
        ('', []),
        (f'{NEW}', [NEW]),
        (f' {NEW},\n {OLD} ,', [NEW, OLD]),
        ], ids=['missing', 'empty', 'one', 'spaced'])
def test_split_keys(text, keys):
    assert split_keys(text) == keys
