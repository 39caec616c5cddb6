"""How attempts went, from what their pods say. Pure."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Sequence
from typing import Any

from sjs.core.job import End
from sjs.values import dataclass

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
JOB_NAME = "batch.kubernetes.io/job-name"

_LOST = (
    "Evicted",
    "NodeLost",
    "Shutdown",
    "NodeShutdown",
    "Terminated",
    "Preempting",
    "NodeAffinity",
    "UnexpectedAdmissionError",
)
"""Reasons of pods that were ended by what has become of their nodes."""

_NOT_STARTED = ("StartError", "ContainerCannotRun")

_SIGNALS = range(1, 65)


@dataclass(frozen=True)
class Attempt:
    """One pod. `phase`: what the cluster calls it; `end`: None while it has none; `deleted`: somebody wants it gone."""

    pod: str
    node: str
    phase: str
    made: float
    started: float | None
    ended: float | None
    end: End | None
    deleted: bool = False


def attempt_of(pod: Object) -> Attempt:
    """What a pod was."""
    status = pod.get("status") or {}
    state = _container(status).get("state") or {}
    ran = state.get("terminated") or state.get("running") or {}
    has_ended = status.get("phase") in ("Succeeded", "Failed")
    ended = moment((state.get("terminated") or {}).get("finishedAt"))
    meta = pod.get("metadata") or {}
    return Attempt(
        str(meta.get("name", "")),
        str((pod.get("spec") or {}).get("nodeName", "")),
        str(status.get("phase", "Pending")),
        moment(meta.get("creationTimestamp")) or 0.0,
        moment(ran.get("startedAt")) or None,  # what could not be started, was in 1970
        ended,
        end_of(pod) if has_ended else None,
        bool(meta.get("deletionTimestamp")),
    )


def is_over(pod: Object) -> bool:
    """Whether its container has ended, and will not be started again in its place."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    done = (_container(status).get("state") or {}).get("terminated")
    policy = (pod.get("spec") or {}).get("restartPolicy", "Never")
    return done is not None and (policy == "Never" or (policy == "OnFailure" and done.get("exitCode") == 0))


def restarts(pod: Object) -> int:
    """How often its container was started again in its place."""
    return int(_container(pod.get("status") or {}).get("restartCount") or 0)


def in_turn(pods: Iterable[Object]) -> list[Object]:
    """As they were made. Times are whole seconds; of two, that one was first which was the first to end."""

    def turn(pod: Object) -> tuple[str, bool, int, str]:
        meta, status = pod.get("metadata") or {}, pod.get("status") or {}
        lives = status.get("phase") not in ("Succeeded", "Failed")
        version = str(meta.get("resourceVersion"))
        return str(meta.get("creationTimestamp")), lives, int(version) if version.isdecimal() else 0, str(meta["name"])

    return sorted(pods, key=turn)


def index_of(pod: Object) -> int:
    """Which one of an Indexed Job it is; 0 of any other."""
    text = ((pod.get("metadata") or {}).get("annotations") or {}).get(INDEX, "0")
    return int(text) if text.isdecimal() else 0


def owner_of(pod: Object) -> str:
    """The name of its Job."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return str(labels.get(JOB_NAME) or labels.get("job-name") or "")


def end_of(pod: Object) -> End:
    """How a pod ended that has."""
    status = pod.get("status") or {}
    done = (_container(status).get("state") or {}).get("terminated") or {}
    reason, message = str(status.get("reason", "")), _line(status.get("message"))
    code = done.get("exitCode")
    if status.get("phase") == "Succeeded":
        return End("exit", 0)
    if reason == "DeadlineExceeded":
        if done.get("startedAt"):
            return End("timeout", detail="it ran for longer than it was to")
        return End("timeout", detail="its time was over before it had begun: having its image pulled is part of that")
    lost = _disruption(status) or (f"{reason}: {message}" if message else reason if reason in _LOST else "")
    if reason in _LOST or (lost and code in (None, 137, 143)):
        return End("host-lost", detail=lost)
    if done.get("reason") == "OOMKilled":
        return End("oom", signal=9, detail="it took more memory than its limit")
    if done.get("reason") == "ContainerStatusUnknown":  # 137 is what is put down for it
        return End("host-lost", detail=_line(done.get("message")) or "nobody knows how its container ended")
    if done.get("reason") in _NOT_STARTED:
        return End("spawn-error", detail=_line(done.get("message")) or str(done["reason"]))
    if not isinstance(code, int):
        return End("host-lost", detail=lost or "its pod has ended without telling how")
    by = done.get("signal") or (code - 128 if code - 128 in _SIGNALS else None)
    return End("signal", signal=int(by)) if by else End("exit", code)


def _disruption(status: Object) -> str:
    """What has befallen it from outside."""
    for one in status.get("conditions") or ():
        if one.get("type") == "DisruptionTarget" and one.get("status") == "True":
            return f"{one.get('reason', 'disrupted')}: {_line(one.get('message'))}".rstrip(": ")
    return ""


def _container(status: Object) -> Object:
    """Ours is the first one; others may have been put beside it."""
    found: Sequence[Object] = status.get("containerStatuses") or [{}]
    return next((one for one in found if one.get("name") == "main"), found[0])


def moment(text: object) -> float | None:
    """2026-11-21T02:24:51Z as seconds."""
    if not isinstance(text, str) or len(text) < 20:
        return None
    try:
        whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
    part = text[19:].rstrip("Z")
    return whole + (float(part) if part[:1] == "." and part[1:].isdecimal() else 0.0)


def _line(text: object) -> str:
    return " ".join(str(text or "").split())
