"""The scheduler: gives each pod a node that has what it asks for, or says why there is none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.kube import nodes, podding
from tests.kube.events import Events
from tests.kube.kinds import CLAIMS, NODES, PODS
from tests.kube.making import stamp
from tests.kube.nodes import Amounts
from tests.kube.status import Obj
from tests.kube.store import Change, Store
from tests.kube.worker import Task

NAME = "default-scheduler"
ALL: Task = (NODES, "", "")


@dataclass
class Scheduler:
    """Looks at all waiting pods whenever a pod or a node has changed, higher priority first, then the older one."""

    store: Store
    events: Events

    def tasks(self, change: Change) -> Iterable[Task]:
        return [ALL] if change.resource in (PODS, NODES, CLAIMS) else []

    def sync(self, task: Task) -> float | None:
        known = self.store.all(NODES)
        waiting = [pod for pod in self.store.all(PODS) if _waits(pod)]
        if not known or not waiting:
            return None
        used = nodes.taken(self.store.all(PODS))
        refused: dict[str, str] = {}
        for pod in sorted(waiting, key=_turn):
            shape = json.dumps([pod["spec"].get("nodeSelector"), sorted(nodes.requested(pod).items())], default=str)
            no_claim = self._no_claim(pod)
            chosen = None if no_claim or shape in refused else _fitting(known, pod, used)
            if chosen is not None:
                self._bind(pod, chosen["metadata"]["name"], used)
                continue
            if not no_claim and shape not in refused:
                refused[shape] = _why(known, pod, used)
            self._refuse(pod, no_claim or refused[shape])
        return None

    def _no_claim(self, pod: Obj) -> str:
        for volume in pod["spec"].get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and self.store.get(CLAIMS, pod["metadata"]["namespace"], claim) is None:
                return f'persistentvolumeclaim "{claim}" not found. not found'
        return ""

    def _bind(self, pod: Obj, name: str, used: dict[str, Amounts]) -> None:
        of = used.setdefault(name, {})
        for key, value in nodes.requested(pod).items():
            of[key] = of.get(key, value * 0) + value
        conditions = [one for one in pod["status"].get("conditions", ()) if one["type"] != "PodScheduled"]
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp()}
        status = {**pod["status"], "conditions": [*conditions, scheduled]}
        pod = self.store.replace(PODS, {**pod, "spec": {**pod["spec"], "nodeName": name}, "status": status})
        where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self.events.tell(pod, NAME, "Normal", "Scheduled", f"Successfully assigned {where} to {name}")

    def _refuse(self, pod: Obj, why: str) -> None:
        old = next((one for one in pod["status"].get("conditions", ()) if one["type"] == "PodScheduled"), None)
        if old and old["message"] == why:
            return
        now = {"type": "PodScheduled", "status": "False", "lastProbeTime": None, "lastTransitionTime": stamp()}
        now |= {"reason": "Unschedulable", "message": why}
        rest = [one for one in pod["status"].get("conditions", ()) if one is not old]
        self.store.replace(PODS, {**pod, "status": {**pod["status"], "conditions": [*rest, now]}})
        self.events.tell(pod, NAME, "Warning", "FailedScheduling", why)


def _waits(pod: Obj) -> bool:
    gone = "deletionTimestamp" in pod["metadata"] or podding.ended(pod)
    return not gone and not pod["spec"].get("nodeName")


def _turn(pod: Obj) -> tuple[int, str, int]:
    meta = pod["metadata"]
    return -pod["spec"]["priority"], meta["creationTimestamp"], int(meta["resourceVersion"])


def _fitting(known: list[Obj], pod: Obj, used: dict[str, Amounts]) -> Obj | None:
    fit = (one for one in known if not nodes.obstacles(one, pod, used.get(one["metadata"]["name"], {})))
    return next(fit, None)


def _why(known: list[Obj], pod: Obj, used: dict[str, Amounts]) -> str:
    count = len(known)
    reasons = Counter(
        reason for one in known for reason in nodes.obstacles(one, pod, used.get(one["metadata"]["name"], {}))
    )
    told = ", ".join(sorted(f"{times} {reason}" for reason, times in reasons.items()))
    helpless = sum(nodes.hopeless(one, pod) for one in known)
    parts = []
    if count - helpless:
        parts.append(f"{count - helpless} No preemption victims found for incoming pod")
    if helpless:
        parts.append(f"{helpless} Preemption is not helpful for scheduling")
    where = f"0/{count} nodes are available"
    return f"{where}: {told}. preemption: {where}: {', '.join(parts)}."
