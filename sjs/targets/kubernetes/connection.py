"""HTTP to an API server: TLS, proxies and credentials, which are asked for anew when they are taken no more."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode, urlsplit

from sjs.errors import BadRequest, ConfigError, LinkLost, NotReached, SjsError, Unreachable, UsageError
from sjs.extras import how_to_get
from sjs.targets.kubernetes import credentials
from sjs.targets.kubernetes.credentials import Proof
from sjs.targets.kubernetes.kubeconfig import Access
from sjs.targets.kubernetes.login import Login
from sjs.targets.kubernetes.sockets import Sockets
from sjs.targets.kubernetes.trouble import error_of

if TYPE_CHECKING:
    import ssl

    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT = 10.0
"""Seconds until a server has to be there, …"""

ANSWER = 60.0
"""… and until it has to have answered."""

DEAD = 15
"""Seconds after which a peer that says nothing is asked by the kernel, and given up."""

NEW = 30.0
"""Seconds for which no plugin is run again because the server refuses what it gave."""

JSON = "application/json"
Query = Mapping[str, "str | int"]


def http_library() -> Any:
    """urllib3, which only who has clusters needs."""
    try:
        import urllib3
    except ModuleNotFoundError:
        raise UsageError("clusters are reached by urllib3, which is not here", how_to_get("kubernetes")) from None
    return urllib3


class Connection:
    """One cluster. `find` reads where it is and who we are, whenever that may have become another."""

    def __init__(
        self, find: Callable[[], Access], environ: Mapping[str, str], notice: Callable[[str], None] = lambda text: None
    ) -> None:
        self._find = find
        self._environ = environ
        self._login = Login(self._told_anew, self._http_for, notice)
        self._renewal = float("-inf")
        self._access: Access | None = None
        self._proof: Proof | None = None
        self._pool: PoolManager | None = None
        self._sockets = Sockets()

    @property
    def access(self) -> Access:
        """Where it is."""
        if self._access is None:
            self._access = self._find()
        return self._access

    def send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        content_type: str = JSON,
        seconds: float = ANSWER,
    ) -> BaseHTTPResponse:
        """The answer, of which only the beginning has been read, if it is a good one; else it is raised as an error."""
        if self._proof is not None and self._proof.has_expired:
            self._renewed()
        answer = self._sent(method, path, query, body, content_type, seconds)
        if answer.status == 401 and not self._is_new() and self._renewed():
            answer.drain_conn()
            answer = self._sent(method, path, query, body, content_type, seconds)
        if answer.status >= 300:
            namespace = _namespace(path) or self.access.namespace
            raise error_of(answer.status, _rest(answer), namespace, answer.headers.get("Retry-After", ""))
        return answer

    def close(self) -> None:
        """Let the connections go; more may follow."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def hang_up(self) -> None:
        """Nobody wants what it waits for, nor anything else: from any thread. Whoever uses it hears that he has
        Departed."""
        self._sockets.cut()

    def lost(self, error: Exception) -> SjsError:
        """What has become of a request or of what was being read; Departed is raised, where that was wanted."""
        self._sockets.check()
        return lost(error, self.access.server)

    def _sent(
        self, method: str, path: str, query: Query | None, body: Any, content_type: str, seconds: float
    ) -> BaseHTTPResponse:
        pool = self._opened()  # which says it where there is none
        import urllib3

        self._sockets.check()
        headers = urllib3.HTTPHeaderDict({"Accept": JSON, "User-Agent": "sjs"})
        for name, value in credentials.impersonation(self.access.user):
            headers.add(name, value)
        if body is not None:
            headers["Content-Type"] = content_type
        if self._proof is not None and self._proof.header:
            headers["Authorization"] = self._proof.header
        url = f"{self.access.server}{path}{f'?{urlencode(query)}' if query else ''}"
        data = None if body is None else _encoded(body)
        try:
            return pool.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT, read=max(0.001, seconds)),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self.lost(error) from None

    def _is_new(self) -> bool:
        """Whether a plugin has just been run for another proof: it may ask somebody, and once is enough."""
        return isinstance(self.access.user.get("exec"), dict) and time.monotonic() - self._renewal < NEW

    def _renewed(self) -> bool:
        """Whether there is another proof than the one that was refused."""
        self._renewal = time.monotonic()
        before, known = self._proof, self.access
        self._access = self._proof = None
        if (self.access.server, self.access.namespace) != (known.server, known.namespace):
            self._access = known
            raise ConfigError(f"{known.source}: means another cluster or namespace by now", "begin the command again")
        self._proof = self._proven()
        if self._proof == before:
            return False
        self.close()
        return True

    def _proven(self) -> Proof:
        access = self.access
        return credentials.prove(access.user, access.cluster, self._environ, self._login.refreshed)

    def _told_anew(self) -> tuple[Mapping[str, Any], str]:
        """What the login's entry says by now, and in which file."""
        self._access = self._find()
        provider = self._access.user.get("auth-provider")
        config = provider.get("config") if isinstance(provider, dict) else None
        if not isinstance(config, dict):
            raise ConfigError(f"{self._access.source}: has another login by now", "begin the command again")
        return config, self._access.user_file

    def _http_for(self, config: Mapping[str, Any]) -> PoolManager:
        """To the issuer of tokens."""
        context = _context(credentials.pem(config, "idp-certificate-authority"), Proof(), False)
        found: PoolManager = http_library().PoolManager(ssl_context=context)
        return found

    def _opened(self) -> PoolManager:
        if self._pool is None:
            if self._proof is None:
                http_library()
                self._proof = self._proven()
            self._pool = self._manager(self._proof)
            self._sockets.know(self._pool)
        return self._pool

    def _manager(self, proof: Proof) -> PoolManager:
        import urllib3
        from urllib3.connection import HTTPConnection

        keep = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD * 1000)]
        keep += [(socket.IPPROTO_TCP, one, 5) for one in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)]
        more: dict[str, Any] = {"maxsize": 4, "socket_options": [*HTTPConnection.default_socket_options, *keep]}
        cluster = self.access.cluster
        if self.access.server.startswith("https"):
            more["ssl_context"] = _context(credentials.authority(cluster), proof, self.access.insecure)
            if self.access.insecure:
                more["cert_reqs"], more["assert_hostname"] = "CERT_NONE", False
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the file asks for it
            if cluster.get("tls-server-name"):
                more["server_hostname"] = more["assert_hostname"] = str(cluster["tls-server-name"])
        proxy = str(cluster.get("proxy-url") or _proxy(self.access.server, self._environ))
        if not proxy:
            return urllib3.PoolManager(**more)
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        if proxy.startswith("socks"):
            return _by_socks(proxy, more)
        user, password = (unquote(said or "") for said in (urlsplit(proxy).username, urlsplit(proxy).password))
        known = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        try:
            return urllib3.ProxyManager(proxy, proxy_headers=known, **more)
        except (urllib3.exceptions.HTTPError, ValueError):  # what it says may have a password in it
            raise ConfigError(
                "the address of the proxy is none that is known", "http://HOST:PORT, or socks5://"
            ) from None


