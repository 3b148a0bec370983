# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Tickets and prefacturas as they leave the printer"
from decimal import Decimal
from io import BytesIO

import pypdf
import pytest

from trytond.exceptions import UserError
from trytond.modules.offline_sales.tests.counter import (  # isort: skip
    Counter, documents, send)
from trytond.modules.offline_sales.tests.usage import (  # isort: skip
    Cashier)


def execute(counter, name, *ids):
    "Print as a client does and return the lines on the paper, by page"
    def execute():
        Report = counter.database.get(name, type='report')
        extension, content, direct, _ = Report.execute(list(ids), {})
        assert (extension, direct) == ('pdf', False)
        return content
    content = counter.run(execute)
    return [
        [' '.join(line.split()) for line in page.extract_text(
                extraction_mode='layout').splitlines() if line.strip()]
        for page in pypdf.PdfReader(BytesIO(content)).pages]


def print_ticket(counter, *ids):
    return execute(counter, 'offline_sales.ticket', *ids)


def printings(database):
    def read():
        Printing = database.get('offline_sales.printing')
        return [
            (str(p.record), p.number, p.user.login) for p in Printing.search(
                [], order=[('id', 'ASC')])]
    return database.run(read)


def products(counter):
    "Return the code of a product with the tax, by the name of its group"
    def read():
        Product = counter.get('product.product')
        found = {}
        for code, id_ in counter.products.items():
            taxes = Product(id_).customer_taxes_used
            if not counter.digits[code]:
                found.setdefault(tuple(t.description for t in taxes), code)
        return found
    return counter.run(read)


def after(lines, start):
    "Return the rest of the only line that begins so"
    line, = (l for l in lines if l.startswith(start))
    return line[len(start):].strip()


def money(text):
    return Decimal(text.strip().lstrip('$').replace(',', ''))


def test_ticket(shop):
    counter = Counter(shop.branch)
    codes = products(counter)
    standard, zero = codes[('IVA 16 %',)], codes[('IVA 0 %',)]
    with shop.offline():
        sale = counter.open([(standard, 3), (zero, 2)])
        with pytest.raises(UserError, match="terminad"):
            print_ticket(counter, sale)
        total = counter.run(
            lambda: counter.get('sale.point.sale')(sale).total)
        counter.pay(sale, [('cash', total + 100), ('cash', None)])
        action = counter.process(sale)
        # The document is what the client opens when the ticket is done
        with shop.branch.transaction():
            Action = shop.branch.get('ir.action')
            assert Action(action).get_action_value()['report_name'] == (
                'offline_sales.ticket')
        lines, = print_ticket(counter, sale)
        copy, = print_ticket(counter, sale)
    document = documents(shop.branch, ('kind', '=', 'ticket'))[-1]
    check_head(lines, document)
    assert money(after(lines, "TOTAL")) == total
    assert money(after(lines, "Efectivo")) == total + 100
    assert money(after(lines, "Cambio")) == 100
    taxes = [money(l.rpartition('$')[2]) for l in lines if 'IVA' in l]
    assert len(taxes) == 2 and not taxes[1]
    assert sum(taxes) == document['tax']
    assert money(after(lines, "Subtotal")) == total - document['tax']
    cents = f"{total % 1 * 100:02.0f}/100 M.N."
    assert cents in ' '.join(lines)
    # The first is the only one that is no copy
    assert not any("COPIA" in line for line in lines)
    assert copy.count("COPIA 1") == 2
    assert [l for l in copy if l != "COPIA 1"] == lines
    record = f'sale.point.sale,{sale}'
    assert printings(shop.branch) == [
        (record, 0, 'esp.lupita'), (record, 1, 'esp.lupita')]


def check_head(lines, document):
    text = '\n'.join(lines)
    assert "Abarrotes La Esperanza" in lines[0]
    assert len(after(lines, "RFC:")) in {12, 13}
    assert after(lines, "Régimen fiscal:") == (
        "601 General de Ley Personas Morales")
    assert after(lines, "C.P.:").isdigit()
    assert after(lines, "Sucursal:")
    assert after(lines, "Ticket") == document['number']
    assert document['date'].strftime('%d/%m/%Y') in text
    assert after(lines, "Le atendió:")
    assert "Este ticket no es un comprobante fiscal" in lines
    assert "Venta sin internet" in lines
    assert lines[-1] == document['uuid']


