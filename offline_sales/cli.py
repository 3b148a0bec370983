# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"offline-sales: what is done from a terminal on the machine of a server"
import argparse
import getpass
import os
import sys

__all__ = ['main']


def get_parser():
    parser = argparse.ArgumentParser(
        prog='offline-sales', description="Sell without internet.")
    parser.add_argument(
        '-c', '--config', metavar='FILE', nargs='+',
        default=[os.environ.get('TRYTOND_CONFIG')],
        help="the configuration of trytond")
    parser.add_argument(
        '-d', '--database', required=True, help="the database of the central")
    commands = parser.add_subparsers(dest='command', required=True)
    token = commands.add_parser(
        'token', help="generate a usage token and log who gave it")
    token.add_argument('id', help="the nine digits of the Id, read out")
    token.add_argument('--branch', required=True, help="code of the branch")
    token.add_argument(
        '--company', type=int, help="id of the company, if there are several")
    token.add_argument(
        '--hours', type=int, help="by default those of the branch")
    token.add_argument(
        '--reason', required=True, help="why it sells without internet")
    return parser


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
    from trytond.exceptions import UserError
    from trytond.pool import Pool

    from .token.algorithm import format_token
    pool = Pool()
    Branch = pool.get('offline_sales.branch')
    Token = pool.get('offline_sales.token')
    domain = [('code', '=', options.branch)]
    if options.company is not None:
        domain.append(('company', '=', options.company))
    branches = Branch.search(domain)
    if len(branches) != 1:
        raise UserError(
            f"There are {len(branches)} branches with the code "
            f"{options.branch}.")
    branch, = branches
    hours = options.hours
    if hours is None:
        hours = branch.get_token_hours()
    token = Token.give(
        branch, options.id, hours, options.reason, terminal=get_operator())
    return format_token(token), branch.rec_name


def main(arguments=None):
    options = get_parser().parse_args(arguments)
    from trytond import config
    config.update_etc(options.config)
    # trytond reads its configuration at import
    from trytond.exceptions import UserError
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    with Transaction().start(options.database, 0, readonly=True):
        Pool(options.database).init()
    try:
        with Transaction().start(options.database, 0):
            token, branch = give_token(options)
    except UserError as error:
        sys.exit(error.message)
    print(f"{branch}: {token}")


if __name__ == '__main__':
    main()
