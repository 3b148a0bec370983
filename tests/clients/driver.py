# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What driving the desktop and the web client has in common"
import subprocess
from pathlib import Path

# How the names of what is printed begin, where the pictures go
PRINTED = 'printed-'
PDF_END = b'%%EOF\n'


class Failure(Exception):
    "What should show does not, with what shows instead"


class Driver:
    """A client that is driven as by who sits before it

    settle waits until the client has nothing more to do, until returns the
    first true value of a function, texts returns all that can be read.
    shots: where the pictures go, and what is printed. timeout: seconds.
    KEYS: what is struck to begin a record, to enter, to pay and
    to accept it.
    """
    KEYS = {}

    def __init__(self, shots, timeout, lang):
        self.shots = shots
        self.timeout = timeout
        self.lang = lang
        self.strokes = 0

    def settle(self):
        raise NotImplementedError

    def until(self, what, func, *args):
        raise NotImplementedError

    def texts(self):
        raise NotImplementedError

    def key(self, key):
        raise NotImplementedError

    def type(self, text):
        raise NotImplementedError

    def answer(self, prompt, answer):
        """Return what to type at the prompt of a login

        An answer that begins with "!" is a command: it is given the prompt
        and prints what to type.
        """
        print('prompt:', prompt, flush=True)
        if answer.startswith('!'):
            return subprocess.check_output(
                [answer[1:], prompt], text=True).strip()
        return answer

    def strike(self, name):
        "Strike a key, one of KEYS, and count it"
        self.settle()
        self.strokes += 1
        self.key(self.KEYS[name])

    def scan(self, code):
        "Read a code as a scanner does, which ends it with Enter"
        self.settle()
        self.type(code)
        self.strike('enter')

    def printed(self):
        "Wait for something to be printed and take it away"
        def find():
            for file in Path(self.shots).glob(f'{PRINTED}*'):
                if file.read_bytes().endswith(PDF_END):
                    return file
        self.until("nothing is printed", find).unlink()

    def see(self, text):
        self.until(f"{text} does not show",
            lambda: any(text in t for t in self.texts()))
