# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A module that is activated at the central, and later at the branch"
import datetime as dt

from .changes import sell_each
from .counter import Counter
from .replica import faults, moved


def read_prices(database, context, days=range(3)):
    "Return the price of a product by the retail list today and on other days"
    def read():
        today = database.get('ir.date').today()
        list_, = database.get('product.price_list').search(
            [('name', '=', "Público")])
        product, = database.get('product.product').search(
            [('code', '=', 'G00001')])
        return [
            list_.compute(product, 1, product.default_uom, pattern={
                    'date': today + dt.timedelta(days=day)})
            for day in days]
    return database.run(read, context=context)


def test_module_activated_at_the_central(shop):
    "And all modules updated there, which touches thousands of rows"
    context = {'company': Counter(shop.branch).company}
    module = 'product_price_list_dates'
    shop.central.admin('--all', '-u', module)
    shop.obtain()
    assert shop.branch.run(lambda: moved(shop.branch)) == (0, [])

    def write():
        today = shop.central.get('ir.date').today()
        list_, = shop.central.get('product.price_list').search(
            [('name', '=', "Público")])
        line, = list_.lines
        line.end_date = today
        line.save()
        shop.central.get('product.price_list.line').create([{
                    'price_list': list_.id,
                    'formula': 'unit_price * 2',
                    'start_date': today + dt.timedelta(days=1),
                    'end_date': today + dt.timedelta(days=1),
                    }])
    shop.central.run(write, context=context)
    # What the branch lacks does not harm it
    shop.obtain()
    assert shop.branch.run(
        lambda: moved(shop.branch)) == (1, ['product.price_list.line'])
    assert shop.branch.run(lambda: faults([])) == []
    shop.branch.admin('-u', module)
    shop.obtain()
    prices = read_prices(shop.central, context)
    assert prices[1] == 2 * prices[0] and prices[2] is None
    assert read_prices(shop.branch, context) == prices
    assert shop.branch.run(
        lambda: faults(['product.price_list.line'])) == []
    assert Counter(shop.branch).run(sell_each)
