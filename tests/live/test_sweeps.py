"""Sweeps over several machines: each setting runs once, whoever dies or goes away, and no machine waits for another."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live import strace
from tests.live.machine import DEADLINE, running, until
from tests.live.test_outbox import Pair

SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "0"))
"""0 is the short form: a few kills. Else so many at random, and one at each step."""

CALLS = ("fdatasync", "rename", "write", "unlink")


class Lab(Pair):
    """Three machines of two slots each."""

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    def sweep(self, values: int, command: str, *options: str) -> str:
        """The words of a sweep over x = 1, 2, …, of which each run leaves a line."""
        text = f"echo {{x}} >> {self.runs}; {command}"
        return shlex.join(["any", "sweep", "-p", "x", *map(str, range(1, values + 1)), *options, "--", text])

    def ran(self) -> collections.Counter[str]:
        return collections.Counter(self.runs.read_text().split() if self.runs.exists() else ())

    def records(self, sweep: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.types(f"all list --sweep {sweep} --json").stdout.splitlines()]

    def kill_machine(self, number: int) -> None:
        """All of it, as a reboot does: what ran there is lost."""
        jobs = self.live_pids(number)
        self.machines[number].kill_both()
        for pid in jobs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def live_pids(self, number: int) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"SJS_JOB={self.machines[number].state}/".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:  # it has ended, or is somebody else's
                continue
        return found


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / f"m{number}")) for number in (1, 2, 3)]
        home = tmp_path / "home"
        home.mkdir()
        yield Lab(home, machines)


def test_a_sweep_that_is_waited_for_ends_with_what_it_came_to(lab: Lab) -> None:
    done = lab.types(lab.sweep(20, "echo last of {x}; [ {x} != 7 ]", "-n", "seven", "--wait", "--json"))
    assert done.returncode == 1
    summed = json.loads(done.stdout)
    assert summed == {
        "sweep": "seven",
        "succeeded": 19,
        "failed": 1,
        "cancelled": 0,
        "unended": 0,
        "skipped": 0,
        "left": 0,
    }
    assert "(x=7): exit status 1\n    last of 7\n" in done.stderr
    assert lab.ran() == dict.fromkeys(map(str, range(1, 21)), 1)
    records = lab.records("seven")
    assert {one["target"] for one in records} == {"m1", "m2", "m3"}
    assert sorted(one["task"]["number"] for one in records) == list(range(1, 21))


def test_the_same_again_is_refused_and_with_resume_runs_what_has_not_succeeded(lab: Lab) -> None:
    words = lab.sweep(12, "test -e go || [ {x} -gt 4 ]", "-n", "again", "--wait")
    assert lab.types(words).returncode == 4
    refused = lab.types(words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is a sweep again already, of 12 jobs: 8 succeeded, 4 failed (--resume" in refused.stderr
    for machine in lab.machines:
        (machine.root / "go").touch()
    assert lab.types(words.replace("--wait", "--wait --resume")).returncode == 0
    assert lab.ran() == {str(number): 2 if number <= 4 else 1 for number in range(1, 13)}
    done = lab.types(words.replace("--wait", "--wait --resume"))
    assert (done.returncode, "nothing is left to be handed in" in done.stderr) == (0, True)


def test_who_leaves_is_told_the_way_back_and_nothing_runs_twice(lab: Lab) -> None:
    words = lab.sweep(30, "sleep 0.2", "-n", "left", "--wait")
    with lab.begins(words) as client:
        until(lambda: sum(lab.ran().values()) >= 8, "some settings have run")
        client.send_signal(signal.SIGINT)
        _, err = client.communicate(timeout=DEADLINE)
    assert client.returncode == 130, err
    back = err.splitlines()[-1]
    assert "what has not succeeded: " in back
    assert 8 <= sum(lab.ran().values()) < 30
    assert lab.types(words.replace("--wait", "--wait --resume")).returncode == 0
    assert lab.ran() == dict.fromkeys(map(str, range(1, 31)), 1)


def test_two_commands_do_not_run_the_same_sweep(lab: Lab) -> None:
    words = lab.sweep(30, "until [ -e go ]; do sleep 0.1; done", "-n", "one", "--wait")
    with lab.begins(words) as client:
        until(lambda: bool(lab.ran()), "it has begun")
        other = lab.types(words.replace("--wait", "--resume"))
        assert (other.returncode, "another command is handing in sweep one" in other.stderr) == (1, True)
        for machine in lab.machines:
            (machine.root / "go").touch()
        client.communicate(timeout=DEADLINE)
    assert client.returncode == 0


def test_no_more_than_so_many_run_at_a_time(lab: Lab) -> None:
    counting = "mkdir $D/$$ && ls $D | wc -l >> $D.most; sleep 0.05; rmdir $D/$$"
    (lab.home / "d").mkdir()
    words = lab.sweep(24, counting, "-n", "three", "--wait", "--max-running", "3", "--env", f"D={lab.home}/d")
    assert lab.types(words).returncode == 0
    most = [int(line) for line in (lab.home / "d.most").read_text().split()]
    assert (len(most), max(most) <= 3) == (24, True)


@pytest.mark.parametrize("limit", ["3", "20%"])
def test_after_too_many_failures_no_more_begin(lab: Lab, limit: str) -> None:
    words = lab.sweep(300, "false", "-n", "bad", "--wait", "--stop-after-failures", limit)
    done = lab.types(words)
    assert done.returncode > 0
    ran = sum(lab.ran().values())
    assert 3 <= ran < 300
    assert "no more are handed in: " in done.stderr and "have failed" in done.stderr
    assert {one["state"] for one in lab.records("bad")} <= {"failed", "cancelled"}


def test_a_limit_needs_somebody_who_stays(lab: Lab) -> None:
    done = lab.types(lab.sweep(3, "true", "--max-running", "1"))
    assert (done.returncode, "add --wait" in done.stderr) == (2, True)


def test_fast_machines_get_more_than_slow_ones(lab: Lab) -> None:
    slow = f"case $SJS_MANAGER in {lab.machines[0].root}/*) sleep 1.6;; *) sleep 0.2;; esac"
    assert lab.types(lab.sweep(60, slow, "-n", "uneven", "--wait")).returncode == 0
    counts = collections.Counter(one["target"] for one in lab.records("uneven"))
    assert counts["m1"] * 3 < counts["m2"] and counts["m1"] * 3 < counts["m3"]


def test_a_machine_that_dies_is_taken_up_again_and_only_what_ran_there_is_lost(lab: Lab) -> None:
    there = f"case $SJS_MANAGER in {lab.machines[2].root}/*) [ -e mended ] || sleep 600;; esac; sleep 0.1"
    words = lab.sweep(50, there, "-n", "died", "--wait")
    with lab.begins(words) as client:
        until(lambda: sum(lab.ran().values()) >= 8 and bool(lab.live_pids(2)), "some settings have run")
        (lab.machines[2].root / "mended").touch()
        lab.kill_machine(2)
        client.communicate(timeout=DEADLINE)
    records = lab.records("died")
    lost = [one for one in records if one["state"] != "succeeded"]
    assert (client.returncode, len(records)) == (len(lost), 50)
    assert lost and {one["target"] for one in lost} == {"m3"}
    assert lab.types(words.replace("--wait", "--wait --resume")).returncode == 0
    again = collections.Counter(one["task"]["values"]["x"] for one in lost)
    assert all(count <= 1 + again[setting] for setting, count in lab.ran().items())
    assert set(lab.ran()) == set(map(str, range(1, 51)))


def test_a_machine_that_goes_away_holds_up_nobody_and_comes_back(lab: Lab) -> None:
    gone = lab.home / "gone"
    words = lab.sweep(60, f"until [ {{x}} -le 20 ] || [ -e {gone} ]; do sleep 0.05; done", "-n", "away", "--wait")
    with lab.begins(words) as client:
        until(lambda: sum(lab.ran().values()) >= 8, "some settings have run")
        assert lab.types("m3 stop --force").returncode == 0
        stopped = lab.ran()
        gone.touch()
        until(lambda: sum(lab.ran().values()) >= sum(stopped.values()) + 10, "the others go on")
        assert lab.types("m3 start").returncode == 0
        _, err = client.communicate(timeout=DEADLINE)
    assert client.returncode == 0
    assert "m3: does not answer" in err
    assert lab.ran() == dict.fromkeys(map(str, range(1, 61)), 1)


def test_what_waits_may_move_and_is_of_its_sweep_still(lab: Lab) -> None:
    words = lab.sweep(24, f"until [ -e {lab.home}/go ]; do sleep 0.05; done", "-n", "moved")
    assert lab.types(words).returncode == 0
    assert lab.types("m3 drain").returncode == 0
    assert lab.types("all rebalance").returncode == 0
    (lab.home / "go").touch()
    assert lab.types("all wait moved").returncode == 0
    assert lab.ran() == dict.fromkeys(map(str, range(1, 25)), 1)
    assert any(one["state"] == "moved" for one in lab.records("moved"))
    table = lab.types("all results moved --json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in table] == ["succeeded"] * 24
    done = lab.types(words.replace(" -- ", " --resume -- "))
    assert (done.returncode, "nothing is left to be handed in" in done.stderr) == (0, True)


def resumed(lab: Lab, words: str) -> None:
    """What a person does whose command was killed: the same again with --resume. Then each has run exactly once."""
    done = lab.types(words.replace("--wait", "--wait --resume"))
    assert done.returncode == 0, done.stderr


def test_a_client_that_is_killed_doubles_nothing(lab: Lab) -> None:
    chance = random.Random(SEED)
    for number in range(ROUNDS or 2):
        lab.runs.unlink(missing_ok=True)
        words = lab.sweep(40, "sleep 0.01", "-n", f"killed-{number}", "--wait")
        with lab.begins(words) as client:
            time.sleep(chance.uniform(0.3, 1.5))  # at any moment: there is no event for it
            client.kill()
            client.communicate(timeout=DEADLINE)
        resumed(lab, words)
        assert lab.ran() == dict.fromkeys(map(str, range(1, 41)), 1), f"seed {SEED}, round {number}"


@pytest.mark.parametrize("call", CALLS)
def test_a_client_that_is_killed_at_a_step_doubles_nothing(lab: Lab, call: str) -> None:
    chance = random.Random(f"{SEED} {call}")
    steps = range(1, ROUNDS + 1) if ROUNDS else [chance.randrange(1, 13)]
    for step in steps:
        lab.runs.unlink(missing_ok=True)
        words = lab.sweep(24, "sleep 0.01", "-n", f"{call}-{step}", "--wait")
        program, *rest = strace.injecting(call, strace.KILL, step)
        lab.types(words, [program, "-f", *rest])  # each machine has a thread
        resumed(lab, words)
        assert lab.ran() == dict.fromkeys(map(str, range(1, 25)), 1), f"seed {SEED}, {call} {step}"


def test_who_is_clearly_behind_is_ended_while_somebody_waits(lab: Lab) -> None:
    """And is no failure: the others make the exit status."""
    (lab.home / "sweep.yaml").write_text("metric: min:loss\nstop_rule: median:loss\n")
    prints = "for i in $(seq 40); do echo loss={x}; [ {x} -lt 9 ] || sleep 0.1; done; [ {x} -lt 9 ] || exec sleep 60"
    words = f"any sweep -n race -p x 1 2 3 4 9 --wait --file sweep.yaml -- sh -c {shlex.quote(prints)}"
    done = lab.types(words)
    assert done.returncode == 0, done
    assert "is being ended: behind: loss 9 at step " in done.stderr
    assert "the best: " in done.stderr.splitlines()[-1] and "  x=1  loss=1  (again: " in done.stderr
    ended = {one["task"]["values"]["x"]: (one["state"], one["detail"]) for one in lab.records("race")}
    state, detail = ended.pop("9")
    assert (state, detail.startswith("behind: loss 9 at step ")) == ("cancelled", True)
    assert ended == dict.fromkeys("1234", ("succeeded", None))
    refused = lab.types(words.replace(" --wait", ""))
    assert (refused.returncode, "add --wait" in refused.stderr) == (2, True)
