# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Ids and usage tokens: 9 digits asked, 10 digits answered, over the phone

The token is the response of OCRA (RFC 6287), one-way challenge-response
(section 7.1), computed by the PyPI library oath, followed by the hours it
is for.

*Suite* (section 6): OCRA-1:HOTP-SHA256-8:QN09-S064.

- Q (section 5.1) is the Id, 9 decimal digits. OCRA writes a decimal challenge
  in hexadecimal and pads it with zeros to the right, so that for it 18 (12)
  and 288 (120) are one and the same challenge. All Ids here begin with 3 to 9:
  they have 8 hexadecimal digits each, so no two are alike.
- S (section 5.1: information about the session, a UTF-8 string whose length
  stands in the suite) is what the token is bound to: the 64 hexadecimal digits
  of the SHA-256 of the JSON list [branch, database, hours]. It is the input
  OCRA has for this, always exactly 64 bytes, and covered by the HMAC like the
  Id; a key derived for each binding would do no more and would not be OCRA. P
  is for a PIN that a person knows: there is none.
- Neither C nor T: a counter would have to be kept the same on both sides
  without a network, and the clock of either may be wrong.

*Check digit.* The last digit of an Id is Verhoeff's: it catches every wrong
digit and every swap of neighbours, as Damm's does. Of what an Id suffers
besides it catches more than Damm's: swaps of any two digits (92.7 % against
91.6 %), of two digits around a third (93.9 % against 90.1 %), a double digit
mistaken (95.6 % against 91.0 %), groups of three said in another order
(90.0 % against 85.2 %); less only of 13 taken for 30 and the like (82 %
against all), which digits read out in groups of three seldom are. ISO 7064 MOD
11,10 and Luhn miss swaps of neighbours. An error that is missed gives a token
that does not open.

*Odds.* The response is a number of 31 bits modulo 10^8 (RFC 4226, section
5.3): no code has more than 22 of the 2^31 values. So a guess of 8 digits, for
hours of one's choice, is right with a probability of at most 22 / 2^31, one in
97.6 million (twice that while a key is being rotated and two are good):

- the 5 tries of an Id: one in 19.5 million;
- 10,000 tries, over 2,000 Ids: one in 9,761;
- trytond lets 6 tries pass in 5 minutes for a login, by default: who knows a
  cashier's password and tries day and night for a year (630,720 tries, each of
  them in the log) gets in once with a probability of 0.65 %. That limit goes
  by the clock: who may set it can try faster, but is master of the computer
  and so of the key in it.

An overheard token is of use only if its Id is asked again: one in 70 million
for each Id, and never if the branch does not repeat an Id.

