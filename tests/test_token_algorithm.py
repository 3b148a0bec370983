# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from string import digits

import oath
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import verhoeff
from stdnum.exceptions import (
    InvalidChecksum,
    InvalidComponent,
    InvalidFormat,
    InvalidLength,
    ValidationError,
    )

from trytond.modules.offline_sales.offline_sales.token import algorithm
from trytond.modules.offline_sales.offline_sales.token.algorithm import (
    HOURS_MAX,
    ID_LIFE,
    ID_TRIES,
    Challenge,
    check_token,
    format_id,
    format_token,
    make_id,
    make_key,
    make_token,
    validate_id,
    validate_token,
    )
from trytond.modules.offline_sales.offline_sales.token.period import Reading

# The keys and the PIN of RFC 6287, appendix C
SEED = '1234567890' * 7
KEY20, KEY32, KEY64 = (SEED[:n].encode() for n in [20, 32, 64])
PIN = '1234'
# 25 March 2008, 12:06 UTC, in minutes
MINUTES = 0x132d0b6

RFC_ONE_WAY = [
    ('OCRA-1:HOTP-SHA1-6:QN08', KEY20, [
            ({'Q': str(i) * 8}, code) for i, code in enumerate([
                    '237653', '243178', '653583', '740991', '608993',
                    '388898', '816933', '224598', '750600', '294470'])]),
    ('OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1', KEY32, [
            ({'C': i, 'Q': '12345678', 'P': PIN}, code)
            for i, code in enumerate([
                    '65347737', '86775851', '78192410', '71565254',
                    '10104329', '65983500', '70069104', '91771096',
                    '75011558', '08522129'])]),
    ('OCRA-1:HOTP-SHA256-8:QN08-PSHA1', KEY32, [
            ({'Q': str(i) * 8, 'P': PIN}, code)
            for i, code in enumerate([
                    '83238735', '01501458', '17957585', '86776967',
                    '86807031'])]),
    ('OCRA-1:HOTP-SHA512-8:C-QN08', KEY64, [
            ({'C': i, 'Q': str(i) * 8}, code) for i, code in enumerate([
                    '07016083', '63947962', '70123924', '25341727',
                    '33203315', '34205738', '44343969', '51946085',
                    '20403879', '31409299'])]),
    ('OCRA-1:HOTP-SHA512-8:QN08-T1M', KEY64, [
            ({'Q': str(i) * 8, 'T_precomputed': MINUTES}, code)
            for i, code in enumerate([
                    '95209754', '55907591', '22048402', '24218844',
                    '36209546'])]),
    ]
RFC_MUTUAL = [
    ('OCRA-1:HOTP-SHA256-8:QA08', KEY32, [
            ({'Qsc': f'CLI2222{i}SRV1111{i}'}, code)
            for i, code in enumerate([
                    '28247970', '01984843', '65387857', '03351211',
                    '83412541'])]),
    ('OCRA-1:HOTP-SHA256-8:QA08', KEY32, [
            ({'Qsc': f'SRV1111{i}CLI2222{i}'}, code)
            for i, code in enumerate([
                    '15510767', '90175646', '33777207', '95285278',
                    '28934924'])]),
    ('OCRA-1:HOTP-SHA512-8:QA08', KEY64, [
            ({'Qsc': f'CLI2222{i}SRV1111{i}'}, code)
            for i, code in enumerate([
                    '79496648', '76831980', '12250499', '90856481',
                    '12761449'])]),
    ('OCRA-1:HOTP-SHA512-8:QA08-PSHA1', KEY64, [
            ({'Qsc': f'SRV1111{i}CLI2222{i}', 'P': PIN}, code)
            for i, code in enumerate([
                    '18806276', '70020315', '01600026', '18951020',
                    '32528969'])]),
    ]
RFC_SIGNATURE = [
    ('OCRA-1:HOTP-SHA256-8:QA08', KEY32, [
            ({'Q': f'SIG1{i}000'}, code) for i, code in enumerate([
                    '53095496', '04110475', '31331128', '76028668',
                    '46554205'])]),
    ('OCRA-1:HOTP-SHA512-8:QA10-T1M', KEY64, [
            ({'Q': f'SIG1{i}00000', 'T_precomputed': MINUTES}, code)
            for i, code in enumerate([
                    '77537423', '31970405', '10235557', '95213541',
                    '65360607'])]),
    ]

