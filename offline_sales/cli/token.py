# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales token: generate a usage token at the central"
import getpass
import os

from . import errors
from .database import Database
from .text import _


def add_arguments(parser):
    parser.add_argument(
        'id', metavar=_("ID"), help=_("the nine digits of the Id, read out"))
    parser.add_argument(
        '--branch', metavar=_("CODE"), required=True,
        help=_("code of the branch"))
    parser.add_argument(
        '--company', metavar=_("ID"), type=int,
        help=_("id of the company, if there are several"))
    parser.add_argument(
        '--hours', metavar=_("HOURS"), type=int,
        help=_("by default those of the branch"))
    parser.add_argument(
        '--reason', metavar=_("TEXT"), required=True,
        help=_("why it sells without internet"))


def run(options):
    for file in filter(None, options.config):
        if not os.path.isfile(file):
            raise errors.Stop(_(
                    "There is no file {file}.").format(file=file),
                errors.USAGE)
    if not options.database:
        options.parser.error(_("-d and the database of the central"))
    database = Database(options.database, options.config)
    with database.transaction():
        token, branch = give_token(options)
    print(f"{branch}: {token}")


def get_operator():
    """Return the user of the operating system, whatever the environment says

    Where it is root, the one who became it by sudo: root alone could say
    otherwise.
    """
    try:
        import pwd
    except ImportError:
        # Windows
        return getpass.getuser()
    uid = os.getuid()
    if uid == 0:
        behind = os.environ.get('SUDO_UID', '')
        if behind.isascii() and behind.isdigit():
            uid = int(behind)
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def give_token(options):
    "Return the token and the branch that it is for, as they are shown"
    from trytond.modules.offline_sales.offline_sales.token.algorithm import (
        format_token)
    from trytond.pool import Pool
    pool = Pool()
    Branch = pool.get('offline_sales.branch')
    Token = pool.get('offline_sales.token')
    domain = [('code', '=', options.branch)]
    if options.company is not None:
        domain.append(('company', '=', options.company))
    branches = Branch.search(domain)
    if len(branches) != 1:
        raise errors.Stop(_(
                "There are {count} branches with the code {code}.").format(
                count=len(branches), code=options.branch))
    branch, = branches
    hours = options.hours
    if hours is None:
        hours = branch.get_token_hours()
    token = Token.give(
        branch, options.id, hours, options.reason, terminal=get_operator())
    return format_token(token), branch.rec_name
