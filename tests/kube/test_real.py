"""What real clusters do that is seldom seen in a small one."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.job import Spec
from sjs.targets.kubernetes import connection, ends, records
from tests.kube.auth import Account, Rule
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, target, until
from tests.kube.kinds import JOBS, QUOTAS

Object = dict[str, Any]


def test_a_job_that_runs_for_too_long_has_timed_out(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, Spec(command="sleep 50", timeout=1, grace=1))
    assert one.wait([(0, 0)], 20.0).counts == {"timeout": 1}
    job = next(one.list())
    assert job.end is not None and job.end.reason == "timeout"
    (pod,) = pods(cluster)
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def test_a_job_that_is_tried_again_was_handed_in_when_it_was(still: Cluster) -> None:
    one = target(still)
    hand_in(one, Spec(command="true"))
    end(still, pods(still)[0], 1)
    with still.store.lock:
        made = next(job for job in still.store.all(JOBS, "default"))
        still.store.replace(
            JOBS, {**made, "metadata": {**made["metadata"], "creationTimestamp": "2026-01-01T00:00:00Z"}}
        )
    before = next(target(still).list()).submitted
    for _ in range(2):
        target(still).change("again", None)
        end(still, pods(still)[-1], 1)
    job = next(target(still).list())
    assert (job.submitted, job.retried) == (before, 2)


def held(indexed: bool = False, cancelled: bool = False, conditions: tuple[str, ...] = (), **spec: Any) -> records.Held:
    notes = {"sjs.dev/count": "1", **({"sjs.dev/cancelled": '{"at": 5, "note": "enough"}'} if cancelled else {})}
    mode = {"completionMode": "Indexed", "backoffLimitPerIndex": 0} if indexed else {"backoffLimit": 0}
    found = records.held(
        {
            "metadata": {"name": "j", "uid": "u", "labels": {"sjs.dev/first": "0"}, "annotations": notes},
            "spec": {**mode, **spec},
            "status": {"conditions": [{"type": name, "status": "True"} for name in conditions]},
        }
    )
    assert found is not None
    return found


def pod(phase: str, code: int | None = None, reason: str = "", deleted: bool = False) -> Object:
    state = {} if code is None else {"state": {"terminated": {"exitCode": code, "reason": reason}}}
    meta: Object = {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}
    if deleted:
        meta["deletionTimestamp"] = "2026-01-01T00:00:01Z"
    return {"metadata": meta, "status": {"phase": phase, "containerStatuses": [{"name": "main", **state}]}}


IGNORED: Object = {"podFailurePolicy": {"rules": [{"action": "Ignore"}]}}


@pytest.mark.parametrize(
    ("one", "pods", "state"),
    [
        (held(), [pod("Succeeded", 0)], "succeeded"),
        (held(indexed=True), [pod("Succeeded", 0)], "succeeded"),
        (held(), [pod("Failed", 3)], "failed"),
        (held(indexed=True), [pod("Failed", 3)], "failed"),
        (held(backoffLimit=1), [pod("Failed", 3)], "waiting"),
        (held(backoffLimit=1), [pod("Failed", 3), pod("Failed", 3)], "failed"),
        (held(**IGNORED), [pod("Failed", 137, "ContainerStatusUnknown")], "waiting"),
        (held(cancelled=True, suspend=True), [pod("Succeeded", 0, deleted=True)], "cancelled"),
        (held(cancelled=True, conditions=("Failed",)), [pod("Failed", 143, deleted=True)], "cancelled"),
        (held(cancelled=True, conditions=("Failed",)), [], "cancelled"),
        (held(cancelled=True, conditions=("Failed",)), [pod("Failed", 3)], "failed"),
    ],
)
def test_a_pod_tells_of_its_end_before_its_job_does(one: records.Held, pods: list[Object], state: str) -> None:
    (job,) = records.jobs(one, [Spec(command="true")], pods)
    assert job.state == state


def test_a_container_of_which_nobody_knows_was_lost_and_not_killed() -> None:
    assert ends.end_of(pod("Failed", 137, "ContainerStatusUnknown")).reason == "host-lost"


def test_what_could_not_be_started_was_not_in_1970(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, Spec(argv=("no-such-command",)))
    assert one.wait([(0, 0)], 20.0).counts == {"failed": 1}
    job = next(one.list())
    assert job.end is not None and job.end.reason == "spawn-error"
    assert job.started is not None and job.started >= job.submitted
    (attempt,) = one.details(0).attempts
    assert (attempt["started"], attempt["ended"]) == (None, job.ended)


def test_what_was_seen_to_run_is_ended_and_removed(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, Spec(command="exec sleep 60"))
    until(lambda: [job.state for job in target(cluster).list()] == ["running"], "it runs")
    assert list(one.cancel([(0, 0)]).stopping) == [(0, 0)]
    assert one.wait([(0, 0)], 20.0).counts == {"cancelled": 1}
    assert list(one.change("clean", [(0, 0)])) == [(0, 0)]


def test_what_is_ended_runs_until_its_pod_is_gone(still: Cluster) -> None:
    one = target(still)
    hand_in(one, Spec(command="true"))
    pod = begin(still, pods(still)[0])
    one.cancel(None)
    still.settle()
    job = next(target(still).list())
    assert job.state == "running"
    end(still, pod, 143)
    assert next(target(still).list()).state == "cancelled"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_no_proxy_is_asked_for_a_cluster_on_this_machine(host: str) -> None:
    assert connection._proxy(f"https://{host}:6443", {"https_proxy": "http://p:1"}) == ""


def test_who_may_only_look_at_jobs_sees_how_they_stand(cluster: Cluster) -> None:
    hand_in(target(cluster), Spec(command="true"), Spec(command="exit 3"))
    until(lambda: target(cluster).wait([(0, 1)], 20.0).done, "they end")
    rules = (Rule(("get", "list", "watch"), ("jobs", "pods")),)
    cluster.accounts.add(Account("poor", rules), "token-poor")
    one = target(cluster, kubeconfig=str(cluster.kubeconfig("poor")))
    assert one.report().counts == {"succeeded": 1, "failed": 1}
    assert [job.state for job in one.list()] == ["succeeded", "failed"]


def test_a_quota_of_other_pods_is_none_of_ours(still: Cluster) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "0"}, "scopes": ["Terminating"]}}
    still.create(QUOTAS, quota)
    still.settle()
    assert target(still).report().report.max_running == 1000
