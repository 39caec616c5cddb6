"""Files by which a client finds a cluster and says who it is."""

from __future__ import annotations

import base64
import json
import stat
import sys
from pathlib import Path
from typing import Any

from tests.kube.certificates import Authority

EXEC = """#!{python}
import json, pathlib
count = pathlib.Path({calls!r})
with count.open("a") as file:
    file.write("called\\n")
token = pathlib.Path({token!r}).read_text().strip()
status = {{"token": token}}
expires = pathlib.Path({expires!r})
if expires.exists():
    status["expirationTimestamp"] = expires.read_text().strip()
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


def _write(folder: Path, url: str, authority: Authority, user: str, namespace: str, who: dict[str, Any]) -> Path:
    ca = base64.b64encode(authority.ca_file.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority-data": ca}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}],
        "users": [{"name": user, "user": who}],
    }
    path = folder / f"kubeconfig-{user}"
    path.write_text(json.dumps(config, indent=1))
    path.chmod(0o600)
    return path


def by_token(folder: Path, url: str, authority: Authority, user: str, token: str, namespace: str) -> Path:
    return _write(folder, url, authority, user, namespace, {"token": token})


def by_certificate(folder: Path, url: str, authority: Authority, user: str, namespace: str) -> Path:
    certificate, key = authority.signed(user)
    return _write(
        folder, url, authority, user, namespace, {"client-certificate": str(certificate), "client-key": str(key)}
    )


def by_plugin(folder: Path, url: str, authority: Authority, user: str, token: str, namespace: str) -> Path:
    """A plugin that prints the token in `USER.token` and the time in `USER.expires`; calls are in `USER.calls`."""
    files = {name: str(folder / f"{user}.{name}") for name in ("token", "expires", "calls")}
    Path(files["token"]).write_text(token)
    Path(files["calls"]).touch()
    script = folder / f"{user}.plugin"
    script.write_text(EXEC.format(python=sys.executable, **files))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(script),
        "args": ["--for", "tests"],
        "env": [{"name": "TEST_PLUGIN", "value": "yes"}],
        "interactiveMode": "Never",
    }
    return _write(folder, url, authority, user, namespace, {"exec": plugin})


def in_cluster(folder: Path, authority: Authority, token: str, namespace: str) -> Path:
    """What a pod finds at /var/run/secrets/kubernetes.io/serviceaccount, in a folder of choice."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(authority.ca_file.read_bytes())
    (folder / "namespace").write_text(namespace)
    (folder / "token").write_text(token)
    return folder
