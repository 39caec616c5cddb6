"""The output of a job: that of all its pods, one after the other, read on where a connection breaks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence

from sjs.answers import Piece
from sjs.core.job import Job
from sjs.errors import Refused
from sjs.targets.kubernetes import ends
from sjs.targets.kubernetes.api import Api, Object
from sjs.targets.kubernetes.manifest import CONTAINER
from sjs.targets.kubernetes.trouble import Absent, Cut, Gone, Malformed
from sjs.targets.kubernetes.why import trouble_of

SILENCE = 3_600.0
"""Seconds without a line after which it is asked anew; the kernel tells of peers that are gone."""

Look = Callable[[], "tuple[Job, list[Object]]"]
"""Gives a job as it is now, and its pods."""


class PodLog:
    """What one pod prints. Lines carry times, by which it is known what was read before: those of the second at which
    one begins again come once more, and are left out."""

    def __init__(self, api: Api, pod: str, lines: int | None = None, since: float | None = None) -> None:
        self._api = api
        self._path = f"{api.path('pods', pod)}/log"
        self._lines = lines
        self._since = since
        self._last = b""
        self._same = 0
        """How many lines of the time `_last` were read."""

    def read(self, follow: bool) -> Iterator[bytes]:
        """All that it prints, by lines, until it has ended, or until now."""
        while True:
            try:
                yield from self._once(follow)
                return
            except Cut:
                continue  # where it was; if nobody is there, this is said

    def _once(self, follow: bool) -> Iterator[bytes]:
        query: dict[str, str | int] = {"container": CONTAINER, "timestamps": "true"}
        if follow:
            query["follow"] = "true"
        if self._last:
            query["sinceTime"] = _second(self._last)
        elif self._since is not None:
            query["sinceTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._since))
        if self._lines is not None and not self._last:
            query["tailLines"] = self._lines
        known, again, rest = self._last, self._same, b""
        for data in self._api.stream(self._path, query, SILENCE):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                stamp, text = _parted(line)
                if stamp and known and (stamp < known or (stamp == known and again)):
                    again -= stamp == known
                else:
                    self._note(stamp)
                    yield text + b"\n"
        stamp, text = _parted(rest)
        if rest and not (known and (stamp < known or (stamp == known and again))):
            self._note(stamp)
            yield text

    def _note(self, stamp: bytes) -> None:
        if stamp:
            self._same = self._same + 1 if stamp == self._last else 1
            self._last = stamp


def _parted(line: bytes) -> tuple[bytes, bytes]:
    """The time of a line, and what was printed; of the rest of a long one there is no time."""
    stamp, space, text = line.partition(b" ")
    return (stamp, text) if space and _STAMP.fullmatch(stamp) else (b"", line)


def _second(stamp: bytes) -> str:
    """The second at which to begin again, in the zone of the node."""
    found = _STAMP.fullmatch(stamp)
    return f"{found[1].decode()}{found[2].decode()}" if found else ""


_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


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
                last = pod is _begun(pods)[-1]
                yield from self._of_pod(name, follow, lines if last else 0 if lines is not None else None, since)
                lines = None if follow else lines
            if not follow or job.end is not None:
                return
            self._await(job, pods, known)
            job, pods = self._look()

    def _of_pod(self, name: str, follow: bool, lines: int | None, since: float | None) -> Iterator[Piece]:
        if lines == 0 and not follow:
            return
        try:
            for line in PodLog(self._api, name, lines, since).read(follow):
                yield Piece("out", line)
        except Absent:
            self._notice(f"pod {name} is gone, and the rest of its output with it")
        except Malformed as error:  # its container was not started in the end
            self._notice(f"pod {name}: {error.message}")

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
        try:
            for event in self._api.watch(self._api.path("pods"), query, time.monotonic() + PAUSE):
                if event.get("type") != "BOOKMARK":
                    return
        except (Gone, Cut):
            return


PAUSE = 15.0
"""Seconds after which all is looked at anew, though nothing was heard."""


def _begun(pods: Sequence[Object]) -> list[Object]:
    """Those that may have printed something, in the order in which they were made."""
    known = ("Running", "Succeeded", "Failed")
    return ends.in_turn(pod for pod in pods if (pod.get("status") or {}).get("phase") in known)
