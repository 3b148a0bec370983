# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The journal on paper and as a spreadsheet, and one cash cut for a register"
import datetime as dt
import shutil
import zipfile
from decimal import Decimal
from io import BytesIO

import lxml.etree
import pypdf
import pytest

from trytond.exceptions import UserError

from trytond.modules.offline_sales.offline_sales.report.dashboard import (  # isort: skip
    judge_age, tell_age)
from trytond.modules.offline_sales.tests.counter import (  # isort: skip
    Counter, documents, send)
from trytond.modules.offline_sales.tests.usage import (  # isort: skip
    Cashier, Fault)

TABLE = '{urn:oasis:names:tc:opendocument:xmlns:table:1.0}'
OFFICE = '{urn:oasis:names:tc:opendocument:xmlns:office:1.0}'


def run(counter, wizard, start, state):
    "Do what a client does and return (extension, content) of the report"
    def click():
        Wizard = counter.database.get(wizard, type='wizard')
        session, name, _ = Wizard.create()
        defaults = Wizard.execute(session, {}, name)['view']['defaults']
        actions = Wizard.execute(
            session, {name: {**defaults, **start}}, state)['actions']
        Wizard.delete(session)
        return actions
    (action, data), = counter.run(click)

    def execute():
        Report = counter.database.get(action['report_name'], type='report')
        return Report.execute([], {**data, 'action_id': action['id']})
    extension, content, _, _ = counter.run(execute)
    return extension, content


def print_journal(counter, format='ods', **values):
    extension, content = run(counter, 'offline_sales.journal.print', {
            **values, 'format': format}, 'choose')
    assert extension == format
    return content


def read_sheet(content):
    "Return the rows of the spreadsheet below its head, by its columns"
    with zipfile.ZipFile(BytesIO(content)) as archive:
        tree = lxml.etree.fromstring(archive.read('content.xml'))
    rows = [[
            cell.get(f'{OFFICE}value') or cell.get(f'{OFFICE}date-value')
            or ''.join(cell.itertext()).strip()
            for cell in row.iter(f'{TABLE}table-cell')]
        for row in tree.iter(f'{TABLE}table-row')]
    start = next(i for i, row in enumerate(rows) if len(row) > 5)
    head = rows[start]
    return [
        dict(zip(head, row, strict=True)) for row in rows[start + 1:]]


