# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What the desktop client of Tryton needs to find the branch

A profile, and the certificate if there is one of our own: the client looks for
both in the directory of its configuration.
"""
import os
import shutil
import socket
import sys
from configparser import ConfigParser
from pathlib import Path

from .place import reach

__all__ = ['add', 'host', 'write']

SERIES = '8.0'


def host(place):
    "Return what is typed as host in the client"
    name, port = place.address
    if place.get('ssl', 'certificate') and reach(name) != name:
        # Other computers find this one by its name
        name = socket.gethostname()
    return f"{reach(name)}:{port}"


def write(place, name):
    "Leave the files in the directory client of the branch"
    _write(place, name, place.client)


def add(place, name):
    "Add them to those of the client of this user"
    _write(place, name, _configuration_directory())


def _write(place, name, directory):
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _add_profile(place, directory / 'profiles.cfg', name)
    _add_certificate(place, directory / 'ca_certs')


def _configuration_directory():
    "Return the directory where the client looks, as its config.py does"
    if sys.platform == 'win32':
        root = Path(os.environ['APPDATA']) / '.config'
    else:
        root = Path(
            os.environ.get('XDG_CONFIG_HOME') or '~/.config').expanduser()
    return root / 'tryton' / SERIES


def _add_profile(place, file, name):
    profiles = ConfigParser(interpolation=None)
    profiles.read(file, encoding='utf-8')
    profiles[name] = {'host': host(place), 'database': place.database}
    with file.open('w', encoding='utf-8') as stream:
        profiles.write(stream)


def _add_certificate(place, file):
    certificate = place.get('ssl', 'certificate')
    # One that a known authority signed needs nothing
    if (certificate and not file.exists()
            and Path(certificate).parent == place.directory):
        shutil.copyfile(certificate, file)
