# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The second copy of what a branch captured, and an outbox restored from it"
import json
import stat

import offline_sales_cli as cli
import pytest
from offline_sales_cli.database import Database
from offline_sales_cli.place import Place

from trytond import config

from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    spool)

from .counter import Counter, balances, contents, documents, send
from .shop import pair
from .test_cash import sessions
from .test_party import Clerk, sent


@pytest.fixture
def directory(tmp_path, configure):
    configure('spool', str(tmp_path))
    return tmp_path


@pytest.fixture
def counter(shop, directory):
    return Counter(shop.branch)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Here:
    "The branch of this process instead of one that init has made"

    def __init__(self, shop):
        self.shop = shop

    def open(self):
        return Database(self.shop.branch.name, [])


def restore(shop, capsys, *arguments):
    "As from a terminal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, 'update_etc', lambda files: None)
        patch.setattr(Place, 'of', classmethod(lambda cls, _: Here(shop)))
        with pytest.raises(SystemExit):
            cli.main(['branch', 'spool', 'restore', *arguments])
    said = capsys.readouterr()
    return said.out + said.err


def test_each_document_is_in_the_second_copy(
        shop, counter, directory, monkeypatch):
    "Once its transaction is committed, and forced to the disk"
    forced = []
    force = spool.durability.force
    monkeypatch.setattr(
        spool.durability, 'force',
        lambda path: forced.append(path) or force(path))
    counter.sell_some(3)
    path = directory / 'branch.jsonl'
    assert [
        {name: d[name] for name in ['uuid', 'kind', 'sha256', 'payload']}
        for d in documents(shop.branch)] == lines(path)
    assert len([p for p in forced if p == path]) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def fail():
        Sale = counter.get('sale.point.sale')
        sale = counter._open([(counter.codes(1)[0], 1)], None, {})
        counter._pay(sale, None)
        Sale.process([Sale(sale)])
        assert len(documents_here()) == 5
        raise ZeroDivisionError

    def documents_here():
        return counter.get('offline_sales.document').search([])
    with pytest.raises(ZeroDivisionError):
        counter.run(fail)
    assert len(lines(path)) == 4
    # Nor is anything appended twice when it is sent
    send(shop)
    assert len(lines(path)) == 4


def test_disk_that_is_not_there_stops_nobody(
        shop, counter, directory, monkeypatch):
    away = directory.with_name('away')
    counter.sell_some(1)
    directory.rename(away)
    one, two = counter.sell_some(2, start=1)
    counter.button('sale.point.sale', 'open', two)
    away.rename(directory)
    # A power cut has torn the last line
    path = directory / 'branch.jsonl'
    path.write_bytes(path.read_bytes()[:-40])
    assert len(spool.read(path).entries) == 1
    counter.button('sale.point.sale', 'process', two)
    send(shop)
    read = spool.read(path)
    assert read.damaged == 1
    assert read.entries.keys() == {
        d['uuid'] for d in documents(shop.branch)
        if d['state'] != 'withdrawn'}
    send(shop)
    assert spool.read(path) == read
    # What was withdrawn meanwhile may be in front of what is read back
    three, = counter.sell_some(1, start=5)
    directory.rename(away)
    counter.button('sale.point.sale', 'open', three)
    away.rename(directory)
    monkeypatch.setattr(spool, 'TAIL', 10)
    send(shop)
    assert spool.read(path).entries == read.entries


