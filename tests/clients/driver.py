# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What driving the desktop and the web client has in common"
import subprocess


class Failure(Exception):
    "What should show does not, with what shows instead"


class Driver:
    """A client that is driven as by who sits before it

    settle waits until the client has nothing more to do, until returns the
    first true value of a function, texts returns all that can be read.
    shots: where the pictures go. timeout: seconds.
    """

    def __init__(self, shots, timeout, lang):
        self.shots = shots
        self.timeout = timeout
        self.lang = lang

    def settle(self):
        raise NotImplementedError

    def until(self, what, func, *args):
        raise NotImplementedError

    def texts(self):
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

    def see(self, text):
        self.until(f"{text} does not show",
            lambda: any(text in t for t in self.texts()))
