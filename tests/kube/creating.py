"""New objects: filled in, checked, admitted, kept."""

from __future__ import annotations

from collections.abc import Callable

from tests.kube import checks, defaults
from tests.kube.kinds import JOBS, NAMESPACES, PODS, PRIORITIES, Resource
from tests.kube.making import born, tail
from tests.kube.status import Obj, Refused, forbidden, invalid, not_found
from tests.kube.store import Store

Admission = Callable[[Resource, Obj], None]
SPECIFIED = ("Job", "Pod", "ResourceQuota")
"""Kinds that count the generations of their spec."""


def create(store: Store, resource: Resource, obj: Obj, namespace: str, admit: Admission, dry: bool = False) -> Obj:
    """The object as it is kept; with `dry`, as it would be."""
    with store.lock:
        if namespace and store.get(NAMESPACES, "", namespace) is None:
            raise not_found(NAMESPACES, namespace)
        if namespace and (store.get(NAMESPACES, "", namespace) or {})["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource, (obj.get("metadata") or {}).get("name", ""), why)
        made = _made(store, resource, obj, namespace)
        causes = checks.checked(resource, made)
        if causes:
            raise invalid(resource, made["metadata"]["name"], causes)
        admit(resource, made)
        if dry:
            return made
        return store.create(resource, made)


def _made(store: Store, resource: Resource, obj: Obj, namespace: str) -> Obj:
    made = {"kind": resource.kind, "apiVersion": resource.api_version, **born(obj, namespace)}
    if resource.kind in SPECIFIED:
        made["metadata"]["generation"] = 1
    if resource == PODS:
        return defaults.pod(made, _priority(store, made), tail())
    made = defaults.filled(resource, made)
    return {**defaults.claimed(made), "status": {}} if resource == JOBS else made


def _priority(store: Store, pod: Obj) -> int:
    name = (pod.get("spec") or {}).get("priorityClassName")
    if not name:
        return 0
    found = store.get(PRIORITIES, "", name)
    if found is None:
        raise _no_priority(pod, name)
    return int(found["value"])


def _no_priority(pod: Obj, name: str) -> Refused:
    return forbidden(PODS, pod["metadata"]["name"], f"no PriorityClass with name {name} was found")
