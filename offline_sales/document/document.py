# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from sql.conditionals import Case

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .. import wire
from ..exceptions import DocumentError
from . import payload as payload_
from .cash import CashCutAdapter, CashSessionAdapter
from .party import PartyAdapter
from .prefactura import PrefacturaAdapter
from .ticket import TicketAdapter


class Document(ModelSQL, ModelView):
    """Document

    What was done at a branch: at the branch to be sent, at the central to be
    done again.
    """
    __name__ = 'offline_sales.document'

    # The states in which the number of the document is taken for good
    LIVE = ['pending', 'sent', 'accepted', 'prepared', 'processed']
    # What the branch said is never changed
    FROZEN = {
        'uuid', 'branch', 'kind', 'payload', 'sha256', 'number', 'date',
        'moment', 'clock_jump', 'total', 'tax', 'original'}

    uuid = fields.Char("Identity", required=True, readonly=True)
    branch = fields.Many2One(
        'offline_sales.branch', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    company = fields.Function(fields.Many2One(
            'company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    currency = fields.Function(fields.Many2One(
            'currency.currency', "Currency"), 'on_change_with_currency')
    kind = fields.Selection([
            ('party', "Customer"),
            ('ticket', "Ticket"),
            ('prefactura', "Prefactura"),
            ('cash_session', "Cash Session"),
            ('cash_cut', "Cash Cut"),
            ('unknown', "Unknown"),
            ], "Kind", required=True, readonly=True, sort=False)
    record = fields.Reference(
        "Record", selection='get_record_models', readonly=True)
    number = fields.Char("Number", readonly=True)
    date = fields.Date("Date", readonly=True)
    moment = fields.DateTime(
        "Moment", readonly=True,
        help="When it was done, by the branch's clock.")
    clock_jump = fields.Integer(
        "Clock Set Back", readonly=True,
        states={
            'invisible': ~Eval('clock_jump'),
            },
        help="The seconds by which the branch's clock had been set back since "
        "the document before.")
    clock_offset = fields.Float(
        "Clock Offset", digits=(None, 1), readonly=True,
        states={
            'invisible': ~Eval('clock_offset'),
            },
        help="The seconds by which the branch's clock was ahead of the "
        "central's when the document was received.")
    user = fields.Many2One('res.user', "User", readonly=True)
    party = fields.Many2One('party.party', "Party", readonly=True)
    point = fields.Many2One('sale.point', "Point of Sale", readonly=True)
    total = Monetary(
        "Total", currency='currency', digits='currency', readonly=True)
    tax = Monetary(
        "Tax", currency='currency', digits='currency', readonly=True)
    amounts = fields.One2Many(
        'offline_sales.document.amount', 'document', "Amounts",
        readonly=True)
    payload = fields.Text(
        "Contents", required=True, readonly=True, strip=False)
    sha256 = fields.Char("SHA-256", required=True, readonly=True)
    tried = fields.DateTime(
        "First Sent", readonly=True,
        help="From then on the central may have the document.")
    sent = fields.DateTime(
        "Sent", readonly=True, help="When the central confirmed it.")
    received = fields.DateTime("Received", readonly=True)
    processed = fields.DateTime("Processed", readonly=True)
    reason_code = fields.Char("Reason Code", readonly=True)
    reason_params = fields.Dict(None, "Reason Parameters", readonly=True)
    reason = fields.Function(
        fields.Text("Reason", states={
                'invisible': ~Eval('reason_code'),
                }), 'get_reason')
    conflicts = fields.One2Many(
        'offline_sales.document.conflict', 'document', "Conflicts",
        readonly=True,
        states={
            'invisible': ~Eval('conflicts', []),
            })
    attention = fields.Boolean(
        "Needs Attention", readonly=True,
        states={
            'invisible': ~Eval('attention'),
            },
        help="It was done, but somebody should look at it.")
    original = fields.Many2One(
        'offline_sales.document', "Contradicts", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': ~Eval('original'),
            },
        help="The document that has the same identity and other contents.")
    state = fields.Selection([
            ('pending', "Pending"),
            ('sent', "Sent"),
            ('accepted', "Accepted"),
            ('received', "Received"),
            ('prepared', "Prepared"),
            ('processed', "Processed"),
            ('rejected', "Rejected"),
            ('withdrawn', "Withdrawn"),
            ('voided', "Voided"),
            ], "State", required=True, readonly=True, sort=False)

    @classmethod
    def __setup__(cls):
        cls.number.search_unaccented = False
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('uuid_unique', Unique(t, t.uuid),
                'offline_sales.msg_document_uuid_unique'),
            ]
        cls._sql_indexes.update([
                Index(t,
                    (t.branch, Index.Equality()),
                    (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_([
                            'pending', 'sent', 'received', 'prepared'])),
                Index(t, (t.record, Index.Equality())),
                Index(t, (t.date, Index.Range())),
                ])
        cls._order = [('moment', 'DESC'), ('id', 'DESC')]
        cls._buttons.update(
            attended={
                'invisible': ~Eval('attention'),
                'depends': ['attention'],
                })

    @classmethod
    @ModelView.button
    @without_check_access
    def attended(cls, documents):
        cls.write(documents, {'attention': False})

    @classmethod
    def get_adapters(cls):
        "Return the adapters by kind"
        return {adapter.kind: adapter() for adapter in [
                PartyAdapter, TicketAdapter, PrefacturaAdapter,
                CashSessionAdapter,
                CashCutAdapter]}

    @classmethod
    def get_adapter(cls, kind):
        return cls.get_adapters()[kind]

    @classmethod
    def get_kinds(cls):
        "Return the kinds in the order in which they are sent and processed"
        return sorted(
            cls.get_adapters(), key=lambda k: cls.get_adapter(k).order)

    @classmethod
    def get_kind_order(cls, table):
        "Return the expression by which the kinds are in order"
        return Case(*[
                (table.kind == kind, adapter.order)
                for kind, adapter in cls.get_adapters().items()])

    @classmethod
    def get_record_models(cls):
        pool = Pool()
        Model = pool.get('ir.model')
        models = {a.model for a in cls.get_adapters().values()}
        return [(None, '')] + [(m, Model.get_name(m)) for m in sorted(models)]

    @classmethod
    def _now(cls):
        return wire.utcnow().replace(microsecond=0)

    @fields.depends('branch', '_parent_branch.company')
    def on_change_with_company(self, name=None):
        return self.branch.company if self.branch else None

    @classmethod
    def search_company(cls, name, clause):
        return [('branch.company' + clause[0][len(name):], *clause[1:])]

    @fields.depends(methods=['on_change_with_company'])
    def on_change_with_currency(self, name=None):
        company = self.on_change_with_company()
        return company.currency if company else None

    def get_reason(self, name):
        if not self.reason_code:
            return None
        params = self.reason_params or {}
        return gettext(
            f'offline_sales.msg_document_{self.reason_code}',
            **params) + params.get('others', '')

    def get_rec_name(self, name):
        return self.number or self.uuid

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('number', operator, operand, *extra),
            ('uuid', operator, operand, *extra),
            ]

    @classmethod
    def check_modification(
            cls, mode, documents, values=None, external=False):
        super().check_modification(
            mode, documents, values=values, external=external)
        if mode == 'write' and values.keys() & cls.FROZEN:
            raise DocumentError(gettext(
                    'offline_sales.msg_document_frozen',
                    document=documents[0].rec_name))
        elif mode == 'delete':
            raise DocumentError(gettext(
                    'offline_sales.msg_document_delete',
                    document=documents[0].rec_name))

    @classmethod
    def copy(cls, documents, default=None):
        for document in documents:
            raise DocumentError(gettext(
                    'offline_sales.msg_document_copy',
                    document=document.rec_name))
        return super().copy(documents, default=default)

    @classmethod
    def lock_in(cls, ids, state, **values):
        """Lock the documents of ids that are in the state and have the values,
        and return their ids, sorted

        Those that another transaction has locked are left out. On SQLite it
        must be the first write of the transaction: it takes the lock of the
        database, so that what is read from then on holds.
        """
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        database = transaction.database
        table = cls.__table__()
        locked = []
        where = table.state == state
        for name, value in values.items():
            where &= getattr(table, name) == value
        for sub_ids in grouped_slice(ids, 1000):
            query = table.select(
                table.id, where=where & table.id.in_(list(sub_ids)))
            if database.has_select_for():
                query.for_ = database.get_select_for_skip_locked()('UPDATE')
            else:
                cursor.execute(*table.update(
                        [table.state], [state], where=query.where))
            cursor.execute(*query)
            locked.extend(id_ for id_, in cursor)
        return sorted(locked)

    @classmethod
    def read_contents(cls, uuid, kind, payload):
        "Return the values of the payload of a document, raise Unreadable"
        adapter = cls.get_adapters().get(kind)
        if not adapter:
            raise payload_.Unreadable(kind[:50])
        contents = payload_.load(payload, uuid, kind)
        adapter.check_contents(contents)
        return contents

    def get_contents(self):
        "Return the values of the payload, raise Unreadable"
        return self.read_contents(self.uuid, self.kind, self.payload)

    def set_reason(self, rejection):
        "Say why the document does not go on, None if it does"
        code = rejection.code if rejection else None
        params = rejection.params if rejection else {}
        if (self.reason_code, dict(self.reason_params or {})) != (
                code, params):
            self.reason_code = code
            self.reason_params = params


class Amount(ModelSQL, ModelView):
    "Amount of a Document"
    __name__ = 'offline_sales.document.amount'

    document = fields.Many2One(
        'offline_sales.document', "Document", required=True, readonly=True,
        ondelete='CASCADE')
    currency = fields.Function(fields.Many2One(
            'currency.currency', "Currency"), 'on_change_with_currency')
    type = fields.Selection([
            ('payment', "Payment"),
            ('tax', "Tax"),
            ], "Type", required=True, readonly=True, sort=False)
    method = fields.Many2One(
        'sale.point.payment.method', "Payment Method", readonly=True,
        states={
            'invisible': Eval('type') != 'payment',
            })
    tax = fields.Many2One(
        'account.tax', "Tax", readonly=True,
        states={
            'invisible': Eval('type') != 'tax',
            })
    base = Monetary(
        "Base", currency='currency', digits='currency', readonly=True,
        states={
            'invisible': Eval('type') != 'tax',
            })
    amount = Monetary(
        "Amount", currency='currency', digits='currency', readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('document')

    @fields.depends('document', '_parent_document.currency')
    def on_change_with_currency(self, name=None):
        return self.document.currency if self.document else None
