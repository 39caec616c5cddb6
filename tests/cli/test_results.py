"""The verb results, against pretended targets."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from sjs import reach
from sjs.answers import Filter, SweepCounts
from sjs.core.job import Job, Spec, Task
from sjs.core.metrics import Measured, Number
from sjs.errors import UnknownRequest, Unreachable
from sjs.extras import how_to_get
from sjs.routing import Fleet
from tests.cli.conftest import CommandLine, Outcome
from tests.targets.fake import FakeMachine

NOW = 1_700_000_000.0


class Pretended:
    """A target with a few jobs of the sweep s, and its machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: list[Job] = []
        self.printed: dict[int, dict[str, Number]] = {}
        self.troubles: list[tuple[int, str]] = []
        self.fault: Exception | None = None
        self.errand_fault: Exception | None = None
        self.asked: list[Any] = []

    def add(
        self, number: int, state: str = "succeeded", printed: dict[str, Number] | None = None, **values: str
    ) -> None:
        job, ended = len(self.jobs), NOW + 65 if state not in ("running", "queued") else None
        task = Task("s", number, tuple(values.items()))
        started, attempt = (None, 0) if state == "queued" else (NOW, 1)
        self.jobs.append(Job(job, Spec("x", task=task), state, NOW, attempt, started, ended))
        self.printed[job] = printed or {}

    @property
    def machine(self) -> Pretended:
        return self

    def list(self, states: Sequence[str], only: Filter) -> Iterator[Job]:
        if self.fault:
            raise self.fault
        assert "moved" not in states, "that job is elsewhere"
        return (job for job in self.jobs if job.state in states and only.sweep == "s")

    def results(self, attempts: Sequence[tuple[int, int]], pattern: str | None) -> Measured:
        if self.errand_fault:
            raise self.errand_fault
        self.asked.append((list(attempts), pattern))
        return Measured({job: self.printed[job] for job, _ in attempts if self.printed[job]}, self.troubles)

    def sweeps(self) -> Sequence[SweepCounts]:
        if self.fault:
            raise self.fault
        counts = {"succeeded": len(self.jobs), "moved": 7}
        return [SweepCounts("s", counts, NOW, NOW), SweepCounts(f"{self.name}-only", {"queued": 1}, None, None)]

    def close(self) -> None:
        pass


