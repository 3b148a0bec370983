# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import copy
from decimal import Decimal
from uuid import uuid4

from trytond.i18n import gettext
from trytond.pool import Pool

from ..exceptions import DocumentError, Rejection
from .adapter import Adapter, about
from .payload import walk
from .tree import Forest

# Whoever accepts one accepts what follows for the others
SHOWN = ['start', 'end', 'balance']


class _Adapter(Adapter):
    model = 'sale.point.cash.session'

    def get_header(self, session):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        return {
            **super().get_header(session),
            'date': Branch.today(),
            'point': session.point.id,
            }


def _check_point(entry):
    "Raise Rejection if the session is of another point than was said"
    point = entry.payload['header'].get('point')
    if not point or entry.payload['record']['values'].get('point') != point:
        raise Rejection('unreadable', what='point')


class CashSessionAdapter(_Adapter):
    """A cash session that was opened

    At the central it never is open: its tickets attach to it all the same, and
    the open session that a point may have is left to the central's own. It
    waits, closed, for the cut.
    """
    kind = 'cash_session'
    order = 40
    owned = {
        'sale.point.cash.session': {
            'state', 'previous_session', 'end_amount'},
        }

    def check_entry(self, entry, forest):
        _check_point(entry)
        return super().check_entry(entry, forest)

    def create(self, entries, forest):
        pool = Pool()
        Session = pool.get('sale.point.cash.session')
        sessions = []
        for entry in entries:
            tree = entry.payload['record']
            session, = Session.create([{
                        **forest.get_written_values(tree, self.owned),
                        'previous_session': self.get_previous(tree, forest),
                        'end_amount': Decimal(0),
                        'state': 'closed',
                        }])
            sessions.append(session)
        self.link([
                ({**entry.payload['record'], 'children': {}}, session)
                for entry, session in zip(entries, sessions, strict=True)],
            forest)
        return sessions

    def get_previous(self, tree, forest):
        """Return the id of the session that this one follows

        That of the branch, or the point's last one if the branch knew of none
        or another follows it already: a point has one chain.
        """
        pool = Pool()
        Session = pool.get('sale.point.cash.session')
        values = tree['values']
        if key := values.get('previous_session'):
            previous = forest.get(self.model, key)
            if not Session.search([('previous_session', '=', previous)]):
                return previous
        last = Session.search([
                ('point', '=', values.get('point')),
                ('next_session', '=', None),
                ], limit=1)
        return last[0].id if last else None

    def verify_values(self, entries, forest):
        # The transfers come with the cut
        super().verify_values([
                entry._replace(payload={
                        **entry.payload,
                        'record': {**entry.payload['record'], 'children': {}},
                        }) for entry in entries], forest)


