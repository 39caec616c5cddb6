"""Jobs that move from one queue to another: each runs exactly once, whatever is killed meanwhile."""

from __future__ import annotations

import collections
import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live import strace
from tests.live.machine import DEADLINE, Machine, running, until, wait_for_end
from tests.live.test_outbox import Pair

SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "0"))
"""0 is the short form: a few kills. Else so many at random, and one at each step."""

JOBS = 1_200
CALLS = ("flock", "write", "fdatasync", "unlink")
VICTIMS = ("client", "source", "target", "source's manager", "target's manager")


class Two(Pair):
    """m1 and m2, whose only slot is taken until somebody says go, and jobs that leave a line when they run."""

    def __init__(self, home: Path, machines: list[Machine]) -> None:
        super().__init__(home, machines)
        self.trips = home / ".local/state/sjs/moves"
        self.runs = home / "runs"
        self.expected: list[str] = []
        for machine in machines:
            with machine.client() as client:
                client.submit(f"until [ -e {home}/go ]; do sleep 0.05; done")

    def well(self, line: str) -> str:
        done = self.types(line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return str(done.stdout)

    def hand_in(self, where: str, count: int, name: str) -> None:
        """Jobs that came by `any`."""
        numbers = [f"{name}-{number}" for number in range(count)]
        (self.home / "commands").write_text("".join(f"echo {one} >> {self.runs}\n" for one in numbers))
        self.well(f"any:{where} job -n {name} --command-file commands -p")
        self.expected += numbers

    def records(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.well(f"{name} list all --json").splitlines()]

    def is_settled(self) -> bool:
        return not self.trips.exists() or not list(self.trips.iterdir())

    def settle(self) -> None:
        """What the next commands do by themselves; nobody has to type anything else."""
        for name in ("m1", "m2"):
            forget_the_rest(self.trips)
            self.types(f"{name} status")
        assert self.is_settled(), self.types("all status").stderr

    def run_all(self) -> None:
        """Each has run exactly once, and each that has gone says where it is."""
        for name in ("m1", "m2"):
            self.well(f"{name} configure --max-jobs-running 8")
        (self.home / "go").touch()
        found = {name: {one["id"]: one for one in self.records(name)} for name in ("m1", "m2")}
        for machine in self.machines:
            with machine.client() as client:
                counts = client.ask("wait")["counts"]
                assert counts.keys() <= {"succeeded", "moved"}, counts
        ran = collections.Counter(self.runs.read_text().split())
        assert ran == dict.fromkeys(self.expected, 1)
        for records in found.values():
            for one in records.values():
                if one["state"] == "moved":
                    there, _, number = one["detail"].rpartition(":")
                    assert found[there][int(number)]["command"] == one["command"]


def forget_the_rest(folder: Path) -> None:
    """As if a minute had gone by since somebody tried."""
    for path in folder.iterdir() if folder.exists() else ():
        lines = [line for line in path.read_bytes().splitlines(keepends=True) if b'"tried"' not in line]
        path.write_bytes(b"".join(lines))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / f"m{n}", 1)) for n in (1, 2)]
        home = tmp_path / "home"
        home.mkdir()
        found = Two(home, machines)
        yield found
        (home / "go").touch()


def test_what_waits_is_shared_anew_with_all_that_it_was_told(two: Two) -> None:
    two.hand_in("m1", 3, "plain")
    told = "-n told --env A=1 --env-file env --at 2100-01-01 --priority 3 --tag k=v"
    (two.home / "env").write_text("B=2\n")
    two.well(f"any:m1 job {told} --command 'echo $A$B >> {two.runs}'")
    two.well("m1 job -n named --hold --command true")
    assert two.well("all rebalance --dry-run").count("would") == 0, "m1 alone was meant by that word"
    two.well("m1 rebalance 1-3 --to m2 --dry-run")
    assert two.well("m1 rebalance 1-3 --to m2") == "[m1] 3 moved to m2 (1-3, there 1-3)\n"
    assert two.well("m1 rebalance --to m2 --tag k=v") == "[m1] 1 moved to m2 (4, there 4)\n"
    assert two.well("m1 rebalance --to m2 --all-jobs") == "[m1] 1 moved to m2 (5, there 5)\n"
    later, held = two.records("m2")[4:]
    assert (later["state"], later["env"], later["priority"], later["tags"]) == ("waiting", {"A": "1"}, 3, {"k": "v"})
    assert (later["due"], later["via"]) == (later["at"], "any:m1")
    assert (held["state"], held["name"], "via" in held) == ("held", "named", False)
    assert two.well("m1 why 4") == "it has ended: moved: m2:4\n"
    waited = two.types("m1 wait 4")
    assert (waited.returncode, waited.stderr) == (1, "job 4 was moved: it is m2:4 now\n")
    read = two.types("m1 logs 4 -f")
    assert (read.returncode, "it is m2:4 now (submit m2 logs 4)" in read.stderr) == (1, True)
    assert two.types("m1 retry 4").stdout == "no job to retry\n"
    two.well("m2 cancel 4-5")
    assert two.is_settled()


