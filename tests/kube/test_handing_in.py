"""Jobs that are handed in to a cluster: each once, whatever happens between any two requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sjs.core.job import Retry, Spec
from sjs.errors import Conflict, NoSpace, Refused, SjsError, Unreachable
from sjs.targets.kubernetes.manifest import maps_of
from tests.kube.cluster import Cluster
from tests.kube.doing import hand_in, target
from tests.kube.kinds import CONFIGMAPS, JOBS, Resource
from tests.kube.status import Obj


@pytest.fixture
def cluster(still: Cluster) -> Cluster:
    return still


ONE = Spec(command="echo one", name="one")
MANY = [*(Spec(command=f"echo {number}", name="many") for number in range(5)), Spec(command="x", timeout=60.0)]
"""Five of one shape, and one of another: an Indexed Job with its ConfigMaps, and a plain one."""


def there(cluster: Cluster) -> list[tuple[str, str]]:
    """The Jobs, with the ids of their first jobs."""
    cluster.settle()
    found = cluster.store.all(JOBS, "default")
    return sorted((one["metadata"]["labels"]["sjs.dev/first"], one["metadata"]["name"]) for one in found)


def test_ids_count_up_and_a_key_is_taken_once(cluster: Cluster) -> None:
    one = target(cluster)
    assert hand_in(one, ONE, key="a/0") == 0
    assert hand_in(one, *MANY, key="b/0") == 1
    assert hand_in(target(cluster), ONE, key="c/0") == 7
    assert [job.id for job in one.list()] == list(range(8))
    one.post("b/0", MANY, again=True)
    accepted = one.collect()
    assert (accepted.first, accepted.count, accepted.repeated) == (1, 6, True)
    assert len(there(cluster)) == 4
    assert one.lookup("b") == ["0"]


@pytest.mark.parametrize(
    ("specs", "field"), [((ONE.but(on_lost="requeue"),), "podFailurePolicy"), (MANY, "backoffLimitPerIndex")]
)
def test_a_server_that_does_not_know_what_it_is_told_keeps_no_job(
    cluster: Cluster, specs: Sequence[Spec], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(resource: Resource, obj: Obj) -> None:
        if resource == JOBS:
            obj["spec"].pop(field, None)

    one = target(cluster)
    with monkeypatch.context() as old:
        old.setattr(cluster.api, "admit", forget)
        with pytest.raises(Refused, match=f"does not know what Jobs are told here: {field}") as error:
            hand_in(one, *specs)
    assert "Kubernetes 1.29" in error.value.hint and not one.owes
    assert there(cluster) == [] and len(cluster.store.all(CONFIGMAPS, "default")) == 1
    assert hand_in(one, *specs, key="key/0", again=True) == len(specs)


def test_a_key_with_other_jobs_is_refused_and_what_is_there_stays(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, ONE)
    for again in (True, False):
        with pytest.raises(Conflict, match="used before, for other jobs"):
            hand_in(one, ONE.but(command="echo other"), again=again)
    assert not one.owes
    assert [job.spec.command for job in one.list()] == ["echo one"]


def test_a_job_of_somebody_else_with_the_name_is_left_alone(cluster: Cluster) -> None:
    one = target(cluster)
    name = '{"job_name": "theirs"}'
    meta = {"name": "theirs"}
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    cluster.create(JOBS, {"metadata": meta, "spec": {"template": {"spec": pod}}})
    with pytest.raises(Conflict, match="a Job theirs is there already, and is none of these"):
        hand_in(one, ONE.but(native=(("kubernetes", name),)))
    assert list(one.list()) == []
    assert one.report().counts == {}
    assert list(one.cancel(None).cancelled) == list(one.change("clean", None)) == []
    assert len(cluster.store.all(JOBS, "default")) == 1


def test_what_was_declined_is_never_taken(cluster: Cluster) -> None:
    one = target(cluster)
    assert one.decline("key/0") is None
    assert one.decline("key/0") is None
    for again in (True, False):
        with pytest.raises(Conflict, match="was declined here"):
            hand_in(one, ONE, again=again)
    hand_in(one, ONE, key="key/1")
    assert one.decline("key/1") == next(iter(one.list())).id
    assert one.lookup("key") == ["1"]
    assert len(list(one.list())) == 1


@pytest.mark.parametrize("specs", [[ONE], MANY], ids=["one", "many"])
@pytest.mark.parametrize("verb", ["create", "update", "get"])
@pytest.mark.parametrize("done", [True, False], ids=["answer-lost", "never-heard"])
def test_connections_that_break_have_nothing_twice(
    cluster: Cluster, specs: Sequence[Spec], verb: str, done: bool
) -> None:
    one = target(cluster)
    hand_in(one, ONE, key="before/0")
    cluster.faults.reset(times=2, verb=verb, done_first=done)
    first = hand_in(one, *specs)
    assert first >= 1
    assert [job.id for job in one.list()] == [0, *range(first, first + len(specs))]
    assert hand_in(one, *specs, again=True) == first
    assert len(list(one.list())) == 1 + len(specs)


DYING = """
import os, signal, sys
sys.path.insert(0, {here!r})
from sjs.targets.kubernetes.connection import Connection
from tests.kube.test_handing_in import MANY
from sjs.targets.kinds import Entry, find

