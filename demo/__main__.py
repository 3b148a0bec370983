# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The main job, from nothing to the table of what was checked

Two real servers, the internet between them cut and restored.
"""
import argparse
import secrets
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from proteus import Model, Wizard

from trytond.modules import offline_sales
from trytond.modules.offline_sales.demo import look
from trytond.modules.offline_sales.demo.checks import Checks
from trytond.modules.offline_sales.demo.day import (
    figures, invoice, plan, sell)
from trytond.modules.offline_sales.demo.tables import read
from trytond.modules.offline_sales.tests.process import Server
from trytond.modules.offline_sales.tests.store import SQLite
from trytond.modules.offline_sales.tests.template import TEMPLATES

BRANCH = 'ESP'
CASHIERS = ['esp.lupita', 'esp.martin']
PRODUCTS, CUSTOMERS, TICKETS = 1000, 500, 20
CUSTOMER = "Abarrotes El Faro"
# The web client, where "make clients" puts it
WEB = Path(offline_sales.__file__).parent / '.clients' / 'sao'
CASH, CARDS, TAXES = '101.01', '102.02', ['208.01', '208.02']


class Demo:
    """A central and its branch "Esperancita", each a trytond of its own

    directory is where their databases, configurations and logs are.
    """

    def __init__(self, directory, checks):
        self.checks = checks
        self.admin = secrets.token_urlsafe(12)
        store = SQLite(directory)
        template = TEMPLATES['selling'].file(store)
        options = {'web': {'root': str(WEB)}} if WEB.exists() else {}
        self.servers = []
        for name in ['central', 'branch']:
            store.create(name, template)
            server = Server(store, name, directory, options)
            server.run(look.set_password, self.admin)
            self.servers.append(server)
        self.central, self.branch = self.servers

    def close(self):
        for server in self.servers:
            server.close()

    # The steps

    def load(self, products=PRODUCTS, customers=CUSTOMERS):
        self.company = self.central.run(
            look.load, products=products, customers=customers,
            # On a slow computer it takes what it takes
            timeout=None)
        self.shop = self.company['branches'][BRANCH]
        self.passwords = {
            login: user['password']
            for login, user in self.company['users'].items()}
        for server in self.servers:
            server.start()

    def pair(self):
        with self.central.proteus(password=self.admin) as config:
            Branch = Model.get('offline_sales.branch', config=config)
            branch, = Branch.find([('code', '=', BRANCH)])
            code = Wizard(
                'offline_sales.branch.pairing', [branch], config=config
                ).form.code
        with self.branch.proteus(password=self.admin) as config:
            pairing = Wizard('offline_sales.configuration.pair', config=config)
            pairing.form.url = self.central.url
            pairing.form.database = self.central.database
            pairing.form.code = code
            pairing.execute('pair')
            self.checks.check(
                "The branch is paired", self.shop['name'] in pairing.form.text)
            test = Wizard('offline_sales.configuration.test', config=config)
            text = ' '.join(line.text for line in test.form.lines)
            # It warns of the lack of TLS, on this machine too
            self.checks.check("The connection is good", [
                    line.text for line in test.form.lines
                    if line.state == 'error'], [])
            self.checks.check(
                "It tells the central's name, series and clock", all(
                    word in text for word in [self.company['name'], '8.0']))

    def obtain(self):
        with self.branch.proteus(password=self.admin) as config:
            obtain = Wizard('offline_sales.catalog.obtain', config=config)
            obtain.execute('obtain')
            self.checks.check("Rows of the first catalogs were received",
                obtain.form.rows > PRODUCTS * 5)
        output = self.branch.admin('--validate', '-v', timeout=None)
        faults = [line for line in output.splitlines() if ': KO' in line]
        self.checks.check("trytond-admin --validate finds", faults, [])

    def look_at_catalogs(self):
        with self.cashier() as config:
            Product = Model.get('product.product', config=config)
            Party = Model.get('party.party', config=config)
            active = [p for p in self.company['products'] if p['active']]
            self.checks.check(
                "The cashier sees the products to sell",
                len(Product.find([('salable', '=', True)])), len(active))
            # One of 25 is not active
            self.checks.check(
                "The cashier sees the customers with their RFC",
                len(Party.find([('identifiers.type', '=', 'mx_vat')]))
                >= CUSTOMERS - CUSTOMERS // 25)

    def cashier(self, login=CASHIERS[0]):
        "Log in as a cashier, who reads the Id out where it is asked for"
        return self.branch.proteus(
            login, self.passwords[login], give=self.give)

    def give(self, identifier):
        "Give a usage token over the phone"
        return self.central.give_token(identifier, BRANCH)

    def sell_offline(self):
        before = self.figures()
        self.central.stop()
        self.checks.check("The central is down", self.central.running, False)
        tickets = plan(self.company['products'], TICKETS)
        self.numbers = []
        for i, login in enumerate(CASHIERS):
            with self.cashier(login) as config:
                for ticket in tickets[i::len(CASHIERS)]:
                    self.numbers.append(sell(config, ticket))
        self.checks.check(
            "Tickets sold without internet", len(set(self.numbers)), TICKETS)
        return before, tickets

    def send(self):
        "Send by the wizard, as often as the central has work left"
        with self.cashier() as config:
            for _ in range(20):
                send = Wizard('offline_sales.document.send', config=config)
                if not self.waiting():
                    break
        return send.form.message

    def waiting(self):
        "Return how many documents of the branch are not settled"
        with self.branch.proteus(password=self.admin) as config:
            Document = Model.get('offline_sales.document', config=config)
            return len(Document.find([('state', 'in', ['pending', 'sent'])]))

    def figures(self):
        return self.central.run(
            look.figures, self.company['id'], self.shop['storage'])

    def compare(self, what, before, tickets):
        "Check that the central moved by exactly what was sold"
        after, expected = self.figures(), figures(tickets)
        moved = {
            code: quantity - before['stock'][code]
            for code, quantity in after['stock'].items()
            if quantity != before['stock'][code]}
        self._same(f"{what}: stock moved by", moved, expected['stock'],
            f"{len(moved)} products")
        change = Counter(after['accounts'])
        change.subtract(before['accounts'])
        revenue = self._by_account(expected['revenue'])
        self._same(f"{what}: revenue", {
                account: -change[account] for account in revenue}, revenue,
            sum(revenue.values()))
        for name, amount, accounts in [
                ('taxes', -expected['tax'], TAXES),
                ('cash', expected['cash'], [CASH]),
                ('cards', expected['card'], [CARDS])]:
            self.checks.check(
                f"{what}: {name}", sum(change[a] for a in accounts), amount)
        others = change.keys() - {*revenue, *TAXES, CASH, CARDS}
        self.checks.check(
            f"{what}: nothing else moved",
            sum(abs(change[account]) for account in others), 0)
        return expected

    def _same(self, what, value, expected, shown):
        "Check two dictionaries and show something short"
        good = value == expected
        self.checks.check(what, shown if good else value,
            shown if good else expected)

    @staticmethod
    def _by_account(revenue):
        accounts = {
            row['key']: row['revenue']
            for row in read('accounting_categories')}
        result = Counter()
        for category, amount in revenue.items():
            result[accounts[category]] += amount
        return dict(result)

    def look_at_tickets(self, numbers, expected):
        "Check the tickets and the cash session that the central has made"
        point = self.shop['offline_point']
        tickets = self.central.run(look.tickets, point)
        self.checks.check(
            "The numbers are those that were printed",
            sorted(t['number'] for t in tickets) == sorted(numbers)
            and len(numbers), len(numbers))
        self.checks.check(
            "The tickets are posted, with goods and accounts",
            {(t['state'], t['move'], *t['goods']) for t in tickets},
            {('posted', 'posted', 'done')})
        self.checks.check(
            "They are in the name of the cashiers",
            sorted({t['user'] for t in tickets}), CASHIERS)
        sessions = self.central.run(look.sessions, point)
        self.checks.check(
            "The payments are in the branch's own cash session",
            {s for t in tickets for s in t['sessions']},
            {s['id'] for s in sessions})
        self.checks.check(
            "The balance of the cash session",
            sum(s['balance'] for s in sessions), expected['cash'])

    def invoice_offline(self):
        """Make a customer and a prefactura of his that is paid, without
        internet, and look at them in the books of the central"""
        before = self.figures()['accounts']
        ticket, = plan(self.company['products'], 1, seed=5)
        self.central.stop()
        with self.cashier() as config:
            code, number, total = invoice(config, CUSTOMER, ticket)
        self.checks.check(
            "The prefactura is of the prices of the tickets",
            abs(total - ticket.total) < Decimal('.05'))
        self.central.start()
        print(self.send())
        self.checks.check(
            f"The customer {code} and the prefactura {number}",
            self.central.run(look.prefactura, self.company['id'], number), {
                'code': code,
                'customers': 1,
                'state': 'processing',
                'total': total,
                'invoices': [['draft', CUSTOMER, total]],
                'paid': ['posted'],
                'receivable': -total,
                })
        change = Counter(self.figures()['accounts'])
        change.subtract(before)
        self.checks.check("The prefactura: cash", change.pop(CASH), total)
        self.checks.check(
            "The prefactura: an advance of the customer, nothing else",
            [a for a in change.values() if a], [-total])

    def send_again(self):
        before = self.figures()
        message = self.send()
        self.checks.check(
            "Sent once more: nothing changes", self.figures() == before)
        return message

    def cut_after_commit(self):
        """Kill the central as soon as it has committed a receipt, and send
        again"""
        before = self.figures()
        ticket = plan(self.company['products'], 1, seed=11)
        with self.cashier() as config:
            self.numbers.append(sell(config, *ticket))
        count = self._received()
        sending = threading.Thread(target=self._send_and_fail)
        sending.start()
        while self._received() == count and sending.is_alive():
            time.sleep(.001)
        self.central.kill()
        sending.join()
        self.checks.check(
            "Killed after the commit: the central has the ticket",
            self._received(), count + 1)
        self.central.start()
        self.send()
        self.checks.check(
            "Sent again: the central has it once", self._received(), count + 1)
        self.compare("One more ticket", before, ticket)
        self.send_again()
        return ticket

    def _send_and_fail(self):
        try:
            with self.cashier() as config:
                Wizard('offline_sales.document.send', config=config)
        except Exception as error:
            # The branch may say so in words; it must not lose the ticket
            self.checks.step(f"The branch was told: {type(error).__name__}")

    def _received(self):
        "Return how many documents the central has committed"
        file = self.central.store.file(self.central.database)
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute(
                'SELECT COUNT(*) FROM offline_sales_document').fetchone()[0]

    def serve(self):
        print("\nBoth servers are up; Ctrl-C ends them.\n")
        rows = [
            ("Central", self.central, 'admin', self.admin),
            ("Central", self.central, 'gerencia', self.passwords['gerencia']),
            ("Branch", self.branch, 'admin', self.admin),
            *[("Branch", self.branch, login, self.passwords[login])
                for login in CASHIERS]]
        for name, server, login, password in rows:
            print(f"{name:<8} localhost:{server.port}  database "
                f"{server.database:<8} user {login:<11} password {password}")
        # Who reads it from a file or a pipe shall see it now
        sys.stdout.flush()
        try:
            while all(server.running for server in self.servers):
                time.sleep(1)
        except KeyboardInterrupt:
            return


def run(demo, checks):
    checks.step(f"Load a company: {PRODUCTS} products, {CUSTOMERS} customers")
    demo.load()
    checks.step("Pair the branch with the central")
    demo.pair()
    checks.step("Obtain the catalogs")
    demo.obtain()
    demo.look_at_catalogs()
    checks.step(f"The internet fails: sell {TICKETS} tickets")
    before, tickets = demo.sell_offline()
    checks.step("The internet is back: send")
    demo.central.start()
    print(demo.send())
    demo.look_at_tickets(
        demo.numbers, demo.compare("The day", before, tickets))
    checks.step("Send once more")
    demo.send_again()
    checks.step("Kill the central right after a commit")
    tickets += demo.cut_after_commit()
    demo.look_at_tickets(demo.numbers, figures(tickets))
    checks.step("The internet fails: a new customer and a prefactura, paid")
    demo.invoice_offline()


def main():
    parser = argparse.ArgumentParser(prog='make demo', description=__doc__)
    parser.add_argument('--serve', action='store_true',
        help="leave both servers up at the end")
    arguments = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix='offline-sales-demo-') as path:
        checks.step("Activate the modules (the first time takes a minute)")
        demo = Demo(Path(path), checks)
        try:
            run(demo, checks)
            print(f"\n{checks.table()}\n")
            if arguments.serve:
                demo.serve()
        except Exception:
            for server in demo.servers:
                print(f"--- {server.database}\n{server.tail()}",
                    file=sys.stderr)
            raise
        finally:
            demo.close()
    return 1 if checks.failed else 0


if __name__ == '__main__':
    sys.exit(main())