KEY = bytes(range(32))
ID = '985960484'
BRANCH = 'NORTE'
DATABASE = '5f0c1b9e-7f0e-4e0e-9d2c-0d6f5b0e2f11'
DAY = Reading(1_700_000_000, 'boot', 1000)

ids = (st.integers(30_000_000, 99_999_999)
    .map(lambda n: str(n) + verhoeff.calc_check_digit(str(n))))
keys = st.binary(min_size=32, max_size=32)
hours = st.integers(1, HOURS_MAX)
names = st.text(min_size=1, max_size=20)
separators = st.lists(
    st.sampled_from(
        ['', '', ' ', '-', '  ', '.', ' - ', '·', '\u00a0', '\u2009', '–',
            '\u200e', '\t']),
    min_size=11, max_size=11)


@pytest.mark.parametrize(
    'suite,key,vectors', RFC_ONE_WAY + RFC_MUTUAL + RFC_SIGNATURE)
def test_oath_computes_the_vectors_of_rfc_6287(suite, key, vectors):
    ocra = oath.str2ocrasuite(suite)

    assert [ocra(key, **data) for data, _ in vectors] == [
        code for _, code in vectors]


def test_oath_takes_some_challenges_for_the_same():
    "Why no Id begins with 0, 1 or 2"
    ocra = oath.str2ocrasuite('OCRA-1:HOTP-SHA256-8:QN09')

    assert ocra(KEY, Q='010000000') == ocra(KEY, Q='160000000')


@given(st.integers(300_000_000, 999_999_999))
def test_challenge_of_ids_is_never_the_same(number):
    # The challenge is these digits, padded to the right
    assert len(f'{number:x}') == 8


def test_suite_is_understood():
    suite = oath.str2ocrasuite(algorithm.SUITE)

    assert suite.data_input.Q == ('N', 9)
    assert suite.data_input.S == 64
    assert not (
        suite.data_input.C or suite.data_input.P or suite.data_input.T)
    assert suite.crypto_function.hash_algo().name == 'sha256'
    assert suite.crypto_function.truncation_length == 8


def test_token_is_what_it_always_was():
    "Both sides may run different versions of this module"
    assert make_token(ID, 8, KEY, BRANCH, DATABASE) == '1154219408'
    assert make_token(ID, 99, KEY, "Túxpan", DATABASE) == '9817392699'


def test_make_id():
    made = {make_id() for _ in range(200)}

    assert len(made) > 190
    for number in made:
        assert validate_id(number) == number
        assert number[0] in '3456789'


def test_make_id_not_used(monkeypatch):
    drawn = iter([5, 5, 6])
    monkeypatch.setattr(
        algorithm.secrets, 'randbelow', lambda n: next(drawn))
    first = make_id()

    second = make_id({first})

    assert first.startswith('30000005')
    assert second.startswith('30000006')


@pytest.mark.parametrize('drawn', [0, 7 * 10 ** 7 - 1])
def test_make_id_at_the_ends(monkeypatch, drawn):
    asked = []
    monkeypatch.setattr(
        algorithm.secrets, 'randbelow', lambda n: asked.append(n) or drawn)

    assert validate_id(make_id())
    assert asked == [7 * 10 ** 7]


@given(ids)
def test_id_with_any_one_digit_wrong(number):
    for i in range(9):
        for digit in digits.replace(number[i], ''):
            with pytest.raises((InvalidChecksum, InvalidComponent)):
                validate_id(number[:i] + digit + number[i + 1:])


@given(ids)
def test_id_with_any_neighbours_swapped(number):
    for i in range(8):
        swapped = (
            number[:i] + number[i + 1] + number[i] + number[i + 2:])
        if swapped != number:
            with pytest.raises((InvalidChecksum, InvalidComponent)):
                validate_id(swapped)


@given(ids, separators)
def test_id_typed_with_separators(number, separators):
    typed = ''.join(
        s + d for s, d in zip(separators, number, strict=False))

    assert validate_id(typed) == number


