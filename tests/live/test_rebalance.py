"""Jobs that move from one queue to another: each runs exactly once, whatever is killed meanwhile."""

from __future__ import annotations

import collections
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

JOBS = 1_200 if ROUNDS else 200
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
        jobs = [{"command": f"echo {one} >> {self.runs}", "name": name} for one in numbers]
        for start in range(0, count, 1_000):
            self.ask(where, "submit", jobs=jobs[start : start + 1_000], via=f"any:{where}")
        self.expected += numbers

    def ask(self, name: str, op: str, **fields: Any) -> dict[str, Any]:
        """A request, without a command: that takes longer."""
        with self.machines[int(name[1:]) - 1].client() as client:
            reply = client.ask(op, **fields)
        assert "error" not in reply, reply
        return reply

    def stop(self, name: str) -> None:
        """Its manager; the job that takes its slot runs on."""
        pid = self.machines[int(name[1:]) - 1].manager_pid
        self.ask(name, "stop")
        wait_for_end(pid)

    def records(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next": -1}
        while page["next"] is not None:
            page = self.ask(name, "list", after=page["next"])
            found += page["jobs"]
        return found

    def is_settled(self) -> bool:
        return not self.trips.exists() or not list(self.trips.iterdir())

    def settle(self) -> None:
        """What the next commands do by themselves, and tell; nobody has to type anything else."""
        said = ""
        for _ in range(3):
            if self.is_settled():
                return
            forget_the_rest(self.trips)
            is_promised = any(path.stat().st_size for path in self.trips.iterdir())
            said = self.types("m1 status").stderr
            assert "was moving: " in said or not is_promised
        assert self.is_settled(), said

    def run_all(self) -> None:
        """Each has run exactly once, and each that has gone says where it is."""
        for name in ("m1", "m2"):
            self.ask(name, "configure", max_jobs=8)
        (self.home / "go").touch()
        found = {name: {one["id"]: one for one in self.records(name)} for name in ("m1", "m2")}
        for name in found:
            assert self.ask(name, "wait")["counts"].keys() <= {"succeeded", "moved"}
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


ENV = "0123456789abcdef" * 4


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
    told = {"env": {"A": "1"}, "env_base": ENV, "at": 9e9, "priority": 3, "tags": {"k": "v"}}
    two.ask("m1", "submit", jobs=[{"command": "x", **told}], envs={ENV: {"B": "2"}}, via="any:m1")
    two.ask("m1", "submit", jobs=[{"command": "true", "name": "named", "hold": True}])
    said = two.well("all rebalance --dry-run")
    assert "would go" not in said, "m1 alone was meant by that word"
    assert "3 waiting; 3 of them sent here by name, which --all-jobs would move" in said, said
    assert two.well("m1 rebalance 1-3 --to m2") == "[m1] 3 moved to m2 (1-3, there 1-3)\n"
    assert two.well("m1 rebalance --to m2 --tag k=v") == "[m1] 1 moved to m2 (4, there 4)\n"
    assert two.well("m1 rebalance --to m2 --all-jobs") == "[m1] 1 moved to m2 (5, there 5)\n"
    later, held = two.records("m2")[4:]
    assert (later["state"], later["env"], later["priority"], later["tags"]) == ("waiting", {"A": "1"}, 3, {"k": "v"})
    assert (later["due"], later["via"]) == (later["at"], "any:m1")
    assert (held["state"], held["name"], "via" in held) == ("held", "named", False)
    assert two.ask("m2", "environment", digest=later["env_base"])["variables"] == {"B": "2"}
    two.ask("m2", "cancel", jobs=[[4, 4]])
    waited = two.types("m1 wait 4")
    assert (waited.returncode, waited.stderr) == (
        1,
        "waiting at m2 for 4, which have moved there\njob 4 was cancelled\n",
    )
    read = two.types("m1 logs 4 -f")
    assert (read.returncode, "it is m2:4 now (submit m2 logs 4)" in read.stderr) == (1, True)
    two.ask("m2", "cancel", jobs=[[5, 5]])
    assert two.is_settled()


def test_a_queue_that_starts_nothing_is_emptied(two: Two) -> None:
    two.ask("m1", "drain")
    for name in ("m1", "m2"):
        two.hand_in(name, 20, f"many-{name}")
    two.ask("m1", "submit", jobs=[{"command": "true"}] * 5, via="any:m1,m2")
    two.stop("m2")
    refused = two.types("m1,m2 rebalance")
    assert (refused.returncode, "stopped on purpose" in refused.stderr) == (255, True)
    two.machines[1].start()
    done = two.types("m1,m2 rebalance")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[m1] 5 moved to m2 (21-25, there 21-25)\n", "")
    two.ask("m1", "undrain")
    two.run_all()


def test_what_is_on_its_way_is_seen_through_or_taken_back_by_hand_when_nobody_comes_any_more(two: Two) -> None:
    """Whoever carried it, and all that he knew, is gone."""
    two.hand_in("m1", 5, "lost")
    with two.machines[0].client() as source, two.machines[1].client() as target:
        jobs = {}
        for number, to in enumerate(("m2", "m2", "m2", "m2", "m9"), 1):
            jobs[number] = source.ask("move", key=f"k/{number}", to=to, jobs=[[number, number]])["jobs"][0][1]
        assert "5 on their way to other queues" in two.types("m1 status").stderr
        target.ask("submit", key="k/1", jobs=[jobs[1]])
        back = two.types("m1 rebalance --take-back")
        assert back.stdout.splitlines() == [
            "[m1] 1 moved to m2 (1, there 1)",
            *(f"[m1] {number} waits here again" for number in (2, 3, 4)),
        ]
        assert (back.returncode, "m9 is not configured here" in back.stderr) == (255, True)
        late = target.ask("submit", key="k/2", jobs=[jobs[2]])
        assert late["error"]["code"] == "conflict", "what was declined is never taken, whoever still brings it"
        forced = two.types("m1 rebalance --take-back --force")
        assert (forced.returncode, forced.stdout) == (0, "[m1] 5 waits here again\n")
        assert "m9 was not asked" in forced.stderr and "they run twice" in forced.stderr
        source.ask("move", key="k/6", to="m2", jobs=[[2, 3]])
        assert two.well("m1 rebalance --finish") == "[m1] 2 moved to m2 (2-3, there 2-3)\n"
        source.ask("move", key="k/7", to="m2", jobs=[[4, 5]])
        two.stop("m2")
        sent_back = two.types("m1 rebalance --finish")
        assert (sent_back.returncode, "4-5 stay: m2 will not have them" in sent_back.stderr) == (1, True)
        two.machines[1].start()
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
            until(lambda: not two.is_settled() or process.poll() is not None, "the promise")
            time.sleep(rng.random() * 0.2)  # a random moment is the point
            bins[f"{victim} {'after all' if two.is_settled() else 'in the middle'}"] += 1
            kill(two, victim, process.pid, here, there)
            process.communicate(timeout=DEADLINE)
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
