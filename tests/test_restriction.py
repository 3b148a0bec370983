# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What a cashier may do at a branch

cashier.txt lists all that a cashier may do, of all that trytond exposes with
the modules of the tests: what is new there shows as a difference.
"""
from pathlib import Path

import pytest

from trytond.exceptions import UserError
from trytond.model import ModelView
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.protocols.wrappers import exceptions
from trytond.report import Report
from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales.restriction import (  # isort: skip
    GuardReportMixin)

from .counter import Counter
from .usage import Cashier, Fault, Refused

LIST = Path(__file__).with_name('cashier.txt')

# On every model with a form, bounded by the rights
COMMON = {
    'autocomplete', 'copy', 'create', 'default_get', 'delete', 'export_data',
    'export_data_domain', 'fields_get', 'fields_view_get',
    'history_revisions', 'import_data', 'on_change', 'on_change_notify',
    'on_change_with', 'on_scan_code', 'pre_validate', 'read', 'resources',
    'search', 'search_count', 'search_read', 'view_toolbar_get', 'write',
    }


@pytest.fixture
def cashier(shop):
    return Cashier(shop.web.url, shop.branch.name).login()


def allowed(rpc, name):
    try:
        rpc.check(name)
    except (UserError, exceptions.HTTPException):
        return False
    return True


def walk():
    "Yield a line for each object of the pool that lets the user do something"
    pool = Pool()
    ModelAccess = pool.get('ir.model.access')
    for type_ in ['model', 'wizard', 'report']:
        for name, obj in sorted(pool.iterobject(type=type_)):
            rights = ''
            if type_ == 'model':
                with Transaction().set_context(_check_access=True):
                    rights = ''.join(
                        mode[0] for mode in ['read', 'write', 'create',
                            'delete']
                        if ModelAccess.check(
                            name, mode, raise_exception=False))
            procedures = {
                procedure for procedure, rpc in obj.__rpc__.items()
                if allowed(rpc, name)}
            if type_ == 'model' and not issubclass(obj, ModelView):
                procedures -= {'default_get', 'fields_get', 'pre_validate'}
            opened = COMMON & procedures
            procedures -= COMMON
            procedures = {
                p for p in procedures if not p.startswith('on_change_')}
            if rights or opened or procedures:
                yield ' '.join(filter(None, [
                            type_, name, rights or '-',
                            *sorted(procedures)]))


def test_cashier_may_do_what_is_listed(shop):
    lines = list(Counter(shop.branch).run(lambda: list(walk())))
    found = '\n'.join(lines) + '\n'
    assert found.splitlines() == LIST.read_text().splitlines()


def test_administrator_may_administer(shop):
    admin = Cashier(shop.web.url, shop.branch.name, 'admin').login()
    assert admin.call('model.ir.cron.search', [], 0, None, None)
    assert admin.call('wizard.offline_sales.configuration.test.create')


def test_report_of_the_module_takes_no_action_of_another(shop):
    "whose groups would be those that are asked for"
    class Own(GuardReportMixin, Report):
        __name__ = 'offline_sales.report'
        __rpc__ = {}

    def check():
        Action = shop.central.get('ir.action.report')
        for action in Action.search([], limit=1):
            Own.check_access(action, None, [])
    with pytest.raises(AccessError):
        shop.central.run(check)


@pytest.mark.parametrize('call', [
        ('write', [1], {'role': 'central'}), ('write', [1], {'uuid': "x"}),
        ('write', [1], {'branch_code': "X"}), ('delete', [1]),
        ('import_data', ['id', 'role'], [['1', "central"]])],
    ids=str)
def test_administrator_makes_no_central_of_a_branch(shop, call):
    admin = Cashier(shop.web.url, shop.branch.name, 'admin').login()
    name, *arguments = call
    model = 'model.offline_sales.configuration'
    with pytest.raises((Fault, Refused)):
        admin.call(f'{model}.{name}', *arguments)
    admin.call(f'{model}.write', [1], {'allow_http': True})
    with shop.branch.transaction():
        configuration = shop.branch.get('offline_sales.configuration')(1)
        assert configuration.is_branch()
        assert (configuration.role, configuration.branch_code) == (
            'branch', 'ESP')


def test_cashier_at_the_central_is_not_restricted(shop):
    cashier = Cashier(shop.web.url, shop.central.name).login()
    assert cashier.call('model.sale.reporting.customer.search', [], 0, 1, None
        ) == []


@pytest.mark.parametrize('call', [
        ('model.ir.cron.search', [], 0, None, None),
        ('model.ir.cron.run_once', [1]),
        ('model.ir.session.read', [1], ['key']),
        ('model.ir.model.data.get_id', 'res', 'user_admin'),
        ('model.ir.sequence.strict.create', [{'name': "x"}]),
        ('model.ir.sequence.strict.write', [1], {'prefix': "x"}),
        ('model.ir.model.access.create', [{'model': 'res.user'}]),
        ('model.ir.ui.view.write', [1], {'data': "x"}),
        ('model.res.user.write', [1], {'name': "x"}),
        ('model.res.user.create', [{'name': "x", 'login': "x"}]),
        ('model.res.user.reset_password', [1]),
        ('model.res.user-res.group.create', [{'user': 1, 'group': 1}]),
        ('model.res.user.application.create', [{'application': 'rest'}]),
        ('model.product.product.write', [1], {'code': "x"}),
        ('model.product.template.create', [{'name': "x"}]),
        ('model.account.move.search', [], 0, None, None),
        ('model.sale.point.sale.post', [1]),
        ('model.sale.point.cash.session.post', [1]),
        ('model.sale.sale.process', [1]),
        ('model.offline_sales.usage.create', [{'user': 1}]),
        ('model.offline_sales.usage.write', [1], {'state': 'open'}),
        ('model.offline_sales.configuration.write', [1], {'role': 'central'}),
        ('model.offline_sales.credential.search', [], 0, None, None),
        ('model.offline_sales.branch.write', [1], {'usage': 'user'}),
        ('wizard.party.replace.create',),
        ('wizard.party.erase.create',),
        ('wizard.ir.module.activate_upgrade.create',),
        ('wizard.offline_sales.configuration.pair.create',),
        ('wizard.offline_sales.token.generate.create',),
        ('report.party.letter.execute', [1], {}),
        ], ids=lambda call: call[0])
def test_refused_over_rpc(cashier, call):
    with pytest.raises((Fault, Refused)) as error:
        cashier.call(*call)
    if isinstance(error.value, Refused):
        assert error.value.status == 403
    else:
        assert error.value.kind == 'UserError'


def test_password_hashes_cannot_be_read(cashier):
    users = cashier.call(
        'model.res.user.search_read', [], 0, None, None, ['password_hash'])
    assert users and {u['password_hash'] for u in users} == {None}


@pytest.mark.parametrize('model', [
        'ir.session', 'ir.cron', 'offline_sales.credential',
        'res.user.login.attempt', 'account.move'])
def test_refused_as_export(cashier, model):
    response = cashier.web.get(
        f'{cashier.url}data/{model}', params={'f': 'id'},
        headers=cashier.headers(), timeout=30)
    assert response.status_code >= 400
    assert 'id' not in response.text.splitlines()


def menus(client, database):
    "Return the names of the menus that a client shows"
    ids = client.call('model.ir.ui.menu.search', [], 0, None, None)
    with database.transaction():
        ModelData = database.get('ir.model.data')
        return {
            f'{d.module}.{d.fs_id}' for d in ModelData.search([
                    ('model', '=', 'ir.ui.menu'),
                    ('db_id', 'in', ids),
                    ])}


def test_menu_of_a_responsible_at_the_central(shop):
    def make():
        User = shop.central.get('res.user')
        User.write(User.search([('login', '=', 'esp.lupita')]), {
                'groups': [('add', [shop.central.get('ir.model.data').get_id(
                                'offline_sales',
                                'group_offline_sales_responsible')])]})
    shop.central.run(make)
    responsible = Cashier(shop.web.url, shop.central.name).login()
    names = menus(responsible, shop.central)
    assert 'offline_sales.menu_token_generate' in names
    assert 'offline_sales.menu_token_form' in names
    assert {n for n in names if n.startswith(('ir.', 'res.'))} == {
        'ir.menu_administration'}


def test_menu_is_that_of_a_cashier(shop, cashier):
    assert menus(cashier, shop.branch) == {
        'ir.menu_administration',
        'offline_sales.menu_cash_cut_print',
        'offline_sales.menu_catalog_obtain',
        'offline_sales.menu_configuration_form',
        'offline_sales.menu_configuration_test',
        'offline_sales.menu_document_attend_form',
        'offline_sales.menu_document_form',
        'offline_sales.menu_document_send',
        'offline_sales.menu_journal_print',
        'offline_sales.menu_offline_sales',
        'offline_sales.menu_update_form',
        'offline_sales.menu_usage_form',
        'party.menu_party',
        'party.menu_party_form',
        'product.menu_main_product',
        'product.menu_product',
        'product.menu_template',
        'sale.menu_sale',
        'sale.menu_sale_form',
        'sale_point.menu_cash_session_form',
        'sale_point.menu_sale_form',
        }


def test_groups_of_the_central_do_not_come_along(shop):
    def give_groups():
        User = shop.central.get('res.user')
        Group = shop.central.get('res.group')
        users = User.search([('login', '=', 'esp.lupita')])
        User.write(users, {
                'groups': [('add', [
                            g.id for g in Group.search([
                                    ('name', 'not in', ["Administration"])])
                            ])]})
    shop.central.run(give_groups)
    shop.obtain()
    lines = Counter(shop.branch).run(lambda: list(walk()))
    assert lines == LIST.read_text().splitlines()


def test_cashier_sells_with_the_client(shop, cashier):
    "The calls of the desktop client for a ticket, over RPC"
    counter = Counter(shop.branch)
    context = {
        name: counter.context[name]
        for name in ['company', 'companies', 'language']}
    view = cashier.call(
        'model.sale.point.sale.fields_view_get', None, 'form',
        context=context)
    defaults = cashier.call(
        'model.sale.point.sale.default_get', list(view['fields']),
        context=context)
    assert defaults['state'] == 'open'
    cashier.call('model.sale.point.sale.line.on_change', {
            'product': counter.products[counter.codes(1)[0]],
            '_parent_sale.point': counter.point,
            '_parent_sale.company': counter.company,
            '_parent_sale.date': defaults['date'],
            }, ['product'], context=context)
    sale, = cashier.call('model.sale.point.sale.create', [{
                'point': counter.point, 'company': counter.company}],
        context=context)
    assert cashier.call(
        'model.sale.point.sale.read', [sale],
        ['number', 'point.name', 'total', 'rec_name'], context=context)
    wizard, start, end = cashier.call(
        'wizard.sale.point.sale.pay.create', context={
            **context, 'active_model': 'sale.point.sale',
            'active_id': sale, 'active_ids': [sale]})
    assert (start, end) == ('payment', 'end')
    customer, = cashier.call('model.party.party.create', [{
                'name': "Clienta nueva", 'code': "ESP-C-1",
                'addresses': [['create', [{'street_name': "Allende"}]]]}],
        context=context)
    assert cashier.call(
        'model.ir.ui.menu.search_read', [], 0, None, None,
        ['complete_name', 'action'], context=context)
