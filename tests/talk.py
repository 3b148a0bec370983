# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A central with two branches, who asks it by hand, and servers of other kinds"
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from trytond.pool import Pool

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    wire)
from trytond.modules.offline_sales.offline_sales.routes import (  # isort: skip
    _buckets, _strangers)

__all__ = ['Office', 'Caller', 'other_server']


def make_branches():
    "Make a company with two branches and return their ids by code"
    pool = Pool()
    Branch = pool.get('offline_sales.branch')
    Company = pool.get('company.company')
    Currency = pool.get('currency.currency')
    Location = pool.get('stock.location')
    Party = pool.get('party.party')
    currency, = Currency.create([{
                'name': "Peso", 'symbol': '$', 'code': 'MXN'}])
    party, = Party.create([{'name': "Abarrotes La Esperanza"}])
    company, = Company.create([{
                'party': party.id, 'currency': currency.id,
                'timezone': 'America/Mexico_City'}])
    warehouse, = Location.search([('type', '=', 'warehouse')], limit=1)
    return {
        b.code: b.id for b in Branch.create([{
                    'name': name, 'code': code, 'company': company.id,
                    'warehouse': warehouse.id,
                    } for code, name in [('N', "North"), ('S', "South")]])}


def make_code(branch):
    Contact = Pool().get('offline_sales.contact')
    return Contact.of(branch).new_code()


class Office:
    "The central; its first one is copied for the next"
    _saved = _paired = None

    def __init__(self, make_database, web):
        _buckets.clear()
        _strangers.clear()
        self.web = web
        if not Office._saved:
            database = make_database('central', 'bare')
            branches = database.run(make_branches)
            file = database.save(database.file.with_suffix('.office'))
            Office._saved = file, branches
        file, self.branches = Office._saved
        self.database = make_database('central', file)

    @property
    def url(self):
        return f'{self.web.url}/{self.database.name}/offline_sales'

    def code(self, branch='N'):
        return self.database.run(make_code, self.branches[branch])

    def pair(self, branch='N', uuid=None):
        "Return a caller with the key of the branch"
        caller = Caller(self.url)
        params = {
            'code': self.code(branch),
            'uuid': uuid or f'uuid of the database {branch}',
            'language': 'en', 'price_decimal': 4}
        answer = caller.post('pair', params)
        assert answer.ok, answer.text
        result = wire.loads(answer.content)['result']
        return Caller(
            self.url, result['key'], result['branch'], params['uuid'])

    def paired(self):
        "Return a caller with the key of North, in the state of the first one"
        if not Office._paired:
            caller = self.pair()
            file = self.database.save(
                self.database.file.with_suffix('.paired'))
            Office._paired = file, caller.key, caller.branch, caller.uuid
        file, *identity = Office._paired
        self.database.restore(file)
        return Caller(self.url, *identity)

    @contextmanager
    def contact(self, branch='N'):
        with self.database.transaction():
            Contact = Pool().get('offline_sales.contact')
            yield Contact.of(self.branches[branch])

    def revoke(self, branch='N'):
        with self.database.transaction():
            Branch = Pool().get('offline_sales.branch')
            Branch.revoke_key([Branch(self.branches[branch])])


class Caller:
    "Who asks the central, with envelopes that can be anything"

    def __init__(self, url, key=None, branch=None, uuid=None):
        self.url = url
        self.key = key
        self.branch = branch
        self.uuid = uuid
        self.counter = 0
        self.recent = []

    def envelope(self, params=None, **changes):
        self.counter += 1
        envelope = {
            'protocol': 1, 'series': '8.0', 'branch': self.branch,
            'uuid': self.uuid, 'counter': self.counter,
            'request': f'{id(self)}-{self.counter}',
            'recent': self.recent[-wire.RECENT:],
            'params': {} if params is None else params,
            **changes}
        self.recent.append([envelope['counter'], envelope['request']])
        return envelope

    def post(self, procedure, params=None, **changes):
        return self.send(procedure, wire.dumps(
                self.envelope(params, **changes)))

    def send(self, procedure, data, **headers):
        if self.key:
            headers.setdefault('Authorization', f'Bearer {self.key}')
        headers = {k.replace('_', '-'): v for k, v in headers.items()}
        headers.setdefault('Content-Type', 'application/json')
        return requests.post(
            f'{self.url}/{procedure}', data=data, headers=headers, timeout=30)


def error(response):
    "Return the code of the error that the response tells of"
    assert response.headers['Content-Type'] == 'application/json'
    answer = response.json()
    assert set(answer) == {'error'} and set(answer['error']) == {
        'code', 'params'}
    for word in ['Traceback', 'File "', 'North', 'Abarrotes', 'select']:
        assert word not in response.text
    return answer['error']['code']


@contextmanager
def other_server(answer, context=None):
    """Serve what answer(handler) writes, with TLS if there is a context, and
    yield the port and the list of the requests that came"""
    came = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_POST(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            came.append((self.path, dict(self.headers), body))
            answer(self)

        def reply(self, status, data=b'', kind='application/json', **headers):
            self.send_response(status)
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(data)))
            for name, value in headers.items():
                self.send_header(name.replace('_', '-'), value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass

    server = Server(('127.0.0.1', 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(
        target=server.serve_forever, args=(.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port, came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
