# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.model import ModelSQL, ModelView, fields


class Document(ModelSQL, ModelView):
    "Document"
    __name__ = 'offline_sales.document'

    uuid = fields.Char("Identity", required=True, readonly=True)
