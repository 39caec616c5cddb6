"""What a pod's containers have written, as the server hands it out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.kube.api import Answer
from tests.kube.bell import heard
from tests.kube.containers import Log
from tests.kube.faults import Faults
from tests.kube.kubelet import Kubelet
from tests.kube.making import exact, stamp_exact
from tests.kube.routes import Route
from tests.kube.status import Obj, bad_request
from tests.kube.watching import Waiting

PULLING = ("ErrImagePull", "ImagePullBackOff")
Line = tuple[int, bytes]


@dataclass
class Logs:
    """Answers requests for `pods/NAME/log`."""

    kubelet: Kubelet
    faults: Faults

    def __call__(self, pod: Obj, route: Route, wait: Waiting) -> Answer:
        name = _container(pod, route)
        if not pod["spec"].get("nodeName"):
            return Answer(204)
        process = self.kubelet.log(pod, name, route.flag("previous"))
        if process is None:
            raise bad_request(_none(pod, name, route.flag("previous")))
        log = process.log
        first = _first(log.lines, route)
        stamped = route.flag("timestamps")
        if route.flag("follow"):
            lines = _followed(log, log.gone + first, stamped, wait, self.faults.take_log_end())
            return Answer(200, text="text/plain", lines=lines, cut_after=self.faults.take_cut("pods/log"))
        text = b"".join(_shown(line, stamped) for line in log.lines[first:])
        limit = route.params.get("limitBytes")
        return Answer(200, text=(text[: int(limit)] if limit else text).decode(errors="replace"))


def _container(pod: Obj, route: Route) -> str:
    names = [str(one["name"]) for one in pod["spec"]["containers"]]
    known = [*(str(one["name"]) for one in pod["spec"].get("initContainers", ())), *names]
    asked = route.params.get("container")
    if asked and asked not in known:
        raise bad_request(f"container {asked} is not valid for pod {route.name}")
    if not asked and len(names) > 1:
        listed = f"[{' '.join(names)}]"
        raise bad_request(f"a container name must be specified for pod {route.name}, choose one of: {listed}")
    return asked or names[0]


def _none(pod: Obj, name: str, previous: bool) -> str:
    where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
    if previous:
        return f"previous terminated {where} not found"
    statuses = pod["status"].get("containerStatuses", ())
    state: Obj = next((one["state"] for one in statuses if one["name"] == name), {})
    reason = state.get("waiting", {}).get("reason", "ContainerCreating")
    told = "trying and failing to pull image" if reason in PULLING else reason
    return f"{where} is waiting to start: {told}"


def _first(lines: list[Line], route: Route) -> int:
    """The place of the first line that is asked for."""
    since = None
    if "sinceTime" in route.params:
        since = exact(route.params["sinceTime"])
    elif "sinceSeconds" in route.params:
        since = time.time_ns() - int(route.params["sinceSeconds"]) * 10**9
    first = 0 if since is None else next((at for at, line in enumerate(lines) if line[0] >= since), len(lines))
    if "tailLines" in route.params:
        first = max(first, len(lines) - int(route.params["tailLines"]))
    return first


def _shown(line: Line, stamped: bool) -> bytes:
    moment, text = line
    return f"{stamp_exact(moment)} ".encode() + text if stamped else text


def _followed(log: Log, place: int, stamped: bool, wait: Waiting, early: tuple[int, bytes] | None) -> Iterator[bytes]:
    left, words = early or (sys.maxsize, b"")
    with log.bell.listening() as ear:
        while True:
            heard(ear)
            ended = log.ended
            lines = log.since(place)[:left]
            place = max(place, log.gone) + len(lines)
            left -= len(lines)
            yield from (_shown(line, stamped) for line in lines)
            if words and not left:
                yield words
            if ended or not left or not wait((ear,), None):
                return