send, count = Connection.send, [0]

def counted(self, *given, **named):
    answer = send(self, *given, **named)
    count[0] += 1
    if count[0] - 1 == int(sys.argv[1]):
        answer.read()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

Connection.send = counted
entry = Entry("k8s", {{"kubeconfig": {config!r}, "image": "alpine"}}, dict(os.environ), print)
target = find("kubernetes").build(entry)
if not sys.stdin.readline():
    sys.exit()
target.post("key/0", MANY)
target.collect()
print("requests", count[0])
"""


def test_who_dies_between_any_two_requests_has_its_jobs_completed_by_the_next(cluster: Cluster, tmp_path: Path) -> None:
    """In one process, whose requests are counted; each death is another one's, by the number of the request."""
    script = tmp_path / "dying.py"
    script.write_text(DYING.format(here=os.getcwd(), config=str(cluster.kubeconfig())))

    def begun(number: int) -> subprocess.Popen[str]:
        """One that has loaded all it needs, while the one before it is looked at, and waits for its turn."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, str(script), str(number)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    following = begun(0)
    for number in range(100):
        ran, following = following, begun(number + 1)
        out, err = ran.communicate("go\n", timeout=60)
        known = {one["metadata"]["uid"] for one in cluster.store.all(JOBS, "default")}
        for job in cluster.store.all(JOBS, "default"):
            assert set(maps_of(job)) <= {
                found["metadata"]["name"] for found in cluster.store.all(CONFIGMAPS, "default")
            }
        one = target(cluster)
        first = hand_in(one, *MANY, again=True)
        jobs = list(one.list())
        assert [job.id for job in jobs] == list(range(first, first + len(MANY)))
        assert [job.spec for job in jobs] == MANY
        assert known <= {found["metadata"]["uid"] for found in cluster.store.all(JOBS, "default")}
        maps = [found for found in cluster.store.all(CONFIGMAPS, "default") if "ownerReferences" in found["metadata"]]
        assert {found["metadata"]["ownerReferences"][0]["uid"] for found in maps} <= {
            found["metadata"]["uid"] for found in cluster.store.all(JOBS, "default")
        }
        one.cancel(None)
        cluster.settle()
        one.change("clean", None)
        cluster.settle()
        assert cluster.store.all(JOBS, "default") == []
        if ran.returncode == 0:
            following.communicate("", timeout=60)
            assert number >= 6, out
            return
        assert ran.returncode == -signal.SIGKILL, err
    raise AssertionError("a hundred requests were not enough")


def test_ids_are_never_given_again_though_the_counter_was_lost(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, *MANY)
    (counter,) = [found for found in cluster.store.all(CONFIGMAPS, "default") if "next" in found.get("data", {})]
    cluster.store.remove(CONFIGMAPS, counter)
    assert hand_in(one, ONE, key="other/0") == len(MANY)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ONE.but(after=(("ok", ((0, 0),)),)), "--after"),
        (ONE.but(at=1e10), "--at"),
        (ONE.but(stdin="f"), "--stdin"),
        (ONE.but(nice=5), "--nice"),
        (ONE.but(cwd="here"), "--cwd here"),
        (ONE.but(retry=Retry(1, 5.0)), "--backoff"),
    ],
)
def test_what_a_cluster_can_not_do_is_refused_before_anything_is_made(cluster: Cluster, spec: Spec, said: str) -> None:
    one = target(cluster)
    with pytest.raises(Refused, match=said):
        hand_in(one, ONE, spec)
    assert not one.owes
    assert {verb for verb, _ in cluster.api.counts()} <= {"get", "list"}


def test_a_quota_sends_jobs_elsewhere_and_one_that_is_met_half_way_keeps_them(cluster: Cluster) -> None:
    one = target(cluster)
    left = [1]

    def admit(resource: object, obj: object) -> None:
        from tests.kube.status import forbidden

        if resource == JOBS:
            left[0] -= 1
            if left[0] < 0:
                raise forbidden(JOBS, "x", "exceeded quota: small, requested: count/jobs.batch=1, used: 1, limited: 1")

    cluster.api.admit = admit
    with pytest.raises(Unreachable, match="some of the jobs are there"):
        hand_in(one, *MANY)
    assert one.owes
    with pytest.raises(NoSpace, match="quota of namespace default is used up"):
        hand_in(target(cluster), ONE, key="other/0")
    left[0] = 10
    assert one.collect().first == 0
    assert len(list(one.list())) == len(MANY)


def test_what_the_server_finds_wrong_is_said_in_a_line(cluster: Cluster) -> None:
    one = target(cluster)
    with pytest.raises(SjsError) as raised:
        hand_in(one, ONE.but(env=(("A=B", "x"),)))
    assert "\n" not in str(raised.value)
    assert "token-admin" not in str(raised.value)
