"""The status of a pod, made of how its containers are."""

from __future__ import annotations

from collections.abc import Callable

from tests.kube.containers import Process
from tests.kube.making import stamp
from tests.kube.status import Obj

Runs = dict[str, list[Process]]
ALWAYS = ("PodReadyToStartContainers", "Initialized")
READY = ("Ready", "ContainersReady")


def waiting_status(pod: Obj, reason: str, message: str = "") -> Obj:
    waiting = {"reason": reason, **({"message": message} if message else {})}
    return _status(pod, "Pending", lambda one: _container(one, {"waiting": waiting}, 0), False)


def running_status(pod: Obj, runs: Runs) -> Obj:
    ready = all(runs.get(one["name"], [None])[-1] is not None for one in pod["spec"]["containers"])
    return _status(pod, "Running", lambda one: _shown(one, runs.get(one["name"], [])), ready)


def ended_status(pod: Obj, runs: Runs) -> Obj:
    names = [one["name"] for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
    good = all(name in runs and runs[name][-1].status == 0 for name in names)
    return _status(
        pod, "Succeeded" if good else "Failed", lambda one: _shown(one, runs.get(one["name"], [])), False, good
    )


def _status(pod: Obj, phase: str, shown: Callable[[Obj], Obj], ready: bool, completed: bool = False) -> Obj:
    old = pod["status"]
    kept = [one for one in old.get("conditions", ()) if one["type"] not in (*ALWAYS, *READY)]
    conditions = [*(_condition(old, name, True) for name in ALWAYS), *kept]
    reason = "" if ready else ("PodCompleted" if completed else "ContainersNotReady")
    conditions[len(ALWAYS) : len(ALWAYS)] = [_condition(old, name, ready, reason) for name in READY]
    status = {**old, "phase": phase, "conditions": conditions, "hostIP": "127.0.0.1", "podIP": "127.0.0.1"}
    status["containerStatuses"] = [shown(one) for one in pod["spec"]["containers"]]
    if pod["spec"].get("initContainers"):
        status["initContainerStatuses"] = [shown(one) for one in pod["spec"]["initContainers"]]
    return status


def _condition(old: Obj, name: str, value: bool, reason: str = "") -> Obj:
    word = "True" if value else "False"
    known = next((one for one in old.get("conditions", ()) if one["type"] == name), None)
    if known and known["status"] == word and known.get("reason", "") == reason:
        return dict(known)
    made: Obj = {"type": name, "status": word, "lastProbeTime": None, "lastTransitionTime": stamp()}
    return {**made, "reason": reason} if reason else made


def _shown(container: Obj, runs: list[Process]) -> Obj:
    if not runs:
        return _container(container, {"waiting": {"reason": "PodInitializing"}}, 0)
    last = _container(container, _state(runs[-1]), len(runs) - 1)
    if len(runs) > 1:
        last["lastState"] = _state(runs[-2])
    return last


def _state(process: Process) -> Obj:
    started = stamp(0 if process.trouble else process.started)
    if not process.started:
        return {"waiting": {"reason": "PodInitializing"}}
    if process.status is None:
        return {"running": {"startedAt": started}}
    reason = "StartError" if process.trouble else ("Error" if process.status else "Completed")
    state: Obj = {"exitCode": process.status, "reason": reason, "startedAt": started}
    if process.trouble:
        state["message"] = process.trouble
    state |= {"finishedAt": stamp(process.ended), "containerID": f"containerd://{id(process):064x}"}
    return {"terminated": state}


def _container(container: Obj, state: Obj, restarts: int) -> Obj:
    running = "running" in state
    shown: Obj = {"name": container["name"], "state": state, "lastState": {}, "ready": running}
    shown |= {"restartCount": restarts, "image": container["image"]}
    return {**shown, "imageID": "" if "waiting" in state else f"test/{container['image']}", "started": running}
