# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""One scenario on one client, in the client's own environment

run.py desktop|sao SCENARIO SERVER DB USER SHOTS FACTS ANSWER...

FACTS is JSON of what the scenario must know of the company.
"""
import json
import sys
from importlib import import_module

import scenarios

SCREEN = '1240x800'
TIMEOUT = 120
LANGUAGE = 'es'


def main():
    name, scenario, server, db, user, shots, facts, *answers = sys.argv[1:]
    facts = json.loads(facts)

    def run(client):
        client.login(answers)
        getattr(scenarios, scenario)(client, facts)
    import_module(f'{name}_drive').drive(
        server, db, user, run, shots, SCREEN, TIMEOUT, LANGUAGE)


if __name__ == '__main__':
    main()
