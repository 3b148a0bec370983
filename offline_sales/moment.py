# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Moments that are kept to the microsecond"
from trytond.model import fields


class Moment(fields.Timestamp):
    "A timestamp that is shown to the second"
    format = '%H:%M:%S'
