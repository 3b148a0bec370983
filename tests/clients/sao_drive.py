# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"Drive the real Tryton web client (sao) in a headless Chromium"
import os
import re
import sys
import time

from driver import PRINTED, Driver, Failure
from playwright.sync_api import Error, sync_playwright
from playwright.sync_api import TimeoutError as TooLong

TEXTS = """() => [...document.querySelectorAll('body *')]
    .filter(e => e.checkVisibility({visibilityProperty: true}))
    .flatMap(e => [e.tagName == 'SELECT'
            ? e.selectedOptions[0]?.text : e.value,
        ...[...e.childNodes].filter(n => n.nodeType == 3).map(n => n.data)])
    .map(t => String(t ?? '').trim()).filter(t => t)"""
LOGIN = {'en': 'Login', 'es': 'Acceder'}
MENU = """rows => rows.map(r => [
    parseFloat(r.querySelector('.expander img').style.marginLeft || 0),
    r.querySelector('.widget').textContent])"""


class Sao(Driver):
    KEYS = {
        'new': 'Alt+n', 'enter': 'Enter', 'pay': 'Alt+r', 'accept': 'Alt+a'}

    def __init__(self, page, server, db, user, *args):
        super().__init__(*args)
        self.page = page
        self.server, self.db, self.user = server, db, user
        page.set_default_timeout(self.timeout * 1000)
        page.on('download', self._keep)
        self.requests = set()
        page.on('request', lambda request: self.requests.add(request))
        for event in ['requestfinished', 'requestfailed']:
            page.on(event, lambda request: self.requests.discard(request))

    def _keep(self, download):
        download.save_as(
            f'{self.shots}/{PRINTED}{download.suggested_filename}')

    def settle(self):
        "Wait until the client has no more remote call to process"
        end, calm = time.monotonic() + self.timeout, 0
        while calm < 3 and time.monotonic() < end:
            busy = any(not r.url.endswith('/bus') for r in self.requests)
            calm = 0 if busy else calm + 1
            self.page.wait_for_timeout(50)

    def until(self, what, func, *args):
        "Return the first true func(*args)"
        self.settle()
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            if value := func(*args):
                return value
            self.page.wait_for_timeout(100)
        raise Failure(f"{what}\nvisible: {self.texts()}")

    def texts(self):
        return self.page.evaluate(TEXTS)

    @property
    def scope(self):
        "The dialog on top or the page"
        modals = self.page.locator('.modal.in:visible')
        return modals.last if modals.count() else self.page.locator('body')

    @property
    def _ask(self):
        return self.page.locator('.ask-dialog.in #ask-dialog-entry')

    def _visible(self, *locators):
        for locator in locators:
            for element in locator.all():
                if element.is_visible() and element.is_enabled():
                    return element

    def _button(self, label):
        name = re.compile(rf'^\s*{re.escape(label.rstrip(".:"))}[.:]*\s*$')
        return self._visible(
            *(self.scope.get_by_role(role, name=name)
                for role in ['button', 'menuitem', 'tab', 'link', 'checkbox']),
            self.scope.get_by_text(name))

    def _field(self, label):
        return self._visible(
            self.scope.get_by_label(
                re.compile(rf'^\s*{re.escape(label)}:?\s*$')),
            self.scope.locator(f'[name="{label}"]'))

    def _row(self, text):
        return self._visible(
            self.scope.locator('tbody tr:not(#menu tr) .widget').get_by_text(
                text, exact=True))

    # -- steps

    def login(self, answers):
        page, db = self.page, self.db
        page.goto(f'http://{self.server}/#{db}')
        page.locator('#login').wait_for()
        page.wait_for_load_state('networkidle')
        database = page.locator('#database:visible')
        if database.evaluate("e => e.tagName") == 'SELECT':
            database.select_option(db)
        elif database.is_editable():
            database.fill(db)
        elif database.input_value() != db:
            raise Failure("the only database is " + database.input_value())
        page.fill('#login', self.user)
        self.click(LOGIN[self.lang])
        for number, answer in enumerate(answers, 1):
            self._ask.wait_for()
            entry = self._ask.element_handle()
            prompt = page.locator('.ask-dialog.in label').inner_text()
            entry.fill(self.answer(prompt, answer))
            self.shot(f'prompt{number}')
            entry.press('Enter')
            entry.wait_for_element_state('hidden')
        self.until("not logged in", lambda: self._ask.count()
            or page.locator('#menu tbody tr, #tabs .tab-pane').count())
        if self._ask.count():
            raise Failure("login asks again: "
                + page.locator('.ask-dialog.in label').inner_text())

    def menu(self, path):
        rows, start, depth = self.page.locator('#menu tbody tr'), 0, 0
        names = path.split('/')

        def find(name):
            for i, row in enumerate(rows.evaluate_all(MENU)[start:], start):
                if row[0] < depth:
                    return
                if row == [depth, name]:
                    return i + 1
        for name in names:
            start = self.until(f"no menu {path}", find, name)
            depth += 1
            row = rows.nth(start - 1)
            if name is names[-1]:
                row.locator('.widget').first.click()
            else:
                following = rows.evaluate_all(MENU)[start:start + 1]
                if not following or following[0][0] < depth:
                    row.locator('.expander').click()

    def click(self, label):
        button = self.until(f"no button {label}", self._button, label)
        try:
            button.click(timeout=2000)
        except TooLong as exception:
            if 'infobar' in str(exception):
                # A message hides the button: close it, as the user must do
                self.page.locator('.infobar .close:visible').first.click()
            button.click()

    def row(self, text):
        self.until(f"no row {text}", self._row, text).dblclick()

    def select(self, text):
        row = self.until(f"no row {text}", self._row, text)
        if not row.locator('xpath=ancestor::tr[1]').evaluate(
                "e => e.classList.contains('selected')"):
            row.click()  # it would unselect the row

    def fill(self, label, value):
        field = self.until(f"no field {label}", self._field, label)
        if not field.is_editable():
            raise Failure(f"field {label} is read only")
        if field.evaluate("e => e.tagName") == 'SELECT':
            field.select_option(label=value)
        else:
            field.fill(value)
        field.press('Tab')

    def key(self, key):
        if key in {self.KEYS['pay'], self.KEYS['accept']}:
            # Chromium heeds no access key of who drives it
            self.scope.locator(f'[accesskey="{key[-1]}"]:visible').click()
        else:
            self.page.keyboard.press(key)

    def type(self, text):
        self.page.keyboard.type(text)

    def shot(self, name):
        self.settle()
        self.page.wait_for_timeout(500)  # let it be drawn
        self.page.screenshot(path=os.path.join(self.shots, f'{name}.png'))


def drive(server, db, user, scenario, shots, screen, timeout, lang):
    "Start the client, call scenario(sao) and exit"
    width, height = map(int, screen.split('x'))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get('CHROMIUM', '/usr/bin/chromium'),
            args=['--no-sandbox'])
        page = browser.new_page(
            viewport={'width': width, 'height': height}, locale=lang)
        errors = []
        page.on('pageerror', lambda error: errors.append(error))
        sao = Sao(page, server, db, user, shots, timeout, lang)
        try:
            scenario(sao)
        except (Failure, Error) as exception:
            print('FAILED:', exception)
            sao.shot('failure')
            sys.exit(1)
        finally:
            for error in errors:
                print('JAVASCRIPT ERROR:', error)
            browser.close()
    sys.exit(0)
