# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from .offline_sales import routes, sqlite, statement
from .offline_sales.catalog import serve, stock

__all__ = ['routes', 'serve', 'sqlite', 'statement', 'stock']
