"""The garbage collector: what becomes of objects whose owner is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.kube import deleting
from tests.kube.kinds import Resource, by_kind
from tests.kube.status import Obj
from tests.kube.store import Change, Store
from tests.kube.worker import Task


@dataclass
class Collector:
    """Deletes what belongs to nobody any more, and lets owners go that wait for that."""

    store: Store

    def tasks(self, change: Change) -> Iterable[Task]:
        meta = change.obj["metadata"]
        found = [(change.resource, meta.get("namespace", ""), meta["name"])]
        if change.type == "DELETED":
            found += [_task(resource, obj) for resource, obj in self._dependents(change.obj)]
            owners = [self.store.by_uid(owner["uid"]) for owner in meta.get("ownerReferences", ())]
            found += [_task(known, obj) for obj in owners if obj and (known := by_kind(obj["kind"]))]
        return found if _concerned(change) else []

    def sync(self, task: Task) -> float | None:
        resource, namespace, name = task
        obj = self.store.get(resource, namespace, name)
        if obj is None:
            return None
        finalizers = obj["metadata"].get("finalizers", ())
        if "deletionTimestamp" in obj["metadata"] and deleting.ORPHAN in finalizers:
            self._orphan(resource, obj)
        elif "deletionTimestamp" in obj["metadata"] and deleting.FOREGROUND in finalizers:
            self._before_its_owner(resource, obj)
        elif self._belongs_to_nobody(obj):
            deleting.delete(self.store, resource, obj, {"propagationPolicy": "Background"})
        return None

    def _dependents(self, obj: Obj) -> list[tuple[Resource, Obj]]:
        return self.store.owned(obj["metadata"]["uid"])

    def _belongs_to_nobody(self, obj: Obj) -> bool:
        owners = obj["metadata"].get("ownerReferences") or []
        gone = [owner for owner in owners if self.store.by_uid(owner["uid"]) is None]
        return bool(owners) and len(gone) == len(owners) and "deletionTimestamp" not in obj["metadata"]

    def _orphan(self, resource: Resource, obj: Obj) -> None:
        uid = obj["metadata"]["uid"]
        for kind, one in self._dependents(obj):
            rest = [owner for owner in one["metadata"]["ownerReferences"] if owner["uid"] != uid]
            meta = {**one["metadata"], "ownerReferences": rest}
            if not rest:
                del meta["ownerReferences"]
            deleting.put(self.store, kind, {**one, "metadata": meta})
        self._let_go(resource, obj, deleting.ORPHAN)

    def _before_its_owner(self, resource: Resource, obj: Obj) -> None:
        uid, blocking = obj["metadata"]["uid"], False
        for kind, one in self._dependents(obj):
            owner = next(owner for owner in one["metadata"]["ownerReferences"] if owner["uid"] == uid)
            if "deletionTimestamp" not in one["metadata"]:
                gone = deleting.delete(self.store, kind, one, {"propagationPolicy": "Background"})[1]
                blocking |= bool(owner.get("blockOwnerDeletion")) and not gone
            else:
                blocking |= bool(owner.get("blockOwnerDeletion"))
        if not blocking:
            self._let_go(resource, obj, deleting.FOREGROUND)

    def _let_go(self, resource: Resource, obj: Obj, finalizer: str) -> None:
        rest = [one for one in obj["metadata"]["finalizers"] if one != finalizer]
        deleting.put(self.store, resource, {**obj, "metadata": {**obj["metadata"], "finalizers": rest}})


def _task(resource: Resource, obj: Obj) -> Task:
    return resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _concerned(change: Change) -> bool:
    """Only deletions, and new owners, give the collector anything to do."""
    meta = change.obj["metadata"]
    before = (change.before or {"metadata": {}})["metadata"]
    if change.type == "DELETED" or ("deletionTimestamp" in meta and "deletionTimestamp" not in before):
        return True
    return bool(meta.get("ownerReferences")) and meta.get("ownerReferences") != before.get("ownerReferences")
