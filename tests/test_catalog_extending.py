# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What another module may do with the catalogs, see tests/modules"


def create(database, model, vlist):
    return database.run(
        lambda: [r.id for r in database.get(model).create(vlist)])


def values(database, model, *names):
    def read():
        return {
            tuple(getattr(record, name) for name in names)
            for record in database.get(model).search([])}
    return database.run(read)


def test_module_adds_its_model_by_one_record(foreign_shop):
    shop = foreign_shop
    with shop.central.transaction():
        Product = shop.central.get('product.product')
        product = Product.search([('salable', '=', True)], limit=1)[0]
        code = product.code
    create(shop.central, 'offline_sales_foreign.shelf', [
            {'name': "A1", 'product': product.id, 'label': "central"},
            {'name': "A2"},
            {'name': "B1", 'product': product.id},
            ])
    shop.obtain()

    def read():
        Shelf = shop.branch.get('offline_sales_foreign.shelf')
        return {
            (s.name, s.product.code if s.product else None)
            for s in Shelf.search([])}
    assert shop.branch.run(read) == {("A1", code), ("A2", None)}
    # Its hook makes at the branch what does not travel
    assert values(
        shop.branch, 'offline_sales_foreign.shelf', 'name', 'label') == {
            ("A1", "*A1*"), ("A2", "*A2*")}
    assert ("A1", "central") in values(
        shop.central, 'offline_sales_foreign.shelf', 'name', 'label')


def test_module_changes_a_domain_by_one_record(foreign_shop):
    shop = foreign_shop
    create(shop.central, 'account.invoice.payment_term', [
            {'name': name, 'lines': [('create', [{'type': 'remainder'}])]}
            for name in ["Staff, at the end of the month", "In two weeks"]])
    shop.obtain()
    names = {n for n, in values(
            shop.branch, 'account.invoice.payment_term', 'name')}
    assert "In two weeks" in names
    assert not any(name.startswith("Staff") for name in names)


def test_module_changes_a_domain_by_its_code(foreign_shop):
    shop = foreign_shop
    internal, _ = create(shop.central, 'party.category', [
            {'name': "Internal remarks"}, {'name': "Good customers"}])

    def add():
        Party = shop.central.get('party.party')
        Party.write(Party.search([], limit=3), {
                'categories': [('add', [internal])]})
    shop.central.run(add)
    shop.obtain()
    names = {n for n, in values(shop.branch, 'party.category', 'name')}
    assert "Good customers" in names
    assert "Internal remarks" not in names
