"""What is looked at of a request before anything of it is believed: its host, its origin, its headers, its address.
Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Any
from urllib.parse import unquote_to_bytes

from sjs.gateway.identity.refusals import Refusal
from sjs.gateway.identity.tokens import looks_like_one
from sjs.values import dataclass

Scope = Mapping[str, Any]

SAFE = ("GET", "HEAD", "OPTIONS")
STREAM = b"text/event-stream"
TOKEN_KEYS = frozenset(["token", "access_token", "auth_token", "api_key", "apikey", "authorization", "bearer"])

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}))(?::([0-9]{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,30}://(\S+)", re.ASCII | re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Said = dict[bytes, list[bytes]]
"""The headers, by their names in small letters."""

Host = tuple[str, str]
"""Name and port; no port is ''."""


@dataclass(frozen=True)
class HeadRules:
    """`hosts`: by which names this server may be asked for, with a port or any; `origins`: of other pages whose
    requests are answered, as https://example.org; `is_stream`: whether an answer goes on for ever; `is_strict`:
    whether even what should change nothing is refused to other sites (for a port on which it does)."""

    hosts: Sequence[str]
    origins: Sequence[str] = ()
    is_stream: Callable[[str], bool] = lambda path: False
    is_strict: bool = False
    most_headers: int = 100
    most_header_bytes: int = 16_384
    most_path: int = 8_192


def check_head(scope: Scope, rules: HeadRules) -> Refusal | None:
    """Why the request goes no further, or None."""
    said: Said = {}
    for name, value in scope["headers"]:
        said.setdefault(name.lower(), []).append(value)
    return (
        _size_trouble(scope, rules)
        or _host_trouble(said, rules)
        or _address_trouble(scope)
        or _origin_trouble(scope, said, rules)
        or _length_trouble(said)
    )


def values_of(scope: Scope, name: bytes) -> list[bytes]:
    """All headers of this name, in small letters."""
    return [value for one, value in scope["headers"] if one.lower() == name]


def wants_stream(scope: Scope, rules: HeadRules) -> bool:
    """Whether it asks for events."""
    return rules.is_stream(scope["path"]) or any(STREAM in value.lower() for value in values_of(scope, b"accept"))


def declared_length(scope: Scope) -> int | None:
    """How long the body is to be, 0 if there is none, None if that is not said."""
    said = values_of(scope, b"content-length")
    if said:
        return int(said[0])
    return None if values_of(scope, b"transfer-encoding") else 0


def has_body(scope: Scope) -> bool:
    """Whether bytes may follow that belong to it."""
    said = values_of(scope, b"content-length")
    return bool(values_of(scope, b"transfer-encoding")) or any(one != b"0" for one in said)


@lru_cache(maxsize=256)
def read_host(text: str) -> Host | None:
    """Name and port, in one spelling; None for what is none."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    name = match[1].lower()
    if name.startswith("["):
        try:
            name = f"[{IPv6Address(name[1:-1])}]"
        except AddressValueError:
            return None
    return name.removesuffix("."), match[2] or ""


def _size_trouble(scope: Scope, rules: HeadRules) -> Refusal | None:
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > rules.most_headers or size > rules.most_header_bytes:
        text = f"at most {rules.most_headers} headers of {rules.most_header_bytes} bytes are read"
        return Refusal(431, "headers_too_large", text)
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > rules.most_path:
        return Refusal(414, "address_too_long", f"at most {rules.most_path} bytes are read")
    return None


def _host_trouble(said: Said, rules: HeadRules) -> Refusal | None:
    """A page whose name was bound to our address asks for us by that name."""
    hosts = said.get(b"host", [])
    host = read_host(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
    if host is None:
        return Refusal(400, "bad_host", "exactly one header Host, with a name, is needed")
    for one in map(read_host, rules.hosts):
        if one == host or one == (host[0], ""):
            return None
    return Refusal(421, "unknown_host", "this server is not asked for by that name; its operator sets by which ones")


def _address_trouble(scope: Scope) -> Refusal | None:
    path, query = str(scope["path"]), bytes(scope.get("query_string", b""))
    if not path.startswith("/") and not (path == "*" and scope["method"] == "OPTIONS"):
        return Refusal(400, "bad_path", "a path begins with /")
    if _CONTROL.search(path):
        return Refusal(400, "bad_path", "there is a control character in the path")
    if not query and not looks_like_one(path):
        return None
    text = unquote_to_bytes(query.replace(b"+", b" ")).decode("latin-1")
    keys = {re.split(rb"=", part, maxsplit=1)[0] for part in re.split(rb"[&;]", query)}
    names = {unquote_to_bytes(key).decode("latin-1").strip().lower() for key in keys}
    if names & TOKEN_KEYS or looks_like_one(path) or looks_like_one(text):
        hint = "a token belongs into the header Authorization: addresses are written into logs; have this one revoked"
        return Refusal(400, "token_in_url", hint)
    return None


def _origin_trouble(scope: Scope, said: Said, rules: HeadRules) -> Refusal | None:
    """What a page of another site has a browser ask."""
    origins = said.get(b"origin", [])
    if origins:
        known = len(origins) == 1 and _is_ours(origins[0].decode("latin-1"), said[b"host"][0], rules)
        return None if known else _FOREIGN
    sites = said.get(b"sec-fetch-site", [])
    if all(site.strip().lower() in (b"same-origin", b"none") for site in sites):
        return None
    is_changing = rules.is_strict or scope["method"] not in SAFE or wants_stream(scope, rules)
    return _FOREIGN if is_changing else None


_FOREIGN = Refusal(403, "foreign_origin", "pages of other sites are not answered")


def _is_ours(origin: str, asked: bytes, rules: HeadRules) -> bool:
    """Whether it is the server's own, whose host is known to be allowed, or one that is."""
    if origin.lower() in [one.lower().rstrip("/") for one in rules.origins]:
        return True
    match = _ORIGIN.fullmatch(origin)
    host = read_host(match[1]) if match else None
    return host is not None and host == read_host(asked.decode("latin-1"))


def _length_trouble(said: Said) -> Refusal | None:
    lengths = said.get(b"content-length", [])
    is_right = len(lengths) <= 1 and all(_LENGTH.fullmatch(one) for one in lengths)
    if not is_right or lengths and b"transfer-encoding" in said:
        return Refusal(400, "bad_length", "the length of the body is said once, or not at all")
    return None
