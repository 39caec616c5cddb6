"""Watches that are taken and then refused, that come slowly, or that never come to an end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from sjs.core.job import Spec
from sjs.errors import LinkLost, SjsError
from sjs.targets.kubernetes import api, breaks
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, target, waits

ONE = Spec(command="true")


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    return still


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long there was to be a rest, instead of it."""
    found: list[float] = []

    class Clock:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(found.append)

    monkeypatch.setattr(breaks, "time", Clock)
    return found


ALL = [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_watch_that_tells_of_a_busy_server_is_begun_again_ever_later(
    cluster: Cluster, rests: list[float], code: int
) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    (pod,) = pods(cluster)
    cluster.faults.fail_watches(code, 3)
    threading.Timer(0.1, lambda: end(cluster, begin(cluster, pod))).start()
    cluster.api.seen.clear()
    assert one.wait([(0, 0)], 20.0).done
    assert rests[:3] == ALL[:3]
    cluster.faults.fail_watches(code, 100)
    hand_in(one, ONE, key="other/0")
    cluster.api.seen.clear()
    rests.clear()
    with pytest.raises(LinkLost, match="the API server can not answer now"):
        one.wait([(1, 1)])
    assert (rests, cluster.api.counts()["watch", "jobs"]) == (ALL, breaks.MOST + 1)


def test_a_server_that_has_always_forgotten_is_not_asked_for_ever(cluster: Cluster, rests: list[float]) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    cluster.faults.fail_watches(410, 100)
    cluster.api.seen.clear()
    with pytest.raises(SjsError, match="too old"):
        one.wait([(0, 0)])
    assert cluster.api.counts()["watch", "jobs"] == breaks.MOST + 1


def test_who_follows_a_pod_that_waits_asks_ever_later_too(cluster: Cluster, rests: list[float]) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    waits(cluster, pods(cluster)[0], "ContainerCreating", "")
    cluster.faults.fail_watches(429, 100, "pods")
    cluster.api.seen.clear()
    with pytest.raises(LinkLost, match="the API server can not answer now"):
        list(one.read(0, ["out"], follow=True))
    assert (rests, cluster.api.counts()["watch", "pods"]) == (ALL, breaks.MOST + 1)


def test_a_rest_is_no_longer_than_there_is_time(rests: list[float]) -> None:
    found = breaks.Breaks()
    for _ in range(20):
        found.pause(None, time.monotonic() + 3.0)
    assert max(rests) <= 3.0 and len(rests) == 20
    found.pause(None, time.monotonic() - 1.0)
    assert len(rests) == 20


def test_a_slow_watch_tells_all_of_it_in_the_end_and_once(cluster: Cluster) -> None:
    one = target(cluster)
    for number in range(3):
        hand_in(one, ONE, key=f"k{number}/0")
    found: list[object] = []
    with cluster.faults.watches_held():
        thread = threading.Thread(target=lambda: found.append(one.wait(None, 20.0)))
        thread.start()
        cluster.server.wait_for_streams(1)
        cluster.api.seen.clear()
        for pod in pods(cluster):
            end(cluster, begin(cluster, pod))
        assert not found
    thread.join(20)
    assert [getattr(waited, "counts", None) for waited in found] == [{"succeeded": 3}]
    assert cluster.api.counts()["watch", "jobs"] == 0, "the one that was slow told of all"


def test_who_sends_on_and_on_has_no_say_in_how_long_it_takes(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    sent = [0]

    def stream(self: api.Api, *given: object) -> Iterator[bytes]:
        """A bookmark, a letter at a time, and then lines with nothing in them."""
        for letter in json.dumps({"type": "BOOKMARK", "object": {"metadata": {}}}):
            yield letter.encode()
        while sent[0] < 1_000_000:
            sent[0] += 1
            yield b"\n"

    monkeypatch.setattr(api.Api, "stream", stream)
    assert not one.wait([(0, 0)], 0.1).done
    assert sent[0] < 1_000_000
