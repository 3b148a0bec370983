# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Branches of the demo: warehouses, users, points of sale, registers"""
import secrets
from dataclasses import dataclass, field

from trytond.pool import Pool

from .products import load_stock
from .tables import create, create_by_key, read, xml_id

GROUPS = {
    'cashier': [
        'sale_point.group_sale_point',
        'sale.group_sale',
        ],
    'manager': [
        'account.group_account',
        'party.group_party_admin',
        'product.group_product_admin',
        'sale.group_sale_admin',
        'sale_point.group_sale_point',
        'sale_point.group_sale_point_posting',
        'stock.group_stock',
        ],
    }


@dataclass
class User:
    id: int
    login: str
    name: str
    password: str
    employee: int


@dataclass
class Branch:
    code: str
    name: str
    timezone: str
    warehouse: int
    storage: int
    address: int
    online_point: int
    offline_point: int
    users: list[User] = field(default_factory=list)
    id: int | None = None


def load_shops(company, passwords):
    """Create what each branch sells with: warehouse, stock, points and users

    passwords maps logins to passwords; who is not in it gets a random one.
    """
    company.payment_methods = _create_payment_methods(company)
    company.transfer_types = _create_transfer_types(company)
    rows = read('branches')
    addresses = _create_addresses(company, rows)
    locations = _create_locations(rows)
    warehouses = _create_warehouses(rows, addresses, locations)
    points = _create_points(company, rows, addresses, locations)
    for row in rows:
        code = row['code']
        company.branches[code] = Branch(
            code=code,
            name=row['name'],
            timezone=row['timezone'],
            warehouse=warehouses[code],
            storage=locations[code, 'storage'],
            address=addresses[code],
            online_point=points[code, 'online'],
            offline_point=points[code, 'offline'])
    load_stock(company, [
            (locations[row['code'], 'lost_found'],
                locations[row['code'], 'storage'])
            for row in rows])
    _create_users(company, read('users'), passwords)


def create_branches(company):
    "Create the branches that sell without internet"
    for branch in company.branches.values():
        record, = create('offline_sales.branch', [{
                    'name': branch.name,
                    'code': branch.code,
                    'company': company.id,
                    'timezone': branch.timezone,
                    'warehouse': branch.warehouse,
                    'shortage_type': company.transfer_types['shortage'],
                    'surplus_type': company.transfer_types['surplus'],
                    'users': [('add', [user.id for user in branch.users])],
                    'registers': [('create', [{
                                    'name': "Caja 1",
                                    'online_point': branch.online_point,
                                    'offline_point': branch.offline_point,
                                    }])],
                    }])
        branch.id = record.id
    _add_responsible(company)


def _add_responsible(company):
    "Let the managers tend the branches; cashiers get their group there"
    create('res.user-res.group', [{
                'user': company.users[row['login']].id,
                'group': xml_id(
                    'offline_sales.group_offline_sales_responsible'),
                }
            for row in read('users') if row['role'] == 'manager'])


def _create_payment_methods(company):
    return create_by_key('sale.point.payment.method', {
            key: {
                'name': name,
                'company': company.id,
                'account': company.accounts[account],
                'cash': key == 'cash',
                }
            for key, name, account in [
                ('cash', "Efectivo", '101.01'),
                ('card', "Tarjeta", '102.02'),
                ]})


def _create_transfer_types(company):
    journal = xml_id('account.journal_cash')
    return create_by_key('sale.point.cash.transfer.type', {
            key: {
                'name': name,
                'company': company.id,
                'journal': journal,
                'account': company.accounts[account],
                }
            for key, name, account in [
                ('float', "Fondo de caja", '101.02'),
                ('shortage', "Faltante", '703.21'),
                ('surplus', "Sobrante", '703.21'),
                ]})


