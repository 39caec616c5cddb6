"""A target of a test's cluster, and what nodes would do to its pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sjs.core.job import Spec
from sjs.targets.kinds import Entry, find
from sjs.targets.kubernetes.settings import read
from sjs.targets.kubernetes.target import KubernetesTarget
from tests.kube import deleting
from tests.kube.cluster import Cluster
from tests.kube.kinds import PODS
from tests.kube.making import stamp
from tests.kube.status import Obj

PATIENCE = 20.0


def target(cluster: Cluster, told: list[str] | None = None, **settings: Any) -> KubernetesTarget:
    """What an entry of the kind `kubernetes` comes to."""
    said = {"image": "alpine", **settings}
    if "kubeconfig" not in said:
        said["kubeconfig"] = str(cluster.kubeconfig())
    assert find("kubernetes").keys.keys() >= said.keys()
    notice: Callable[[str], None] = (told if told is not None else []).append
    entry = Entry("k8s", said, {"HOME": str(cluster.folder)}, notice)
    return KubernetesTarget(entry, read(entry))


def hand_in(one: KubernetesTarget, *specs: Spec, key: str = "key/0", again: bool = False) -> int:
    """The first id."""
    one.post(key, specs, again)
    return one.collect().first


def pods(cluster: Cluster, index: int | None = None) -> list[Obj]:
    """Those that there are, from the first that was made on."""
    cluster.settle()
    found = sorted(cluster.store.all(PODS, "default"), key=lambda pod: int(pod["metadata"]["resourceVersion"]))
    said = "batch.kubernetes.io/job-completion-index"
    return [one for one in found if index is None or one["metadata"]["annotations"].get(said) == str(index)]


def begin(cluster: Cluster, pod: Obj, node: str = "n1") -> Obj:
    """Its container runs."""
    state = {"running": {"startedAt": stamp()}}
    status = {"phase": "Running", "startTime": stamp(), "conditions": [{"type": "Ready", "status": "True"}]}
    return put(cluster, {**pod, "spec": {**pod["spec"], "nodeName": node}}, {**status, **_container(state)})


def end(cluster: Cluster, pod: Obj, code: int = 0, why: str = "", **status: Any) -> Obj:
    """Its container has ended."""
    done = {"exitCode": code, "reason": why or ("Error" if code else "Completed")}
    state = {"terminated": {**done, "startedAt": stamp(), "finishedAt": stamp()}}
    phase = {"phase": "Failed" if code or status else "Succeeded"}
    return put(cluster, pod, {**phase, **_container(state), **status})


def waits(cluster: Cluster, pod: Obj, reason: str, message: str) -> Obj:
    """It is not started, and this is why."""
    return put(cluster, pod, _container({"waiting": {"reason": reason, "message": message}}))


def put(cluster: Cluster, pod: Obj, status: Obj) -> Obj:
    with cluster.store.lock:
        now = cluster.store.get(PODS, "default", pod["metadata"]["name"])
        assert now is not None
        made = {"creationTimestamp": pod["metadata"]["creationTimestamp"]}
        meta = {**now["metadata"], **made}
        found = {**now, "metadata": meta, "spec": pod["spec"], "status": {**now["status"], **status}}
        deleting.put(cluster.store, PODS, found)
    cluster.settle()
    return found


def _container(state: Obj) -> Obj:
    return {"containerStatuses": [{"name": "main", "state": state, "restartCount": 0}]}


def until(what: Callable[[], Any], why: str) -> Any:
    """What it gives, once that is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {PATIENCE:.0f} seconds: {why}")
