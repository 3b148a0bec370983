# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The table of what the demo checked"
import sys
import time


class Checks:
    "Prints each check as it is made; failed tells if one was not as expected"

    def __init__(self):
        self.rows = []
        self.started = time.monotonic()

    @property
    def failed(self):
        return [row for row in self.rows if not row[0]]

    def step(self, text):
        seconds = time.monotonic() - self.started
        print(f"[{seconds:5.0f} s] {text}", flush=True)

    def check(self, what, value, expected=True):
        "Note whether the value is the expected one, and return it"
        good = value == expected
        self.rows.append((good, what, value, expected))
        if not good:
            print(f"    NOT AS EXPECTED: {what}: {value!r}, not {expected!r}",
                file=sys.stderr, flush=True)
        return value

    def table(self):
        "Return the table as text"
        width = max((len(what) for _, what, _, _ in self.rows), default=0)
        lines = [f"{'Checked':<{width}}  Result", '-' * (width + 30)]
        for good, what, value, _ in self.rows:
            shown = '' if value is True else f"  {self._show(value)}"
            lines.append(
                f"{what:<{width}}  {'good' if good else 'WRONG'}{shown}")
        good = len(self.rows) - len(self.failed)
        lines.append(f"{good} good, {len(self.failed)} wrong")
        return '\n'.join(lines)

    @staticmethod
    def _show(value):
        text = str(value)
        return text if len(text) <= 50 else f"{text[:47]}..."
