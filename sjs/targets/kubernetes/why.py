"""Why a job of a cluster does not run, from what the cluster says of it, in lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sjs.core.job import Job
from sjs.core.lifecycle import FINAL, HELD, RUNNING, WAITING
from sjs.targets.kubernetes.records import Held

Object = Mapping[str, Any]

_WAITING = {
    "ImagePullBackOff": "its image can not be pulled, and is tried again now and then",
    "ErrImagePull": "its image can not be pulled",
    "InvalidImageName": "the name of its image is none",
    "ErrImageNeverPull": "its image is not on the node, and is never to be pulled",
    "CreateContainerConfigError": "its container lacks something that it is to have",
    "CreateContainerError": "its container can not be made",
    "RunContainerError": "its container can not be started",
    "CrashLoopBackOff": "its container ends again and again, and rests before the next try",
    "ContainerCreating": "its container is being made",
    "PodInitializing": "it waits for what is to be done before",
}

_BEGINNING = {"ContainerCreating", "PodInitializing"}

_EVENTS = {
    "FailedMount": "a volume can not be mounted",
    "FailedAttachVolume": "a volume can not be attached",
    "FailedCreatePodSandBox": "its node can not begin with it",
    "Preempted": "it had to make room for others of a higher priority",
    "Evicted": "its node had to get rid of it",
    "NodeNotReady": "its node is not ready",
    "BackoffLimitExceeded": "it has failed too often",
}

NAMED = 3
"""Pods of which one is told; of more, no others are worth it."""


def why(one: Held, job: Job, pods: Sequence[Object], events: Sequence[Object]) -> list[str]:
    """What keeps it from running, or how it stands; never nothing. `pods`: its own; `events`: those of its Job, too."""
    if job.state in FINAL:
        detail = job.end.detail if job.end is not None else ""
        return [f"it has ended: {job.state}{detail and ': '}{detail}"]
    if job.state == RUNNING:
        node = next((str((pod.get("spec") or {}).get("nodeName")) for pod in reversed(pods)), "")
        return [f"it is running{f' on {node}' if node else ''}"]
    if job.state == HELD:
        return ["held; release it"]
    if one.suspended:  # or it would be held
        return [f"Kueue has not admitted it yet, or has taken it back, in its queue {one.kueue}"]
    reasons = list(_of_job(one, events)) if not pods or job.state == WAITING else []
    for pod in pods[-NAMED:]:
        reasons += [line for line in _of_pod(pod, events) if line not in reasons]
    if pods and reasons:
        reasons += _of_time(pods[-1])
    if job.state == WAITING:
        reasons.append("its last try failed; the cluster tries it again after a pause")
    return reasons or [_turn(one)]


def trouble_of(pod: Object) -> str:
    """In one line, what a pod waits for that it had better not have to; nothing if it is only about to start."""
    status = pod.get("status") or {}
    unscheduled = any(
        one.get("type") == "PodScheduled" and one.get("status") == "False" for one in status.get("conditions") or ()
    )
    reasons = {str(found.get("reason")) for found in _waiting(status)}
    return next(_of_pod(pod, ()), "") if unscheduled or reasons - _BEGINNING else ""


def _of_job(one: Held, events: Sequence[Object]) -> Iterator[str]:
    for event in _newest(events, one.uid):
        if event.get("reason") == "FailedCreate":
            text = said(event.get("message"))
            yield f"the quota is used up: {text}" if "exceeded quota" in text else f"its pod can not be made: {text}"
            return
        if event.get("type") == "Warning":
            yield _worded(event)
            return


def _of_pod(pod: Object, events: Sequence[Object]) -> Iterator[str]:
    status, meta = pod.get("status") or {}, pod.get("metadata") or {}
    if status.get("phase") != "Pending":
        return
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            text = said(condition.get("message")) or said(condition.get("reason"))
            yield f"no node can take it: {text}"
            return
    waiting = _waiting(status)
    warnings = [_worded(one) for one in _newest(events, str(meta.get("uid"))) if one.get("type") == "Warning"]
    for found in waiting[:1]:
        reason, text = str(found.get("reason", "")), said(found.get("message"))
        if reason in _BEGINNING and warnings:
            break
        known = _WAITING.get(reason)
        yield (known or f"it waits: {reason}") + (
            f" ({reason}: {text})" if text and known else f": {text}" if text else ""
        )
        return
    yield from warnings[:1]
    if not warnings and not waiting:
        node = (pod.get("spec") or {}).get("nodeName")
        yield f"its node {node} is about to start it" if node else "the scheduler has not looked at it yet"


def _of_time(pod: Object) -> Iterator[str]:
    """That it has only so much, if that is being used up: the cluster counts from when a node has taken it."""
    limit, status = (pod.get("spec") or {}).get("activeDeadlineSeconds"), pod.get("status") or {}
    if limit is not None and status.get("startTime") and status.get("phase") == "Pending":
        yield f"its time ({limit} s) runs since its node has taken it: having its image pulled is part of that"


def _waiting(status: Object) -> list[Object]:
    """Why its containers wait."""
    states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [one["state"]["waiting"] for one in states if (one.get("state") or {}).get("waiting")]


def _worded(event: Object) -> str:
    reason, text = str(event.get("reason", "")), said(event.get("message"))
    if reason == "FailedScheduling":
        return f"no node can take it: {text}"
    known = _EVENTS.get(reason) or _WAITING.get(reason)
    return f"{known}: {text}" if known else f"{reason}: {text}"


def _newest(events: Sequence[Object], uid: str) -> list[Object]:
    """Those of one object, the last one first."""
    own = [one for one in events if (one.get("involvedObject") or {}).get("uid") == uid]
    return sorted(own, key=_when, reverse=True)


def _when(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), (event.get("metadata") or {}).get("creationTimestamp", "")))


def _turn(one: Held) -> str:
    parallelism = int((one.raw.get("spec") or {}).get("parallelism") or 1)
    if one.indexed and parallelism < one.count:
        return f"{parallelism} of these jobs run at once, and others are before it"
    return "nothing: the cluster has not made its pod yet"


def said(text: object) -> str:
    """In one line."""
    return " ".join(str(text or "").split())
