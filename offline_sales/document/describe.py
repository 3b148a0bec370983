# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What a payload says, for people: labels and values instead of JSON"""
from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from trytond.i18n import gettext
from trytond.pool import Pool

from .payload import is_key, walk
from .tree import find


class Row(NamedTuple):
    """A row of what is shown

    section: what the row is a part of, e.g. the second line of a ticket.
    model, key: of the record that the value names, None if it names none.
    missing: whether it names a record that is not here.
    """
    section: str
    label: str
    value: str
    model: str = None
    key: int | str = None
    missing: bool = False


def describe(contents, adapter):
    "Return what the contents of a payload say as a list of Row"
    return list(_Description(contents, adapter).get_rows())


def write(rows):
    "Return the rows as text, the parts apart"
    parts = defaultdict(list)
    for row in rows:
        parts[row.section].append(f"{row.label}: {row.value}")
    return "\n\n".join(
        "\n".join([section, *("    " + line for line in lines)])
        for section, lines in parts.items())


class _Description:

    def __init__(self, contents, adapter):
        pool = Pool()
        Lang = pool.get('ir.lang')
        self.contents = contents
        self.adapter = adapter
        self.schema = adapter.get_schema()
        self.lang = Lang.get()
        self.names = self._get_names()

    def get_rows(self):
        header = self.contents['header']
        title = gettext('offline_sales.msg_describe_document')
        for name in ['number', 'date', 'moment', *sorted(
                    self.adapter.header_references)]:
            if header.get(name) is not None:
                yield self._row(
                    title, self._field('offline_sales.document', name),
                    header[name], self.adapter.header_references.get(name))
        for name in self.contents.get('left_out', []):
            yield Row(
                title, gettext('offline_sales.msg_describe_left_out'),
                str(name))
        yield from self._get_record_rows(self.contents['record'])
        yield from self._get_total_rows()

    # Records

    def _get_record_rows(self, tree, title=None):
        pool = Pool()
        IrModel = pool.get('ir.model')
        model = tree['model']
        known = self.schema.get_model(model)
        title = title or (IrModel.get_name(model) if known else model)
        references = {
            column.name: (target, key)
            for _, column, target, key in self.schema.get_references([tree])
            } if known else {}
        related = {
            column.name: (column.target, keys)
            for _, column, keys in self.schema.get_related([tree])
            } if known else {}
        for name, value in sorted(tree['values'].items()):
            if (value in (None, False, '', [])
                    or name in self.adapter.owned.get(model, set())):
                continue
            label = self._field(model, name)
            if name in references:
                yield self._row(title, label, None, *references[name])
            elif name in related:
                target, keys = related[name]
                for key in keys:
                    yield self._row(title, label, key, target)
            else:
                yield Row(title, label, self._show_field(model, name, value))
        for name, children in sorted(tree['children'].items()):
            label = self._field(model, name)
            for number, child in enumerate(children, 1):
                yield from self._get_record_rows(child, f"{label} {number}")

    def _show_field(self, model, name, value):
        Model = self.schema.get_model(model)
        field = Model._fields.get(name) if Model else None
        if field and field._type == 'selection' and isinstance(
                field.selection, (list, tuple)):
            return field.get_selection_string(
                field.get_selection(Model, name, None), value) or str(value)
        return self._show(value)

    # Totals

    def _get_total_rows(self):
        title = gettext('offline_sales.msg_describe_totals')
        totals = self.contents['totals']
        for name, value in totals.items():
            if name not in self.adapter.totals_references and value:
                yield Row(title, self._total(name), self._show(value))
        for name, references in self.adapter.totals_references.items():
            for number, values in enumerate(totals[name], 1):
                section = f"{self._total(name)} {number}"
                for column, value in values.items():
                    yield self._row(
                        section, self._total(column), value,
                        references.get(column))

    def _total(self, name):
        "Return what a total is called"
        labels = {
            'total': ('offline_sales.document', 'total'),
            'tax': ('offline_sales.document.amount', 'tax'),
            'method': ('offline_sales.document.amount', 'method'),
            'base': ('offline_sales.document.amount', 'base'),
            'amount': ('offline_sales.document.amount', 'amount'),
            'lines': ('sale.point.sale', 'lines'),
            'payments': ('sale.point.sale', 'payments'),
            'product': ('stock.move', 'product'),
            'quantity': ('stock.move', 'quantity'),
            'unit': ('stock.move', 'unit'),
            'from_location': ('stock.move', 'from_location'),
            'to_location': ('stock.move', 'to_location'),
            'start': ('sale.point.cash.session', 'start_amount'),
            'end': ('sale.point.cash.session', 'end_amount'),
            'balance': ('sale.point.cash.session', 'balance'),
            }
        if name in labels:
            return self._field(*labels[name])
        message = {
            'cash': 'offline_sales.msg_describe_cash',
            'goods': 'offline_sales.msg_describe_goods',
            'taxes': 'offline_sales.msg_describe_taxes',
            }.get(name)
        return gettext(message) if message else name

    # Labels and values

    def _field(self, model, name):
        pool = Pool()
        IrModelField = pool.get('ir.model.field')
        Model = self.schema.get_model(model)
        if not Model or name not in Model._fields:
            return name
        return IrModelField.get_name(model, name)

    def _row(self, section, label, value, model=None, key=None):
        key = value if key is None else key
        if not model or not is_key(key):
            return Row(section, label, self._show(value))
        name = self.names.get((model, key))
        if name is None:
            message = ('offline_sales.msg_describe_missing'
                if isinstance(key, int)
                else 'offline_sales.msg_describe_made')
            return Row(
                section, label, gettext(message, key=key), model, key,
                (model, key) not in self.own)
        return Row(section, label, name, model, key)

    def _show(self, value):
        if value is True:
            return gettext('offline_sales.msg_describe_yes')
        if isinstance(value, (Decimal, float)):
            return self.lang.format_number(value)
        if hasattr(value, 'strftime'):
            format_ = self.lang.date
            if hasattr(value, 'hour'):
                format_ += ' %H:%M:%S UTC'
            return self.lang.strftime(value, format_)
        return str(value)

    def _get_names(self):
        "Return the names of the records that are here, by model and key"
        pool = Pool()
        Configuration = pool.get('offline_sales.configuration')
        Link = pool.get('offline_sales.link')
        nodes = list(walk(self.contents['record']))
        self.own = {(node['model'], node['key']) for node in nodes}
        wanted = defaultdict(set)
        for model, key in self._get_references(nodes):
            if is_key(key):
                wanted[model].add(key)
        names = {}
        for model, keys in wanted.items():
            Model = self.schema.get_model(model)
            if not Model:
                continue
            if Configuration.is_branch():
                ids = Link.from_wire(model, keys)
            else:
                ids = {key: key for key in keys if isinstance(key, int)}
                ids.update(Link.from_wire(
                        model, [key for key in keys if isinstance(key, str)]))
            found = find(Model, ids.values())
            for key, id_ in ids.items():
                if id_ in found:
                    names[model, key] = Model(id_).rec_name
        return names

    def _get_references(self, nodes):
        header, totals = self.contents['header'], self.contents['totals']
        known = [n for n in nodes if self.schema.get_model(n['model'])]
        for _, _, model, key in self.schema.get_references(known):
            yield model, key
        for _, column, keys in self.schema.get_related(known):
            for key in keys:
                yield column.target, key
        for name, model in self.adapter.header_references.items():
            yield model, header.get(name)
        for name, references in self.adapter.totals_references.items():
            for row in totals[name]:
                for column, model in references.items():
                    yield model, row[column]

