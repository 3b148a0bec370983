# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The same days online and offline leave the same

As many new seeds as fit in OFFLINE_SALES_TEST_SECONDS are tried; make soak
tries OFFLINE_SALES_TEST_DAYS. A red run tells its seed: add it to FAILED.
"""
import os
import random
import sys
import time
from collections import Counter

import pytest

from .oracle import compare
from .shop import Shop

SECONDS = float(os.environ.get('OFFLINE_SALES_TEST_SECONDS', 40))
DAYS = int(os.environ.get('OFFLINE_SALES_TEST_DAYS', 0))
# Those of the past that did not end alike
FAILED = {
    'company': [1072184411],
    }


@pytest.mark.timeout(0)
@pytest.mark.parametrize('template', FAILED)
def test_offline_equals_online(web, capsys, tmp_path_factory, template):
    new = random.Random()
    waiting = list(FAILED[template])
    count, done = 0, Counter()
    end = None
    while waiting or not end or (
            count < DAYS if DAYS else time.monotonic() < end):
        # As it was
        shop = Shop(web, tmp_path_factory.getbasetemp(), template=template)
        # Without what all tests make once
        end = end or time.monotonic() + SECONDS * .6
        seed = waiting.pop() if waiting else new.randrange(2 ** 32)
        done.update(compare(shop, seed).kinds)
        count += 1
    with capsys.disabled():
        kinds = ', '.join(f'{n} {kind}' for kind, n in sorted(done.items()))
        sys.stdout.write(f"\n{count} seeds offline as online: {kinds}\n")
