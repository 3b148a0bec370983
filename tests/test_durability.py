# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What was shown as done is on the disk"
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trytond.modules.offline_sales.offline_sales.document import (  # isort: skip
    durability)

from .counter import Counter


@pytest.fixture
def counter(shop):
    return Counter(shop.branch)


@pytest.fixture
def forced(shop, monkeypatch):
    """The names of what is forced to the disk, each with the number of the
    documents that another connection sees at that moment"""
    forced = []
    fsync = os.fsync

    def record(descriptor):
        fsync(descriptor)
        name = Path(os.readlink(f'/proc/self/fd/{descriptor}')).name
        with closing(sqlite3.connect(shop.branch.file)) as connection:
            seen, = connection.execute(
                'SELECT COUNT(*) FROM offline_sales_document').fetchone()
        forced.append((name, seen))
    monkeypatch.setattr(os, 'fsync', record)
    return forced


def test_ticket_is_forced_to_the_disk_after_its_commit(counter, forced):
    sale = counter.open([(counter.codes(1)[0], 1)])
    assert forced == []
    counter.pay(sale)
    assert ('branch.sqlite-wal', 1) in forced  # the session
    forced.clear()
    counter.process(sale)
    assert ('branch.sqlite-wal', 2) in forced
    assert [name for name, _ in forced].count('branch.sqlite-wal') == 1


def test_withdrawal_and_cut_are_forced_to_the_disk(counter, forced):
    sale = counter.sell([(counter.codes(1)[0], 1)])
    for act in [
            lambda: counter.button('sale.point.sale', 'open', sale),
            lambda: counter.process(sale),
            counter.cut]:
        forced.clear()
        act()
        assert 'branch.sqlite-wal' in {name for name, _ in forced}


def test_what_is_rolled_back_is_not_forced(shop, forced):
    with pytest.raises(ZeroDivisionError), shop.branch.transaction():
        durability.ensure()
        raise ZeroDivisionError
    assert forced == []


def test_log_that_was_emptied_needs_nothing(tmp_path):
    durability.force(str(tmp_path / 'gone.sqlite-wal'))
