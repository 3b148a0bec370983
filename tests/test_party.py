# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Customers: captured at the branch, merged at the central, never twice"
import datetime as dt
import threading
import uuid
from collections import Counter as Counted
from itertools import permutations

import pytest

from trytond.exceptions import UserError
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    client)
from trytond.modules.offline_sales.offline_sales.catalog import (  # isort: skip
    refresh)
from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    outbox)


from .counter import Counter, contents, documents, send
from .shop import Shop
from .test_inbox import Inbox, change

RFC = 'GODE561231GR8'


@pytest.fixture
def clerk(shop):
    return Clerk(shop)


class Clerk:
    "Who makes and changes customers at the branch"

    def __init__(self, shop):
        self.shop = shop
        self.counter = Counter(shop.branch)

    def get(self, name):
        return self.shop.branch.get(name)

    def run(self, function):
        return self.counter.run(function)

    def create(self, name="Rosa Díaz", rfc=None, **values):
        "Make a customer as the form does, and return the id"
        values.setdefault('addresses', [('create', [{
                            'street_name': "Allende",
                            'building_number': "12",
                            'city': "Ensenada",
                            }])])
        values.setdefault('contact_mechanisms', [('create', [
                        {'type': 'email', 'value': "rosa@example.com"}])])
        if rfc:
            values['identifiers'] = [
                ('create', [{'type': 'mx_vat', 'code': rfc}])]

        def create():
            party, = self.get('party.party').create([
                    {'name': name, **values}])
            return party.id
        return self.run(create)

    def write(self, party, model='party.party', **values):
        def write():
            Model = self.get(model)
            Model.write([Model(party)], values)
        self.run(write)

    def known(self, index=0):
        "Return the ids of a customer, here and at the central"
        def find():
            Party = self.get('party.party')
            Link = self.get('offline_sales.link')
            parties = Party.search([
                    ('identifiers.code', 'not like', 'X%'),
                    ('categories', '!=', None),
                    ], order=[('code', 'ASC')])
            party = parties[index]
            return party.id, Link.to_wire('party.party', [party.id])[party.id]
        return self.shop.branch.run(find)

    def documents(self, *domain):
        return documents(self.shop.branch, ('kind', '=', 'party'), *domain)


def read(database, party):
    "Return what is stored of the customer, in words"
    def read():
        record = database.get('party.party')(party)
        return {
            'name': record.name,
            'code': record.code,
            'active': record.active,
            'lang': record.lang.code if record.lang else None,
            'term': (
                record.customer_payment_term.name
                if record.customer_payment_term else None),
            'categories': sorted(c.name for c in record.categories),
            'addresses': sorted(a.full_address for a in record.addresses),
            'mechanisms': sorted(
                (m.type, m.value, m.name) for m in record.contact_mechanisms),
            'identifiers': sorted(
                (i.type or '', i.code) for i in record.identifiers),
            'receivable': (
                record.account_receivable.code
                if record.account_receivable else None),
            }
    return database.run(read, context={'company': company(database)})


def company(database):
    def search():
        company, = database.get('company.company').search([])
        return company.id
    return database.run(search)


# At the branch

def test_customer_and_parts_are_one_document(shop, clerk):
    party = clerk.create(rfc=RFC)
    document, = clerk.documents()
    assert document['state'] == 'pending'
    assert document['record'] == f'party.party,{party}'
    assert document['user'] == 'esp.lupita'
    assert document['number'].startswith('ESP-C-')
    payload = contents(document)
    assert payload['base'] is None and payload['after'] is None
    tree = payload['record']
    assert tree['values']['name'] == "Rosa Díaz"
    assert {name: len(c) for name, c in tree['children'].items()} == {
        'addresses': 1, 'contact_mechanisms': 1, 'identifiers': 1}
    assert payload['header']['party'] == tree['key']
    # Accounts are not the branch's to say
    assert not {k for k in tree['values'] if 'account' in k}


def test_customer_that_was_not_sent_is_captured_anew(shop, clerk):
    party = clerk.create()
    clerk.write(party, name="Rosa Díaz de León")

    def phone():
        clerk.get('party.contact_mechanism').create([{
                    'party': party, 'type': 'mobile',
                    'value': "+52 646 123 4567"}])
    clerk.run(phone)
    first, second, third = clerk.documents()
    assert [d['state'] for d in [first, second, third]] == [
        'withdrawn', 'withdrawn', 'pending']
    payload = contents(third)
    assert payload['base'] is None
    assert payload['record']['values']['name'] == "Rosa Díaz de León"
    assert len(payload['record']['children']['contact_mechanisms']) == 2
    assert payload['record']['key'] == contents(first)['record']['key']


