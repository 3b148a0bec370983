# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Customers of the demo, with addresses and RFC that pass their checks"""
import datetime as dt
import re
import unicodedata

from faker import Faker
from stdnum.mx import rfc

from .tables import column, create, read

GENERIC_RFC = 'XAXX010101000'
_HOMOCLAVE = '123456789ABCDEFGHIJKLMNOPQRSTUV'


def make_rfc(letters, date, rng):
    """Return a valid RFC

    letters are the three of a company or the four of a person; the two
    characters that tell namesakes apart are drawn from rng.
    """
    stem = f'{letters}{date:%y%m%d}' + ''.join(rng.choices(_HOMOCLAVE, k=2))
    return rfc.validate(
        stem + rfc.calc_check_digit(stem), validate_check_digits=True)


def person_letters(name, first, second):
    "Return the four letters that begin the RFC of a person"
    name, first, second = map(_letters, [name, first, second])
    vowel = re.search('[AEIOU]', first[1:])
    letters = first[0] + (vowel[0] if vowel else 'X') + second[0] + name[0]
    if not rfc.is_valid(letters + '000101'):  # an offensive word
        letters = letters[0] + 'X' + letters[2:]
    return letters


def company_letters(name):
    "Return the three letters that begin the RFC of a company"
    words = [word for word in map(_letters, name.split()) if len(word) > 2]
    return (''.join(word[0] for word in words) + words[-1][1:] + 'XX')[:3]


def _letters(text):
    text = unicodedata.normalize('NFKD', text).encode('ascii', 'ignore')
    return re.sub('[^A-Z]', '', text.decode().upper()) or 'X'


class Customers:
    "Draws the values of customers"

    def __init__(self, company):
        self.company = company
        self.rng = company.rng
        self.faker = Faker('es_MX')
        self.faker.seed_instance(company.rng.randrange(2 ** 32))
        self.states = read('states')
        self.streets = column('streets')
        self.trades = column('trades')
        self.seen = set()

    def identity(self, index):
        "Return a name and an RFC"
        name, letters, birth = (
            self._trade() if index % 4 == 3 else self._person())
        return name, self._rfc(letters, birth)

    def values(self, index):
        name, rfc = self.identity(index)
        return {
            'name': name,
            'identifiers': [('create', [{'type': 'mx_vat', 'code': rfc}])],
            'active': index % 25 != 24,
            **self._place(index),
            **self._terms(index),
            }

    def _person(self):
        name = self.faker.first_name()
        first, second = self.faker.last_name(), self.faker.last_name()
        return (f'{name} {first} {second}',
            person_letters(name, first, second), self._date(1945, 2005))

    def _trade(self):
        name = f'{self.rng.choice(self.trades)} {self.faker.last_name()}'
        return (f'{name}, S.A. de C.V.', company_letters(name),
            self._date(1985, 2024))

    def _date(self, first, last):
        return dt.date(self.rng.randint(first, last), 1, 1) + dt.timedelta(
            days=self.rng.randrange(365))

    def _rfc(self, letters, date):
        while True:
            code = make_rfc(letters, date, self.rng)
            if code not in self.seen:
                self.seen.add(code)
                return code

    def _place(self, index):
        state = self.states[index % len(self.states)]
        postal_code = self.rng.randint(
            int(state['postal_from']), int(state['postal_to']))
        address = {
            'street_name': self.rng.choice(self.streets),
            'building_number': str(self.rng.randint(1, 2500)),
            'postal_code': f'{postal_code:05d}',
            'city': state['city'],
            'country': self.company.country,
            'subdivision': self.company.states[state['code']],
            }
        mechanisms = [
            {'type': 'mobile', 'value': self._phone(state['area'])},
            {'type': 'email', 'value': f'cliente{index + 1}@example.com'},
            ]
        if index % 4 == 3:
            mechanisms.insert(
                0, {'type': 'phone', 'value': self._phone(state['area'])})
        return {
            'addresses': [('create', [address])],
            'contact_mechanisms': [('create', mechanisms)],
            }

    def _phone(self, area):
        digits = 10 - len(area)
        number = self.rng.randrange(2 * 10 ** (digits - 1), 10 ** digits)
        return f'+52 {area} {number}'

    def _terms(self, index):
        wholesale = index % 4 == 3
        values = {
            'customer_payment_term': self.company.payment_terms[
                '30days' if wholesale else 'cash'],
            'categories': [('add', [self.company.party_categories[
                            'wholesale' if wholesale else 'retail']])],
            }
        if self.states[index % len(self.states)]['code'] == 'MX-BCN':
            values['customer_tax_rule'] = self.company.tax_rule
        if self.company.price_lists:
            values['sale_price_list'] = self.company.price_lists[
                'wholesale' if wholesale else 'retail']
        return values


def load_customers(company, count):
    "Create the customers, besides the one who stands for the public"
    company.public, = map(int, create('party.party', [{
                'name': "Público en general",
                'addresses': [('create', [{
                                'country': company.country,
                                'postal_code': company.postal_code,
                                }])],
                'identifiers': [('create', [
                            {'type': 'mx_vat', 'code': GENERIC_RFC}])],
                }]))
    customers = Customers(company)
    company.customers = list(map(int, create('party.party', [
                    customers.values(index) for index in range(count)])))
