# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
import sys

from . import errors
from .text import _

__all__ = ['bar']


def bar(total=None, unit=''):
    "Return a bar of tqdm; where nobody looks it says little"
    try:
        from tqdm import tqdm
    except ImportError:
        raise errors.Stop(_(
                "A package is missing: pip install "
                "'trytond_offline_sales[branch]'"), errors.COMPUTER) from None
    return tqdm(
        total=total, unit=f" {unit}", leave=False, file=sys.stderr,
        disable=not sys.stderr.isatty() or None)
