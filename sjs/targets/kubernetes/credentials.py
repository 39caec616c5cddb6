"""Who we are to a cluster: what goes with a request, and where it comes from anew when the cluster takes it no more."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from sjs.errors import ConfigError, UsageError
from sjs.values import dataclass, field

Refresh = Callable[[Mapping[str, Any]], str]
"""Gets a new ID token by what an auth-provider's `config` says."""


@dataclass(frozen=True)
class Proof:
    """What shows who we are: a header's value, and a client certificate with its key, as PEM. Never in a message."""

    header: str = field(default="", repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    expires: float | None = None

    @property
    def has_expired(self) -> bool:
        """Whether its giver has said so."""
        return self.expires is not None and time.time() >= self.expires


def prove(user: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str], refresh: Refresh) -> Proof:
    """What the entry `user` of a kubeconfig comes to, read and asked for now."""
    certificate = pem(user, "client-certificate")
    key = pem(user, "client-key")
    header = ""
    if user.get("tokenFile"):  # which counts more than a token beside it: it is the one that is renewed
        header = f"Bearer {_read(str(user['tokenFile']), 'the token').decode('utf-8', 'replace').strip()}"
    elif user.get("token"):
        header = f"Bearer {str(user['token']).strip()}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        header = f"Basic {base64.b64encode(pair).decode()}"
    elif isinstance(user.get("exec"), dict):
        from sjs.targets.kubernetes import plugin

        return plugin.ask(user["exec"], cluster, environ, Proof("", certificate, key))
    elif isinstance(user.get("auth-provider"), dict):
        header = f"Bearer {_from_provider(user['auth-provider'], refresh)}"
    _check_line(header, "the token")
    return Proof(header, certificate, key)


def impersonation(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headers by which somebody acts as somebody else (`as`, as kubectl has it)."""
    groups, extra, uid = user.get("as-groups") or (), user.get("as-user-extra") or {}, user.get("as-uid")
    if not user.get("as"):
        if groups or extra or uid:
            raise ConfigError("the kubeconfig has as-groups, as-uid or as-user-extra without `as`", "say as whom")
        return []
    found = [("Impersonate-User", str(user["as"]))]
    found += [("Impersonate-Uid", str(uid))] if uid else []
    found += [("Impersonate-Group", str(one)) for one in groups]
    for name, values in extra.items():
        found += [(f"Impersonate-Extra-{quote(str(name), safe=_IN_NAMES)}", str(one)) for one in values or ()]
    for name, value in found:
        _check_line(value, name)
    return [(name, value.encode().decode("latin-1")) for name, value in found]  # as bytes, they are UTF-8


_IN_NAMES = "!#$&'*+-.^_`|~"
"""What names of headers may have besides letters and digits."""


def _check_line(value: str, what: str) -> None:
    if "\n" in value or "\r" in value:
        raise ConfigError(f"{what} of the kubeconfig is more than one line")


def pem(said: Mapping[str, Any], key: str) -> bytes:
    """What stands there itself counts more than the file that is named."""
    if said.get(f"{key}-data"):
        try:
            return base64.b64decode(str(said[f"{key}-data"]), validate=False)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{key}-data of the kubeconfig is no base64") from None
    return _read(str(said[key]), key) if said.get(key) else b""


def authority(cluster: Mapping[str, Any]) -> bytes:
    """Whose signature on the server's certificate counts, as PEM; nothing where it is who this machine trusts."""
    return pem(cluster, "certificate-authority")


def _read(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as source:
            return source.read()
    except OSError as error:
        raise ConfigError(f"{path}: {what} cannot be read: {error.strerror}") from None


def _from_provider(said: Mapping[str, Any], refresh: Refresh) -> str:
    """OIDC as kubectl had it before plugins; others are gone from kubectl, too."""
    if said.get("name") != "oidc":
        raise ConfigError(f"the kubeconfig's auth-provider {said.get('name')} is no more", "use its exec plugin")
    config = said.get("config") or {}
    token = token_of(config)
    if token:
        return token
    if not config.get("refresh-token"):
        raise UsageError("the kubeconfig's OIDC token has expired, and there is none to refresh it", "log in again")
    return refresh(config)


def token_of(config: Mapping[str, Any]) -> str:
    """The ID token of an auth-provider's `config`, if there is one that has not expired."""
    token = str(config.get("id-token") or "")
    return "" if _has_expired(token) else token


def _has_expired(token: str) -> bool:
    """Whether it says so itself; one that does not say is tried."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"]) < time.time() + 10
    except (ValueError, LookupError, TypeError):
        return False
