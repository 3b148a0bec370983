# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Accounting of the demo: chart, fiscal years, taxes, payment terms"""
import datetime as dt
from decimal import Decimal

from trytond.pool import Pool

from .tables import create, create_by_key, create_tree, flags, read, xml_id


def load_accounting(company):
    "Set up the accounting of the company"
    types = _create_types(company)
    company.accounts = _create_accounts(company, types)
    for year in [company.today.year - 1, company.today.year]:
        _create_fiscalyear(company, year)
    groups = _create_tax_groups()
    company.taxes = _create_taxes(company, groups)
    company.tax_rule = _create_tax_rule(company, groups)
    company.payment_terms = _create_payment_terms()
    _configure(company)


def _create_types(company):
    def get_values(row, parent):
        return {
            'name': row['name'],
            'company': company.id,
            'parent': parent,
            'statement': row['statement'] or None,
            **flags(row['flags']),
            }
    return create_tree(
        'account.account.type', read('account_types'), 'key', get_values)


def _create_accounts(company, types):
    def get_values(row, parent):
        return {
            'code': row['code'],
            'name': row['name'],
            'company': company.id,
            'parent': parent,
            'type': types.get(row['type']),
            **flags(row['flags']),
            }
    return create_tree(
        'account.account', read('accounts'), 'code', get_values)


def _create_fiscalyear(company, year):
    pool = Pool()
    FiscalYear = pool.get('account.fiscalyear')
    move = _create_sequence(
        company, f"Pólizas {year}", 'account.sequence_type_account_move')
    invoices = {
        f'{direction}_{kind}_sequence': _create_sequence(
            company, f"{label} {year}",
            'account_invoice.sequence_type_account_invoice',
            prefix=f'{prefix}{year}-')
        for direction, kind, label, prefix in [
            ('out', 'invoice', "Facturas de clientes", 'F'),
            ('out', 'credit_note', "Notas de crédito a clientes", 'NC'),
            ('in', 'invoice', "Facturas de proveedores", 'P'),
            ('in', 'credit_note', "Notas de crédito de proveedores", 'NP'),
            ]}
    fiscalyear, = FiscalYear.create([{
                'name': str(year),
                'company': company.id,
                'start_date': dt.date(year, 1, 1),
                'end_date': dt.date(year, 12, 31),
                'move_sequence': move,
                'invoice_sequences': [
                    ('create', [{'company': company.id, **invoices}])],
                }])
    FiscalYear.create_period([fiscalyear])


def _create_sequence(company, name, type_, prefix=None):
    sequence, = create('ir.sequence.strict', [{
                'name': name,
                'company': company.id,
                'sequence_type': xml_id(type_),
                'prefix': prefix,
                'padding': 5,
                }])
    return sequence.id


def _create_tax_groups():
    return create_by_key('account.tax.group', {
            code: {'name': code, 'code': code, 'kind': 'sale'}
            for code in ['IVA', 'IEPS']})


def _create_taxes(company, groups):
    return create_by_key('account.tax', {
            row['key']: {
                'name': row['name'],
                'description': row['description'],
                'company': company.id,
                'group': groups[row['group']],
                'type': row['type'],
                'rate': Decimal(row['rate']) if row['rate'] else None,
                'sequence': int(row['sequence']),
                'update_unit_price': bool(row['update_unit_price']),
                'invoice_account': company.accounts.get(row['account']),
                'credit_note_account': company.accounts.get(row['account']),
                }
            for row in read('taxes')})


def _create_tax_rule(company, groups):
    "Create the rule of the border, where IVA is 8 % instead of 16 %"
    rule, = create('account.tax.rule', [{
                'name': "Región fronteriza",
                'company': company.id,
                'kind': 'sale',
                'lines': [('create', [{
                                'group': groups['IVA'],
                                'origin_tax': company.taxes['iva16'],
                                'tax': company.taxes['iva8'],
                                }])],
                }])
    return rule.id


def _create_payment_terms():
    return create_by_key('account.invoice.payment_term', {
            key: {
                'name': name,
                'lines': [('create', [{
                                'type': 'remainder',
                                'relativedeltas': [
                                    ('create', [{'days': days}])],
                                }])],
                }
            for key, name, days in [
                ('cash', "Contado", 0), ('30days', "30 días", 30)]})


def _configure(company):
    Configuration = Pool().get('account.configuration')
    configuration = Configuration(1)
    configuration.default_account_receivable = company.accounts['105.01']
    configuration.default_account_payable = company.accounts['201.01']
    configuration.default_category_account_expense = (
        company.accounts['501.01'])
    configuration.default_category_account_revenue = (
        company.accounts['401.01'])
    configuration.default_customer_payment_term = (
        company.payment_terms['cash'])
    # Invoices stamped in Mexico round the taxes of each line
    configuration.tax_rounding = 'line'
    configuration.save()
