"""Deletion: at once, or when its finalizers, its dependents or its node have had their time."""

from __future__ import annotations

import time

from tests.kube.kinds import JOBS, PODS, Resource
from tests.kube.making import stamp
from tests.kube.status import Obj, bad_request, conflict
from tests.kube.store import Store

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
FINALIZER_OF = {"Foreground": FOREGROUND, "Orphan": ORPHAN}
KEPT = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


def policy(resource: Resource, options: Obj) -> str:
    """What is to become of dependents; Jobs of batch/v1 leave their pods behind, unless it is said otherwise."""
    said = options.get("propagationPolicy")
    if said is None and "orphanDependents" in options:
        said = "Orphan" if options["orphanDependents"] else "Background"
    if said not in (None, "Background", "Foreground", "Orphan"):
        raise bad_request(f'Invalid value: "{said}": must be one of ["Foreground" "Background" "Orphan" nil]')
    return said or ("Orphan" if resource == JOBS else "Background")


def delete(store: Store, resource: Resource, obj: Obj, options: Obj) -> tuple[Obj, bool]:
    """The object as it is then, and whether it is gone."""
    with store.lock:
        _preconditions(resource, obj, options.get("preconditions") or {})
        meta = dict(obj["metadata"])
        finalizers = [one for one in meta.get("finalizers", []) if one not in (FOREGROUND, ORPHAN)]
        wanted = FINALIZER_OF.get(policy(resource, options))
        held = meta.get("finalizers", []) if "deletionTimestamp" in meta and wanted is None else finalizers
        finalizers = [*held, wanted] if wanted else held
        grace = _grace(resource, obj, options)
        if not finalizers and not grace:
            return store.remove(resource, obj), True
        already = meta.get("deletionGracePeriodSeconds")
        if already is None or grace < already:
            meta["deletionTimestamp"] = stamp(time.time() + grace)
            meta["deletionGracePeriodSeconds"] = grace
        if already is None and "generation" in meta:
            meta["generation"] += 1
        meta["finalizers"] = finalizers
        if not finalizers:
            del meta["finalizers"]
        return store.replace(resource, {**obj, "metadata": meta}), False


def _preconditions(resource: Resource, obj: Obj, wanted: Obj) -> None:
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        has = obj["metadata"][key]
        if wanted.get(key) not in (None, has):
            why = f"Precondition failed: {word} in precondition: {wanted[key]}, {word} in object meta: {has}"
            raise conflict(resource, obj["metadata"]["name"], why)


def _grace(resource: Resource, obj: Obj, options: Obj) -> int:
    if resource != PODS:
        return 0
    ended = obj["status"].get("phase") in ("Succeeded", "Failed")
    if ended or not obj["spec"].get("nodeName"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(obj["spec"]["terminationGracePeriodSeconds"] if asked is None else asked)


def put(store: Store, resource: Resource, obj: Obj) -> Obj:
    """A changed object; the last finalizer of one that is being deleted takes it along."""
    meta = obj["metadata"]
    if "deletionTimestamp" in meta and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds"):
        return store.remove(resource, obj)
    if meta.get("finalizers") == []:
        obj = {**obj, "metadata": {key: value for key, value in meta.items() if key != "finalizers"}}
    return store.replace(resource, obj)