def test_tickets_of_the_central(shop):
    "Those of a branch are copies there; the central's own were sold online"
    branch, central = Counter(shop.branch), Counter(shop.central)
    branch.sell_some(2)
    send(shop)
    sales = shop.central.run(lambda: [
            s.id for s in shop.central.get('sale.point.sale').search(
                [], order=[('id', 'ASC')])])
    online = central.sell([(central.codes(1)[0], 1)])
    *copies, own = print_ticket(central, *sales, online)
    assert len(copies) == 2
    for lines, document in zip(
            copies, documents(shop.central, ('kind', '=', 'ticket')),
            strict=True):
        assert lines[0] == lines[-1] == "COPIA 1"
        assert document['uuid'] in lines
    assert "Venta sin internet" not in own
    assert "Este ticket no es un comprobante fiscal" in own
    assert not any("COPIA" in line for line in own)


def test_ticket_is_offered_when_it_is_paid(shop):
    "By the wizard, as the client does it, over RPC"
    cashier = Cashier(shop.web.url, shop.branch.name).login()
    counter = Counter(shop.branch)
    context = {
        name: counter.context[name]
        for name in ['company', 'companies', 'language']}
    asked = []
    for wanted in [True, False]:
        with shop.branch.transaction():
            Point = shop.branch.get('sale.point')
            Point.write([Point(counter.point)], {'print_ticket': wanted})
        sale = counter.open([(counter.codes(1)[0], 1)])
        context.update(
            active_model='sale.point.sale', active_id=sale,
            active_ids=[sale])
        session, start, _ = cashier.call(
            'wizard.sale.point.sale.pay.create', context=context)
        view = cashier.call(
            'wizard.sale.point.sale.pay.execute', session, {}, start,
            context=context)['view']
        answer = cashier.call(
            'wizard.sale.point.sale.pay.execute', session, {start: {
                    **view['defaults'], 'method': counter.methods['cash']}},
            'pay', context=context)
        asked.append([
                (action['report_name'], data['ids'])
                for action, data in answer.get('actions', [])])
    assert asked == [[('offline_sales.ticket', [sale - 1])], []]
    extension, *_ = cashier.call(
        'report.offline_sales.ticket.execute', [sale], {}, context=context)
    assert extension == 'pdf'
    # A count that is not kept would let two originals out
    assert [number for _, number, _ in printings(shop.branch)] == [0]


def prefactura(counter, lines):
    def create():
        Sale, Line = counter.get('sale.sale'), counter.get('sale.line')
        party, = counter.get('party.party').search([
                ('addresses', '!=', None),
                ('id', '!=', 1),
                ], limit=1)
        warehouse, = counter.get('stock.location').search([
                ('type', '=', 'warehouse'),
                ('code', '=', 'ESP'),
                ])
        sale = Sale(party=party, warehouse=warehouse)
        sale.on_change_party()
        sale.lines = []
        for code, quantity in lines:
            line = Line(
                sale=sale, product=counter.products[code], quantity=quantity)
            line.on_change_product()
            sale.lines = (*sale.lines, line)
        sale.save()
        return sale.id
    sale = counter.run(create)
    for button in ['quote', 'confirm']:
        counter.button('sale.sale', button, sale)
    return sale


def test_prefactura(shop):
    counter = Counter(shop.central)
    codes = products(counter)
    sale = prefactura(
        counter, [(codes[('IVA 16 %',)], 2), (codes[('IVA 0 %',)], 5)])
    lines, = execute(counter, 'offline_sales.prefactura', sale)

    def read():
        record = counter.get('sale.sale')(sale)
        return (record.number, record.total_amount, record.tax_amount,
            record.party.name)
    number, total, tax, name = counter.run(read)
    assert after(lines, "Prefactura") == number
    assert after(lines, "Cliente:") == name
    assert money(after(lines, "TOTAL")) == total
    assert money(after(lines, "Subtotal")) == total - tax
    assert "Este ticket no es un comprobante fiscal" in lines