def test_change_holds_what_was_before(shop, clerk):
    party, central = clerk.known()

    def change():
        Party = clerk.get('party.party')
        Address = clerk.get('party.address')
        record = Party(party)
        before.append((record.name, record.addresses[0].street_name))
        Party.write([record], {
                'name': "Otra",
                'contact_mechanisms': [
                    ('delete', [record.contact_mechanisms[0].id])]})
        Address.write([record.addresses[0]], {'street_name': "Morelos"})
    before = []
    clerk.run(change)
    document, = clerk.documents()
    payload = contents(document)
    tree, base = payload['record'], payload['base']
    assert tree['key'] == base['key'] == central
    (name, street), = before
    assert base['values']['name'] == name
    assert tree['values']['name'] == "Otra"
    assert base['children']['addresses'][0]['values']['street_name'] == street
    assert tree['children']['addresses'][0]['values'][
        'street_name'] == "Morelos"
    assert (len(base['children']['contact_mechanisms'])
        - len(tree['children']['contact_mechanisms'])) == 1
    # Sent or not, the next one tells of what was before the first one
    clerk.write(party, name="Otra más")
    _, document = clerk.documents()
    assert contents(document)['base'] == base


def test_nothing_changed_is_no_document(shop, clerk):
    party, _ = clerk.known()

    def same():
        Party = clerk.get('party.party')
        record = Party(party)
        Party.write([record], {'name': record.name})
    clerk.run(same)
    assert clerk.documents() == []


def test_document_and_customer_are_of_one_transaction(
        shop, clerk, monkeypatch):
    Document = clerk.get('offline_sales.document')

    def fail(*args):
        raise OSError("the disk is full")
    monkeypatch.setattr(Document, '_capture_values', fail)
    with pytest.raises(OSError):
        clerk.create("Nadie")

    def count():
        return clerk.get('party.party').search(
            [('name', '=', "Nadie")], count=True)
    assert shop.branch.run(count) == 0


def test_change_of_what_was_sent_comes_after_it(shop, clerk):
    party = clerk.create()
    first, = clerk.documents()

    def send():
        Document = clerk.get('offline_sales.document')
        Document.write(
            Document.search([]), {'tried': dt.datetime(2024, 1, 1)})
    shop.branch.run(send)
    clerk.write(party, name="Rosa")
    _, second = clerk.documents()
    assert second['state'] == 'pending'
    payload = contents(second)
    assert payload['after'] == first['uuid']
    assert payload['base'] == contents(first)['record']


def test_values_and_relations_of_a_customer_are_captured(shop, clerk):
    party, _ = clerk.known()

    def change():
        Party = clerk.get('party.party')
        Category = clerk.get('party.category')
        Term = clerk.get('account.invoice.payment_term')
        record = Party(party)
        category, = Category.search(
            [('id', 'not in', [c.id for c in record.categories])], limit=1)
        term, = Term.search(
            [('id', '!=', record.customer_payment_term.id)], limit=1)
        Party.write([record], {
                'categories': [('add', [category.id])],
                'customer_payment_term': term.id})
    clerk.run(change)
    document, = clerk.documents()
    payload = contents(document)
    base, values = payload['base']['values'], payload['record']['values']
    assert len(values['categories']) == len(base['categories']) + 1
    assert isinstance(values['customer_payment_term'], int)
    assert values['customer_payment_term'] != base['customer_payment_term']


@pytest.mark.parametrize('name', [
        'account_receivable', 'customer_tax_rule', 'code', 'replaced_by',
        'sale_price_list'])
def test_cashier_does_not_change_what_is_the_centrals(shop, clerk, name):
    party, _ = clerk.known()
    other, _ = clerk.known(index=3)

    def another():
        "Return a record that is not the value of the field"
        Party = clerk.get('party.party')
        Target = clerk.get(Party._fields[name].model_name)
        value = getattr(Party(party), name)
        return Target.search([
                ('id', '!=', value.id if value else None)], limit=1)[0].id
    value = {
        'code': "ESP-C-9",
        'replaced_by': other,
        'customer_tax_rule': 1,
        }.get(name) or shop.branch.run(
        another, context={'company': clerk.counter.company})
    with pytest.raises(UserError):
        clerk.write(party, **{name: value})
    assert clerk.documents() == []


