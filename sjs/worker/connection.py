"""Requests to the gateway over HTTP, and what comes back: JSON, or that nobody has answered.

Proxies are those of the environment (https_proxy, http_proxy, no_proxy). Nobody is followed to another address, for the
token would go along.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
from typing import Any, Dict, List, NamedTuple, Optional
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from sjs import __version__
from sjs.errors import UsageError

LARGEST = 64 << 20
"""Bytes of an answer that are read."""

CONNECTING = 10.0

HINTS = {
    9: "is this machine's clock right?",
    10: "it needs a new one, unless this machine's clock is wrong",
    62: "say its address as the certificate does",
    64: "say its address as the certificate does",
}
"""What might help, by OpenSSL's numbers: one of tomorrow, one of yesterday, of another name, of another address."""

Json = Dict[str, Any]


class Away(Exception):
    """Nobody has answered. `pause`: for how many seconds one was told to wait."""

    def __init__(self, message: str, pause: Optional[float] = None) -> None:
        super().__init__(message)
        self.pause = pause


class Unbelieved(Away):
    """Somebody has answered whose certificate is not believed. `hint`: what might help."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Answer(NamedTuple):
    """What the gateway says; `body` is {} where it says nothing."""

    status: int
    body: Json
    pause: Optional[float] = None


class Place(NamedTuple):
    """Where the gateway is, and by which proxy it is reached."""

    parts: SplitResult
    proxy: Optional[SplitResult]

    @property
    def is_secret(self) -> bool:
        return self.parts.scheme == "https"

    @property
    def port(self) -> int:
        return self.parts.port or (443 if self.is_secret else 80)


def place_of(url: str, plain: bool = False) -> Place:
    """What a URL means; UsageError for one that is none. `plain`: other machines may be asked without TLS."""
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https"):
        raise UsageError(f"'{url}' is no address of a gateway", "write it as https://HOST[:PORT][/PATH]")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("the gateway's address has more than host, port and path", "a token goes into a file")
    if parts.scheme == "http" and not plain and not _is_here(parts.hostname or ""):
        raise UsageError(
            f"{url} would show the token to whoever is on the way", "say https://…, or --plain if the way is yours"
        )
    return Place(parts, _proxy_of(parts))


def _parts(url: str) -> Optional[SplitResult]:
    """What an address consists of; None where a host could not be reached by it."""
    try:
        parts = urlsplit(url)
        usable = parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        return None
    return parts if usable and all("!" <= letter <= "~" for letter in url) else None


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdecimal())


def _proxy_of(parts: SplitResult) -> Optional[SplitResult]:
    proxies = getproxies_environment()
    said = proxies.get(parts.scheme) or proxies.get("all")
    if not said or proxy_bypass_environment(parts.netloc, proxies):
        return None
    proxy = _parts(said if "://" in said else f"http://{said}")
    if proxy is None or proxy.scheme != "http":
        raise UsageError(f"the proxy for {parts.scheme} is none that is known here", "http://HOST:PORT")
    return proxy


class Gateway:
    """Any number of threads may ask it. Connections are kept for whoever asks next."""

    def __init__(self, where: Place, token: str, authorities: str = "") -> None:
        self._where = where
        self._base = where.parts.path.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "User-Agent": f"sjs-worker/{__version__}",
            "Accept": "application/json",
            "Host": where.parts.netloc,
        }
        self._tls = _context(authorities) if where.is_secret else None
        self._lock = threading.Lock()
        self._free: List[http.client.HTTPConnection] = []
        self._waiting: Optional[http.client.HTTPConnection] = None
        self._has_hung_up = False

    def post(self, path: str, body: Json, timeout: float, may_be_cut: bool = False) -> Answer:
        """The answer, or Away. A connection that was kept may have been closed by the other side meanwhile, so this may
        ask twice. `timeout`: seconds without a byte; `may_be_cut`: by `hang_up`."""
        data = json.dumps(body).encode("ascii")
        connection = self._kept()
        if connection is not None:
            try:
                return self._asked(connection, path, data, timeout, may_be_cut)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                if self._has_hung_up and may_be_cut:
                    raise Away("nobody waits for it any more") from None
            except (OSError, http.client.HTTPException) as error:
                raise self._away(error) from None
        try:
            return self._asked(self._new(), path, data, timeout, may_be_cut)
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from None

    def hang_up(self) -> None:
        """Do not wait any longer for what may be cut, now or later."""
        with self._lock:
            self._has_hung_up = True
            waiting = self._waiting
        if waiting is not None and waiting.sock is not None:
            try:
                socket.socket.shutdown(waiting.sock, socket.SHUT_RDWR)  # of TLS, too, nothing else
            except OSError:
                return  # its other end was quicker

    def close(self) -> None:
        with self._lock:
            for one in self._free:
                one.close()
            self._free.clear()

    def _away(self, error: Exception) -> Away:
        proxy = self._where.proxy
        way = f"by the proxy {proxy.hostname}:{proxy.port or 80}: " if proxy else ""
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = HINTS.get(error.verify_code, "--ca FILE says who signs it")
            return Unbelieved(f"{way}its certificate is not believed: {error.verify_message.rstrip('.')}", hint)
        return Away(way + _why(error))

    def _kept(self) -> Optional[http.client.HTTPConnection]:
        with self._lock:
            return self._free.pop() if self._free else None

    def _new(self) -> http.client.HTTPConnection:
        parts, proxy = self._where.parts, self._where.proxy
        host, port = parts.hostname or "", self._where.port
        if proxy is not None:
            host, port = proxy.hostname or "", proxy.port or 80
        made: http.client.HTTPConnection | http.client.HTTPSConnection
        if self._tls is None:
            made = http.client.HTTPConnection(host, port, timeout=CONNECTING)
        else:
            made = http.client.HTTPSConnection(host, port, timeout=CONNECTING, context=self._tls)
            if proxy is not None:
                made.set_tunnel(parts.hostname or "", self._where.port, _proxy_headers(proxy))
        try:
            made.connect()
            made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            made.close()
            raise
        return made

    def _asked(
        self, connection: http.client.HTTPConnection, path: str, data: bytes, timeout: float, may_be_cut: bool
    ) -> Answer:
        try:
            if may_be_cut:
                with self._lock:
                    self._waiting = connection
                    if self._has_hung_up:
                        raise ConnectionAbortedError("nobody waits for it any more")
            connection.sock.settimeout(timeout)
            target, headers = self._base + path, {**self._headers, "Content-Type": "application/json"}
            if self._where.proxy is not None and self._tls is None:
                target = f"http://{self._where.parts.netloc}{target}"
                headers.update(_proxy_headers(self._where.proxy))
            connection.request("POST", target, data, headers)
            response = connection.getresponse()
            is_bounded = response.chunked or response.length is not None
            found = response.read(LARGEST + 1)
            if not is_bounded or (response.length and len(found) <= LARGEST):
                raise ConnectionAbortedError("its answer was cut off")
        except BaseException:
            connection.close()
            raise
        finally:
            if may_be_cut:
                with self._lock:
                    self._waiting = None
        if response.will_close or len(found) > LARGEST:
            connection.close()
        else:
            with self._lock:
                self._free.append(connection)
        return _answer(response.status, found, response.headers.get("Retry-After"))


def _answer(status: int, found: bytes, again: Optional[str]) -> Answer:
    pause = float(again) if again is not None and again.isdecimal() and len(again) < 6 else None
    if status >= 500 or status in (408, 425, 429):
        raise Away(f"it answers {status}", pause)
    if len(found) > LARGEST:
        raise Away(f"an answer of more than {LARGEST >> 20} MiB")
    try:
        body = json.loads(found) if found else {}
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        if 200 <= status < 300:
            raise Away("what answers there is no gateway")
        body = {}
    return Answer(status, body, pause)


def _context(authorities: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{authorities}: {error.strerror or error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _proxy_headers(proxy: SplitResult) -> Dict[str, str]:
    if proxy.username is None:
        return {}
    said = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(said).decode('ascii')}"}


def _why(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS fails: {error.reason.lower().replace('_', ' ')}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__