def test_a_queue_that_starts_nothing_is_emptied_and_who_will_not_have_jobs_sends_them_back(two: Two) -> None:
    two.well("all configure --max-jobs-running 0")
    two.hand_in("m1,m2", 40, "many")
    two.well("m2 configure --max-jobs-running 1")
    on_m1 = len([one for one in two.records("m1") if one["state"] == "queued"])
    assert re.match(rf"\[m1\] {on_m1} would go to m2 ", two.well("m1,m2 rebalance --dry-run"))
    two.well("m2 stop --force")
    refused = two.types("m1,m2 rebalance")
    assert (refused.returncode, "stopped on purpose" in refused.stderr) == (255, True)
    two.well("m2 start")
    assert f"{on_m1} moved to m2" in two.well("m1,m2 rebalance")
    two.well("m2 configure --cpus 1")
    two.well("m1 configure --cpus 8")
    two.well("m1 job -c 4 -n wide --command true")
    done = two.types("m1 rebalance --name wide --to m2")
    assert (done.returncode, "nothing to move" in done.stdout) == (0, True)
    two.run_all()


@strace.needed
def test_the_client_is_killed_at_each_step(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    log = two.home / "calls"
    counting = ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)}", "--seccomp-bpf")
    two.hand_in("m1", 1, "first")
    assert two.types("m1 rebalance --name first --to m2", counting).returncode == 0
    seen = collections.Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE))
    bins: collections.Counter[str] = collections.Counter()
    steps = [(call, when) for call, count in sorted(seen.items()) for when in range(1, count + 1)]
    if not ROUNDS:
        steps = random.Random(SEED).sample([one for one in steps if one[0] in ("flock", "fdatasync", "unlink")], 2)
    for number, (call, when) in enumerate(steps):
        name = f"{call}-{when}"
        two.hand_in("m1", 1, name)
        two.types(f"m1 rebalance --name {name} --to m2", strace.injecting(call, strace.KILL, when))
        bins["promised" if not two.is_settled() else "before it, or after all"] += 1
        if number % 4 == 3:
            two.settle()
    two.settle()
    assert bins["promised"] >= 5 or not ROUNDS
    two.run_all()
    with capsys.disabled():
        print(f"\n{len(steps)} steps, {dict(bins)}, seed {SEED}")


def test_whoever_is_killed_each_job_runs_once(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    """Client, source or target, with its keeper or alone, at any moment; then the next commands see to it."""
    rng = random.Random(SEED)
    two.hand_in("m1", JOBS, "job")
    bins: collections.Counter[str] = collections.Counter()
    here, there = 0, 1
    for _ in range(ROUNDS or 2):
        victim = rng.choice(VICTIMS)
        with two.begins(f"m{here + 1} rebalance --name job --to m{there + 1}") as process:
            time.sleep(0.2 + rng.random() * 0.5)  # a random moment is the point
            was_over = process.poll() is not None
            kill(two, victim, process.pid, here, there)
            process.communicate(timeout=DEADLINE)
        bins[f"{victim}{' (too late)' if was_over else ', all settled' if two.is_settled() else ''}"] += 1
        two.settle()
        if not any(one["state"] == "queued" for one in two.records(f"m{here + 1}")):
            here, there = there, here
    two.run_all()
    with capsys.disabled():
        print(f"\nkills {dict(sorted(bins.items()))}, seed {SEED}")


def other_manager(machine: Machine, old: int) -> bool:
    try:
        return machine.manager_pid != old
    except IndexError:  # it is just writing down who it is
        return False


def kill(two: Two, victim: str, client: int, here: int, there: int) -> None:
    who, _, alone = victim.partition("'")
    if who == "client":
        os.kill(client, signal.SIGKILL)
        return
    machine = two.machines[here if who == "source" else there]
    if alone:
        pid = machine.manager_pid
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
        until(lambda: other_manager(machine, pid), "another manager")
    else:
        machine.kill_both()
        machine.start()