def test_number_of_another_branch_is_refused(shop, clerk):
    with pytest.raises(UserError):
        clerk.create(code="TIJ-C-00001")
    clerk.create(code="ESP-C-77777")


def test_values_of_customers_need_a_usage_too(closed_shop):
    clerk = Clerk(closed_shop)
    party, _ = clerk.known()

    def create():
        clerk.get('party.party.lang').create([{'party': party}])
    with pytest.raises(UserError):
        clerk.run(create)


# At the central

class Central:
    "What is done to customers at the central, meanwhile"

    def __init__(self, shop):
        self.database = shop.central
        self.company = company(self.database)

    def get(self, name):
        return self.database.get(name)

    def run(self, function):
        return self.database.run(function, context={'company': self.company})

    def create(self, **values):
        def create():
            party, = self.get('party.party').create([values])
            return party.id
        return self.run(create)

    def write(self, model, id_, **values):
        def write():
            Model = self.get(model)
            with Transaction().set_context(active_test=False):
                Model.write([Model(id_)], values)
        self.run(write)

    def parts(self, party, field):
        def read():
            return list(map(int, getattr(
                        self.get('party.party')(party), field)))
        return self.run(read)

    def find(self, *domain):
        def search():
            with Transaction().set_context(active_test=False):
                return list(map(int, self.get('party.party').search(
                            list(domain), order=[('id', 'ASC')])))
        return self.run(search)

    def conflicts(self):
        def read():
            Conflict = self.get('offline_sales.document.conflict')
            return [
                (c.kind, c.name, c.base, c.branch, c.central, c.state)
                for c in Conflict.search([], order=[('id', 'ASC')])]
        return self.run(read)

    def press(self, button):
        def press():
            Conflict = self.get('offline_sales.document.conflict')
            getattr(Conflict, button)(Conflict.search([
                        ('state', '=', 'open')]))
        self.run(press)

    def attention(self):
        def search():
            Document = self.get('offline_sales.document')
            return Document.search([('attention', '=', True)], count=True)
        return self.run(search)


@pytest.fixture
def central(shop):
    return Central(shop)


@pytest.fixture
def inbox(shop):
    return Inbox(shop)


def parts(clerk, party):
    "Return the ids of the addresses and mechanisms of the customer"
    def read():
        record = clerk.get('party.party')(party)
        return (list(map(int, record.addresses)),
            list(map(int, record.contact_mechanisms)))
    return clerk.shop.branch.run(read)


def pairs(database, model, ids):
    "Return what the records are known by at the central"
    return database.run(lambda: database.get('offline_sales.link').to_wire(
            model, ids))


def test_new_customer_arrives_whole(shop, clerk, central):
    party, _ = clerk.known()
    like = read(shop.branch, party)

    def references():
        record = clerk.get('party.party')(party)
        return {
            'categories': [('add', [c.id for c in record.categories])],
            'customer_payment_term': record.customer_payment_term.id,
            }
    new = clerk.create(rfc=RFC, **shop.branch.run(references))
    assert "The central has processed everything" in send(shop)
    made, = central.find(('identifiers.code_compact', '=', RFC))
    ours, theirs = read(shop.branch, new), read(shop.central, made)
    assert ours == theirs
    assert theirs['categories'] == like['categories']
    assert theirs['term'] == like['term']
    assert theirs['receivable'] == like['receivable']
    document, = clerk.documents()
    assert document['state'] == 'accepted' and not document['reason']
    at_central, = documents(shop.central, ('kind', '=', 'party'))
    assert at_central['record'] == f'party.party,{made}'
    # The branch knows what each record is there
    addresses, mechanisms = parts(clerk, new)
    assert pairs(shop.branch, 'party.party', [new]) == {new: made}
    assert list(pairs(shop.branch, 'party.address', addresses).values()
        ) == central.parts(made, 'addresses')
    assert list(pairs(
            shop.branch, 'party.contact_mechanism', mechanisms).values()
        ) == central.parts(made, 'contact_mechanisms')
    # And has it but once after a refresh, whatever came with it
    shop.obtain()
    assert read(shop.branch, new) == theirs
    assert rows(shop.branch, new) == rows(shop.central, made)


