# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Products of the demo: units, categories, products, price lists, stock"""
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from stdnum import ean

from trytond.modules.product import round_price
from trytond.pool import Pool
from trytond.transaction import inactive_records

from .tables import (
    batches, column, create, create_by_key, create_tree, has, read, xml_id)


@dataclass(frozen=True)
class Product:
    id: int
    code: str
    name: str
    type: str
    tax: str
    unit: str
    active: bool
    gross_price: Decimal
    list_price: Decimal
    cost_price: Decimal


def load_products(company, number):
    "Create the products and what they need"
    company.units = _create_units()
    company.accounting_categories = _create_accounting_categories(company)
    rows = read('products')
    company.categories = _create_categories(rows)
    _configure()
    create_products(company, rows, number)
    if has('product.price_list'):
        company.price_lists = _create_price_lists(company)


def load_stock(company, routes):
    "Bring goods from the source to the target of each of the routes"
    Move = Pool().get('stock.move')
    date = company.today - dt.timedelta(days=90)
    moves = create('stock.move', [{
                'product': product.id,
                'unit': company.units[product.unit],
                'quantity': _stock(product, company.rng),
                'from_location': source,
                'to_location': target,
                'company': company.id,
                'planned_date': date,
                'effective_date': date,
                }
            for source, target in routes
            for product in company.select(type='goods')])
    for batch in batches(moves):
        Move.do(batch)


def _stock(product, rng):
    if product.unit in {'kg', 'liter'}:
        return round(rng.uniform(40, 150), 2)
    return float(rng.randint(60, 400))


def _create_units():
    Unit = Pool().get('product.uom')
    units = {}
    for row in read('units'):
        values = {
            'name': row['name'],
            'symbol': row['symbol'],
            'rounding': float(row['rounding']),
            'digits': int(row['digits']),
            }
        if row['xml']:
            unit = Unit(xml_id(row['xml']))
            Unit.write([unit], values)
        else:
            factor = float(row['factor'])
            unit, = Unit.create([{
                        **values,
                        'category': xml_id(row['category']),
                        'factor': factor,
                        'rate': round(1 / factor, 12),
                        }])
        units[row['key']] = unit.id
    return units


def _create_accounting_categories(company):
    return create_by_key('product.category', {
            row['key']: {
                'name': row['name'],
                'accounting': True,
                'account_revenue': company.accounts[row['revenue']],
                'account_expense': company.accounts['501.01'],
                'customer_taxes': [('add', [
                            company.taxes[tax]
                            for tax in row['taxes'].split()])],
                }
            for row in read('accounting_categories')})


def _create_categories(rows):
    "Create the tree of categories that the products' rows name by their path"
    paths = {}
    for row in rows:
        path = ''
        for name in row['category'].split(' / '):
            parent, path = path, f'{path} / {name}' if path else name
            paths[path] = {'path': path, 'parent': parent, 'name': name}

    def get_values(row, parent):
        return {'name': row['name'], 'parent': parent}
    return create_tree(
        'product.category', list(paths.values()), 'path', get_values)


def _configure():
    Configuration = Pool().get('product.configuration')
    configuration = Configuration(1)
    configuration.default_cost_price_method = 'average'
    configuration.save()


def make_name(row, turn, brands):
    "Return the name of the template that the row makes at that turn"
    turn, size = divmod(turn, len(sizes := row['sizes'].split(';')))
    words = [row['name'], sizes[size]]
    if row['branded']:
        turn, brand = divmod(turn, len(brands))
        words.insert(1, brands[brand])
    if turn:
        words.append(str(turn + 1))
    return ' '.join(words)


def make_code(row, index):
    "Return the code of the template of that index"
    return f'{row["type"][0].upper()}{index + 1:05d}'


def make_ean(unit, number):
    "Mexico's prefix, or the shop's own for what it weighs or fills"
    prefix = '20' if unit in {'kg', 'liter'} else '750'
    code = f'{prefix}{number:0{12 - len(prefix)}d}'
    return code + ean.calc_check_digit(code)


