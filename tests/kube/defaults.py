"""What the API server fills in where a client said nothing."""

from __future__ import annotations

import base64
from typing import Any

from tests.kube.kinds import CONFIGMAPS, JOBS, PODS, QUOTAS, SECRETS, Resource
from tests.kube.status import Obj

UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
MANY = 2**31 - 1
TOKEN_VOLUME = {
    "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]
            }
        },
        {
            "configMap": {
                "name": "openshift-service-ca.crt",
                "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}],
            }
        },
    ],
    "defaultMode": 420,
}
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]


def filled(resource: Resource, obj: Obj) -> Obj:
    """The object with the defaults of its kind."""
    if resource == JOBS:
        return job(obj)
    if resource == PODS:
        return pod(obj)
    if resource == SECRETS:
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in (obj.get("stringData") or {}).items()}
        plain = {key: value for key, value in obj.items() if key != "stringData"}
        return {"type": "Opaque", **plain, "data": {**(obj.get("data") or {}), **coded}}
    if resource == QUOTAS:
        return {"spec": {}, "status": {}, **obj}
    return obj if resource == CONFIGMAPS else dict(obj)


def job(obj: Obj) -> Obj:
    spec = {**(obj.get("spec") or {})}
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", MANY if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)
    template = {**(spec.get("template") or {})}
    spec["template"] = {**template, "metadata": template.get("metadata") or {}, "spec": pod_spec(template.get("spec"))}
    return {**obj, "spec": spec}


def claimed(obj: Obj) -> Obj:
    """A Job with the labels and the selector that are made of its uid."""
    meta, spec = obj["metadata"], obj["spec"]
    template = spec["template"]
    before = template["metadata"].get("labels")
    labels = {**(before or {})}
    if not spec["manualSelector"]:
        labels |= dict.fromkeys(UID_LABELS, meta["uid"]) | dict.fromkeys(NAME_LABELS, meta.get("name", ""))
        selector = {"matchLabels": {UID_LABELS[0]: meta["uid"]}}
        template = {**template, "metadata": {**template["metadata"], "labels": labels}}
        spec = {**spec, "selector": selector, "template": template}
    if before is not None and not meta.get("labels"):
        meta = {**meta, "labels": labels}
    return {**obj, "metadata": meta, "spec": spec}


def pod_spec(given: Obj | None) -> Obj:
    spec = {**(given or {})}
    for group in ("initContainers", "containers"):
        if group in spec:
            spec[group] = [container(one) for one in spec[group]]
    if "volumes" in spec:
        spec["volumes"] = [volume(one) for one in spec["volumes"]]
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    return spec


def container(given: Obj) -> Obj:
    found = {**given}
    found.setdefault("resources", {})
    found.setdefault("terminationMessagePath", "/dev/termination-log")
    found.setdefault("terminationMessagePolicy", "File")
    if found.get("image"):
        found.setdefault("imagePullPolicy", "Always" if latest(found["image"]) else "IfNotPresent")
    if "env" in found:
        found["env"] = [_env(one) for one in found["env"]]
    return found


def latest(image: str) -> bool:
    name = image.split("@")[0].rsplit("/", 1)[-1]
    return "@" not in image and (":" not in name or name.endswith(":latest"))


def _env(given: Obj) -> Obj:
    source = given.get("valueFrom") or {}
    if "fieldRef" in source:
        return {**given, "valueFrom": {**source, "fieldRef": {"apiVersion": "v1", **source["fieldRef"]}}}
    if "resourceFieldRef" in source:
        return {**given, "valueFrom": {**source, "resourceFieldRef": {"divisor": "0", **source["resourceFieldRef"]}}}
    return given


def volume(given: Obj) -> Obj:
    sources = [key for key in given if key != "name"]
    if not sources:
        return {**given, "emptyDir": {}}
    extra: Obj = {"configMap": {"defaultMode": 420}, "secret": {"defaultMode": 420}, "hostPath": {"type": ""}}
    return {**given, **{key: {**extra.get(key, {}), **given[key]} for key in sources if isinstance(given[key], dict)}}


def pod(obj: Obj, priority: int = 0, tail: str = "token") -> Obj:
    """A pod as admission leaves it: the service account's token mounted, tolerations, a priority."""
    spec = pod_spec(obj.get("spec"))
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    if spec.get("automountServiceAccountToken") is not False:
        name = f"kube-api-access-{tail}"
        spec["volumes"] = [*spec.get("volumes", []), {"name": name, "projected": TOKEN_VOLUME}]
        for group in ("initContainers", "containers"):
            if group in spec:
                spec[group] = [_with_token(one, name) for one in spec[group]]
    for one in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        limits = one["resources"].get("limits")
        if limits:
            one["resources"] = {**one["resources"], "requests": {**limits, **one["resources"].get("requests", {})}}
    spec["tolerations"] = [*spec.get("tolerations", []), *TOLERATIONS]
    spec.setdefault("priority", priority)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    return {**obj, "spec": spec, "status": {"phase": "Pending", "qosClass": quality(spec)}}


def _with_token(given: Obj, name: str) -> Obj:
    mount = {"name": name, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    return {**given, "volumeMounts": [*given.get("volumeMounts", []), mount]}


def quality(spec: Obj) -> str:
    """The quality of service that the kubelet gives a pod of these containers."""

    def both(one: Obj, which: str) -> dict[str, Any]:
        amounts = one["resources"].get(which, {})
        return {key: amounts[key] for key in ("cpu", "memory") if key in amounts}

    containers = [*spec.get("initContainers", ()), *spec.get("containers", ())]
    if not any(both(one, which) for one in containers for which in ("requests", "limits")):
        return "BestEffort"
    same = all(len(both(one, "limits")) == 2 and both(one, "requests") == both(one, "limits") for one in containers)
    return "Guaranteed" if same else "Burstable"