def rows(database, party):
    "Return how many rows make up the customer, by model"
    def count():
        counts = {}
        models = database.get('offline_sales.catalog').customer_models()
        for model, (inverse, parent) in models.items():
            Model = database.get(model)
            if parent == 'party.party':
                counts[model] = Model.search(
                    [(inverse, '=', party)], count=True)
        return counts
    return database.run(count, context={'active_test': False})


def test_both_sides_are_merged_by_field(shop, clerk, central):
    party, there = clerk.known()
    address, *_ = central.parts(there, 'addresses')
    mechanism, *_ = central.parts(there, 'contact_mechanisms')
    (local, *_), _ = parts(clerk, party)
    before = read(shop.central, there)
    central.write('party.party', there, name="Del centro")
    central.write('party.address', address, city="Tecate")
    central.write('party.contact_mechanism', mechanism, name="Casa")
    clerk.write(party, name="De la sucursal", lang=None)
    clerk.write(local, model='party.address', building_number="99 bis")
    send(shop)
    after = read(shop.central, there)
    assert after['name'] == "Del centro"
    assert after['lang'] is None and before['lang']
    assert "99 bis" in after['addresses'][0]
    assert "TECATE" in after['addresses'][0]
    assert central.conflicts() == [
        ('value', 'name', before['name'], "De la sucursal", "Del centro",
            'open')]
    document, = documents(shop.central, ('kind', '=', 'party'))
    assert (document['state'], document['reason']) == (
        'processed', 'conflicts')
    *_, document = clerk.documents()
    assert (document['state'], document['reason']) == (
        'accepted', 'conflicts')
    assert central.attention() == 1
    # Until somebody looks the branch sees what the central has
    shop.obtain()
    assert read(shop.branch, party) == after
    # What was put right since is not overwritten
    central.write('party.party', there, name="Corregido")
    with pytest.raises(UserError):
        central.press('take')
    assert read(shop.central, there)['name'] == "Corregido"
    central.write('party.party', there, name="Del centro")
    central.press('take')
    assert read(shop.central, there)['name'] == "De la sucursal"
    assert central.attention() == 0
    assert central.conflicts()[0][-1] == 'taken'


def test_parts_are_added_changed_and_removed(shop, clerk, central):
    party, there = clerk.known(index=3)
    theirs = central.parts(there, 'contact_mechanisms')
    (address, *_), mechanisms = parts(clerk, party)
    assert len(mechanisms) == 3

    def change():
        Party = clerk.get('party.party')
        Party.write([Party(party)], {
                'addresses': [
                    ('create', [{'street_name': "Nueva", 'city': "Tijuana"}])],
                'contact_mechanisms': [('delete', mechanisms)],
                'identifiers': [('create', [
                            {'type': None, 'code': "SOCIO-7"}])],
                })
    clerk.run(change)
    # One that is removed was changed here, another is gone here too
    central.write('party.contact_mechanism', theirs[0], name="Oficina")
    central.run(lambda: central.get('party.contact_mechanism').delete(
            central.get('party.contact_mechanism').browse([theirs[1]])))
    send(shop)
    after = read(shop.central, there)
    assert central.parts(there, 'contact_mechanisms') == theirs[:1]
    assert any("Nueva" in a for a in after['addresses'])
    assert ('', "SOCIO-7") in after['identifiers']
    assert [c[0] for c in central.conflicts()] == ['removed']
    shop.obtain()
    assert read(shop.branch, party) == after
    central.press('take')
    assert central.parts(there, 'contact_mechanisms') == []
    shop.obtain()
    assert parts(clerk, party)[1] == []


def test_part_that_is_used_is_deactivated(shop, clerk, central):
    party, there = clerk.known()
    (address, *_), mechanisms = parts(clerk, party)
    used, *_ = central.parts(there, 'addresses')

    def use():
        Point = central.get('sale.point')
        Point.write(Point.search([], limit=1), {'address': used})
    central.run(use)
    clerk.run(lambda: clerk.get('party.address').delete(
            clerk.get('party.address').browse([address])))
    send(shop)

    def active():
        return central.get('party.address')(used).active
    assert not central.run(active)


def test_part_that_is_gone_is_shown(shop, clerk, central):
    party, there = clerk.known()
    (address, *_), _ = parts(clerk, party)
    theirs = central.parts(there, 'addresses')
    clerk.write(address, model='party.address', city="Ensenada")
    central.run(lambda: central.get('party.address').delete(
            central.get('party.address').browse(theirs)))
    send(shop)
    assert [c[0] for c in central.conflicts()] == ['gone']
    shop.obtain()
    assert parts(clerk, party)[0] == central.parts(there, 'addresses') == []
    central.press('keep')
    assert central.attention() == 0


