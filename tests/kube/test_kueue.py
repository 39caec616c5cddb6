"""Jobs that Kueue starts and stops. It is played here: who has its label is suspended until it is admitted, and who is
admitted is resumed whenever somebody suspends it."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.job import Spec
from sjs.errors import Refused
from sjs.targets.kubernetes.names import KUEUE
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, target, until
from tests.kube.kinds import JOBS
from tests.kube.status import Obj

FOUR = [Spec(command=f"run {number}") for number in range(4)]
ONE = Spec(command="mine")


def suspended(cluster: Cluster, job: Obj, so: bool) -> None:
    """What Kueue does to a Job."""
    with cluster.store.lock:
        now = cluster.store.get(JOBS, "default", job["metadata"]["name"])
        assert now is not None
        cluster.store.replace(JOBS, {**now, "spec": {**now["spec"], "suspend": so}})
    cluster.settle()


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    """Jobs 0-3 are one of Kueue's queue `team`, and job 4 is nobody's."""

    def admit(resource: Any, obj: Obj) -> None:
        if resource == JOBS and KUEUE in obj["metadata"].get("labels", {}):
            obj["spec"]["suspend"] = True

    still.api.admit = admit
    hand_in(target(still, labels={KUEUE: "team"}), *FOUR)
    hand_in(target(still), ONE.but(hold=True), key="mine/0")
    still.settle()
    return still


def theirs(cluster: Cluster) -> Obj:
    (job,) = (one for one in cluster.store.all(JOBS, "default") if KUEUE in one["metadata"]["labels"])
    return job


def test_who_waits_for_kueue_is_queued_and_not_held(cluster: Cluster) -> None:
    one = target(cluster)
    assert [job.state for job in one.list()] == ["queued"] * 4 + ["held"]
    assert one.why(2) == ["Kueue has not admitted it yet, or has taken it back, in its queue team"]
    assert one.why(4) == ["held; release it"]
    suspended(cluster, theirs(cluster), False)
    assert one.why(2) == ["the scheduler has not looked at it yet"]


@pytest.mark.parametrize("how", ["hold", "release"])
def test_what_kueue_would_undo_is_refused(cluster: Cluster, how: str) -> None:
    told: list[str] = []
    one = target(cluster, told)
    before = theirs(cluster)
    said = "Kueue starts and stops it, in its queue team, so it is not "
    with pytest.raises(Refused, match=f"^job 0 and 3 others: {said}(held|released) .*cancel"):
        one.change(how, [(0, 3)])
    one.change("release", None)
    assert [job.state for job in one.list([(4, 4)])] == ["queued"], "the others are not kept from it"
    assert told == [f"job 0 and 3 others: {said}released"]
    assert theirs(cluster) == before
    with pytest.raises(Refused, match="--hold: Kueue starts and stops"):
        hand_in(target(cluster, labels={KUEUE: "team"}), ONE.but(hold=True), key="held/0")


@pytest.mark.parametrize("runs", [True, False])
def test_who_is_cancelled_runs_no_more_though_kueue_resumes_it(cluster: Cluster, runs: bool) -> None:
    one = target(cluster)
    if runs:
        suspended(cluster, theirs(cluster), False)
        begin(cluster, pods(cluster, 0)[0])
    one.cancel([(0, 3)], note="enough")
    cluster.settle()
    for pod in pods(cluster):  # what its node does after TERM
        end(cluster, pod, 143)
    suspended(cluster, theirs(cluster), False)  # it is admitted now, or still
    left = [pod for pod in pods(cluster) if "deletionTimestamp" not in pod["metadata"]]
    assert [pod for pod in left if pod["status"]["phase"] not in ("Succeeded", "Failed")] == []
    until(lambda: target(cluster).wait([(0, 3)], 0.0).done or None, "its second is over")
    jobs = list(target(cluster).list([(0, 3)]))
    assert {(job.state, job.end and job.end.detail) for job in jobs if not runs or job.id} == {("cancelled", "enough")}
    assert list(target(cluster).change("again", [(2, 2)])) == [(2, 2)]
