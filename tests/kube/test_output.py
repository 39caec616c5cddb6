"""What jobs of a cluster print: all of it, once, whatever breaks while it is read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pytest

from sjs.answers import Piece
from sjs.core.job import Retry, Spec
from sjs.departure import Departed, Departure
from sjs.errors import LinkLost, Refused
from sjs.gateway.threads import Threads
from sjs.targets.kubernetes import api
from sjs.targets.kubernetes.podlog import MISSED, PodLog
from sjs.targets.kubernetes.target import KubernetesTarget
from tests.kube.cluster import Cluster
from tests.kube.doing import hand_in, pods, target, until
from tests.kube.kinds import PODS
from tests.kube.status import Obj

NUMBERS = "".join(f"{number}\n" for number in range(200))


LEAVES = 20.0
"""Seconds; a pod that prints nothing would keep whoever is not let go for an hour."""


def text(cluster: Cluster, job: int = 0, follow: bool = True, lines: int | None = None) -> str:
    return b"".join(one.data for one in target(cluster).read(job, ["out"], follow, lines)).decode()


def phase(pod: Obj | None) -> str:
    return str(pod["status"].get("phase")) if pod else ""


def test_output_is_followed_to_its_end_over_cuts_in_the_middle_of_lines(cluster: Cluster) -> None:
    one = target(cluster)
    gate = cluster.folder / "gate"
    hand_in(one, Spec(command=f"seq 0 99; while [ ! -e {gate} ]; do sleep 0.05; done; seq 100 199; exit 3"))
    found: list[str] = []
    cluster.faults.cut_logs(30)
    for count, piece in enumerate(one.read(0, ["out"], follow=True)):
        found.append(piece.data.decode())
        if count in (20, 50, 80):
            cluster.faults.cut_logs(10 + count)
        if count == 99:
            cluster.server.stop()
            cluster.server.start()
            gate.touch()
    assert "".join(found) == NUMBERS
    assert text(cluster, follow=False) == NUMBERS
    assert text(cluster, follow=False, lines=2) == "198\n199\n"
    assert text(cluster, follow=True, lines=0) == ""


def test_a_request_that_ends_is_no_pod_that_has_ended(cluster: Cluster) -> None:
    """As kubelets end them: when they are restarted, put a log aside, or can not follow."""
    told: list[str] = []
    one = target(cluster, told)
    gates = [cluster.folder / f"gate{number}" for number in range(3)]
    waits = "; ".join(f"seq {n}0 {n}9; while [ ! -e {gate} ]; do sleep 0.02; done" for n, gate in enumerate(gates, 1))
    hand_in(one, Spec(command=f"{waits}; seq 40 44; printf 45"))
    words = b"failed to create fsnotify watcher: too many open files"
    cluster.faults.end_logs(10)  # what there is, and no more
    cluster.faults.end_logs(words=words)  # nothing
    found: list[str] = []
    for count, piece in enumerate(one.read(0, ["out"], follow=True), 11):
        found.append(piece.data.decode())
        if count == 20:
            gates[0].touch()
        if count == 25:
            cluster.faults.end_logs(4)
            gates[1].touch()
        if count == 39:
            gates[2].touch()
    assert "".join(found) == "".join(f"{number}\n" for number in range(10, 45)) + "45"
    name = pods(cluster)[0]["metadata"]["name"]
    assert told == [f"pod {name}: its node says: {words.decode()}"]
    asked = cluster.api.counts()
    assert asked["get", "pods/log"] <= 5, "three that were ended, one to its end, and one to be sure"


def test_what_nobody_could_read_any_more_is_told_of(cluster: Cluster) -> None:
    told: list[str] = []
    one = target(cluster, told)
    gate = cluster.folder / "gate"
    hand_in(one, Spec(command=f"echo a; echo b; while [ ! -e {gate} ]; do sleep 0.02; done; echo c"))
    until(lambda: text(cluster, follow=False) == "a\nb\n", "it has written both")
    cluster.faults.end_logs(1)
    output = one.read(0, ["out"], follow=True)
    assert next(output).data == b"a\n"
    process = cluster.kubelet.log(pods(cluster)[0], "main", False)
    assert process is not None
    process.log.put_aside()
    gate.touch()
    assert [piece.data for piece in output] == [b"c\n"]
    assert told == [f"pod {pods(cluster)[0]['metadata']['name']}: {MISSED}"]


def test_a_container_that_is_gone_before_its_pod_is_put_nothing_aside(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, stream, told = "unable to retrieve container logs for containerd://1", api.Api.stream, list[str]()

    def gone(self: api.Api, path: str, query: dict[str, str], seconds: float) -> Iterator[bytes]:
        has_gone = path.endswith("/log") and "follow" not in query
        return iter([words.encode()]) if has_gone else stream(self, path, query, seconds)

    one = target(cluster, told)
    gate = cluster.folder / "gate"
    hand_in(one, Spec(command=f"echo a; while [ ! -e {gate} ]; do sleep 0.02; done"))
    monkeypatch.setattr(api.Api, "stream", gone)
    for piece in one.read(0, ["out"], follow=True):
        assert piece.data == b"a\n"
        gate.touch()
    assert told == [f"pod {pods(cluster)[0]['metadata']['name']}: its node says: {words}"]


def test_a_container_that_is_started_again_in_its_place_is_followed(cluster: Cluster) -> None:
    """Ours never are; what changes pods as they are made may have it so."""
    gate, mark = cluster.folder / "gate", cluster.folder / "mark"
    first = f"echo one; while [ ! -e {gate} ]; do sleep 0.02; done; echo two; touch {mark}; exit 1"
    command = ["/bin/sh", "-c", f"test -e {mark} && exec echo three; {first}"]
    spec = {"restartPolicy": "OnFailure", "containers": [{"name": "main", "image": "alpine", "command": command}]}
    cluster.create(PODS, {"metadata": {"name": "again"}, "spec": spec})
    began = cluster.wait_for(PODS, "again", lambda pod: phase(pod) == "Running")
    told: list[str] = []
    api = target(cluster)._api
    found: list[str] = []
    cluster.faults.end_logs(1)
    for line in PodLog(api, began, told.append).read(follow=True):
        found.append(line.decode())
        gate.touch()
    assert "".join(found) == "one\ntwo\nthree\n"
    ended = cluster.wait_for(PODS, "again", lambda pod: phase(pod) == "Succeeded")
    assert b"".join(PodLog(api, ended, told.append).read(follow=False)) == b"one\ntwo\nthree\n"
    assert told == []


def test_each_attempt_has_its_own_output(cluster: Cluster) -> None:
    told: list[str] = []
    one = target(cluster, told)
    count = cluster.folder / "count"
    hand_in(one, Spec(command=f"echo x >> {count}; wc -l < {count}; exit 1", retry=Retry(1)))
    one.wait([(0, 0)], 30.0)
    one.change("again", [(0, 0)])
    one.wait([(0, 0)], 30.0)

    def attempt(number: int) -> str:
        return b"".join(piece.data for piece in target(cluster).read(0, ["out"], attempt=number)).decode()

    numbers = [found["attempt"] for found in target(cluster).details(0).attempts]
    assert [attempt(number).strip() for number in numbers] == [str(number) for number in numbers]
    assert len(numbers) >= 3, "two, and those of the retry"
    with pytest.raises(Refused, match=rf"job 0 has had {numbers[-1]} attempt\(s\) \(`details` shows them\)"):
        attempt(numbers[-1] + 1)
    first = pods(cluster)[0]
    cluster.store.remove(PODS, first)
    with pytest.raises(Refused, match="the pod of attempt 1 of job 0 is gone, and its output with it"):
        attempt(1)
    assert attempt(2).strip() == "2"


def test_a_node_that_is_gone_takes_only_the_output_of_its_own_pods(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PATIENCE", 0.01)
    told: list[str] = []
    one = target(cluster, told)
    hand_in(one, Spec(command="echo one; exit 1", retry=Retry(1)))
    one.wait([(0, 0)], 30.0)
    cluster.faults.answer(500, times=2, verb="get", resource="pods/log")
    assert b"".join(piece.data for piece in one.read(0, ["out"])) == b"one\n"
    name = pods(cluster)[0]["metadata"]["name"]
    assert [text.partition(":")[0] for text in told] == [f"the output of pod {name} can not be had now"]
    cluster.faults.answer(500, times=4, verb="get", resource="pods/log")
    with pytest.raises(LinkLost, match="can not answer now"):
        list(one.read(0, ["out"]))


def test_who_follows_a_job_that_is_cancelled_sees_its_last_words_and_no_complaint(cluster: Cluster) -> None:
    """Its pod goes with it, at one moment or another."""
    told: list[str] = []
    one = target(cluster, told)
    hand_in(one, Spec(command="trap 'echo bye; exit' TERM; echo hello; while :; do sleep 0.02; done"))
    output = one.read(0, ["out"], follow=True)
    assert next(output).data == b"hello\n"
    target(cluster).cancel([(0, 0)])
    assert [piece.data for piece in output][-1] == b"bye\n"
    assert told == []


def test_the_last_lines_are_those_of_the_last_try(cluster: Cluster) -> None:
    one = target(cluster)
    mark = cluster.folder / "mark"
    hand_in(one, Spec(command=f"seq 3; test -e {mark} || {{ touch {mark}; exit 1; }}; echo 4", retry=Retry(1)))
    assert one.wait([(0, 0)], 30.0).counts == {"succeeded": 1}
    assert text(cluster, lines=2) == text(cluster, follow=False, lines=2) == "3\n4\n"
    assert text(cluster, lines=0) == text(cluster, follow=False, lines=0) == ""


def test_who_wants_only_what_is_new_misses_nothing_of_it(cluster: Cluster) -> None:
    one = target(cluster)
    gate = cluster.folder / "gate"
    hand_in(one, Spec(command=f"echo old; while [ ! -e {gate} ]; do sleep 0.02; done; echo new"))
    until(lambda: text(cluster, follow=False) == "old\n", "it has begun")
    cluster.faults.end_logs(0)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(text(cluster, lines=0)))
    before = cluster.api.counts()["get", "pods/log"]
    thread.start()
    until(lambda: cluster.api.counts()["get", "pods/log"] > before + 1, "it has asked where the output ends")
    gate.touch()
    thread.join(20)
    assert found == ["new\n"]


def test_who_follows_a_job_that_waits_is_told_why_and_sees_all_tries(cluster: Cluster) -> None:
    cluster.kubelet.missing.add("alpine")
    told: list[str] = []
    one = target(cluster, told)
    mark = cluster.folder / "mark"
    command = f"echo begun; test -e {mark} || {{ touch {mark}; exit 1; }}; echo done"
    hand_in(one, Spec(command=command, retry=Retry(1)))
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(p.data.decode() for p in one.read(0, ["out"], follow=True)))
    thread.start()
    until(lambda: told, "somebody says what the pod waits for")
    why = "its image can not be pulled, and is tried again now and then (ImagePullBackOff"
    assert [line.startswith(f"job 0 waits: {why}") for line in told] == [True]
    assert target(cluster).why(0) == [told[0].removeprefix("job 0 waits: ")]
    cluster.kubelet.missing.clear()
    cluster.kubelet.look_again()
    thread.join(20)
    assert "".join(found) == "begun\nbegun\ndone\n"


def test_output_goes_with_its_pod_and_nobody_waits_for_it(cluster: Cluster) -> None:
    one = target(cluster)
    hand_in(one, Spec(command="echo x"))
    assert one.wait([(0, 0)], 20.0).done
    assert list(one.read(0, ["err"])) == []
    for pod in pods(cluster):
        cluster.store.remove(PODS, pod)
    with pytest.raises(Refused, match="the pods of job 0 are gone, and its output with them"):
        text(cluster, follow=False)


def test_each_index_has_its_own_output_and_its_own_command(cluster: Cluster) -> None:
    one = target(cluster)
    specs = [Spec(command=f"echo {number} $SJS_JOB_ID '\"$X\"'; exit {number}", name="n") for number in range(4)]
    hand_in(one, *specs)
    waited = one.wait([(0, 3)], 30.0)
    assert waited.counts == {"succeeded": 1, "failed": 3}
    assert [text(cluster, number) for number in range(4)] == [f'{number} {number} "$X"\n' for number in range(4)]
    assert [job.end and job.end.exit for job in one.list()] == [0, 1, 2, 3]
    one.change("again", [(3, 3)])
    one.wait([(3, 3)], 30.0)
    assert text(cluster, 3) == '3 3 "$X"\n'
    assert [attempt["exit"] for attempt in target(cluster).details(3).attempts] == [3, 3]


async def gone(threads: Threads) -> None:
    """Nobody is asked any more."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LEAVES
    while threads.count("k8s"):
        assert loop.time() < deadline, "a thread waits on for somebody who has gone"
        await asyncio.sleep(0.02)