@pytest.mark.parametrize('typed,error', [
        ('', InvalidLength),
        ('   ', InvalidLength),
        ('98596048', InvalidLength),
        ('9859604841', InvalidLength),
        ('985 960 48O', InvalidFormat),
        ('985+960+484', InvalidFormat),
        ('٩٨٥٩٦٠٤٨٤', InvalidFormat),
        ('085960488', InvalidComponent),
        ('985960485', InvalidChecksum),
        ('9' * 10_000, InvalidLength),
        (' ' * 10_000 + ID, InvalidLength),
        ('\ufdfa' * 64, InvalidFormat),
        (None, InvalidFormat),
        (985960484, InvalidFormat),
        ([ID], InvalidFormat),
        ])
def test_id_mistyped(typed, error):
    with pytest.raises(ValidationError) as info:
        validate_id(typed)

    assert info.type is error


def test_id_in_wide_digits():
    assert validate_id('９８５ ９６０ ４８４') == ID


def test_format_id():
    assert format_id(ID) == '985 960 484'


@given(ids)
def test_format_id_is_read_back(number):
    assert validate_id(format_id(number)) == number


def test_make_key():
    assert len(make_key()) == 32
    assert make_key() != make_key()


@given(ids, hours, keys, names, names)
def test_token_opens_its_hours(number, hours, key, branch, database):
    token = make_token(number, hours, key, branch, database)

    assert len(token) == 10 and token.isdigit()
    assert token.endswith(f'{hours:02}')
    assert check_token(token, number, [key], branch, database) == hours


@given(ids, hours, keys, names, names, separators)
def test_token_typed_with_separators(
        number, hours, key, branch, database, separators):
    token = make_token(number, hours, key, branch, database)
    typed = ''.join(s + d for s, d in zip(separators, token, strict=False))

    assert validate_token(typed) == (token[:8], hours)
    assert check_token(typed, number, [key], branch, database) == hours


def test_format_token():
    assert format_token('1234567808') == '1234 5678 08'


@given(ids, ids, hours)
def test_token_opens_no_other_id(number, other, hours):
    assume(number != other)
    token = make_token(number, hours, KEY, BRANCH, DATABASE)

    assert check_token(token, other, [KEY], BRANCH, DATABASE) is None


@given(ids, hours, names, names)
def test_token_opens_no_other_branch(number, hours, branch, other):
    assume(branch != other)
    token = make_token(number, hours, KEY, branch, DATABASE)

    assert check_token(token, number, [KEY], other, DATABASE) is None


@given(ids, hours, names, names)
def test_token_opens_no_other_database(number, hours, database, other):
    assume(database != other)
    token = make_token(number, hours, KEY, BRANCH, database)

    assert check_token(token, number, [KEY], BRANCH, other) is None


@given(ids, hours, names, names)
def test_token_tells_branch_from_database(number, hours, branch, database):
    "What ends one does not begin the other"
    assume(len(database) > 1)
    token = make_token(number, hours, KEY, branch, database)

    assert check_token(
        token, number, [KEY], branch + database[0], database[1:]) is None


@given(ids, hours, keys, keys)
def test_token_opens_by_no_other_key(number, hours, key, other):
    assume(key != other)
    token = make_token(number, hours, key, BRANCH, DATABASE)

    assert check_token(token, number, [other], BRANCH, DATABASE) is None
    assert check_token(token, number, [], BRANCH, DATABASE) is None


@given(ids, hours, keys, keys)
def test_token_opens_by_both_keys_of_a_rotation(number, hours, old, new):
    for key in [old, new]:
        token = make_token(number, hours, key, BRANCH, DATABASE)

        assert check_token(
            token, number, [old, new], BRANCH, DATABASE) == hours


@given(ids, hours, hours)
def test_token_opens_no_other_hours(number, hours, other):
    assume(hours != other)
    token = make_token(number, hours, KEY, BRANCH, DATABASE)
    longer = f'{token[:8]}{other:02}'

    assert check_token(longer, number, [KEY], BRANCH, DATABASE) is None


def around(token):
    "Yield tokens near one: by one and two digits, by swaps, by value"
    for i in range(10):
        for d in digits:
            one = token[:i] + d + token[i + 1:]
            yield one
            for j in range(i + 1, 10):
                for e in digits:
                    yield one[:j] + e + one[j + 1:]
        for j in range(i + 1, 10):
            yield (token[:i] + token[j] + token[i + 1:j] + token[i]
                + token[j + 1:])
    for shift in range(1, 4000):
        yield f'{(int(token) + shift) % 10 ** 10:010}'
        yield f'{(int(token) - shift) % 10 ** 10:010}'


