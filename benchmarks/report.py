# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The figures, as a table and as a file"
import json
import time

# What there is to reach, by key: at most if positive, at least if negative
GOALS = {
    'first_fill.ratio_to_bare': 1.5,
    'first_fill.speedup_over_orm': -100,
    'unchanged.seconds': 3,
    'unchanged.bytes': 200_000,
    'one_percent.ratio_to_first_fill': .05,
    'first_fill.peak_mb_branch': 400,
    'first_fill.peak_mb_central': 400,
    'double_fill.ratio_peak_mb_branch': 1.1,
    'double_fill.ratio_peak_mb_central': 1.1,
    'first_fill.longest_wait_seconds': 3,
    'upload.seconds_until_safe': 5,
    'process.ratio_to_direct': 1.1,
    'process.speedup_over_proteus': -2,
    'process.speedup_two_workers': -1.7,
    }


class Report:
    "Keeps the figures by key, those of former runs of other parts too"

    def __init__(self, file):
        self.file = file
        self.former = json.loads(file.read_text()) if file.exists() else {}
        self.figures = {}
        self.started = time.monotonic()

    def note(self, text):
        seconds = time.monotonic() - self.started
        print(f"[{seconds:5.0f} s] {text}", flush=True)

    def put(self, key, value):
        self.figures[key] = round(value, 3)
        self.file.write_text(json.dumps(
                {**self.former, **self.figures}, indent=4, sort_keys=True)
            + '\n')

    def table(self):
        "Return the figures of this run as text"
        width = max(map(len, self.figures), default=0)
        lines = [f"{'Figure':<{width}}  {'Value':>14}  Goal"]
        lines.append('-' * (width + 30))
        for key, value in self.figures.items():
            lines.append(
                f"{key:<{width}}  {value:>14,.6g}  {self._goal(key)}".rstrip())
        return '\n'.join(lines)

    def _goal(self, key):
        goal = GOALS.get(key)
        if not goal:
            return ''
        value = self.figures[key]
        good = value <= goal if goal > 0 else value >= -goal
        sign = '≤' if goal > 0 else '≥'
        return f"{sign} {abs(goal):,} {'' if good else 'NOT REACHED'}".strip()
