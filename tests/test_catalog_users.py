# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Who is taken from the branch at the central is out after the next refresh"
import pytest
import requests

from .process import PASSWORD

LOGIN = 'esp.lupita'


def rpc(shop, method, *params, auth=None):
    "Call the branch as a client does, over HTTP"
    return requests.post(
        f'{shop.web.url}/{shop.branch.name}/rpc/', auth=auth,
        json={'id': 1, 'method': method, 'params': list(params)}, timeout=60)


class Session:
    "A session of the cashier at the branch"

    def __init__(self, shop, login=LOGIN):
        self.shop = shop
        answer = rpc(shop, 'common.db.login', login, {'password': PASSWORD})
        assert answer.status_code == 200
        result = answer.json()
        self.user, self.key = (
            result['result'] if isinstance(result, dict) else result)[:2]
        self.login = login

    def read(self):
        import base64
        token = base64.b64encode(
            f'{self.login}:{self.user}:{self.key}'.encode()).decode()
        return requests.post(
            f'{self.shop.web.url}/{self.shop.branch.name}/rpc/',
            headers={'Authorization': f'Session {token}'},
            json={'id': 1, 'method': 'model.product.product.search',
                'params': [[], 0, 1, None, {}]}, timeout=60)


def change_users(shop, *changes, login=LOGIN):
    with shop.central.transaction():
        User = shop.central.get('res.user')
        Branch = shop.central.get('offline_sales.branch')
        user, = User.search([('login', '=', login)])
        branch, = Branch.search([('code', '=', 'ESP')])
        Branch.write([branch], {'users': [(c, [user.id]) for c in changes]})


def groups(shop, login=LOGIN):
    with shop.branch.transaction(context={'active_test': False}):
        user, = shop.branch.get('res.user').search([('login', '=', login)])
        return user.active, {g.name for g in user.groups}


@pytest.fixture
def session(shop):
    session = Session(shop)
    assert session.read().status_code == 200
    return session


def test_removed_user_is_out_at_the_next_refresh(shop, session):
    other = Session(shop, 'esp.martin')
    change_users(shop, 'remove')
    assert session.read().status_code == 200
    shop.obtain()
    assert session.read().status_code == 401
    answer = rpc(shop, 'common.db.login', LOGIN, {'password': PASSWORD})
    assert answer.status_code in {401, 403} or not answer.json().get('result')
    assert groups(shop) == (False, set())
    assert other.read().status_code == 200


def test_user_comes_back(shop, session):
    change_users(shop, 'remove')
    shop.obtain()
    change_users(shop, 'add')
    shop.obtain()
    active, names = groups(shop)
    assert active
    assert names == {"Offline Sales Branch", "POS", "Sales"}
    assert Session(shop).read().status_code == 200


def test_user_deactivated_at_the_central_is_out(shop, session):
    with shop.central.transaction():
        User = shop.central.get('res.user')
        user, = User.search([('login', '=', LOGIN)])
        user.active = False
        user.save()
    shop.obtain()
    assert session.read().status_code == 401
    assert groups(shop) == (False, set())


def test_groups_are_those_of_the_branch_whatever_they_were(shop):
    def harm():
        User = shop.branch.get('res.user')
        ModelData = shop.branch.get('ir.model.data')
        user, = User.search([('login', '=', LOGIN)])
        User.write([user], {
                'groups': [('add', [
                            ModelData.get_id('res', 'group_admin')])]})
    shop.branch.run(harm)
    shop.obtain()
    assert groups(shop) == (
        True, {"Offline Sales Branch", "POS", "Sales"})


def test_changed_password_is_that_of_the_branch_after_the_refresh(
        shop, session):
    with shop.central.transaction():
        User = shop.central.get('res.user')
        user, = User.search([('login', '=', LOGIN)])
        User.write([user], {'password': 'another-one-4711'})
    shop.obtain()
    with shop.branch.transaction():
        User = shop.branch.get('res.user')
        assert not User.get_login(LOGIN, {'password': PASSWORD})
        assert User.get_login(LOGIN, {'password': 'another-one-4711'})
