# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Make pytest see the checkout under its Tryton name, not its folder's"
import sys
from pathlib import Path

from trytond.modules import offline_sales

from . import __name__ as tests

sys.modules[Path(offline_sales.__file__).parent.name] = offline_sales
sys.modules[f'{Path(offline_sales.__file__).parent.name}.tests'] = (
    sys.modules[tests])
