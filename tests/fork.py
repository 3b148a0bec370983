# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""A process that knows what this one does, and that may be killed

It begins in a millisecond, with the pools that are there.
"""
import gc
import json
import os
import signal
import traceback

from trytond import backend

__all__ = ['Fork', 'Killer']


class Fork:
    """A process that runs a function of a note, and ends

    note: called there with what JSON can write; notes here yields it.
    killed: whether it was; error: its traceback if there was one.
    """

    def __init__(self, function):
        self.killed = self.error = None
        # SQLite forbids to take open connections along: one that is collected
        # there would take the locks of others away
        gc.collect()
        read, write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(read)
            self._run(function, write)
        os.close(write)
        self._pipe = os.fdopen(read)

    @staticmethod
    def _run(function, write):
        "Never returns: nothing of the tests may go on here"
        def note(value):
            os.write(write, json.dumps(value).encode() + b'\n')
        try:
            function(note)
        except BaseException:
            note({'error': traceback.format_exc()})
        finally:
            os._exit(0)

    def notes(self):
        "Yield what the process notes, until its end"
        for line in self._pipe:
            value = json.loads(line)
            if isinstance(value, dict) and 'error' in value:
                self.error = value['error']
            else:
                yield value
        self._pipe.close()
        _, status = os.waitpid(self.pid, 0)
        self.killed = (
            os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)

    def wait(self):
        "Return the last note, None without one"
        return next(reversed(list(self.notes())), None)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


class Killer:
    """Kills its own process at the k-th statement of SQL

    count: of the statements so far.
    """

    def __init__(self, k=None):
        self.k = k
        self.count = 0

    def install(self):
        connect, killer = backend.Database.connect, self

        def traced(database):
            known = database._conn
            database = connect(database)
            if database._conn is not known:
                database._conn.set_trace_callback(killer.see)
            return database
        backend.Database.connect = traced

    def see(self, statement):
        self.count += 1
        if self.count == self.k:
            os.kill(os.getpid(), signal.SIGKILL)
