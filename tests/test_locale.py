# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The users read Spanish"
import re
from collections import Counter

import polib
import pytest

from trytond.modules.offline_sales.tests import translations  # isort: skip
from trytond.modules.offline_sales.tests.tools import (  # isort: skip
    Database)

pytestmark = pytest.mark.xdist_group('locale')


@pytest.fixture(scope='module')
def exported():
    database = Database('translations', 'extras')
    return polib.pofile(database.run(translations.export))


def _key(entry):
    return entry.msgctxt, entry.msgid


def _names(text):
    return Counter(re.findall(r'%\(\w+\)s|%s', text))


def test_spanish_complete(exported):
    assert [_key(e) for e in exported if not e.msgstr] == []


def test_spanish_not_fuzzy(exported):
    assert [_key(e) for e in exported if e.fuzzy] == []


def test_spanish_up_to_date(exported):
    "Else run make locale"
    stored = polib.pofile(translations.file().read_text(encoding='utf-8'))
    assert set(map(_key, stored)) == set(map(_key, exported))


def test_spanish_names_the_same_values(exported):
    assert [
        _key(e) for e in exported
        if e.msgstr and _names(e.msgid) != _names(e.msgstr)] == []


def _placeholders(text):
    return Counter(re.findall(r'%\(\w+\)\w|%\w|\{\w+\}', text))


def test_commands_in_spanish():
    "Else run make locale, and translate"
    file = translations.commands_file()
    stored = [
        m for m in translations.commands_catalog() if m.id]
    assert [m.id for m in stored if not m.string or m.fuzzy] == []
    assert [
        m.id for m in stored
        if _placeholders(m.id) != _placeholders(m.string)] == []
    with file.open('rb') as po:
        assert file.with_suffix('.mo').read_bytes() == (
            translations.compiled(translations.read_po(po)))
