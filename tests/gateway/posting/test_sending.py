"""One try, at real receivers: whatever they do, it ends, and leads nowhere else."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sjs.gateway.posting import lines
from sjs.gateway.posting.addresses import networks
from sjs.gateway.posting.lines import MOST_HEAD
from sjs.gateway.posting.schedule import Outcome
from sjs.gateway.posting.sending import Resolve, Sender
from tests.gateway.posting.receiver import HOST, receiving
from tests.kube.certificates import Authority
from tests.live.machine import DEADLINE

ALLOWED = ("127.0.0.0/8",)


def at(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def send(
    url: str,
    resolve: Resolve = at(HOST),  # noqa: B008
    allowed: Sequence[str] = ALLOWED,
    context: ssl.SSLContext | None = None,
    within: float = DEADLINE,
) -> Outcome:
    (outcome,) = send_all([url], resolve, allowed, context, within)
    return outcome


def send_all(
    urls: Iterable[str],
    resolve: Resolve = at(HOST),  # noqa: B008
    allowed: Sequence[str] = ALLOWED,
    context: ssl.SSLContext | None = None,
    within: float = DEADLINE,
) -> list[Outcome]:
    """One after the other, by one sender."""

    async def sent() -> list[Outcome]:
        sender = Sender(networks(allowed), resolve, context, within)
        try:
            return [await sender.send(url, {"webhook-id": "msg_1_2"}, b'{"id":2}') for url in urls]
        finally:
            sender.close()

    return asyncio.run(sent())


@contextmanager
def raw(*serves: Callable[[socket.socket], None]) -> Iterator[str]:
    """Somebody who answers by bytes, each connection in another way; his address."""
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(DEADLINE)

        def serve() -> None:
            for one in serves:
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(DEADLINE)
                    connection.recv(65_536)
                    one(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://{HOST}:{listening.getsockname()[1]}/"
        finally:
            thread.join()


def saying(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def test_a_message_arrives_as_it_is() -> None:
    with receiving() as receiver:
        assert send(receiver.url) == Outcome(204, "")
        (call,) = receiver.calls
    assert (call.path, call.body) == ("/told?by=us", b'{"id":2}')
    assert call.headers["host"] == f"{HOST}:{receiver.port}"
    assert (call.headers["content-type"], call.name) == ("application/json", "msg_1_2")


def test_who_is_told_much_is_greeted_once() -> None:
    with receiving() as receiver:
        assert [one.status for one in send_all([receiver.url] * 5)] == [204] * 5
        assert (len(receiver.calls), receiver.greeted) == (5, 1)
        receiver.answer = lambda call: (500, {"connection": "close"})
        assert [one.status for one in send_all([receiver.url] * 2)] == [500] * 2
        assert receiver.greeted == 3


def test_a_kept_connection_is_for_who_has_its_address_now() -> None:
    """Whose name leads elsewhere by now, or where nobody is to be led, is not told by it."""
    found = iter([[HOST], [HOST], ["127.0.0.2"], ["10.0.0.1"], [HOST]])

    async def resolve(host: str, port: int) -> Sequence[str]:
        return next(found)

    with receiving() as here, socket.create_server(("127.0.0.2", here.port)) as there:
        there.settimeout(0)
        outcomes = send_all([here.url.replace(HOST, "moves.example")] * 2, resolve)
        assert [one.status for one in outcomes] == [204, 204] and here.greeted == 1
        found = iter([[HOST], ["127.0.0.2"], ["10.0.0.1"], [HOST]])
        moved = send_all([here.url.replace(HOST, "moves.example")] * 4, resolve, within=1.0)
        assert [one.status for one in moved] == [204, None, None, 204]
        assert "webhooks do not lead to" in moved[2].why
        connection, _ = there.accept()  # where nobody answers
        connection.close()
        assert len(here.calls) == 4


def ended(connection: socket.socket) -> None:
    """Until it is hung up on."""
    with suppress(ConnectionResetError):
        assert connection.recv(1) == b""


WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_one_that_was_closed_meanwhile_is_made_anew() -> None:
    """Just when it is asked once more, too."""

    def answers_and_goes(connection: socket.socket) -> None:
        connection.sendall(WELL)
        connection.recv(65_536)

    with raw(answers_and_goes, saying(WELL)) as url:
        assert [one.status for one in send_all([url] * 2)] == [200, 200]


@pytest.mark.parametrize(
    "odd",
    [
        WELL + b"HTTP/1.1 500 Ahead\r\ncontent-length: 0\r\n\r\n",
        WELL + b"x",
        b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_what_comes_unasked_or_without_end_is_the_answer_to_nothing(odd: bytes) -> None:
    def answers(connection: socket.socket) -> None:
        connection.sendall(odd)
        connection.shutdown(socket.SHUT_WR)
        ended(connection)

    with raw(answers, saying(WELL)) as url:
        assert [one.status for one in send_all([url] * 2)] == [200, 200]


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_KEPT", 1)
    with receiving() as one, receiving() as other:
        assert [each.status for each in send_all([one.url, other.url, other.url, one.url])] == [204] * 4
        assert (one.greeted, other.greeted) == (2, 1)


def test_none_is_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "KEPT", 0.02)
    is_over = threading.Event()

    def answers(connection: socket.socket) -> None:
        connection.sendall(WELL)
        ended(connection)
        is_over.set()

    async def looks(host: str, port: int) -> Sequence[str]:
        looked.append(host)
        assert len(looked) == 1 or await asyncio.to_thread(is_over.wait, DEADLINE)
        return [HOST]

    looked: list[str] = []
    with raw(answers, saying(WELL)) as url:
        assert [one.status for one in send_all([url] * 2, looks)] == [200, 200]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with receiving() as receiver:
        receiver.answer = lambda call: (status, {"location": receiver.url})
        assert send(receiver.url).status == status
        assert len(receiver.calls) == 1


def test_what_a_receiver_answers_is_told() -> None:
    with receiving() as receiver:
        receiver.answer = lambda call: (503, {"retry-after": "7"})
        assert send(receiver.url) == Outcome(503, "it answered 503", 7.0)


@pytest.mark.parametrize(
    "url", ["http://{}:{}/", "http://localhost:{1}/", "http://127.1:{1}/", "http://2130706433:{1}/"]
)
def test_nobody_is_connected_to_who_is_not_allowed(url: str) -> None:
    """Names as they are looked up on this machine, too."""

    async def looked_up(host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(one[4][0]) for one in found]

    with receiving() as receiver:
        for scheme in ("http", "https"):
            outcome = send(url.format(HOST, receiver.port).replace("http", scheme), looked_up, ())
            assert outcome.status is None and "webhooks do not lead to" in outcome.why
        assert receiver.calls == []


def test_a_name_that_is_another_address_at_each_look_leads_to_none_that_was_not_looked_at() -> None:
    """At the first look it is one that is allowed, and from then on the one that is meant (127.0.0.2)."""
    looks: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        looks.append(host)
        return [HOST] if len(looks) == 1 else ["127.0.0.2"]

    with receiving() as good, socket.create_server(("127.0.0.2", good.port)) as meant:
        meant.settimeout(0)
        url = f"http://changes.example:{good.port}/"
        assert send(url, resolve, ["127.0.0.1/32"]).status == 204
        assert looks == ["changes.example"]
        assert "127.0.0.2" in send(url, resolve, ["127.0.0.1/32"]).why
        with pytest.raises(BlockingIOError):
            meant.accept()
        assert [one.headers["host"] for one in good.calls] == [f"changes.example:{good.port}"]


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with receiving() as receiver:
        assert send(f"http://two.example:{receiver.port}/", at("127.0.0.3", HOST)).status == 204


@pytest.mark.parametrize(
    "said",
    [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"],
)
def test_what_is_no_answer_is_told_as_such(said: bytes) -> None:
    with raw(saying(said)) as url:
        outcome = send(url)
    assert outcome.status is None and outcome.why


def test_what_only_announces_an_answer_is_none() -> None:
    with raw(saying(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")) as url:
        assert send(url).status == 500


def test_a_head_without_end_is_not_read_to_it() -> None:
    read: list[int] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):  # it hangs up, as it should
            while True:
                read.append(connection.send(b"x: " + b"y" * 1_000 + b"\r\n"))

    with raw(serve) as url:
        outcome = send(url)
    assert outcome.status is None and sum(read) > MOST_HEAD


def test_a_body_without_end_is_not_waited_for() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        assert connection.recv(1) == b""

    def dropped(connection: socket.socket) -> None:
        with suppress(ConnectionResetError):  # hung up on
            serve(connection)

    with raw(dropped) as url:
        assert send(url).status == 200


@pytest.mark.parametrize("drips", [False, True])
def test_who_never_answers_is_given_up(drips: bool) -> None:
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        while drips and not over.wait(0.05):
            connection.sendall(b" ")
        over.wait(DEADLINE)

    with raw(serve) as url:
        outcome = send(url, within=0.5)
        over.set()
    assert outcome.status is None


def test_a_certificate_is_that_of_the_name_that_was_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusted = ssl.create_default_context(cafile=str(authority.ca_file))
    with receiving(authority.server()) as receiver:
        for host, context, is_good in (
            ("localhost", trusted, True),
            (HOST, trusted, True),
            ("other.example", trusted, False),
            ("localhost", None, False),
        ):
            outcome = send(f"https://{host}:{receiver.port}/", context=context)
            assert outcome.status == (204 if is_good else None), outcome
            assert is_good or outcome.why.startswith("its certificate: ")
        assert len(receiver.calls) == 2
