"""The pods of a Job: how one is made, and how it stands with one."""

from __future__ import annotations

from collections.abc import Iterable

from tests.kube.status import Obj

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"


def pod_of(job: Obj, index: int | None, failures: int = 0) -> Obj:
    """What the job controller creates for a Job, for an index of an Indexed one."""
    meta, template = job["metadata"], job["spec"]["template"]
    owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": meta["name"], "uid": meta["uid"]}
    labels = dict(template["metadata"].get("labels") or {})
    annotations = dict(template["metadata"].get("annotations") or {})
    spec, prefix = dict(template["spec"]), meta["name"]
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        if "backoffLimitPerIndex" in job["spec"]:
            annotations[FAILURES] = str(failures)
        prefix = f"{prefix}-{index}"
        spec.setdefault("hostname", prefix)
        for group in ("initContainers", "containers"):
            if group in spec:
                spec[group] = [_told_its_index(one) for one in spec[group]]
    made: Obj = {
        "generateName": prefix[:58] + "-",
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        "finalizers": [*template["metadata"].get("finalizers", []), TRACKING],
    }
    if not annotations:
        del made["annotations"]
    return {"metadata": made, "spec": spec}


def _told_its_index(container: Obj) -> Obj:
    if any(one["name"] == "JOB_COMPLETION_INDEX" for one in container.get("env", ())):
        return container
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*container.get("env", ()), {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]}


def index_of(pod: Obj) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX)
    return int(text) if text is not None else None


def controller_of(obj: Obj) -> Obj | None:
    """The reference to who manages an object."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def ended(pod: Obj) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def going(pod: Obj) -> bool:
    """Asked to end, and not yet ended."""
    return "deletionTimestamp" in pod["metadata"] and not ended(pod)


def active(pods: Iterable[Obj]) -> list[Obj]:
    return [pod for pod in pods if not ended(pod) and "deletionTimestamp" not in pod["metadata"]]


def ready(pod: Obj) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


def failed(pod: Obj, only_failed: bool) -> bool:
    """Unless a Job asks for more (`podReplacementPolicy: Failed`), a pod that is being deleted has failed."""
    if pod["status"].get("phase") == "Failed":
        return True
    return not only_failed and going(pod)


def tracked(pod: Obj) -> bool:
    return TRACKING in pod["metadata"].get("finalizers", ())


def released(pod: Obj) -> Obj:
    """The pod without the job controller's finalizer."""
    rest = [one for one in pod["metadata"]["finalizers"] if one != TRACKING]
    return {**pod, "metadata": {**pod["metadata"], "finalizers": rest}}


def finished_at(pod: Obj) -> str:
    """When its last container ended, or when it was asked to."""
    for one in pod["status"].get("containerStatuses", ()):
        if "terminated" in one.get("state", {}):
            return str(one["state"]["terminated"].get("finishedAt") or pod["metadata"]["creationTimestamp"])
    return str(pod["metadata"].get("deletionTimestamp") or pod["metadata"]["creationTimestamp"])
