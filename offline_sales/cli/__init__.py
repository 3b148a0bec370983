# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales: what is done from a terminal on the machine of a server

A package of its own, which is imported without trytond: trytond reads its
configuration as it is imported, and what -c names has to be there before.

Each command is a module with add_arguments(parser) and run(options), which
returns an exit code or None. Exit codes, see errors.py, are part of the
interface: scripts rely on them.
"""
import argparse
import logging
import os
import sys
from importlib import import_module

from . import errors, text
from .text import _

__all__ = ['main']


def get_parser():
    text.setup()
    parser = argparse.ArgumentParser(
        prog='offline-sales', description=_("Sell without internet."),
        epilog=errors.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '-c', '--config', metavar=_("FILE"), nargs='+',
        default=[os.environ.get('TRYTOND_CONFIG')],
        help=_("the configuration of trytond"))
    parser.add_argument(
        '-d', '--database', metavar=_("NAME"),
        help=_("the database, by default that of the branch"))
    commands = parser.add_subparsers(
        dest='command', required=True, metavar=_("COMMAND"))
    add(commands, 'token', _("generate a usage token and log who gave it"))
    add(commands, 'branch', _("install and look after a branch"))
    return parser


def add(commands, name, help, module=None):
    "Add the command of that name, which is that module"
    command = commands.add_parser(name, help=help, description=help)
    module = import_module(f'.{module or name}', __name__)
    module.add_arguments(command)
    if hasattr(module, 'run'):
        command.set_defaults(run=module.run)


def main(arguments=None):
    "Do what the command line says and end the process with its exit code"
    parser = get_parser()
    options = parser.parse_args(arguments)
    options.parser = parser
    # What trytond logs is said again, in a sentence
    logging.getLogger().addHandler(logging.NullHandler())
    errors.keep_of_threads(options)
    sys.exit(errors.tell(options.run, options))


