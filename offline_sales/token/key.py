# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The change of a branch's key: agreed without a moment in which none is good

The branch names in each request the keys it accepts by their fingerprints;
the central answers with the fingerprint of the key it issues tokens by, and
with the next key for as long as the branch does not name it. Requests and
answers may be lost:

    central            branch
    issues A, next B   accepts A        names A    -> told: A, here is B
    issues A, next B   accepts A, B     names A, B
    issues B           accepts A, B                -> told: B
    issues B           accepts B

At every line what the central issues is something the branch accepts.
"""
import hashlib
import hmac


def fingerprint(key):
    "Return the name of a key, 16 hexadecimal digits that do not give it away"
    return hmac.new(
        key, b'offline_sales token key', hashlib.sha256).hexdigest()[:16]


def settle(current, next_, accepted):
    """Return the keys (current, next) of the central after a request

    current: the key it issues by. next_: the one that shall follow, or None.
    accepted: the fingerprints that the branch names.
    """
    if next_ is not None and fingerprint(next_) in accepted:
        return next_, None
    return current, next_


def keep(keys, issuing, offered=None):
    """Return the keys that the branch accepts after an answer, a list

    keys: those it has. issuing: the fingerprint of the central's. offered:
    the next key, if there is one.
    An answer about a key the branch does not have takes none away.
    """
    kept = [key for key in keys if fingerprint(key) == issuing]
    kept = kept or list(keys)
    if offered is not None and offered not in kept:
        kept.append(offered)
    return kept