def read_text(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return '\n'.join(
            ''.join(p.itertext()) for name in ['styles.xml', 'content.xml']
            for p in lxml.etree.fromstring(archive.read(name)).iter(
                '{urn:oasis:names:tc:opendocument:xmlns:text:1.0}p',
                '{urn:oasis:names:tc:opendocument:xmlns:text:1.0}h'))


def change_number(database, number, other):
    "What should not happen: a number of the journal vanishes"
    with database.transaction() as transaction:
        cursor = transaction.connection.cursor()
        cursor.execute(
            "UPDATE offline_sales_document SET number = ? WHERE number = ?",
            (other, number))


def test_journal(shop):
    branch = Counter(shop.branch)
    central = Counter(shop.central, 'gerencia')
    assert [row['Sucursal'] for row in read_sheet(print_journal(branch))] == [
        "Total general"]
    assert "No hay documentos" in read_text(print_journal(branch, 'odt'))
    today = shop.branch.run(
        lambda: shop.branch.get('offline_sales.branch').today())
    yesterday = today - dt.timedelta(days=1)
    branch.sell_some(3)
    branch.sell_some(2, start=3, date=yesterday)
    branch.invoice([(branch.codes(1)[0], 2)])
    change_number(shop.branch, 'ESP-SI-000003', 'ESP-SI-000033')
    kept = documents(shop.branch)
    sold = [d for d in kept if d['total'] is not None]
    for counter in [branch, central]:
        if counter is central:
            change_number(shop.branch, 'ESP-SI-000033', 'ESP-SI-000003')
            send(shop)
            kept = documents(shop.branch)
            sold = [d for d in kept if d['total'] is not None]
        rows = read_sheet(print_journal(counter, from_date=yesterday))
        check_rows(rows, kept, [yesterday, today])
        numbers = {row['Número']: row['Faltan antes'] for row in rows}
        if counter is branch:
            assert "Faltan: ESP-SI-000003" in read_text(
                print_journal(counter, 'odt', from_date=yesterday))
            assert numbers['ESP-SI-000004'] == 'ESP-SI-000003'
            assert numbers['ESP-SI-000033'] == (
                'ESP-SI-000006 – ESP-SI-000032')
        else:
            assert set(numbers.values()) == {''}
        # What is filtered out is not missing
        card = read_sheet(print_journal(
                counter, from_date=yesterday, method=counter.methods['card'],
                kind='ticket'))
        assert {r['Número'] for r in card if r['Tipo']} == {
            d['number'] for d in sold if "Tarjeta" in {
                name for _, name, _ in d['amounts']}}
        assert all(row['Tarjeta'] for row in card)
    check_text(read_text(print_journal(
                central, 'odt', from_date=yesterday)), sold)


def check_rows(rows, kept, days):
    entries = [row for row in rows if row['Tipo']]
    assert len(entries) == len(kept)
    assert [r['Fecha'] for r in entries] == sorted(r['Fecha'] for r in entries)
    *sums, branch, total = [row for row in rows if not row['Tipo']]
    sold = [d for d in kept if d['total'] is not None]
    assert [row['Fecha'] for row in sums] == [d.isoformat() for d in days]
    for row, of in [
            *((row, [d for d in sold if d['date'].isoformat() == row['Fecha']])
                for row in sums),
            (branch, sold), (total, sold)]:
        assert Decimal(row['Total']) == sum(d['total'] for d in of)
        for name in ["Efectivo", "Tarjeta", "IVA 16 %", "IVA 0 %"]:
            amounts = [
                amount for d in of for _, label, amount in d['amounts']
                if label == name]
            assert Decimal(row[name] or 0) == sum(amounts), name
    assert {r['Cajero'] for r in entries} == {"Guadalupe Hernández Ríos"}


def check_text(text, sold):
    assert "Abarrotes La Esperanza" in text
    assert "Diario de Ventas sin Internet" in text
    assert "Todos los documentos" in text
    for document in sold:
        assert document['number'] in text
    total = sum(d['total'] for d in sold)
    # Of the branch and of all
    assert text.count(f"${total:,.2f}") == 2


@pytest.mark.skipif(
    not shutil.which('soffice'),
    reason="soffice is missing: apt-get install libreoffice-writer-nogui")
def test_journal_as_pdf(shop):
    counter = Counter(shop.branch)
    counter.sell_some(2)
    content = print_journal(counter, 'pdf')
    reader = pypdf.PdfReader(BytesIO(content))
    text = reader.pages[0].extract_text()
    assert "ESP-SI-000001" in text and "ESP-SI-000002" in text
    assert f"Página 1 de {len(reader.pages)}" in ' '.join(text.split())


def test_who_may_print_the_journal(shop):
    "The cashier of a branch, and at the central who tends the branches"
    Counter(shop.branch).sell_some(1)
    send(shop)
    for database in [shop.branch, shop.central]:
        cashier = Cashier(shop.web.url, database.name).login()
        with database.transaction():
            action = database.get('ir.model.data').get_id(
                'offline_sales', 'report_journal_ods')
            today = shop.branch.get('ir.date').today()
        date = {
            '__class__': 'date', 'year': today.year, 'month': today.month,
            'day': today.day}
        arguments = [], {
            'company': 1, 'from_date': date, 'to_date': date,
            'action_id': action}
        context = {'company': 1, 'language': 'es'}
        name = 'report.offline_sales.journal.execute'
        if database is shop.central:
            with pytest.raises(Fault) as error:
                cashier.call(name, *arguments, context=context)
            assert error.value.kind == 'UserError'
        else:
            extension, content, *_ = cashier.call(
                name, *arguments, context=context)
            assert extension == 'ods'
            assert content


def print_cut(counter, **values):
    _, content = run(
        counter, 'offline_sales.cash_cut.print', values, 'print_')
    page, = pypdf.PdfReader(BytesIO(content)).pages
    return [
        ' '.join(line.split()) for line in page.extract_text(
            extraction_mode='layout').splitlines() if line.strip()]


def after(lines, start):
    return [
        line[len(start):].strip() for line in lines if line.startswith(start)]


def test_one_cash_cut_for_both_points(shop):
    branch = Counter(shop.branch)
    central = Counter(shop.central, 'gerencia')
    code = branch.codes(1)[0]
    branch.sell([(code, 1)])
    branch.sell([(code, 2)], [('card', None)])
    branch.invoice([(code, 1)])
    branch.transfer("Fondo de caja", '200')
    lines = print_cut(branch)
    assert after(lines, "Efectivo contado") == ["abierta"]
    branch.cut()
    price = documents(shop.branch, ('kind', '=', 'ticket'))[0]['total']
    lines = print_cut(branch)
    cash = 2 * price + 200
    assert f"${cash:,.2f}" in after(lines, "Efectivo contado")
    assert "$0.00" in after(lines, "Diferencia")
    send(shop)
    central.sell([(code, 4)])
    with shop.central.transaction():
        Register = shop.central.get('offline_sales.register')
        register, = Register.search([('branch.code', '=', 'ESP')])
    lines = print_cut(central, register=register.id)
    assert "Toda la caja" in lines
    assert after(lines, "Tickets") == ['1', '2', '3']
    assert after(lines, "Vendido") == [
        f"${n * price:,.2f}" for n in [4, 3, 7]]
    assert after(lines, "Efectivo esperado") == [
        f"${amount:,.2f}" for amount in [
            4 * price, cash, 4 * price + cash]]
    # The central's own session is not counted yet
    assert after(lines, "Efectivo contado") == [
        "abierta", f"${cash:,.2f}", "abierta"]
    assert after(lines, "Prefacturas: Efectivo") == [f"${price:,.2f}"] * 2
    assert after(lines, "Fondo de caja") == ["$200.00"] * 2


def test_cash_cut_of_a_session(shop):
    counter = Counter(shop.branch)
    counter.sell_some(1)
    session = counter.cut()

    def execute():
        ModelData = shop.branch.get('ir.model.data')
        Report = shop.branch.get('offline_sales.cash_cut', type='report')
        return Report.execute([session], {'action_id': ModelData.get_id(
                    'offline_sales', 'report_cash_cut_session')})
    _, content, _, _ = counter.run(execute)
    page, = pypdf.PdfReader(BytesIO(content)).pages
    assert "Esperancita sin internet" in page.extract_text()


def test_cash_cut_of_no_register(shop):
    with pytest.raises(UserError, match="caja"):
        counter = Counter(shop.branch)

        def execute():
            Report = shop.branch.get('offline_sales.cash_cut', type='report')
            return Report.execute([], {
                    'register': 12345, 'from_date': dt.date.today(),
                    'to_date': dt.date.today()})
        counter.run(execute)


@pytest.mark.parametrize('hours, freshness', [
        (None, 'never'), (0, 'fresh'), (23.9, 'fresh'), (24, 'due'),
        (47.9, 'due'), (48, 'outdated')])
def test_age_is_judged(hours, freshness):
    age = None if hours is None else dt.timedelta(hours=hours)
    assert judge_age(age) == freshness


def test_dashboard(shop):
    counter = Counter(shop.branch)
    counter.sell_some(3)
    send(shop)

    def look():
        Contact = shop.central.get('offline_sales.contact')
        Day = shop.central.get('offline_sales.document.day')
        Document = shop.central.get('offline_sales.document')
        contacts = {c.branch.code: c for c in Contact.search([])}
        contact = contacts['ESP']
        assert contact.freshness == 'fresh' and contact.age.endswith("min")
        assert (contact.token.branch, contact.token_end) == (
            contact.branch, contact.token.given_at + dt.timedelta(
                hours=contact.token.hours))
        assert (contacts['TIJ'].age, contacts['TIJ'].token) == ("Nunca", None)
        found = {
            freshness: [c.branch.code for c in Contact.search([
                        ('freshness', '=', freshness)])]
            for freshness in ['fresh', 'due', 'outdated', 'never']}
        assert found == {
            'fresh': ['ESP'], 'due': [], 'outdated': [], 'never': ['TIJ']}
        assert [c.branch.code for c in Contact.search([
                    ('freshness', 'not in', ['fresh', 'due'])])] == ['TIJ']
        assert Contact.search([
                ('freshness', '!=', None)], count=True) == 2
        # What the relates open
        assert Document.search(
            [('branch.contact', 'in', [contact.id])], count=True) == 4
        assert not Document.search(
            [('branch.contact', 'in', [contacts['TIJ'].id])])
        day, = Day.search([('branch.contact', 'in', [contact.id])])
        return day.number, day.total, day.tax
    number, total, tax = shop.central.run(
        look, context={'company': 1, 'language': 'es'})
    sold = documents(shop.branch, ('kind', '=', 'ticket'))
    assert number == 3
    assert (total, tax) == (
        sum(d['total'] for d in sold), sum(d['tax'] for d in sold))


def test_age_in_words(shop):
    with shop.central.transaction(context={'language': 'es'}):
        assert [tell_age(age and dt.timedelta(**age)) for age in [
                None, {'seconds': 50}, {'minutes': 12},
                {'hours': 5, 'minutes': 12}, {'days': 3, 'hours': 4}]] == [
            "Nunca", "0 min", "12 min", "5 h 12 min", "3 d 4 h"]