class CashCutAdapter(_Adapter):
    """A cash session that was counted and closed

    It comes after all the documents whose cash it counts.
    """
    kind = 'cash_cut'
    order = 90
    owned = {
        'sale.point.cash.session': {'state', 'previous_session', 'point'},
        'sale.point.cash.transfer': {'move', 'state'},
        }
    posted = True
    dates = {
        'sale.point.cash.transfer': {'date'},
        }
    acceptable = frozenset(SHOWN)

    def get_totals(self, session):
        return {
            'start': session.start_amount,
            'end': session.end_amount,
            'balance': session.balance,
            }

    def get_extra(self, session):
        return {'documents': [d.uuid for d in self.get_documents(session)]}

    def restore(self, contents):
        "Sell no more in a session that was counted"
        pool = Pool()
        Link = pool.get('offline_sales.link')
        Session = pool.get('sale.point.cash.session')
        tree = contents['record']
        for id_ in Link.from_wire(self.model, [tree['key']]).values():
            session = Session(id_)
            if session.state == 'open':
                session.end_amount = tree['values']['end_amount']
                session.state = 'closed'
                session.save()

    def get_documents(self, session):
        "Return the documents whose cash the session counts"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        sales = {
            str(p.sale) for p in [
                *session.payments, *session.prefactura_payments]}
        return Document.search([
                ('record', 'in', list(sales)),
                ('state', '!=', 'withdrawn'),
                ], order=[('id', 'ASC')])

    def check(self, entries, forest):
        counted = set()
        for entry, reason in super().check(entries, forest):
            session = forest.get(self.model, entry.payload['record']['key'])
            if reason is None and session in counted:
                reason = Rejection('identity_taken', model=self.model)
            counted.add(session)
            yield entry, reason

    def check_keys(self, entry, forest):
        root, *transfers = walk(entry.payload['record'])
        for node in transfers:
            if (isinstance(node['key'], int)
                    or forest.get(node['model'], node['key'])):
                raise Rejection('identity_taken', model=node['model'])

    def check_entry(self, entry, forest):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        Session = pool.get('sale.point.cash.session')
        waits = super().check_entry(entry, forest)
        tree = entry.payload['record']
        session = forest.get(self.model, tree['key'])
        if not session:
            waits.add((self.model, tree['key']))
            return waits
        _check_point(entry)
        if Session(session).point.id != entry.payload['header']['point']:
            raise Rejection('unreadable', what='point')
        self.check_session(entry, Session(session))
        self.check_periods(entry)
        uuids = entry.payload.get('documents')
        if not isinstance(uuids, list):
            raise Rejection('unreadable', what='documents')
        settled = {d.uuid for d in Document.search([
                    ('uuid', 'in', uuids),
                    ('branch', '=', entry.document.branch.id),
                    ('state', 'in', ['prepared', 'processed', 'voided']),
                    ])}
        waits.update(
            (Document.__name__, uuid) for uuid in uuids if uuid not in settled)
        return waits

    def get_dates(self, entry):
        return [
            node['values'].get('date')
            for node in walk(entry.payload['record'])
            if node['model'] == 'sale.point.cash.transfer']

    def check_session(self, entry, session):
        "Raise Rejection if the branch may not count the session, or has"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        done = Document.search([
                ('record', '=', str(session)),
                ('branch', '=', entry.document.branch.id),
                ('kind', 'in', ['cash_session', self.kind]),
                ('state', 'in', ['prepared', 'processed']),
                ])
        kinds = {document.kind for document in done}
        if self.kind in kinds:
            raise Rejection('identity_taken', model=self.model)
        if not kinds:
            raise Rejection('unreadable', what='session')
        if session.state == 'posted':
            raise Rejection('session_posted')

    def create(self, entries, forest):
        pool = Pool()
        Session = pool.get('sale.point.cash.session')
        sessions = Session.browse([
                forest.get(self.model, entry.payload['record']['key'])
                for entry in entries])
        for entry, session in zip(entries, sessions, strict=True):
            tree = entry.payload['record']
            Session.write(
                [session], forest.get_written_values(tree, self.owned))
            for name, children in tree['children'].items():
                self.create_children(session, name, children, forest)
        return Session.browse(sessions)

    def create_children(self, session, name, trees, forest):
        pool = Pool()
        field = session._fields[name]
        Child = pool.get(field.model_name)
        values = [
            {**forest.get_values(tree, self.owned), field.field: session.id}
            for tree in trees]
        if Child.__name__ == 'sale.point.cash.transfer':
            # A draft may not be of a closed session
            for value in values:
                value['state'] = 'posted'
        self.link(
            zip(trees, Child.create(values), strict=True), forest)

    def prepare(self, entries, sessions):
        pool = Pool()
        Transfer = pool.get('sale.point.cash.transfer')
        Transfer.prepare_posting([
                t for session in sessions for t in session.transfers])

    def verify_totals(self, entry, session):
        totals = entry.payload['totals']
        if entry.document.is_accepted():
            totals = dict(totals, start=session.start_amount)
        with about(entry.document):
            if not entry.document.is_accepted():
                self.check_start(entry, session)
            if session.end_amount - totals['start'] != session.balance:
                raise Rejection(
                    'balance', start=str(totals['start']),
                    end=str(session.end_amount), balance=str(session.balance),
                    totals=SHOWN)
        expected = dict(totals, start=session.start_amount)
        super().verify_totals(
            entry._replace(payload={**entry.payload, 'totals': expected}),
            session)

    def check_start(self, entry, session):
        """Raise Rejection if the drawer did not begin with what the cut before
        it left

        A cut before that is still to come says nothing: one day waits for no
        other.
        """
        start = entry.payload['totals']['start']
        previous = session.previous_session
        if ((not previous or previous.is_counted())
                and session.start_amount != start):
            raise Rejection(
                'start_changed', expected=str(start),
                found=str(session.start_amount), totals=SHOWN)

    def post(self, documents):
        pool = Pool()
        Move = pool.get('account.move')
        Move.post([
                t.move for document in documents
                for t in document.record.transfers
                if t.move.state == 'draft'])

    def conclude(self, document):
        self.note_next(document.record)

    def note_next(self, session):
        "Have a person look at the next cut if it began with other cash"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        if not session.next_session:
            return
        following = session.__class__(session.next_session.id)
        for cut in Document.search([
                    ('record', '=', str(following)),
                    ('kind', '=', self.kind),
                    ('state', 'in', ['prepared', 'processed']),
                    ]):
            start = cut.get_repaired()['totals']['start']
            if start != following.start_amount and not cut.is_accepted():
                cut.set_reason(Rejection(
                        'start_changed', expected=str(start),
                        found=str(following.start_amount)))
                cut.attention = True
                cut.save()

    # Repair

    def void(self, document):
        "What should be in the drawer stands for what is not counted"
        pool = Pool()
        Session = pool.get('sale.point.cash.session')
        tree = document.get_repaired()['record']
        if id_ := Forest([tree]).get(self.model, tree['key']):
            document.record = f'{self.model},{id_}'
            document.save()
            Session(id_).presume()

    def get_difference(self, document, contents):
        """Return by how much the cash that was counted is more than what the
        central knows of"""
        pool = Pool()
        Session = pool.get('sale.point.cash.session')
        tree = contents['record']
        id_ = Forest([tree]).get(self.model, tree['key'])
        end = tree['values'].get('end_amount')
        if not id_ or end is None:
            return Decimal(0)
        session = Session(id_)
        transfers = sum(
            child['values'].get('amount') or 0
            for child in tree['children'].get('transfers', []))
        return end - session.start_amount - session.balance - transfers

    def accept(self, document, contents, transfer_type):
        "The difference becomes a transfer: what was counted stands"
        difference = self.get_difference(document, contents)
        if not difference:
            return contents
        if not transfer_type:
            raise DocumentError(
                gettext('offline_sales.msg_repair_transfer_type'))
        contents = copy.deepcopy(contents)
        header, tree = contents['header'], contents['record']
        tree['children'].setdefault('transfers', []).append({
                'model': 'sale.point.cash.transfer',
                'key': str(uuid4()),
                'values': {
                    'point': header['point'],
                    'type': transfer_type.id,
                    'amount': difference,
                    'date': header['date'],
                    },
                'children': {},
                })
        return contents
