# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The numbers that a branch gives

Prefacturas and customers have sequences of the branch's own, with its code in
their prefix; tickets those of its points. None is given twice: a branch whose
database was restored or made anew is told how far it had come.
"""
import re

from sql import Desc
from sql.functions import CharLength
from sql.operators import Like

from trytond.pool import Pool
from trytond.transaction import Transaction

PADDING = 5
# What a lost database may have given and never sent
MARGIN = 100


def prefix(code, letter):
    """Return the prefix of the sequence of a branch

    letter: P for prefacturas, C for customers.
    """
    return f'{code}-{letter}-'


def _escape(text):
    "Return the text as the prefix of a sequence takes it"
    return text.replace('$', '$$')


def parse(number, suffix=None):
    "Return the last number in the text of a number, 0 if there is none"
    if suffix and '$' not in suffix:
        number = number.removesuffix(suffix)
    digits = re.search(r'([0-9]+)[^0-9]*$', number)
    return int(digits.group(1)) if digits else 0


def _longest(column, where, suffix=None):
    """Return the highest of the numbers in the column

    They begin alike and are padded alike, so that the highest is the last of
    the longest.
    """
    cursor = Transaction().connection.cursor()
    cursor.execute(*column.table.select(
            column, where=where,
            order_by=[Desc(CharLength(column)), Desc(column)], limit=1))
    return max((parse(number, suffix) for number, in cursor), default=0)


# At the central

def highest(branch):
    """Return the highest numbers that the central knows of the branch

    sale, party: of the sequences of the branch; points: of its tickets, as a
    list of [id of the point, number].
    """
    pool = Pool()
    Document = pool.get('offline_sales.document')
    document = Document.__table__()
    result = {}
    for kind, letter, column in [
            ('sale', 'P', pool.get('sale.sale').__table__().number),
            ('party', 'C', pool.get('party.party').__table__().code)]:
        own = prefix(branch.code, letter)
        result[kind] = max(
            _longest(column, _begins(column, own)),
            _longest(document.number,
                (document.branch == branch.id)
                & _begins(document.number, own)))
    result['points'] = [
        [point.id, _longest(
                document.number,
                (document.point == point.id) & (document.kind == 'ticket'),
                point.sequence.suffix)]
        for point in (r.offline_point for r in branch.registers)]
    return result


def _begins(column, text):
    "Return the condition that the column begins with the text"
    # SQLite has no character to escape with unless it is named
    return Like(
        column, re.sub(r'([\\%_])', r'\\\1', text) + '%', escape='\\')


# At the branch

def prepare(branch):
    "Let the branch number its prefacturas and customers on its own"
    pool = Pool()
    SaleConfiguration = pool.get('sale.configuration')
    PartyConfiguration = pool.get('party.configuration')
    for configuration, name, letter, type_, pattern in [
            (SaleConfiguration(1), 'sale_sequence', 'P',
                ('sale', 'sequence_type_sale'),
                {'company': branch.company.id}),
            (PartyConfiguration(1), 'party_sequence', 'C',
                ('party', 'sequence_type_party'), {}),
            ]:
        own = _escape(prefix(branch.code, letter))
        sequence = configuration.get_multivalue(name, **pattern)
        if not sequence or sequence.prefix != own:
            configuration.set_multivalue(
                name, _get_sequence(own, type_, **pattern), **pattern)


def _get_sequence(prefix, type_, company=None):
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    Sequence = pool.get('ir.sequence')
    SequenceType = pool.get('ir.sequence.type')
    type_ = SequenceType(ModelData.get_id(*type_))
    values = {
        'sequence_type': type_.id,
        'prefix': prefix,
        }
    if company:
        values['company'] = company
    sequences = Sequence.search([
            (name, '=', value) for name, value in values.items()], limit=1)
    if sequences:
        return sequences[0]
    sequence, = Sequence.create([
            {'name': type_.name, 'padding': PADDING, **values}])
    return sequence


def move_on(branch, numbers):
    """Continue after the numbers that the central knows, never go back

    numbers: what highest returned there.
    """
    pool = Pool()
    Link = pool.get('offline_sales.link')
    Point = pool.get('sale.point')
    SaleConfiguration = pool.get('sale.configuration')
    PartyConfiguration = pool.get('party.configuration')
    _continue(SaleConfiguration(1).get_multivalue(
            'sale_sequence', company=branch.company.id), numbers['sale'])
    _continue(
        PartyConfiguration(1).get_multivalue('party_sequence'),
        numbers['party'])
    points = dict(numbers['points'])
    for central, local in Link.from_wire('sale.point', points).items():
        _continue(Point(local).sequence, points[central])


def _continue(sequence, highest):
    if sequence and highest and sequence.number_next <= highest:
        sequence.__class__.write(
            [sequence], {'number_next': highest + 1 + MARGIN})
