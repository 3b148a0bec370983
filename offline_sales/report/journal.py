# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The journal on paper and as a spreadsheet"
import datetime as dt
import shutil
from collections import defaultdict
from decimal import Decimal

from sql import Null

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.report import Report
from trytond.tools import grouped_slice
from trytond.tools import timezone as tz
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import (
    Button, StateAction, StateTransition, StateView, Wizard)

from .dashboard import UNCOUNTED
from .days import DaysMixin
from .sheet import Sheet
from .summary import Entry, summarize

_SLICE = 2000


class JournalPrintStart(DaysMixin, ModelView):
    "Print Journal"
    __name__ = 'offline_sales.journal.print.start'

    company = fields.Many2One('company.company', "Company", required=True)
    branch = fields.Many2One(
        'offline_sales.branch', "Branch",
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        help="Leave empty for all the branches.")
    kind = fields.Selection('get_kinds', "Kind", sort=False)
    point = fields.Many2One(
        'sale.point', "Point of Sale",
        domain=[
            ('company', '=', Eval('company', -1)),
            ])
    user = fields.Many2One('res.user', "Cashier")
    party = fields.Many2One(
        'party.party', "Customer",
        context={
            'company': Eval('company', -1),
            },
        depends=['company'])
    method = fields.Many2One(
        'sale.point.payment.method', "Payment Method",
        domain=[
            ('company', '=', Eval('company', -1)),
            ])
    state = fields.Selection('get_states', "State", sort=False)
    format = fields.Selection([
            ('pdf', "PDF"),
            ('odt', "Text Document (ODT)"),
            ('ods', "Spreadsheet (ODS)"),
            ], "Format", required=True, sort=False)

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_format(cls):
        # Where nothing converts, e.g. on a shop's computer
        return 'pdf' if shutil.which('soffice') else 'ods'

    @classmethod
    def get_kinds(cls):
        return cls._get_selection('kind')

    @classmethod
    def get_states(cls):
        return cls._get_selection('state')

    @classmethod
    def _get_selection(cls, name):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        return [(None, '')] + Document.fields_get([name])[name]['selection']


class JournalPrint(Wizard):
    "Print Journal"
    __name__ = 'offline_sales.journal.print'

    start = StateView(
        'offline_sales.journal.print.start',
        'offline_sales.journal_print_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Print", 'choose', 'tryton-print', default=True),
            ])
    choose = StateTransition()
    print_pdf = StateAction('offline_sales.report_journal_pdf')
    print_odt = StateAction('offline_sales.report_journal_odt')
    print_ods = StateAction('offline_sales.report_journal_ods')

    def transition_choose(self):
        return f'print_{self.start.format}'

    def get_data(self):
        start = self.start
        data = {'from_date': start.from_date, 'to_date': start.to_date}
        for name in ['company', 'branch', 'point', 'user', 'party', 'method']:
            record = getattr(start, name)
            data[name] = record.id if record else None
        data['kind'], data['state'] = start.kind, start.state
        return data

    def do_print_pdf(self, action):
        return action, self.get_data()

    do_print_odt = do_print_ods = do_print_pdf


def _read(Model, domain, names):
    """Return the values of the records of the domain

    No record is made: each would look at the ids of all the others.
    """
    cursor = Transaction().connection.cursor()
    cursor.execute(*Model.search(domain, order=[], query=True))
    ids = [row[0] for row in cursor]
    rows = []
    for sub_ids in grouped_slice(ids, _SLICE):
        rows.extend(Model.read(list(sub_ids), names))
    return rows


def _get_series(row):
    """Return (column, value, kind) of what its number is one of

    Tickets are numbered by point, prefacturas by branch.
    """
    column = 'point' if row['kind'] == 'ticket' else 'branch'
    return column, row[column], row['kind']


