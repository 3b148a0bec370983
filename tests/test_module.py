# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What Tryton itself asks of a module, without and with its optional ones"
import pytest

from trytond.modules import get_module_info
from trytond.tests.test_tryton import ModuleTestCase


@pytest.mark.xdist_group('module')
class OfflineSalesTestCase(ModuleTestCase):
    "Test Offline Sales module"
    module = 'offline_sales'


@pytest.mark.xdist_group('module-extras')
class OfflineSalesExtrasTestCase(ModuleTestCase):
    "Test Offline Sales module with the modules that it knows but not needs"
    module = 'offline_sales'
    extras = get_module_info('offline_sales')['extras_depend']


del ModuleTestCase
