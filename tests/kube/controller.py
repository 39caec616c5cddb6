"""The job controller: makes the pods that Jobs ask for, and counts what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.kube import creating, deleting, indexes, podding
from tests.kube.events import Events
from tests.kube.kinds import JOBS, PODS
from tests.kube.making import seconds, stamp
from tests.kube.status import Obj, Refused
from tests.kube.store import Change, Store
from tests.kube.tally import Tally, Verdict, deadline, failures_of_index, is_indexed, tally, verdict
from tests.kube.worker import Task

NAME = "job-controller"
LONGEST_BACKOFF = 600.0
AGAIN_AFTER_REFUSAL = 1.0


@dataclass
class JobController:
    """`backoff` is the pause after a first failure, doubled with each further one; 10 s in a real cluster."""

    store: Store
    events: Events
    admit: creating.Admission
    backoff: float = 0.0

    def tasks(self, change: Change) -> Iterable[Task]:
        meta = change.obj["metadata"]
        if change.resource == JOBS:
            return [(JOBS, meta["namespace"], meta["name"])]
        owner = podding.controller_of(change.obj) if change.resource == PODS else None
        return [(JOBS, meta["namespace"], owner["name"])] if owner and owner["kind"] == "Job" else []

    def sync(self, task: Task) -> float | None:
        _, namespace, name = task
        job = self.store.get(JOBS, namespace, name)
        if job is None:
            self._release(self._orphans(namespace, name))
            return None
        pods = self._pods(job)
        if finished(job):
            self._release(pods)
            return self._expire(job)
        if "deletionTimestamp" in job["metadata"]:
            self._release(pods)
            return None
        return self._work(job, pods)

    def _orphans(self, namespace: str, name: str) -> list[Obj]:
        owners = [(pod, podding.controller_of(pod)) for pod in self.store.all(PODS, namespace)]
        return [pod for pod, owner in owners if owner and owner["kind"] == "Job" and owner["name"] == name]

    def _pods(self, job: Obj) -> list[Obj]:
        return [obj for resource, obj in self.store.owned(job["metadata"]["uid"]) if resource == PODS]

    def _release(self, pods: list[Obj]) -> None:
        for pod in pods:
            if podding.tracked(pod):
                deleting.put(self.store, PODS, podding.released(pod))

    def _expire(self, job: Obj) -> float | None:
        limit = job["spec"].get("ttlSecondsAfterFinished")
        if limit is None:
            return None
        end = seconds(finished(job)) + float(limit)
        if time.time() < end:
            return end
        deleting.delete(self.store, JOBS, job, {"propagationPolicy": "Foreground"})
        return None

    def _work(self, job: Obj, pods: list[Obj]) -> float | None:
        status = dict(job["status"])
        if not status.get("startTime") and not job["spec"]["suspend"]:
            status["startTime"] = stamp()
        job = {**job, "status": status}
        now = tally(job, pods)
        said = _interim(status) or verdict(job, now, pods)
        again = None
        if said:
            self._end(job, now.active)
        else:
            again = self._manage(job, now, pods)
        now = _looked_again(now, tally(job, self._pods(job)))
        self._write(job, now, said)
        return min((moment for moment in (again, deadline(job)) if moment is not None), default=None)

    def _end(self, job: Obj, pods: list[Obj]) -> None:
        for pod in pods:
            deleting.delete(self.store, PODS, pod, {})
            self._tell(job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _manage(self, job: Obj, now: Tally, pods: list[Obj]) -> float | None:
        if job["spec"]["suspend"]:
            self._give_up(job, now.active)
            return None
        wanted = _wanted(job, now)
        if len(now.active) > wanted:
            self._give_up(job, now.active[wanted:])
            return None
        missing = wanted - len(now.active)
        pause = self._pause(pods)
        if missing and pause is not None and time.time() < pause:
            return pause
        return self._make(job, now, pods, missing)

    def _give_up(self, job: Obj, pods: list[Obj]) -> None:
        """Delete pods that are not wanted any more; such a one does not count as failed."""
        for pod in pods:
            now = deleting.put(self.store, PODS, podding.released(pod)) if podding.tracked(pod) else pod
            deleting.delete(self.store, PODS, now, {})
            self._tell(job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _pause(self, pods: list[Obj]) -> float | None:
        """Until when no other pod is tried, after failures in a row."""
        ended = sorted((pod for pod in pods if podding.ended(pod)), key=podding.finished_at)
        row = 0
        while row < len(ended) and ended[-1 - row]["status"]["phase"] == "Failed":
            row += 1
        if not row or not self.backoff:
            return None
        return seconds(podding.finished_at(ended[-1])) + min(self.backoff * float(1 << (row - 1)), LONGEST_BACKOFF)

    def _make(self, job: Obj, now: Tally, pods: list[Obj], count: int) -> float | None:
        namespace = job["metadata"]["namespace"]
        chosen: list[int | None] = [None] * count
        if is_indexed(job):
            taken = {podding.index_of(pod) for pod in now.active} | now.completed | (now.failed_indexes or set())
            free = (index for index in range(job["spec"]["completions"]) if index not in taken)
            chosen = [index for index, _ in zip(free, range(count), strict=False)]
        for index in chosen:
            failures = failures_of_index(job, pods, index) if index is not None else 0
            try:
                pod = creating.create(self.store, PODS, podding.pod_of(job, index, failures), namespace, self.admit)
            except Refused as refused:
                self._tell(job, "Warning", "FailedCreate", f"Error creating: {refused.message}")
                return time.time() + AGAIN_AFTER_REFUSAL
            self._tell(job, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        return None

    def _write(self, job: Obj, now: Tally, said: Verdict | None) -> None:
        """Counting takes two steps, with the pods let go in between, so that none is counted twice or never."""
        fresh = now.new_succeeded + now.new_failed
        status = {**job["status"], **_numbers(job, now)}
        status["conditions"] = self._suspension(job, status)
        if said and not _interim(status):
            status["conditions"] = [*status["conditions"], _condition(*said)]
        if fresh:
            before = {key: job["status"].get(key, 0) for key in ("succeeded", "failed")}
            if is_indexed(job):
                before.pop("succeeded")
            job = self._put(job, {**status, **before, "uncountedTerminatedPods": _uncounted(job, now)})
            self._release(fresh)
        ending = said is not None and not now.active and not now.terminating
        if said and ending:
            final = "Complete" if said[0] == "SuccessCriteriaMet" else "Failed"
            status["conditions"] = [*status["conditions"], _condition(final, *said[1:])]
            if final == "Complete":
                status["completionTime"] = stamp()
        self._put(job, {**status, "uncountedTerminatedPods": {}})
        if said and ending:
            good = said[0] == "SuccessCriteriaMet"
            told = ("Normal", "Completed", "Job completed") if good else ("Warning", said[1], said[2])
            self._tell(job, *told)

    def _put(self, job: Obj, status: Obj) -> Obj:
        current = self.store.get(JOBS, job["metadata"]["namespace"], job["metadata"]["name"])
        optional = ("active", "succeeded", "failed", "completedIndexes", "conditions")
        shown = {key: value for key, value in status.items() if value or key not in optional}
        return self.store.replace(JOBS, {**(current or job), "status": shown})

    def _suspension(self, job: Obj, status: Obj) -> list[Obj]:
        conditions = list(status.get("conditions", ()))
        was = next((one for one in conditions if one["type"] == "Suspended"), None)
        wanted = job["spec"]["suspend"]
        if wanted == bool(was and was["status"] == "True"):
            return conditions
        said = ("JobSuspended", "Job suspended") if wanted else ("JobResumed", "Job resumed")
        self._tell(job, "Normal", said[0].removeprefix("Job"), said[1])
        now = _condition("Suspended", *said, "True" if wanted else "False")
        if wanted:
            status.pop("startTime", None)
        return [now if one is was else one for one in conditions] if was else [*conditions, now]

    def _tell(self, job: Obj, type_: str, reason: str, message: str) -> None:
        self.events.tell(job, NAME, type_, reason, message)


def finished(job: Obj) -> str:
    """When a Job came to its end; empty while it has not."""
    ends = (one for one in job["status"].get("conditions", ()) if one["type"] in ("Complete", "Failed"))
    return next((one["lastTransitionTime"] for one in ends if one["status"] == "True"), "")


def _interim(status: Obj) -> Verdict | None:
    for one in status.get("conditions", ()):
        if one["type"] in ("SuccessCriteriaMet", "FailureTarget"):
            return one["type"], one["reason"], one["message"]
    return None


def _condition(type_: str, reason: str, message: str, status: str = "True") -> Obj:
    now = stamp()
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    return {"type": type_, "status": status, **times, "reason": reason, "message": message}


def _wanted(job: Obj, now: Tally) -> int:
    """How many pods are to be active."""
    spec = job["spec"]
    if spec.get("completions") is None:
        return len(now.active) if now.succeeded else int(spec["parallelism"])
    left = spec["completions"] - now.succeeded - len(now.failed_indexes or ())
    return max(0, min(int(spec["parallelism"]), int(left)))


def _looked_again(before: Tally, after: Tally) -> Tally:
    """After pods were made or deleted: who is active now, but counted as before."""
    return Tally(
        before.succeeded,
        before.failed,
        before.new_succeeded,
        before.new_failed,
        before.completed,
        before.failed_indexes,
        after.active,
        after.terminating,
    )


def _numbers(job: Obj, now: Tally) -> Obj:
    numbers: Obj = {"active": len(now.active), "succeeded": now.succeeded, "failed": now.failed}
    numbers |= {"terminating": now.terminating, "ready": now.ready}
    if is_indexed(job):
        numbers["completedIndexes"] = indexes.written(now.completed)
    if now.failed_indexes is not None:
        numbers["failedIndexes"] = indexes.written(now.failed_indexes)
    return numbers


def _uncounted(job: Obj, now: Tally) -> Obj:
    uids = {"failed": [pod["metadata"]["uid"] for pod in now.new_failed]}
    if not is_indexed(job):
        uids["succeeded"] = [pod["metadata"]["uid"] for pod in now.new_succeeded]
    return {key: value for key, value in uids.items() if value}
