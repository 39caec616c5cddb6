"""Jobs of the cluster, and their pods, as the jobs that people handed in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sjs.core.job import End, Job, Range, Spec, contains
from sjs.core.lifecycle import (
    CANCELLED,
    FAILED,
    HELD,
    LOST,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    TIMEOUT,
    WAITING,
    event_of,
)
from sjs.targets.kubernetes import marks
from sjs.targets.kubernetes.ends import Attempt, Object, attempt_of, in_turn, index_of, moment
from sjs.targets.kubernetes.names import COUNT, FIRST, KUEUE, VIA
from sjs.values import dataclass

_STATES = {"succeed": SUCCEEDED, "fail": FAILED, "time out": TIMEOUT, "lose": LOST, "cancel": CANCELLED}


@dataclass(frozen=True)
class Held:
    """One Job of the cluster as the jobs that it is: those with the ids from `first` on."""

    raw: Object
    name: str
    uid: str
    first: int
    count: int
    retried: int
    done: Sequence[Range]
    failed: Sequence[Range]

    @property
    def last(self) -> int:
        """The id of the last one."""
        return self.first + self.count - 1

    @property
    def indexed(self) -> bool:
        """Whether each of its pods has an index."""
        return bool((self.raw.get("spec") or {}).get("completionMode") == "Indexed")

    @property
    def suspended(self) -> bool:
        """Whether the cluster is to leave it alone."""
        return bool((self.raw.get("spec") or {}).get("suspend"))

    @property
    def kueue(self) -> str:
        """The queue of Kueue that starts and stops it; nothing if it is ours to suspend."""
        return marks.labels(self.raw).get(KUEUE, "")

    @property
    def cancelled(self) -> marks.Note | None:
        """What was noted when somebody wanted its end."""
        return marks.note_of(self.raw)

    @property
    def finished(self) -> bool:
        """Whether the cluster will do nothing more for it."""
        return self.condition("Complete") is not None or self.condition("Failed") is not None

    def condition(self, name: str) -> Object | None:
        """That condition of the Job, if it holds."""
        found = (self.raw.get("status") or {}).get("conditions") or ()
        return next((one for one in found if one.get("type") == name and one.get("status") == "True"), None)

    @property
    def went_well(self) -> bool:
        """Whether a plain one has: its end is counted before it is called complete."""
        status = self.raw.get("status") or {}
        counted = (status.get("uncountedTerminatedPods") or {}).get("succeeded")
        return bool(status.get("succeeded") or counted or self.condition("Complete"))

    @property
    def has_no_pods(self) -> bool:
        """Whether it is certain from the Job alone that there is nothing to be learnt of pods: it is suspended, none of
        them is left, and none has ended."""
        status = self.raw.get("status") or {}
        known = any(status.get(key) for key in ("active", "terminating", "succeeded", "failed"))
        return self.suspended and not (known or self.finished or self.done or self.failed)

    def unended(self, low: int, high: int) -> int:
        """Of how many of these indexes there is more to come, as far as the Job alone tells."""
        status = self.raw.get("status") or {}
        if self.finished:
            return 0
        if self.cancelled is not None and not status.get("active") and not status.get("terminating"):
            return 0
        ended = sum(max(0, min(b, high) - max(a, low) + 1) for a, b in (*self.done, *self.failed))
        return high - low + 1 - ended


def held(raw: Object) -> Held | None:
    """What a Job of the cluster is; None if it is none of our jobs."""
    meta, said = raw.get("metadata") or {}, marks.said(raw)
    first = marks.number(marks.labels(raw), FIRST, -1)
    count = marks.number(said, COUNT, 0)
    if first < 0 or count < 1 or marks.DECLINED in said:
        return None
    status = raw.get("status") or {}
    return Held(
        raw,
        str(meta.get("name")),
        str(meta.get("uid")),
        first,
        count,
        marks.number(said, marks.RETRIED, 0),
        indexes(status.get("completedIndexes")),
        indexes(status.get("failedIndexes")),
    )


def indexes(text: object) -> list[Range]:
    """1,3-5 as ranges."""
    found = []
    for part in str(text or "").split(","):
        low, _, high = part.partition("-")
        if low.isdecimal() and (high or low).isdecimal():
            found.append((int(low), int(high or low)))
    return found


def jobs(
    one: Held, specs: Sequence[Spec], pods: Sequence[Object], wanted: Sequence[Range] | None = None
) -> Iterator[Job]:
    """The jobs that it is, by ascending id; `wanted`: only those of these ids."""
    attempts: dict[int, list[Attempt]] = {}
    for pod in in_turn(pods):
        attempts.setdefault(index_of(pod) if one.indexed else 0, []).append(attempt_of(pod))
    for low, high in [(one.first, one.last)] if wanted is None else wanted:
        for number in range(max(low, one.first), min(high, one.last) + 1):
            index = number - one.first
            yield job(one, index, specs[index], attempts.get(index, ()))


def job(one: Held, index: int, spec: Spec, attempts: Sequence[Attempt]) -> Job:
    """The job with this index."""
    state, end = _state(one, index, attempts)
    last = attempts[-1] if attempts else None
    status = one.raw.get("status") or {}
    note = one.cancelled if state == CANCELLED else None
    began = last.started if last else note.started if note else None
    if began is None and end is not None and not one.indexed and state != CANCELLED:
        began = moment(status.get("startTime"))
    begun = sum(at.started is not None or at.end is not None for at in attempts)
    known = _failures(one) + (state == SUCCEEDED) if end is not None and state != CANCELLED else 0
    return Job(
        id=one.first + index,
        spec=spec,
        state=state,
        submitted=_submitted(one),
        attempt=max(one.retried + max(begun, known), note.attempt if note else 0),
        started=began,
        ended=None if end is None else _ended(one, last),
        end=end,
        retried=one.retried,
        via=marks.said(one.raw).get(VIA, ""),
    )


def has_unseen(one: Held, pods: Sequence[Object]) -> bool:
    """Whether pods have ended well that are not among these, from which such are left out, though the Job does not
    tell of them yet: it takes one for active, or one is missing below others. They are made by ascending index."""
    if one.finished or one.suspended:
        return False
    active = sum(
        (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        and not (pod.get("metadata") or {}).get("deletionTimestamp")
        for pod in pods
    )
    if active < int((one.raw.get("status") or {}).get("active") or 0):
        return True
    known = {index_of(pod) for pod in pods} if one.indexed else set()
    for low, high in (*one.done, *one.failed):
        known.update(range(low, high + 1))
    return one.indexed and len(known) <= max(known, default=-1)


def _submitted(one: Held) -> float:
    """When it was handed in; that it was tried anew later does not change that."""
    try:
        return float(marks.said(one.raw)[marks.SUBMITTED])
    except (LookupError, ValueError):
        return moment((one.raw.get("metadata") or {}).get("creationTimestamp")) or 0.0


def _failures(one: Held) -> int:
    """How often it has failed at least, though its pods may be gone."""
    return 0 if one.indexed else int((one.raw.get("status") or {}).get("failed") or 0)


def _ended(one: Held, last: Attempt | None) -> float | None:
    if one.cancelled is not None and (last is None or last.end is None):
        return one.cancelled.at or None
    if last is not None and last.ended is not None:
        return last.ended
    status = one.raw.get("status") or {}
    known = one.condition("Complete") or one.condition("Failed") or {}
    return moment(status.get("completionTime")) or moment(known.get("lastTransitionTime"))


def _state(one: Held, index: int, attempts: Sequence[Attempt]) -> tuple[str, End | None]:
    last = attempts[-1] if attempts else None
    if contains(one.done, index) or (not one.indexed and one.went_well):
        return SUCCEEDED, End("exit", 0)
    if contains(one.failed, index) or (not one.indexed and one.condition("Failed")):
        if one.cancelled is not None and (last is None or last.deleted):  # what was ended so counts as a failure there
            return CANCELLED, End("cancelled", detail=one.cancelled.text)
        return _failed(one, last)
    if last is not None and not last.deleted and last.end is not None and event_of(last.end) == "succeed":
        return SUCCEEDED, last.end  # the Job tells of it a second later, or more
    if one.cancelled is not None and not (last is not None and last.phase == "Running"):
        return CANCELLED, End("cancelled", detail=one.cancelled.text)
    if one.condition("Failed") is not None:
        if last is not None and last.end is not None:
            return _failed(one, last)
        return CANCELLED, End("cancelled", detail=_said(one.condition("Failed")))
    if last is not None and last.phase == "Running":
        return RUNNING, None
    if one.suspended and not one.kueue:
        return HELD, None
    if last is not None and last.end is not None:
        return _failed(one, last) if _is_last(one, attempts) else (WAITING, None)
    return QUEUED, None


def _is_last(one: Held, attempts: Sequence[Attempt]) -> bool:
    """Whether no other try comes, though the Job does not tell yet."""
    spec = one.raw.get("spec") or {}
    limit = spec.get("backoffLimitPerIndex" if one.indexed else "backoffLimit")
    ignored = any(rule.get("action") == "Ignore" for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ())
    ends = [at.end.reason for at in attempts if at.end is not None]
    counted = sum(reason != "host-lost" for reason in ends) if ignored else len(ends)
    return isinstance(limit, int) and counted > limit


def _failed(one: Held, last: Attempt | None) -> tuple[str, End]:
    failed = one.condition("Failed") or {}
    if failed.get("reason") == "DeadlineExceeded":
        return TIMEOUT, End("timeout", detail=_said(failed))
    if last is None or last.end is None:
        return FAILED, End("exit", detail=_said(failed) or "its pod is gone, and with it how it ended")
    state = _STATES[event_of(last.end)]
    return (FAILED if state == SUCCEEDED else state), last.end


def _said(condition: Object | None) -> str:
    return " ".join(str((condition or {}).get("message") or (condition or {}).get("reason") or "").split())
