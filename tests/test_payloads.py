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
from pathlib import Path

import pytest

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)
from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    payload)

from .counter import Counter, balances, documents
from .test_inbox import Inbox

PAYLOADS = Path(__file__).parent / 'payloads'
FREEZE = os.environ.get('OFFLINE_SALES_FREEZE')

# What the columns refer to, and by what their records are found again
REFERENCES = {
    'company': ('company.company', 'rec_name'),
    'employee': ('company.employee', 'rec_name'),
    'from_location': ('stock.location', 'rec_name'),
    'method': ('sale.point.payment.method', 'name'),
    'party': ('party.party', 'rec_name'),
    'point': ('sale.point', 'name'),
    'product': ('product.product', 'code'),
    'tax': ('account.tax', 'name'),
    'to_location': ('stock.location', 'rec_name'),
    'type': ('sale.point.cash.transfer.type', 'name'),
    'unit': ('product.uom', 'name'),
    'user': ('res.user', 'login'),
    }


def walk(values, change):
    "Return the values where change has been applied to (name, value)"
    if isinstance(values, dict):
        return {
            name: walk(change(name, value), change)
            for name, value in values.items()}
    if isinstance(values, list):
        return [walk(change(None, value), change) for value in values]
    return values


def read_names(database):
    "Return the names of the records that may be referred to, by model and id"
    def read():
        return {
            model: {
                str(record.id): getattr(record, name)
                for record in database.get(model).search([])}
            for model, name in REFERENCES.values()}
    return database.run(read, context={'active_test': False})


def outcome(inbox, company):
    "Return what the documents left at the central, as JSON can keep it"
    return {
        'numbers': sorted(d['number'] for d in inbox.tickets()),
        'states': sorted(set(inbox.states())),
        'balances': {
            account: str(amount) for account, amount in sorted(
                balances(inbox.database, company).items())},
        }


def freeze(shop, file):
    counter = Counter(shop.branch)
    counter.sell_some(8)
    counter.transfer("Fondo de caja", 100)
    counter.cut()
    inbox = Inbox(shop)
    entries = inbox.entries()
    names = read_names(shop.central)
    used = {(model, str(id_)) for model, id_ in referred(entries)}
    inbox.receive(entries)
    inbox.process()
    file.write_text(json.dumps({
                'date': counter.run(
                    shop.branch.get('offline_sales.branch').today
                    ).isoformat(),
                'names': {
                    model: {
                        id_: name for id_, name in found.items()
                        if (model, id_) in used}
                    for model, found in names.items()},
                'payloads': [e['payload'] for e in entries],
                'outcome': outcome(inbox, counter.company),
                }, indent=1, ensure_ascii=False, sort_keys=True) + '\n',
        encoding='utf-8')


def referred(entries):
    "Return (model, id) of the records that the entries refer to"
    found = set()

    def note(name, value):
        if name in REFERENCES and type(value) is int:
            found.add((REFERENCES[name][0], value))
        return value
    for entry in entries:
        walk(wire.loads(entry['payload'].encode()), note)
    return found


def thaw(frozen, database, today):
    "Return the entries with the ids and the day of this central"
    now = {
        model: {name: int(id_) for id_, name in found.items()}
        for model, found in read_names(database).items()}
    days = today - dt.date.fromisoformat(frozen['date'])

    def change(name, value):
        if isinstance(value, dt.date):
            return value + days
        if name in REFERENCES and type(value) is int:
            model, _ = REFERENCES[name]
            return now[model][frozen['names'][model][str(value)]]
        return value
    for text in frozen['payloads']:
        values = walk(wire.loads(text.encode()), change)
        text = payload.dump(values)
        yield {
            'uuid': values['uuid'],
            'kind': values['kind'],
            'payload': text,
            'sha256': payload.digest(text),
            }


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
    inbox = Inbox(shop)
    inbox.receive(list(thaw(frozen, shop.central, today)))
    inbox.process()
    assert [
        d['text'] for d in documents(shop.central) if d['text']] == []
    assert outcome(inbox, counter.company) == frozen['outcome']