Ids and tokens that a person typed wrong raise the exceptions of stdnum, all
ValueErrors: InvalidFormat (something else than digits), InvalidLength,
InvalidComponent (a first digit or hours that cannot be) and InvalidChecksum.
"""
import hashlib
import hmac
import json
import secrets
import unicodedata
from typing import NamedTuple

import oath
from stdnum import verhoeff
from stdnum.exceptions import InvalidComponent, InvalidFormat, InvalidLength

from .period import Period

SUITE = 'OCRA-1:HOTP-SHA256-8:QN09-S064'
KEY_SIZE = 32
ID_DIGITS = 9
CODE_DIGITS = 8
HOURS_DIGITS = 2
HOURS_MAX = 99
# An Id lapses after so many seconds, or by so many wrong tokens
ID_LIFE = 15 * 60
ID_TRIES = 5

# Below 3 * 10^8 some Ids have 7 hexadecimal digits (16^7 = 268,435,456)
_ID_FIRST = 3
# More than anyone types around ten digits
_TYPED_MAX = 64


def _digits(text, length):
    """Return the length digits in what a person typed or pasted

    Spaces, dashes, points and other punctuation between them are ignored, as
    are the invisible characters that messengers add.
    """
    if not isinstance(text, str):
        raise InvalidFormat()
    if len(text) > _TYPED_MAX:
        raise InvalidLength()
    digits = ''.join(
        c for c in unicodedata.normalize('NFKC', text)
        if unicodedata.category(c)[0] not in {'Z', 'P', 'C'})
    if digits and not (digits.isascii() and digits.isdigit()):
        raise InvalidFormat()
    if len(digits) != length:
        raise InvalidLength()
    return digits


def _grouped(digits, *sizes):
    groups = []
    for size in sizes:
        groups.append(digits[:size])
        digits = digits[size:]
    return ' '.join(groups)


def make_id(used=()):
    """Return a new Id, 9 digits that nobody can foresee

    used: the container of the Ids not to return.
    """
    lowest = _ID_FIRST * 10 ** (ID_DIGITS - 2)
    while True:
        payload = str(lowest + secrets.randbelow(7 * 10 ** (ID_DIGITS - 2)))
        number = payload + verhoeff.calc_check_digit(payload)
        if number not in used:
            return number


def validate_id(text):
    """Return the 9 digits of the Id that a person typed

    Raise InvalidFormat, InvalidLength, InvalidComponent or InvalidChecksum.
    """
    number = _digits(text, ID_DIGITS)
    if int(number[0]) < _ID_FIRST:
        raise InvalidComponent()
    return verhoeff.validate(number)


def format_id(number):
    "Return the Id as it is shown and read out: 985 960 485"
    return _grouped(number, 3, 3, 3)


def make_key():
    "Return a new key for the tokens of a branch, 32 random bytes"
    return secrets.token_bytes(KEY_SIZE)


def _session(branch, database, hours):
    "The session information S of the suite, 64 ASCII characters"
    if not branch or not database:
        raise ValueError("a token needs the branch and its database")
    if not 1 <= hours <= HOURS_MAX:
        raise ValueError("a token is for 1 to 99 hours")
    bound = json.dumps([branch, database, hours], separators=(',', ':'))
    return hashlib.sha256(bound.encode('ascii')).hexdigest()


def _code(number, hours, key, branch, database):
    if len(key) != KEY_SIZE:
        raise ValueError("the key of a branch has 32 bytes")
    suite = oath.str2ocrasuite(SUITE)
    return suite(key, Q=number, S=_session(branch, database, hours))


def make_token(id, hours, key, branch, database):
    """Return the token that opens the Id for so many hours, 10 digits

    id: the Id as read out. key: the 32 bytes of the branch. branch and
    database: the code of the branch and the uuid of its database, as both
    sides know them since the pairing.
    Raise what validate_id does, and ValueError for a key, hours, branch or
    database that cannot be.
    """
    code = _code(validate_id(id), hours, key, branch, database)
    return f'{code}{hours:0{HOURS_DIGITS}}'


def format_token(token):
    "Return the token as it is shown and read out: 1234 5678 08"
    return _grouped(token, 4, 4, 2)


def validate_token(text):
    """Return (code, hours) of the token that a person typed: (str, int)

    Only its form is checked.
    Raise InvalidFormat, InvalidLength or InvalidComponent.
    """
    digits = _digits(text, CODE_DIGITS + HOURS_DIGITS)
    code, hours = digits[:CODE_DIGITS], int(digits[CODE_DIGITS:])
    if not hours:
        raise InvalidComponent()
    return code, hours


def check_token(text, id, keys, branch, database):
    """Return the hours for which the token opens the Id, None if it does not

    keys: those that are good, two while a key is being rotated.
    Each key is tried and each comparison takes the same time, whatever was
    typed. Raise what validate_token does if that is no token at all.
    """
    code, hours = validate_token(text)
    # A list, for any() would stop at the key that matched
    matches = [
        hmac.compare_digest(code, _code(id, hours, key, branch, database))
        for key in keys]
    return hours if any(matches) else None


class Challenge(NamedTuple):
    """An Id that was shown to a cashier

    period: its 15 minutes, measured like a usage. failures: the wrong tokens.
    """
    id: str
    period: Period
    failures: int = 0

    @classmethod
    def make(cls, reading, used=()):
        "Return a new one, whose Id is not among those used"
        return cls(make_id(used), Period.begin(reading, ID_LIFE))

    def is_live(self, reading):
        "Return if a token may still be tried on it"
        return self.failures < ID_TRIES and self.period.is_open(reading)

    def fail(self, reading):
        "Return it after one more wrong token"
        return self._replace(
            period=self.period.advance(reading),
            failures=self.failures + 1)
