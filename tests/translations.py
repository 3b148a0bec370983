# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Export the translations of the module, as Tryton's own wizards do"
import tempfile

from trytond.pool import Pool

from .process import PACKAGE, Server
from .store import SQLite
from .template import MODULE, ROOT, TEMPLATES

__all__ = ['LANGUAGE', 'export', 'file']

LANGUAGE = 'es'


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


def main():
    "Bring locale/es.po up to date"
    with tempfile.TemporaryDirectory() as directory:
        store = SQLite(directory)
        store.create('translations', TEMPLATES['extras'].file(store))
        server = Server(store, 'translations', directory)
        file().write_text(
            server.run(f'{PACKAGE}.tests.translations:export'),
            encoding='utf-8')


if __name__ == '__main__':
    main()
