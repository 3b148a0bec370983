# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""The internet between a branch and its central, at its worst

    with Proxy(web.port) as proxy:
        proxy.plan(Cut(answer=1000), 'rows')
        …
        proxy.plan(Hold(), 'documents')
        …
        proxy.deliver()

It passes bytes on. What it does to a request is planned before, for the next
one of a procedure: the rest passes as it is.
"""
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

__all__ = ['Answer', 'Cut', 'Duplicate', 'Hold', 'Proxy', 'Stall']

PIECE = 16 * 1024


@dataclass
class Cut:
    """Break the connection after so many bytes of the request, or of the
    answer; then call what is given"""
    answer: int = None
    request: int = None
    then: callable = field(default=lambda: None, repr=False, compare=False)


@dataclass
class Stall:
    "Pass no more after so many bytes of the answer, and keep the connection"
    answer: int = 0


@dataclass
class Duplicate:
    "Let the request arrive once more, after it was answered"


@dataclass
class Hold:
    """Break the connection and keep the request, which Proxy.deliver lets
    arrive, after others that were sent later"""


@dataclass
class Answer:
    "Let the request not arrive and send these bytes instead of an answer"
    data: bytes


class Proxy:
    """Passes on to a port of this machine what comes to its own

    arrived: the procedures that were asked for, in order. done: the faults
    that have happened.
    """

    def __init__(self, target):
        self.target = target
        self.arrived = []
        self.done = []
        self._plans = deque()
        self._held = []
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, type, value, traceback):
        _close(self._listener)
        with self._lock:
            for connection in self._open:
                _close(connection)

    def plan(self, fault, procedure=''):
        "Let the fault happen to the next request of the procedure, or of any"
        self._plans.append((fault, procedure))

    def clear(self):
        "Forget what was planned and has not happened"
        self._plans.clear()

    def deliver(self):
        "Let what was held arrive, and return how many requests it was"
        held, self._held = self._held, []
        for data in held:
            self._send_again(data)
        return len(held)

    def _send_again(self, data):
        "Let the request arrive on a connection of its own"
        with socket.create_connection(
                ('127.0.0.1', self.target), 60) as server:
            server.sendall(data)
            answer = server.makefile('rb')
            # What it is answered nobody hears
            _read_head(answer)

    def _take(self, procedure):
        for plan in list(self._plans):
            if plan[1] in {'', procedure}:
                self._plans.remove(plan)
                self.done.append(plan[0])
                return plan[0]

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._lock:
                    self._open.add(client)
                threading.Thread(
                    target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        "Pass on the requests of a connection"
        try:
            server = socket.create_connection(('127.0.0.1', self.target))
        except OSError:
            # Nobody is there
            _close(client)
            return
        with self._lock:
            self._open.add(server)
        try:
            with suppress(OSError):
                requests = client.makefile('rb')
                while data := _read_request(requests):
                    if not self._pass(data, client, server):
                        break
        finally:
            for connection in [client, server]:
                _close(connection)
                with self._lock:
                    self._open.discard(connection)

    def _pass(self, data, client, server):
        "Pass a request and its answer on, return False if that is the end"
        procedure = data.split(b' ', 2)[1].rpartition(b'/')[2].decode()
        self.arrived.append(procedure)
        fault = self._take(procedure)
        if isinstance(fault, Hold):
            self._held.append(data)
            return False
        if isinstance(fault, Answer):
            client.sendall(fault.data)
            return False
        if isinstance(fault, Cut) and fault.request is not None:
            server.sendall(data[:fault.request])
            fault.then()
            return False
        server.sendall(data)
        answer = _Answer(server)
        if isinstance(fault, (Cut, Stall)):
            return self._damage(fault, answer, client)
        for piece in answer:
            client.sendall(piece)
        if isinstance(fault, Duplicate):
            self._send_again(data)
        return True

    @staticmethod
    def _damage(fault, answer, client):
        left = fault.answer
        for piece in answer:
            client.sendall(piece[:left])
            left -= len(piece)
            if left < 0:
                break
        else:
            # It was shorter
            return True
        if isinstance(fault, Stall):
            # Until the other side gives up
            client.recv(1)
        else:
            fault.then()
        return False


class _Answer:
    "The pieces of an answer, which knows where it ends"

    def __init__(self, server):
        self.file = server.makefile('rb')

    def __iter__(self):
        head = _read_head(self.file)
        yield head
        headers = _headers(head)
        if headers.get(b'transfer-encoding') == b'chunked':
            yield from self._chunks()
        elif b'content-length' in headers:
            yield from self._length(int(headers[b'content-length']))
        else:
            while piece := self.file.read1(PIECE):
                yield piece
            raise ConnectionError("the end of the answer is that of the line")

    def _chunks(self):
        while True:
            line = self.file.readline()
            yield line
            size = int(line or b'0', 16)
            yield from self._length(size + 2)
            if not size:
                return

    def _length(self, size):
        while size > 0 and (piece := self.file.read(min(size, PIECE))):
            size -= len(piece)
            yield piece


def _read_head(file):
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        line = file.readline()
        if not line:
            raise ConnectionError("cut by the other side")
        head += line
    return head


def _headers(head):
    lines = head.split(b'\r\n')[1:]
    pairs = [line.partition(b':') for line in lines if line]
    return {name.lower(): value.strip() for name, _, value in pairs}


def _read_request(file):
    head = _read_head(file)
    return head + file.read(int(_headers(head).get(b'content-length', 0)))


def _close(connection):
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
