"""How jobs of a cluster stand, as nodes bring them there."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sjs.answers import Filter
from sjs.core.job import Job, Retry, Spec, Task
from sjs.errors import Refused, UnknownJob
from sjs.targets.kubernetes import seen
from tests.kube.cluster import Cluster
from tests.kube.doing import begin, end, hand_in, pods, put, target, until, waits
from tests.kube.making import stamp


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    return still


ONE = Spec(command="true", name="one", tags=(("a", "b"),))
FOUR = [Spec(command=f"run {number}") for number in range(4)]


def only(jobs: Any) -> Job:
    (found,) = jobs
    assert isinstance(found, Job)
    return found


def test_a_job_waits_runs_and_ends(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    assert only(one.list()).state == "queued"
    (pod,) = pods(cluster)
    begin(cluster, pod)
    job = only(target(cluster).list())
    assert (job.state, job.attempt, job.end, job.spec) == ("running", 1, None, ONE)
    end(cluster, pod)
    job = only(target(cluster).list())
    assert (job.state, job.attempt) == ("succeeded", 1)
    assert job.end is not None and job.end.exit == 0
    assert job.started is not None and job.ended is not None and job.ended >= job.started


@pytest.mark.parametrize(
    ("code", "reason", "status", "state", "how"),
    [
        (3, "", {}, "failed", ("exit", 3, None)),
        (143, "", {}, "failed", ("signal", None, 15)),
        (137, "OOMKilled", {}, "failed", ("oom", None, 9)),
        (128, "StartError", {}, "failed", ("spawn-error", None, None)),
        (137, "", {"reason": "DeadlineExceeded"}, "timeout", ("timeout", None, None)),
        (137, "", {"reason": "Evicted", "message": "low on memory"}, "lost", ("host-lost", None, None)),
    ],
)
def test_an_end_says_how(
    cluster: Cluster, code: int, reason: str, status: dict[str, str], state: str, how: tuple[object, ...]
) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    (pod,) = pods(cluster)
    begin(cluster, pod)
    end(cluster, pod, code, reason, **status)
    job = only(target(cluster).list())
    assert job.state == state
    assert job.end is not None
    assert (job.end.reason, job.end.exit, job.end.signal) == how


def test_each_index_of_a_file_of_commands_is_a_job(cluster: Cluster) -> None:
    one = target(cluster, parallelism=3)
    hand_in(one, *FOUR)
    for index, code in ((0, 0), (1, 7)):
        (pod,) = pods(cluster, index)
        begin(cluster, pod)
        end(cluster, pod, code)
    (pod,) = pods(cluster, 2)
    begin(cluster, pod)
    found = {job.id: (job.state, job.end and job.end.exit) for job in target(cluster).list()}
    assert found == {0: ("succeeded", 0), 1: ("failed", 7), 2: ("running", None), 3: ("queued", None)}
    assert target(cluster).report().counts == {"succeeded": 1, "failed": 1, "running": 1, "queued": 1}


def test_one_question_for_all_jobs(cluster: Cluster) -> None:
    for number in range(20):
        hand_in(target(cluster), ONE, key=f"k{number}/0")
    cluster.api.seen.clear()
    one = target(cluster)
    assert len(list(one.list())) == 20
    assert len(list(one.list(newest=5))) == 5
    assert dict(cluster.api.counts()) == {("list", "jobs"): 1, ("list", "pods"): 1}


def test_a_failed_try_is_followed_by_another(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE.but(retry=Retry(1)))
    (pod,) = pods(cluster)
    earlier = begin(cluster, pod)
    earlier["metadata"]["creationTimestamp"] = stamp(time.time() - 10)  # the pause of a real controller
    end(cluster, earlier, 1)
    until(lambda: len(pods(cluster)) == 2, "the controller makes another pod")
    (pod,) = (pod for pod in pods(cluster) if pod["status"]["phase"] == "Pending")
    pod = begin(cluster, pod)
    assert (only(target(cluster).list()).state, only(target(cluster).list()).attempt) == ("running", 2)
    end(cluster, pod, 2)
    details = target(cluster).details(0)
    assert details.job.state == "failed"
    assert [(one["attempt"], one["exit"], one["node"]) for one in details.attempts] == [(1, 1, "n1"), (2, 2, "n1")]
    assert {"job", "pods"} == details.raw["kubernetes"].keys()


def test_cancelled_jobs_stay_as_records(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    hand_in(one, ONE, key="second/0")
    begin(cluster, pods(cluster)[1])
    hand_in(one, ONE, key="third/0")
    end(cluster, pods(cluster)[2])
    found = target(cluster).cancel(None, note="enough")
    assert (list(found.cancelled), list(found.stopping), list(found.ended)) == ([(0, 0)], [(1, 1)], [(2, 2)])
    cluster.settle()
    ran = next(target(cluster).list([(1, 1)]))
    assert (ran.attempt, ran.started is not None) == (1, True)
    jobs = list(target(cluster).list((((0, 0)), (2, 2))))
    assert [(job.state, job.end and job.end.detail) for job in jobs] == [("cancelled", "enough"), ("succeeded", "")]
    with pytest.raises(Refused, match="sends no signals"):
        one.cancel([(0, 0)], signal=10)


def test_indexes_of_one_job_are_ended_together_or_not_at_all(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, *FOUR)
    with pytest.raises(Refused, match=r"one Indexed Job, of which some can not be cancelled .*name all .*0-3"):
        one.cancel([(1, 2)])
    begin(cluster, pods(cluster, 0)[0])
    end(cluster, pods(cluster, 0)[0])
    found = target(cluster).cancel([(1, 3)])
    assert list(found.cancelled) == [(1, 3)]
    cluster.settle()
    states = [job.state for job in target(cluster).list()]
    assert states == ["succeeded", "cancelled", "cancelled", "cancelled"]


def test_held_jobs_have_no_pods_until_they_are_released(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE.but(hold=True))
    assert (only(one.list()).state, pods(cluster)) == ("held", [])
    assert list(one.change("release", None)) == [(0, 0)]
    (pod,) = pods(cluster)
    assert list(target(cluster).change("hold", [(0, 0)])) == [(0, 0)]
    assert only(target(cluster).list()).state == "held"
    target(cluster).change("release", None)
    begin(cluster, pods(cluster)[-1])
    assert list(target(cluster).change("hold", None)) == []
    assert only(target(cluster).list()).state == "running"
    with pytest.raises(Refused, match="can not pause"):
        one.change("pause", None)


def test_a_job_is_tried_again_under_its_id(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, *FOUR)
    for index in range(4):
        (pod,) = pods(cluster, index)
        begin(cluster, pod)
        end(cluster, pod, 5 if index == 2 else 0)
    assert list(target(cluster).change("again", [(2, 2)])) == [(2, 2)]
    job = next(job for job in target(cluster).list() if job.id == 2)
    assert (job.state, job.retried, job.spec) == ("queued", 1, FOUR[2])
    pod = pods(cluster)[-1]
    env = {said["name"]: said.get("value") for said in pod["spec"]["containers"][0]["env"]}
    assert (env["JOB_COMPLETION_INDEX"], env["SJS_FAILURES"]) == ("2", "1")
    begin(cluster, pod)
    end(cluster, pod)
    assert [job.state for job in target(cluster).list()] == ["succeeded"] * 4
    details = target(cluster).details(2)
    assert [(one["attempt"], one["exit"]) for one in details.attempts] == [(1, 5), (2, 0)]
    assert details.job.attempt == 2
    assert list(target(cluster).change("again", [(2, 2)])) == [(2, 2)]
    assert [job.id for job in target(cluster).list()] == [0, 1, 2, 3]


def test_what_has_ended_can_be_removed(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    hand_in(one, *FOUR, key="four/0")
    end(cluster, pods(cluster)[0])
    with pytest.raises(Refused, match="removed as a whole"):
        end(cluster, pods(cluster, 0)[0])
        target(cluster).change("clean", [(1, 1)])
    assert list(target(cluster).change("clean", [(0, 0)])) == [(0, 0)]
    cluster.settle()
    assert [job.id for job in target(cluster).list()] == [1, 2, 3, 4]
    with pytest.raises(UnknownJob, match="no record of job 0"):
        target(cluster).details(0)
    assert target(cluster).wait([(0, 0)], 0.0).counts == {"removed": 1}
    with pytest.raises(UnknownJob, match="there is no job 9"):
        target(cluster).wait([(9, 9)], 0.0)


def test_jobs_are_chosen_by_what_was_said_of_them(cluster: Cluster) -> None:
    one = target(cluster)
    task = Spec(command="t", task=Task("s", 1, (("lr", "1"),)))
    hand_in(one, ONE, task, task.but(task=Task("s", 2, (("lr", "2"),))))
    assert [job.id for job in one.list(only=Filter(name="o*"))] == [0]
    assert [job.id for job in one.list(only=Filter(tag=("a", "b")))] == [0]
    assert [job.id for job in one.list(only=Filter(sweep="s"))] == [1, 2]
    assert [job.id for job in one.list(only=Filter(since=time.time() + 60))] == []
    assert [job.id for job in one.list([(1, 1)], states=("queued",))] == [1]
    (sweep,) = one.sweeps()
    assert (sweep.name, sweep.counts) == ("s", {"queued": 2})
    (members,) = one.members("s")
    assert (list(members.jobs), list(members.settings)) == (
        [(1, 2)],
        [job.spec.task.setting for job in one.list([(1, 2)]) if job.spec.task],
    )


def test_waiting_ends_when_all_have_ended(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, *FOUR)
    assert not one.wait([(0, 3)], 0.2).done

    def go() -> None:
        for index in range(4):
            pod = begin(cluster, pods(cluster, index)[0])
            end(cluster, pod, index % 2)

    threading.Timer(0.1, go).start()
    waited = one.wait([(0, 3)], 20.0)
    assert waited.done
    assert waited.counts == {"succeeded": 2, "failed": 2}
    job = one.wait([(1, 1)], 0.0).job
    assert job is not None and job.end is not None and job.end.exit == 1


def test_a_watch_goes_on_whatever_happens_to_it(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(one.wait([(0, 0)], 20.0)))
    thread.start()
    cluster.server.wait_for_streams(1)
    cluster.faults.cut_watches()
    pod = begin(cluster, pods(cluster)[0])  # the event of which is cut in the middle
    cluster.server.wait_for_streams(1)
    cluster.faults.answer(410, verb="watch", resource="jobs")
    cluster.server.stop()
    cluster.server.start()
    end(cluster, pod)
    thread.join(20)
    assert [waited.done for waited in found] == [True]


def test_a_slow_watch_does_not_make_a_deadline_late(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    with cluster.faults.watches_held():
        end(cluster, pods(cluster)[0])
        began = time.monotonic()
        assert not one.wait([(0, 0)], 0.5).done or time.monotonic() - began < 10
    assert one.wait([(0, 0)], 20.0).done


def test_changes_are_told_of_once(cluster: Cluster) -> None:
    one = target(cluster)
    version = one.changes()
    assert one.changes(version, 0.1) == version
    hand_in(target(cluster), ONE)
    later = one.changes(version, 20.0)
    assert later != version
    cluster.settle()
    last = one.changes(later, 0.5)
    assert one.changes(last, 0.1) == last
    sights = one.sights(10)
    assert [job.state for job in next(sights).jobs] == ["queued"]
    begin(cluster, pods(cluster)[0])
    assert [job.state for job in next(sights).jobs] == ["running"]


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        ("ImagePullBackOff", 'Back-off pulling image "x"', 'its image can not be pulled, .*Back-off pulling image "x"'),
        ("CreateContainerConfigError", "configmap y not found", "its container lacks .*configmap y not found"),
        ("Odd", "strange", "it waits: Odd: strange"),
    ],
)
def test_why_says_what_a_container_waits_for(cluster: Cluster, reason: str, message: str, said: str) -> None:
    import re

    hand_in(target(cluster), ONE)
    waits(cluster, pods(cluster)[0], reason, message)
    (line,) = target(cluster).why(0)
    assert re.match(said, line)


def test_why_says_what_else_there_is_to_say(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: cpu"}
    pod = put(cluster, pods(cluster)[0], {"conditions": [condition]})
    assert target(cluster).why(0) == ["no node can take it: 0/3 nodes: cpu"]
    begin(cluster, pod)
    assert target(cluster).why(0) == ["it is running on n1"]
    end(cluster, pod, 1)
    assert target(cluster).why(0) == ["it has ended: failed"]
    hand_in(one, ONE.but(hold=True), key="held/0")
    assert target(cluster).why(1) == ["held; release it"]


def test_a_namespace_is_shared_by_queues_that_do_not_see_each_other(cluster: Cluster) -> None:
    hand_in(target(cluster, queue="a"), ONE)
    assert hand_in(target(cluster, queue="B_c"), ONE, key="other/0") == 0
    assert [len(list(target(cluster, queue=name).list())) for name in ("a", "B_c", "d")] == [1, 1, 0]


def test_the_maximum_is_what_was_set_or_what_a_quota_leaves(cluster: Cluster) -> None:
    one = target(cluster)
    assert one.configure().new == 1000
    assert (one.configure(5).old, one.configure(7).old) == (1000, 5)
    assert target(cluster).report().report.max_running == 7
    with pytest.raises(Refused, match="keep_days is nothing that a cluster is told"):
        one.configure(None, {"keep_days": 3})
    for refused in (lambda: one.drain(True), lambda: one.stop(), lambda: one.machine, lambda: one.left([], "x")):
        with pytest.raises(Refused, match="k8s is a Kubernetes target: "):
            refused()
    assert list(one.moves()) == []


def test_what_has_just_ended_well_among_many_is_not_queued(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "PAGE", 2)
    one = target(cluster)
    hand_in(one, *FOUR)
    hand_in(one, ONE, key="one/0")
    for index in range(3):
        end(cluster, begin(cluster, pods(cluster, index)[0]))
    cluster.api.seen.clear()
    assert [job.state for job in target(cluster).list()] == ["succeeded"] * 3 + ["queued"] * 2
    assert cluster.api.counts()["list", "pods"] == 1, "nothing is asked twice"
    monkeypatch.setattr(cluster.jobs, "sync", lambda task: None)  # which tells of it a second later, or more
    (last,) = (pod for pod in pods(cluster, 3))
    (plain,) = (pod for pod in pods(cluster) if "one" in str(pod["spec"]))
    for pod in (last, plain):
        end(cluster, begin(cluster, pod))
    cluster.api.seen.clear()
    assert [job.state for job in target(cluster).list()] == ["succeeded"] * 5
    assert cluster.api.counts()["list", "pods"] == 2
