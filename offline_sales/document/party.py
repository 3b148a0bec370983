# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Customers: what a branch changed is merged into what the central has

See merge.py for the rules and customer.py for what a customer is made of.
"""
import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from sql import Literal, Select
from sql.functions import Function, Upper
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from trytond import backend
from trytond.ir.cron import str2bigint
from trytond.model import DeactivableMixin
from trytond.pool import Pool
from trytond.transaction import Transaction, inactive_records

from .. import record as definition
from ..catalog import numbers
from ..catalog.catalog import CUSTOMER
from ..exceptions import Rejection
from . import customer
from . import payload as payload_
from .adapter import Adapter, about
from .customer import NUMBER, SET, CustomerSchema
from .merge import are_equal, change, compare, merge
from .tree import Forest, find, find_replaced

# The nodes of a customer, and the characters of a text
MAX_NODES = 1000
MAX_TEXT = 10_000
# In identifiers, where they say nothing
SEPARATORS = '- ._/'
# What is the same if it says the same, whoever adds it
SAID = {'party.identifier', 'party.contact_mechanism'}


class _Replace(Function):
    __slots__ = ()
    _function = 'REPLACE'


_TYPES = {
    'VARCHAR': str,
    'TEXT': str,
    'BOOL': bool,
    'INTEGER': int,
    'BIGINT': int,
    'FLOAT': (int, float),
    'NUMERIC': Decimal,
    'DATE': dt.date,
    SET: list,
    }


class Conflict(NamedTuple):
    """Where what the branch did was not done

    kind -- value, of a field that both sides changed; removed, at the branch
        but changed at the central; gone, at the central but changed at the
        branch
    """
    kind: str
    model: str
    id: int
    name: str = None
    base: object = None
    branch: object = None
    central: object = None


class PartyAdapter(Adapter):
    """A customer that was made or changed

    Its payload says what was before, base, and which document is to be done
    first, after.
    """
    kind = 'party'
    model = CUSTOMER
    order = 10
    of_point = False
    # Identifiers that anybody may have
    generic_identifiers = {
        ('mx_vat', 'XAXX010101000'),
        ('mx_vat', 'XEXX010101000'),
        }

    def __init__(self):
        self.conflicts = {}
        self.linked = {}
        self.others = {}

    # At the branch

    def get_tree(self, party):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        company = Configuration.get_branch().company.id
        tree = customer.read([party.id], company)[party.id]
        return tree, customer.export(tree)

    def is_changed(self, party, base):
        "Return if the customer is not what it was"
        tree, _ = self.get_tree(party)
        difference = compare(base, tree)
        return bool(
            difference.added or difference.removed
            or any(change(node.base['values'], node.tree['values'])
                for node in difference.kept))

    def get_header(self, party):
        return {
            **super().get_header(party),
            'number': party.code,
            'date': Pool().get('offline_sales.branch').today(),
            'party': party.id,
            }

    def settle(self, documents, twins):
        pool = Pool()
        Link = pool.get('offline_sales.link')
        Party = pool.get(self.model)
        # What the central made of it is fetched with the next catalogs
        for model, ids in customer.find_local(documents).items():
            Link.forget(model, ids)
        # The central will never know who is sold to
        voided = [
            d.record for d in documents if d.state == 'voided' and d.record
            and d.get_contents().get('base') is None]
        with Transaction().set_user(0):
            Party.write(voided, {'active': False})
        for uuid, model, central in twins:
            if model != self.model:
                continue
            locals_ = Link.from_wire(model, [uuid, central])
            with Transaction().set_user(0):
                Party.write([Party(locals_[uuid])], {
                        'active': False,
                        'replaced_by': locals_[central],
                        })

    # At the central: what is refused

    def check_contents(self, contents):
        super().check_contents(contents)
        tree, base = contents['record'], contents.get('base')
        trees = [tree]
        if base is not None:
            if not isinstance(base, dict):
                raise payload_.Unreadable('base')
            payload_.check_tree(base)
            if (base['model'], base['key']) != (tree['model'], tree['key']):
                raise payload_.Unreadable('base')
            trees.append(base)
        if not isinstance(contents.get('after'), (str, type(None))):
            raise payload_.Unreadable('after')
        for tree in trees:
            nodes = list(payload_.walk(tree))
            if (len(nodes) > MAX_NODES
                    or len({(n['model'], n['key']) for n in nodes})
                    != len(nodes)):
                raise payload_.Unreadable('record')

    def get_forest(self, entries):
        trees = [e.payload['record'] for e in entries]
        trees.extend(
            e.payload['base'] for e in entries if e.payload.get('base'))
        schema = CustomerSchema()
        return Forest([
                t for t in trees if self._is_known(t, schema)], schema)

    @staticmethod
    def _is_known(tree, schema):
        return all(
            schema.get_model(node['model']) for node in payload_.walk(tree))

    def check_entry(self, entry, forest):
        tree, base = entry.payload['record'], entry.payload.get('base')
        if tree['model'] != self.model:
            raise Rejection('unreadable', what=tree['model'])
        for part in filter(None, [tree, base]):
            self.check_fields(part, forest.schema)
        waits = self.get_waits(entry)
        if base is None:
            self.check_new(entry, forest)
        elif not forest.get(self.model, tree['key']):
            if isinstance(tree['key'], int):
                raise Rejection(
                    'missing_record', model=self.model, id=tree['key'])
            waits.add((self.model, tree['key']))
            return waits
        else:
            self.check_known(entry, forest)
        return waits | forest.check(_reduce(tree, base))

    def check_fields(self, tree, schema):
        "Raise Rejection if the tree says what is not the branch's to say"
        for node in payload_.walk(tree):
            model = node['model']
            if not schema.is_customer(model):
                raise Rejection('forbidden_field', model=model, fields='')
            columns = schema.get_columns(model)
            parts = schema.get_children(model)
            forbidden = node['values'].keys() - columns.keys()
            forbidden |= {
                name for name, children in node['children'].items()
                if name not in parts or any(
                    c['model'] != parts[name].__name__ for c in children)}
            if forbidden:
                raise Rejection(
                    'forbidden_field', model=model,
                    fields=", ".join(sorted(forbidden))[:200])
            for name, value in node['values'].items():
                if not _is_of_type(columns[name], value):
                    raise Rejection('unreadable', what=f'{model},{name}')

    def get_waits(self, entry):
        "Return the set of the document that is to be done before, if any"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        after = entry.payload.get('after')
        if not after or Document.search([
                    ('uuid', '=', after),
                    ('branch', '=', entry.document.branch.id),
                    ('kind', '=', self.kind),
                    ('state', 'in', ['processed', 'voided']),
                    ], limit=1, order=[]):
            return set()
        return {(Document.__name__, after)}

    def check_new(self, entry, forest):
        self.check_keys(entry, forest)
        values = entry.payload['record']['values']
        number = values.get(NUMBER)
        if not number or number != entry.payload['header'].get('number'):
            raise Rejection('unreadable', what=NUMBER)
        own = numbers.prefix(entry.document.branch.code, 'C')
        if not number.startswith(own):
            raise Rejection('foreign_number', number=number, prefix=own)

    @inactive_records
    def check_known(self, entry, forest):
        tree, base = entry.payload['record'], entry.payload['base']
        number = tree['values'].get(NUMBER)
        if number != base['values'].get(NUMBER):
            raise Rejection(
                'forbidden_field', model=self.model, fields=NUMBER)
        id_ = forest.get(self.model, tree['key'])
        self.check_served(entry.document.branch, id_)
        party = self.follow(id_)
        if not party.active and party.name is None:
            raise Rejection('customer_erased')
        parties = {id_, party.id}
        before = {(n['model'], n['key']) for n in payload_.walk(base)}
        for part in [tree, base]:
            for node in payload_.walk(part):
                child = forest.get(node['model'], node['key'])
                if not child or node['model'] == self.model:
                    continue
                if (isinstance(node['key'], str)
                        and (node['model'], node['key']) not in before):
                    raise Rejection('identity_taken', model=node['model'])
                if _get_customer(node['model'], child) not in parties:
                    raise Rejection(
                        'foreign_record', model=node['model'], id=child)

    def check_served(self, branch, id_):
        "Raise Rejection if the branch cannot know the customer"
        pool = Pool()
        Catalog = pool.get('offline_sales.catalog')
        Party = pool.get(self.model)
        context = Catalog.get_domain_context(branch)
        for catalog in Catalog.search([('model', '=', self.model)]):
            if Party.search([
                        catalog.get_domain(context), ('id', '=', id_),
                        ], limit=1, order=[]):
                return
        raise Rejection('foreign_record', model=self.model, id=id_)

    def check(self, entries, forest):
        taken = self.get_taken_numbers(entries)
        for entry, reason in super().check(entries, forest):
            number = entry.payload['record']['values'].get(NUMBER)
            if (not isinstance(reason, Rejection)
                    and entry.payload.get('base') is None
                    and number in taken
                    and not self.get_linked(entry.document)):
                reason = Rejection('customer_number_taken', number=number)
            yield entry, reason

    @inactive_records
    def get_taken_numbers(self, entries):
        pool = Pool()
        Party = pool.get(self.model)
        values = [
            e.payload['record']['values'].get(NUMBER) for e in entries]
        return {p.code for p in Party.search([
                    (NUMBER, 'in', [v for v in values if isinstance(v, str)]),
                    ], order=[])}

    # At the central: what is done

    def follow(self, id_):
        "Return the customer of the id, or the one that replaced it"
        pool = Pool()
        Party = pool.get(self.model)
        return Party(find_replaced([id_]).get(id_, id_))

    def create(self, entries, forest):
        pool = Pool()
        Party = pool.get(self.model)
        _take_turn()
        ids = []
        with Transaction().set_context(active_test=False):
            for entry in entries:
                with about(entry.document):
                    ids.append(_Replay(self, entry, forest).run())
        return Party.browse(ids)

    def verify(self, entries, parties, forest):
        for entry, party in zip(entries, parties, strict=True):
            number = entry.payload['header'].get('number')
            if (entry.payload.get('base') is None
                    and entry.document.id not in self.linked
                    and party.code != number):
                raise Rejection(
                    'value_changed', entry.document, model=self.model,
                    field=NUMBER, expected=number, found=party.code)

    def get_schema(self):
        return CustomerSchema()

    def is_linkable(self, contents):
        return contents.get('base') is None

    def get_linked(self, document):
        "Return the customer who a person said that it is, else None"
        if document.repair and document.repair.party:
            return self.follow(document.repair.party.id)

    def find_duplicates(self, trees):
        "Return the customers who have a tax identifier of the parts"
        pool = Pool()
        Party = pool.get(self.model)
        types = set(Party.tax_identifier_types())
        found = set()
        for tree in trees:
            values = tree['values']
            if (tree['model'] != 'party.identifier'
                    or values.get('type') not in types
                    or not values.get('active', True)):
                continue
            code = compact(values['type'], values.get('code'))
            if code and (values['type'], code) not in self.generic_identifiers:
                found |= _find_identified(values['type'], code)
        return sorted(
            {self.follow(id_) for id_ in found},
            key=lambda p: (not p.active, p.id))

    @inactive_records
    def is_customer(self, branch, party):
        "Return if the party is one that the branch sells to"
        if party == branch.company.party:
            return False
        try:
            self.check_served(branch, party.id)
        except Rejection:
            return False
        return True

    def conclude(self, document):
        pool = Pool()
        Conflict = pool.get('offline_sales.document.conflict')
        document.party = document.record.id
        conflicts = self.conflicts.get(document.id, [])
        Conflict.keep_all(document, conflicts)
        other = None
        if party := self.linked.get(document.id):
            document.set_reason(Rejection(
                    'linked', party=party.rec_name, central=party.code,
                    number=document.number))
        elif other := self.others.get(document.id):
            document.set_reason(Rejection(
                    'identifier_shared', central=other.code,
                    number=document.record.code))
        elif conflicts:
            document.set_reason(
                Rejection('conflicts', count=len(conflicts)))
        document.attention = bool(party or other or conflicts)


class _Replay:
    "Does again what one document says of a customer"

    def __init__(self, adapter, entry, forest):
        self.adapter = adapter
        self.document = entry.document
        self.tree = entry.payload['record']
        self.base = entry.payload.get('base')
        self.company = entry.document.branch.company.id
        self.forest = forest
        self.conflicts = []

    def run(self):
        "Return the id of the customer"
        if self.base:
            party = self.adapter.follow(
                self.forest.get(CUSTOMER, self.tree['key']))
            self.merge(party)
        elif party := (
                self.adapter.get_linked(self.document)
                or self.find_duplicate()):
            self.link(party)
            self.adapter.linked[self.document.id] = party
        else:
            id_ = self.make(self.tree)
            for node in compare(None, self.resolve(self.tree)).added[1:]:
                self.make(node.tree, node)
            return id_
        if self.conflicts:
            self.adapter.conflicts[self.document.id] = self.conflicts
        return party.id

    def find_duplicate(self):
        "Return the customer of the branch who is the same, else None"
        for party in self.adapter.find_duplicates(payload_.walk(self.tree)):
            if self.adapter.is_customer(self.document.branch, party):
                return party
            # Whoever it is, it is not the branch's to change
            self.adapter.others.setdefault(self.document.id, party)

    def resolve(self, tree):
        """Return a copy of the tree with the ids of this side

        What is not here keeps the name that it has.
        """
        copy = {
            **tree,
            'key': self.forest.get(tree['model'], tree['key']) or tree['key'],
            'values': tree['values'].copy(),
            'children': {
                name: [self.resolve(child) for child in children]
                for name, children in tree['children'].items()},
            }
        for node, column, model, key in list(
                self.forest.schema.get_references([copy])):
            node['values'][column.name] = self.forest.get(model, key) or key
        return copy

    def make(self, tree, node=None, parent=None):
        "Create the record of the tree and return its id"
        pool = Pool()
        Link = pool.get('offline_sales.link')
        Model = pool.get(tree['model'])
        # What it refers to may have been made since
        values = self.get_values(tree, self.resolve(tree)['values'], {})
        if node:
            field = _get_inverse(tree['model'])
            values[field] = parent or self.forest.get(
                _get_parent(tree['model']), node.parent)
        record, = Model.create([values])
        self.forest.add(tree['model'], tree['key'], record.id)
        Link.learn(
            [(tree['model'], tree['key'], record.id)], self.document.branch)
        return record.id

    def get_values(self, tree, values, theirs):
        "Return the values as they are written over theirs"
        values = values.copy()
        for _, column, ids in list(self.forest.schema.get_sets(
                    [{'model': tree['model'], 'values': values}])):
            ids = set(ids or ())
            there = set(theirs.get(column.name) or ())
            found = find(Pool().get(column.target), ids - there)
            values[column.name] = [
                ('add', sorted(found)), ('remove', sorted(there - ids))]
        return values

    # Known here

    def merge(self, party):
        theirs = self.read(party.id)
        difference = compare(
            self.resolve(self.base), self.resolve(self.tree))
        # An id of the central is that of what came with a refresh
        added = [
            node for node in difference.added
            if isinstance(node.tree['key'], str)]
        for other in self.adapter.find_duplicates(n.tree for n in added):
            if other != party:
                self.adapter.others[self.document.id] = other
        for node in added:
            siblings = [
                part for part in theirs.values()
                if part['model'] == node.tree['model']]
            same = node.tree['model'] in SAID and _find_same(
                self.resolve(node.tree), siblings)
            if same:
                self.learn(node.tree, same['key'])
            else:
                self.make(node.tree, node, party.id)
        for node in difference.kept:
            their = theirs.get(_name(node.tree, party))
            ours = self.resolve(node.tree)['values']
            if their:
                self.write(node.tree, their, merge(
                        node.base['values'], their['values'], ours))
            elif change(node.base['values'], ours):
                self.conflicts.append(Conflict(
                        'gone', node.tree['model'], None))
        for node in reversed(difference.removed):
            if their := theirs.get(_name(node.base, party)):
                self.remove(node.base, their)

    def read(self, id_):
        "Return what is here of the customer, by model and id"
        tree = customer.read([id_], self.company)[id_]
        return {
            (node['model'], node['key']): node
            for node in payload_.walk(tree)}

    def write(self, tree, their, merged):
        pool = Pool()
        Model = pool.get(tree['model'])
        if merged.changes:
            Model.write([Model(their['key'])], self.get_values(
                    tree, merged.changes, their['values']))
        for name, values in merged.conflicts.items():
            base, central, branch = values
            self.conflicts.append(Conflict(
                    'value', tree['model'], their['key'], name, base, branch,
                    central))

    def remove(self, base, their):
        if change(base['values'], their['values']):
            self.conflicts.append(
                Conflict('removed', their['model'], their['key']))
        else:
            remove(their['model'], their['key'])

    # Here by another name

    def link(self, party):
        theirs = self.read(party.id)
        root = theirs[CUSTOMER, party.id]
        self.learn(self.tree, party.id)
        ours = self.resolve(self.tree)['values']
        ours.pop(NUMBER, None)
        self.write(self.tree, root, merge({}, root['values'], ours))
        for node in compare(None, self.resolve(self.tree)).added:
            if node.parent is None:
                continue
            same = _find_same(
                self.resolve(node.tree), root['children'].get(node.field, []))
            if same:
                self.learn(node.tree, same['key'])
            else:
                self.make(node.tree, node, party.id)

    def learn(self, tree, id_):
        pool = Pool()
        Link = pool.get('offline_sales.link')
        self.forest.add(tree['model'], tree['key'], id_)
        Link.learn([(tree['model'], tree['key'], id_)], self.document.branch)


def _reduce(tree, base):
    "Return the tree with what is new in it only"
    kept = {
        id(node.tree): change(node.base['values'], node.tree['values'])
        for node in compare(base, tree).kept} if base else {}

    def reduce(tree):
        return {
            **tree,
            'values': kept.get(id(tree), tree['values']),
            'children': {
                name: list(map(reduce, children))
                for name, children in tree['children'].items()},
            }
    return reduce(tree)


def _name(tree, party):
    key = party.id if tree['model'] == CUSTOMER else tree['key']
    return tree['model'], key


def _is_of_type(column, value):
    if value is None:
        return True
    if column.kind == 'many2one':
        return payload_.is_key(value)
    if column.sql_type == SET:
        return isinstance(value, list) and all(type(v) is int for v in value)
    type_ = _TYPES.get(column.sql_type)
    if type_ is None or isinstance(value, bool) != (type_ is bool):
        return False
    return isinstance(value, type_) and not (
        isinstance(value, str) and len(value) > MAX_TEXT)


def _get_inverse(model):
    pool = Pool()
    Catalog = pool.get('offline_sales.catalog')
    return Catalog.customer_models()[model][0]


def _get_parent(model):
    pool = Pool()
    Catalog = pool.get('offline_sales.catalog')
    return Catalog.customer_models()[model][1]


def _get_customer(model, id_):
    "Return the id of the customer that the record is part of"
    pool = Pool()
    while model != CUSTOMER:
        record = getattr(pool.get(model)(id_), _get_inverse(model))
        if not record:
            return None
        model, id_ = _get_parent(model), record.id
    return id_


def _find_same(tree, others):
    "Return that of the others that says the same as the tree, else None"
    ours = _say(tree)
    if not ours and others:
        # An address that nobody filled in
        return others[0]
    for other in others:
        theirs = _say(other)
        if all(are_equal(theirs.get(name), ours.get(name))
                for name in theirs.keys() | ours.keys()):
            return other


def _say(tree):
    "Return what a part of a customer is told apart by"
    values = {
        name: value for name, value in tree['values'].items()
        if name not in {'active', 'sequence'} and value not in (
            None, '', False)}
    if tree['model'] == 'party.identifier':
        return {
            'type': values.get('type'),
            'code': compact(values.get('type'), values.get('code')),
            }
    if tree['model'] == 'party.contact_mechanism':
        return {name: values.get(name) for name in ['type', 'value']}
    return values


def compact(type_, code):
    "Return the identifier in its compact form"
    if not code:
        return ''
    if type_ and '_' in type_ and (
            module := get_cc_module(*type_.split('_', 1))):
        try:
            return module.compact(code)
        except (AttributeError, ValidationError):
            pass
    return code


def _find_identified(type_, code):
    "Return the ids of the parties that have the tax identifier"
    pool = Pool()
    Identifier = pool.get('party.identifier')
    table = Identifier.__table__()
    cursor = Transaction().connection.cursor()
    # Those of former versions have no compact form
    plain = table.code
    for separator in SEPARATORS:
        plain = _Replace(plain, separator, '')
    cursor.execute(*table.select(
            table.party,
            where=(table.type == type_) & (table.active == Literal(True))
            & ((table.code_compact == code) | (Upper(plain) == code))))
    return {id_ for id_, in cursor}


def _take_turn():
    "Let nobody else look for duplicates until the end of the transaction"
    transaction = Transaction()
    cursor = transaction.connection.cursor()
    cursor.execute(*Select([transaction.database.lock_id(
                    str2bigint('offline_sales.document,party'))]))
    if not cursor.fetchone()[0]:
        raise backend.DatabaseOperationalError("customers are being done")


def remove(model, id_):
    "Delete the part of a customer, or deactivate it where it is used"
    Model = Pool().get(model)
    record = Model(id_)
    if issubclass(Model, DeactivableMixin) and _is_used(Model, id_):
        Model.write([record], {'active': False})
    else:
        Model.delete([record])


def _is_used(Model, id_):
    pool = Pool()
    cursor = Transaction().connection.cursor()
    for name, column in definition.users(Model.__name__):
        table = pool.get(name).__table__()
        value = id_
        if column.kind == 'reference':
            value = f'{Model.__name__},{id_}'
        cursor.execute(*table.select(
                table.id, where=getattr(table, column.name) == value,
                limit=1))
        if cursor.fetchone():
            return True
    return False
