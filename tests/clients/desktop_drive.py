# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Drive the real Tryton desktop client (GTK 3) on a virtual X display

The client runs unmodified in this process; widgets are looked up from
inside, but mouse and keyboard events are real ones, sent by xdotool.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from driver import PRINTED, Driver, Failure

CONNECT = {'en': 'Connect', 'es': 'Conectar'}


class Desktop(Driver):
    KEYS = {
        'new': 'ctrl+n', 'enter': 'Return', 'pay': 'alt+r',
        'accept': 'Return'}

    # -- access to GTK, from the scenario's thread

    def gui(self, func, *args):
        "Return func(*args) run by the GTK main loop"
        from gi.repository import GLib
        result, done = [], threading.Event()

        def call():
            try:
                result.append((func(*args), None))
            except Exception as exception:
                result.append((None, exception))
            done.set()
        GLib.idle_add(call)
        if not done.wait(self.timeout):
            raise Failure("the client does not respond")
        value, exception = result[0]
        if exception:
            raise exception
        return value

    def settle(self):
        "Wait until the client has no more remote call to process"
        end, calm = time.monotonic() + self.timeout, 0
        while calm < 3 and time.monotonic() < end:
            self.gui(lambda: None)
            # The threads of tryton.common.RPCProgress.start
            busy = any(
                t.name.endswith('(start)') for t in threading.enumerate())
            calm = 0 if busy else calm + 1
            time.sleep(.05)

    def until(self, what, func, *args):
        "Return the first true func(*args)"
        self.settle()
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            if self.gui(func, *args):
                time.sleep(.1)  # let it be at its final position
                if value := self.gui(func, *args):
                    return value
            time.sleep(.1)
        raise Failure(f"{what}\nvisible: {self.gui(self.texts)}")

    # -- look-ups, run by the GTK main loop

    def _toplevels(self):
        from gi.repository import Gdk, Gtk
        # Popups first, then dialogs, then the main window
        return sorted(
            (w for w in Gtk.Window.list_toplevels() if w.get_mapped()
                and w.get_type_hint() != Gdk.WindowTypeHint.TOOLTIP),
            key=lambda w: (
                w.get_window_type() != Gtk.WindowType.POPUP,
                not w.get_transient_for(), not w.is_active()))

    def _widgets(self, *types):
        from gi.repository import Gtk

        def walk(widget):
            if not widget.get_mapped() or not widget.get_child_visible():
                return
            if isinstance(widget, types):
                yield widget
            if isinstance(widget, Gtk.Container):
                children = []
                widget.forall(children.append)  # also the internal ones
                for child in children:
                    yield from walk(child)
        for toplevel in self._toplevels():
            yield from walk(toplevel)

    def _names(self, widget):
        names = {widget.get_tooltip_text()}
        if label := widget.get_label():
            names.add(label.replace('__', '\0').replace('_', '')
                .replace('\0', '_'))
        return {n.rstrip('.:') for n in names if n}

    def _button(self, label):
        from gi.repository import Gtk
        label = label.rstrip('.:')
        for types in [(Gtk.Button, Gtk.ToolButton, Gtk.MenuItem),
                (Gtk.Label,)]:
            for widget in self._widgets(*types):
                if label in self._names(widget) and widget.is_sensitive():
                    if isinstance(widget, Gtk.Label):
                        target = widget.get_mnemonic_widget()
                        if isinstance(target, Gtk.CheckButton):
                            widget = target
                    self._scroll_to(widget)
                    return self._center(widget)

    def _scroll_to(self, widget):
        from gi.repository import Gtk
        viewport = widget
        while viewport := viewport.get_parent():
            if isinstance(viewport, Gtk.Viewport):
                allocation = widget.get_allocation()
                x, y = widget.translate_coordinates(
                    viewport.get_child(), 0, 0)
                viewport.props.hadjustment.clamp_page(
                    x, x + allocation.width)
                viewport.props.vadjustment.clamp_page(
                    y, y + allocation.height)

    def _center(self, widget, x=None, y=None):
        "Return the widget's position on the screen"
        allocation, top = widget.get_allocation(), widget.get_toplevel()
        x, y = widget.translate_coordinates(top,
            allocation.width // 2 if x is None else x,
            allocation.height // 2 if y is None else y)
        _, left, top = top.get_window().get_origin()
        return left + x, top + y

    def _field(self, label):
        from gi.repository import Gtk

        from tryton.gui import Main
        for widget in self._widgets(Gtk.Label):
            if (label == widget.get_text().rstrip(':')
                    and widget.get_mnemonic_widget()):
                return widget.get_mnemonic_widget()

        def search(screen):
            for name, widgets in screen.current_view.widgets.items():
                for widget in widgets:
                    if name == label and widget.widget.get_mapped():
                        return widget.mnemonic_widget or widget.widget
                    if screen := getattr(widget, 'screen', None):
                        if found := search(screen):
                            return found
        page = Main().get_page()
        for window in reversed(
                [page] + page.dialogs if page else Main().dialogs):
            if screen := getattr(window, 'screen', None):
                if found := search(screen):
                    return found

    def _choose(self, widget, text):
        "Select the text in the widget's combo box"
        from gi.repository import Gtk
        combo = widget.get_ancestor(Gtk.ComboBox)
        for i, row in enumerate(combo.get_model() if combo else []):
            if row[0] == text:
                combo.set_active(i)
                return True

    def _cells(self):
        "Yield text, tree view, path and column of the rows"
        from gi.repository import Gtk

        def rows(model, parent=None):
            iter_ = model.iter_children(parent)
            while iter_:
                path = model.get_path(iter_)
                yield path, iter_
                if tree.row_expanded(path):
                    yield from rows(model, iter_)
                iter_ = model.iter_next(iter_)
        for tree in self._widgets(Gtk.TreeView):
            if not (view := getattr(tree, 'view', None)):
                continue
            for path, iter_ in rows(tree.get_model()):
                record = tree.get_model().get_value(iter_, 0)
                for column in tree.get_columns():
                    if not column.get_visible() or not column.name:
                        continue
                    cell = view.get_column_widget(column)
                    if hasattr(cell, 'get_textual_value'):
                        text = cell.get_textual_value(record)
                        yield str(text), tree, path, column

    def _row(self, text):
        from tryton.gui import Main
        for value, tree, path, column in self._cells():
            if value == text and tree.view.screen != Main().menu_screen:
                return self._cell_position(tree, path, column)

    def _menu(self, names):
        from tryton.gui import Main
        if not Main().menu_screen:
            return
        parent = None
        for name in names:
            for value, tree, path, column in self._cells():  # noqa: B007
                if (tree.view.screen == Main().menu_screen and value == name
                        and path.get_depth() == 1 + (
                            parent.get_depth() if parent else 0)
                        and (not parent or path.is_descendant(parent))):
                    break
            else:
                return
            parent = path
            if name is not names[-1]:
                tree.expand_row(path, False)
        return self._cell_position(tree, path, column)

    def _cell_position(self, tree, path, column):
        tree.scroll_to_cell(path, column)
        area = tree.get_cell_area(path, column)
        return self._center(tree, *tree.convert_bin_window_to_widget_coords(
                area.x + min(area.width // 2, 20), area.y + area.height // 2))

    def texts(self):
        from gi.repository import Gtk
        texts = []
        for widget in self._widgets(Gtk.Label, Gtk.Entry, Gtk.TextView):
            if isinstance(widget, Gtk.TextView):
                texts.append(widget.get_buffer().props.text)
            elif not isinstance(widget, Gtk.Entry) or widget.get_visibility():
                texts.append(widget.get_text())
        texts.extend(c[0] for c in self._cells())
        return [t for t in texts if t]

    def _ask(self):
        "Return the entry of the dialog that asks for something"
        from gi.repository import Gtk
        for entry in self._widgets(Gtk.Entry):
            if isinstance(entry.get_toplevel(), Gtk.MessageDialog):
                return entry

    @staticmethod
    def _title(entry):
        return entry.get_toplevel().props.text

    # -- steps

    def xdotool(self, *args):
        # The client sets LC_ALL to the user's language
        subprocess.run(['xdotool', *map(str, args)], check=True,
            env={**os.environ, 'LC_ALL': 'C.UTF-8'})

    def press(self, position, count=1):
        self.xdotool('mousemove', *position,
            'click', '--repeat', count, '--delay', 50, 1)
        time.sleep(.2)

    def type(self, text):
        self.xdotool('type', '--delay', 20, '--', text)

    def login(self, answers):
        from tryton.gui import Main
        self.click(CONNECT[self.lang])
        for number, answer in enumerate(answers, 1):
            entry = self.until("no prompt", self._ask)
            title = self.gui(self._title, entry)
            typed = self.answer(title, answer)
            self.press(self.gui(self._center, entry))
            self.type(typed)
            self.shot(f'prompt{number}')
            self.key('Return')
            self.until("prompt does not close",
                lambda entry=entry: not entry.get_mapped())
        self.until(
            "not logged in", lambda: Main().menu_screen or self._ask())
        if entry := self.gui(self._ask):
            raise Failure("login asks again: %s"
                % self.gui(lambda: entry.get_toplevel().props.text))

    def menu(self, path):
        self.press(self.until(
                f"no menu {path}", self._menu, path.split('/')), 2)

    def click(self, label):
        self.press(self.until(f"no button {label}", self._button, label))

    def row(self, text):
        self.press(self.until(f"no row {text}", self._row, text), 2)

    def select(self, text):
        self.press(self.until(f"no row {text}", self._row, text))

    def fill(self, label, value):
        widget = self.until(f"no field {label}", self._field, label)
        if not self.gui(
                lambda: getattr(widget, 'get_editable', lambda: True)()):
            raise Failure(f"field {label} is read only")
        self.gui(self._scroll_to, widget)
        self.press(self.gui(self._center, widget))
        if not self.gui(self._choose, widget, value):
            self.key('ctrl+a')
            self.type(value)
        self.key('Tab')

    def key(self, key):
        self.xdotool('key', key)
        time.sleep(.2)

    def shot(self, name):
        from gi.repository import Gdk
        filename = os.path.join(self.shots, f'{name}.png')

        def save():
            root = Gdk.get_default_root_window()
            Gdk.pixbuf_get_from_window(
                root, 0, 0, root.get_width(), root.get_height()
                ).savev(filename, 'png', [], [])
        self.settle()
        time.sleep(.5)  # let it be drawn
        os.makedirs(self.shots, exist_ok=True)
        self.gui(save)


def drive(server, db, user, scenario, shots, screen, timeout, lang):
    "Start the client, call scenario(desktop) and exit"
    if 'DISPLAY' not in os.environ:
        os.execvp('xvfb-run', [
                'xvfb-run', '-a', '-s', f'-screen 0 {screen}x24',
                sys.executable] + sys.argv)
    config_dir = tempfile.mkdtemp(prefix='tryton-')
    os.environ.update(
        XDG_CONFIG_HOME=config_dir, NO_AT_BRIDGE='1', LC_ALL='C.UTF-8',
        XDG_DATA_HOME=config_dir)
    for name, content in {
            'tryton/8.0/profiles.cfg': (
                f"[test]\nhost = {server}\ndatabase = {db}\n"
                f"username = {user}\n"),
            'tryton/8.0/tryton.conf': (
                f"[login]\nprofile = test\nhost = {server}\ndb = {db}\n"
                f"login = {user}\nexpanded = True\n"
                f"[client]\nlang = {lang}\ncheck_version = False\n"),
            # What opens what is printed, in place of a viewer
            'applications/printed.desktop': (
                "[Desktop Entry]\nType=Application\nName=Printed\n"
                "MimeType=application/pdf;\n"
                f"Exec=cp %f {shots}/{PRINTED}desktop\n"),
            'mimeapps.list': (
                "[Default Applications]\n"
                "application/pdf=printed.desktop\n"),
            'gtk-3.0/settings.ini': (
                "[Settings]\ngtk-enable-animations = 0\n"),
            }.items():
        path = os.path.join(config_dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(content)
    wm = subprocess.Popen(
        ['openbox'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run():
        status = 1
        try:
            scenario(desktop)
            status = 0
        except Exception as exception:
            if not isinstance(exception, Failure):
                traceback.print_exc()
            print('FAILED:', exception)
            try:
                desktop.shot('failure')
            except Failure:
                pass
        wm.terminate()
        shutil.rmtree(config_dir, ignore_errors=True)
        sys.stdout.flush()
        os._exit(status)
    desktop = Desktop(shots, timeout, lang)
    threading.Thread(target=run, daemon=True).start()
    sys.argv[1:] = []
    from tryton.client import main
    main()
    os._exit(1)