@pytest.fixture
def fleet(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> dict[str, Pretended]:
    """Two targets, a and b."""
    targets = {name: Pretended(name) for name in ("a", "b")}
    monkeypatch.setattr(Fleet, "_build", lambda fleet, manager: targets[manager.name])
    path = cli.folder / "config.yaml"
    path.write_text("managers:\n  a: {transport: local, root: .}\n  b: {transport: local, root: .}\n")
    path.chmod(0o600)
    a, b = targets.values()
    a.add(1, printed={"loss": 0.5, "epoch": 10}, lr="0.1", bs="8")
    b.add(3, printed={"loss": math.nan, "epoch": 3}, lr="0.01", bs="8")
    a.add(4, "running", {"loss": 0.25}, lr="0.01", bs="16")
    b.add(2, "queued", lr="0.1", bs="16")
    return targets


def well(done: Outcome) -> list[str]:
    assert (done.status, done.err) == (0, ""), done
    return done.out.splitlines()


def test_one_table_over_all_targets(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    lines = well(cli.submit("all", "results", "s"))
    assert [line.split() for line in lines[:2]] == [
        ["#", "JOB", "STATE", "TIME", "lr", "bs", "loss", "epoch"],
        ["1", "a:0", "succeeded", "1:05", "0.1", "8", "0.5", "10"],
    ]
    assert [line.split()[:3] for line in lines[2:]] == [
        ["2", "b:1", "queued"],
        ["3", "b:0", "succeeded"],
        ["4", "a:1", "running"],
    ]
    assert lines[2].split()[3:] == ["-", "0.1", "16", "-", "-"]
    assert fleet["b"].asked == [([(0, 1)], None)], "who has not begun has printed nothing"


def test_the_best_is_named_in_words_that_can_be_typed(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    done = cli.submit("all", "results", "s", "--best", "min:loss", "--top", "2")
    assert [line.split()[1] for line in done.out.splitlines()] == ["JOB", "a:1", "a:0"]
    assert done.err == "[results] the best: a:1  lr=0.01 bs=16  loss=0.25  (again: submit a rerun 1)\n"
    done = cli.submit("all", "results", "s", "--best", "max:acc")
    assert (done.status, "no job has a number as its 'acc' (they have loss, epoch)" in done.err) == (1, True)


def test_who_cannot_be_reached_is_said_and_the_others_are_shown(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    fleet["b"].fault = Unreachable("no route to host")
    done = cli.submit("all", "results", "s")
    assert (done.status, len(done.out.splitlines())) == (255, 3)
    assert "[b] error: no route to host" in done.err
    fleet["a"].fault = Unreachable("no route to host")
    done = cli.submit("all", "results", "s")
    assert (done.status, done.out, "no job of a sweep" in done.err) == (255, "", False)


def test_what_cannot_be_read_is_said(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    fleet["a"].errand_fault = UnknownRequest("no such errand")
    fleet["b"].troubles = [(0, "Permission denied")]
    done = cli.submit("all", "results", "s")
    assert (done.status, len(done.out.splitlines())) == (0, 5)
    assert sorted(done.err.splitlines()) == [
        "[a] nothing of what its jobs have printed: no such errand",
        "[b] job 0: Permission denied",
    ]


def test_csv_is_read_back_as_it_was(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    fleet["a"].add(5, printed={"loss": 0.1 + 0.2}, lr='a "b",\nc', job_id="q")
    lines = list(csv.DictReader(io.StringIO("\n".join(well(cli.submit("all", "results", "s", "--csv"))))))
    assert [*lines[0]] == [
        *("number", "target", "job_id", "state", "seconds"),
        *("lr", "bs", "param.job_id", "loss"),
        "epoch",
    ]
    assert (float(lines[4]["loss"]), lines[4]["lr"], lines[4]["param.job_id"]) == (0.1 + 0.2, 'a "b",\nc', "q")
    assert [line["loss"] for line in lines[:4]] == ["0.5", "", "nan", "0.25"]
    chosen = well(cli.submit("all", "results", "s", "--csv", "--columns", "epoch,lr"))
    assert chosen[0] == "number,target,job_id,state,seconds,epoch,lr"


def test_json_has_no_number_that_json_does_not_know(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    records = [json.loads(line, parse_constant=refuse) for line in well(cli.submit("all", "results", "s", "--json"))]
    found = {one["number"]: one for one in records}
    assert (found[3]["metrics"], found[3]["target"]) == ({"loss": "nan", "epoch": 3}, "b")
    assert (found[1]["parameters"], found[2]["seconds"]) == ({"lr": "0.1", "bs": "8"}, None)
    (first, *_) = well(cli.submit("all", "results", "s", "--json", "--sort", "-number", "--columns", "lr"))
    assert (json.loads(first)["number"], json.loads(first)["parameters"]) == (4, {"lr": "0.01"})


def test_only_some_and_found_in_another_way(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    lines = well(cli.submit("all", "results", "s", "--state", "running", "--metric", "(?P<x>1)", "--sort", "job"))
    assert [line.split()[1] for line in lines] == ["JOB", "a:1"]
    assert fleet["a"].asked == [([(1, 1)], "(?P<x>1)")]


def test_a_wide_table_is_cut_and_says_so(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    fleet["a"].add(5, printed={f"m{number}": number for number in range(20)})
    done = cli.submit("all", "results", "s", "--sort", "m19")
    assert len(done.out.splitlines()[0].split()) == 4 + 12
    assert done.out.splitlines()[0].endswith(" m19")
    assert done.err == "[results] 12 more columns: --columns A,B, or --csv\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--best", "loss"), "the least of it or the most"),
        (("--metric", "("), "is no regular expression"),
        (("--json", "--csv"), "say one of them"),
        (("--csv", "--plot", "-"), "would be one text"),
        (("--columns", "los"), "did you mean loss"),
        (("--sort", "los"), "did you mean loss"),
        (("--plot", "x.png"), "--plot of which metric?"),
    ],
)
def test_what_was_typed_wrongly(
    cli: CommandLine, fleet: dict[str, Pretended], words: tuple[str, ...], said: str
) -> None:
    done = cli.submit("all", "results", "s", *words)
    assert (done.status in (2, 255), said in done.err) == (True, True), done


def test_a_sweep_that_there_is_not(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    done = cli.submit("all", "results", "t")
    assert (done.status, done.out) == (1, "")
    assert "no job of a sweep 't'" in done.err


def test_which_sweeps_there_are(cli: CommandLine, fleet: dict[str, Pretended]) -> None:
    lines = [line.split() for line in well(cli.submit("all", "results"))]
    assert lines[0] == ["SWEEP", "JOBS", "AGE", "STATES"]
    assert (lines[1][:2], lines[1][3:]) == (["s", "4"], ["4", "succeeded"])
    assert [line[0] for line in lines[2:]] == ["a-only", "b-only"]
    (record, *_) = map(json.loads, well(cli.submit("all", "results", "--json")))
    assert record == {"target": "all", "sweep": "s", "jobs": 4, "counts": {"succeeded": 4}, "began": NOW}
    fleet["b"].fault = Unreachable("no route to host")
    assert cli.submit("all", "results").status == 255


def test_pictures_and_what_is_drawn_where_there_can_be_none(
    cli: CommandLine, fleet: dict[str, Pretended], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli.submit("all", "results", "s", "--plot", "loss.png", "--best", "min:loss")
    assert (done.status, (cli.folder / "loss.png").read_bytes()[:4]) == (0, b"\x89PNG")
    assert "[results] loss.png: loss of 2 jobs, 2 have no such number\n" in done.err
    for name, status in (("no/folder/loss.png", 1), ("loss.what", 255)):
        done = cli.submit("all", "results", "s", "--plot", name, "--sort", "loss")
        assert (done.status, f"{name} was not made" in done.err) == (status, True), done
    assert "loss against lr" in cli.submit("all", "results", "s", "--plot", "-", "--sort", "loss").out
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = cli.submit("all", "results", "s", "--csv", "--plot", "x.png", "--sort", "loss")
    assert (done.status, "loss against lr" in done.err, (cli.folder / "x.png").exists()) == (1, True, False)
    assert how_to_get("plot") in done.err


MANY = """
hello()
jobs, said = {jobs}, 0
while True:
    asked = hear()
    if asked is None:
        break
    if asked["op"] == "list":
        first = asked.get("after", -1) + 1
        page = [{{"id": number, "command": "x", "state": "succeeded", "submitted": 1, "attempt": 1, "started": 1,
                  "ended": 2, "task": {{"sweep": "s", "number": number + 1, "values": {{"x": str(number)}}}}}}
                for number in range(first, min(jobs, first + asked["limit"]))]
        last = first + len(page)
        say(id=asked["id"], jobs=page, next=last - 1 if last < jobs else None)
    else:
        attempts = asked["attempts"]
        found = [[job, {{"loss": abs(job - 77) / 7}}] for job, _ in attempts]
        say(id=asked["id"], found=found, troubles=[], done=len(attempts))
"""


def test_many_jobs_take_two_questions_a_thousand(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    many = 5_000
    machine: FakeMachine = cli.play("m", MANY.format(jobs=many))
    monkeypatch.setattr(reach, "here", lambda part: machine.argv)
    done = cli.submit("m", "results", "s", "--best", "min:loss", "--top", "3")
    assert [line.split()[1] for line in done.out.splitlines()] == ["JOB", "m:77", "m:76", "m:78"]
    asked = [one["op"] for one in machine.requests]
    assert (asked.count("list"), asked.count("results"), len(asked)) == (many // 1000, many // 1000, many // 500)
