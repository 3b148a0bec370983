# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""By whom and where a branch may say that a document was made

What comes late was made before: a cashier who has left the branch, or a point
that it has given up, counts for what it still sends. When a document was made
is what the branch says, so that asking for the moment would prove nothing.
"""
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..exceptions import Rejection
from .tree import find

# The codes of the rejections that end when a person puts the user or the
# point back
CODES = ['foreign_point', 'foreign_user', 'foreign_employee']


class Origins:
    "The users and the points of branches, each branch looked up once"

    def __init__(self):
        self._found = {}

    def check(self, branch, contents, adapter):
        "Raise Rejection if the contents name what is not the branch's"
        if branch.id not in self._found:
            self._found[branch.id] = (
                self._get_points(branch), *self._get_people(branch))
        points, users, employees = self._found[branch.id]
        for point in adapter.get_points(contents):
            if type(point) is not int or point not in points:
                raise Rejection('foreign_point')
        if contents['header'].get('user') not in users | {None}:
            raise Rejection('foreign_user')
        if not adapter.get_employees(contents) <= employees:
            raise Rejection('foreign_employee')

    def _get_points(self, branch):
        "Return its offline points, and those it had that are no other's now"
        pool = Pool()
        Register = pool.get('offline_sales.register')
        points = _had(Register, 'offline_point', branch)
        others = Register.search([
                ('branch', '!=', branch.id),
                ('offline_point', 'in', list(points)),
                ])
        return points - {r.offline_point.id for r in others}

    def _get_people(self, branch):
        "Return its users, and the employees that they are"
        pool = Pool()
        BranchUser = pool.get('offline_sales.branch-res.user')
        User = pool.get('res.user')
        users = find(User, _had(BranchUser, 'user', branch))
        employees = {
            e.id for u in User.browse(list(users))
            for e in [u.employee, *u.employees] if e}
        return users, employees


def _had(Model, name, branch):
    "Return the values of the column in the records the branch has or had"
    cursor = Transaction().connection.cursor()
    found = set()
    for table in [Model.__table__(), Model.__table_history__()]:
        cursor.execute(*table.select(
                getattr(table, name), where=table.branch == branch.id))
        found.update(id_ for id_, in cursor if id_)
    return found