def test_outbox_is_restored_without_doubles(
        shop, counter, directory, tmp_path, capsys):
    "Into the database as it was in the morning"
    counter.sell_some(2)
    send(shop)
    morning = shop.branch.save(tmp_path / 'morning.sqlite')
    counter.sell_some(3, start=2)
    # One came to the central, then the computer broke
    entry = documents(shop.branch)[-1]
    redone, = counter.sell_some(1, start=5)
    counter.button('sale.point.sale', 'open', redone)
    counter.button('sale.point.sale', 'process', redone)
    counter.cut()
    counter.sell_some(2, start=6)
    expected = {
        d['uuid']: d['sha256'] for d in documents(shop.branch)
        if d['state'] != 'withdrawn'}

    def receive():
        Branch = shop.central.get('offline_sales.branch')
        Document = shop.central.get('offline_sales.document')
        branch, = Branch.search([('code', '=', shop.code)])
        Document.receive(branch, [{
                    name: entry[name] for name in [
                        'uuid', 'kind', 'sha256', 'payload']}])
    shop.central.run(receive)
    shop.branch.restore(morning)
    assert "8 documents were restored, 3 were there" in restore(shop, capsys)
    assert "0 documents were restored, 11 were there" in restore(shop, capsys)
    assert {
        d['uuid']: d['sha256'] for d in documents(shop.branch)} == expected
    for document in documents(shop.branch):
        header = contents(document)['header']
        assert document['user'] == 'esp.lupita' and document['point']
        assert document['number'] == header['number']
        assert document['total'] == contents(document)['totals'].get('total')
        if document['kind'] == 'ticket':
            assert document['amounts']
    # What is sold from now on has other numbers and another session
    counter.sell_some(2, start=8)
    tickets = documents(shop.branch, ('kind', '=', 'ticket'))
    found = [d['number'] for d in tickets]
    assert len(set(found)) == len(found) == 10
    assert [s['state'] for s in sessions(counter)] == ['closed', 'open']


def test_restored_outbox_is_sent(shop, counter, directory, tmp_path, capsys):
    "To a central that has a part of it"
    empty = shop.branch.save(tmp_path / 'empty.sqlite')
    counter.sell_some(3)

    def create():
        party, = counter.get('party.party').create([{'name': "Rosa Díaz"}])
        return party.id
    counter.sell([(counter.codes(1)[0], 1)], party=counter.run(create))
    counter.cut()
    send(shop)
    counter.sell_some(2, start=4)
    shop.branch.restore(empty)
    assert "10 documents were restored, 0 were there" in restore(shop, capsys)
    pair(shop.central, shop.branch, shop.web.url, shop.code)
    before = balances(shop.central, counter.company)
    assert "Ticket: 6" in send(shop)
    assert {d['state'] for d in documents(shop.branch)} == {'accepted'}
    states = [d['state'] for d in documents(shop.central)]
    assert states == ['processed'] * 10

    def names():
        return [p.name for p in shop.branch.get('party.party').search([
                    ('name', '=', "Rosa Díaz")])]
    shop.obtain()
    assert shop.branch.run(names) == ["Rosa Díaz"]
    assert balances(shop.central, counter.company) != before


def test_what_is_damaged_or_taken_is_told(shop, counter, directory, capsys):
    counter.sell_some(2)
    path = directory / 'branch.jsonl'
    entries = lines(path)
    other = dict(entries[-1])
    values = json.loads(other['payload'])
    values['uuid'] = other['uuid'] = '0' * 36
    other['payload'] = json.dumps(values)
    other['sha256'] = spool.payload_.digest(other['payload'])
    spool.append(path, [
            other,
            {**entries[0], 'uuid': '1' * 36, 'payload': '{}'},
            {**entries[0], 'uuid': '1' * 36},
            ])
    with path.open('a') as file:
        file.write('[]\nnull\n{"uuid": 7}\n\xff\n')
    said = restore(shop, capsys)
    assert "0 documents were restored, 3 were there" in said
    assert "6 lines are damaged" in said and "ESP-SI-000002" in said
    assert len(documents(shop.branch)) == 3
    assert "There is no second copy" in restore(
        shop, capsys, str(directory / 'elsewhere.jsonl'))


def test_each_document_of_a_customer_is_restored(
        shop, counter, tmp_path, capsys):
    "Created, sent without an answer, and changed; then the disk breaks"
    clerk = Clerk(shop)
    empty = shop.branch.save(tmp_path / 'empty.sqlite')
    party = clerk.create()
    sent(shop)
    clerk.write(party, name="Rosa María")
    counter.sell([(counter.codes(1)[0], 1)], party=party)
    captured = {d['uuid'] for d in documents(shop.branch)}
    shop.branch.restore(empty)
    restore(shop, capsys)
    assert {d['uuid'] for d in documents(shop.branch)} == captured
    pair(shop.central, shop.branch, shop.web.url, shop.code)
    send(shop)
    assert {d['state'] for d in documents(shop.central)} == {'processed'}
