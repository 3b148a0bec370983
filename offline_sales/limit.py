# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"How often somebody may ask: token buckets in the memory of the process"
from collections import OrderedDict
from threading import Lock


class Buckets:
    """Token buckets by key, the most recently used ones

    size: how many keys are remembered; a key that was forgotten begins anew
    with a full bucket.
    """

    def __init__(self, size=1024):
        self.size = size
        self._buckets = OrderedDict()
        self._lock = Lock()

    def __len__(self):
        return len(self._buckets)

    def take(self, key, rate, now):
        """Take a token and return 0, or the seconds to wait for one

        rate: tokens per minute, of which a minute's can be taken at once.
        now: seconds of a clock that does not go back.
        """
        with self._lock:
            tokens, last = self._buckets.pop(key, (rate, now))
            tokens = min(rate, tokens + (now - last) * rate / 60)
            wait = 0
            if tokens >= 1:
                tokens -= 1
            else:
                wait = (1 - tokens) * 60 / rate
            self._buckets[key] = tokens, now
            while len(self._buckets) > self.size:
                self._buckets.popitem(last=False)
            return wait

    def clear(self):
        with self._lock:
            self._buckets.clear()
