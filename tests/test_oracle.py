# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The same days online and offline leave the same"
import pytest

from .counter import Counter, send
from .oracle import Clerk, Day, Office, difference, figures


@pytest.mark.parametrize('seed', range(3))
def test_offline_equals_online(web, shop, seed):
    counter = Counter(shop.branch)
    day = Day.draw(
        seed, {c: counter.digits[c] for c in counter.products},
        list(counter.transfer_types))
    snapshot = shop.central.save(shop.central.file.with_suffix('.before'))
    with Clerk.login(web.url, shop.central, 'esp.lupita') as clerk:
        clerk.do(day)
    with Office.login(web.url, shop.central, 'admin') as office:
        office.edit(day)
        office.post()
    online = figures(shop.central)
    shop.central.restore(snapshot)
    with Clerk.login(web.url, shop.branch, 'esp.lupita') as clerk:
        clerk.do(day)
    with Office.login(web.url, shop.central, 'admin') as office:
        office.edit(day)
    send(shop)
    with Office.login(web.url, shop.central, 'admin') as office:
        office.post()
    assert difference(online, figures(shop.central)) is None, day
