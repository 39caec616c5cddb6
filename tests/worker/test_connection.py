"""Requests over real sockets, to servers that answer as they are told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sjs.errors import UsageError
from sjs.worker.connection import Answer, Away, Gateway, Place, Unbelieved, place_of
from tests.connections import Listening, tunnel
from tests.kube.certificates import DAY, Authority

DEADLINE = 60.0
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


asked_so_far: list[Gateway] = []


@pytest.fixture(autouse=True)
def closed_and_without_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    while asked_so_far:
        asked_so_far.pop().close()


class Server:
    """Gives each connection to `serve`, which is told how it speaks; keeps what heads it has seen."""

    def __init__(self, serve: Callable[[Server, socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._listening = Listening(lambda sock: serve(self, sock), tls)
        self.port = self._listening.port
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def connections(self) -> int:
        return self._listening.connections

    def read(self, sock: socket.socket) -> bool:
        """One request; False when there is none."""
        data = b""
        while b"\r\n\r\n" not in data:
            came = sock.recv(1 << 16)
            if not came:
                return False
            data += came
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(one[16:]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-length: ")), 0)
        while len(body) < length:
            body += sock.recv(1 << 16)
        self.heads.append(head.decode())
        self.bodies.append(body)
        return True

    def close(self) -> None:
        self._listening.close()


def answering(*answers: bytes) -> Callable[[Server, socket.socket], None]:
    """The same to all, in this order, over as many connections as there are."""
    left = list(answers)

    def serve(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            sock.sendall(left.pop(0))

    return serve


def http(status: int, body: object = None, *heads: str) -> bytes:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(data)}", *heads, "", ""]
    return "\r\n".join(lines).encode() + data


@contextmanager
def serving(serve: Callable[[Server, socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(serve, tls)
    try:
        yield server
    finally:
        server.close()


def asking(place: Place, authorities: str = "") -> Gateway:
    """One that is closed in the end."""
    asked_so_far.append(Gateway(place, "the-token", authorities))
    return asked_so_far[-1]


def gateway(server: Server, path: str = "") -> Gateway:
    return asking(place_of(f"http://127.0.0.1:{server.port}{path}"))


def test_it_asks_with_its_token_below_the_path_that_was_said_and_keeps_the_connection() -> None:
    with serving(answering(http(200, {"a": 1}), http(204))) as server:
        asked = gateway(server, "/behind/nginx/")
        assert asked.post("/api/v1/x", {"k": "v"}, DEADLINE) == Answer(200, {"a": 1})
        assert asked.post("/api/v1/y", {}, DEADLINE) == Answer(204, {})
        assert server.connections == 1
    assert server.heads[0].startswith("POST /behind/nginx/api/v1/x HTTP/1.1\r\n")
    assert "Authorization: Bearer the-token" in server.heads[0]
    assert f"Host: 127.0.0.1:{server.port}" in server.heads[0]
    assert server.bodies == [b'{"k": "v"}', b"{}"]


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_without_a_word() -> None:
    def serve(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(http(200, {}))

    with serving(serve) as server:
        asked = gateway(server)
        for _ in range(3):
            assert asked.post("/", {}, DEADLINE).status == 200
        assert server.connections == 3


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_who_is_too_busy_is_away_for_as_long_as_he_says(status: int) -> None:
    with serving(answering(http(status, b"<html>", "Retry-After: 7"))) as server, pytest.raises(Away) as caught:
        gateway(server).post("/", {}, DEADLINE)
    assert caught.value.pause == 7.0


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 x\r\nContent-Le", b"SSH-2.0-OpenSSH_9.2\r\n", http(200, b"<html>"), http(200, [1])]
    + [b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n{}"],
)
def test_what_is_no_answer_of_a_gateway_is_none(answer: bytes) -> None:
    def serve(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(answer)

    with serving(serve) as server, pytest.raises(Away):
        gateway(server).post("/", {}, DEADLINE)


def test_who_is_silent_is_away() -> None:
    def serve(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            continue

    with serving(serve) as server, pytest.raises(Away):
        gateway(server).post("/", {}, 0.05)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(Away, match="refused"):
        asking(place_of(f"http://127.0.0.1:{port}")).post("/", {}, DEADLINE)


def test_nobody_is_followed_elsewhere_with_the_token() -> None:
    with serving(answering(http(200, {}))) as other:
        location = f"Location: http://127.0.0.1:{other.port}/"
        with serving(answering(http(307, None, location))) as server:
            assert gateway(server).post("/", {}, DEADLINE).status == 307
        assert other.heads == []


def test_hanging_up_ends_what_is_waited_for_and_nothing_else() -> None:
    came = threading.Event()

    def serve(server: Server, sock: socket.socket) -> None:
        while server.read(sock):
            if b"wait" in server.bodies[-1]:
                came.set()
            else:
                sock.sendall(http(200, {}))

    with serving(serve) as server:
        asked = gateway(server)
        found: list[object] = []

        def wait() -> None:
            try:
                found.append(asked.post("/", {"wait": 1}, DEADLINE, may_be_cut=True))
            except Away as error:
                found.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        assert came.wait(DEADLINE)
        asked.hang_up()
        thread.join(DEADLINE)
        assert isinstance(found[0], Away)
        with pytest.raises(Away):
            asked.post("/", {"wait": 1}, DEADLINE, may_be_cut=True)
        assert asked.post("/", {}, DEADLINE).status == 200


# TLS, proxies


def test_a_certificate_of_those_that_were_named_is_believed_and_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with serving(answering(http(200, {}), http(200, {})), authority.server()) as server:
        place = place_of(f"https://localhost:{server.port}")
        with pytest.raises(Away, match="its certificate is not believed"):
            asking(place).post("/", {}, DEADLINE)
        assert asking(place, str(authority.ca_file)).post("/", {}, DEADLINE).status == 200
        other = Authority(tmp_path / "other")
        with pytest.raises(Away, match="its certificate is not believed"):
            asking(place, str(other.ca_file)).post("/", {}, DEADLINE)
        assert len(server.heads) == 1, "the token was shown to nobody else"


@pytest.mark.parametrize(
    ("how", "what", "hint"),
    [
        ({"lasts": -DAY}, "certificate has expired", "needs a new one"),
        ({"names": ("gateway.example",)}, "Hostname mismatch, certificate is not valid for 'localhost'", "its address"),
    ],
)
def test_why_a_certificate_is_not_believed_is_told_with_what_helps(
    tmp_path: Path, how: dict[str, Any], what: str, hint: str
) -> None:
    authority = Authority(tmp_path / "ca")
    with serving(answering(), authority.server(**how)) as server, pytest.raises(Unbelieved) as caught:
        asking(place_of(f"https://localhost:{server.port}"), str(authority.ca_file)).post("/", {}, DEADLINE)
    assert str(caught.value) == f"its certificate is not believed: {what}" and hint in caught.value.hint
    assert server.heads == []


def test_the_authorities_of_the_environment_are_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with serving(answering(http(200, {})), authority.server()) as server:
        assert asking(place_of(f"https://localhost:{server.port}")).post("/", {}, DEADLINE).status == 200


def test_who_speaks_no_tls_is_away() -> None:
    def serve(server: Server, sock: socket.socket) -> None:
        sock.recv(1 << 16)
        sock.sendall(http(400))

    with serving(serve) as server, pytest.raises(Away, match="^TLS fails: ") as caught:
        asking(place_of(f"https://localhost:{server.port}")).post("/", {}, DEADLINE)
    assert not isinstance(caught.value, Unbelieved)


def test_what_a_proxy_does_not_want_is_told_as_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(http(407))

    with serving(serve) as proxy:
        monkeypatch.setenv("https_proxy", f"u:secret@127.0.0.1:{proxy.port}")
        with pytest.raises(Away, match=f"^by the proxy 127.0.0.1:{proxy.port}: .*407") as caught:
            asking(place_of("https://gateway.example")).post("/", {}, DEADLINE)
    assert "secret" not in str(caught.value) and "the-token" not in "".join(proxy.heads)


def test_a_file_that_has_no_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("x")
    for name in ("none", "missing"):
        with pytest.raises(UsageError, match=name):
            Gateway(place_of("https://h"), "t", str(tmp_path / name))


def test_a_proxy_is_asked_for_what_is_plain_and_its_own_secret_stays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(http(200, {}))) as proxy:
        monkeypatch.setenv("http_proxy", f"http://u%40:p@127.0.0.1:{proxy.port}")
        place = place_of("http://gateway.example:9/base", plain=True)
        assert asking(place).post("/x", {}, DEADLINE).status == 200
    assert proxy.heads[0].startswith("POST http://gateway.example:9/base/x HTTP/1.1\r\n")
    assert "Host: gateway.example:9" in proxy.heads[0]
    assert "Proxy-Authorization: Basic dUA6cA==" in proxy.heads[0]


def test_through_a_proxy_tls_is_with_the_gateway_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")

    def carry(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        host, port = server.heads[-1].split()[1].split(":")
        with socket.create_connection((host, int(port))) as onwards:
            sock.sendall(b"HTTP/1.1 200 x\r\n\r\n")
            tunnel(sock, onwards)

    with serving(answering(http(200, {})), authority.server()) as server, serving(carry) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        asked = asking(place_of(f"https://localhost:{server.port}"), str(authority.ca_file))
        assert asked.post("/", {}, DEADLINE).status == 200
        assert "the-token" not in "".join(proxy.heads)
        monkeypatch.setenv("no_proxy", "localhost")
        assert place_of(f"https://localhost:{server.port}").proxy is None


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("gateway.example", "is no address of a gateway"),
        ("ftp://h", "is no address of a gateway"),
        ("https://", "is no address of a gateway"),
        ("https://[::1", "is no address of a gateway"),
        ("https://h:x", "is no address of a gateway"),
        ("https://h/a b", "is no address of a gateway"),
        ("https://h/\r\nX: y", "is no address of a gateway"),
        ("https://u:p@h", "has more than host, port and path"),
        ("https://h/?token=x", "has more than host, port and path"),
        ("http://h", "would show the token to whoever is on the way"),
        ("http://127.evil.example", "would show the token to whoever is on the way"),
        ("http://localhost.evil.example", "would show the token to whoever is on the way"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(url: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        place_of(url)
    assert what in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1", "http://[::1]:8765/x", "https://h"])
def test_one_that_shows_nothing_is_good(url: str) -> None:
    assert place_of(url).parts.hostname
    assert place_of("http://h", plain=True).parts.hostname == "h"


@pytest.mark.parametrize("proxy", ["socks5://h:1", "http://h:99999", "http://[::1", "h:x", "http://"])
def test_a_proxy_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(UsageError, match="the proxy for https"):
        place_of("https://h")
