"""What a pod printed, where it goes while that is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sjs.targets.kubernetes.podlog import PodLog
from sjs.targets.kubernetes.trouble import Absent, Cut

LINE = b"2026-11-21T02:24:51.5Z hello\n"


def pod(**state: Any) -> dict[str, Any]:
    status = {"phase": "Running", "containerStatuses": [{"name": "main", "restartCount": 0, "state": state}]}
    return {"metadata": {"name": "p"}, "spec": {"restartPolicy": "Never"}, "status": status}


class Cluster:
    """One that answers what it is told to."""

    def __init__(self, then: Exception | None, *pods: dict[str, Any]) -> None:
        self.then, self.pods, self.asked = then, pods, 0

    def path(self, kind: str, name: str = "") -> str:
        return f"/{kind}/{name}"

    def ask(self, method: str, path: str, query: object) -> dict[str, Any]:
        return {"items": list(self.pods)}

    def stream(self, path: str, query: object, seconds: float) -> Iterator[bytes]:
        self.asked += 1
        if self.asked > 1:
            raise Absent(404, "pods p not found")
        yield LINE
        if self.then is not None:
            raise self.then


def read(cluster: Cluster) -> Iterator[bytes]:
    api: Any = cluster
    return PodLog(api, pod(running={}), pytest.fail).read(follow=True)


@pytest.mark.parametrize("pods", [(), (pod(terminated={"exitCode": 143}),)])
def test_one_that_ended_and_went_was_read_to_its_end(pods: tuple[dict[str, Any], ...]) -> None:
    assert list(read(Cluster(None, *pods))) == [b"hello\n"]


@pytest.mark.parametrize("pods", [(), (pod(terminated={"exitCode": 143}),)])
def test_one_that_went_while_its_log_was_cut_was_not(pods: tuple[dict[str, Any], ...]) -> None:
    output = read(Cluster(Cut("the connection broke"), *pods))
    assert next(output) == b"hello\n"
    with pytest.raises(Absent):
        next(output)