def test_token_opens_by_none_of_10_000_neighbours():
    token = make_token(ID, 8, KEY, BRANCH, DATABASE)
    neighbours = {n for n in around(token) if not n.endswith('00')}
    neighbours.remove(token)

    assert len(neighbours) > 10_000
    assert not [
        n for n in neighbours
        if check_token(n, ID, [KEY], BRANCH, DATABASE) is not None]


@pytest.mark.parametrize('typed,error', [
        ('', InvalidLength),
        ('12345678', InvalidLength),
        ('12345678080', InvalidLength),
        ('1234567800', InvalidComponent),
        ('1234 5678 8h', InvalidFormat),
        ('9' * 10_000, InvalidLength),
        (None, InvalidFormat),
        (1234567808, InvalidFormat),
        ({'token': '1234567808'}, InvalidFormat),
        ])
def test_token_mistyped(typed, error):
    for check in [
            validate_token,
            lambda typed: check_token(typed, ID, [KEY], BRANCH, DATABASE)]:
        with pytest.raises(ValidationError) as info:
            check(typed)

        assert info.type is error


@given(st.text())
def test_token_of_any_text(typed):
    try:
        code, hours = validate_token(typed)
    except ValidationError:
        return
    assert len(code) == 8 and code.isdigit()
    assert 1 <= hours <= 99


@pytest.mark.parametrize('changed', [
        {'id': '985960485'},
        {'id': '98596048'},
        {'hours': 0},
        {'hours': 100},
        {'hours': -1},
        {'key': b''},
        {'key': KEY[:-1]},
        {'key': KEY + b'0'},
        {'branch': ''},
        {'branch': None},
        {'database': ''},
        {'database': None},
        ])
def test_make_token_refuses(changed):
    values = {
        'id': ID,
        'hours': 8,
        'key': KEY,
        'branch': BRANCH,
        'database': DATABASE,
        }
    assert make_token(**values)

    with pytest.raises(ValueError) as info:
        make_token(**values | changed)

    assert repr(KEY)[2:-1] not in str(info.value)


def test_odds():
    "The figures in the module's description"
    # Residues below 2^31 mod 10^8 have one more value of 31 bits
    likeliest = len(range(0, 2 ** 31, 10 ** 8))
    guess = likeliest / 2 ** 31

    assert likeliest == 22
    assert round(1 / guess / 1e6, 1) == 97.6
    assert round(1 / (ID_TRIES * guess) / 1e6, 1) == 19.5
    assert round(1 / (10_000 * guess)) == 9_761
    assert 6 * 12 * 24 * 365 == 630_720
    assert round(630_720 * guess * 100, 2) == 0.65


def after(seconds, reading=DAY):
    return reading._replace(
        wall=reading.wall + seconds, steady=reading.steady + seconds)


def test_challenge_is_live_for_15_minutes():
    challenge = Challenge.make(DAY)

    assert ID_LIFE == 15 * 60
    assert validate_id(challenge.id)
    assert challenge.is_live(DAY)
    assert challenge.is_live(after(ID_LIFE - 1))
    assert not challenge.is_live(after(ID_LIFE))


def test_challenge_is_burnt_by_five_wrong_tokens():
    challenge = Challenge.make(DAY)

    for second in range(5):
        assert challenge.is_live(after(second))
        challenge = challenge.fail(after(second))

    assert not challenge.is_live(after(5))


def test_challenge_is_not_kept_alive_by_the_clock():
    challenge = Challenge.make(DAY)
    back = Reading(DAY.wall - 3600, DAY.boot, DAY.steady + ID_LIFE)
    restarted = Reading(DAY.wall - 3600, 'other', 30)

    assert not challenge.is_live(back)
    assert not challenge.is_live(restarted)


def test_challenge_counts_across_restarts():
    challenge = Challenge.make(DAY).fail(after(600))
    restarted = Reading(DAY.wall + 600, 'other', 300)

    assert not challenge.is_live(restarted)


@given(st.integers(1, ID_TRIES))
def test_challenge_keeps_its_id(failures):
    challenge = Challenge.make(DAY)
    failed = challenge
    for _ in range(failures):
        failed = failed.fail(DAY)

    assert failed.id == challenge.id
    assert failed.failures == failures
