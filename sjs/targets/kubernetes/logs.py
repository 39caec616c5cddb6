"""The output of a job: that of all its pods, one after the other, read on where a connection breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from sjs.answers import Piece
from sjs.core.job import Job
from sjs.errors import Refused, SjsError
from sjs.targets.kubernetes import ends
from sjs.targets.kubernetes.api import Api, Object
from sjs.targets.kubernetes.breaks import REST, Breaks
from sjs.targets.kubernetes.podlog import PodLog
from sjs.targets.kubernetes.trouble import Absent, Busy, Cut, Gone, Malformed
from sjs.targets.kubernetes.why import trouble_of

Look = Callable[[], "tuple[Job, list[Object]]"]
"""Gives a job as it is now, and its pods."""


class Output:
    """That of one job. `notice` is told what a pod waits for that is followed."""

    def __init__(
        self, api: Api, look: Look, job_changes: Callable[[float], object], notice: Callable[[str], None]
    ) -> None:
        """`job_changes` waits until the Job is another than when it was looked at, or until a time."""
        self._api = api
        self._look = look
        self._job_changes = job_changes
        self._notice = notice
        self._told: set[str] = set()
        self._breaks = Breaks()

    def read(self, follow: bool, lines: int | None, since: float | None) -> Iterator[Piece]:
        """All of it; with `follow`, until the job has ended."""
        job, pods = self._look()
        if not pods and job.end is not None and job.end.reason != "cancelled" and not follow:
            raise Refused(f"the pods of job {job.id} are gone, and its output with them")
        known: set[str] = set()
        while True:
            for pod in _begun(pods):
                name = str(pod["metadata"]["name"])
                if name in known:
                    continue
                known.add(name)
                is_last = pod is _begun(pods)[-1]
                last = lines if is_last or lines is None else 0
                try:
                    yield from of_pod(self._api, pod, self._notice, last, since, follow)
                except Busy as error:  # as where its node is gone, and that of the next one is not
                    if is_last:
                        raise
                    self._notice(f"the output of pod {name} can not be had now: {error.message}")
                lines = None if follow and is_last else lines
            if not follow or job.end is not None:
                return
            self._await(job, pods, known)
            job, pods = self._look()

    def _await(self, job: Job, pods: Sequence[Object], known: set[str]) -> None:
        """Until there is a pod to be read, or the job may have ended: of that the Job tells, and after its pods."""
        waiting = [pod for pod in pods if pod["metadata"]["name"] not in known]
        for pod in waiting:
            text = trouble_of(pod)
            if text and text not in self._told:
                self._told.add(text)
                self._notice(f"job {job.id} waits: {text}")
        if waiting:
            self._await_pod(waiting[-1])
        else:
            self._job_changes(time.monotonic() + PAUSE)

    def _await_pod(self, pod: Object) -> None:
        """Until it is another than it was."""
        meta = pod["metadata"]
        query = {"fieldSelector": f"metadata.name={meta['name']}", "resourceVersion": str(meta["resourceVersion"])}
        began = time.monotonic()
        trouble: SjsError | None = None
        try:
            for event in self._api.watch(self._api.path("pods"), query, began + PAUSE):
                if event.get("type") != "BOOKMARK":
                    self._breaks.over()
                    return
        except (Gone, Cut) as error:
            trouble = error
        if time.monotonic() - began < REST:
            self._breaks.pause(trouble, began + PAUSE)


def of_pod(
    api: Api,
    pod: Object,
    notice: Callable[[str], None],
    lines: int | None = None,
    since: float | None = None,
    follow: bool = False,
) -> Iterator[Piece]:
    """That of one pod, and of its container's earlier runs; `notice` is told what is not to be had."""
    if lines == 0 and (not follow or ends.is_over(pod)):
        return
    name = pod["metadata"]["name"]
    try:
        for line in PodLog(api, pod, notice, lines, since).read(follow):
            yield Piece("out", line)
    except Absent:
        notice(f"pod {name} is gone, and the rest of its output with it")
    except Malformed as error:  # its container was not started in the end
        notice(f"pod {name}: {error.message}")


def without(offset: int, found: Iterator[Piece]) -> Iterator[Piece]:
    """What there is, but for so many bytes of the beginning."""
    left = offset
    for piece in found:
        skipped = min(left, len(piece.data))
        left -= skipped
        if skipped < len(piece.data) or not piece.data:
            yield Piece(piece.stream, piece.data[skipped:]) if skipped else piece


PAUSE = 15.0
"""Seconds after which all is looked at anew, though nothing was heard."""


def _begun(pods: Sequence[Object]) -> list[Object]:
    """Those that may have printed something, in the order in which they were made."""
    known = ("Running", "Succeeded", "Failed")
    return ends.in_turn(pod for pod in pods if (pod.get("status") or {}).get("phase") in known)
