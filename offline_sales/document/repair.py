# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Documents that the central set aside, repaired by a person

What the branch said is never changed: a repair is a second payload beside the
first, with who made it, when and why. Whatever it says is checked as if the
branch had sent it, but for the differences that the person accepts.
"""
import copy

from sql import Null
from sql.operators import Equal

from trytond.i18n import gettext
from trytond.model import Exclude, ModelSQL, ModelView, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval
from trytond.transaction import (
    Transaction, check_access, without_check_access)
from trytond.wizard import Button, StateTransition, StateView, Wizard

from ..exceptions import DocumentError, Rejection
from . import durability
from . import payload as payload_
from .describe import describe, write
from .inbox import Headers
from .payload import Unreadable, walk
from .tree import parse_key, put

# Seconds that the person waits for the outcome
BUDGET = 10
# What names where and by whom it was sold is not changed
KEPT = {'company.company', 'offline_sales.document', 'sale.point'}
RAW_SIZE = 10_000


def replace(contents, adapter, references):
    """Return the contents with records in place of others

    references: the ids of the records to put, by (model, key).
    """
    contents = copy.deepcopy(contents)
    schema = adapter.get_schema()
    nodes = [
        node for node in walk(contents['record'])
        if schema.get_model(node['model'])]
    for node, column, model, key in list(schema.get_references(nodes)):
        if (model, key) in references:
            put(node, column, model, references[model, key])
    for node, column, keys in list(schema.get_related(nodes)):
        node['values'][column.name] = sorted(
            (references.get((column.target, key), key) for key in keys),
            key=lambda key: (isinstance(key, str), key))
    header, totals = contents['header'], contents['totals']
    for name, model in adapter.header_references.items():
        header[name] = references.get(
            (model, header.get(name)), header.get(name))
    for name, columns in adapter.totals_references.items():
        totals[name] = adapter.merge_rows(name, [{
                    **row,
                    **{column: references.get((model, row[column]),
                            row[column])
                        for column, model in columns.items()},
                    } for row in totals[name]])
    return contents


def renumber(contents, number):
    "Return the contents with another number"
    contents = copy.deepcopy(contents)
    contents['header']['number'] = number
    contents['record']['values']['number'] = number
    return contents


def redate(contents, adapter, date):
    "Return the contents as of another date"
    contents = copy.deepcopy(contents)
    contents['header']['date'] = date
    for node in walk(contents['record']):
        for name in adapter.dates.get(node['model'], ()):
            if node['values'].get(name):
                node['values'][name] = date
    return contents


class Repair(ModelSQL, ModelView):
    """Repair of a Document

    What a person decided about a document that was set aside.
    """
    __name__ = 'offline_sales.document.repair'

    document = fields.Many2One(
        'offline_sales.document', "Document", required=True, readonly=True,
        ondelete='RESTRICT')
    action = fields.Selection([
            ('repair', "Repaired"),
            ('retry', "Tried Again"),
            ('void', "Voided"),
            ], "Action", required=True, readonly=True, sort=False)
    user = fields.Many2One('res.user', "User", readonly=True)
    moment = fields.DateTime("Moment", required=True, readonly=True)
    reason = fields.Text("Why", required=True, readonly=True)
    problem = fields.Text(
        "Problem", readonly=True, help="Why the document was set aside.")
    changes = fields.Text("Changes", readonly=True)
    accept = fields.Boolean(
        "Difference Accepted", readonly=True,
        help="What was charged is posted, whatever would be computed now.")
    accepted = fields.Char(
        "Accepted Totals", readonly=True, strip=False,
        states={
            'invisible': ~Eval('accept'),
            },
        help="The names of the totals whose differences were shown.")
    party = fields.Many2One(
        'party.party', "Linked Customer", readonly=True,
        states={
            'invisible': ~Eval('party'),
            },
        help="The customer that the branch's is.")
    payload = fields.Text(
        "Contents", readonly=True, strip=False,
        help="What is done instead of what the branch sent.")
    sha256 = fields.Char("SHA-256", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('document')
        cls._order = [('id', 'DESC')]

    @classmethod
    def check_modification(cls, mode, repairs, values=None, external=False):
        super().check_modification(
            mode, repairs, values=values, external=external)
        if mode != 'create' or external:
            raise AccessError(gettext('offline_sales.msg_repair_frozen'))

    def get_rec_name(self, name):
        return f"{self.document.rec_name} {self.moment}"

    def get_params(self):
        "Return what the branch is told of the repair"
        return {
            'user': self.user.name if self.user else '',
            'reason': self.reason,
            }


class Document(metaclass=PoolMeta):
    __name__ = 'offline_sales.document'

    repairs = fields.One2Many(
        'offline_sales.document.repair', 'document', "Repairs", readonly=True,
        states={
            'invisible': ~Eval('repairs', []),
            })
    repair = fields.Many2One(
        'offline_sales.document.repair', "Repair", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': ~Eval('repair'),
            },
        help="What it says stands in place of what was received.")
    contents = fields.Function(
        fields.Text("Contents"), 'get_contents_text')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        # A person may have given it another number here
        live = (
            (t.number != Null) & t.state.in_(cls.LIVE) & (t.repair == Null))
        cls._sql_constraints += [
            ('number_unique', Exclude(t,
                    (t.point, Equal), (t.kind, Equal), (t.number, Equal),
                    where=live),
                'offline_sales.msg_document_number_unique'),
            ('prefactura_number_unique', Exclude(t,
                    (t.branch, Equal), (t.number, Equal),
                    where=live & (t.kind == 'prefactura')),
                'offline_sales.msg_document_number_unique'),
            ]
        cls._buttons.update(
            attend={
                'invisible': (
                    (Eval('state') != 'rejected')
                    & ~(Eval('state').in_(['received', 'prepared'])
                        & Bool(Eval('reason_code')))),
                'depends': ['state', 'reason_code'],
                })

    @without_check_access
    def get_contents_text(self, name):
        "Return what the document says in words"
        try:
            contents = self.get_repaired()
        except Unreadable as exception:
            return "\n\n".join([
                    gettext(
                        'offline_sales.msg_document_unreadable',
                        what=str(exception)[:100]),
                    self.payload[:RAW_SIZE]])
        return write(describe(contents, self.get_adapter(self.kind)))

    def get_repaired(self):
        """Return the values of the payload that is to be done, raise
        Unreadable"""
        if self.repair and self.repair.payload:
            return self.read_contents(
                self.uuid, self.kind, self.repair.payload)
        return self.get_contents()

    def tell_state(self):
        "Return in words what has become of the document"
        state = self._fields['state'].get_selection_string(
            self._fields['state'].get_selection(
                self.__class__, 'state', self), self.state)
        return "\n".join(filter(None, [
                    f"{self.rec_name}: {state}", self.reason]))

    def is_accepted(self):
        "Return True if a person accepted that the totals differ"
        return bool(self.repair and self.repair.accept)

    def get_accepted(self, acceptable):
        """Return the names of the totals that a person accepted, which are all
        that are acceptable in repairs of former releases"""
        if not self.is_accepted():
            return frozenset()
        if self.repair.accepted is None:
            return acceptable
        return frozenset(self.repair.accepted.split())

    def get_outcome(self):
        "Return what is said of the document once it is done"
        if self.repair:
            return Rejection('repaired', **self.repair.get_params())

    @classmethod
    @ModelView.button_action('offline_sales.wizard_document_repair')
    def attend(cls, documents):
        pass

    # What a person decides

    @classmethod
    def take(cls, document):
        """Return the document, locked, if a person may decide about it

        Raise DocumentError if it was done, or voided, meanwhile. It must be
        the first that the transaction writes.
        """
        for state in ['rejected', 'received', 'prepared']:
            for taken in cls.browse(cls.lock_in([document.id], state)):
                if state == 'rejected' or taken.reason_code:
                    return taken
        raise DocumentError(gettext(
                'offline_sales.msg_repair_late', document=document.rec_name))

    @classmethod
    def decide(cls, document, action, reason, contents=None, **values):
        """Keep what a person decided about the document

        action: of Repair. contents: of the second payload.
        Raise DocumentError.
        """
        pool = Pool()
        Repair = pool.get('offline_sales.document.repair')
        reason = (reason or '').strip()
        if not reason:
            raise DocumentError(gettext('offline_sales.msg_repair_reason'))
        document = cls.take(document)
        if action != 'void' and not document.can_retry():
            raise DocumentError(gettext(
                    'offline_sales.msg_repair_unreadable',
                    document=document.rec_name))
        if document.state == 'prepared' and action != 'retry':
            raise DocumentError(gettext(
                    'offline_sales.msg_repair_prepared',
                    document=document.rec_name))
        if contents:
            text = payload_.dump(contents)
            values.update(payload=text, sha256=payload_.digest(text))
        if values.get('accept'):
            values['accepted'] = document.get_shown()
        repair, = Repair.create([{
                    'document': document.id,
                    'action': action,
                    'user': Transaction().user or None,
                    'moment': cls._now(),
                    'reason': reason,
                    'problem': document.reason,
                    **values,
                    }])
        if action == 'repair':
            document.repair = repair
        if action == 'void':
            document.state = 'voided'
            document.set_reason(Rejection('voided', **repair.get_params()))
        elif document.state == 'prepared':
            # It was made already, and is posted with the next
            document.set_reason(None)
        else:
            document._take_up_again()
        document.save()
        if action == 'void' and document.can_retry():
            document.get_adapter(document.kind).void(document)
        durability.ensure()
        return document

    def get_shown(self):
        "Return the names of the totals that differ, as a person was shown"
        adapter = self.get_adapter(self.kind)
        names = set(self.get_accepted(adapter.acceptable))
        names.update((self.reason_params or {}).get('totals', []))
        return " ".join(sorted(names))

    def can_retry(self):
        "Return False for what cannot be read, or contradicts another"
        try:
            self.get_contents()
        except Unreadable:
            return False
        return True

    def _take_up_again(self):
        "Look at the document as if it came now, but as it was repaired"
        pool = Pool()
        Amount = pool.get('offline_sales.document.amount')
        contents = self.get_repaired()
        values = Headers(self.branch, [contents]).get_values(contents)
        for name in ['user', 'party', 'point']:
            setattr(self, name, values.get(name))
        if amounts := values.get('amounts'):
            Amount.delete(self.amounts)
            (_, to_create), = amounts
            Amount.create([
                    {**amount, 'document': self.id} for amount in to_create])
        self.state = values['state']
        reason = None
        if 'reason_code' in values:
            reason = Rejection(
                values['reason_code'], **values['reason_params'])
        self.set_reason(reason)


class RepairStart(ModelView):
    "Repair Document"
    __name__ = 'offline_sales.document.repair.start'

    document = fields.Many2One(
        'offline_sales.document', "Document", readonly=True)
    problem = fields.Text("Problem", readonly=True)
    readable = fields.Boolean("Readable", readonly=True)
    rows = fields.One2Many(
        'offline_sales.document.repair.row', None, "Contents",
        help="Choose what to put in place of what is not right.")
    linkable = fields.Boolean("Linkable", readonly=True)
    party = fields.Many2One(
        'party.party', "Is the Customer",
        states={
            'invisible': ~Eval('linkable'),
            },
        help="Who is here already, instead of making another.")
    numbered = fields.Boolean("Number Taken", readonly=True)
    number = fields.Char(
        "Book It with the Number", size=100,
        states={
            'invisible': ~Eval('numbered'),
            },
        help="At the central, for its own is that of another sale. The "
        "document keeps the one that was printed.")
    has_date = fields.Boolean("Has a Date", readonly=True)
    date = fields.Date(
        "Post on",
        states={
            'invisible': ~Eval('has_date'),
            },
        help="Leave empty to keep the date of the document.")
    acceptable = fields.Boolean("Acceptable", readonly=True)
    accept = fields.Boolean(
        "Accept the Difference",
        states={
            'invisible': ~Eval('acceptable'),
            },
        help="Post what was charged and counted at the branch, even though "
        "something else would be computed now.")
    difference = fields.Numeric(
        "Missing or Surplus Cash", readonly=True,
        states={
            'invisible': ~Eval('difference'),
            })
    transfer_type = fields.Many2One(
        'sale.point.cash.transfer.type', "Book It as",
        states={
            'invisible': ~Eval('difference'),
            'required': Eval('accept', False) & Bool(Eval('difference')),
            })
    reason = fields.Text("Why", required=True)


class RepairRow(ModelView):
    "Contents of a Document"
    __name__ = 'offline_sales.document.repair.row'

    section = fields.Char("Part", readonly=True)
    label = fields.Char("Field", readonly=True)
    value = fields.Char("In the Document", readonly=True)
    model = fields.Char("Model", readonly=True)
    key = fields.Char("Key", readonly=True)
    missing = fields.Boolean("Missing", readonly=True)
    instead = fields.Reference(
        "Instead", selection='get_models',
        states={
            'readonly': ~Eval('model'),
            })

    @fields.depends('model')
    def get_models(self):
        pool = Pool()
        IrModel = pool.get('ir.model')
        if not self.model:
            return [(None, "")]
        return [(None, ""), (self.model, IrModel.get_name(self.model))]

    def get_reference(self):
        "Return ((model, key), record) if another is chosen, else None"
        instead = getattr(self, 'instead', None)
        if (self.model and instead and not isinstance(instead, str)
                and instead.__name__ == self.model and instead.id >= 0):
            return (self.model, parse_key(self.key)), instead


class RepairResult(ModelView):
    "Repair Document"
    __name__ = 'offline_sales.document.repair.result'

    message = fields.Text("Message", readonly=True)


class RepairDocument(Wizard):
    "Repair Document"
    __name__ = 'offline_sales.document.repair'

    start = StateView(
        'offline_sales.document.repair.start',
        'offline_sales.document_repair_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel', default=True),
            Button("Void", 'void', 'tryton-delete'),
            Button("Try Again", 'retry', 'tryton-refresh', states={
                    'invisible': ~Eval('readable'),
                    }),
            Button("Repair", 'repair', 'tryton-ok', states={
                    'invisible': ~Eval('readable'),
                    }),
            ])
    repair = StateTransition()
    retry = StateTransition()
    void = StateTransition()
    result = StateView(
        'offline_sales.document.repair.result',
        'offline_sales.document_repair_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    groups = ['group_offline_sales_admin', 'group_offline_sales_responsible']

    @classmethod
    def check_access(cls):
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        super().check_access()
        # trytond looks at the groups of the action that the client names
        groups = {
            ModelData.get_id('offline_sales', name) for name in cls.groups}
        if Configuration.is_branch() or (
                Transaction().user and not groups & set(User.get_groups())):
            raise AccessError(gettext('offline_sales.msg_repair_access'))

    def get_document(self):
        "Return the document if it is of a company of the user"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        context = Transaction().context
        if context.get('active_model') == Document.__name__:
            with check_access():
                for document in Document.search([
                            ('id', '=', context.get('active_id'))]):
                    return Document(document.id)
        raise AccessError(gettext('offline_sales.msg_repair_document'))

    def default_start(self, fields):
        document = self.get_document()
        defaults = {
            'document': document.id,
            'problem': document.reason,
            'readable': document.can_retry(),
            }
        if defaults['readable']:
            adapter = document.get_adapter(document.kind)
            contents = document.get_repaired()
            defaults.update(
                rows=self.get_rows(document, contents, adapter),
                linkable=adapter.is_linkable(contents),
                numbered=document.reason_code == 'number_taken',
                has_date=bool(adapter.dates),
                acceptable=bool(adapter.acceptable),
                difference=adapter.get_difference(document, contents))
        return defaults

    def get_rows(self, document, contents, adapter):
        own = {
            (node['model'], node['key'])
            for node in walk(contents['record'])}
        return [{
                **row._asdict(),
                'model': row.model if _is_open(row, own) else None,
                'key': str(row.key),
                } for row in describe(contents, adapter)]

    def transition_repair(self):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        document = Document.take(self.get_document())
        adapter = document.get_adapter(document.kind)
        contents = before = document.get_repaired()
        references, changes = self.get_references(document, contents, adapter)
        contents = replace(contents, adapter, references)
        if self.start.date and adapter.dates:
            contents = redate(contents, adapter, self.start.date)
            changes.append(gettext(
                    'offline_sales.msg_repair_date',
                    date=self.start.date.isoformat()))
        if self.start.number and document.reason_code == 'number_taken':
            contents = renumber(contents, self.start.number)
            changes.append(
                f"{before['header']['number']} → {self.start.number}")
        values = {}
        if self.start.party and adapter.is_linkable(contents):
            values['party'] = self.get_party()
            changes.append(self.start.party.rec_name)
        elif document.repair and document.repair.party:
            values['party'] = document.repair.party.id
        accept = bool(self.start.accept and adapter.acceptable)
        if accept:
            contents = adapter.accept(
                document, contents, self.start.transfer_type)
        elif contents == before and not values:
            raise DocumentError(gettext('offline_sales.msg_repair_nothing'))
        Document.decide(
            document, 'repair', self.start.reason, contents=contents,
            changes="\n".join(changes), accept=accept, **values)
        return self.go_on(document)

    def get_references(self, document, contents, adapter):
        """Return what was chosen, the ids by (model, key), and what is said of
        it"""
        named = {
            (row.model, row.key): row for row in describe(contents, adapter)}
        own = {
            (node['model'], node['key'])
            for node in walk(contents['record'])}
        references, changes = {}, []
        for chosen in filter(None, (
                    row.get_reference() for row in self.start.rows or [])):
            (model, key), record = chosen
            row = named.get((model, key))
            if not row or not _is_open(row, own) or record.id == key:
                continue
            self.check_record(record)
            references[model, key] = record.id
            changes.append(
                f"{row.label}: {row.value} → {record.rec_name}")
        return references, changes

    def get_party(self):
        "Return the id of the customer that was chosen"
        self.check_record(self.start.party)
        return self.start.party.id

    def check_record(self, record):
        "Raise AccessError if the user may not see the record"
        with check_access():
            if not record.__class__.search([('id', '=', record.id)]):
                raise AccessError(gettext('offline_sales.msg_repair_record'))

    def transition_retry(self):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        return self.go_on(Document.decide(
                self.get_document(), 'retry', self.start.reason))

    def transition_void(self):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        return self.go_on(Document.decide(
                self.get_document(), 'void', self.start.reason))

    def go_on(self, document):
        "Process the document and what waited for it, and tell the outcome"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        transaction = Transaction()
        transaction.commit()
        Document.process([document.branch], budget=BUDGET)
        with transaction.new_transaction(readonly=True), \
                without_check_access():
            self.result.message = Document(document.id).tell_state()
        return 'result'

    def default_result(self, fields):
        return {'message': self.result.message}


def _is_open(row, own):
    "Return True if another record may be put in place of that of the row"
    return bool(
        row.model and row.model not in KEPT
        and (row.model, row.key) not in own)
