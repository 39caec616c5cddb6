"""Nodes: what they have, what of it is taken, and which pods they are fit for."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tests.kube import podding, quantities
from tests.kube.making import born
from tests.kube.status import Obj

Amounts = dict[str, Fraction]


def node(name: str, amounts: dict[str, str], labels: dict[str, str] | None = None) -> Obj:
    """A node that is ready, with these amounts ("cpu": "4", "nvidia.com/gpu": "1")."""
    known = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})}
    shown = {key: quantities.canonical(value) for key, value in {"pods": "110", **amounts}.items()}
    made = born({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": known}}, "")
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    ready |= dict.fromkeys(("lastHeartbeatTime", "lastTransitionTime"), made["metadata"]["creationTimestamp"])
    status = {"capacity": shown, "allocatable": shown, "conditions": [ready]}
    status |= {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]}
    return {**made, "spec": {}, "status": status}


def requested(pod: Obj) -> Amounts:
    """What a pod asks for: its containers together, or its greediest initial container."""

    def amounts(one: Obj) -> Amounts:
        return {key: quantities.amount(value) for key, value in one["resources"].get("requests", {}).items()}

    total: Amounts = {"pods": Fraction(1)}
    for container in pod["spec"]["containers"]:
        for key, value in amounts(container).items():
            total[key] = total.get(key, Fraction(0)) + value
    for container in pod["spec"].get("initContainers", ()):
        for key, value in amounts(container).items():
            total[key] = max(total.get(key, Fraction(0)), value)
    return total


def taken(pods: Iterable[Obj]) -> dict[str, Amounts]:
    """What of each node belongs to pods that have not ended."""
    found: dict[str, Amounts] = {}
    for pod in pods:
        name = pod["spec"].get("nodeName")
        if name and not podding.ended(pod):
            of = found.setdefault(name, {})
            for key, value in requested(pod).items():
                of[key] = of.get(key, Fraction(0)) + value
    return found


def obstacles(one: Obj, pod: Obj, used: Amounts) -> list[str]:
    """Why this node can not take the pod, in the scheduler's words; nothing if it can."""
    if one["spec"].get("unschedulable"):
        return ["node(s) were unschedulable"]
    labels = one["metadata"].get("labels", {})
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    has = one["status"]["allocatable"]
    short = [
        key
        for key, value in requested(pod).items()
        if used.get(key, Fraction(0)) + value > quantities.amount(has.get(key, "0"))
    ]
    return ["Too many pods" if key == "pods" else f"Insufficient {key}" for key in short]


def hopeless(one: Obj, pod: Obj) -> bool:
    """Whether not even an empty node of this kind would do."""
    return bool(obstacles(one, pod, {}))
