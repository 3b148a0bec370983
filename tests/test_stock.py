# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The stock on hand as the branch sees it"
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.catalog import (  # isort: skip
    digest, stock)

from .counter import Counter, documents, send


def obtain(shop):
    "As the update does, and return how many rows travelled"
    from trytond.modules.offline_sales.offline_sales.client import Client
    rows = []

    class Spy:
        def __init__(self, client):
            self.client = client

        def call(self, name, params):
            answer = self.client.call(name, params)
            rows.extend(r for _, rs in answer['buckets'] for r in rs)
            return answer
    with shop.branch.transaction():
        with Client.from_configuration() as client:
            shop.branch.get('offline_sales.stock').obtain(Spy(client))
    return len(rows)


def at_central(shop):
    "The quantities in the storage of the branch, by code, as Tryton says"
    def quantities():
        branch, = shop.central.get('offline_sales.branch').search(
            [('code', '=', 'ESP')])
        Product = shop.central.get('product.product')
        from trytond.transaction import Transaction
        with Transaction().set_context(
                company=branch.company.id,
                locations=[branch.warehouse.storage_location.id],
                with_childs=True,
                stock_date_end=shop.central.get('ir.date').today()):
            return {
                p.code: p.quantity for p in Product.search(
                    [('salable', '=', True), ('type', '=', 'goods')])}
    return shop.central.run(quantities)


def at_branch(shop):
    def quantities():
        return {
            p.code: p.offline_quantity
            for p in shop.branch.get('product.product').search(
                [('type', '=', 'goods')])}
    return shop.branch.run(quantities)


def test_stock_is_that_of_the_central(shop):
    quantities = at_central(shop)
    assert len([q for q in quantities.values() if q]) > 5
    assert at_branch(shop) == quantities


def test_stock_has_a_moment_at_the_branch_only(shop):
    def moments(database):
        return {
            p.offline_quantity_moment
            for p in database.get('product.product').search(
                [('type', '=', 'goods')])}
    moment, = shop.branch.run(moments, shop.branch)
    assert moment
    assert shop.central.run(moments, shop.central) == {None}


def test_service_has_no_stock(shop):
    def quantities():
        Product = shop.branch.get('product.product')
        return {p.offline_quantity for p in Product.search(
                [('type', '=', 'service')])}
    assert shop.branch.run(quantities) <= {None}


def test_what_is_sold_is_taken_off_until_the_central_has_done_it(shop):
    "By tickets and by prefacturas"
    counter = Counter(shop.branch)
    code = counter.codes(1, decimals=False)[0]
    before = at_branch(shop)[code]
    counter.sell([(code, 3)])
    assert at_branch(shop)[code] == before - 3
    counter.invoice([(code, 2)])
    assert at_branch(shop)[code] == before - 5
    # Not yet at the central: obtaining changes nothing
    obtain(shop)
    assert at_branch(shop)[code] == before - 5
    while {d['state'] for d in documents(shop.branch)} != {'accepted'}:
        send(shop)
    # Processed, but after what was on hand
    assert at_branch(shop)[code] == before - 5
    assert at_central(shop)[code] == before - 5
    obtain(shop)
    assert at_branch(shop)[code] == before - 5


def test_only_what_moved_travels(shop):
    assert obtain(shop) == 0
    counter = Counter(shop.branch)
    counter.sell([(counter.codes(1)[0], 1)])
    while {d['state'] for d in documents(shop.branch)} != {'accepted'}:
        send(shop)
    assert 1 <= obtain(shop) <= stock.BUCKET
    assert obtain(shop) == 0


def test_refund_is_put_back(shop):
    counter = Counter(shop.branch)
    code = counter.codes(1, decimals=False)[0]
    before = at_branch(shop)[code]
    counter.sell([(code, -1)])
    assert at_branch(shop)[code] == before + 1


@pytest.mark.parametrize('model', ['sale.point.sale.line', 'sale.line'])
def test_line_shows_what_there_is(shop, model):
    def quantities():
        Line = shop.branch.get(model)
        product = shop.branch.get('product.product').search(
            [('type', '=', 'goods')], limit=1)[0]
        line = Line(product=product, unit=product.sale_uom)
        return (
            line.on_change_with_offline_quantity(),
            product.offline_quantity,
            line.on_change_with_offline_quantity_moment())
    line, product, moment = shop.branch.run(quantities)
    assert moment and product is not None
    assert line == product


def test_stock_is_seen_at_the_branch_only(shop):
    def seen(database):
        View = database.get('ir.ui.view')
        ModelData = database.get('ir.model.data')
        Product = database.get('product.product')
        view = View(ModelData.get_id('sale', 'product_view_list_sale_line'))
        arch = Product.fields_view_get(view.id, 'tree')['arch']
        from lxml import etree
        tree = etree.fromstring(arch)
        return {
            field.get('name') for field in tree.xpath('//field')
            if field.get('tree_invisible') in {None, '0', 'false'}
            } & {'quantity', 'offline_quantity'}
    assert shop.branch.run(seen, shop.branch) == {'offline_quantity'}
    assert shop.central.run(seen, shop.central) == {'quantity'}


rows = st.dictionaries(
    st.tuples(st.integers(1, 500), st.integers(1, 3)),
    st.floats(-1e6, 1e6)).map(
        lambda d: [(p, l, q) for (p, l), q in d.items()])


@given(rows, rows)
def test_buckets_that_are_alike_hold_the_same(ours, theirs):
    count = stock.bucket_count(len(ours))
    different = digest.differing(
        dict(stock.buckets(ours, count)), dict(stock.buckets(theirs, count)))
    result = [r for r in ours if r[0] % count not in different] + [
        r for r in theirs if r[0] % count in different]
    assert sorted(map(repr, result)) == sorted(map(repr, theirs))
