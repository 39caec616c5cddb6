"""What jobs of a cluster print: all of it, once, whatever breaks while it is read."""

from __future__ import annotations

import threading

import pytest

from sjs.core.job import Retry, Spec
from sjs.errors import Refused
from sjs.targets.kubernetes import logs
from tests.kube.cluster import Cluster
from tests.kube.doing import hand_in, pods, target, until
from tests.kube.kinds import PODS

NUMBERS = "".join(f"{number}\n" for number in range(200))


def text(cluster: Cluster, job: int = 0, follow: bool = True, lines: int | None = None) -> str:
    return b"".join(one.data for one in target(cluster).read(job, ["out"], follow, lines)).decode()


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


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"2026-11-21T02:24:51.000000001Z a b", (b"2026-11-21T02:24:51.000000001Z", b"a b")),
        (b"2026-11-21T02:24:51.5+02:00 ", (b"2026-11-21T02:24:51.5+02:00", b"")),
        (b"rest of a long line", (b"", b"rest of a long line")),
        (b"word", (b"", b"word")),
    ],
)
def test_a_line_has_a_time_or_none(line: bytes, parts: tuple[bytes, bytes]) -> None:
    assert logs._parted(line) == parts


def test_one_goes_on_in_the_zone_of_the_node() -> None:
    assert logs._second(b"2026-11-21T02:24:51.5+02:00") == "2026-11-21T02:24:51+02:00"
