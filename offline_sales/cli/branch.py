# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales branch: what is done on the computer of a branch"
from . import add
from .text import _


def add_arguments(parser):
    commands = parser.add_subparsers(
        dest='branch_command', required=True, metavar=_("COMMAND"))
    for name, purpose in [
            ('init', _("install a branch and pair it")),
            ('run', _("serve the branch until it is told to end")),
            ('service', _("have the branch run with the computer")),
            ('status', _("tell how the branch is doing")),
            ('doctor', _("find what is wrong and tell what to do")),
            ('send', _("send what was done to the central")),
            ('refresh', _("send, then obtain the catalogs")),
            ('backup', _("copy the database while it is used")),
            ('restore', _("go back to a copy of the database")),
            ('spool', _("put what only the second copy has into the outbox")),
            ('pair', _("pair the branch anew, with a new code")),
            ('upgrade', _("bring the database to the installed version")),
            ]:
        add(commands, name, purpose)
