# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""At a branch the catalogs can be read only

Judged by model and not by record: what a user would add to a catalog, the
central would never know. What the branch itself does (selling moves sequences
on, a refresh) works without access checks and passes.
"""
from trytond.i18n import gettext
from trytond.pool import Pool

from ..exceptions import OfflineAccessError


def refuse():
    raise OfflineAccessError(gettext('offline_sales.msg_catalog_readonly'))


class ReadonlyModel:
    "Mixed into every stored model"
    __slots__ = ()

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if external:
            Catalog = Pool().get('offline_sales.catalog')
            if cls.__name__ in Catalog.readonly_models():
                refuse()


class ReadonlyWizard:
    "Mixed into every wizard: they work without access checks"
    __slots__ = ()

    @classmethod
    def check_access(cls):
        super().check_access()
        Catalog = Pool().get('offline_sales.catalog')
        if cls.__name__ in Catalog.readonly_wizards():
            refuse()