def test_changes_are_done_in_their_order(shop, clerk, central, inbox):
    "Whatever order they come in, each on what was before it"
    party = clerk.create("Uno")
    entries = []
    for name in ["Dos", "Tres"]:
        entries += inbox.entries(('tried', '=', None))
        sent(shop)
        clerk.write(party, name=name)
    entries += inbox.entries(('tried', '=', None))
    assert len(entries) == 3
    for entry in reversed(entries):
        inbox.receive([entry])
        inbox.process()
    assert inbox.states() == ['processed'] * 3
    made, = central.find(('name', 'in', ["Uno", "Dos", "Tres"]))
    assert read(shop.central, made)['name'] == "Tres"
    assert central.conflicts() == []


def sent(shop):
    "As if what is pending had left"
    def mark():
        Document = shop.branch.get('offline_sales.document')
        Document.write(Document.search([]), {'tried': dt.datetime.now()})
    shop.branch.run(mark)


def test_customer_used_in_ten_prefacturas_arrives_once_and_first(
        shop, clerk, central):
    counter = clerk.counter
    new = clerk.create(rfc=RFC)
    sales = [
        counter.invoice([(code, 1)], party=new) for code in counter.codes(10)]
    clerk.write(new, name="Rosa Díaz de León")
    assert len(sales) == 10
    # Its number is taken: what is of it waits, the rest goes on
    number = clerk.documents()[-1]['number']
    other = central.create(name="Otro", code=number)
    ticket = counter.sell([(counter.codes(1)[0], 1)])
    assert ticket
    send(shop)
    assert states(shop.central) == {
        ('party', 'rejected'): 1, ('prefactura', 'received'): 10,
        ('cash_session', 'processed'): 1, ('ticket', 'processed'): 1}
    assert central.find(('identifiers.code_compact', '=', RFC)) == []
    central.write('party.party', other, code="OTRO-1")

    def retry():
        Document = central.get('offline_sales.document')
        document, = Document.search([('kind', '=', 'party')])
        Document.decide(document, 'retry', "The number is free")
    central.run(retry)
    send(shop)
    assert states(shop.central) == {
        ('party', 'processed'): 1, ('prefactura', 'processed'): 10,
        ('cash_session', 'processed'): 1, ('ticket', 'processed'): 1}
    there, = central.find(('identifiers.code_compact', '=', RFC))
    address, = central.parts(there, 'addresses')

    def customers():
        return [
            (s.party.id, s.invoice_address.id, s.shipment_address.id)
            for s in central.get('sale.sale').search(
                [('number', 'like', 'ESP-P-%')])]
    assert central.run(customers) == [(there, address, address)] * 10
    assert read(shop.central, there)['name'] == "Rosa Díaz de León"


def states(database):
    return Counted((d['kind'], d['state']) for d in documents(database))


# The same customer on both sides

@pytest.mark.parametrize('code, active', [
        ('GODE561231GR8', True), ('gode-561231-gr8', True),
        ('GODE 561231 GR8', False)])
def test_customer_with_a_known_tax_identifier_is_linked(
        shop, clerk, central, code, active):
    there = central.create(
        name="Emma Gómez", active=active,
        addresses=[('create', [{'city': "Mexicali"}])],
        identifiers=[('create', [{'type': 'mx_vat', 'code': RFC}])])

    def as_it_was_written():
        "Former versions kept it as it was typed"
        table = central.get('party.identifier').__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.code, table.code_compact], [code, code],
                where=table.party == there))
    central.run(as_it_was_written)
    new = clerk.create("Ema Gomez", rfc=RFC)
    send(shop)
    assert central.find(('name', 'like', "Em%")) == [there]
    assert pairs(shop.branch, 'party.party', [new]) == {new: there}
    document, = documents(shop.central, ('kind', '=', 'party'))
    assert (document['state'], document['reason']) == ('processed', 'linked')
    assert "Emma Gómez" in document['text']
    assert central.attention() == 1
    # Nothing of the central's is lost, what it did not have is added
    after = read(shop.central, there)
    assert after['name'] == "Emma Gómez"
    assert len(after['addresses']) == 2
    assert len(after['identifiers']) == 1
    assert after['mechanisms'] == [('email', "rosa@example.com", None)]
    conflicts = {c[1]: c[2:5] for c in central.conflicts()}
    assert conflicts['name'] == (None, "Ema Gomez", "Emma Gómez")
    assert ('active' in conflicts) != active
    shop.obtain()
    if active:
        assert read(shop.branch, new) == after
        assert rows(shop.branch, new) == rows(shop.central, there)


