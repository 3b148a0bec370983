# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Documents at the branch: captured with what they are of, sent, settled"""
import datetime as dt
import logging
import random
import time
from collections import Counter, defaultdict
from uuid import uuid4

from sql import Cast, Null
from sql.conditionals import Coalesce
from sql.functions import CharLength
from sql.operators import Concat

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import grouped_slice
from trytond.transaction import (
    Transaction, inactive_records, without_check_access)
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .. import wire
from ..catalog.catalog import CUSTOMER
from ..client import Client, delay
from ..exceptions import (
    CentralError, DocumentError, Rejection, TotalsDiffer)
from . import customer, durability
from . import payload as payload_

logger = logging.getLogger(__name__)

REQUEST_COUNT = 250
REQUEST_SIZE = 1024 * 1024
STATUS_COUNT = 500
POLL = .5
# Seconds by which a clock may be put right in passing
CLOCK_TOLERANCE = 60
# The seconds between two tries by schedule, from the first failure on
RETRY = 60
RETRY_MOST = 900
# Documents whose problem is told in words
TOLD = 5


class Document(metaclass=PoolMeta):
    __name__ = 'offline_sales.document'

    # Capture

    @classmethod
    @without_check_access
    @inactive_records
    def capture(cls, kind, records, extra=None):
        """Keep what the records say now, to be sent

        In the transaction of the records: both are there or none.
        extra: what else the payloads say, by the ids of the records.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if not records:
            return
        branch = Configuration.get_branch()
        adapter = cls.get_adapter(kind)
        moment = cls._now()
        jumps = [cls._notice_jump(moment)] + [None] * (len(records) - 1)
        documents = cls.create([
                cls._capture_values(
                    branch, adapter, record, moment, jump,
                    (extra or {}).get(record.id))
                for record, jump in zip(records, jumps, strict=True)])
        durability.ensure()
        cls.spool([d.get_spooled() for d in documents])

    @classmethod
    def _capture_values(
            cls, branch, adapter, record, moment, jump, extra=None):
        uuid = str(uuid4())
        values = {
            **adapter.get_payload(uuid, record, moment, jump),
            **(extra or {})}
        text = payload_.dump(values)
        totals = adapter.get_totals(record)
        return {
            'uuid': uuid,
            'branch': branch.id,
            'kind': adapter.kind,
            'record': str(record),
            **adapter.get_header(record),
            'moment': moment,
            'clock_jump': jump,
            'total': totals.get('total'),
            'tax': totals.get('tax'),
            'amounts': [('create', adapter.get_amounts(totals))],
            'payload': text,
            'sha256': payload_.digest(text),
            'state': 'pending',
            }

    @classmethod
    def _notice_jump(cls, moment):
        """Return the seconds by which the clock was set back since the last
        document, None if it was not"""
        for last in cls.search([], order=[('id', 'DESC')], limit=1):
            seconds = int((last.moment - moment).total_seconds())
            if seconds > CLOCK_TOLERANCE:
                logger.warning(
                    "the clock was set back by %s seconds", seconds)
                return seconds

    @classmethod
    @without_check_access
    def withdraw(cls, kind, records):
        """Take back the documents of the records

        They stay, withdrawn, as the trace of their numbers. Raise an error if
        the central may have one of them.
        """
        if not records:
            return
        documents = cls.search([
                ('kind', '=', kind),
                ('record', 'in', list(map(str, records))),
                ('state', '!=', 'withdrawn'),
                ])
        # Who sends marks the document first: one of both comes too late
        free = cls.lock_in(list(map(int, documents)), 'pending', tried=None)
        for document in documents:
            if document.id not in free:
                raise DocumentError(gettext(
                        'offline_sales.msg_document_sent',
                        document=document.rec_name))
        cls._take_back(documents)

    @classmethod
    def _take_back(cls, documents):
        cls.write(documents, {'state': 'withdrawn', 'spooled': False})
        durability.ensure()
        cls.spool([d.get_spooled() for d in documents])

    @classmethod
    @without_check_access
    def begin_customers(cls, ids):
        """Return what the payload shall say of what was before, by the ids of
        customers that are about to be changed

        base: the tree that the branch had, None of a new customer; after: the
        identity of the document that is done before, None without.
        What was not sent yet is taken back: one document will say it all.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Link = pool.get('offline_sales.link')
        Party = pool.get(CUSTOMER)
        company = Configuration.get_branch().company.id
        known = Link.to_wire(CUSTOMER, ids)
        Link.identify(Party.browse(list(ids - known.keys())))
        before = {}
        for id_ in ids:
            previous = cls._get_previous_customer(id_)
            if previous and cls.lock_in(
                    [previous.id], 'pending', tried=None):
                cls._take_back([previous])
                contents = previous.get_contents()
                before[id_] = {
                    name: contents[name] for name in ['base', 'after']}
            elif previous or isinstance(known.get(id_), int):
                base = customer.read([id_], company)[id_]
                customer.export(base)
                before[id_] = {
                    'base': base,
                    'after': previous.uuid if previous else None,
                    }
            else:
                before[id_] = {'base': None, 'after': None}
        return before

    @classmethod
    def _get_previous_customer(cls, id_):
        "Return the last document of the customer that is in force"
        documents = cls.search([
                ('record', '=', f'{CUSTOMER},{id_}'),
                ('kind', '=', 'party'),
                ('state', 'not in', ['withdrawn', 'voided']),
                ], order=[('id', 'DESC')], limit=1)
        return documents[0] if documents else None

    @classmethod
    def capture_customers(cls, before):
        """Capture the customers that were changed

        before: what begin_customers returned.
        """
        pool = Pool()
        Party = pool.get(CUSTOMER)
        adapter = cls.get_adapter('party')
        parties = [
            party for party in Party.browse(list(before))
            if adapter.is_changed(party, before[party.id]['base'])]
        cls.capture('party', parties, extra=before)

    @classmethod
    def get_unsettled_customers(cls, after=None):
        """Return the ids by model of the customers, and of their parts, that
        were changed here and are not settled

        after: the id of the document since which it does not matter if they
        are settled, None for none.
        """
        domain = [('state', 'in', ['pending', 'sent', 'rejected'])]
        if after is not None:
            domain = ['OR', domain, ('id', '>', after)]
        return customer.find_local(cls.search(
                [('kind', '=', 'party'), domain], order=[]))

    @classmethod
    def capture_missed(cls):
        """Capture what is in its final state and has no document

        There should be none: what is done is captured at once.
        """
        pool = Pool()
        cursor = Transaction().connection.cursor()
        for adapter in cls.get_adapters().values():
            if not adapter.final_state:
                continue
            Model = pool.get(adapter.model)
            table = Model.__table__()
            document = cls.__table__()
            cursor.execute(*table
                .join(document, 'LEFT',
                    condition=(document.record == Concat(
                            f'{adapter.model},',
                            Cast(table.id, cls.number.sql_type().base)))
                    & (document.kind == adapter.kind)
                    & (document.state != 'withdrawn'))
                .select(table.id,
                    where=(table.state == adapter.final_state)
                    & (document.id == Null)))
            if missed := [id_ for id_, in cursor]:
                logger.warning(
                    "%s without document: %s", adapter.model, missed)
                cls.capture(adapter.kind, Model.browse(missed))

    # Send

    @classmethod
    @without_check_access
    def send(cls, wait=0):
        """Send what is pending, ask what became of what was sent, and return
        the Delivery

        wait: seconds to wait for the central to process.
        Nothing may have been written in the current transaction: each step has
        one of its own, and no lock is held while the central is asked. Raise
        CentralError; what was done until then holds.
        """
        delivery = Delivery()
        with Client.from_configuration() as client:
            with Transaction().new_transaction():
                cls.capture_missed()
            cls.spool_missed()
            # Nothing is marked as tried if nobody is there
            cls._doubt(client.heartbeat().get('restored'))
            cls._ask(client, ['sent', 'rejected'])
            tried = set()
            while requests := cls._get_requests(tried):
                for ids in requests:
                    tried.update(ids)
                    cls._send_request(client, ids, delivery)
            deadline = time.monotonic() + wait
            while (cls._ask(client, ['sent'])
                    and time.monotonic() < deadline):
                time.sleep(POLL)
        cls._note_failures(0)
        return delivery

    @classmethod
    @without_check_access
    def send_by_schedule(cls):
        "Send what there is, later and later as long as nobody answers"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        if not Configuration.is_branch():
            return
        configuration = Configuration(1)
        now, failures = wire.utcnow(), configuration.send_failures or 0
        if failures and configuration.send_after:
            seconds = (configuration.send_after - now).total_seconds()
            # A clock that was set back makes nobody wait longer
            if 0 < seconds <= RETRY_MOST:
                return
        try:
            cls.send()
        except CentralError as error:
            seconds = delay(
                failures, random.random(), base=RETRY, most=RETRY_MOST)
            # The whole second after it, as it is stored
            after = now + dt.timedelta(seconds=seconds + 1)
            cls._note_failures(failures + 1, after.replace(microsecond=0))
            logger.warning("nothing was sent: %s", error.message)

    @classmethod
    def _note_failures(cls, failures, after=None):
        "Remember how often nobody answered and when to try again"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        # The bare table: it is no change of the configuration
        table = Configuration.__table__()
        with Transaction().new_transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(*table.update(
                    [table.send_failures, table.send_after],
                    [failures, after],
                    where=(Coalesce(table.send_failures, 0) != failures)
                    | (failures > 0)))
            changed = bool(cursor.rowcount)
        if not failures:
            Configuration.note_contact(returned=changed)

    @classmethod
    def _doubt(cls, restored):
        """Ask for all again if the central was restored from a copy, which
        may lack what had been accepted

        restored: what tells one restoration from another, None without.
        """
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        with Transaction().new_transaction():
            configuration = Configuration(1)
            if restored is None or restored == configuration.restored:
                return
            logger.warning("the central was restored from a copy")
            cls.doubt()
            configuration.restored = restored
            configuration.save()

    @classmethod
    def doubt(cls):
        """Have the central be asked of all that it accepted

        What was voided stays so: it is never done again.
        """
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.state], ['sent'],
                where=table.state == 'accepted'))

    @classmethod
    def _get_requests(cls, tried):
        """Return what is pending as lists of ids, in order, each of the size
        of a request

        tried: the ids to leave out.
        """
        requests, size = [], 0
        with Transaction().new_transaction(readonly=True) as transaction:
            cursor = transaction.connection.cursor()
            table = cls.__table__()
            cursor.execute(*table.select(
                    table.id, CharLength(table.payload),
                    where=table.state == 'pending',
                    order_by=[cls.get_kind_order(table), table.id]))
            for id_, length in cursor:
                if id_ in tried:
                    continue
                size += length
                if (not requests or size > REQUEST_SIZE
                        or len(requests[-1]) >= REQUEST_COUNT):
                    requests.append([])
                    size = length
                requests[-1].append(id_)
        return requests

    @classmethod
    def _send_request(cls, client, ids, delivery):
        with Transaction().new_transaction():
            entries, contents = cls._try(ids)
        if not entries:
            return
        result = client.call('documents', {'documents': entries})
        receipts = {
            uuid: result['receipts'].get(uuid) or {} for uuid in contents}
        counted = [
            contents[uuid] for uuid, receipt in receipts.items()
            if receipt.get('counted')]
        if result['totals'] != payload_.control_totals(counted):
            raise TotalsDiffer()
        with Transaction().new_transaction():
            cls._keep_receipts(receipts, delivery)
        delivery.add(counted)

    @classmethod
    def _try(cls, ids):
        """Mark the documents as tried and return (entries, contents) of those
        to be sent, the contents by identity

        From then on the central may have them.
        """
        documents = cls.browse(cls.lock_in(ids, 'pending'))
        entries, contents = [], {}
        for document in documents:
            if payload_.digest(document.payload) != document.sha256:
                document.state = 'rejected'
                document.set_reason(Rejection('damaged'))
                continue
            document.tried = document.tried or cls._now()
            contents[document.uuid] = document.get_contents()
            entries.append({
                    'uuid': document.uuid,
                    'kind': document.kind,
                    'sha256': document.sha256,
                    'payload': document.payload,
                    })
        cls.save(documents)
        return entries, contents

    @classmethod
    def _keep_receipts(cls, receipts, delivery):
        """Keep what the central said of what it was sent

        receipts: {state, reason} by identity; those that it said nothing of
        are sent again.
        """
        documents = cls._lock_by_uuid(receipts, 'pending')
        for document in documents:
            receipt = receipts[document.uuid]
            if not receipt:
                continue
            document.set_reason(_get_reason(receipt))
            if receipt['state'] in {'rejected', 'voided'}:
                document.state = receipt['state']
            elif receipt['state'] != 'unknown':
                document.state = 'sent'
                document.sent = cls._now()
                delivery.sent[document.kind] += 1
        cls.save(documents)

    @classmethod
    def _lock_by_uuid(cls, uuids, state):
        documents = cls.search([('uuid', 'in', list(uuids))])
        return cls.browse(cls.lock_in(list(map(int, documents)), state))

    @classmethod
    def _ask(cls, client, states):
        """Ask what became of the documents in the states

        Return True if the central will say more of them soon.
        """
        working = False
        with Transaction().new_transaction(readonly=True):
            asked = [
                (d.uuid, d.sha256) for d in cls.search(
                    [('state', 'in', states)], order=[('id', 'ASC')])]
        # Asked even for nothing: the central then is there
        slices = list(grouped_slice(asked, STATUS_COUNT)) or [[]]
        for sub_asked in slices:
            result = client.call('status', {'documents': dict(sub_asked)})
            with Transaction().new_transaction():
                for state in states:
                    cls._settle(result['documents'], state)
            working |= result['working']
        return working

    @classmethod
    def _settle(cls, answers, state):
        """Keep what the central says of documents

        answers: by identity, {state, reason, processed, records}.
        """
        pool = Pool()
        Link = pool.get('offline_sales.link')
        documents = cls._lock_by_uuid(answers, state)
        made, settled = {}, defaultdict(list)
        for document in documents:
            answer = answers[document.uuid]
            document.set_reason(_get_reason(answer))
            if answer['state'] == 'processed':
                document.state = 'accepted'
                document.processed = answer['processed']
                made.update(answer['records'])
            elif answer['state'] in {'rejected', 'voided'}:
                document.state = answer['state']
            elif answer['state'] == 'unknown':
                # A central that was restored from a copy has lost it
                document.state = 'pending'
            else:
                document.state = 'sent'
            if document.state in {'accepted', 'voided'}:
                settled[document.kind].append(document)
        cls.save(documents)
        if twins := Link.settle(made):
            logger.warning("records that are linked twice: %s", twins)
        for kind, group in settled.items():
            cls.get_adapter(kind).settle(group, twins)

    @classmethod
    @without_check_access
    def tell(cls, delivery):
        "Return in words what was sent, what waits and what needs attention"
        with Transaction().new_transaction(readonly=True):
            waiting = Counter(d.kind for d in cls.search([
                        ('state', 'in', ['pending', 'sent'])]))
            attend = cls.search([('state', '=', 'rejected')])
            rejected = Counter(d.kind for d in attend)
            problems = [
                f"- {d.rec_name}: {d.reason}" for d in attend[:TOLD]]
        if not delivery.sent and not waiting and not rejected:
            return gettext('offline_sales.msg_send_nothing')
        lines = []
        for message, counts in [
                ('msg_send_sent', delivery.sent),
                ('msg_send_waiting', waiting),
                ('msg_send_rejected', rejected)]:
            if counts:
                lines.append(gettext(
                        f'offline_sales.{message}',
                        documents=cls._tell_kinds(counts)))
        lines.extend(problems)
        if gaps := delivery.get_gaps():
            lines.append(gettext(
                    'offline_sales.msg_send_gaps',
                    numbers=", ".join(
                        " – ".join(dict.fromkeys(gap)) for gap in gaps)))
        if not waiting and not rejected:
            lines.append(gettext('offline_sales.msg_send_processed'))
        return "\n".join(lines)

    @classmethod
    def _tell_kinds(cls, counts):
        names = dict(cls.fields_get(['kind'])['kind']['selection'])
        return ", ".join(
            f"{names[kind]}: {counts[kind]}" for kind in cls.get_kinds()
            if counts[kind])