def followed(threads: Threads, one: KubernetesTarget) -> AsyncGenerator[Piece, None]:
    departure = Departure()
    return threads.stream("k8s", lambda: one.read(0, ["out"], follow=True, departure=departure), departure)


@pytest.mark.parametrize("printed", ["", "echo a;"])
def test_who_follows_a_pod_that_prints_nothing_and_leaves_leaves_no_thread(cluster: Cluster, printed: str) -> None:
    """Whether a request has been answered yet, as it is with the first line, or not."""
    hand_in(target(cluster), Spec(command=f"{printed} sleep 600"))
    until(lambda: phase(pods(cluster)[0]) == "Running", "it runs")

    async def come_and_go() -> None:
        threads = Threads(10, 10)
        async with aclosing(followed(threads, target(cluster))) as pieces:
            first = asyncio.ensure_future(pieces.__anext__())
            if printed:
                assert (await first).data == b"a\n"
            else:
                asked = cluster.api.counts()["get", "pods/log"]
                while cluster.api.counts()["get", "pods/log"] == asked:
                    await asyncio.sleep(0.02)
                assert threads.count("k8s") == 1
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
        await gone(threads)

    asyncio.run(asyncio.wait_for(come_and_go(), 60))


def test_who_waits_for_a_pod_and_leaves_leaves_no_thread_and_asks_no_more(idle: Cluster) -> None:
    """One that is to run nowhere yet: its Job is watched."""
    one = target(idle)
    hand_in(one, Spec(command="true"))

    async def come_and_go() -> None:
        threads = Threads(10, 10)
        async with aclosing(followed(threads, one)) as pieces:
            first = asyncio.ensure_future(pieces.__anext__())
            while not idle.api.counts()["watch", "pods"] + idle.api.counts()["watch", "jobs"]:
                await asyncio.sleep(0.02)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await gone(threads)

    asyncio.run(asyncio.wait_for(come_and_go(), 60))
    with pytest.raises(Departed):
        one.report()
