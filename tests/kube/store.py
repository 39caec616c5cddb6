"""All objects and what has happened to them lately. An object is never changed in place: a change is another object."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from tests.kube.bell import Bell
from tests.kube.kinds import Resource
from tests.kube.status import Obj, already_exists

Key = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """One step of an object: what it is now (or last was), and what it was before."""

    version: int
    type: str
    resource: Resource
    obj: Obj
    before: Obj | None


def key_of(obj: Obj) -> Key:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


class Store:
    """Objects by kind and name, with one count for all their versions. Callers that look and then act hold `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 200
        self.bell = Bell()
        self.subscribers: list[Callable[[Change], None]] = []
        self.floor = self.version
        self.log: list[Change] = []
        self.pages: dict[tuple[Resource, str, int], list[Obj]] = {}
        self._objects: dict[Resource, dict[Key, Obj]] = defaultdict(dict)
        self._by_uid: dict[str, tuple[Resource, Key]] = {}
        self._owned: dict[str, dict[tuple[Resource, Key], None]] = defaultdict(dict)

    def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        with self.lock:
            return self._objects[resource].get((namespace, name))

    def all(self, resource: Resource, namespace: str = "") -> list[Obj]:
        """In the order of their keys, as etcd has them."""
        with self.lock:
            found = self._objects[resource].items()
            return [obj for key, obj in sorted(found) if not namespace or key[0] == namespace]

    def by_uid(self, uid: str) -> Obj | None:
        with self.lock:
            resource, key = self._by_uid.get(uid, (None, None))
            return self._objects[resource].get(key) if resource and key else None

    def owned(self, uid: str) -> list[tuple[Resource, Obj]]:
        """What names this object as an owner, the oldest first."""
        with self.lock:
            return [(resource, self._objects[resource][key]) for resource, key in self._owned.get(uid, ())]

    def kinds(self) -> list[Resource]:
        return list(self._objects)

    def create(self, resource: Resource, obj: Obj) -> Obj:
        with self.lock:
            key = key_of(obj)
            known = self._objects[resource].get(key)
            if known is not None:
                raise already_exists(resource, key[1], "deletionTimestamp" in known["metadata"])
            self._by_uid[obj["metadata"]["uid"]] = (resource, key)
            return self._put("ADDED", resource, obj, None)

    def replace(self, resource: Resource, obj: Obj) -> Obj:
        """The object from now on. One that says nothing new leaves its version as it is."""
        with self.lock:
            before = self._objects[resource][key_of(obj)]
            version = before["metadata"]["resourceVersion"]
            if {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}} == before:
                return before
            return self._put("MODIFIED", resource, obj, before)

    def remove(self, resource: Resource, obj: Obj) -> Obj:
        with self.lock:
            before = self._objects[resource].pop(key_of(obj))
            self._by_uid.pop(before["metadata"]["uid"], None)
            self._reown(resource, before, {})
            return self._announce("DELETED", resource, self._next(obj), before)

    def compact(self) -> None:
        """Forget what has happened: who asks for changes since then, or for the rest of a page, has come too late."""
        with self.lock:
            self.floor, self.log = self.version, []
            self.pages.clear()

    def _next(self, obj: Obj) -> Obj:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _put(self, type_: str, resource: Resource, obj: Obj, before: Obj | None) -> Obj:
        obj = self._next(obj)
        self._objects[resource][key_of(obj)] = obj
        self._reown(resource, before or {}, obj)
        return self._announce(type_, resource, obj, before)

    def _reown(self, resource: Resource, before: Obj, after: Obj) -> None:
        old, new = _owners(before), _owners(after)
        if old == new:
            return
        place = resource, key_of(after or before)
        for uid in old:
            self._owned[uid].pop(place, None)
        for uid in new:
            self._owned[uid][place] = None

    def _announce(self, type_: str, resource: Resource, obj: Obj, before: Obj | None) -> Obj:
        change = Change(self.version, type_, resource, obj, before)
        self.log.append(change)
        for tell in self.subscribers:
            tell(change)
        self.bell.ring()
        return obj


def _owners(obj: Obj) -> list[str]:
    return [owner["uid"] for owner in (obj.get("metadata") or {}).get("ownerReferences") or ()]