def _create_addresses(company, rows):
    addresses = create_by_key('party.address', {
            row['code']: {
                'party': company.party,
                'party_name': f"{company.name}, {row['name']}",
                'street_name': row['street'],
                'building_number': row['number'],
                'postal_code': row['postal_code'],
                'city': row['city'],
                'country': company.country,
                'subdivision': company.states[row['state']],
                }
            for row in rows})
    create('party.contact_mechanism', [{
                'party': company.party,
                'address': addresses[row['code']],
                'type': 'phone',
                'value': row['phone'],
                }
            for row in rows])
    return addresses


def _create_locations(rows):
    return create_by_key('stock.location', {
            (row['code'], key): {
                'name': f"{label} {row['name']}",
                'code': f"{row['code']}-{suffix}",
                'type': type_,
                }
            for row in rows
            for key, label, suffix, type_ in [
                ('input', "Entrada", 'ENT', 'storage'),
                ('output', "Salida", 'SAL', 'storage'),
                ('storage', "Piso de venta", 'PV', 'storage'),
                ('lost_found', "Mermas y ajustes", 'AJU', 'lost_found'),
                ]})


def _create_warehouses(rows, addresses, locations):
    Location = Pool().get('stock.location')
    warehouses = create_by_key('stock.location', {
            row['code']: {
                'name': f"Almacén {row['name']}",
                'code': row['code'],
                'type': 'warehouse',
                'address': addresses[row['code']],
                **{f'{key}_location': location
                    for (code, key), location in locations.items()
                    if code == row['code']},
                }
            for row in rows})
    for code, warehouse in warehouses.items():
        Location.write(
            Location.browse([
                    locations[code, key]
                    for key in ['input', 'output', 'storage']]),
            {'parent': warehouse})
    return warehouses


def _create_points(company, rows, addresses, locations):
    "Create the online and the offline point of the register of each branch"
    kinds = [
        ('online', "en línea", 'EL'),
        ('offline', "sin internet", 'SI'),
        ]
    sequences = create_by_key('ir.sequence.strict', {
            (row['code'], kind): {
                'name': f"Tickets {row['name']} {label}",
                'company': company.id,
                'sequence_type': xml_id('sale_point.sequence_type_sale'),
                'prefix': f"{row['code']}-{letters}-",
                'padding': 6,
                }
            for row in rows for kind, label, letters in kinds})
    return create_by_key('sale.point', {
            (row['code'], kind): {
                'name': f"{row['name']} {label}",
                'company': company.id,
                'tax_included': True,
                'sequence': sequences[row['code'], kind],
                'address': addresses[row['code']],
                'storage_location': locations[row['code'], 'storage'],
                'return_location': locations[row['code'], 'storage'],
                'customer_location': xml_id('stock.location_customer'),
                'journal': xml_id('account.journal_revenue'),
                }
            for row in rows for kind, label, _ in kinds})


def _create_users(company, rows, passwords):
    parties = create('party.party', [
            {'name': row['name'], 'addresses': []} for row in rows])
    employees = create('company.employee', [
            {'party': party.id, 'company': company.id} for party in parties])
    vlist = [
        _user_values(company, row, employee.id, passwords)
        for row, employee in zip(rows, employees, strict=True)]
    records = create('res.user', vlist)
    for row, values, record in zip(rows, vlist, records, strict=True):
        user = User(
            id=record.id,
            employee=values['employee'],
            **{name: values[name] for name in ['login', 'name', 'password']})
        company.users[user.login] = user
        if row['branch']:
            company.branches[row['branch']].users.append(user)


def _user_values(company, row, employee, passwords):
    branch = company.branches.get(row['branch'])
    return {
        'name': row['name'],
        'login': row['login'],
        'password': (
            passwords.get(row['login']) or secrets.token_urlsafe(12)),
        'language': company.language,
        'groups': [('add', list(map(xml_id, GROUPS[row['role']])))],
        'companies': [('add', [company.id])],
        'company': company.id,
        'employees': [('add', [employee])],
        'employee': employee,
        'warehouse': branch.warehouse if branch else None,
        }
