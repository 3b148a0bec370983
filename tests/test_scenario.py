# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Run the scenarios as pytest tests: pytest ignores load_tests"
import unittest

import pytest

from trytond.tests.test_tryton import load_doc_tests

from trytond.modules.offline_sales import tests  # isort: skip


def _scenarios():
    suite = load_doc_tests(
        tests.__name__, __file__, unittest.TestLoader(),
        unittest.TestSuite(), None)
    return [
        pytest.param(case, id=case.id(),
            marks=pytest.mark.xdist_group(case.id()))
        for case in suite]


@pytest.mark.parametrize('case', _scenarios())
def test_scenario(case):
    result = unittest.TestResult()
    case.run(result)
    for _, message in result.errors + result.failures:
        pytest.fail(message, pytrace=False)
    assert result.testsRun == 1
