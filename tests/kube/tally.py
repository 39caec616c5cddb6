"""What a Job's pods come to: how many succeeded and failed, which indexes are done, whether the Job is at its end."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.kube import indexes, podding
from tests.kube.making import seconds
from tests.kube.status import Obj

REACHED = ("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
TOO_MANY = ("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
TOO_LONG = ("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
INDEXES = ("FailureTarget", "FailedIndexes", "Job has failed indexes")
TOO_MANY_INDEXES = (
    "FailureTarget",
    "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
)
Verdict = tuple[str, str, str]


@dataclass(frozen=True)
class Tally:
    """Counted of a Job and its pods at one moment."""

    succeeded: int
    failed: int
    new_succeeded: list[Obj]
    new_failed: list[Obj]
    completed: set[int]
    failed_indexes: set[int] | None
    active: list[Obj]
    terminating: int

    @property
    def ready(self) -> int:
        return sum(podding.ready(pod) for pod in self.active)


def is_indexed(job: Obj) -> bool:
    return bool(job["spec"]["completionMode"] == "Indexed")


def only_failed(job: Obj) -> bool:
    return bool(job["spec"]["podReplacementPolicy"] == "Failed")


def tally(job: Obj, pods: list[Obj]) -> Tally:
    status, spec = job["status"], job["spec"]
    new_succeeded = [pod for pod in pods if podding.tracked(pod) and pod["status"].get("phase") == "Succeeded"]
    new_failed = [pod for pod in pods if podding.tracked(pod) and podding.failed(pod, only_failed(job))]
    completed = indexes.parse(status.get("completedIndexes", ""))
    succeeded = status.get("succeeded", 0) + len(new_succeeded)
    if is_indexed(job):
        own = (podding.index_of(pod) for pod in new_succeeded)
        completed |= {index for index in own if index is not None and index < spec["completions"]}
        succeeded = len(completed)
    return Tally(
        succeeded,
        status.get("failed", 0) + len(new_failed),
        new_succeeded,
        new_failed,
        completed,
        _failed_indexes(job, pods, completed),
        podding.active(pods),
        sum(podding.going(pod) for pod in pods),
    )


def failures_of_index(job: Obj, pods: list[Obj], index: int) -> int:
    """How often the pods of an index failed, as the last of them tells."""
    counts = [
        int((pod["metadata"].get("annotations") or {}).get(podding.FAILURES, 0)) + 1
        for pod in pods
        if podding.index_of(pod) == index and podding.failed(pod, only_failed(job))
    ]
    return max(counts, default=0)


def _failed_indexes(job: Obj, pods: list[Obj], completed: set[int]) -> set[int] | None:
    limit = job["spec"].get("backoffLimitPerIndex")
    if limit is None:
        return None
    failing = {podding.index_of(pod) for pod in pods if podding.failed(pod, only_failed(job))}
    known = indexes.parse(job["status"].get("failedIndexes", ""))
    over = {index for index in failing if index is not None and failures_of_index(job, pods, index) > limit}
    return (known | over) - completed


def verdict(job: Obj, now: Tally, pods: list[Obj]) -> Verdict | None:
    """Why a Job is at its end, if it is."""
    spec = job["spec"]
    if _restarted_too_often(spec, pods) or now.failed > spec["backoffLimit"]:
        return TOO_MANY
    end = deadline(job)
    if end is not None and time.time() >= end:
        return TOO_LONG
    if now.failed_indexes is not None:
        if "maxFailedIndexes" in spec and len(now.failed_indexes) > spec["maxFailedIndexes"]:
            return TOO_MANY_INDEXES
        if now.failed_indexes and len(now.failed_indexes | now.completed) >= spec["completions"]:
            return INDEXES
    completions = spec.get("completions")
    if completions is None:
        return REACHED if now.succeeded and not now.active else None
    return REACHED if now.succeeded >= completions and not now.active else None


def deadline(job: Obj) -> float | None:
    limit, begun = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
    if limit is None or not begun or job["spec"]["suspend"]:
        return None
    return seconds(begun) + float(limit)


def _restarted_too_often(spec: Obj, pods: list[Obj]) -> bool:
    if spec["template"]["spec"]["restartPolicy"] != "OnFailure":
        return False
    restarts = sum(
        one.get("restartCount", 0)
        for pod in pods
        if pod["status"].get("phase") in ("Running", "Pending")
        for one in pod["status"].get("containerStatuses", ())
    )
    return bool(restarts >= max(1, spec["backoffLimit"]))
