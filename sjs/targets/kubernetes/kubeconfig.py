"""Where a cluster is and who we are there: kubeconfig files as kubectl reads them, and what every pod is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sjs.errors import ConfigError
from sjs.values import dataclass, field

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
DEFAULT_NAMESPACE = "default"

MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Access:
    """One cluster as one user, as files have them, with paths made whole. `user_file`: which of them has the user."""

    server: str
    namespace: str
    user: Mapping[str, Any] = field(repr=False)
    cluster: Mapping[str, Any]
    source: str
    context: str = ""
    user_file: str = ""

    @property
    def insecure(self) -> bool:
        """Whether anybody is believed to be that cluster."""
        return self.cluster.get("insecure-skip-tls-verify") is True


def finder(
    environ: Mapping[str, str], path: str = "", context: str = "", in_cluster: bool = False
) -> Callable[[], Access]:
    """Loads it whenever it is called: always the context that it was at first, whatever is the current one by then."""
    chosen = context

    def find() -> Access:
        nonlocal chosen
        found = load(environ, path, chosen, in_cluster)
        chosen = found.context
        return found

    return find


def load(environ: Mapping[str, str], path: str = "", context: str = "", in_cluster: bool = False) -> Access:
    """What the named file says, else those of $KUBECONFIG, else ~/.kube/config, else what this pod was given."""
    if in_cluster:
        return from_pod(environ)
    paths = [path] if path else [one for one in environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    if not paths:
        usual = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".kube", "config")
        if not os.path.exists(usual) and environ.get("KUBERNETES_SERVICE_HOST") and not context:
            return from_pod(environ)
        paths = [usual]
    found = [one for one in ((where, _document(where)) for where in paths) if one[1] is not None or len(paths) == 1]
    documents = [(where, document) for where, document in found if document is not None]
    if not documents:
        raise ConfigError(f"{paths[0]}: no such file", "kubeconfig: in the entry, or $KUBECONFIG, says where it is")
    return _chosen(documents, context)


def from_pod(environ: Mapping[str, str], account: str = SERVICE_ACCOUNT) -> Access:
    """The cluster in which this runs, as this pod's service account."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    token = os.path.join(account, "token")
    if not host or not os.path.exists(token):
        raise ConfigError("in_cluster: this is no pod with a service account", "name a kubeconfig instead")
    try:
        with open(os.path.join(account, "namespace"), encoding="utf-8") as source:
            namespace = source.read().strip()
    except FileNotFoundError:
        namespace = DEFAULT_NAMESPACE
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    cluster = {"server": server, "certificate-authority": os.path.join(account, "ca.crt")}
    return Access(server, namespace, {"tokenFile": token}, cluster, "this pod's service account")


def _document(path: str) -> Mapping[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as source:
            text = source.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return document(text, path)


def document(text: str, path: str) -> Mapping[str, Any]:
    """What the text of a kubeconfig says."""
    import yaml

    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: is no YAML") from None  # what it says there may be a secret
    if not isinstance(found or {}, dict):
        raise ConfigError(f"{path}: is no kubeconfig")
    return found or {}


def _chosen(documents: Sequence[tuple[str, Mapping[str, Any]]], context: str) -> Access:
    """Of several files, the first that says something about a name counts for it."""
    current = context or next((str(one["current-context"]) for _, one in documents if one.get("current-context")), "")
    source = documents[0][0]
    if not current:
        raise ConfigError(f"{source}: names no current-context", "context: in the entry says which is meant")
    said, _ = _named(documents, "contexts", "context", current, source)
    cluster, where = _named(documents, "clusters", "cluster", str(said.get("cluster", "")), source)
    user: Mapping[str, Any] = {}
    there = ""
    if said.get("user"):
        user, there = _named(documents, "users", "user", str(said["user"]), source)
        _check_shape(user, there)
        user = _with_paths(user, ("client-certificate", "client-key", "tokenFile"), there)
        plugin = user.get("exec")
        if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
            user = {**user, "exec": _with_paths(plugin, ("command",), there)}
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith(("http://", "https://")):
        raise ConfigError(f"{where}: the cluster of context {current} has no server")
    cluster = _with_paths(cluster, ("certificate-authority",), where)
    namespace = str(said.get("namespace") or DEFAULT_NAMESPACE)
    return Access(server.rstrip("/"), namespace, user, cluster, source, current, there)


def _check_shape(user: Mapping[str, Any], path: str) -> None:
    """Refuse what is not as kubectl has it: who is nobody by mistake would go on as nobody."""
    plugin, provider, extra = (user.get(key) or {} for key in ("exec", "auth-provider", "as-user-extra"))
    objects = {"exec": plugin, "auth-provider": provider, "as-user-extra": extra}
    if isinstance(provider, dict):
        objects["config of the auth-provider"] = provider.get("config") or {}
    lists = {"as-groups": user.get("as-groups") or []}
    if isinstance(plugin, dict):
        lists |= {f"{key} of the exec plugin": plugin.get(key) or [] for key in ("args", "env")}
    if isinstance(extra, dict):
        lists |= {f"{key} of as-user-extra": values or [] for key, values in extra.items()}
    wrong = [f"{key} is no object" for key, value in objects.items() if not isinstance(value, dict)]
    wrong += [f"{key} is no list" for key, value in lists.items() if not isinstance(value, list)]
    if wrong:
        raise ConfigError(f"{path}: {wrong[0]}", "see `kubectl config view`")


def _named(
    documents: Sequence[tuple[str, Mapping[str, Any]]], kind: str, what: str, name: str, source: str
) -> tuple[Mapping[str, Any], str]:
    for path, document in documents:
        for one in document.get(kind) or ():
            if isinstance(one, dict) and str(one.get("name")) == name:
                found = one.get(what) or {}
                if isinstance(found, dict):
                    return found, path
    known = [str(one.get("name")) for _, said in documents for one in said.get(kind) or () if isinstance(one, dict)]
    raise ConfigError(f"{source}: has no {what} {name!r}", f"it has {', '.join(known) or 'none'}")


def _with_paths(found: Mapping[str, Any], keys: Sequence[str], path: str) -> Mapping[str, Any]:
    """A relative path starts where the file lies."""
    folder = os.path.dirname(os.path.abspath(path))
    return {**found, **{key: os.path.join(folder, str(found[key])) for key in keys if found.get(key)}}