def _get_reason(answer):
    reason = answer.get('reason')
    return Rejection(reason['code'], **reason['params']) if reason else None


class Delivery:
    """What a run of sending did

    sent -- how many documents the central confirmed, by kind
    numbers -- of what both sides counted, by kind and point
    """

    def __init__(self):
        self.sent = Counter()
        self.numbers = defaultdict(list)

    def add(self, payloads):
        for values in payloads:
            if number := values['header'].get('number'):
                self.numbers[
                    values['kind'], values['header'].get('point')].append(
                        number)

    def get_gaps(self):
        "Return the first and the last of the numbers that were not sent"
        return [
            gap for numbers in self.numbers.values()
            for gap in payload_.gaps(numbers)]


class SendResult(ModelView):
    "Send My Changes to the Server"
    __name__ = 'offline_sales.document.send.result'

    message = fields.Text("Message", readonly=True)


class Send(Wizard):
    "Send My Changes to the Server"
    __name__ = 'offline_sales.document.send'
    start = StateTransition()
    result = StateView(
        'offline_sales.document.send.result',
        'offline_sales.document_send_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    WAIT = 20  # seconds

    def transition_start(self):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        # No lock is held while the central is asked
        Transaction().commit()
        try:
            self.result.message = Document.tell(Document.send(self.WAIT))
        except CentralError as error:
            self.result.message = "\n".join([
                    error.message, Document.tell(Delivery())])
        return 'result'

    def default_result(self, fields):
        return {'message': self.result.message}
