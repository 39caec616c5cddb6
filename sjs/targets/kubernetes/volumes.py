"""Volumes as they are typed: `pvc:NAME:/path`, `hostpath:/there:/path`, `nfs:SERVER:/export:/path`,
`configmap:NAME:/path`, `secret:NAME:/path`; with `:ro` behind it, only to be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sjs.errors import BadRequest

Source = Mapping[str, Any]

_FORMS: Mapping[str, tuple[int, Callable[[Sequence[str], bool], Source]]] = {
    "pvc": (
        1,
        lambda said, ro: {"persistentVolumeClaim": {"claimName": said[0], **({"readOnly": True} if ro else {})}},
    ),
    "hostpath": (1, lambda said, ro: {"hostPath": {"path": said[0]}}),
    "nfs": (2, lambda said, ro: {"nfs": {"server": said[0], "path": said[1], **({"readOnly": True} if ro else {})}}),
    "configmap": (1, lambda said, ro: {"configMap": {"name": said[0]}}),
    "secret": (1, lambda said, ro: {"secret": {"secretName": said[0]}}),
}
"""How many words stand between the kind and the path, and what they come to."""

FORMS = "pvc:NAME:/path, hostpath:/there:/path, nfs:SERVER:/export:/path, configmap:NAME:/path, secret:NAME:/path"


def parse(text: str) -> tuple[Source, Mapping[str, Any]]:
    """What is mounted, and where; neither has a name yet."""
    kind, *words = text.split(":")
    read_only = words[-1:] == ["ro"]
    said = words[:-1] if read_only else words
    count, source = _FORMS.get(kind.lower(), (0, None))
    if source is None or len(said) != count + 1 or not all(said):
        raise BadRequest(f"'{text}' is no volume", f"write it as {FORMS}; with :ro behind it, it is only read")
    if not said[-1].startswith("/"):
        raise BadRequest(f"volume '{text}': {said[-1]} is no absolute path in the container")
    return source(said[:-1], read_only), {"mountPath": said[-1], **({"readOnly": True} if read_only else {})}


def mounted(texts: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The volumes of a pod, and the mounts of its container."""
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for number, text in enumerate(dict.fromkeys(texts)):
        source, mount = parse(text)
        volumes.append({"name": f"volume-{number}", **source})
        mounts.append({"name": f"volume-{number}", **mount})
    return volumes, mounts
