# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What branches of each release send, replayed at the central of now

A file of payloads is written once for each release, by

    OFFLINE_SALES_FREEZE=8.0.0 pytest tests/test_payloads.py

and never again: branches that were not updated go on sending so. It holds the
payloads as they were sent, the names of the records of the central that they
refer to by id, and what they left there.
"""
import datetime as dt
import json
import os
from collections import Counter as Counter_
from pathlib import Path

import pytest

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)
from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    payload)

from .counter import Counter, balances, documents
from .test_inbox import Inbox

PAYLOADS = Path(__file__).parent / 'payloads'
EVERYTHING = {'active_test': False}
FREEZE = os.environ.get('OFFLINE_SALES_FREEZE')

# What the names of headers and totals refer to; columns say it themselves
REFERENCES = {
    'from_location': 'stock.location',
    'method': 'sale.point.payment.method',
    'party': 'party.party',
    'point': 'sale.point',
    'product': 'product.product',
    'tax': 'account.tax',
    'to_location': 'stock.location',
    'unit': 'product.uom',
    'user': 'res.user',
    }


class References:
    "Applies a function of (model, id) to what payloads refer to by id"

    def __init__(self, pool, change, days=0):
        self.pool = pool
        self.change = change
        self.days = dt.timedelta(days=days)

    def payload(self, values):
        return {
            name: self.tree(value) if name == 'record' else self.plain(value)
            for name, value in values.items()}

    def plain(self, values, name=None):
        "header, totals and whatever else is no tree"
        if isinstance(values, dict):
            return {
                name: self.plain(value, name)
                for name, value in values.items()}
        if isinstance(values, list):
            return [self.plain(value, name) for value in values]
        if name in REFERENCES:
            return self.key(REFERENCES[name], values)
        return self.day(values)

    def key(self, model, key):
        return self.change(model, key) if type(key) is int else key

    def day(self, value):
        return value + self.days if isinstance(value, dt.date) else value

    def tree(self, tree):
        Model = self.pool.get(tree['model'])
        result = {
            **self.plain({
                    name: value for name, value in tree.items()
                    if name not in {'key', 'values', 'children'}}),
            'key': self.key(tree['model'], tree['key']),
            'values': {
                name: self.column(Model._fields[name], value)
                for name, value in tree['values'].items()},
            }
        result['children'] = {
            name: [self.tree(child) for child in children]
            for name, children in tree['children'].items()}
        return result

    def column(self, field, value):
        if field._type == 'many2one':
            return self.key(field.model_name, value)
        if field._type == 'reference' and isinstance(value, str):
            model, _, key = value.partition(',')
            if key.isdecimal():
                return f'{model},{self.key(model, int(key))}'
        elif field._type in {'many2many', 'one2many'} and value:
            target = field.get_target().__name__
            return [self.key(target, key) for key in value]
        return self.day(value)


def list_names(pool, model):
    """Return the records by (name, how many of that name have come before)
    and the same by id"""
    Model = pool.get(model)
    seen = Counter_()
    ids, names = {}, {}
    for record in Model.search([], order=[('id', 'ASC')]):
        name = record.rec_name
        names[record.id] = [name, seen[name]]
        ids[name, seen[name]] = record.id
        seen[name] += 1
    return ids, names


def outcome(inbox, company):
    "Return what the documents left at the central, as JSON can keep it"
    return {
        'documents': sorted(
            [d['kind'], d['number'] or ''] for d in documents(inbox.database)),
        'states': sorted(set(inbox.states())),
        'balances': {
            account: str(amount) for account, amount in sorted(
                balances(inbox.database, company).items())},
        }


def sell_all(counter):
    "Sell, count and invoice, to a customer that is new"
    def create():
        Party = counter.get('party.party')
        party, = Party.create([{
                    'name': "Rosa Díaz",
                    'addresses': [('create', [{
                                    'street_name': "Allende",
                                    'city': "Ensenada",
                                    }])],
                    'contact_mechanisms': [('create', [{
                                    'type': 'email',
                                    'value': 'rosa@example.com',
                                    }])],
                    }])
        return party.id
    party = counter.run(create)
    counter.sell_some(4)
    code, = counter.codes(1)
    counter.invoice([(code, 2)])
    counter.invoice([(code, 1)], party=party)
    counter.transfer("Fondo de caja", 100)
    counter.cut()


def freeze(shop, file):
    counter = Counter(shop.branch)
    sell_all(counter)
    inbox = Inbox(shop)
    entries = inbox.entries()
    inbox.receive(entries)
    inbox.process()
    file.write_text(json.dumps({
                'date': counter.run(
                    shop.branch.get('offline_sales.branch').today
                    ).isoformat(),
                'names': inbox.database.run(
                    lambda: name_all(inbox.database.pool, entries),
                    context=EVERYTHING),
                'payloads': [e['payload'] for e in entries],
                'outcome': outcome(inbox, counter.company),
                }, indent=1, ensure_ascii=False, sort_keys=True) + '\n',
        encoding='utf-8')


def name_all(pool, entries):
    "Return the names of what the entries refer to, by model and id"
    used = set()

    def note(model, id_):
        used.add((model, id_))
        return id_
    references = References(pool, note)
    for entry in entries:
        references.payload(wire.loads(entry['payload'].encode()))
    names = {}
    for model in sorted({model for model, _ in used}):
        _, found = list_names(pool, model)
        names[model] = {
            str(id_): found[id_] for m, id_ in sorted(used) if m == model}
    return names


def thaw(pool, frozen, days):
    "Return the entries with the ids and the day of this central"
    ids = {model: list_names(pool, model)[0] for model in frozen['names']}
    references = References(
        pool, lambda model, id_: ids[model][
            tuple(frozen['names'][model][str(id_)])], days)
    entries = []
    for text in frozen['payloads']:
        values = references.payload(wire.loads(text.encode()))
        text = payload.dump(values)
        entries.append({
                'uuid': values['uuid'],
                'kind': values['kind'],
                'payload': text,
                'sha256': payload.digest(text),
                })
    return entries


@pytest.mark.skipif(not FREEZE, reason="only at a release")
def test_freeze(shop):
    file = PAYLOADS / f'{FREEZE}.json'
    assert not file.exists(), "what branches send is not changed afterwards"
    freeze(shop, file)


@pytest.mark.parametrize(
    'file', sorted(PAYLOADS.glob('*.json')), ids=lambda file: file.stem)
def test_replay(shop, file):
    frozen = json.loads(file.read_text(encoding='utf-8'))
    counter = Counter(shop.branch)
    today = counter.run(shop.branch.get('offline_sales.branch').today)
    days = (today - dt.date.fromisoformat(frozen['date'])).days
    inbox = Inbox(shop)
    inbox.receive(inbox.database.run(
            lambda: thaw(inbox.database.pool, frozen, days),
            context=EVERYTHING))
    inbox.process()
    assert [
        d['text'] for d in documents(shop.central) if d['text']] == []
    assert outcome(inbox, counter.company) == frozen['outcome']
