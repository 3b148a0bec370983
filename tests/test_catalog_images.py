# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The images of products travel, last and bounded, where both sides have them"
import io
import random

import PIL.Image
import pytest

from trytond.transaction import Transaction

from trytond.modules.offline_sales.offline_sales.catalog import (  # isort: skip
    refresh, spec)
from trytond.modules.offline_sales.offline_sales.exceptions import (  # isort: skip
    IncompleteAnswer)

from .shop import Shop


@pytest.fixture
def image_shop(web, tmp_path_factory):
    return Shop(web, tmp_path_factory.getbasetemp(), template='images')


def picture(size=32, seed=0):
    image = PIL.Image.new('RGB', (size, size))
    pixels = random.Random(seed)
    image.putdata([
            (pixels.randrange(256), pixels.randrange(256), 0)
            for _ in range(size * size)])
    data = io.BytesIO()
    image.save(data, format='png')
    return data.getvalue()


def add(shop, count=1, **values):
    "Give the first products of the central an image"
    def create():
        Template = shop.central.get('product.template')
        templates = Template.search(
            [('salable', '=', True)], limit=count, order=[('id', 'ASC')])
        return [i.id for i in shop.central.get('product.image').create([{
                        'template': template.id,
                        'image': picture(seed=template.id),
                        **values} for template in templates])]
    return shop.central.run(create)


def images(database):
    def read():
        return {
            i.template.code or i.template.products[0].code: bytes(i.image)
            for i in database.get('product.image').search([])}
    return database.run(read)


def test_images_are_those_of_the_central(image_shop):
    add(image_shop, 7)
    image_shop.obtain()
    assert len(images(image_shop.branch)) == 7
    assert images(image_shop.branch) == images(image_shop.central)
    with image_shop.branch.transaction():
        Update = image_shop.branch.get('offline_sales.update')
        assert "product.image: 7" in Update.last_success().models
    image_shop.obtain()
    with image_shop.branch.transaction():
        assert Update.last_success().rows == 0


def test_changed_image_replaces_what_was_made_of_the_former(image_shop):
    id_, = add(image_shop)
    image_shop.obtain()

    def small():
        image, = image_shop.branch.get('product.image').search([])
        return image.get(16)
    former = image_shop.branch.run(small)

    def change():
        Image = image_shop.central.get('product.image')
        Image.write([Image(id_)], {'image': picture(seed=99)})
        # Written in a second of its own
        cursor = Transaction().connection.cursor()
        cursor.execute(
            "UPDATE product_image SET write_date = '2030-01-01 00:00:00'")
    image_shop.central.run(change)
    image_shop.obtain()
    assert image_shop.branch.run(small) != former


def test_removed_image_goes(image_shop):
    id_, = add(image_shop)
    image_shop.obtain()
    image_shop.branch.run(
        lambda: image_shop.branch.get('product.image').search([])[0].get(16))

    def remove():
        Image = image_shop.central.get('product.image')
        Image.delete([Image(id_)])
    image_shop.central.run(remove)
    image_shop.obtain()
    assert images(image_shop.branch) == {}


def test_large_image_stays(image_shop, monkeypatch):
    monkeypatch.setattr(spec, 'MAX_BINARY', 4000)
    add(image_shop, 1)
    add(image_shop, 1, image=picture(256))
    image_shop.obtain()
    found = images(image_shop.branch)
    assert len(found) == 1
    assert all(len(data) <= 4000 for data in found.values())


def test_images_come_when_the_rest_is_in_use(image_shop, monkeypatch):
    add(image_shop, 3)
    with image_shop.central.transaction():
        party = image_shop.central.get('party.party').search([], limit=1)[0]
        party.name = "Nombre nuevo"
        party.save()
    receive = refresh.Refresh._receive

    def cut(self, staging, asked):
        if 'product.image' in asked:
            raise IncompleteAnswer()
        return receive(self, staging, asked)
    monkeypatch.setattr(refresh.Refresh, '_receive', cut)
    with pytest.raises(IncompleteAnswer):
        image_shop.obtain()
    assert images(image_shop.branch) == {}
    with image_shop.branch.transaction():
        Party = image_shop.branch.get('party.party')
        assert Party.search([('name', '=', "Nombre nuevo")])
    monkeypatch.undo()
    image_shop.obtain()
    assert len(images(image_shop.branch)) == 3


def test_reset_keeps_the_images(image_shop):
    add(image_shop, 3)
    image_shop.obtain()
    with image_shop.branch.transaction():
        image_shop.branch.get('offline_sales.update').obtain(full=True)
    assert images(image_shop.branch) == images(image_shop.central)
