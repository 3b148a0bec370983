# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, ValidationError


class CatalogError(ValidationError):
    pass


class OfflineAccessError(AccessError):
    "What the restricted branch, or the central on its points, refuses"


class CentralError(UserError):
    """The central could not be asked, or did not answer as it should

    The text says what happened and what to do.
    """