def test_tax_identifier_of_another(shop, clerk, central):
    "Of the company, or added to a customer: nobody is changed, all are told"
    def run():
        own, = central.get('company.company').search([])
        return own.party.id
    own = central.run(run)
    identifiers = {
        'identifiers': [('create', [{'type': 'mx_vat', 'code': RFC}])]}
    central.write('party.party', own, **identifiers)
    before = read(shop.central, own)
    clerk.create(rfc=RFC)
    party, there = clerk.known()
    # The same added on both sides is one
    phone = [('create', [{'type': 'phone', 'value': "+526461234567"}])]
    central.write('party.party', there, contact_mechanisms=phone)
    clerk.write(party, contact_mechanisms=phone, **identifiers)
    send(shop)
    assert read(shop.central, own) == before
    found = documents(shop.central, ('kind', '=', 'party'))
    assert [(d['state'], d['reason']) for d in found] == [
        ('processed', 'identifier_shared')] * 2
    assert central.attention() == 2
    assert central.find(('code', '=', "ESP-C-00001"))
    mechanisms = read(shop.central, there)['mechanisms']
    assert len([m for m in mechanisms if m[0] == 'phone']) == 1


@pytest.mark.parametrize('rfc', ['XAXX010101000', 'XEXX010101000'])
def test_generic_identifiers_identify_nobody(shop, clerk, central, rfc):
    for name in ["Turista Uno", "Turista Dos"]:
        clerk.create(name, rfc=rfc)
    send(shop)
    assert len(central.find(('name', 'like', "Turista %"))) == 2
    assert [d['reason'] for d in clerk.documents()] == [None, None]


def test_customer_made_twice_at_the_branch_becomes_one(
        shop, clerk, central):
    first = clerk.create("Emma", rfc=RFC)
    second = clerk.create("Ema", rfc=RFC)
    send(shop)
    there, = central.find(('identifiers.code_compact', '=', RFC))
    shop.obtain()

    def read_both():
        Party = clerk.get('party.party')
        with Transaction().set_context(active_test=False):
            return [
                (p.name, p.active, p.replaced_by and p.replaced_by.id)
                for p in Party.browse([first, second])]
    assert shop.branch.run(read_both) == [
        ("Emma", True, None), ("Ema", False, first)]
    # What is done with the second one is done with the first one
    clerk.write(first, name="Emma Gómez")
    send(shop)
    assert read(shop.central, there)['name'] == "Emma Gómez"


def test_customer_of_another_branch_is_linked_too(shop, clerk, central):
    "Each branch knows it by the identity that it gave"
    new = clerk.create("Emma", rfc=RFC)
    send(shop)
    there, = central.find(('identifiers.code_compact', '=', RFC))
    Link = central.get('offline_sales.link')

    def other():
        Branch = central.get('offline_sales.branch')
        branch, = Branch.search([('code', '!=', 'ESP')], limit=1)
        Link.learn([('party.party', 'an identity of its own', there)], branch)
        return Link.from_wire('party.party', [
                'an identity of its own', there])
    assert central.run(other) == {
        'an identity of its own': there, there: there}
    forget(shop, 'party.party')
    shop.obtain()
    assert pairs(shop.branch, 'party.party', [new]) == {new: there}
    assert rows(shop.branch, new) == rows(shop.central, there)


def forget(shop, model):
    "As if the branch had never been told"
    def forget():
        Link = shop.branch.get('offline_sales.link')
        links = Link.search([('model', '=', model), ('uuid', '!=', None)])
        Link.write(links, {'central': None, 'version': None})
    shop.branch.run(forget)


# No twin, whatever the order

ORDERS = [*permutations(['send', 'status', 'refresh']),
    ('send', 'process', 'refresh', 'status'),
    ('refresh', 'send', 'refresh', 'process', 'refresh', 'status')]


