"""What a cluster takes only in part: then nothing of it stays, or all that is there can run, and it is said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from sjs.core.job import Spec
from sjs.errors import LinkLost, NoSpace, Refused
from sjs.targets.kubernetes import maps, names
from sjs.targets.kubernetes.manifest import maps_of
from sjs.targets.kubernetes.posting import Posting
from sjs.targets.kubernetes.target import KubernetesTarget
from tests.kube import quotas
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, target
from tests.kube.kinds import CONFIGMAPS, JOBS
from tests.kube.status import Obj, forbidden
from tests.kube.test_handing_in import MANY, ONE

FOUR = [Spec(command=f"run {number}") for number in range(4)]


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    """With the ConfigMap of the ids, and nothing else."""
    one = target(still)
    hand_in(one, ONE, key="first/0")
    one.cancel(None)
    still.settle()
    one.change("clean", None)
    still.settle()
    assert there(still) == []
    return still


def there(cluster: Cluster) -> list[str]:
    cluster.settle()
    found = [*cluster.store.all(JOBS, "default"), *cluster.store.all(CONFIGMAPS, "default")]
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"] != "sjs-queue-sjs"]


def loose(cluster: Cluster) -> list[str]:
    found = cluster.store.all(CONFIGMAPS, "default")
    return [one["metadata"]["name"] for one in found if names.LOOSE in one["metadata"].get("labels", {})]


def nothing_waits(cluster: Cluster) -> None:
    """All that a Job mounts is there, and goes with it."""
    for job in cluster.store.all(JOBS, "default"):
        for name in maps_of(job):
            found = cluster.store.get(CONFIGMAPS, "default", name)
            assert found is not None, name
            assert job["metadata"]["uid"] in [one["uid"] for one in found["metadata"]["ownerReferences"]]


def admission(cluster: Cluster, kind: object, passing: int) -> Callable[[object, Obj], None]:
    """A policy that lets so many of a kind pass."""
    left = [passing]

    def admit(resource: Any, obj: Obj) -> None:
        quotas.admit(cluster.store, resource, obj)
        if resource == kind:
            left[0] -= 1
            if left[0] < 0:
                raise forbidden(resource, obj["metadata"]["name"], 'admission webhook "policy" denied the request: no')

    return admit


@pytest.mark.parametrize("verb", ["create", "update"])
def test_who_may_not_have_config_maps_leaves_no_job(
    cluster: Cluster, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = target(cluster)
    with monkeypatch.context() as forbidding:
        have = maps.Maps.have

        def late(self: maps.Maps, body: Obj) -> tuple[Obj, bool]:
            cluster.accounts.forbid("admin", verb, resource="configmaps")  # once ids are taken
            return have(self, body)

        forbidding.setattr(maps.Maps, "have", late)
        with pytest.raises(Refused, match=f"not allowed: .*cannot {verb} resource .configmaps"):
            hand_in(one, *FOUR)
    assert not one.owes
    assert there(cluster) == []
    cluster.accounts.allow_again("admin")
    hand_in(one, *FOUR)
    nothing_waits(cluster)


@pytest.mark.parametrize(("kind", "passing"), [(CONFIGMAPS, 0), (CONFIGMAPS, 1), (JOBS, 0), (JOBS, 1)])
def test_what_a_policy_refuses_half_way_leaves_nothing(cluster: Cluster, kind: object, passing: int) -> None:
    one = target(cluster)
    cluster.api.admit = admission(cluster, kind, passing)
    with pytest.raises(Refused, match="not allowed: .*denied the request: no"):
        hand_in(one, *MANY)
    assert not one.owes
    assert there(cluster) == []
    cluster.api.admit = cluster.admit
    hand_in(one, *MANY)
    nothing_waits(cluster)


def test_a_quota_of_config_maps_sends_jobs_elsewhere_and_leaves_nothing(cluster: Cluster) -> None:
    cluster.add_quota("small", {"count/configmaps": "2"})
    with pytest.raises(NoSpace, match=r"quota of namespace default is used up: .*count/configmaps=1"):
        hand_in(target(cluster), *FOUR)
    assert there(cluster) == []


def test_who_may_not_take_back_says_what_stays(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    one = target(cluster, told)
    cluster.accounts.forbid("admin", "delete", resource="configmaps")
    cluster.accounts.forbid("admin", "create", resource="jobs")
    with pytest.raises(Refused, match="cannot create resource"):
        hand_in(one, *FOUR)
    assert [line.partition(":")[0] for line in told] == [
        f"ConfigMap {name} stays there" for name in there(cluster)[::-1]
    ]
    cluster.accounts.allow_again("admin")
    cluster.accounts.forbid("admin", "delete", resource="jobs")
    cluster.api.admit = admission(cluster, JOBS, 1)
    with pytest.raises(LinkLost, match="denied the request: no; some of the jobs are there"):
        hand_in(one, *MANY, key="other/0")
    assert one.owes
    cluster.accounts.allow_again("admin")
    cluster.api.admit = cluster.admit
    assert one.collect().count == len(MANY)
    nothing_waits(cluster)
    left = loose(cluster)
    assert left == [name for name in there(cluster) if name.startswith(names.object_name("key/0"))] != []
    one.change("clean", None)
    assert loose(cluster) == left, "somebody may be about to make the Job of it"
    monkeypatch.setattr(maps, "LOOSE_FOR", -1.0)
    one.change("clean", None)
    assert loose(cluster) == []
    nothing_waits(cluster)


def test_who_cleans_gives_jobs_what_is_theirs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    one = target(cluster)
    with monkeypatch.context() as dying:
        dying.setattr(maps.Maps, "give", lambda *given: None)
        hand_in(one, *FOUR)
    assert len(loose(cluster)) == 2
    assert [job.spec for job in target(cluster).list()] == FOUR
    cluster.accounts.forbid("admin", "list", resource="configmaps")
    told: list[str] = []
    target(cluster, told).change("clean", None)
    assert "may be left: not allowed: configmaps" in told[-1]
    cluster.accounts.allow_again("admin")
    monkeypatch.setattr(maps, "LOOSE_FOR", -1.0)
    one.change("clean", None)
    assert loose(cluster) == []
    nothing_waits(cluster)


def test_what_goes_before_its_job_is_there_is_made_anew(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Posting._have_job

    def late(self: Posting, *given: Any) -> Obj:
        for one in cluster.store.all(CONFIGMAPS, "default"):
            if names.LOOSE in one["metadata"]["labels"]:
                cluster.store.remove(CONFIGMAPS, one)
        return found(self, *given)

    monkeypatch.setattr(Posting, "_have_job", late)
    hand_in(target(cluster), *FOUR)
    nothing_waits(cluster)
    assert [job.spec for job in target(cluster).list()] == FOUR


def test_two_who_hand_in_by_one_key_have_it_once(cluster: Cluster) -> None:
    for number in range(3):
        got: list[int] = []
        start = threading.Barrier(3)

        def go(
            one: KubernetesTarget, key: str = f"k{number}/0", start: threading.Barrier = start, got: list[int] = got
        ) -> None:
            start.wait(20)
            got.append(hand_in(one, *MANY, key=key))

        threads = [threading.Thread(target=go, args=(target(cluster),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(got) == 3 and len(set(got)) == 1
    assert len(cluster.store.all(JOBS, "default")) == 6
    assert loose(cluster) == []
    nothing_waits(cluster)


def test_a_retry_keeps_what_it_needs_when_the_first_try_goes(cluster: Cluster) -> None:
    one = target(cluster)
    env = {"A": "1"}
    one.post("env/0", [spec.but(env_base="e" * 64) for spec in FOUR], envs={"e" * 64: env})
    first = one.collect().first
    for pod in pods(cluster):
        end(cluster, begin(cluster, pod), 1)
    cluster.accounts.forbid("admin", "update", resource="configmaps")
    with pytest.raises(Refused, match=f"job {first} is not tried again: not allowed"):
        one.change("again", [(first, first)])
    cluster.settle()
    (job,) = cluster.store.all(JOBS, "default")
    cluster.accounts.allow_again("admin")
    one.change("again", [(first, first)])
    cluster.store.remove(JOBS, job)
    cluster.settle()
    nothing_waits(cluster)
    (again,) = cluster.store.all(JOBS, "default")
    assert len(maps_of(again)) == 2
