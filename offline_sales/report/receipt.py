# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The paper of a receipt printer: 80 mm wide, as long as what is on it

Pure Python, by reportlab: a shop's computer has no LibreOffice.

    page = Page()
    page.text("La Esperanza", bold=True, align='center')
    page.pair("Total", "$120.50")
    render([page]) -> the bytes of a PDF of one page
"""
from io import BytesIO
from typing import NamedTuple

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

WIDTH = 80 * mm
# The head of the printer reaches 72 mm
MARGIN = 4 * mm
_INNER = WIDTH - 2 * MARGIN
_SIZE = 8
_LEADING = 1.2
_GAP = 2 * mm
_QR = 26 * mm

_FONTS = {
    False: 'Helvetica',
    True: 'Helvetica-Bold',
    }


def _printable(text):
    "Return the text in the characters that the fonts of every PDF have"
    text = text.replace('\u202f', ' ').replace('\xa0', ' ')
    return text.encode('cp1252', 'replace').decode('cp1252')


class Text(NamedTuple):
    text: str
    size: int
    bold: bool
    align: str

    @property
    def height(self):
        return self.size * _LEADING

    def draw(self, canvas, y):
        canvas.setFont(_FONTS[self.bold], self.size)
        # What is below the line belongs to it
        y += self.size * (_LEADING - 1)
        if self.align == 'center':
            canvas.drawCentredString(WIDTH / 2, y, self.text)
        elif self.align == 'right':
            canvas.drawRightString(WIDTH - MARGIN, y, self.text)
        else:
            canvas.drawString(MARGIN, y, self.text)


class Pair(NamedTuple):
    left: str
    right: str
    size: int
    bold: bool

    @property
    def height(self):
        return self.size * _LEADING

    def draw(self, canvas, y):
        Text(self.left, self.size, self.bold, 'left').draw(canvas, y)
        Text(self.right, self.size, self.bold, 'right').draw(canvas, y)


class Rule(NamedTuple):
    height: float = _GAP

    def draw(self, canvas, y):
        canvas.setLineWidth(.5)
        canvas.setDash(1, 1)
        y += self.height / 2
        canvas.line(MARGIN, y, WIDTH - MARGIN, y)


class QR(NamedTuple):
    value: str
    height: float = _QR

    def draw(self, canvas, y):
        code = QrCodeWidget(self.value, barLevel='M')
        left, bottom, right, top = code.getBounds()
        drawing = Drawing(_QR, _QR, transform=[
                _QR / (right - left), 0, 0, _QR / (top - bottom), 0, 0])
        drawing.add(code)
        renderPDF.draw(drawing, canvas, (WIDTH - _QR) / 2, y)


class Page:
    "What is on the paper, from top to bottom"

    def __init__(self):
        self.rows = []

    def text(self, text, size=_SIZE, bold=False, align='left'):
        "Add a text on as many lines as it needs"
        for line in simpleSplit(
                _printable(text or ''), _FONTS[bold], size, _INNER):
            self.rows.append(Text(line, size, bold, align))

    def pair(self, left, right, size=_SIZE, bold=False):
        "Add a text with another one, short, at the right of its last line"
        right = _printable(right)
        room = _INNER - stringWidth(right, _FONTS[bold], size) - _GAP
        *lines, last = simpleSplit(
            _printable(left), _FONTS[bold], size, room) or ['']
        for line in lines:
            self.rows.append(Text(line, size, bold, 'left'))
        self.rows.append(Pair(last, right, size, bold))

    def rule(self):
        self.rows.append(Rule())

    def qr(self, value):
        self.rows.append(QR(value))

    @property
    def height(self):
        return 2 * MARGIN + sum(row.height for row in self.rows)

    def draw(self, canvas):
        canvas.setPageSize((WIDTH, self.height))
        y = self.height - MARGIN
        for row in self.rows:
            y -= row.height
            row.draw(canvas, y)


def render(pages, title=''):
    "Return a PDF of the pages, as bytes"
    buffer = BytesIO()
    canvas = Canvas(buffer, invariant=1)
    canvas.setTitle(title)
    for page in pages:
        page.draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()
