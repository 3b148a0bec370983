# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Amounts as they are written out on Mexican receipts

    CIENTO VEINTE PESOS 50/100 M.N.
"""
import re
from decimal import ROUND_HALF_UP, Decimal

from num2words import num2words

# One, several, and what follows the cents
_CURRENCIES = {
    'EUR': ("euro", "euros", "EUR"),
    'MXN': ("peso", "pesos", "M.N."),
    'USD': ("dólar", "dólares", "USD"),
    }
_MILLION = 10 ** 6


def number_in_words(number):
    """Return a whole number in Spanish words, as it stands before a noun

    num2words leaves "uno" before nouns and thousands: "veintiuno mil".
    """
    words = num2words(number, lang='es')
    words = re.sub(r'\bveintiuno\b', "veintiún", words)
    return re.sub(r'\buno\b', "un", words)


def amount_in_words(amount, currency):
    """Return the amount in Spanish words, in capitals

    amount: a Decimal, rounded to cents. currency: its ISO 4217 code.
    """
    amount = Decimal(amount)
    cents = int((abs(amount) * 100).quantize(
            Decimal(1), rounding=ROUND_HALF_UP))
    number, cents = divmod(cents, 100)
    one, several, end = _CURRENCIES.get(currency, ("", "", currency))
    noun = one if number == 1 else several
    if noun and number and number % _MILLION == 0:
        noun = f"de {noun}"
    words = [
        "menos" if amount < 0 else "", number_in_words(number), noun,
        f"{cents:02}/100", end]
    return ' '.join(filter(None, words)).upper()
