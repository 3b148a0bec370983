# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The main flows in the real clients, and the pictures of the manual

A central and a branch are served as by "make demo"; the desktop client runs
under Xvfb, the web client in Chromium, both driven by the scenarios.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from trytond.modules.offline_sales.demo.__main__ import BRANCH, WEB, Demo
from trytond.modules.offline_sales.demo.checks import Checks
from trytond.modules.offline_sales.tests.clients import inside

HERE = Path(__file__).parent
CLIENTS = WEB.parent
# The pictures of the manual: name, who takes it, and what is left of it
PICTURES = {
    'configuracion': 'desktop-obtain',
    'procesos': 'desktop-obtain',
    'id': 'sao-sell_and_send-prompt2',
    'ticket': 'sao-sell_and_send',
    'tablero': 'sao-oversee',
    'diario': 'sao-oversee',
    'token': 'sao-oversee',
    }


class Clients:
    "The clients, and the servers that they speak to"

    def __init__(self, directory, shots):
        self.directory = directory
        self.shots = shots
        self.failed = []
        self.demo = Demo(directory, Checks())

    def prepare(self):
        demo = self.demo
        demo.load(products=60, customers=30)
        demo.central.run(inside.each_user_a_token, BRANCH)
        for server in demo.servers:
            server.run(inside.welcome)
        demo.pair()
        self.codes = [
            p['code'] for p in demo.company['products'] if p['active']][:2]
        self.give = self._write_giver()

    def _write_giver(self):
        "Return a command that gives the token for the Id of a prompt"
        file = self.directory / 'give'
        server = self.demo.central
        file.write_text(f"""#!{sys.executable}
import re, subprocess, sys
identifier = re.search(r'Id: ([0-9 ]{{11}})', sys.argv[1])[1]
done = subprocess.run(
    [{str(Path(sys.executable).parent / 'offline-sales')!r},
        '-c', {str(server.configuration)!r}, '-d', {server.database!r},
        'token', '--branch', {BRANCH!r}, '--hours', '8',
        '--reason', "Se cayó el internet", identifier],
    env={server.environment!r}, capture_output=True, text=True, check=True)
print(done.stdout.rpartition(':')[2].strip())
""")
        file.chmod(0o700)
        return f'!{file}'

    def run(self, client, scenario, server, user, *answers, **facts):
        "Run a scenario and remember if it failed"
        shots = self.shots / f'{client}-{scenario}'
        shots.mkdir(parents=True, exist_ok=True)
        python = CLIENTS / {'desktop': 'desktop', 'sao': 'web'}[client]
        begun = time.monotonic()
        done = subprocess.run(
            [python / 'bin' / 'python', HERE / 'run.py', client, scenario,
                f'localhost:{server.port}', server.database, user, shots,
                json.dumps(facts), *answers],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=900)
        seconds = time.monotonic() - begun
        print(f"{'FAILED' if done.returncode else 'ok':<6} {client:<8} "
            f"{scenario:<14} {seconds:5.0f} s", flush=True)
        if done.returncode:
            self.failed.append((client, scenario))
            print(done.stdout[-3000:])
            print(f"its last picture: {shots / 'failure.png'}")

    def flows(self):
        demo = self.demo
        passwords = demo.passwords
        facts = {
            'branch': demo.shop['name'],
            'codes': self.codes,
            'name': demo.central.run(inside.find_products, self.codes)[0],
            }
        self.run('desktop', 'obtain', demo.branch, 'admin', demo.admin,
            **facts)
        self.run('sao', 'sell_and_send', demo.branch, 'esp.lupita',
            passwords['esp.lupita'], self.give, **facts,
            number='ESP-SI-000001')
        self.run('desktop', 'sell', demo.branch, 'esp.martin',
            passwords['esp.martin'], self.give, **facts,
            number='ESP-SI-000002')
        self.run('sao', 'oversee', demo.central, 'gerencia',
            passwords['gerencia'], **facts, number='ESP-SI-000001')

    def keep_pictures(self, directory):
        for name, origin in PICTURES.items():
            client, scenario, *others = origin.split('-')
            file = others[0] if others else name
            picture = Image.open(
                self.shots / f'{client}-{scenario}' / f'{file}.png')
            # A third of the bytes, and nobody sees it
            picture.convert('RGB').quantize(64).save(
                directory / f'{name}.png', optimize=True)


def main():
    parser = argparse.ArgumentParser(
        prog='make test-clients', description=__doc__)
    parser.add_argument('--pictures', type=Path,
        help="the directory for the pictures of the manual")
    parser.add_argument('--shots', type=Path, default=Path('.cache/clients'),
        help="where all the pictures are left")
    arguments = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='offline-sales-') as directory:
        clients = Clients(Path(directory), arguments.shots.absolute())
        try:
            clients.prepare()
            clients.flows()
        finally:
            clients.demo.close()
    if arguments.pictures and not clients.failed:
        clients.keep_pictures(arguments.pictures)
    print(f"{time.monotonic() - begun:.0f} s in all")
    return 1 if clients.failed else 0


if __name__ == '__main__':
    sys.exit(main())
