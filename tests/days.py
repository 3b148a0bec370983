# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Days of a shop, drawn from a seed: what is done at the counter, and what the
office does at the central before it hears of it

Everything is named as people name it: products by their code, customers by
their name, what a customer has by what is written in it.
"""
import datetime as dt
import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from trytond.modules.offline_sales.demo.customers import make_rfc

__all__ = ['Days', 'draw']

FLOAT = "Fondo de caja"
TERMS = ["Contado", "15 días", "60 días"]
PRICE_LISTS = ["Público", "Mayoreo"]


# At the counter

@dataclass
class Ticket:
    """
    lines -- (code, quantity)
    card -- the share that is paid by card
    tendered -- what is handed over too much in cash, and given back
    then -- 'done'; 'reopened' and done once more; 'changed', where more is
        bought once it was done; 'cancelled' before it is paid; 'returned',
        where it is cancelled and what was paid given back; 'revived', where it
        is cancelled and sold all the same
    """
    lines: list
    customer: str
    card: Decimal
    tendered: Decimal
    then: str


@dataclass
class Prefactura:
    """
    paid -- the share that is paid at the counter, the rest is credit
    card -- the share of it that is paid by card
    then -- 'confirmed'; 'requoted', where it is a draft once more before that;
        'quoted' and left; 'returned', where it is cancelled and what was paid
        given back
    """
    lines: list
    customer: str
    term: str
    discount: Decimal
    paid: Decimal
    card: Decimal
    then: str


@dataclass
class NewCustomer:
    name: str
    addresses: list
    mechanisms: list
    identifiers: list


@dataclass
class ChangeCustomer:
    """
    changes -- ('set', field, value), ('add', children, values),
        ('change', children, key, values) or ('remove', children, key)
    """
    name: str
    changes: list


@dataclass
class Transfer:
    type: str
    amount: Decimal


@dataclass
class Cut:
    """The cash is counted and the session closed

    differences -- of each count: where there are two it is opened again
    """
    differences: list


@dataclass
class NextDay:
    "The shop is closed and opened"


@dataclass
class Send:
    "There is internet for a moment: a branch sends"


# At the central

@dataclass
class Price:
    code: str
    factor: Decimal


@dataclass
class Rename:
    code: str


@dataclass
class Formula:
    price_list: str
    formula: str


@dataclass
class Terms:
    customer: str
    term: str
    price_list: str


@dataclass
class Mechanism:
    customer: str
    value: str


@dataclass
class Receipt:
    "Goods come in, for another price than those that were there"
    code: str
    quantity: int
    cost: Decimal


@dataclass
class Days:
    """
    tax_included, deliver, credit -- how the shop is set up
    phases -- pairs of what is done at the counter and what at the central
        before it hears of it
    """
    seed: int
    tax_included: bool
    deliver: bool
    credit: bool
    phases: list = field(default_factory=list)

    def __str__(self):
        lines = [
            f"seed {self.seed}: tax included {self.tax_included}, "
            f"deliver {self.deliver}, credit {self.credit}"]
        for acts, edits in self.phases:
            lines += [f"    {act}" for act in acts]
            lines += [f"    at the central: {edit}" for edit in edits]
        return '\n'.join(lines)

    @property
    def kinds(self):
        "Return how often each kind is done, with how it ends"
        return Counter(
            '-'.join(filter(None, [
                        type(done).__name__, getattr(done, 'then', None)]))
            for phase in self.phases for part in phase for done in part)


def draw(seed, products, customers, discount=False):
    """Return the days of the seed

    products -- {code: digits of the unit}
    customers -- the names of those there are
    discount -- if a line may have one
    """
    return _Draw(seed, products, customers, discount).days


class _Draw:

    ACTS = {
        'ticket': 10,
        'prefactura': 4,
        'new_customer': 2,
        'change_customer': 3,
        'transfer': 2,
        'cut': 1.5,
        'next_day': 1,
        'send': 1,
        }
    EDITS = ['price', 'rename', 'formula', 'terms', 'mechanism', 'receipt']
    NEXT_DAYS = 2

    def __init__(self, seed, products, customers, discount):
        self.rng = random.Random(seed)
        self.seed = seed
        self.products = products
        self.customers = list(customers)
        self.discount = discount
        # What was added to customers and may be changed: {name: {kind: keys}}
        self.added = {}
        self.count = 0
        self.next_days = self.NEXT_DAYS
        self.days = Days(
            seed, tax_included=self.chance(.7), deliver=self.chance(.7),
            credit=self.chance(.6))
        for _ in range(1 if self.chance(.6) else 2):
            before = set(self.customers)
            acts = self.acts()
            # Whom the office knows, and what else is not said by both
            self.known = sorted(before & set(self.customers))
            self.settled = [
                n for n in self.known if not any(
                    isinstance(a, ChangeCustomer) and a.name == n
                    for a in acts)]
            self.sold = sorted({
                    code for a in acts for code, _ in getattr(a, 'lines', [])})
            self.days.phases.append((acts, self.edits()))

    def chance(self, probability):
        return self.rng.random() < probability

    def money(self, least, most):
        return Decimal(self.rng.randint(least * 100, most * 100)) / 100

    def name(self, what):
        self.count += 1
        return f"{what} {self.seed}-{self.count}"

    def acts(self):
        acts = []
        for _ in range(self.rng.randint(4, 9)):
            kind, = self.rng.choices(
                list(self.ACTS), list(self.ACTS.values()))
            if act := getattr(self, kind)():
                acts.append(act)
        acts.append(self.cut())
        return acts

    def edits(self):
        return [
            getattr(self, self.rng.choice(self.EDITS))()
            for _ in range(self.rng.randint(0, 3))]

    # At the counter

    def lines(self, back=False):
        codes = self.rng.sample(sorted(self.products), self.rng.randint(1, 3))
        lines = []
        for code in codes:
            digits = self.products[code]
            quantity = (
                self.rng.randint(1, 4000) / 10 ** digits
                if digits else self.rng.randint(1, 15))
            lines.append((code, -quantity if back else quantity))
        return lines

    def ticket(self):
        back = self.chance(.15)
        lines = self.lines(back)
        if not back and self.chance(.2):
            # One thing comes back while others are bought
            code, quantity = lines[0]
            lines.append((code, -quantity))
        thens = {'done': 8, 'reopened': 1, 'changed': 1, 'cancelled': 1}
        if not back:
            thens.update(returned=1, revived=1)
        then, = self.rng.choices(list(thens), list(thens.values()))
        return Ticket(
            lines,
            self.rng.choice(self.customers) if self.chance(.4) else None,
            self.rng.choice([Decimal(0), Decimal('0.37'), Decimal(1)]),
            self.rng.choice([Decimal(0), self.money(1, 500)]),
            then)

    def prefactura(self):
        back = self.chance(.1)
        thens = {'confirmed': 6, 'requoted': 1, 'quoted': 1}
        if not back:
            thens['returned'] = 1
        then, = self.rng.choices(list(thens), list(thens.values()))
        return Prefactura(
            self.lines(back),
            self.rng.choice(self.customers),
            self.rng.choice([None, *TERMS]),
            self.money(1, 30) / 100 if self.discount and self.chance(.5)
            else None,
            self.rng.choice([Decimal(0), Decimal('0.45'), Decimal(1)])
            if self.days.credit else Decimal(1),
            self.rng.choice([Decimal(0), Decimal('0.6'), Decimal(1)]),
            then)

    def new_customer(self):
        name = self.name("Cliente")
        kinds = {
            'addresses': self.rng.randint(1, 2),
            'mechanisms': self.rng.randint(0, 2),
            'identifiers': self.rng.randint(0, 1),
            }
        children = {
            kind: [self.child(kind) for _ in range(count)]
            for kind, count in kinds.items()}
        self.customers.append(name)
        self.added[name] = {
            # The first address is that of sales
            kind: [self.key(kind, c) for c in found][kind == 'addresses':]
            for kind, found in children.items()}
        return NewCustomer(name, **children)

    KEYS = {
        'addresses': 'street_name', 'mechanisms': 'value',
        'identifiers': 'code'}

    def key(self, kind, values):
        return values[self.KEYS[kind]]

    def child(self, kind):
        return getattr(self, f'child_{kind}')()

    def child_addresses(self):
        return {
            'street_name': self.name("Calle"),
            'building_number': str(self.rng.randint(1, 2000)),
            'postal_code': f'{self.rng.randint(1000, 99999):05d}',
            'city': self.rng.choice(["Puebla", "León", "Mérida"]),
            }

    def child_mechanisms(self):
        self.count += 1
        return self.rng.choice([{
                    'type': 'email',
                    'value': f'c{self.seed}.{self.count}@example.com',
                    }, {
                    'type': 'other',
                    'value': self.name("pregunta por"),
                    }])

    def child_identifiers(self):
        letters = ''.join(self.rng.choices('BCDFGHJKLMNPQRSTVWXYZ', k=4))
        date = dt.date(1950, 1, 1) + dt.timedelta(
            days=self.rng.randrange(18000))
        return {'type': 'mx_vat', 'code': make_rfc(letters, date, self.rng)}

    def change_customer(self):
        name = self.rng.choice(self.customers)
        changes = []
        for _ in range(self.rng.randint(1, 3)):
            kind = self.rng.choice(
                ['set', 'add', 'add', 'change', 'remove'])
            change = getattr(self, f'change_{kind}')(name)
            # A name once at most
            if change and change[:2] not in [c[:2] for c in changes
                    if c[0] == 'set']:
                changes.append(change)
        for change in changes:
            if change[:2] == ('set', 'name'):
                self.rename_customer(name, change[2])
        return ChangeCustomer(name, changes) if changes else None

    def rename_customer(self, name, new):
        self.customers[self.customers.index(name)] = new
        if name in self.added:
            self.added[new] = self.added.pop(name)

    def change_set(self, name):
        field = self.rng.choice(['name', 'customer_payment_term'])
        return 'set', field, (
            self.name("Clienta") if field == 'name'
            else self.rng.choice(TERMS))

    def change_add(self, name):
        kind = self.rng.choice(list(self.KEYS))
        values = self.child(kind)
        self.added.setdefault(name, {}).setdefault(kind, []).append(
            self.key(kind, values))
        return 'add', kind, values

    def pick(self, name):
        "Return the kind and the key of something that was added, else None"
        found = [
            (kind, key) for kind, keys in self.added.get(name, {}).items()
            for key in keys]
        return self.rng.choice(found) if found else None

    def change_change(self, name):
        if not (picked := self.pick(name)):
            return None
        kind, key = picked
        values = self.child(kind)
        if kind == 'mechanisms':
            # What it is stays
            values = {'comment': self.name("nota")}
        elif kind == 'addresses':
            values.pop('street_name')
        else:
            keys = self.added[name][kind]
            keys[keys.index(key)] = values['code']
        return 'change', kind, key, values

    def change_remove(self, name):
        if not (picked := self.pick(name)):
            return None
        kind, key = picked
        self.added[name][kind].remove(key)
        return 'remove', kind, key

    def transfer(self):
        amount = self.money(1, 2000)
        return Transfer(FLOAT, self.rng.choice([amount, -amount]))

    def cut(self):
        return Cut([
                self.rng.choice([Decimal(0), Decimal(0), self.money(-50, 50)])
                for _ in range(2 if self.chance(.2) else 1)])

    def next_day(self):
        if not self.next_days:
            return None
        self.next_days -= 1
        return NextDay()

    def send(self):
        return Send()

    # At the central

    def code(self):
        "Return a product, rather one that was sold"
        if self.sold and self.chance(.7):
            return self.rng.choice(self.sold)
        return self.rng.choice(sorted(self.products))

    def price(self):
        return Price(self.code(), self.money(50, 200) / 100)

    def rename(self):
        return Rename(self.code())

    def formula(self):
        return Formula(
            self.rng.choice(PRICE_LISTS),
            f'unit_price * {self.rng.randint(80, 120) / 100}')

    def terms(self):
        return Terms(
            self.rng.choice(self.settled), self.rng.choice(TERMS),
            self.rng.choice(PRICE_LISTS))

    def mechanism(self):
        return Mechanism(
            self.rng.choice(self.known), self.name("oficina"))

    def receipt(self):
        return Receipt(
            self.code(), self.rng.randint(1, 300), self.money(1, 200))
