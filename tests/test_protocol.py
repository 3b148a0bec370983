# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A branch and a central of which one was updated before the other"
import pytest

from trytond.modules.offline_sales.offline_sales import (  # isort: skip
    exceptions, wire)
from trytond.modules.offline_sales.offline_sales.client import (  # isort: skip
    Client)
from trytond.modules.offline_sales.tests.talk import (  # isort: skip
    Office, error, other_server)


@pytest.mark.parametrize('ours, theirs, agreed', [
    ((1,), [1], 1),
    ((2, 1), [1], 1),
    ((1,), [2, 1], 1),
    ((2, 1), [2, 1], 2),
    ((3, 2), [1], None),
    ((1,), [True], None),
    ((1,), ['1', None, 1.0], None),
    ((1,), None, None),
    ((1,), '1', None),
    ])
def test_agree(monkeypatch, ours, theirs, agreed):
    monkeypatch.setattr(wire, 'PROTOCOLS', ours)
    assert wire.agree(theirs) == agreed


def test_central_understands_the_former(monkeypatch, make_database, web):
    caller = Office(make_database, web).paired()
    monkeypatch.setattr(wire, 'PROTOCOLS', (2, 1))
    for protocol in [1, 2]:
        answer = caller.post('heartbeat', protocol=protocol)
        assert answer.ok, answer.text
    answer = caller.post('heartbeat', protocol=3)
    assert error(answer) == 'wrong_protocol'
    assert answer.json()['error']['params'] == {'protocols': [2, 1]}
    # What was refused was not counted: the next is none of a copy
    assert caller.post('heartbeat').ok


def former_central(spoken, came):
    "A central that understands the protocols of spoken"
    def answer(handler):
        protocol = wire.loads(came[-1][2])['protocol']
        if protocol in spoken:
            handler.reply(200, wire.dumps({'result': protocol}))
        else:
            handler.reply(409, wire.dumps({'error': {
                        'code': 'wrong_protocol',
                        'params': {'protocols': spoken},
                        }}))
    return answer


@pytest.mark.parametrize('spoken, asked', [
    ([3, 2], [3]),
    ([2, 1], [3, 2]),
    ([4, 1], [3]),
    ])
def test_branch_speaks_the_former(monkeypatch, spoken, asked):
    monkeypatch.setattr(wire, 'PROTOCOLS', (3, 2))
    box = []
    with other_server(
            lambda handler: former_central(spoken, box[0])(handler),
            ) as (port, came), \
            Client(f'http://127.0.0.1:{port}', 'central') as client:
        box.append(came)
        if asked[-1] in spoken:
            # Once agreed it stays
            for _ in range(2):
                assert client.call('x') == asked[-1]
            asked = [*asked, asked[-1]]
        else:
            with pytest.raises(exceptions.WrongProtocol):
                client.call('x')
        assert [wire.loads(r[2])['protocol'] for r in came] == asked
