"""A group whose jobs go elsewhere when it is full: typed, and by Python code."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from sjs import connect
from sjs.core.lifecycle import RUNNING
from sjs.errors import Full, Unreachable
from tests.cli.conftest import CommandLine, Outcome
from tests.kube.cluster import Cluster
from tests.targets import moon

CONFIG = """\
managers:
  one: {type: moon, slots: 1}
  two: {type: moon, slots: 2}
  cluster: {type: moon, slots: 100, cost: 2}
groups:
  lab: {targets: [one, two], overflow: [cluster]}
  few: {targets: [one, two], overflow: cluster, overflow_jobs_per_day: 3}
  dear: {targets: one, overflow: [cluster], overflow_cost_per_day: 3}
"""


@pytest.fixture(autouse=True)
def config(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moon.installed(tmp_path, monkeypatch)
    path = cli.folder / "config.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)


def handed_in(cli: CommandLine, word: str, count: int, *options: str) -> Outcome:
    commands = [part for number in range(count) for part in ("--command", f"job {number}")]
    return cli.submit(word, "job", *options, *commands)


def counts() -> dict[str, int]:
    return {name: len(one.jobs) for name, one in sorted(moon.QUEUES.items())}


def test_only_what_would_have_to_wait_overflows_and_that_is_said(cli: CommandLine) -> None:
    outcome = handed_in(cli, "any:@lab", 3)
    assert (outcome.status, outcome.err, counts()) == (0, "", {"one": 1, "two": 2}), "the cluster was not even asked"
    outcome = handed_in(cli, "any:@lab", 3)
    assert outcome.err == "[cluster] 3 jobs go to cluster: lab is full (overflow)\n"
    assert outcome.out.count("[cluster]") == 3
    assert counts() == {"cluster": 3, "one": 1, "two": 2}
    assert {job.via for job in moon.QUEUES["cluster"].jobs} == {"any:@lab"}
    moon.QUEUES["two"].end(0)
    outcome = handed_in(cli, "any:@lab", 2)
    assert "[cluster] 1 job goes to cluster: lab is full (overflow)\n" in outcome.err
    assert counts() == {"cluster": 4, "one": 1, "two": 3}


def test_the_overflow_of_a_group_is_no_part_of_it(cli: CommandLine) -> None:
    outcome = cli.submit("@lab", "job", "--command", "a")
    assert (outcome.status, counts()) == (0, {"one": 1, "two": 1})
    outcome = handed_in(cli, "any:one,two", 3)
    assert sum(counts().values()) == 5
    outcome = handed_in(cli, "any:@lab,!two", 1)
    assert counts()["cluster"] == 1
    outcome = handed_in(cli, "any:@lab,!cluster", 1)
    assert counts()["cluster"] == 1
    assert cli.submit("any:@lab,@few", "job", "--command", "a").err.startswith(
        "submit: @lab and @few overflow each in its own way"
    )


@pytest.mark.parametrize(("shut", "why"), [("drain", "lab starts nothing"), ("away", "lab does not answer")])
def test_what_nobody_there_would_start_overflows(cli: CommandLine, shut: str, why: str) -> None:
    for name in ("one", "two"):
        if shut == "drain":
            moon.queue(name).drained = True
        else:
            moon.queue(name).error = Unreachable("no route to host")
    outcome = handed_in(cli, "any:@lab", 2)
    assert outcome.status == 0
    assert f"[cluster] 2 jobs go to cluster: {why} (overflow)\n" in outcome.err
    assert counts()["cluster"] == 2


def test_so_many_a_day_and_the_rest_waits_where_it_would_have(cli: CommandLine) -> None:
    assert handed_in(cli, "any:@few", 5).status == 0
    assert counts() == {"cluster": 2, "one": 1, "two": 2}
    rehearsed = handed_in(cli, "any:@few", 3, "--dry-run")
    assert (rehearsed.status, rehearsed.out.count("[cluster]")) == (0, 1)
    outcome = handed_in(cli, "any:@few", 3)
    assert outcome.err.splitlines() == [
        "[cluster] 1 job goes to cluster: few is full (overflow)",
        "[few] 2 jobs do not go to cluster: 3 of 3 jobs of today have gone",
    ]
    assert counts()["cluster"] == 3
    assert sum(counts().values()) == 8
    for name in ("one", "two"):
        moon.QUEUES[name].error = Unreachable("no route to host")
    outcome = handed_in(cli, "any:@few", 1)
    assert (outcome.status, sum(counts().values())) == (1, 8)
    assert outcome.err.splitlines()[-1] == (
        "submit: few does not answer, and they may not go to cluster: 3 of 3 jobs of today have gone"
    )
    assert list((cli.folder / ".local/state/sjs/outbox").iterdir()) == []


def test_what_was_refused_does_not_count(cli: CommandLine) -> None:
    assert handed_in(cli, "any:@few", 3).status == 0
    cluster = moon.queue("cluster", 100)
    cluster.refusal = Full("no free slot")
    outcome = handed_in(cli, "any:@few", 3)
    assert (outcome.status, counts()["cluster"]) == (0, 0), "they wait in the group, then"
    cluster.refusal = None
    handed_in(cli, "any:@few", 4)
    assert counts()["cluster"] == 3


def test_what_a_command_has_left_unsent_counts_for_the_next_one_sends_it(cli: CommandLine) -> None:
    assert handed_in(cli, "any:@few", 3).status == 0
    cluster = moon.queue("cluster", 100)
    cluster.refusal = KeyboardInterrupt()
    assert handed_in(cli, "any:@few", 3).status == 130
    cluster.refusal = None
    outcome = handed_in(cli, "any:@few", 1)
    assert "cluster has taken 0-2" in outcome.err
    assert "[few] 1 job does not go to cluster: 3 of 3 jobs of today have gone" in outcome.err
    assert counts()["cluster"] == 3


def test_a_limit_of_cost_is_for_jobs_whose_time_is_limited(cli: CommandLine) -> None:
    assert handed_in(cli, "any:@dear", 1).status == 0
    outcome = handed_in(cli, "any:@dear", 1)
    assert "[dear] 1 job does not go to cluster: nobody knows what a job without a time limit" in outcome.err
    handed_in(cli, "any:@dear", 4, "-t", "30m")
    assert counts() == {"cluster": 3, "one": 3}


def test_for_free_slots_only_it_goes_where_there_are_some(cli: CommandLine) -> None:
    moon.queue("cluster", 2)
    assert handed_in(cli, "any:@lab", 5, "--if-free").status == 0
    assert counts() == {"cluster": 2, "one": 1, "two": 2}
    outcome = handed_in(cli, "any:@lab", 1, "--if-free")
    assert (outcome.status, counts()["cluster"]) == (1, 2)
    assert "no free slot anywhere" in outcome.err


def test_a_sweep_that_is_dealt_out_overflows(cli: CommandLine) -> None:
    values = [str(number) for number in range(8)]
    outcome = cli.submit("any:@few", "sweep", "-n", "s", "-p", "x", *values, "--", "./train", "{x}")
    assert outcome.status == 0
    assert counts()["cluster"] == 3
    assert "[cluster] 3 jobs go to cluster: few is full (overflow)\n" in outcome.err


def test_what_nobody_there_could_hold_overflows_to_kubernetes(cli: CommandLine, tmp_path: Path) -> None:
    with Cluster(tmp_path / "kube", machines=()) as cluster:
        path = cli.folder / "config.yaml"
        entry = f"{{type: kubernetes, kubeconfig: {cluster.kubeconfig()}, image: busybox}}"
        path.write_text(CONFIG.replace("{type: moon, slots: 100, cost: 2}", entry))
        outcome = handed_in(cli, "any:@lab", 2, "-c", "2", "--mem", "1G")
        assert outcome.status == 0, outcome.err
        assert "[cluster] 2 jobs go to cluster: lab has nobody who could hold them (overflow)\n" in outcome.err
        outcome = handed_in(cli, "any:@lab", 1, "-c", "2", "--priority", "3")
        assert (outcome.status, counts()) == (1, {"one": 0, "two": 0})
        assert "[cluster] passed over: a Kubernetes target knows no --priority" in outcome.err
        records = [json.loads(line) for line in cli.submit("one,cluster", "list", "--json").out.splitlines()]
    assert [(one["target"], one["state"], one["via"]) for one in records] == [("cluster", "queued", "any:@lab")] * 2


class Ending(threading.Thread):
    """Ends what runs in the group, and what starts there later at once, when the cluster has got so many jobs."""

    def __init__(self, there: int) -> None:
        super().__init__(daemon=True)
        self._there = there
        self._own = [moon.queue("one", 1), moon.queue("two", 2)]
        self._cluster = moon.queue("cluster", 100, quick=True)
        self.start()

    def run(self) -> None:
        with self._cluster.changed:
            if not self._cluster.changed.wait_for(lambda: len(self._cluster.jobs) >= self._there, 60):
                return
        for one in self._own:
            with one.changed:
                one.quick = True
                for job in [job for job in one.jobs if job.state == RUNNING]:
                    one.end(job.id)


@pytest.mark.parametrize(("group", "there"), [("lab", 6), ("few", 3)])
def test_an_attended_sweep_sends_there_only_what_the_others_have_no_room_for(
    cli: CommandLine, group: str, there: int
) -> None:
    values = [str(number) for number in range(9)]
    ending = Ending(there)
    outcome = cli.submit(f"any:@{group}", "sweep", "--wait", "-n", "s", "-p", "x", *values, "--", "./train", "{x}")
    ending.join(60)
    assert (outcome.status, counts()["cluster"], sum(counts().values())) == (0, there, 9)
    assert f"[cluster] {there} jobs went to cluster: {group} was full (overflow)" in outcome.err
    no_more = "[cluster] gets no more of what overflows from few: 3 of 3 jobs of today have gone\n"
    assert outcome.err.count(no_more) == (group == "few")


def test_python_code_has_the_same(cli: CommandLine) -> None:
    said: list[str] = []
    with connect(str(cli.folder / "config.yaml"), notice=lambda name, line: said.append(f"{name}: {line}")) as fleet:
        jobs = fleet["any:@few"].map_commands([f"job {number}" for number in range(7)])
    assert [job.target for job in jobs].count("cluster") == 3
    assert said == [
        "cluster: 3 jobs go to cluster: few is full (overflow)",
        "few: 1 job does not go to cluster: 3 of 3 jobs of today have gone",
    ]


@pytest.mark.parametrize(
    ("group", "complaint"),
    [
        ("{targets: one, overflow: nobody}", "groups.lab: unknown target 'nobody'"),
        ("{targets: one, overflow_jobs_per_day: 3}", "groups.lab.overflow_jobs_per_day: without overflow"),
        ("{overflow: two}", "groups.lab: has no targets"),
        (
            "{targets: one, overflow: two, overflow_cost_per_day: x}",
            "groups.lab.overflow_cost_per_day: must be a number",
        ),
        ("{targets: one, overflow: two, overflow_cost: 3}", "groups.lab.overflow_cost: unknown key"),
    ],
)
def test_what_is_wrong_with_a_group_is_said_with_its_line(cli: CommandLine, group: str, complaint: str) -> None:
    path = cli.folder / "config.yaml"
    path.write_text(CONFIG.partition("groups:")[0] + f"groups:\n  lab: {group}\n")
    outcome = cli.submit("one", "status")
    assert outcome.status == 2
    assert f"config.yaml:6: {complaint}" in outcome.err
