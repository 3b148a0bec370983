# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Three versions of a customer become one

Base is what the branch had, ours what the branch made of it, theirs what the
central has now. Only what was changed at the branch is looked at:

    base      theirs    ours
    Ana       Ana       Ana M.    Ana M. is taken over
    Ana       Ana B.    Ana       nothing was changed at the branch
    Ana       Ana M.    Ana M.    both did the same
    Ana       Ana B.    Ana M.    a conflict: Ana B. stays, both are shown
    {1, 2}    {1, 2, 3} {1}       sets have no conflicts: {1, 3}
              Ana       Ana M.    a conflict: who says what it was before?
                        Ana M.    Ana M. is taken over: nothing was there

Nothing here knows of databases.
"""
from typing import NamedTuple


class Merged(NamedTuple):
    """The outcome of a merge, by the names of the values

    changes: what is to be written
    conflicts: the (base, theirs, ours) where theirs stays
    """
    changes: dict
    conflicts: dict


class Difference(NamedTuple):
    """What was done to the parts of a record, as lists of Node

    kept are those that were there before: changed or not.
    """
    added: list
    kept: list
    removed: list


class Node(NamedTuple):
    """A part of a record, and where it is

    tree is as it is now, base as it was: None if there was none. parent is
    the key of what it is a part of, None for the record itself, by field.
    """
    tree: dict
    base: dict
    parent: object = None
    field: str = None


def is_set(value):
    return isinstance(value, (list, tuple, set, frozenset))


def is_empty(value):
    return value is None or value == '' or (is_set(value) and not value)


def are_equal(one, other):
    "Return True if the values say the same"
    if is_empty(one) or is_empty(other):
        return is_empty(one) and is_empty(other)
    if is_set(one) and is_set(other):
        return set(one) == set(other)
    return one == other


def merge(base, theirs, ours):
    """Return the Merged of three dictionaries of values

    What is not in ours was not said by the branch; of what is not in base
    nobody knows what it was.
    """
    changes, conflicts = {}, {}
    for name, our in ours.items():
        their = theirs.get(name)
        if name in base and are_equal(base[name], our):
            continue
        if are_equal(their, our):
            continue
        if any(map(is_set, [base.get(name), their, our])):
            merged = _merge_sets(base.get(name), their, our)
            if not are_equal(merged, their):
                changes[name] = merged
        elif name in base and are_equal(base[name], their):
            changes[name] = our
        elif name not in base and is_empty(our):
            continue
        elif name not in base and is_empty(their):
            changes[name] = our
        else:
            conflicts[name] = (base.get(name), their, our)
    return Merged(changes, conflicts)


def _merge_sets(base, theirs, ours):
    base, theirs, ours = (set(v or ()) for v in [base, theirs, ours])
    return sorted((theirs | (ours - base)) - (base - ours))


def compare(base, tree):
    """Return the Difference of two trees of the same record

    base: the tree as it was, None if there was none.
    Parents come before their parts.
    """
    before = _index(base) if base else {}
    now = _index(tree)
    return Difference(
        [Node(node, None, *place) for key, (node, *place) in now.items()
            if key not in before],
        [Node(node, before[key][0], *place)
            for key, (node, *place) in now.items() if key in before],
        [Node(None, *entry) for key, entry in before.items()
            if key not in now])


def _index(tree, parent=None, field=None):
    "Return (tree, key of the parent, field) by (model, key)"
    found = {(tree['model'], tree['key']): (tree, parent, field)}
    for name in sorted(tree['children']):
        for child in tree['children'][name]:
            found.update(_index(child, tree['key'], name))
    return found


def change(base, ours):
    "Return the values of ours that are others than those of base"
    return {
        name: value for name, value in ours.items()
        if name not in base or not are_equal(base[name], value)}
