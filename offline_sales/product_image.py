# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction


class Catalog(metaclass=PoolMeta):
    __name__ = 'offline_sales.catalog'

    @classmethod
    def applying(cls, models):
        pool = Pool()
        super().applying(models)
        if 'product.image' in models:
            # What was made of the former images
            Cache = pool.get('product.image.cache')
            cursor = Transaction().connection.cursor()
            cursor.execute(*Cache.__table__().delete())
