# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.token.algorithm import (
    make_key)
from trytond.modules.offline_sales.offline_sales.token.key import (
    fingerprint, keep, settle)

A, B, C = (bytes([c]) * 32 for c in b'ABC')


def test_fingerprint():
    name = fingerprint(A)

    assert len(name) == 16
    assert name == fingerprint(A) != fingerprint(B)
    assert A.hex()[:4] not in name


def test_key_rotated():
    keys = keep([A], fingerprint(A), offered=B)
    assert keys == [A, B]

    current, next_ = settle(A, B, [fingerprint(A)])
    assert (current, next_) == (A, B)

    current, next_ = settle(A, B, map(fingerprint, keys))
    assert (current, next_) == (B, None)

    assert keep(keys, fingerprint(B)) == [B]


def test_key_rotated_again_before_it_arrived():
    keys = keep([A, B], fingerprint(A), offered=C)

    assert keys == [A, C]


def test_key_not_lost_by_an_unknown_one():
    assert keep([A], fingerprint(C)) == [A]
    assert keep([A, B], fingerprint(C), offered=B) == [A, B]


def test_key_offered_again():
    assert keep([A, B], fingerprint(A), offered=B) == [A, B]


@given(st.lists(st.sampled_from(
            ['rotate', 'contact', 'request lost', 'answer lost'])))
def test_key_of_tokens_is_always_good(events):
    "Whatever gets lost; and a contact or two later there is one key"
    current, next_ = make_key(), None
    keys = [current]

    for event in events + ['contact', 'contact']:
        if event == 'rotate':
            next_ = make_key()
        elif event != 'request lost':
            current, next_ = settle(current, next_, map(fingerprint, keys))
            if event == 'contact':
                keys = keep(keys, fingerprint(current), next_)
        assert current in keys
        assert len(keys) <= 2

    assert keys == [current]
    assert next_ is None