def _namespace(path: str) -> str:
    """That of which something is asked."""
    _, _, rest = path.partition("/namespaces/")
    return rest.partition("/")[0]


def _encoded(body: Any) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise BadRequest("what is said is not UTF-8, and Kubernetes takes no other text") from None


def _by_socks(proxy: str, more: dict[str, Any]) -> PoolManager:
    from importlib.util import find_spec

    if find_spec("socks") is None:
        raise UsageError("a SOCKS proxy needs PySocks, which is not here", how_to_get("kubernetes"))
    from urllib3.contrib.socks import SOCKSProxyManager

    return SOCKSProxyManager(proxy, **more)


def _proxy(server: str, environ: Mapping[str, str]) -> str:
    """What the environment names, as for any program; nobody is asked for what is on this machine."""
    if not any(name.lower() in ("https_proxy", "http_proxy", "all_proxy") for name in environ):
        return ""
    scheme = urlsplit(server).scheme
    host = urlsplit(server).hostname or ""
    if host == "localhost" or _holds("127.0.0.0/8", host) or _holds("::1/128", host):
        return ""  # as for kubectl: clusters of kind and minikube are here
    names = [environ.get(name, "") or environ.get(name.upper(), "") for name in (f"{scheme}_proxy", "all_proxy")]
    without = environ.get("no_proxy", "") or environ.get("NO_PROXY", "")
    for one in (one.strip().lstrip("*.") for one in without.split(",")):
        if without.strip() == "*" or (one and (host == one or host.endswith(f".{one}") or _holds(one, host))):
            return ""
    return next(filter(None, names), "")


def _holds(network: str, host: str) -> bool:
    """Whether a network in no_proxy has this address."""
    if "/" not in network:
        return False
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _context(authority: bytes, proof: Proof, insecure: bool) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, ValueError):
        raise ConfigError("the certificate authority of the kubeconfig is no PEM certificate") from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # what many clusters sign with lacks what this asks for
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if proof.certificate:
        try:
            _load(context, proof)
        except (ssl.SSLError, OSError):
            raise ConfigError("the client certificate of the kubeconfig and its key do not fit") from None
    return context


def _load(context: ssl.SSLContext, proof: Proof) -> None:
    """Through memory: a key that was no file does not become one."""
    fd = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(fd, proof.certificate + b"\n" + proof.key)
        context.load_cert_chain(f"/proc/self/fd/{fd}", password=lambda: "")
    finally:
        os.close(fd)


def lost(error: Exception, server: str) -> SjsError:
    """What has become of a request or of what was being read."""
    from urllib3 import exceptions

    by_proxy = isinstance(error, exceptions.ProxyError)
    cause = error.original_error if isinstance(error, exceptions.ProxyError) else error
    host = urlsplit(server).netloc
    if isinstance(cause, exceptions.SSLError):
        if "doesn't match" in str(cause):
            hint = "`tls-server-name` in the kubeconfig says whose certificate it is to have"
            return Unreachable(f"{host} can not show that it is this cluster: its certificate is another host's", hint)
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return Unreachable(f"{host} can not show that it is this cluster: {_why(cause)}", "see the kubeconfig's CA")
        return LinkLost(f"{host}: {_why(cause)}")
    if isinstance(cause, exceptions.NameResolutionError):
        return NotReached(f"{host}: no such host is known")
    if isinstance(cause, exceptions.NewConnectionError | exceptions.ConnectTimeoutError | OSError):
        return NotReached(f"{host} is not reached: {'its proxy: ' if by_proxy else ''}{_why(cause)}")
    if isinstance(cause, exceptions.ReadTimeoutError):
        return LinkLost(f"{host} does not answer")
    if isinstance(cause, exceptions.ProtocolError):
        return LinkLost(f"{host}: the connection broke")
    return Unreachable(f"{host}: {_why(cause)}")


def _why(error: Exception) -> str:
    """The last part of what libraries say, which is what has happened."""
    text = " ".join(str(error).split())
    return text.rpartition("] ")[2].rpartition("error: ")[2].rstrip(")'")[:200] or type(error).__name__


def _rest(answer: BaseHTTPResponse) -> bytes:
    import urllib3

    try:
        return bytes(answer.read(1 << 16))
    except urllib3.exceptions.HTTPError:
        return b""
