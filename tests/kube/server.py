"""The sockets of the API server: it can go away and come back at the same port, as a real one that is restarted."""

from __future__ import annotations

import json
import select
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast

from tests.kube.api import Answer, Asked
from tests.kube.bell import Bell
from tests.kube.faults import Reset


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128

    def __init__(self, port: int, server: Server) -> None:
        self.owner = server
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.owner.opened(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.owner.closed(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of our business; any other failure ends the test that asks for it."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.owner.failures.append(cast(Exception, error))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        self.certificate = ""
        if self.server.owner.tls:
            plain = self.request
            self.request = self.server.owner.tls.wrap_socket(plain, server_side=True)
            self.server.owner.wrapped(plain, self.request)
            self.certificate = _common_name(self.request.getpeercert())
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.server.owner.tls:
            with suppress(OSError):
                self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: tests ask for what was seen."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(
            self.command,
            self.path,
            body,
            self.headers.get("Content-Type") or "application/json",
            self.headers.get("Authorization") or "",
            self.certificate,
            tuple((name, _utf8(value)) for name, value in self.headers.items() if name.startswith("Impersonate-")),
            self._wait,
        )
        try:
            answer = self.server.owner.api.handle(asked)
        except Reset:
            self._reset()
            return
        if answer.lines is None:
            self._send(answer)
        else:
            self._stream(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _send(self, answer: Answer) -> None:
        if answer.body is not None:
            data, kind = json.dumps(answer.body, separators=(",", ":")).encode(), "application/json"
        else:
            data, kind = (answer.text or "").encode(), "text/plain"
        self.send_response(answer.code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.code != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if answer.code != 204 and self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, answer: Answer) -> None:
        self.send_response(answer.code)
        self.send_header("Content-Type", "application/json" if answer.text is None else answer.text)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        assert answer.lines is not None
        with self.server.owner.streaming():
            for place, line in enumerate(answer.lines):
                if answer.cut_after == place:
                    self.wfile.write(b"%x\r\n%s" % (len(line), line[: len(line) // 2]))
                    self._reset()
                    return
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        if self.server.owner.stopping:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """As a network that breaks: no goodbye of TLS, no end of the answer."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.server.owner.cut(self.connection)

    def _wait(self, ears: tuple[int, ...], until: float | None) -> bool:
        """Until an ear hears something or the time is over; False when there is nobody left to tell."""
        owner = self.server.owner
        with owner.ending.listening() as gone:
            if owner.stopping:
                return False
            timeout = None if until is None else max(0.0, until - time.monotonic())
            found = select.select([*ears, gone, self.connection], [], [], timeout)[0]
        return gone not in found and self.connection not in found


def _utf8(value: str) -> str:
    """A header as Go takes it."""
    return value.encode("latin-1").decode()


def _common_name(certificate: Any) -> str:
    for part in (certificate or {}).get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return ""


class Handling(Protocol):
    """Who answers."""

    def handle(self, asked: Asked) -> Answer:
        """The answer to a request; Reset, if there is to be none."""


class Server:
    """An API at a port of this machine."""

    def __init__(self, api: Handling, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.api, self.tls, self.port = api, tls, port
        self.ending = Bell()
        self.stopping = False
        self.streams = 0
        self.failures: list[Exception] = []
        self._open: dict[int, socket.socket] = {}
        self._changed = threading.Condition()
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the same port as before if there was one."""
        self.stopping = False
        self._listener = _Listener(self.port, self)
        self.port = self._listener.server_port
        target = self._listener.serve_forever
        self._thread = threading.Thread(target=target, kwargs={"poll_interval": 0.05}, name="kube-api", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection; all watches end."""
        if self._listener is None:
            return
        self.stopping = True
        self._listener.shutdown()
        self.ending.ring()
        with self._changed:
            for one in list(self._open.values()):
                with suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)  # not that of TLS, which another thread may use
        self._listener.server_close()
        self._listener = None
        self.wait_for_streams(0)
        if self.failures:
            raise RuntimeError("the test API server failed") from self.failures[0]

    def wait_for_streams(self, count: int, seconds: float = 20) -> None:
        """Until so many watches and followed logs are open."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.streams == count, seconds):
                raise TimeoutError(f"{self.streams} streams are open after {seconds} s, not {count}")

    def streaming(self) -> _Streaming:
        return _Streaming(self)

    def count_streams(self, more: int) -> None:
        with self._changed:
            self.streams += more
            self._changed.notify_all()

    def opened(self, request: socket.socket) -> None:
        with self._changed:
            self._open[id(request)] = request

    def wrapped(self, plain: socket.socket, now: socket.socket) -> None:
        with self._changed:
            self._open[id(plain)] = now

    def closed(self, request: socket.socket) -> None:
        with self._changed:
            self._open.pop(id(request), None)

    def cut(self, request: socket.socket) -> None:
        with suppress(OSError):
            request.close()


class _Streaming:
    """Counts a stream while it is open."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def __enter__(self) -> None:
        self.server.count_streams(1)

    def __exit__(self, *_: object) -> None:
        self.server.count_streams(-1)
