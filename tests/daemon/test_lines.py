from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Iterator

import pytest

from sjs.daemon.ground.lines import LineSocket

MEGABYTE = 1 << 20


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, theirs = socket.socketpair()
    theirs.setblocking(False)
    yield mine, theirs
    mine.close()
    theirs.close()


Ends = tuple[socket.socket, socket.socket]


def test_messages_come_whole_and_in_order(ends: Ends) -> None:
    link = LineSocket(ends[0], selectors.DefaultSelector())
    ends[1].send(b'{"a": 1}\n{"b": ')
    assert link.receive() == [{"a": 1}]
    ends[1].send(b"2}\n")
    assert link.receive() == [{"b": 2}]
    assert link.receive() == []


def test_what_was_sent_before_the_end_is_received(ends: Ends) -> None:
    link = LineSocket(ends[0], selectors.DefaultSelector())
    ends[1].send(b'{"a": 1}\n{"cut')
    ends[1].close()
    assert (link.receive(), link.closed) == ([{"a": 1}], True)
    link.send({"late": 1})
    link.flush()
    assert not link.pending


def test_what_does_not_fit_is_sent_when_it_does(ends: Ends) -> None:
    selector = selectors.DefaultSelector()
    link = LineSocket(ends[0], selector)
    link.send({"text": "x" * MEGABYTE})
    link.flush()
    assert link.pending
    assert selector.get_key(ends[0]).events & selectors.EVENT_WRITE
    data = b""
    while link.pending:
        data += ends[1].recv(MEGABYTE)
        link.flush()
    while not data.endswith(b"\n"):
        data += ends[1].recv(MEGABYTE)
    assert json.loads(data) == {"text": "x" * MEGABYTE}
    assert selector.get_key(ends[0]).events == selectors.EVENT_READ


def test_a_reader_that_is_gone_is_not_waited_for(ends: Ends) -> None:
    link = LineSocket(ends[0], selectors.DefaultSelector())
    ends[1].send(b'{"last": 1}\n')
    ends[1].close()
    link.send({"a": 1})
    link.flush()
    assert (link.pending, link.receive(), link.closed) == (False, [{"last": 1}], True)


@pytest.mark.parametrize(
    "said", [b"hello\n", b"[1]\n", b"7\n", b"\xff\n", b"[" * 3000 + b"\n", b"x" * 5000, b"{}\n" * 2000]
)
def test_a_stranger_who_talks_nonsense_is_hung_up_on(ends: Ends, said: bytes) -> None:
    link = LineSocket(ends[0], selectors.DefaultSelector(), limit=4096)
    ends[1].send(said)
    link.receive()
    assert link.closed


def test_a_stranger_may_talk_for_long(ends: Ends) -> None:
    link = LineSocket(ends[0], selectors.DefaultSelector(), limit=16)
    for _ in range(10):
        ends[1].send(b'{"do": 1}\n')
        assert link.receive() == [{"do": 1}]
    assert not link.closed
