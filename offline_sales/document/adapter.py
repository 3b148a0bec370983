# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What the documents of a kind mean: the base of the adapters

An adapter is asked at the branch for the payload of a record, and at the
central to do again what the payloads say. Other modules change an adapter by
a subclass returned from Document.get_adapters.
"""
import datetime as dt
import logging
from collections import defaultdict, namedtuple
from decimal import Decimal

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..exceptions import CaptureError, Rejection
from . import payload as payload_
from . import tree as tree_

logger = logging.getLogger(__name__)

# Asked for by what must know whether a branch's document is done again, e.g.
# the central's refusal to sell on a branch's point. The private keys of a
# client's context are dropped (trytond.rpc), so nobody else can say so.
REPLAY = '_offline_sales_replay'
# The totals of a ticket that are posted in place of those computed now
CHARGED = '_offline_sales_charged'

Entry = namedtuple('Entry', ['document', 'payload'])


def is_replay():
    "Return True while a document of a branch is done again"
    return Transaction().context.get(REPLAY, False)


class Adapter:
    """
    kind -- of the documents
    model -- the name of the model of their record
    order -- kinds are sent and processed from the least on
    printed -- whether their number is given to one document alone
    of_point -- whether each document is of a point of sale
    owned -- the names of the columns by model that the central alone says
    posted -- whether there is something to post once all is prepared
    final_state -- of the records that must have a document, if all must
    dates -- the names of the columns by model that a repair re-dates
    by -- the names of the columns of the employees who did it
    acceptable -- the names of the totals whose difference a person may accept
    """
    kind = None
    model = None
    order = 50
    printed = False
    of_point = True
    owned = {}
    posted = False
    final_state = None
    dates = {}
    by = []
    acceptable = frozenset()

    # At the branch

    def get_payload(self, uuid, record, moment, jump=None):
        """Return the values of the payload of the record

        jump: the seconds by which the clock had been set back, if it was.
        """
        tree, left_out = self.get_tree(record)
        if left_out:
            logger.warning(
                "%s: the central does not know what these refer to: %s",
                record, ", ".join(left_out))
        return {
            'version': payload_.VERSION,
            'uuid': uuid,
            'kind': self.kind,
            'header': self._export_references(
                dict(
                    self.get_header(record), moment=moment, clock_jump=jump),
                self.header_references),
            'record': tree,
            **({'left_out': left_out} if left_out else {}),
            'totals': self._export_totals(self.get_totals(record)),
            **self.get_extra(record),
            }

    def get_tree(self, record):
        """Return what is stored of the record, as the central knows it, and
        the names of the fields that it does not know"""
        tree = tree_.read(record)
        return tree, tree_.export(tree)

    def settle(self, documents, twins):
        """Do what follows from documents that the central has settled

        twins: the (identity, model, id of the central) of what they made and
        another record stands for.
        """

    header_references = {
        'user': 'res.user',
        'party': 'party.party',
        'point': 'sale.point',
        }
    # The models of what the rows of the totals are of, by name of the total
    totals_references = {}
    # The names of those that branches of former releases do not tell
    later_totals = {'cash'}
    # The codes of the rejections, by name of the total
    total_codes = {}

    def get_header(self, record):
        """Return what the journal shows of the record, by local ids

        number, date, user, party, point.
        """
        return {
            'number': None,
            'date': None,
            'user': Transaction().user or None,
            'party': None,
            'point': None,
            }

    def get_totals(self, record):
        """Return what must come out again at the central, by local ids

        Decimals by name, or lists of dictionaries of the decimals of a record
        that is named by a key of totals_references.
        """
        return {}

    def get_extra(self, record):
        "Return what else the payload says"
        return {}

    def restore(self, contents):
        "Do what else follows from contents that come back from a second copy"

    def _export_references(self, values, models):
        pool = Pool()
        Link = pool.get('offline_sales.link')
        values = values.copy()
        for name, model in models.items():
            if id_ := values.get(name):
                values[name] = Link.to_wire(model, [id_]).get(id_)
        return values

    def _export_totals(self, totals):
        pool = Pool()
        totals = totals.copy()
        for name, references in self.totals_references.items():
            exported = []
            for row in totals[name]:
                exported.append(self._export_references(row, references))
                for column, model in references.items():
                    if exported[-1][column] is None:
                        raise CaptureError(gettext(
                                'offline_sales.msg_document_capture_unknown',
                                record=pool.get(model)(row[column]).rec_name,
                                **pool.get(self.model).__names__()))
            totals[name] = self._sort_rows(name, exported)
        return totals

    def _sort_rows(self, name, rows):
        columns = list(self.totals_references[name])
        columns += sorted(rows[0].keys() - set(columns)) if rows else []
        return sorted(rows, key=lambda row: [row[c] for c in columns])

    def merge_rows(self, name, rows):
        "Return the rows of a total, those of the same records added up"
        references = self.totals_references[name]
        merged = {}
        for row in rows:
            key = tuple(row[column] for column in references)
            if key not in merged:
                merged[key] = row
            else:
                merged[key] = {
                    column: value if column in references
                    else merged[key][column] + value
                    for column, value in row.items()}
        return self._sort_rows(name, list(merged.values()))

    # At the central

    def get_points(self, contents):
        "Return the points of sale of which the document says that it is"
        point = contents['header'].get('point')
        return [point] if point or self.of_point else []

    def get_employees(self, contents):
        "Return who did it, as the document says, as a set"
        values = contents['record']['values']
        return {
            values[name] for name in self.by
            if isinstance(values.get(name), (int, str))}

    def check_contents(self, contents):
        "Raise Unreadable if the payload is not one of the kind"
        self.check_totals(contents['totals'])

    def get_forest(self, entries):
        "Return what the payloads refer to"
        return tree_.Forest([e.payload['record'] for e in entries])

    def check_totals(self, totals):
        "Raise Unreadable if they are not totals of the kind"
        for name in ['total', 'tax', 'cash']:
            if not isinstance(totals.get(name), (Decimal, type(None))):
                raise payload_.Unreadable(name)
        for name, references in self.totals_references.items():
            rows = totals.get(name)
            if not isinstance(rows, list):
                raise payload_.Unreadable(name)
            for row in rows:
                if not (isinstance(row, dict)
                        and all(type(row.get(c)) is int for c in references)
                        and all(isinstance(v, Decimal)
                            for c, v in row.items() if c not in references)):
                    raise payload_.Unreadable(name)
        try:
            self.get_amounts(totals)
        except KeyError as exception:
            raise payload_.Unreadable(str(exception)) from exception

    def check(self, entries, forest):
        """Yield (entry, reason) for each entry, before anything is written

        The reason is None if it can be done, a Rejection, or a set of what it
        waits for.
        """
        self.open_dates = {}
        for entry in entries:
            try:
                yield entry, self.check_entry(entry, forest) or None
            except Rejection as rejection:
                yield entry, rejection

    def check_entry(self, entry, forest):
        """Return the set of what the entry waits for, raise Rejection"""
        tree = entry.payload['record']
        if tree['model'] != self.model:
            raise Rejection('unreadable', what=tree['model'])
        self.check_keys(entry, forest)
        return forest.check(tree)

    def get_dates(self, entry):
        "Return the dates at which something is posted"
        return []

    def check_periods(self, entry):
        "Raise Rejection if nothing can be posted at one of the dates"
        company = entry.document.branch.company
        for date in self.get_dates(entry):
            if type(date) is not dt.date:
                raise Rejection('unreadable', what='date')
            key = company.id, date
            if key not in self.open_dates:
                self.open_dates[key] = self.is_open(company, date)
            if not self.open_dates[key]:
                raise Rejection('closed_period', date=date.isoformat())

    def is_open(self, company, date):
        "Return True if accounting and stock are open at the date"
        pool = Pool()
        Period = pool.get('account.period')
        StockPeriod = pool.get('stock.period')
        try:
            Period.find(company, date=date)
        except UserError:
            return False
        return not StockPeriod.search([
                ('company', '=', company.id),
                ('state', '=', 'closed'),
                ('date', '>=', date),
                ], limit=1, order=[])

    def check_keys(self, entry, forest):
        "Raise Rejection if what the document makes is there already"
        for node in payload_.walk(entry.payload['record']):
            if (isinstance(node['key'], int)
                    or forest.get(node['model'], node['key'])):
                raise Rejection('identity_taken', model=node['model'])

    def replay(self, entries, forest):
        """Do what the documents say and return the records, in order

        Raise Rejection with the document at fault where it is known.
        """
        records = self.create(entries, forest)
        self.complete(entries, records)
        self.verify(entries, records, forest)
        self.prepare(entries, records)
        return records

    def create(self, entries, forest):
        "Return the records made of the trees, linked to their identities"
        pool = Pool()
        Model = pool.get(self.model)
        trees = [entry.payload['record'] for entry in entries]
        records = Model.create([
                forest.get_values(tree, self.owned) for tree in trees])
        self.link(zip(trees, records, strict=True), forest)
        to_write = defaultdict(list)
        for tree in trees:
            for model, id_, values in forest.get_inner_values(tree):
                to_write[model].extend([[pool.get(model)(id_)], values])
        for model, args in to_write.items():
            pool.get(model).write(*args)
        return Model.browse(records)

    def link(self, pairs, forest):
        "Keep the identities of what was made, as (tree, record)"
        pool = Pool()
        Link = pool.get('offline_sales.link')
        made = []
        for tree, record in pairs:
            made.extend(_match(tree, record))
        for model, key, id_ in made:
            forest.add(model, key, id_)
        Link.learn(made)

    def complete(self, entries, records):
        "Bring the records to their final state"

    def prepare(self, entries, records):
        "Make what follows from the records, but post nothing"

    def get_stock_moves(self, records):
        "Return the moves of goods, done, that were made for the records"
        return []

    def conclude(self, document):
        "Keep with the document what a person should know of what was done"

    def post(self, documents):
        "Post what was prepared"

    def verify(self, entries, records, forest):
        "Raise Rejection if what came out is not what the payloads say"
        self.verify_values(entries, forest)
        for entry, record in zip(entries, records, strict=True):
            with about(entry.document):
                self.verify_totals(entry, record)

    def verify_values(self, entries, forest):
        """Raise Rejection if a value is kept other than it was sent

        A default, a context or another module may have changed it on the way.
        """
        pool = Pool()
        expected = defaultdict(dict)
        names = defaultdict(set)
        for entry in entries:
            for node in payload_.walk(entry.payload['record']):
                model = node['model']
                values = forest.get_own_values(node, self.owned)
                id_ = forest.get(model, node['key'])
                expected[model][id_] = (entry.document, values)
                names[model] |= values.keys()
        for model, by_id in expected.items():
            columns = forest.schema.get_columns(model)
            rows = pool.get(model).read(list(by_id), list(names[model]))
            for row in rows:
                document, values = by_id[row['id']]
                for name, value in values.items():
                    found = row[name]
                    if columns[name].kind == 'many2many':
                        found = sorted(found)
                    if _plain(found) != _plain(value):
                        raise Rejection(
                            'value_changed', document, model=model, field=name,
                            expected=show(value), found=show(found))

    def verify_totals(self, entry, record):
        "Raise Rejection if a total is not that of the branch"
        totals = entry.payload['totals']
        accepted = self.acceptable & entry.document.get_accepted(
            self.acceptable)
        differences = {}
        for name, found in self.get_totals(record).items():
            if name in accepted or (
                    name in self.later_totals and name not in totals):
                continue
            if name in self.totals_references:
                found = self._sort_rows(name, found)
            if _plain(totals.get(name)) != _plain(found):
                differences[name] = totals.get(name), found
        for name, (expected, found) in differences.items():
            # Whoever accepts one is shown all
            raise Rejection(
                self.get_total_code(name, expected, found),
                entry.document, total=name,
                expected=show(self.describe(name, expected)),
                found=show(self.describe(name, found)),
                totals=list(differences),
                others="".join(
                    f"\n{other}: {show(self.describe(other, values[0]))} → "
                    f"{show(self.describe(other, values[1]))}"
                    for other, values in differences.items()
                    if other != name))

    def get_total_code(self, name, expected, found):
        "Return the code of the rejection because of the total"
        return self.total_codes.get(name, 'total_changed')

    def describe(self, name, total):
        "Return the total with the names of what it refers to"
        pool = Pool()
        models = self.totals_references.get(name)
        if not models:
            return total
        return [{
                key: pool.get(models[key])(value).rec_name
                if key in models else value
                for key, value in row.items()} for row in total]

    # Repair

    def get_schema(self):
        "Return the definitions of what a payload holds"
        return tree_.Schema()

    def void(self, document):
        "Do what follows from that the document, which is read, is voided"

    def is_linkable(self, contents):
        "Return if what the contents make may be a customer who is here"
        return False

    def get_difference(self, document, contents):
        "Return the cash that has to be booked if the totals are accepted"
        return Decimal(0)

    def accept(self, document, contents, transfer_type):
        "Return the contents with what follows from accepting the totals"
        return contents

    def get_amounts(self, totals):
        """Return the values of the rows of the journal's amounts

        totals: those of get_totals, by local ids.
        """
        return []


class about:
    "Name the document of the rejections raised in the context"

    def __init__(self, document):
        self.document = document

    def __enter__(self):
        return self

    def __exit__(self, type_, value, traceback):
        if isinstance(value, Rejection) and value.document is None:
            value.document = self.document


def _match(tree, record):
    """Yield (model, key, id) for the tree and the record made of it

    Children were created in their order, so they have growing ids.
    """
    yield tree['model'], tree['key'], record.id
    for name, trees in tree['children'].items():
        children = sorted(getattr(record, name), key=lambda r: r.id)
        if len(children) != len(trees):
            raise Rejection(
                'value_changed', model=tree['model'], field=name,
                expected=len(trees), found=len(children))
        for child, child_tree in zip(children, trees, strict=True):
            yield from _match(child_tree, child)


def _plain(value):
    "Return the value in a form that compares with the one of the other side"
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value == '':
        return None
    return value


def show(value):
    "Return the value as words of a reason"
    if isinstance(value, dict):
        return " ".join(show(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return ", ".join(show(v) for v in value)
    return '' if value is None else str(value)
