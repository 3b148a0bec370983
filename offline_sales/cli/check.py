# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What a computer has to be to hold a branch

Each function returns what is wrong and what to do, None if nothing is.
"""
import os
import shutil
import socket
import sys

from .text import _

__all__ = ['clock', 'disk', 'port', 'python', 'writable']

PYTHON = (3, 10)
FREE = 1024 ** 3
CLOCK = 5 * 60


def python():
    if sys.version_info < PYTHON:
        return _(
            "Python {version} is too old. Install Python {needed} or newer."
            ).format(
                version='.'.join(map(str, sys.version_info[:2])),
                needed='.'.join(map(str, PYTHON)))


def _existing(directory):
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def disk(directory, needed=FREE):
    free = shutil.disk_usage(_existing(directory)).free
    if free < needed:
        return _(
            "There are {free} MB free where {directory} is, and {needed} MB "
            "are needed. Free some space or choose another --directory."
            ).format(
                free=free // 1024 ** 2, needed=needed // 1024 ** 2,
                directory=directory)


def writable(directory):
    "Make the directory, of which nobody else may read"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = directory / '.probe'
        probe.touch()
        probe.unlink()
    except PermissionError:
        return _(
            "There is no right to write in {directory}. Run the command as a "
            "user who may, or choose another --directory.").format(
                directory=directory)
    except OSError as error:
        return _(
            "{directory} cannot be written: {reason}. Choose another "
            "--directory.").format(
                directory=directory, reason=error.strerror)


def port(host, number):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == 'posix':
            # As the server does: what was closed a moment ago is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip('[]'), number))
        except PermissionError:
            return _(
                "There is no right to listen on port {port}. Choose one above"
                " 1023: offline-sales branch init --listen {host}:8000"
                ).format(
                    host=host, port=number)
        except OSError:
            return _(
                "The port {port} of {host} is taken by another program, or "
                "{host} is not an address of this computer. Choose another: "
                "offline-sales branch init --listen {host}:{other}").format(
                    host=host, port=number, other=number + 1)


def clock(offset):
    "offset: the seconds by which the clock here is ahead of the central's"
    if abs(offset) <= CLOCK:
        return None
    minutes = round(abs(offset) / 60)
    text = (
        _("The clock of this computer is {minutes} minutes ahead of the "
            "central's.") if offset > 0 else
        _("The clock of this computer is {minutes} minutes behind the "
            "central's."))
    return text.format(minutes=minutes) + ' ' + _(
        "Set it, with its time zone, and run the same command again.")
