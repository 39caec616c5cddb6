"""What one pod prints, each line once, whoever ends a request for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator

from sjs.targets.kubernetes import ends
from sjs.targets.kubernetes.api import PATIENCE, Api, Object
from sjs.targets.kubernetes.manifest import CONTAINER
from sjs.targets.kubernetes.seam import Seam
from sjs.targets.kubernetes.trouble import Absent, Cut, Gone, Malformed
from sjs.targets.outage import Outage

SILENCE = 3_600.0
"""Seconds without a line after which it is asked anew; the kernel tells of peers that are gone."""

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds that a pod has to tell of its end before its log is asked for again; more each time that nothing came."""


class PodLog:
    """That a request for it ends does not mean that the pod has: a kubelet ends them when it is restarted or puts a log
    aside, and who stands between us and it, when nothing comes for long. So it is over when a request has ended that
    was begun after the container had."""

    def __init__(
        self,
        api: Api,
        pod: Object,
        notice: Callable[[str], None],
        lines: int | None = None,
        since: float | None = None,
    ) -> None:
        self._api = api
        self._pod = pod
        self._name = str(pod["metadata"]["name"])
        self._path = f"{api.path('pods', self._name)}/log"
        self._notice = notice
        self._lines = lines
        self._since = since
        self._seam = Seam(has_head=since is not None)
        self._is_at_once = False
        self._fruitless = 0
        """How many requests in a row have brought nothing."""
        self._told: set[str] = set()

    def read(self, follow: bool) -> Iterator[bytes]:
        """All that it prints, by lines, until it has ended, or until now."""
        if self._lines is None and ends.restarts(self._pod):
            yield from self._of_before()
        if follow and self._lines == 0:
            self._find_end()
        was_whole = False
        while follow and not ends.is_over(self._pod):
            was_whole = yield from self._followed()
            now = self._look()
            if now is None and not was_whole:
                raise Absent(404, f"pod {self._name} is gone")
            if now is None:
                yield from self._seam.end()
                return
            before, self._pod = self._pod, now
            self._seam.begin()
            if ends.restarts(now) > ends.restarts(before):
                yield from self._of_before()
        try:
            yield from self._whole()
        except Absent:
            if not was_whole:
                raise  # else it ended, and went: as one does that is cancelled

    def _find_end(self) -> None:
        """Begin after the last line that there is now."""
        self._lines = 1
        for _ in self._whole():
            pass
        self._lines = None
        self._seam.begin()

    def _followed(self) -> Generator[bytes, None, bool]:
        """One request, until somebody ends it; whether that looked like the end of it all."""
        is_cut = False
        try:
            yield from self._request({"follow": "true"})
        except Cut:
            is_cut = True
        self._tell_of_request()
        self._fruitless = 0 if self._seam.is_new else self._fruitless + 1
        self._is_at_once = is_cut and self._seam.is_new
        return not is_cut

    def _whole(self, **more: str) -> Iterator[bytes]:
        """What there is now, to its end."""
        outage: Outage | None = None
        while True:
            try:
                yield from self._request(more)
                break
            except Cut as error:
                outage = Outage(PATIENCE) if outage is None or self._seam.is_new else outage
                outage.pause(error)
                self._seam.begin()
        yield from self._seam.end()
        self._tell_of_request()

    def _of_before(self) -> Iterator[bytes]:
        """What the container printed, or the rest of it, before it was started again in its place."""
        try:
            yield from self._whole(previous="true")
        except Malformed as error:
            self._tell(f"what it printed before it was started again is gone: {error.message}")
        self._seam.begin(is_other=True)

    def _request(self, more: dict[str, str]) -> Iterator[bytes]:
        query: dict[str, str | int] = {"container": CONTAINER, "timestamps": "true", **more}
        if self._seam.since:
            query["sinceTime"] = self._seam.since
        else:
            if self._since is not None:
                query["sinceTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._since))
            if self._lines is not None:
                query["tailLines"] = self._lines
        for data in self._api.stream(self._path, query, SILENCE):
            yield from self._seam.take(data)

    def _look(self) -> Object | None:
        """The pod as it is now, or a little later, if it tells of an end then; None if there is none any more."""
        chosen = {"fieldSelector": f"metadata.name={self._name}"}
        found = self._api.ask("GET", self._api.path("pods"), chosen)
        pod: Object | None = next(iter(found.get("items") or ()), None)
        if pod is None or self._is_at_once or self._is_other(pod):
            return pod
        query = {**chosen, "resourceVersion": str((found.get("metadata") or {}).get("resourceVersion", ""))}
        deadline = time.monotonic() + PAUSES[min(self._fruitless, len(PAUSES) - 1)]
        try:
            for event in self._api.watch(self._api.path("pods"), query, deadline):
                if event.get("type") == "DELETED":
                    return None
                if event.get("type") != "BOOKMARK":
                    pod = event["object"]
                if self._is_other(pod):
                    break
        except (Gone, Cut):
            pass  # the deadline, most of all
        return pod

    def _is_other(self, pod: Object) -> bool:
        return ends.is_over(pod) or ends.restarts(pod) > ends.restarts(self._pod)

    def _tell_of_request(self) -> None:
        if self._seam.words:
            self._tell(f"its node says: {self._seam.words}")  # as when the container is gone before its pod is
        elif self._seam.misses:
            self._tell(MISSED)

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._notice(f"pod {self._name}: {text}")


MISSED = "some of its output may be missing here: its node has put its log aside before that was read"
