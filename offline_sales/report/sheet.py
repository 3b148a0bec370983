# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The journal as rows of a spreadsheet: a column for each tax and each method"
import datetime as dt
from decimal import Decimal

from trytond.i18n import gettext

_OFFICE = '{urn:oasis:names:tc:opendocument:xmlns:office:1.0}'
_STYLE = '{urn:oasis:names:tc:opendocument:xmlns:table:1.0}style-name'


class Cell:
    """A value with the attributes of its cell

    style: one of the template's.
    """
    __slots__ = ('value', 'style')

    def __init__(self, value='', style='text'):
        self.value = value
        self.style = style

    def __eq__(self, other):
        return (self.value, self.style) == (other.value, other.style)

    @property
    def attributes(self):
        value = self.value
        type_, name, content = 'string', None, None
        if isinstance(value, (int, Decimal)):
            type_, name, content = 'float', 'value', str(value)
        elif isinstance(value, dt.date):
            type_, name, content = 'date', 'date-value', value.isoformat()
        elif isinstance(value, dt.time):
            type_, name, content = (
                'time', 'time-value', value.strftime('PT%HH%MM%SS'))
        attributes = {_STYLE: self.style, f'{_OFFICE}value-type': type_}
        if name:
            attributes[f'{_OFFICE}{name}'] = content
        return attributes

    @property
    def text(self):
        return str(self.value)


def _money(value, style):
    return Cell('' if value is None else value, style)


class Sheet:
    "The rows of a Journal, each a list of Cell"

    def __init__(self, journal):
        self.journal = journal
        found = [
            e for b in journal.branches for d in b.days for e in d.entries]
        self.taxes = sorted({name for e in found for name in e.taxes})
        self.methods = sorted({name for e in found for name in e.payments})

    @property
    def head(self):
        names = [
            gettext(f'offline_sales.msg_journal_{name}') for name in [
                'branch', 'date', 'time', 'number', 'missing', 'kind',
                'point', 'customer', 'cashier', 'net']]
        for tax in self.taxes:
            names.append(gettext('offline_sales.msg_journal_base', tax=tax))
            names.append(tax)
        names += [gettext('offline_sales.msg_journal_total'), *self.methods]
        names.append(gettext('offline_sales.msg_journal_state'))
        return [Cell(name, 'head') for name in names]

    @property
    def rows(self):
        yield self.head
        for branch in self.journal.branches:
            for day in branch.days:
                for entry in day.entries:
                    yield self.get_entry(branch, day, entry)
                yield self.get_sums(
                    day.sums, branch.name, Cell(day.date, 'date'))
            yield self.get_sums(branch.sums, branch.name, Cell())
        yield self.get_sums(
            self.journal.sums, gettext('offline_sales.msg_journal_all_sums'),
            Cell())

    def get_entry(self, branch, day, entry):
        gap = ''
        if entry.gap:
            gap = (entry.gap.first if entry.gap.single
                else ' – '.join(entry.gap))
        return [
            Cell(branch.name), Cell(day.date, 'date'),
            Cell(entry.moment.time().replace(microsecond=0), 'time'),
            Cell(entry.number), Cell(gap, 'gap'), Cell(entry.kind),
            Cell(entry.point), Cell(entry.party), Cell(entry.user),
            *self.get_amounts(entry, 'money', entry.total is not None),
            Cell(entry.state)]

    def get_sums(self, sums, name, date):
        return [
            Cell(name, 'sum'), date, Cell(),
            Cell(sums.count, 'sum'), *[Cell() for _ in range(5)],
            *self.get_amounts(sums, 'money-sum'), Cell()]

    def get_amounts(self, values, style, total=True):
        "Return the cells of the amounts of an Entry or Sums"
        cells = [_money(
                values.total - (values.tax or 0) if total else None, style)]
        for name in self.taxes:
            base, amount = values.taxes.get(name, (None, None))
            cells += [_money(base, style), _money(amount, style)]
        cells.append(_money(values.total, style))
        cells.extend(
            _money(values.payments.get(name), style) for name in self.methods)
        return cells
