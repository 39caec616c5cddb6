"""
What containers find at the paths where they mount volumes. There is no file system of their own: each path becomes a
folder below the pod's, and is written so wherever it stands in the command, the environment and mounted texts.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kube.fields import field_text
from tests.kube.kinds import CONFIGMAPS, SECRETS
from tests.kube.status import Obj
from tests.kube.store import Store

Files = dict[str, tuple[bytes, int]]
MODE = 0o644
EVERYWHERE = ("kube-root-ca.crt", "openshift-service-ca.crt")
"""ConfigMaps that a cluster puts into each namespace, and this one does not."""


class NotMounted(Exception):
    """A volume can not be had yet; the message is what the kubelet tells of it."""


@dataclass(frozen=True)
class Rooms:
    """Folders of this machine that stand for what is outside of a pod."""

    claims: Path
    shares: Path
    nodes: Path


def mounted(store: Store, rooms: Rooms, pod: Obj, container: Obj, root: Path) -> dict[str, str]:
    """Where each mount path of a container really is, with its files laid out there."""
    volumes = {one["name"]: one for one in pod["spec"].get("volumes", ())}
    mounts = container.get("volumeMounts", ())
    places = {one["mountPath"]: _place(rooms, pod, volumes[one["name"]], root / container["name"]) for one in mounts}
    found = {
        one["mountPath"]: str(
            places[one["mountPath"]] / one["subPath"] if "subPath" in one else places[one["mountPath"]]
        )
        for one in mounts
    }
    inside = rewriting(found)
    for one in mounts:
        volume = volumes[one["name"]]
        files = _files(store, pod, volume)
        if files is not None:
            _lay_out(places[one["mountPath"]], files, inside)
        else:
            places[one["mountPath"]].mkdir(parents=True, exist_ok=True)
    return found


def rewriting(places: dict[str, str]) -> Callable[[str], str]:
    """What makes the paths in a text those of this machine."""
    if not places:
        return lambda text: text
    longest_first = sorted(places, key=len, reverse=True)
    known = "|".join(re.escape(path.rstrip("/")) for path in longest_first)
    pattern = re.compile(rf"(?<![\w./-])({known})(?![\w.-])")
    plain = {path.rstrip("/"): place for path, place in places.items()}
    return lambda text: pattern.sub(lambda match: plain[match[1]], text)


def _place(rooms: Rooms, pod: Obj, volume: Obj, root: Path) -> Path:
    if "hostPath" in volume:
        return rooms.nodes.joinpath(volume["hostPath"]["path"].strip("/"))
    if "persistentVolumeClaim" in volume:
        return rooms.claims.joinpath(pod["metadata"]["namespace"], volume["persistentVolumeClaim"]["claimName"])
    if "nfs" in volume:
        return rooms.shares.joinpath(volume["nfs"]["server"], volume["nfs"]["path"].strip("/"))
    shared = root.parent if "emptyDir" in volume else root
    return shared / "volumes" / str(volume["name"])


def _files(store: Store, pod: Obj, volume: Obj) -> Files | None:
    """What a volume of texts holds; None for one that is a folder."""
    told = f'MountVolume.SetUp failed for volume "{volume["name"]}" : '
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            return _source(store, pod, kind, volume[kind], volume[kind].get("defaultMode", MODE), told)
    if "projected" not in volume:
        return None
    mode = volume["projected"].get("defaultMode", MODE)
    files: Files = {}
    for source in volume["projected"].get("sources", ()):
        for kind, what in source.items():
            files |= _source(store, pod, kind, what, mode, told)
    return files


def _source(store: Store, pod: Obj, kind: str, source: Obj, mode: int, told: str) -> Files:
    if kind == "downwardAPI":
        items = source.get("items", ())
        return {one["path"]: (field_text(pod, one["fieldRef"]["fieldPath"]).encode(), mode) for one in items}
    if kind == "serviceAccountToken":
        return {source["path"]: (b"token of a pod", mode)}
    resource = CONFIGMAPS if kind == "configMap" else SECRETS
    name = source.get("name") or source.get("secretName", "")
    if name in EVERYWHERE:
        return {}
    found = store.get(resource, pod["metadata"]["namespace"], name)
    if found is None:
        if source.get("optional"):
            return {}
        raise NotMounted(f'{told}{resource.kind.lower()} "{name}" not found')
    return _chosen(contents(found), source, mode, told)


def _chosen(data: dict[str, bytes], source: Obj, mode: int, told: str) -> Files:
    if "items" not in source:
        return {key: (value, mode) for key, value in data.items()}
    missing = [one["key"] for one in source["items"] if one["key"] not in data]
    if missing and not source.get("optional"):
        raise NotMounted(f"{told}references non-existent config key: {missing[0]}")
    kept = [one for one in source["items"] if one["key"] in data]
    return {one["path"]: (data[one["key"]], one.get("mode", mode)) for one in kept}


def contents(obj: Obj) -> dict[str, bytes]:
    """The bytes of a ConfigMap or of a Secret, by key."""
    secret = obj["kind"] == "Secret"
    coded = {**(obj.get("binaryData") or {}), **(obj.get("data") or {} if secret else {})}
    plain = {} if secret else obj.get("data") or {}
    return {key: base64.b64decode(text) for key, text in coded.items()} | {
        key: text.encode() for key, text in plain.items()
    }


def _lay_out(place: Path, files: Files, inside: Callable[[str], str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, (data, mode) in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(UnicodeDecodeError):  # what is no text has no paths in it
            data = inside(data.decode()).encode()
        if not path.exists():
            path.write_bytes(data)
        path.chmod(mode)


def cleared(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
