"""The proxy itself: what it carries, and that it fails where it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.live.machine import DEADLINE, until
from tests.rig.proxy import DOWN, UP, Fault, Proxy

TEXT = bytes(range(256)) * 40


@contextlib.contextmanager
def echoing() -> Iterator[Proxy]:
    """A proxy before a server that says back what it hears, until it hears no more."""

    def echo(one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            while data := one.recv(1 << 12):
                one.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],)).start()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with Proxy(listener.getsockname()) as proxy:
            yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(DEADLINE)


def said(proxy: Proxy, data: bytes = TEXT) -> bytes:
    """What comes back until the end."""
    try:
        link = socket.create_connection(("127.0.0.1", proxy.port), DEADLINE)
    except ConnectionResetError:  # so soon that this, too, hears of it
        return b""
    with link:
        with contextlib.suppress(OSError):
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
        back = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := link.recv(1 << 16):
                back += piece
    return back


def test_it_carries_and_counts() -> None:
    with echoing() as proxy:
        assert said(proxy) == TEXT
        assert said(proxy, b"") == b""
        assert [(one.up, one.down, one.struck) for one in proxy.connections] == [
            (len(TEXT), len(TEXT), False),
            (0, 0, False),
        ]


def test_it_carries_more_than_any_buffer_holds() -> None:
    data = TEXT * 2000
    with echoing() as proxy, socket.create_connection(("127.0.0.1", proxy.port), DEADLINE) as link:
        writer = threading.Thread(target=link.sendall, args=(data,))
        writer.start()
        back = bytearray()
        while len(back) < len(data):
            back += link.recv(1 << 16)
        writer.join(DEADLINE)
    assert back == data


@pytest.mark.parametrize("kind", ["close", "reset"])
@pytest.mark.parametrize("way", [UP, DOWN])
@pytest.mark.parametrize("after", [0, 1, 4096, len(TEXT) - 1])
def test_it_ends_after_exactly_so_many_bytes(kind: str, way: str, after: int) -> None:
    with echoing() as proxy:
        proxy.strike(Fault(kind, way, after))
        back = said(proxy)
        hit = proxy.connections[0]
        assert hit.struck and (hit.up if way == UP else hit.down) == after
        assert len(back) <= after and TEXT.startswith(back)
        assert kind == "reset" or way == UP or len(back) == after
        assert said(proxy) == TEXT, "the next connection is whole again"


@pytest.mark.parametrize("way", [UP, DOWN])
def test_it_falls_silent(way: str) -> None:
    with echoing() as proxy:
        proxy.strike(Fault("stall", way, 5000))
        with socket.create_connection(("127.0.0.1", proxy.port), DEADLINE) as link:
            link.sendall(TEXT)
            until(lambda: proxy.connections != [] and proxy.connections[0].struck, "the stall")
            assert said(proxy) == TEXT, "meanwhile others are carried"
            link.settimeout(0.05)  # it says nothing: a little patience shows as much as a lot
            back = b""
            with contextlib.suppress(TimeoutError):
                while piece := link.recv(1 << 16):
                    back += piece
                raise AssertionError("the connection has ended")
        assert len(back) <= 5000


@pytest.mark.parametrize("way", [UP, DOWN])
@pytest.mark.parametrize("after", [0, 4095, 4096, len(TEXT) - 1])
def test_it_changes_one_byte(way: str, after: int) -> None:
    with echoing() as proxy:
        proxy.strike(Fault("corrupt", way, after))
        back = said(proxy)
        assert [index for index in range(len(TEXT)) if back[index] != TEXT[index]] == [after]
        assert proxy.connections[0].struck


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()
    with Proxy(nobody) as proxy:
        assert said(proxy, b"") == b""
