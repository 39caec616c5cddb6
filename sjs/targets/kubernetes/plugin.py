"""Credentials of a program: the exec plugin of a kubeconfig, run as client-go runs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from sjs.errors import ConfigError, UsageError
from sjs.targets.kubernetes.credentials import Proof, authority

VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1"))
MODES = ("Never", "IfAvailable", "Always")

PATIENCE = 120.0
"""Seconds that a plugin gets, …"""

PATIENCE_OF_PEOPLE = 600.0
"""… and one that can ask somebody, who may have to look for a telephone."""

EXTENSION = "client.authentication.k8s.io/exec"
"""Under which name a cluster has what is for plugins alone."""

_OF_CLUSTER = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
_AGAIN = "log in as its maker says, then try again"
_one_at_a_time = threading.Lock()


def ask(said: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str], usual: Proof) -> Proof:
    """What the plugin answers. `usual`: what else the kubeconfig has of this user."""
    version, command = said.get("apiVersion"), str(said.get("command", ""))
    if version not in VERSIONS or not command:
        raise ConfigError(f"the kubeconfig's exec plugin speaks {version}", f"known are {', '.join(VERSIONS)}")
    interactive = _may_ask(said, command)
    spec: dict[str, Any] = {"interactive": interactive}
    if said.get("provideClusterInfo"):
        spec["cluster"] = told_of(cluster)
    asked = {"kind": "ExecCredential", "apiVersion": version, "spec": spec}
    more = {str(one.get("name")): str(one.get("value", "")) for one in said.get("env") or () if isinstance(one, dict)}
    env = {**environ, **more, "KUBERNETES_EXEC_INFO": json.dumps(asked, default=str)}
    return _read(_run(said, command, env, interactive), os.path.basename(command), usual)


def told_of(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """What a plugin that wants to know it hears of its cluster."""
    told = {key: cluster[key] for key in _OF_CLUSTER if key in cluster}
    if authority(cluster):
        told["certificate-authority-data"] = base64.b64encode(authority(cluster)).decode()
    for one in cluster.get("extensions") or ():
        if isinstance(one, dict) and one.get("name") == EXTENSION:
            told["config"] = one.get("extension")
    return told


def _may_ask(said: Mapping[str, Any], command: str) -> bool:
    """Whether it is given our terminal, to ask who sits there."""
    mode = said.get("interactiveMode") or "IfAvailable"
    if mode not in MODES:
        raise ConfigError(
            f"interactiveMode of the exec plugin {command} is {mode!r:.40}", f"known are {', '.join(MODES)}"
        )
    is_there = os.isatty(0)
    if mode == "Always" and not is_there:
        raise UsageError(
            f"the kubeconfig's exec plugin {command} has to ask somebody, and stdin is no terminal",
            "log in with it at one, if it keeps that",
        )
    return is_there and mode != "Never"


def _run(said: Mapping[str, Any], command: str, env: Mapping[str, str], interactive: bool) -> bytes:
    """What it prints. What it says besides is for who sits there: a code to be typed, an address to be opened."""
    is_seen = os.isatty(2)
    patience = PATIENCE_OF_PEOPLE if interactive or is_seen else PATIENCE
    try:
        with _one_at_a_time:
            ran = subprocess.run(
                [command, *(str(one) for one in said.get("args") or ())],
                env=dict(env),
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if is_seen else subprocess.PIPE,
                timeout=patience,
                check=False,
            )
    except FileNotFoundError:
        hint = " ".join(str(said.get("installHint") or "").split())
        raise UsageError(f"the kubeconfig's exec plugin {command} is not installed", hint) from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = f"no answer in {patience:.0f} seconds" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        raise UsageError(f"the kubeconfig's exec plugin {command} failed: {why}", _AGAIN) from None
    if ran.returncode:
        last = (ran.stderr or b"").decode("utf-8", "replace").strip().splitlines()[-1:]
        how = f"exit status {ran.returncode}" if ran.returncode > 0 else f"signal {-ran.returncode}"
        why = f"{how}{f': {last[0]:.200}' if last else ''}"
        raise UsageError(f"the kubeconfig's exec plugin {os.path.basename(command)} failed: {why}", _AGAIN)
    return ran.stdout


def _read(printed: bytes, name: str, usual: Proof) -> Proof:
    try:
        status = json.loads(printed)["status"]
        token = str(status.get("token") or "")
        certificate = str(status.get("clientCertificateData") or "").encode()
        key = str(status.get("clientKeyData") or "").encode()
        expires = _moment(status.get("expirationTimestamp"))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UsageError(f"the kubeconfig's exec plugin {name} answered no credential", _AGAIN) from None
    if not token and not certificate:
        raise UsageError(f"the kubeconfig's exec plugin {name} gave neither token nor certificate", _AGAIN)
    if bool(certificate) != bool(key):
        raise UsageError(f"the kubeconfig's exec plugin {name} gave a certificate and no key, or a key alone", _AGAIN)
    header = f"Bearer {token.strip()}" if token else ""
    return Proof(header, certificate or usual.certificate, key or usual.key, expires)


def _moment(text: object) -> float | None:
    from datetime import datetime, timezone

    if not text:
        return None
    found = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
