# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The configuration of trytond that a branch needs"
import io
from pathlib import Path
from urllib.parse import urlsplit

from . import certificate, errors
from .place import NAME, write as write_file
from .text import _

__all__ = [
    'check_uri', 'get_certificate', 'is_written_for', 'read_uri', 'show_uri',
    'split_uri', 'write']


def is_loopback(host):
    return host in {'localhost', '127.0.0.1', '::1', '[::1]'}


def split_uri(uri):
    "Return (URI of the server, name of the database), both may be None"
    if not uri:
        return None, None
    parts = urlsplit(uri)
    return parts._replace(path='').geturl(), parts.path.strip('/') or None


def show_uri(uri):
    "Return where the database is as it may be shown"
    if not uri:
        return 'SQLite'
    parts = urlsplit(uri)
    host = parts.hostname or 'localhost'
    return f"PostgreSQL, {host}:{parts.port or 5432}{parts.path}"


def check_uri(uri):
    if not uri:
        return
    try:
        parts = urlsplit(uri)
        good = parts.scheme == 'postgresql' and (parts.port or True)
    except ValueError:
        good = False
    if not good:
        raise errors.Stop(_(
                "--database-uri is postgresql://user:password@host:port/name"
                ), errors.USAGE)
    try:
        import psycopg  # noqa: F401
        import psycopg_pool  # noqa: F401
    except ImportError:
        raise errors.Stop(_(
                "PostgreSQL needs a package: pip install "
                "'psycopg[binary,pool]'"), errors.COMPUTER) from None


def read_uri(place):
    "Return the --database-uri that the configuration was written for"
    uri = place.get('database', 'uri')
    if uri and not uri.startswith('sqlite'):
        return urlsplit(uri)._replace(path=f'/{place.database}').geturl()


def is_written_for(place, uri):
    "Return if the configuration was written for that --database-uri"
    server, name = split_uri(uri)
    return (server == place.get('database', 'uri')
        and name in {None, place.database})


# What is written anew, and nothing of the former one stays
WRITTEN = ['database', 'ssl']


def write(place, state, uri=None):
    """Write the configuration; what an administrator has added stays as it is,
    and so does the key of the secrets

    uri: that of --database-uri.
    """
    parser = place.read_configuration()
    key = parser.get(
        'offline_sales', 'fernet_key', fallback=None) or _make_key()
    central = state['central']
    uri, name = split_uri(uri)
    database = {'language': central['language']}
    if uri:
        database['uri'] = uri
    else:
        database.update(uri='sqlite://', path=str(place.data))
    sections = {
        'database': database,
        'web': {'listen': state['listen']},
        # PostgreSQL tells the other processes what has changed, SQLite not
        'cache': {'clean_timeout': '0' if uri else '1'},
        'session': {'authentications': 'offline_sales'},
        'product': {'price_decimal': str(central['price_decimal'])},
        'offline_sales': {
            'database': place._database or name or NAME,
            'fernet_key': key,
            },
        }
    if spool := state.get('spool'):
        sections['offline_sales']['spool'] = str(Path(spool).absolute())
    if ssl := _get_ssl(place, state):
        sections['ssl'] = ssl
    for name in WRITTEN:
        if name not in sections:
            parser.remove_section(name)
        elif parser.has_section(name):
            parser[name].clear()
    parser.read_dict(sections)
    text = io.StringIO()
    text.write(_("# Written by offline-sales branch init") + "\n\n")
    parser.write(text)
    for directory in [place.data, place.logs, place.backups, place.client]:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(place.configuration, text.getvalue())


def _make_key():
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise errors.Stop(_(
                "A package is missing: pip install "
                "'trytond_offline_sales[branch]'"), errors.COMPUTER) from None
    return Fernet.generate_key().decode()


def get_certificate(state):
    "Return the files of the certificate that was given, and its key"
    if not (given := state.get('certificate')):
        return []
    files = [Path(given), Path(state.get('private_key') or given)]
    for file in files:
        if not file.is_file():
            raise errors.Stop(_(
                    "There is no file {file}.").format(file=file),
                errors.USAGE)
    return files


def _get_ssl(place, state):
    "Return the section ssl: who listens beyond this computer uses TLS"
    host = state['listen'].rpartition(':')[0]
    files = get_certificate(state)
    if not files:
        if is_loopback(host):
            return None
        files = certificate.make(place.directory, host)
    return {
        'certificate': str(files[0].absolute()),
        'privatekey': str(files[1].absolute()),
        }