class Reader:
    """What the documents of a report say, as Entry

    Columns are read in bulk, without the contents of the documents.
    """
    COLUMNS = [
        'branch', 'kind', 'number', 'date', 'moment', 'user', 'party',
        'point', 'total', 'tax', 'state', 'original']

    def __init__(self, data):
        self.data = data

    def get_domain(self):
        data = self.data
        domain = [
            ('branch.company', '=', data['company']),
            ('date', '>=', data['from_date']),
            ('date', '<=', data['to_date']),
            ]
        for name in ['branch', 'kind', 'point', 'user', 'party', 'state']:
            if data.get(name):
                domain.append((name, '=', data[name]))
        if data.get('method'):
            domain.append(('amounts.method', '=', data['method']))
        return domain

    def read(self):
        "Return the Entry of the documents that the user may see"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        rows = _read(Document, self.get_domain(), self.COLUMNS)
        with without_check_access():
            return self._get_entries(rows)

    def _get_entries(self, rows):
        pool = Pool()
        Branch = pool.get('offline_sales.branch')
        branches = {
            b.id: b for b in Branch.browse(list({r['branch'] for r in rows}))}
        zones = {id_: b.get_zone() for id_, b in branches.items()}
        names = {
            'user': self._get_names('res.user', 'name', rows, 'user'),
            'party': self._get_names('party.party', 'name', rows, 'party'),
            'point': self._get_names('sale.point', 'name', rows, 'point'),
            }
        labels = {
            name: self._get_labels(name) for name in ['kind', 'state']}
        taxes, payments = self._get_amounts([row['id'] for row in rows])
        return [Entry(
                id=row['id'],
                branch=branches[row['branch']].rec_name,
                date=row['date'],
                moment=row['moment'].replace(tzinfo=tz.UTC).astimezone(
                    zones[row['branch']]).replace(tzinfo=None),
                series=_get_series(row),
                number=row['number'] or '',
                total=row['total'],
                tax=row['tax'],
                taxes=taxes[row['id']],
                payments=payments[row['id']],
                counted=not (
                    row['state'] in UNCOUNTED or row['original']),
                **{name: found.get(row[name], '')
                    for name, found in (names | labels).items()},
                ) for row in rows]

    def _get_names(self, model, name, rows, column):
        Model = Pool().get(model)
        ids = {row[column] for row in rows} - {None}
        names = {}
        for sub_ids in grouped_slice(ids, _SLICE):
            names.update(
                (values['id'], values[name])
                for values in Model.read(list(sub_ids), [name]))
        return names

    def _get_labels(self, name):
        pool = Pool()
        Document = pool.get('offline_sales.document')
        return dict(Document.fields_get([name])[name]['selection'])

    def _get_amounts(self, ids):
        "Return the taxes and the payments as dictionaries, by document"
        pool = Pool()
        Amount = pool.get('offline_sales.document.amount')
        rows = []
        for sub_ids in grouped_slice(ids, _SLICE):
            rows.extend(_read(
                    Amount, [('document', 'in', list(sub_ids))], [
                        'document', 'type', 'tax', 'method', 'base',
                        'amount']))
        tax_names = self._get_names('account.tax', 'description', rows, 'tax')
        method_names = self._get_names(
            'sale.point.payment.method', 'name', rows, 'method')
        taxes, payments = defaultdict(dict), defaultdict(dict)
        for row in rows:
            if row['type'] == 'tax':
                name, found = tax_names.get(row['tax'], ''), taxes
                base, amount = found[row['document']].get(
                    name, (Decimal(0), Decimal(0)))
                value = base + (row['base'] or 0), amount + row['amount']
            else:
                name, found = method_names.get(row['method'], ''), payments
                value = (
                    found[row['document']].get(name, Decimal(0))
                    + row['amount'])
            found[row['document']][name] = value
        return taxes, payments

    @without_check_access
    def read_numbers(self, entries):
        "Return all the numbers of the series of the entries, by series"
        pool = Pool()
        Document = pool.get('offline_sales.document')
        table = Document.__table__()
        cursor = Transaction().connection.cursor()
        numbers = {entry.series: set() for entry in entries if entry.number}
        for (column, value, kind), found in numbers.items():
            value = Null if value is None else value
            cursor.execute(*table.select(
                    table.number,
                    where=(table.kind == kind)
                    & (getattr(table, column) == value)))
            found.update(number for number, in cursor if number)
        return numbers


class JournalReport(Report):
    "Journal"
    __name__ = 'offline_sales.journal'

    @classmethod
    def get_context(cls, records, header, data):
        pool = Pool()
        Company = pool.get('company.company')
        Lang = pool.get('ir.lang')
        context = super().get_context(records, header, data)
        reader = Reader(data)
        entries = reader.read()
        journal = summarize(entries, reader.read_numbers(entries))
        lang = Lang.get()
        company = Company(data['company'])
        context['company'] = company
        context['journal'] = journal
        context['filters'] = cls.get_filters(data)
        context['printed'] = dt.datetime.now(
            tz.ZoneInfo(company.timezone or 'UTC'))
        context['sheet'] = Sheet(journal)

        def money(amount):
            return lang.currency(amount, company.currency, grouping=True)

        def listing(amounts):
            # No line is broken between a name and its amount
            return ", ".join(
                f"{name}: {money(amount)}".replace(' ', '\xa0')
                for name, amount in amounts)

        def money_of(entry):
            if entry.total is None:
                return ''
            text = money(entry.total)
            return text if entry.counted else f"({text})"

        def taxes(values):
            return listing(
                (name, amount) for name, (_, amount) in values.taxes.items())

        def payments(values):
            return listing(values.payments.items())
        context.update(
            money=money, money_of=money_of, taxes=taxes, payments=payments)
        context['date'] = lang.strftime
        return context

    @classmethod
    @without_check_access
    def get_filters(cls, data):
        "Return the filters as (label, value), in words"
        pool = Pool()
        Start = pool.get('offline_sales.journal.print.start')
        names = [
            'branch', 'kind', 'point', 'user', 'party', 'method', 'state']
        definitions = Start.fields_get(names)
        filters = []
        for name in names:
            if not data.get(name):
                continue
            field = Start._fields[name]
            if field._type == 'many2one':
                value = pool.get(field.model_name)(data[name]).rec_name
            else:
                value = dict(getattr(Start, field.selection)())[data[name]]
            filters.append((definitions[name]['string'], value))
        return filters or [('', gettext('offline_sales.msg_journal_all'))]
