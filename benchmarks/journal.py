# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"How long it takes to print the journal, of no, of one and of many documents"
import datetime as dt
import shutil
import time
from decimal import Decimal
from uuid import uuid4

from trytond.pool import Pool
from trytond.transaction import Transaction

from trytond.modules.offline_sales.tests.process import Server
from trytond.modules.offline_sales.tests.store import SQLite
from trytond.modules.offline_sales.tests.template import TEMPLATES

COUNTS = [0, 1, 10_000]
DAY = dt.date(2026, 11, 1)
DAYS = 20


def add(count):
    "Add as many tickets to the journal of a central, without their sales"
    pool = Pool()
    Document = pool.get('offline_sales.document')
    Register = pool.get('offline_sales.register')
    Method = pool.get('sale.point.payment.method')
    Tax = pool.get('account.tax')
    register = Register.search([('branch.code', '=', 'ESP')])[0]
    method, = Method.search([
            ('cash', '=', True), ('company', '=', register.company.id)])
    tax = Tax.search([('company', '=', register.company.id)])[0]
    start = Document.search([], count=True)
    for first in range(start, start + count, 1000):
        Document.create([{
                    'uuid': str(uuid4()),
                    'branch': register.branch.id,
                    'kind': 'ticket',
                    'number': f'ESP-{i:06}',
                    'date': DAY + dt.timedelta(days=i % DAYS),
                    'moment': dt.datetime.combine(
                        DAY + dt.timedelta(days=i % DAYS), dt.time(18)),
                    'user': register.branch.users[0].id,
                    'point': register.offline_point.id,
                    'total': Decimal('116.00'),
                    'tax': Decimal('16.00'),
                    'amounts': [('create', [
                                {'type': 'tax', 'tax': tax.id,
                                    'base': Decimal('100.00'),
                                    'amount': Decimal('16.00')},
                                {'type': 'payment', 'method': method.id,
                                    'amount': Decimal('116.00')},
                                ])],
                    'payload': '{}',
                    'sha256': '0' * 64,
                    'state': 'processed',
                    } for i in range(first, min(first + 1000, start + count))])


def print_(format):
    "Return the seconds that the report takes, and its size"
    pool = Pool()
    Company = pool.get('company.company')
    ModelData = pool.get('ir.model.data')
    Report = pool.get('offline_sales.journal', type='report')
    company, = Company.search([], limit=1)
    action = ModelData.get_id('offline_sales', f'report_journal_{format}')
    data = {
        **dict.fromkeys([
                'branch', 'point', 'user', 'party', 'method', 'kind',
                'state']),
        'company': company.id,
        'from_date': DAY,
        'to_date': DAY + dt.timedelta(days=DAYS),
        'action_id': action,
        }
    with Transaction().set_context(company=company.id, language='es'):
        begun = time.monotonic()
        _, content, _, _ = Report.execute([], data)
        return time.monotonic() - begun, len(content)


def run(report, directory):
    store = SQLite(directory)
    store.create('journal', TEMPLATES['company'].file(store))
    server = Server(store, 'journal', directory)
    formats = ['ods', 'odt']
    if shutil.which('soffice'):
        formats.append('pdf')
    there = 0
    for count in COUNTS:
        server.run(add, count - there)
        there = count
        for name in formats:
            seconds, _ = server.run(print_, name)
            report.note(f"{count:,} documents as {name}: {seconds:.1f} s")
            report.put(f'journal.{name}_{count}.seconds', seconds)
