"""Changes of what is there: what may change, and what is counted as a change of the spec."""

from __future__ import annotations

import json
from typing import Any

from tests.kube import checks, defaults, deleting
from tests.kube.creating import SPECIFIED
from tests.kube.kinds import CONFIGMAPS, JOBS, PODS, SECRETS, Resource
from tests.kube.status import Cause, Obj, bad_request, conflict, invalid, modified
from tests.kube.store import Store

KEPT_META = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp", "generateName")
FIXED_OF_JOBS = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
PODS_MAY = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def change(store: Store, resource: Resource, before: Obj, after: Obj, sub: str, dry: bool) -> Obj:
    """What becomes of an object that a client wants otherwise, in its spec or (`sub`) in its status."""
    name = before["metadata"]["name"]
    given = after["metadata"]
    if given.get("name", name) != name:
        told = f"the name of the object ({given['name']}) does not match the name on the URL ({name})"
        raise bad_request(told)
    if given.get("resourceVersion") not in (None, "", before["metadata"]["resourceVersion"]):
        raise modified(resource, name)
    if given.get("uid") not in (None, before["metadata"]["uid"]):
        why = (
            f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {before['metadata']['uid']}"
        )
        raise conflict(resource, name, why)
    made = _only_status(before, after) if sub == "status" else _all_but_status(resource, before, after)
    causes = _fixed(resource, before, made) + (checks.checked(resource, made) if sub != "status" else [])
    if causes:
        raise invalid(resource, name, causes)
    return made if dry else deleting.put(store, resource, made)


def _only_status(before: Obj, after: Obj) -> Obj:
    return {**before, "status": after.get("status") or {}}


def _all_but_status(resource: Resource, before: Obj, after: Obj) -> Obj:
    old = before["metadata"]
    meta = {key: value for key, value in after["metadata"].items() if key not in KEPT_META and key != "managedFields"}
    meta = {**{key: old[key] for key in KEPT_META if key in old}, **meta, "resourceVersion": old["resourceVersion"]}
    if "deletionGracePeriodSeconds" in old:
        meta["deletionGracePeriodSeconds"] = old["deletionGracePeriodSeconds"]
    made = {**after, "kind": before["kind"], "apiVersion": before["apiVersion"], "metadata": meta}
    if "status" in before:
        made["status"] = before["status"]
    if resource == JOBS:
        made = defaults.job(made)
    elif resource == SECRETS:
        made = defaults.filled(resource, made)
    if resource.kind in SPECIFIED and made.get("spec") != before.get("spec"):
        meta["generation"] = old["generation"] + 1
    return made


def _fixed(resource: Resource, before: Obj, after: Obj) -> list[Cause]:
    if resource == JOBS:
        return _fixed_of_job(before, after)
    if resource == PODS:
        return _fixed_of_pod(before, after)
    if resource in (CONFIGMAPS, SECRETS) and before.get("immutable"):
        same = all(before.get(key) == after.get(key) for key in ("data", "binaryData", "immutable"))
        told = "Forbidden: field is immutable when `immutable` is set"
        return [] if same else [Cause("FieldValueForbidden", "data", told)]
    return []


def _immutable(field: str, value: Any) -> Cause:
    shown = "null" if value is None else json.dumps(value, separators=(",", ":"))
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}: field is immutable")


def _fixed_of_job(before: Obj, after: Obj) -> list[Cause]:
    old, new = before["spec"], after["spec"]
    causes = [_immutable(f"spec.{key}", new.get(key)) for key in FIXED_OF_JOBS if old.get(key) != new.get(key)]
    if old.get("completions") != new.get("completions"):
        elastic = new["completionMode"] == "Indexed" and new.get("completions") == new.get("parallelism")
        if not elastic:
            causes.append(_immutable("spec.completions", new.get("completions")))
    if old["template"] != new["template"] and not _may_have_another_template(before, new):
        causes.append(_immutable("spec.template", new["template"]))
    return causes


def _may_have_another_template(before: Obj, new: Obj) -> bool:
    """A Job that is suspended and never began may be given another place to run, and other labels."""
    if not before["spec"]["suspend"] or (before.get("status") or {}).get("startTime"):
        return False

    def rest(template: Obj) -> Obj:
        free = ("nodeSelector", "tolerations", "affinity", "schedulingGates")
        return {key: value for key, value in template["spec"].items() if key not in free}

    return rest(before["spec"]["template"]) == rest(new["template"])


def _fixed_of_pod(before: Obj, after: Obj) -> list[Cause]:
    def rest(spec: Obj) -> Obj:
        containers = [{key: one[key] for key in one if key != "image"} for one in spec["containers"]]
        return {**{key: value for key, value in spec.items() if key not in PODS_MAY}, "containers": containers}

    if rest(before["spec"]) == rest(after["spec"]):
        return []
    may = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    told = f"Forbidden: pod updates may not change fields other than {may}(only additions to existing tolerations)"
    return [Cause("FieldValueForbidden", "spec", told)]
