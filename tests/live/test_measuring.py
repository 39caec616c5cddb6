"""What a machine says of the numbers that its jobs have printed."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs import wire
from sjs.core.metrics import MAX_METRICS, Values
from sjs.daemon.ground.kind import LOOK
from sjs.errand import following
from sjs.errand.following import MAX_SAID, Growth
from sjs.errors import Refused
from sjs.reach import here
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Door, Session, open_session
from sjs.transport.local import LocalTransport
from tests.live.machine import DEADLINE


class Outputs:
    """A folder with outputs of jobs, and who is asked about them."""

    def __init__(self, root: Path) -> None:
        self.jobs = root / ".sjs" / "jobs.pipe" / "jobs"
        self.jobs.mkdir(parents=True)
        self.door = Door(here("errand"), str(root), "jobs.pipe")
        self.machine = DistantMachine(LocalTransport(), self.door)

    def put(self, name: str, text: str | bytes) -> Path:
        path = self.jobs / str(int(name.partition(".")[0]) // 1000) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def of(self, *attempts: tuple[int, int], pattern: str | None = None) -> dict[int, Any]:
        found, troubles = self.machine.results(attempts, pattern)
        assert troubles == []
        return dict(found)


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Outputs]:
    there = Outputs(tmp_path)
    yield there
    there.machine.close()


def test_the_last_values_of_each_attempt_and_its_result_counts_most(outputs: Outputs) -> None:
    outputs.put("0.out", "epoch 1 loss=0.5 acc=nan\nepoch 2 loss=0.4\rloss=0.3")
    outputs.put("0.err", '{"loss": 9, "lr": 0.1}\n')
    outputs.put("1.out", "loss=1\n")
    outputs.put("1.2.out", "loss=2\n")
    (outputs.jobs / "0" / "1.2.dir").mkdir()
    (outputs.jobs / "0" / "1.2.dir" / "result.json").write_text('{\n"loss": 3,\n"test": {"acc": 0.9}\n}')
    found = outputs.of((0, 1), (1, 1), (1, 2), (7, 1))
    assert found.pop(0) == {"loss": 0.3, "lr": 0.1, "epoch": 2, "acc": pytest.approx(math.nan, nan_ok=True)}
    assert found == {1: {"loss": 3, "test.acc": 0.9}}, "job 7 has printed nothing"
    assert outputs.of((1, 1)) == {1: {"loss": 1}}
    assert outputs.of((0, 1), pattern=r"acc(?P<acc>=)|epoch (?P<n>\d)") == {0: {"n": 2}}


def test_nobody_is_harmed_by_what_a_job_has_made_of_its_output(outputs: Outputs) -> None:
    outputs.put("0.out", os.urandom(1 << 18) + b"\nx=1\n")
    outputs.put("1.out", b"loss=1\n")
    with (outputs.jobs / "0" / "1.out").open("r+b") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        file.write(b"\nend=2\n")
    os.mkfifo(outputs.jobs / "0" / "2.out")
    (outputs.jobs / "0" / "3.dir").mkdir()
    (outputs.jobs / "0" / "3.dir" / "result.json").symlink_to("/dev/zero")
    outputs.put("4.dir", "no folder")
    outputs.put("5.out", "".join(f"n{number}=1\n" for number in range(MAX_METRICS + 5)))
    found, troubles = outputs.machine.results([(job, 1) for job in range(6)])
    assert (found[0]["x"], found[1]) == (1, {"loss": 1, "end": 2})
    assert len(found[5]) == MAX_METRICS
    assert dict(troubles) == {2: "its output is no plain file", 3: "Too many levels of symbolic links"}


def test_an_expression_that_never_ends_is_broken_off(outputs: Outputs) -> None:
    outputs.put("0.out", "a" * 60 + "!\n")
    endless = "(?P<x>(a|a)+)$"
    with pytest.raises(Refused, match="to read what job 0 has printed takes longer than 2 seconds"):
        outputs.machine.results([(0, 1)], endless)
    with pytest.raises(Refused, match="no regular expression"):
        outputs.machine.results([(0, 1)], "(")
    assert outputs.of((0, 1), pattern="(?P<x>!)") == {}, "the machine can be asked on"


def test_a_reply_is_no_longer_than_a_line_may_be(outputs: Outputs) -> None:
    text = "".join(f"{'n' * 50}{number}=0.12345678901234567\n" for number in range(MAX_METRICS))
    for job in range(160):
        outputs.put(f"{job}.out", text)
    session = open_session(LocalTransport(), outputs.door)
    reply = session.call("results", attempts=[[job, 1] for job in range(160)])
    assert 0 < reply["done"] < 160
    session.close()
    assert len(outputs.of(*((job, 1) for job in range(160)))) == 160


def test_what_makes_no_sense_is_refused(outputs: Outputs) -> None:
    session = open_session(LocalTransport(), outputs.door)
    for op, fields in (
        ("results", {"attempts": 1}),
        ("results", {"attempts": [[0, "1"]]}),
        ("results", {"attempts": [[0, 1]] * (wire.MAX_PAGE + 1)}),
        ("results", {"attempts": [], "pattern": "nameless"}),
        ("series", {"metric": ""}),
        ("series", {"metric": "x", "timeout": -1}),
        ("series", {"metric": "x", "jobs": [1]}),
    ):
        with pytest.raises(Refused):
            session.call(op, **fields)
    session.close()


def series_of(session: Session, number: int) -> list[Any]:
    return list(session.reply(number, DEADLINE)["series"])


def test_values_come_as_jobs_print_them(outputs: Outputs) -> None:
    outputs.put("5.out", "loss=3\nacc=1\nloss=2\nlo")
    outputs.put("6.out", "loss=9\n")
    outputs.put("7.err", "loss=nan\r")
    session = open_session(LocalTransport(), outputs.door)
    asked: dict[str, Any] = {"metric": "loss", "jobs": [[5, 5], [7, 2000]], "timeout": int(DEADLINE)}
    assert series_of(session, session.post("series", **asked)) == [[5, 1, "out", 0, [3, 2]], [7, 1, "err", 0, ["nan"]]]
    for name, text, wanted in (
        ("5.out", "ss=1\n", [5, 1, "out", 2, [1]]),
        ("8.3.out", "loss=1\n", [8, 3, "out", 0, [1]]),
        ("2000.out", "loss=4\n", [2000, 1, "out", 0, [4]]),
        ("2000.out", "loss=5\n", [2000, 1, "out", 1, [5]]),
    ):
        number = session.post("series", **asked)
        outputs.put("6.out", "loss=9\n")  # of whom nobody asked
        outputs.put(name, text)
        assert series_of(session, number) == [wanted]
    session.close()


def untold(outputs: Outputs, name: str, text: str) -> None:
    """Another machine prints it: the kernel here tells nobody, whose watches are of names, and not of these."""
    path = outputs.jobs / str(int(name.partition(".")[0]) // 1000) / name
    aside = outputs.jobs.parent / "aside" / name
    aside.parent.mkdir(exist_ok=True)
    with aside.open("a") as file:
        file.write(text)
    if not path.exists():
        folder = aside.parent / "folder"
        folder.mkdir()
        (folder / name).hardlink_to(aside)
        folder.rename(path.parent)


def test_values_come_that_another_machine_writes(outputs: Outputs) -> None:
    untold(outputs, "5.out", "loss=3\n")
    (outputs.jobs.parent / "kind").write_text("slurm\n")
    session = open_session(LocalTransport(), outputs.door)
    asked: dict[str, Any] = {"metric": "loss", "timeout": int(DEADLINE)}
    assert series_of(session, session.post("series", **asked)) == [[5, 1, "out", 0, [3]]]
    untold(outputs, "5.out", "loss=2\n")
    untold(outputs, "1005.out", "loss=1\n")
    found = series_of(session, session.post("series", **asked))
    assert found == [[5, 1, "out", 1, [2]], [1005, 1, "out", 0, [1]]]
    session.close()


def test_a_look_at_what_other_machines_write_is_at_a_few_and_all_have_their_turn(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in range(7):
        outputs.put(f"{job}.out", "x=1\n")
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(following, "MOST", 3)
    elsewhere, here = (Growth(str(outputs.jobs), None, one) for one in (True, False))
    assert len(elsewhere.changed()) == len(here.changed()) == 7
    looks = []
    for _ in range(4):
        now += LOOK / 2
        assert elsewhere.changed() == set(), "its time has not come"
        now += LOOK / 2
        looks.append(sorted(job for job, *_ in elsewhere.changed()))
    assert looks == [[0, 1, 2], [3, 4, 5], [6], [0, 1, 2]]
    assert here.changed() == set()
    elsewhere.close()
    here.close()


def test_a_wait_for_values_ends_with_the_next_request_and_in_time(outputs: Outputs) -> None:
    session = open_session(LocalTransport(), outputs.door)
    waiting = session.post("series", metric="x", timeout=3600)
    assert session.call("time")["time"] > 0
    assert series_of(session, waiting) == []
    assert series_of(session, session.post("series", metric="x", timeout=0)) == []
    session.close()


def test_a_long_series_comes_in_pieces(outputs: Outputs) -> None:
    many = 9_000
    for job in range(7):
        outputs.put(f"{job}.out", "\n".join(json.dumps({"x": number}) for number in range(many)) + "\n")
    found = [outputs.machine.series("x", None, DEADLINE), outputs.machine.series("x", None, DEADLINE)]
    assert sum(len(one.values) for one in found[0]) < MAX_SAID + many
    whole = [one for part in found for one in part]
    assert sorted(whole) == [Values(job, 1, "out", 0, list(range(many))) for job in range(7)]


def test_nobody_waits_where_no_job_can_be(outputs: Outputs) -> None:
    outputs.jobs.rmdir()
    with pytest.raises(Refused, match="no job has run here yet"):
        outputs.machine.series("x", None, 3600)