@pytest.mark.parametrize('known', [False, True], ids=['new', 'linked'])
def test_no_twin_whatever_the_order(web, tmp_path_factory, known):
    for steps in ORDERS:
        shop = Shop(web, tmp_path_factory.getbasetemp())
        clerk, central = Clerk(shop), Central(shop)
        if known:
            central.create(
                name="Rosa Díaz",
                identifiers=[
                    ('create', [{'type': 'mx_vat', 'code': RFC}])])
        clerk.create("Rosa Díaz", rfc=RFC)
        for step in steps:
            getattr(Steps, step)(shop)
            # The central's own may come before it is known to be the same
            assert len(found(shop.branch)) <= 1 + known, (steps, step)
            assert len(found(shop.central)) <= 1, (steps, step)
        for step in ['send', 'status', 'refresh']:
            getattr(Steps, step)(shop)
        (here,), (there,) = found(shop.branch), found(shop.central)
        assert pairs(shop.branch, 'party.party', [here]) == {here: there}
        assert read(shop.branch, here) == read(shop.central, there), steps
        assert rows(shop.branch, here) == rows(shop.central, there), steps


class Steps:
    "The steps of sending and obtaining, each on its own over HTTP"

    @staticmethod
    def send(shop):
        Document = shop.branch.get('offline_sales.document')
        Client = client.Client
        with shop.branch.transaction(), Client.from_configuration() as central:
            for ids in Document._get_requests(set()):
                Document._send_request(central, ids, outbox.Delivery())

    @staticmethod
    def process(shop):
        Inbox(shop).process()

    @staticmethod
    def status(shop):
        Document = shop.branch.get('offline_sales.document')
        Client = client.Client
        with shop.branch.transaction(), Client.from_configuration() as central:
            Document._ask(central, ['sent'])

    @staticmethod
    def refresh(shop):
        shop.obtain()


def found(database):
    def search():
        return list(map(int, database.get('party.party').search([
                        ('identifiers.code_compact', '=', RFC)])))
    return database.run(search)


def test_refresh_leaves_alone_what_is_not_settled(shop, clerk, central):
    party, there = clerk.known()
    address, *_ = central.parts(there, 'addresses')
    (_, (mechanism, *_)) = parts(clerk, party)
    clerk.write(party, name="De la sucursal")
    clerk.run(lambda: clerk.get('party.contact_mechanism').delete(
            clerk.get('party.contact_mechanism').browse([mechanism])))
    central.write('party.party', there, name="Del centro", active=True)
    central.write('party.address', address, city="Tecate")
    theirs = central.parts(there, 'contact_mechanisms')
    central.write('party.contact_mechanism', theirs[0], name="Casa")
    before = read(shop.branch, party)
    for _ in range(2):
        shop.obtain()
        assert read(shop.branch, party) == before
    assert len(clerk.documents()) == 2
    send(shop)
    shop.obtain()
    after = read(shop.central, there)
    assert after['name'] == "Del centro" and "Casa" in str(after)
    assert read(shop.branch, party) == after


def test_refresh_that_began_before_it_was_settled(
        shop, clerk, central, monkeypatch):
    "What it received is older than what the central has made of it"
    party, there = clerk.known()
    Refresh = refresh.Refresh
    receive = Refresh._receive

    def work():
        clerk.write(party, name="De la sucursal")
        send(shop)

    def meanwhile(self, *args):
        receive(self, *args)
        monkeypatch.undo()
        # Written here, sent, done and settled while the rows come
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    central.write('party.party', there, lang=None)
    monkeypatch.setattr(Refresh, '_receive', meanwhile)
    shop.obtain()
    assert read(shop.branch, party)['name'] == "De la sucursal"
    shop.obtain()
    assert read(shop.branch, party) == read(shop.central, there)


# What a branch may not say

def _own(values):
    values['record']['values']['replaced_by'] = 1


def _account(values):
    values['record']['values']['account_receivable'] = 1


def _child(values):
    tree = values['record']
    tree['children']['accounts'] = [{
            'model': 'party.party.account', 'key': str(uuid.uuid4()),
            'values': {'account_receivable': 1}, 'children': {}}]


def _type(values):
    values['record']['values']['name'] = {'a': 1}


def _number(values):
    for place in [values['header'], values['base']['values'],
            values['record']['values']]:
        place.pop('code', None)
    values['record']['values']['code'] = "TIJ-C-1"


def _large(values):
    values['record']['values']['name'] = "x" * 20_000


def _address(values):
    "Take hold of the address of somebody else"
    addresses = values['record']['children']['addresses']
    for tree in [values['base'], values['record']]:
        tree['children']['addresses'][0]['key'] += 1
    addresses[0]['values']['city'] = "Otra"


