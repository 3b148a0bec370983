# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Three versions of a customer become one"
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.document.merge import (
    Merged, are_equal, compare, merge)

NAMES = ['name', 'city', 'active', 'country']
values = st.sampled_from(["Ana", "Ana B.", "Ana M.", '', None, True, 7])
records = st.dictionaries(st.sampled_from(NAMES), values)
wholes = st.fixed_dictionaries(dict.fromkeys(NAMES, values))
sets = st.lists(st.integers(1, 6), unique=True).map(sorted)


def apply(theirs, merged):
    return {**theirs, **merged.changes}


@given(wholes, wholes, wholes)
def test_only_what_the_branch_changed_is_touched(base, theirs, ours):
    merged = merge(base, theirs, ours)
    for name in merged.changes.keys() | merged.conflicts.keys():
        assert not are_equal(base[name], ours[name])
    for name in NAMES:
        if are_equal(base[name], ours[name]):
            assert apply(theirs, merged)[name] == theirs[name]


@given(wholes, wholes, wholes)
def test_each_change_of_the_branch_is_taken_over_or_shown(base, theirs, ours):
    merged = merge(base, theirs, ours)
    result = apply(theirs, merged)
    for name in NAMES:
        if name in merged.conflicts:
            assert merged.conflicts[name] == (
                base[name], theirs[name], ours[name])
            assert result[name] == theirs[name]
            assert not are_equal(theirs[name], base[name])
            assert not are_equal(theirs[name], ours[name])
        elif not are_equal(base[name], ours[name]):
            assert are_equal(result[name], ours[name])
            # Nor is what the central changed written over
            assert (are_equal(theirs[name], base[name])
                or are_equal(theirs[name], ours[name]))
    assert not merged.changes.keys() & merged.conflicts.keys()


@given(wholes, wholes)
def test_central_that_did_nothing_gets_what_the_branch_has(base, ours):
    merged = merge(base, base, ours)
    assert not merged.conflicts
    result = apply(base, merged)
    assert all(are_equal(result[name], ours[name]) for name in NAMES)


@given(wholes, wholes)
def test_branch_that_did_nothing_changes_nothing(base, theirs):
    assert merge(base, theirs, base) == Merged({}, {})


@given(wholes, wholes, wholes)
def test_merged_twice_is_merged_once(base, theirs, ours):
    merged = merge(base, theirs, ours)
    again = merge(base, apply(theirs, merged), ours)
    assert again.changes == {}
    assert again.conflicts == merged.conflicts


@given(records, records, records)
def test_what_is_not_said_stays(base, theirs, ours):
    merged = merge(base, theirs, ours)
    assert merged.changes.keys() | merged.conflicts.keys() <= ours.keys()
    for name in ours.keys() - base.keys():
        # Nothing that is there is replaced without knowing what it was
        if not are_equal(theirs.get(name), None):
            assert name not in merged.changes


@given(sets, sets, sets)
def test_sets_have_no_conflicts(base, theirs, ours):
    merged = merge({'them': base}, {'them': theirs}, {'them': ours})
    assert merged.conflicts == {}
    result = set(apply({'them': theirs}, merged)['them'])
    for member in range(1, 7):
        if (member in base) == (member in ours):
            assert (member in result) == (member in theirs)
        else:
            assert (member in result) == (member in ours)


# Trees

@st.composite
def trees(draw):
    "A record with children, and those with children, of few keys"
    def node(model, key, children):
        return {
            'model': model, 'key': key, 'children': children,
            'values': {'name': draw(values)}}
    keys = st.lists(st.sampled_from([1, 2, 3, 'a', 'b']), unique=True)
    return node('party', 1, {
            'phones': [
                node('phone', key, {'langs': [
                        node('lang', f'{key}{inner}', {})
                        for inner in draw(keys)]})
                for key in draw(keys)]})


def keys(tree):
    found = {(tree['model'], tree['key'])}
    for children in tree['children'].values():
        for child in children:
            found |= keys(child)
    return found


@given(trees(), trees())
def test_each_part_is_compared_once(base, tree):
    difference = compare(base, tree)

    def of(nodes):
        return [
            ((n.tree or n.base)['model'], (n.tree or n.base)['key'])
            for n in nodes]
    added, kept, removed = map(of, difference)
    assert len(added) + len(kept) + len(removed) == len(
        {*added, *kept, *removed})
    assert {*added, *kept} == keys(tree)
    assert {*kept, *removed} == keys(base)
    # A part comes after what it is a part of
    for nodes in difference:
        seen = set()
        for node in nodes:
            seen.add((node.tree or node.base)['key'])
            if node.parent not in {None, 1}:
                part_of = ('phone', node.parent)
                assert node.parent in seen or part_of not in of(nodes)


@given(trees())
def test_new_record_is_all_added(tree):
    difference = compare(None, tree)
    assert len(difference.added) == len(keys(tree))
    assert not difference.kept and not difference.removed
