"""Who we are to a cluster: what goes with a request, and where it comes from anew when the cluster takes it no more."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from sjs.errors import ConfigError, UsageError
from sjs.values import dataclass, field

VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1"))

PATIENCE = 120.0
"""Seconds that a plugin gets; it may ask somebody, in a browser."""

Refresh = Callable[[Mapping[str, Any]], str]
"""Gets a new ID token by what an auth-provider's `config` says."""


@dataclass(frozen=True)
class Proof:
    """What shows who we are: a header's value, and a client certificate with its key, as PEM. Never in a message."""

    header: str = field(default="", repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)


def prove(user: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str], refresh: Refresh) -> Proof:
    """What the entry `user` of a kubeconfig comes to, read and asked for now."""
    certificate = pem(user, "client-certificate")
    key = pem(user, "client-key")
    header = ""
    if user.get("token"):
        header = f"Bearer {str(user['token']).strip()}"
    elif user.get("tokenFile"):
        header = f"Bearer {_read(str(user['tokenFile']), 'the token').decode('utf-8', 'replace').strip()}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        header = f"Basic {base64.b64encode(pair).decode()}"
    elif isinstance(user.get("exec"), dict):
        return _from_plugin(user["exec"], cluster, environ, Proof("", certificate, key))
    elif isinstance(user.get("auth-provider"), dict):
        header = f"Bearer {_from_provider(user['auth-provider'], refresh)}"
    if "\n" in header or "\r" in header:
        raise ConfigError("the token of the kubeconfig is more than one line")
    return Proof(header, certificate, key)


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


def _from_plugin(
    said: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str], usual: Proof
) -> Proof:
    """What the credential plugin answers, as the protocol of client-go has it."""
    version = said.get("apiVersion")
    command = str(said.get("command", ""))
    if version not in VERSIONS or not command:
        raise ConfigError(f"the kubeconfig's exec plugin speaks {version}", f"known are {', '.join(VERSIONS)}")
    spec: dict[str, Any] = {"interactive": False}
    if said.get("provideClusterInfo"):
        told = {key: value for key, value in cluster.items() if key not in ("certificate-authority", "extensions")}
        spec["cluster"] = told
        if authority(cluster):
            spec["cluster"]["certificate-authority-data"] = base64.b64encode(authority(cluster)).decode()
    asked = {"kind": "ExecCredential", "apiVersion": version, "spec": spec}
    more = {str(one.get("name")): str(one.get("value")) for one in said.get("env") or () if isinstance(one, dict)}
    argv = [command, *(str(one) for one in said.get("args") or ())]
    try:
        ran = subprocess.run(
            argv,
            env={**environ, **more, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        hint = " ".join(str(said.get("installHint", "")).split())
        raise UsageError(f"the kubeconfig's exec plugin {command} is not installed", hint) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        why = f"no answer in {PATIENCE:.0f} seconds" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise UsageError(f"the kubeconfig's exec plugin {command} failed: {why}", _AGAIN) from None
    if ran.returncode:
        last = ran.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        why = f"exit status {ran.returncode}{f': {last[0]:.200}' if last else ''}"
        raise UsageError(f"the kubeconfig's exec plugin {os.path.basename(command)} failed: {why}", _AGAIN)
    try:
        status = json.loads(ran.stdout)["status"]
        token = str(status.get("token") or "")
        certificate = str(status.get("clientCertificateData") or "").encode()
        key = str(status.get("clientKeyData") or "").encode()
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UsageError(f"the kubeconfig's exec plugin {os.path.basename(command)} answered no credential") from None
    if not token and not certificate:
        raise UsageError(f"the kubeconfig's exec plugin {os.path.basename(command)} gave neither token nor certificate")
    return Proof(f"Bearer {token}" if token else "", certificate or usual.certificate, key or usual.key)


_AGAIN = "log in as its maker says, then try again"


def _from_provider(said: Mapping[str, Any], refresh: Refresh) -> str:
    """OIDC as kubectl had it before plugins; others are gone from kubectl, too."""
    if said.get("name") != "oidc":
        raise ConfigError(f"the kubeconfig's auth-provider {said.get('name')} is no more", "use its exec plugin")
    config = said.get("config") or {}
    token = str(config.get("id-token") or "")
    if token and not _has_expired(token):
        return token
    if not config.get("refresh-token"):
        raise UsageError("the kubeconfig's OIDC token has expired, and there is none to refresh it", "log in again")
    return refresh(config)


def _has_expired(token: str) -> bool:
    """Whether it says so itself; one that does not say is tried."""
    import time

    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"]) < time.time() + 10
    except (ValueError, LookupError, TypeError):
        return False
