"""Events: what the parts of a cluster tell of objects."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.kube.kinds import EVENTS
from tests.kube.making import stamp, uid
from tests.kube.status import Obj
from tests.kube.store import Store

OF_CONTAINERS = ("Pulling", "Pulled", "Created", "Started", "Failed", "BackOff", "Killing")
Told = tuple[str, str, str, str, str]


@dataclass
class Events:
    """Writes them; the same one again is counted, not written a second time."""

    store: Store
    _known: dict[Told, str] = field(default_factory=dict)

    def tell(self, about: Obj, component: str, type_: str, reason: str, message: str) -> None:
        with self.store.lock:
            key = (about["metadata"]["uid"], component, type_, reason, message)
            namespace = about["metadata"].get("namespace", "default")
            known = self.store.get(EVENTS, namespace, self._known.get(key, ""))
            if known is not None:
                self.store.replace(EVENTS, {**known, "count": known["count"] + 1, "lastTimestamp": stamp()})
                return
            event = _event(about, namespace, component, type_, reason, message)
            self._known[key] = event["metadata"]["name"]
            self.store.create(EVENTS, event)


def _event(about: Obj, namespace: str, component: str, type_: str, reason: str, message: str) -> Obj:
    now, meta = stamp(), about["metadata"]
    involved = {"kind": about["kind"], "namespace": namespace, "name": meta["name"], "uid": meta["uid"]}
    involved |= {"apiVersion": about["apiVersion"], "resourceVersion": meta["resourceVersion"]}
    if reason in OF_CONTAINERS:
        involved["fieldPath"] = "spec.containers{" + about["spec"]["containers"][0]["name"] + "}"
    name = f"{meta['name']}.{time.time_ns():x}"
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": uid(), "creationTimestamp": now},
        "involvedObject": involved,
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": type_,
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": "",
    }
