# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""How a command ends: a sentence and an exit code, never a traceback"""
import datetime as dt
import os
import sys
import tempfile
import traceback
from pathlib import Path

from . import text
from .text import _

__all__ = ['Stop', 'Told', 'describe', 'tell']

DONE = 0
NOT_DONE = 1
USAGE = 2
COMPUTER = 3
UNREACHABLE = 4
REFUSED = 5
ATTENTION = 6
UNEXPECTED = 70
INTERRUPTED = 130


class Stop(Exception):
    "The command cannot go on: what happened and what to do, and an exit code"

    def __init__(self, sentence, code=NOT_DONE):
        super().__init__(sentence)
        self.code = code


class Told(Stop):
    "The same, where the sentence was said already"

    def __init__(self, code):
        super().__init__('', code)


def describe():
    "Return what the exit codes mean"
    return "\n".join([
            _("exit codes:"),
            *(f"  {code:<4} {meaning}" for code, meaning in [
                (DONE, _("done")),
                (NOT_DONE, _("not done: the sentence says why")),
                (USAGE, _("wrong options")),
                (COMPUTER, _("this computer is not ready for it")),
                (UNREACHABLE, _(
                        "the central cannot be asked now, try again later")),
                (REFUSED, _("the central refused")),
                (ATTENTION, _("something needs attention")),
                (UNEXPECTED, _("an error that was not expected")),
                (INTERRUPTED, _("interrupted")),
                ])])


def tell(function, options):
    "Return the exit code of the function, and say what went wrong"
    try:
        return function(options) or DONE
    except KeyboardInterrupt:
        _say(_("Interrupted. The same command goes on where it was."))
        return INTERRUPTED
    except BrokenPipeError:
        # Who read the output has seen enough
        sys.stdout = None
        return NOT_DONE
    except Stop as stop:
        _say(str(stop))
        return stop.code
    except Exception as error:
        sentence, code = explain(error)
        if code == UNEXPECTED:
            sentence = _(
                "An error that was not expected: {error}. Its details are in "
                "{file}. Send that file to who supports you.").format(
                    error=sentence, file=_keep(options))
        _say(sentence)
        return code


def _say(sentence):
    if sentence:
        print(sentence, file=sys.stderr)


def explain(error):
    "Return (sentence, exit code) for an error"
    from trytond import backend
    from trytond.exceptions import UserError
    from trytond.modules.offline_sales.offline_sales import exceptions
    if isinstance(error, exceptions.CentralError):
        return _explain_central(error, exceptions)
    if isinstance(error, UserError):
        return error.message, NOT_DONE
    if isinstance(error, PermissionError):
        return _(
            "There is no right to write {file}. Run the command as the user "
            "who owns it, or choose another --directory.").format(
                file=error.filename or _("there")), COMPUTER
    if _is_full(error):
        return _(
            "The disk is full. Free some space and run the same command "
            "again: it goes on where it was."), COMPUTER
    if 'disk I/O error' in str(error):
        return _(
            "The disk can be neither read nor written, perhaps it is full. "
            "Look at it, then run the same command again."), COMPUTER
    if _is_of_another_version(error):
        return _(
            "The packages are newer than the database. At a branch: "
            "offline-sales branch upgrade"), NOT_DONE
    if isinstance(error, backend.DatabaseOperationalError):
        return _(
            "The database does not answer: {reason}. Look whether it runs, "
            "then run the same command again.").format(
                reason=str(error).strip().splitlines()[0]), NOT_DONE
    return type(error).__name__, UNEXPECTED


def _explain_central(error, exceptions):
    if isinstance(error, exceptions.PlainHTTP):
        return _(
            "The address {url} is without TLS: anyone on the way could read "
            "passwords and sales and change them. Use one that begins with "
            "https:// or, if you accept that, --allow-http.").format(
                url=error.variables['url']), REFUSED
    sentence = error.message
    if sentence == error.text:
        # There is no database that could tell it
        sentence = text.message(
            error.text, {'seconds': error.seconds or 0, **error.variables})
    soon = isinstance(error, exceptions.Unreachable) or error.retry
    return sentence, UNREACHABLE if soon else REFUSED


def _is_full(error):
    # ENOSPC, EDQUOT and EFBIG
    if isinstance(error, OSError) and error.errno in {28, 122, 27}:
        return True
    said = str(error)
    return any(words in said for words in [
            'disk is full', 'No space left'])


def _is_of_another_version(error):
    # Of PostgreSQL: undefined column and undefined table
    return (
        getattr(error, 'sqlstate', None) in {'42703', '42P01'}
        or str(error).startswith(('no such column', 'no such table')))


def _keep(options):
    "Write the traceback where it can be found, and return the file"
    directory = Path(getattr(options, 'directory', None) or '.') / 'logs'
    if not os.access(directory, os.W_OK):
        directory = Path(tempfile.gettempdir())
    file = directory / 'offline-sales-error.log'
    try:
        with file.open('a', encoding='utf-8') as log:
            log.write(f"{dt.datetime.now():%Y-%m-%d %H:%M:%S}\n")
            log.write(traceback.format_exc())
    except OSError:
        return _("none, for it could not be written")
    return file
