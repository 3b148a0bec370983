# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Both sides changed the same of a customer: a person decides"
import json

from trytond.i18n import gettext
from trytond.model import Model as Model_
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder
from trytond.pyson import Eval
from trytond.transaction import without_check_access

from ..exceptions import DocumentError
from . import party
from .merge import are_equal


class Conflict(ModelSQL, ModelView):
    """Conflict of a Document

    The central's value stands until a person takes that of the branch.
    """
    __name__ = 'offline_sales.document.conflict'

    # What was found is never changed
    FROZEN = {
        'document', 'kind', 'record', 'name', 'base', 'branch', 'central',
        'value', 'stood'}

    document = fields.Many2One(
        'offline_sales.document', "Document", required=True, readonly=True,
        ondelete='CASCADE')
    kind = fields.Selection([
            ('value', "Changed on Both Sides"),
            ('removed', "Removed at the Branch, Changed at the Central"),
            ('gone', "Changed at the Branch, Removed at the Central"),
            ], "Kind", required=True, readonly=True, sort=False)
    record = fields.Reference(
        "Record", selection='get_record_models', readonly=True)
    name = fields.Char("Field Name", readonly=True)
    label = fields.Function(fields.Char("Field"), 'get_label')
    base = fields.Text("Before", readonly=True)
    branch = fields.Text("At the Branch", readonly=True)
    central = fields.Text("At the Central", readonly=True)
    value = fields.Text("Value", readonly=True, strip=False)
    stood = fields.Text("Value at the Central", readonly=True, strip=False)
    state = fields.Selection([
            ('open', "Open"),
            ('kept', "Central's Kept"),
            ('taken', "Branch's Taken"),
            ], "State", required=True, readonly=True, sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('document')
        cls._order = [('document', 'DESC'), ('id', 'ASC')]
        cls._buttons.update(
            keep={
                'invisible': Eval('state') != 'open',
                'depends': ['state'],
                },
            take={
                'invisible': (
                    (Eval('state') != 'open') | (Eval('kind') == 'gone')),
                'depends': ['state', 'kind'],
                })

    @classmethod
    def default_state(cls):
        return 'open'

    @classmethod
    def get_record_models(cls):
        pool = Pool()
        Model = pool.get('ir.model')
        ModelAccess = pool.get('ir.model.access')
        return [(None, '')] + [
            (name, Model.get_name(name))
            for name in sorted(ModelAccess.branch_customer)]

    def get_label(self, name):
        pool = Pool()
        ModelField = pool.get('ir.model.field')
        if self.record and self.name in self.record._fields:
            return ModelField.get_name(self.record.__name__, self.name)
        return self.name

    def get_rec_name(self, name):
        return self.label or self.document.rec_name

    @classmethod
    def check_modification(cls, mode, conflicts, values=None, external=False):
        super().check_modification(
            mode, conflicts, values=values, external=external)
        if external and (
                mode != 'write' or values.keys() & (cls.FROZEN | {'state'})):
            raise DocumentError(gettext(
                    'offline_sales.msg_document_frozen',
                    document=conflicts[0].document.rec_name))

    @classmethod
    def keep_all(cls, document, conflicts):
        "Keep with the document the party.Conflict that were found"
        cls.create([{
                    'document': document.id,
                    'kind': conflict.kind,
                    'record': (
                        f'{conflict.model},{conflict.id}'
                        if conflict.id else None),
                    'name': conflict.name,
                    'base': cls._show(conflict, conflict.base),
                    'branch': cls._show(conflict, conflict.branch),
                    'central': cls._show(conflict, conflict.central),
                    'value': json.dumps(conflict.branch, cls=JSONEncoder),
                    'stood': json.dumps(conflict.central, cls=JSONEncoder),
                    } for conflict in conflicts])

    @classmethod
    def _show(cls, conflict, value):
        "Return the value in words"
        pool = Pool()
        field = (
            pool.get(conflict.model)._fields[conflict.name]
            if conflict.name else None)
        if value is None or field is None:
            return None
        if isinstance(value, bool):
            return gettext(
                'offline_sales.msg_conflict_yes' if value
                else 'offline_sales.msg_conflict_no')
        if hasattr(field, 'get_target') and not isinstance(value, str):
            Target = field.get_target()
            ids = value if isinstance(value, (list, tuple)) else [value]
            return ", ".join(r.rec_name for r in Target.browse(ids))
        if field._type == 'selection':
            Model = pool.get(conflict.model)
            record = Model(conflict.id)
            return field.get_selection_string(
                field.get_selection(Model, conflict.name, record), value)
        return str(value)

    # What a person decides

    @classmethod
    @ModelView.button
    def keep(cls, conflicts):
        cls._decide(conflicts, 'kept')

    @classmethod
    @ModelView.button
    def take(cls, conflicts):
        conflicts = [c for c in conflicts if c.kind != 'gone']
        for conflict in conflicts:
            if conflict.state == 'open' and conflict.record:
                conflict.apply()
        cls._decide(conflicts, 'taken')

    def apply(self):
        "Do what the branch did"
        Model = self.record.__class__
        if self.kind == 'removed':
            party.remove(Model.__name__, self.record.id)
        else:
            self.check_stands()
            Model.write([self.record], {
                    self.name: json.loads(
                        self.value, object_hook=JSONDecoder())})

    def check_stands(self):
        "Raise DocumentError if the central's is not what the person was shown"
        if self.stood is None:
            # It was found by a former release
            return
        value = getattr(self.record, self.name)
        if isinstance(value, Model_):
            value = value.id
        if not are_equal(
                json.loads(self.stood, object_hook=JSONDecoder()), value):
            raise DocumentError(gettext(
                    'offline_sales.msg_conflict_changed',
                    field=self.rec_name))

    @classmethod
    @without_check_access
    def _decide(cls, conflicts, state):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        conflicts = [c for c in conflicts if c.state == 'open']
        cls.write(conflicts, {'state': state})
        documents = Document.browse({c.document.id for c in conflicts})
        Document.write([
                d for d in documents
                if all(c.state != 'open' for c in d.conflicts)],
            {'attention': False})
