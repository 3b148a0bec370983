# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Ask the central what the database of a branch has to be

In a process of its own, as the one who asks has not imported trytond yet: the
answer decides on its configuration. The question comes by the standard input,
so that the code is in no list of processes.
"""
import json
import subprocess
import sys

from . import errors, text

__all__ = ['ask']

NAMES = [
    'branch', 'name', 'company', 'series', 'language', 'price_decimal',
    'branch_modules', 'clock_offset']


def ask(question):
    """Return what the central tells, a dictionary of NAMES

    question: url, database, allow_http, code and uuid.
    Raise Stop.
    """
    done = subprocess.run(
        [sys.executable, '-m', f'{__package__}.ask'],
        input=json.dumps(question), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        # It has been said already
        raise errors.Told(done.returncode)
    return json.loads(done.stdout)


def main(options=None):
    text.setup()
    question = json.load(sys.stdin)
    from trytond.modules.offline_sales.offline_sales.client import Client
    with Client(
            question['url'], question['database'],
            allow_http=question['allow_http']) as client:
        answer = client.invitation(
            question['code'], question['uuid'], attempts=2)
    json.dump({name: answer.get(name) for name in NAMES}, sys.stdout)


if __name__ == '__main__':
    sys.exit(errors.tell(main, None))