@pytest.mark.parametrize('lie, reason', [
        (_own, 'forbidden_field'), (_account, 'forbidden_field'),
        (_child, 'forbidden_field'), (_type, 'unreadable'),
        (_number, 'forbidden_field'), (_large, 'unreadable'),
        (_address, 'foreign_record')], ids=lambda v: getattr(
        v, '__name__', None))
def test_branch_cannot_say_what_is_not_its_own(
        shop, clerk, central, inbox, lie, reason):
    party, there = clerk.known()
    clerk.write(party, name="Otra")
    entry, = inbox.entries()
    before = read(shop.central, there), read(shop.central, there + 1)
    inbox.receive([change(entry, lie)])
    inbox.process()
    document, = documents(shop.central)
    assert (document['state'], document['reason']) == ('rejected', reason)
    assert before == (read(shop.central, there), read(shop.central, there + 1))


def test_branch_reaches_the_customers_of_its_catalog_only(
        shop, clerk, central, inbox):
    party, there = clerk.known()
    clerk.write(party, name="Otra")

    def narrow():
        Catalog = central.get('offline_sales.catalog')
        Catalog.write(Catalog.search([('model', '=', 'party.party')]), {
                'domain': f'[["id", "!=", {there}]]'})
    central.run(narrow)
    inbox.deliver()
    document, = documents(shop.central)
    assert (document['state'], document['reason']) == (
        'rejected', 'foreign_record')


def test_number_of_another_customer_is_not_taken(shop, clerk, central, inbox):
    clerk.create("Uno", code="ESP-C-500")
    entry, = inbox.entries()
    central.create(name="Otro", code="ESP-C-500", active=False)
    inbox.receive([entry])
    inbox.process()
    document, = documents(shop.central)
    assert (document['state'], document['reason']) == (
        'rejected', 'customer_number_taken')


def test_what_was_sold_to_a_replaced_customer(shop, clerk, central):
    counter, inbox = clerk.counter, Inbox(shop)
    party, there = clerk.known()
    _, other = clerk.known(1)
    code, = counter.codes(1)
    counter.sell([(code, 1)], party=party)
    counter.invoice([(code, 1)], party=party)
    clerk.write(party, name="De la sucursal")

    def narrow():
        "The branch knows the one who was replaced"
        Catalog = central.get('offline_sales.catalog')
        Catalog.write(Catalog.search([('model', '=', 'party.party')]), {
                'domain': f'[["id", "!=", {other}]]'})
    central.run(narrow)

    def replace():
        Replace = shop.central.get('party.replace', type='wizard')
        session, _, _ = Replace.create()
        Replace.execute(
            session, {'ask': {'source': there, 'destination': other}},
            'replace')
    shop.central.run(replace, context={
            'company': counter.company, 'active_model': 'party.party',
            'active_id': there, 'active_ids': [there],
            '_skip_warnings': True})
    send(shop)

    def parties():
        sales = [
            *inbox.get('sale.point.sale').search(inbox.offline),
            *inbox.get('sale.sale').search([('number', 'like', 'ESP-P-%')])]
        return [sale.party.id for sale in sales]
    assert set(inbox.states()) == {'processed'}
    assert shop.central.run(parties) == [other, other]


def test_customer_who_is_erased(shop, clerk, central, inbox):
    "With what branches said, and what they say late"
    party, there = clerk.known()
    clerk.write(party, name="De la sucursal")
    central.write('party.party', there, name="Del centro")
    send(shop)
    clerk.write(party, name="Otra")
    late, = inbox.entries(('state', '=', 'pending'))
    inbox.receive([late])

    def erase():
        Erase = shop.central.get('party.erase', type='wizard')
        session, _, _ = Erase.create()
        Erase.execute(session, {'ask': {'party': there}}, 'erase')
    central.write('party.party', there, active=False)
    # What is not done yet would tell again
    with pytest.raises(UserError):
        central.run(erase)

    inbox.process()
    central.run(erase)
    assert [d['payload'] for d in documents(shop.central)] == ['', '']
    assert central.conflicts()[0][2:5] == (None, None, None)
    # It is told of as before
    shop.branch.run(shop.branch.get('offline_sales.document').doubt)
    send(shop)
    clerk.write(party, name="Más tarde")
    clerk.write(party, lang=None)
    send(shop)
    last = documents(shop.central)[-1]
    assert (last['state'], last['reason']) == ('rejected', 'customer_erased')
    assert read(shop.central, there)['name'] is None
