"""What a pod is told of itself: fields of its own, by their paths, and the environment of its containers."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.kube import quantities
from tests.kube.kinds import CONFIGMAPS, SECRETS, Resource
from tests.kube.status import Obj
from tests.kube.store import Store


class NotConfigured(Exception):
    """A container's environment names what is not there; the message is what the kubelet tells of it."""


def field_text(pod: Obj, path: str) -> str:
    """`metadata.labels['a']`, `spec.nodeName` and their like."""
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        texts = pod["metadata"].get(path.split(".")[1]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(texts.items()))
    known = {"status.podIP": "127.0.0.1", "status.podIPs": "127.0.0.1", "status.hostIP": "127.0.0.1"}
    if path in known:
        return known[path]
    value: object = pod
    for key in path.split("."):
        value = value.get(key, "") if isinstance(value, dict) else ""
    return str(value)


def environment(
    store: Store, contents: Callable[[Obj], dict[str, bytes]], pod: Obj, container: Obj, base: dict[str, str]
) -> dict[str, str]:
    """The variables of a container, with `$(NAME)` in them put in."""
    told: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        for key, kind in (("configMapRef", CONFIGMAPS), ("secretRef", SECRETS)):
            if key in source:
                data = _data(store, contents, kind, pod, source[key])
                told |= {source.get("prefix", "") + name: value.decode() for name, value in data.items()}
    for one in container.get("env", ()):
        if "valueFrom" in one:
            text = _from(store, contents, pod, container, one["valueFrom"])
            if text is not None:
                told[one["name"]] = text
        else:
            told[one["name"]] = expanded(one.get("value", ""), {**base, **told})
    return {**base, **told}


def expanded(text: str, known: dict[str, str]) -> str:
    """`$(NAME)` is the variable's value, if there is one; `$$(NAME)` is `$(NAME)`."""

    def put(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]+)\)", put, text)


def _from(
    store: Store, contents: Callable[[Obj], dict[str, bytes]], pod: Obj, container: Obj, source: Obj
) -> str | None:
    if "fieldRef" in source:
        return field_text(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        group, _, name = source["resourceFieldRef"]["resource"].partition(".")
        amount = quantities.amount(container["resources"].get(group, {}).get(name, "0"))
        return str(-(-amount.numerator // amount.denominator))
    for key, kind in (("configMapKeyRef", CONFIGMAPS), ("secretKeyRef", SECRETS)):
        if key in source:
            data = _data(store, contents, kind, pod, source[key])
            wanted = source[key]["key"]
            if wanted not in data and not source[key].get("optional"):
                raise NotConfigured(f"couldn't find key {wanted} in {kind.kind} {_where(pod, source[key])}")
            return data[wanted].decode() if wanted in data else None
    return ""


def _data(
    store: Store, contents: Callable[[Obj], dict[str, bytes]], kind: Resource, pod: Obj, source: Obj
) -> dict[str, bytes]:
    found = store.get(kind, pod["metadata"]["namespace"], source["name"])
    if found is None and not source.get("optional"):
        raise NotConfigured(f'{kind.kind.lower()} "{source["name"]}" not found')
    return contents(found) if found else {}


def _where(pod: Obj, source: Obj) -> str:
    return f"{pod['metadata']['namespace']}/{source['name']}"
