# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"The bad internet of the tests is as bad as they ask for, and no worse"
import pytest
import requests

from .proxy import Answer, Cut, Duplicate, Hold, Proxy, Stall
from .talk import other_server

ANSWER = b'x' * 100_000


@pytest.fixture
def proxy():
    def answer(handler):
        handler.reply(200, ANSWER)
    with other_server(answer) as (port, requests_):
        with Proxy(port) as proxy:
            proxy.bodies = lambda: [body for _, _, body in requests_]
            yield proxy


def post(proxy, body, web=requests, procedure='rows', timeout=30):
    return web.post(
        f'{proxy.url}/db/offline_sales/{procedure}', data=body,
        timeout=timeout).content


def test_proxy_passes(proxy):
    with requests.Session() as web:
        for i in range(3):
            assert post(proxy, f'{i}' * 50_000, web) == ANSWER
    assert [len(b) for b in proxy.bodies()] == [50_000] * 3
    assert proxy.arrived == ['rows'] * 3 and not proxy.done


@pytest.mark.parametrize('fault', [
        Cut(answer=0), Cut(answer=1000), Cut(answer=5000), Cut(request=20),
        Cut(request=3000), Hold()], ids=str)
def test_proxy_cuts_once(proxy, fault):
    proxy.plan(fault, 'rows')
    assert post(proxy, 'a' * 5000, procedure='digest') == ANSWER
    with pytest.raises(requests.RequestException):
        post(proxy, 'a' * 5000)
    assert proxy.done == [fault]
    assert post(proxy, 'b') == ANSWER
    arrived = len([b for b in proxy.bodies() if len(b) == 5000])
    assert arrived == 1 + (getattr(fault, 'answer', None) is not None)


def test_proxy_calls_at_the_cut(proxy):
    called = []
    proxy.plan(Cut(answer=10, then=lambda: called.append(1)))
    with pytest.raises(requests.RequestException):
        post(proxy, 'a')
    assert called == [1]


def test_proxy_stalls(proxy):
    proxy.plan(Stall(answer=1000))
    with pytest.raises(requests.RequestException) as error:
        post(proxy, 'a', timeout=.5)
    assert 'timed out' in str(error.value)
    assert post(proxy, 'b') == ANSWER


def test_proxy_duplicates(proxy):
    proxy.plan(Duplicate())
    assert post(proxy, 'a') == ANSWER
    post(proxy, 'b')
    assert proxy.bodies() == [b'a', b'a', b'b']


def test_proxy_reorders(proxy):
    proxy.plan(Hold())
    with pytest.raises(requests.RequestException):
        post(proxy, 'a')
    post(proxy, 'b')
    assert proxy.deliver() == 1 and proxy.deliver() == 0
    assert proxy.bodies() == [b'b', b'a']


def test_proxy_answers_itself(proxy):
    proxy.plan(Answer(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'))
    assert post(proxy, 'a') == b'no'
    assert not proxy.bodies()
