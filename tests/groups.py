# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Which tests have to run in the same worker, by the mark xdist_group

xdist 3.8 tells its scheduler by the ids of the tests, which pytest 9.2 does
not let it change: what is dear to set up was set up once in each worker.
"""
import ast
from functools import cache

from xdist.scheduler import LoadGroupScheduling

__all__ = ['Scheduling', 'read_group']

MARK = 'pytest.mark.xdist_group'


@cache
def _read_groups(file):
    "Return {name of a function or class, None for all of them: group}"
    groups = {}
    for node in ast.parse(file.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign):
            if ast.unparse(node.targets[0]) == 'pytestmark':
                groups[None] = _get_group(node.value)
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            for decorator in node.decorator_list:
                if group := _get_group(decorator):
                    groups[node.name] = group
    return groups


def _get_group(node):
    if isinstance(node, ast.Call) and ast.unparse(node.func) == MARK:
        return node.args[0].value


def read_group(root, identifier):
    "Return the group of the test of that id, None if it has none"
    file, _, name = identifier.partition('::')
    name = name.partition('[')[0].partition('::')[0]
    groups = _read_groups(root / file)
    return groups.get(name, groups.get(None))


class Scheduling(LoadGroupScheduling):

    def _split_scope(self, nodeid):
        return read_group(self.config.rootpath, nodeid) or nodeid
