# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"What is printed on the paper of a ticket"
import re
from decimal import Decimal
from io import BytesIO

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.offline_sales.offline_sales.report import (  # isort: skip
    receipt)
from trytond.modules.offline_sales.offline_sales.report.ticket import (  # isort: skip
    TaxRow, spread)
from trytond.modules.offline_sales.offline_sales.report.words import (  # isort: skip
    amount_in_words, number_in_words)

cents = st.integers(-10 ** 7, 10 ** 7).map(lambda n: Decimal(n) / 100)


def read(pdf):
    return [page.extract_text().strip() for page in pypdf.PdfReader(
            BytesIO(pdf)).pages]


@pytest.mark.parametrize('amount, text', [
        ('120.50', "CIENTO VEINTE PESOS 50/100 M.N."),
        ('0', "CERO PESOS 00/100 M.N."),
        ('0.05', "CERO PESOS 05/100 M.N."),
        ('1', "UN PESO 00/100 M.N."),
        ('21.99', "VEINTIÚN PESOS 99/100 M.N."),
        ('31', "TREINTA Y UN PESOS 00/100 M.N."),
        ('501.1', "QUINIENTOS UN PESOS 10/100 M.N."),
        ('1000', "MIL PESOS 00/100 M.N."),
        ('21021', "VEINTIÚN MIL VEINTIÚN PESOS 00/100 M.N."),
        ('101000', "CIENTO UN MIL PESOS 00/100 M.N."),
        ('1000000', "UN MILLÓN DE PESOS 00/100 M.N."),
        ('2000001', "DOS MILLONES UN PESOS 00/100 M.N."),
        ('-116', "MENOS CIENTO DIECISÉIS PESOS 00/100 M.N.")])
def test_amount_in_words(amount, text):
    assert amount_in_words(Decimal(amount), 'MXN') == text


def test_amount_in_words_of_other_currencies():
    assert amount_in_words(Decimal('21.5'), 'USD') == (
        "VEINTIÚN DÓLARES 50/100 USD")
    assert amount_in_words(Decimal('21.5'), 'GTQ') == "VEINTIÚN 50/100 GTQ"


@given(st.integers(0, 10 ** 9), st.integers(0, 10 ** 9))
def test_words_tell_numbers_apart(one, other):
    assert (number_in_words(one) == number_in_words(other)) == (one == other)
    assert not re.search(r'uno\b', number_in_words(one))


@given(st.lists(cents, max_size=5), cents)
def test_spread_makes_the_total(amounts, total):
    rows = spread(
        [TaxRow(None, Decimal(0), a) for a in amounts], total,
        lambda amount: round(amount, 2))
    # Where there is nothing to put a difference on, it cannot be put
    if any(amounts):
        assert sum(row.amount for row in rows) == total
    assert not any(
        row.amount for row, a in zip(rows, amounts, strict=True) if not a)


def test_page_is_as_long_as_what_is_on_it():
    pages = []
    for count in [1, 40]:
        page = receipt.Page()
        for i in range(count):
            page.text(f"Línea {i}")
            page.pair("Galletas surtidas de mantequilla con chispas de "
                "chocolate en caja", "$\u202f1,120.50")
        page.qr('3b0e')
        pages.append(page)
    reader = pypdf.PdfReader(BytesIO(receipt.render(pages)))
    short, long = reader.pages
    assert {round(float(p.mediabox.width) / 72 * 25.4) for p in (
            short, long)} == {80}
    assert long.mediabox.height > 5 * short.mediabox.height
    assert "Línea 0" in short.extract_text()
    # What is too long for a line goes on, what is at the right stays there
    assert re.search(r'caja *\n?\$ 1,120.50', short.extract_text())


def test_page_without_a_character_of_the_fonts():
    page = receipt.Page()
    page.text("Té 茶 ñandú €")
    assert read(receipt.render([page])) == ["Té ? ñandú €"]
