# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A cashier who logs in over HTTP, and who gives him tokens by phone

    usage.open_usage(web.url, branch.name, give(central), 'esp.lupita')
"""
import base64
import json
import re

import requests

from trytond.protocols.jsonrpc import JSONEncoder

from trytond.modules.offline_sales.offline_sales.token.usage import (
    PARAMETER)

from .process import PASSWORD

__all__ = [
    'Asked', 'Browser', 'Cashier', 'Fault', 'PARAMETER', 'Refused', 'give',
    'open_usage', 'read_id']


class Refused(Exception):
    "An HTTP status instead of an answer"

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Fault(Exception):
    "What trytond tells of an error: its kind and its text"

    def __init__(self, kind, text):
        super().__init__(kind, text)
        self.kind = kind
        self.text = text


class Asked(Exception):
    "The prompt of a login"

    def __init__(self, name, text, type):
        super().__init__(name, text, type)
        self.name = name
        self.text = text
        self.type = type


def read_id(text):
    "Return the Id in a prompt, as it is read out"
    return re.search(r'Id: (\d{3} \d{3} \d{3})', text).group(1)


class Cashier:
    "Who speaks JSON-RPC as the desktop client does"

    def __init__(self, url, database, login='esp.lupita'):
        self.url = f'{url}/{database}/'
        self.name = login
        self.web = requests.Session()

    def post(self, path, method, params):
        response = self.web.post(
            self.url + path, data=json.dumps({
                    'id': 1, 'method': method, 'params': params,
                    }, cls=JSONEncoder),
            timeout=60, headers={
                'Content-Type': 'application/json', **self.headers()})
        if not response.ok:
            raise Refused(response.status_code)
        answer = response.json()
        if answer.get('error'):
            kind, details, *_ = answer['error']
            if kind == 'LoginException':
                raise Asked(*details)
            raise Fault(kind, details[0] if details else '')
        return answer['result']

    session = None

    def headers(self):
        if not self.session:
            return {}
        user, key = self.session
        text = base64.b64encode(f'{self.name}:{user}:{key}'.encode())
        return {'Authorization': f'Session {text.decode()}'}

    def parameters(self, password, token):
        parameters = {}
        if password is not None:
            parameters['password'] = password
        if token is not None:
            parameters[PARAMETER] = token
        return parameters

    def login(self, token=None, password=PASSWORD, **parameters):
        "Log in or raise Asked"
        self.session = None
        user, key, *_ = self.post('rpc/', 'common.db.login', [
                self.name, {**self.parameters(password, token), **parameters},
                'en'])
        self.session = user, key
        return self

    def ask(self):
        "Return the Id that the login shows"
        try:
            self.login()
        except Asked as asked:
            assert (asked.name, asked.type) == (PARAMETER, 'char')
            return read_id(asked.text)
        raise AssertionError("no token was asked")

    def call(self, method, *params, context=None):
        return self.post('rpc/', method, [*params, context or {}])


class Browser(Cashier):
    "Who keeps a session cookie as the web client does"

    def login(self, token=None, password=PASSWORD, **parameters):
        response = self.web.post(
            self.url + 'session/login', json={
                'id': 1, 'method': 'common.db.login', 'params': [
                    self.name,
                    {**self.parameters(password, token), **parameters},
                    'en']}, timeout=60)
        if not response.ok:
            raise Refused(response.status_code)
        answer = response.json()
        if answer.get('error'):
            raise Asked(*answer['error'][1])
        # The cookie is for TLS only
        for cookie in self.web.cookies:
            cookie.secure = False
        return self


def give(central, hours=8, code='ESP', reason="The internet is down"):
    "Return the function that returns the token for an Id"
    def give(identifier):
        def give():
            Branch = central.get('offline_sales.branch')
            Token = central.get('offline_sales.token')
            branch, = Branch.search([('code', '=', code)])
            return str(Token.give(branch, identifier, hours, reason))
        return central.run(give)
    return give


def open_usage(url, database, give, login='esp.lupita', password=PASSWORD):
    """Open a usage as a cashier does and return the one who is logged in

    give: the function that returns the token for the Id that was asked.
    """
    cashier = Cashier(url, database, login)
    try:
        cashier.login(password=password)
    except Asked as asked:
        cashier.login(give(read_id(asked.text)), password=password)
    return cashier
