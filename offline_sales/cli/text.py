# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The texts of the commands in the language of the terminal

By gettext, as argparse's own: locale/<language>/LC_MESSAGES/offline-sales.mo,
made by `make locale`.
"""
import datetime as dt
import gettext
import locale
import os
import sys
from gettext import gettext as _
from importlib.util import find_spec
from pathlib import Path

__all__ = ['_', 'language', 'message', 'setup', 'show', 'utcnow']

DOMAIN = 'offline-sales'
LOCALE = Path(__file__).parent / 'locale'
# trytond makes UTC of the zone of the process that imports it
ZONE = dt.datetime.now().astimezone().tzinfo
_VARIABLES = ['LANGUAGE', 'LC_ALL', 'LC_MESSAGES', 'LANG']


def setup():
    "Have what is printed, argparse's own texts too, translated"
    if sys.platform == 'win32' and not any(map(os.environ.get, _VARIABLES)):
        os.environ['LANGUAGE'] = _windows_language()
    gettext.bindtextdomain(DOMAIN, str(LOCALE))
    gettext.textdomain(DOMAIN)
    for stream in [sys.stdout, sys.stderr]:
        # A terminal that knows no accents shall not end a command
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='replace')


def _windows_language():
    import ctypes
    identifier = ctypes.windll.kernel32.GetUserDefaultUILanguage()
    return locale.windows_locale.get(identifier, 'en')


def language():
    "Return the code of the language of the terminal that Tryton shall speak"
    for name in _VARIABLES:
        if value := os.environ.get(name):
            return 'es' if value.lower().startswith('es') else 'en'
    return 'en'


def utcnow():
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


def show(moment):
    "Return a moment of UTC as the clock on the wall shows it"
    if moment is None:
        return _("never")
    local = moment.replace(tzinfo=dt.timezone.utc).astimezone(ZONE)
    return f"{local:%Y-%m-%d %H:%M}"


def message(identifier, variables):
    """Return the text of a message of the module, where there is no database
    yet that could tell it

    identifier: 'offline_sales.msg_…'.
    """
    import polib
    from lxml import etree
    name = identifier.partition('.')[2]
    module = Path(find_spec('trytond.modules.offline_sales').origin).parent
    tree = etree.parse(module / 'message.xml')
    for field in tree.iterfind(f".//record[@id='{name}']/field[@name='text']"):
        text = field.text
        break
    else:
        return identifier
    if language() != 'en':
        po = polib.pofile(str(module / 'locale' / f'{language()}.po'))
        entry = po.find(f'model:ir.message,text:{name}', by='msgctxt')
        if entry and entry.msgstr and not entry.fuzzy:
            text = entry.msgstr
    return text % variables
