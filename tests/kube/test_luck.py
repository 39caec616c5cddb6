"""Unlucky and hostile people: odd names, namespaces on their way out, Jobs that others delete or change."""

from __future__ import annotations

import threading

import pytest

from sjs.core.job import Spec
from sjs.errors import BadRequest, ConfigError, LinkLost, Refused
from tests.kube import deleting
from tests.kube.cluster import Cluster
from tests.kube.doing import hand_in, target
from tests.kube.faults import TEXTS
from tests.kube.kinds import JOBS, NAMESPACES

ONE = Spec(command="true")


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    return still


@pytest.mark.parametrize("count", [1, 2])
def test_text_that_is_none_is_refused_in_a_line(cluster: Cluster, count: int) -> None:
    one = target(cluster)
    with pytest.raises(BadRequest, match="is not UTF-8"):
        hand_in(one, *[Spec(command="echo \udcff")] * count)
    assert not one.owes
    hand_in(one, ONE, key="good/0")
    for refused in (lambda: one.cancel(None, note="\udcff"), lambda: hand_in(one, ONE, key="\udcff/0")):
        with pytest.raises(BadRequest, match="is not UTF-8"):
            refused()
    assert [job.state for job in one.list()] == ["queued"]


@pytest.mark.parametrize("name", ["../kube-system", "a/b", "a?b=c", "Ä", "a b"])
def test_what_is_no_namespace_is_not_asked_for(cluster: Cluster, name: str) -> None:
    with pytest.raises(ConfigError, match="can not be a namespace"):
        target(cluster, namespace=name).report()
    assert cluster.api.seen == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_namespace_that_is_being_deleted_is_named(cluster: Cluster, count: int) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    with cluster.store.lock:
        found = cluster.store.get(NAMESPACES, "", "default")
        assert found is not None
        meta = {**found["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        cluster.store.replace(NAMESPACES, {**found, "metadata": meta})
    with pytest.raises(Refused, match=r"^namespace default is being deleted, and takes nothing new$"):
        hand_in(one, *[ONE] * count, key="late/0")
    assert not one.owes
    assert [job.id for job in one.list()] == [0]


def test_a_job_that_others_delete_ends_who_waits_for_it(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE, ONE)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(one.wait([(0, 1)], 20.0)))
    thread.start()
    cluster.server.wait_for_streams(1)
    (job,) = cluster.store.all(JOBS, "default")
    deleting.delete(cluster.store, JOBS, job, {"propagationPolicy": "Foreground"})
    thread.join(20)
    assert [getattr(waited, "counts", None) for waited in found] == [{"removed": 2}]


def test_who_cancels_is_not_put_off_by_others_who_change_the_job(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TEXTS, 409, ("Conflict", "the object has been modified; please apply your changes"))
    one = target(cluster)
    hand_in(one, ONE)
    cluster.faults.answer(409, times=3, verb="patch", resource="jobs")
    assert list(one.cancel(None).cancelled) == [(0, 0)]
    hand_in(one, ONE, key="other/0")
    cluster.faults.answer(409, times=100, verb="patch", resource="jobs")
    with pytest.raises(LinkLost, match="others change Job sjs-.* all the time"):
        one.cancel(None)
