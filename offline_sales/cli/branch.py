# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch: what is done on the computer of a branch"
from . import add
from .text import _


def add_arguments(parser):
    commands = parser.add_subparsers(
        dest='branch_command', required=True, metavar=_("COMMAND"))
    add(commands, 'init', _("install a branch and pair it"))
