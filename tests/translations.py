# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""
Export the translations of the module, as Tryton's own wizards do, and those of
the commands, as gettext does.
"""
import argparse
import tempfile

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from trytond.pool import Pool

from .process import PACKAGE, Server
from .store import SQLite
from .template import MODULE, ROOT, TEMPLATES

__all__ = [
    'LANGUAGE', 'commands_catalog', 'commands_file', 'compiled', 'export',
    'file']

LANGUAGE = 'es'
HEADER = """\
# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license."""
# What argparse says to who types, not to who programs
ARGPARSE = {
    'usage: ', 'positional arguments', 'options', 'optional arguments',
    'show this help message and exit', '%(prog)s: error: %(message)s\n',
    'argument %(argument_name)s: %(message)s', 'unrecognized arguments: %s',
    'the following arguments are required: %s', 'expected one argument',
    'expected at least one argument', 'expected at most one argument',
    'invalid %(type)s value: %(value)r',
    'invalid choice: %(value)r (choose from %(choices)s)',
    'ambiguous option: %(option)s could match %(matches)s',
    'ignored explicit argument %r',
    }


def file(language=LANGUAGE):
    return ROOT / 'locale' / f'{language}.po'


def _execute(name, state, data):
    Wizard = Pool().get(name, type='wizard')
    session, _, _ = Wizard.create()
    Wizard.execute(session, data, state)
    Wizard.delete(session)


def export(language=LANGUAGE):
    """
    Return the text of the .po file for the database of the transaction: what
    is translated stays, what is new is empty or a fuzzy guess.
    """
    pool = Pool()
    Lang = pool.get('ir.lang')
    Translation = pool.get('ir.translation')
    lang, = Lang.search([('code', '=', language)])
    _execute('ir.translation.set', 'set_', {})
    _execute('ir.translation.clean', 'clean', {})
    _execute(
        'ir.translation.update', 'update', {'start': {'language': lang.id}})
    exported = Translation.translation_export(language, MODULE)
    return exported.decode('utf-8') + '\n'


def commands_file(language=LANGUAGE):
    return (ROOT / MODULE / 'cli' / 'locale' / language / 'LC_MESSAGES'
        / 'offline-sales.po')


def commands_catalog(language=LANGUAGE):
    """
    Return what is to be translated of the commands, with the translations
    there are: argparse's own texts are looked up in the same catalog.
    """
    template = Catalog()
    for name, _, text, _, _ in extract_from_dir(ROOT / MODULE / 'cli'):
        template.add(text, locations=[(name, 0)])
    for _, text, _, _ in extract_from_file('python', argparse.__file__):
        if text in ARGPARSE:
            template.add(text, locations=[('argparse', 0)])
    file = commands_file(language)
    if file.exists():
        with file.open('rb') as stored:
            catalog = read_po(stored, locale=language)
    else:
        catalog = Catalog(
            locale=language, project=commands_file().stem,
            header_comment=HEADER, fuzzy=False)
    catalog.update(
        template, no_fuzzy_matching=True, update_creation_date=False)
    return catalog


def compiled(catalog):
    "Return the catalog as the commands read it"
    with tempfile.TemporaryFile() as file:
        write_mo(file, catalog)
        file.seek(0)
        return file.read()


def export_commands():
    file = commands_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    catalog = commands_catalog()
    with file.open('wb') as po:
        write_po(
            po, catalog, omit_header=False, sort_output=True, width=79,
            include_lineno=False)
    with file.open('rb') as po:
        file.with_suffix('.mo').write_bytes(compiled(read_po(po)))


def main():
    "Bring the translations up to date"
    export_commands()
    with tempfile.TemporaryDirectory() as directory:
        store = SQLite(directory)
        store.create('translations', TEMPLATES['extras'].file(store))
        server = Server(store, 'translations', directory)
        file().write_text(
            server.run(f'{PACKAGE}.tests.translations:export'),
            encoding='utf-8')


if __name__ == '__main__':
    main()