class _Catalog:
    "Draws the values of product templates"

    def __init__(self, company, rows):
        self.company = company
        self.rng = company.rng
        self.rows = rows
        self.brands = column('brands')
        self.taxes = {
            key: list(Pool().get('product.category')(id_).customer_taxes)
            for key, id_ in company.accounting_categories.items()}
        self.items = count(1)

    def templates(self, number):
        "Yield the values of templates that have number variants in all"
        for index in count():
            if number <= 0:
                break
            row = self.rows[index % len(self.rows)]
            name = make_name(row, index // len(self.rows), self.brands)
            variants = row['variants'].split(';')[:number]
            number -= len(variants)
            yield row, self._values(row, index, name, variants)

    def _values(self, row, index, name, variants):
        company = self.company
        unit = company.units[row['unit']]
        gross, price, cost = self._prices(row)
        return {
            'name': name,
            'code': make_code(row, index),
            'type': row['type'],
            'active': index % 20 != 19,
            'default_uom': unit,
            'salable': True,
            'sale_uom': unit,
            'gross_price': gross,
            'list_price': price,
            'cost_price_method': (
                'average' if row['type'] == 'goods' else 'fixed'),
            'categories': [('add', [company.categories[row['category']]])],
            'account_category': company.accounting_categories[row['tax']],
            'products': [('create', [
                        self._variant(row, position, suffix, gross, cost)
                        for position, suffix in enumerate(variants)])],
            }

    def _variant(self, row, position, suffix, gross, cost):
        values = {
            'suffix_code': f'-{suffix}' if suffix else None,
            'cost_price': cost,
            }
        if position:  # larger sizes have prices of their own
            values['gross_price'] = gross + 10 * position
            values['list_price'] = self._list_price(
                row['tax'], values['gross_price'])
        if row['type'] == 'goods':
            values['identifiers'] = [('create', [
                        {'type': 'ean', 'code': make_ean(
                            row['unit'], next(self.items))}])]
        return values

    def _prices(self, row):
        low, high = int(row['price_from']), int(row['price_to'])
        gross = Decimal(self.rng.randint(low * 2, high * 2)) / 2
        price = self._list_price(row['tax'], gross)
        cost = price * self.rng.randint(60, 85) / 100
        return gross, price, round_price(cost)

    def _list_price(self, tax, gross):
        Tax = Pool().get('account.tax')
        return round_price(Tax.reverse_compute(
                gross, self.taxes[tax], self.company.today))


@inactive_records
def create_products(company, rows, number):
    catalog = _Catalog(company, rows)
    drawn = list(catalog.templates(number))
    templates = create('product.template', [values for _, values in drawn])
    for (row, values), template in zip(drawn, templates, strict=True):
        variants = values['products'][0][1]
        for product, variant in zip(
                template.products, variants, strict=True):
            company.products.append(
                _product(product, row, {**values, **variant}))


def _product(product, row, values):
    return Product(
        id=product.id,
        code=product.code,
        type=row['type'],
        tax=row['tax'],
        unit=row['unit'],
        **{name: values[name] for name in [
                'name', 'active',
                'gross_price', 'list_price', 'cost_price']})


def _create_price_lists(company):
    lists = create_by_key('product.price_list', {
            'retail': {
                'name': "Público",
                'company': company.id,
                'price': 'list_price',
                'lines': [('create', [{'formula': 'unit_price'}])],
                },
            'wholesale': {
                'name': "Mayoreo",
                'company': company.id,
                'price': 'list_price',
                'lines': [('create', [
                            {
                                'category': company.categories['Abarrotes'],
                                'quantity': 12.,
                                'formula': 'unit_price * 0.9',
                                },
                            {'quantity': 12., 'formula': 'unit_price * 0.95'},
                            {'formula': 'unit_price'},
                            ])],
                },
            })
    if has('sale.configuration.sale_price_list'):
        Configuration = Pool().get('sale.configuration')
        configuration = Configuration(1)
        configuration.sale_price_list = lists['retail']
        configuration.save()
    return lists
