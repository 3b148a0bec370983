# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Whatever people do at the central, the branch becomes the same

Each seed is a few days of edits, with a refresh after each. As many new seeds
as fit in OFFLINE_SALES_TEST_SECONDS are tried; make soak tries
OFFLINE_SALES_TEST_DAYS days. A red run tells its seed: add it to FAILED.
"""
import os
import random
import sys
import time

import pytest


from trytond.pool import Pool
from trytond.transaction import Transaction

from .edits import Edits
from .comparison import faults

SECONDS = float(os.environ.get('OFFLINE_SALES_TEST_SECONDS', 40))
DAYS = int(os.environ.get('OFFLINE_SALES_TEST_DAYS', 0))
# Those of the past that did not end alike
FAILED = [5]
EDITS = 25
DAYS_OF_SEED = 3


def live(shop, seed, days=DAYS_OF_SEED):
    "Edit and refresh some days, and return the names of the edits"
    edits = Edits(shop.central, seed)
    for day in range(days):
        edits.make(EDITS)
        shop.obtain()
        found = faults(shop)
        assert not found, (
            f"seed {seed}, day {day}, after {edits.made}:\n"
            + '\n'.join(found[:20]))
    shop.obtain()
    with shop.branch.transaction():
        update = shop.branch.get('offline_sales.update').last_success()
        assert (update.rows, update.deleted) == (0, 0), f"seed {seed}"
    return edits


@pytest.mark.timeout(0)
def test_seeds(shop, capsys, tmp_path_factory):
    end = time.monotonic() + SECONDS
    new = random.Random()
    waiting = list(FAILED)
    days, made, refused = 0, set(), 0
    while waiting or (days < DAYS if DAYS else time.monotonic() < end):
        seed = waiting.pop() if waiting else new.randrange(2 ** 32)
        edits = live(shop, seed)
        days += DAYS_OF_SEED
        made.update(edits.made)
        refused += len(edits.refused)
        # As it was
        shop = type(shop)(shop.web, tmp_path_factory.getbasetemp())
    with capsys.disabled():
        sys.stdout.write(
            f"\n{days} days converged, {len(made)} kinds of edits, "
            f"{refused} refused by Tryton\n")


def test_difference_is_seen(shop):
    "What this test looks with sees each kind of difference"
    assert not faults(shop)

    def harm():
        cursor = Transaction().connection.cursor()
        cursor.execute(
            "UPDATE party_party SET name = 'Otra' WHERE id = "
            "(SELECT MAX(id) FROM party_party)")
        cursor.execute(
            "DELETE FROM product_identifier WHERE id = "
            "(SELECT MIN(id) FROM product_identifier)")
        cursor.execute(
            "UPDATE offline_sales_link SET version = version + 1 "
            "WHERE model = 'product.uom' AND central = 1")
        cursor.execute(
            "UPDATE product_product SET template = 10000 WHERE id = 1")
    shop.branch.run(harm, user=0)
    found = '\n'.join(faults(shop))
    for expected in [
            "name 'Otra' not", 'product.identifier,1: missing',
            'product.uom: digest', "template ('unknown', 10000)"]:
        assert expected in found


def test_code_of_one_that_left(shop):
    "It is deactivated here, and another has got its unique code"
    def swap():
        Party = Pool().get('party.party')
        first, second = Party.search(
            [('id', '>', 1)], order=[('id', 'ASC')], limit=2)
        codes = first.code, second.code
        for party, code in [
                (first, 'x'), (second, codes[0]), (first, codes[1])]:
            Party.write([party], {'code': code})
        Party.write([first], {'active': False})
    shop.central.run(swap)
    shop.obtain()
    assert not faults(shop)
