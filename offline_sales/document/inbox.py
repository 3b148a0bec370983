# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Documents at the central: received and answered for

What arrives is kept, whatever it says, and the receipt is committed before it
is answered: from then on the work of the branch is safe.
"""
from collections import defaultdict

from trytond import config
from trytond.pool import Pool, PoolMeta
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from ..exceptions import Rejection
from ..routes import procedure
from ..wire import Malformed
from . import durability
from . import payload as payload_
from .tree import Forest, find

MAX_SIZE = 16 * 1024 * 1024
MAX_COUNT = 1000
# Seconds that a branch that asks is kept waiting for the processing
STATUS_BUDGET = 4


def has_worker():
    return config.getboolean('queue', 'worker', default=False)


@procedure('documents', max_size=MAX_SIZE)
def documents(branch, params):
    """Keep the documents and return what the branch shall know of them

    params: documents, a list of {uuid, kind, sha256, payload}.
    The result: receipts, {state, reason, counted} by identity, and totals, the
    control totals of those that are counted: they are kept here and can be
    read.
    """
    pool = Pool()
    Document = pool.get('offline_sales.document')
    entries = params.get('documents')
    if not isinstance(entries, list) or len(entries) > MAX_COUNT:
        raise Malformed('documents')
    for entry in entries:
        _check_entry(entry)
    return Document.receive(branch, entries)


def _check_entry(entry):
    if not (isinstance(entry, dict)
            and all(isinstance(entry.get(name), str)
                for name in ['uuid', 'kind', 'sha256', 'payload'])):
        raise Malformed('document')
    uuid, payload = entry['uuid'], entry['payload']
    if not (uuid.isascii() and uuid.isprintable() and 16 <= len(uuid) <= 64):
        raise Malformed('uuid')
    try:
        payload.encode('utf-8')
    except UnicodeEncodeError:
        raise Malformed('payload') from None
    if '\0' in payload:
        raise Malformed('payload')


@procedure('status', max_size=MAX_SIZE, readonly=True)
def status(branch, params):
    """Process for a while if no worker does, and tell what became of the
    documents

    params: documents, their SHA-256 by identity.
    The result: documents, {state, reason, processed, records} by identity;
    working, whether there will soon be more to say.
    """
    pool = Pool()
    Document = pool.get('offline_sales.document')
    asked = params.get('documents')
    if (not isinstance(asked, dict) or len(asked) > MAX_COUNT
            or not all(isinstance(v, str) for v in asked.values())):
        raise Malformed('documents')
    if asked and not has_worker():
        Document.process([branch], budget=STATUS_BUDGET)
    # Not in the transaction of the request: that began before
    with Transaction().new_transaction(readonly=True):
        return Document.report(branch, asked)


class Document(metaclass=PoolMeta):
    __name__ = 'offline_sales.document'

    @classmethod
    @without_check_access
    def receive(cls, branch, entries):
        "See documents"
        receipts = {}
        names = {}
        for entry in entries:
            uuid = entry['uuid']
            if names.get(uuid, entry)['sha256'] != entry['sha256']:
                raise Malformed('documents')
            if payload_.digest(entry['payload']) != entry['sha256']:
                receipts[uuid] = _answer('unknown', Rejection('damaged'))
            else:
                names[uuid] = entry
        cls._keep(branch, names.values())
        kept = cls._get_kept(branch, {
                uuid: entry['sha256'] for uuid, entry in names.items()})
        contents = []
        for uuid, document in kept.items():
            receipts[uuid] = document.get_answer()
            try:
                contents.append(document.get_contents())
            except payload_.Unreadable:
                continue
            receipts[uuid]['counted'] = True
        return {
            'receipts': receipts,
            'totals': payload_.control_totals(contents),
            }

    @classmethod
    def _keep(cls, branch, entries):
        """Keep the documents that are not there yet

        One with the identity of another and other contents is kept beside it,
        rejected.
        """
        known = {}
        uuids = [e['uuid'] for e in entries]
        contradictions = [_contradict(e['uuid'], e['sha256']) for e in entries]
        for sub_uuids in grouped_slice(uuids + contradictions, 1000):
            known.update((d.uuid, d) for d in cls.search([
                        ('uuid', 'in', list(sub_uuids))]))
        new, contradicting = [], []
        for entry in entries:
            document = known.get(entry['uuid'])
            if not document:
                new.append(entry)
            elif ((document.branch, document.sha256)
                    != (branch, entry['sha256'])
                    and _contradict(entry['uuid'], entry['sha256'])
                    not in known):
                contradicting.append((entry, document))
        to_create = cls._get_received(branch, new)
        for entry, original in contradicting:
            values, = cls._get_received(branch, [entry])
            to_create.append({
                    **values,
                    'uuid': _contradict(entry['uuid'], entry['sha256']),
                    'state': 'rejected',
                    'reason_code': 'contents_changed',
                    'reason_params': {},
                    'original': (
                        original.id if original.branch == branch else None),
                    })
        durability.ensure()
        received = []
        for sub_values in grouped_slice(to_create, 100):
            received.extend(cls.create(list(sub_values)))
        received = [d for d in received if d.state == 'received']
        if received and has_worker():
            with Transaction().set_context(queue_batch=100):
                cls.__queue__.process_received(received)

    @classmethod
    def _get_kept(cls, branch, asked):
        "Return the documents of the branch by the identity and SHA-256 asked"
        names = {}
        for uuid, sha256 in asked.items():
            names[uuid] = names[_contradict(uuid, sha256)] = uuid
        kept = {}
        for sub_names in grouped_slice(names, 1000):
            for document in cls.search([
                        ('uuid', 'in', list(sub_names)),
                        ('branch', '=', branch.id),
                        ]):
                uuid = names[document.uuid]
                if document.sha256 == asked[uuid]:
                    kept[uuid] = document
        return kept

    @classmethod
    def _get_received(cls, branch, entries):
        "Return the values of the documents to keep"
        pool = Pool()
        Contact = pool.get('offline_sales.contact')
        read = {}
        for entry in entries:
            try:
                read[entry['uuid']] = cls.read_contents(
                    entry['uuid'], entry['kind'], entry['payload'])
            except payload_.Unreadable as exception:
                read[entry['uuid']] = Rejection(
                    'unreadable', what=str(exception)[:100])
        headers = Headers(
            branch, [c for c in read.values() if not isinstance(c, Rejection)])
        now = cls._now()
        offset = Contact.of(branch).clock_offset
        return [{
                'uuid': entry['uuid'],
                'branch': branch.id,
                'kind': (
                    entry['kind'] if entry['kind'] in cls.get_adapters()
                    else 'unknown'),
                'payload': entry['payload'],
                'sha256': entry['sha256'],
                'sent': now,
                'received': now,
                'clock_offset': offset,
                **headers.get_values(read[entry['uuid']]),
                } for entry in entries]

    @classmethod
    @without_check_access
    def report(cls, branch, asked):
        "See status"
        kept = cls._get_kept(branch, asked)
        trees = {
            d: d.get_repaired()['record'] for d in kept.values()
            # What was erased speaks of nothing any more
            if d.state == 'processed' and d.payload}
        forest = Forest(trees.values())
        answers = {}
        for uuid in asked:
            document = kept.get(uuid)
            if not document:
                answers[uuid] = _answer('unknown')
                continue
            answers[uuid] = document.get_answer()
            if document.state == 'processed':
                answers[uuid]['processed'] = document.processed
                answers[uuid]['records'] = {}
            if document in trees:
                answers[uuid]['records'] = {
                    node['key']: [
                        node['model'], forest.get(node['model'], node['key'])]
                    for node in payload_.walk(trees[document])
                    if isinstance(node['key'], str)}
        return {
            'documents': answers,
            'working': bool(cls.search([
                        ('branch', '=', branch.id),
                        ('state', 'in', ['received', 'prepared']),
                        ('reason_code', '=', None),
                        ], limit=1, order=[])),
            }

    def get_answer(self):
        "Return what the branch is told of the document"
        reason = None
        if self.reason_code:
            params = dict(self.reason_params or {})
            if self.reason_code == 'fault':
                # Its text may hold what is not the branch's
                params['message'] = params['message'].partition(':')[0]
            reason = Rejection(self.reason_code, **params)
        return _answer(self.state, reason)


def _answer(state, reason=None):
    return {
        'state': state,
        'reason': {
            'code': reason.code,
            'params': reason.params,
            } if reason else None,
        'counted': False,
        }


def _contradict(uuid, sha256):
    "Return the identity of contents that contradict those of the identity"
    return f'{uuid}:{sha256}'


class Headers:
    "What the journal shows of documents that were received"

    def __init__(self, branch, contents):
        pool = Pool()
        self.adapters = pool.get('offline_sales.document').get_adapters()
        self.currency = branch.company.currency
        self.found = self._find(contents)

    def _find(self, contents):
        pool = Pool()
        ids = defaultdict(set)
        for values in contents:
            adapter = self.adapters[values['kind']]
            for name, model in adapter.header_references.items():
                ids[model].add(values['header'].get(name))
            for name, references in adapter.totals_references.items():
                for row in values['totals'][name]:
                    for column, model in references.items():
                        ids[model].add(row[column])
        return {
            model: find(pool.get(model), [k for k in keys if type(k) is int])
            for model, keys in ids.items()}

    def get_values(self, contents):
        "Return the values of the journal's columns, or why it is rejected"
        if isinstance(contents, Rejection):
            return self._reject(contents)
        adapter = self.adapters[contents['kind']]
        header, totals = contents['header'], contents['totals']
        values = {
            'number': header.get('number'),
            'date': header.get('date'),
            'moment': header['moment'],
            'clock_jump': header.get('clock_jump'),
            'state': 'received',
            }
        for name, model in adapter.header_references.items():
            if header.get(name) in self.found[model]:
                values[name] = header[name]
        try:
            values['total'] = self._round(totals.get('total'))
            values['tax'] = self._round(totals.get('tax'))
            values['amounts'] = [('create', [
                        self._get_amount(row, adapter)
                        for row in adapter.get_amounts(totals)])]
        except Rejection as rejection:
            values.update(self._reject(rejection))
        return values

    def _get_amount(self, row, adapter):
        for references in adapter.totals_references.values():
            for column, model in references.items():
                if column in row and row[column] not in self.found[model]:
                    raise Rejection(
                        'missing_record', model=model, id=row[column])
        return {
            name: self._round(value) if name in {'base', 'amount'} else value
            for name, value in row.items()}

    def _round(self, amount):
        if amount is not None and self.currency.round(amount) != amount:
            raise Rejection('unreadable', what=str(amount)[:50])
        return amount

    def _reject(self, rejection):
        return {
            'state': 'rejected',
            'reason_code': rejection.code,
            'reason_params': rejection.params,
            }
