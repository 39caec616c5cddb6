"""kill -9 of the client while it hands in jobs for `any`: one job, and one answer by the next command."""

from __future__ import annotations

import collections
import json
import os
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live import strace
from tests.live.machine import DEADLINE, ENVIRONMENT, SUBMIT, Machine, running, wait_for_end

SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "10"))
CALLS = ("mkdir", "flock", "write", "fdatasync", "fsync", "rename", "unlink")
MANY = 2_500


class Pair:
    """Two managers that run nothing yet, and somebody who hands in jobs."""

    def __init__(self, home: Path, machines: list[Machine], program: Sequence[str] = SUBMIT) -> None:
        self.home = home
        self.program = program
        self.machines = machines
        self.outbox = home / ".local/state/sjs/outbox"
        self._environment = {**ENVIRONMENT, "HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
        config = home / "config.yaml"
        names = enumerate(machines, 1)
        config.write_text(
            "managers:\n" + "".join(f"  m{n}: {{transport: local, project_root: {one.root}}}\n" for n, one in names)
        )
        config.chmod(0o600)

    def types(self, line: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        with self.begins(line, before) as process:
            out, err = process.communicate(timeout=DEADLINE)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def begins(self, line: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*before, *self.program, *shlex.split(line)],
            cwd=self.home,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def commands(self) -> collections.Counter[str]:
        """How often each command was handed in, anywhere."""
        found: collections.Counter[str] = collections.Counter()
        for machine in self.machines:
            with machine.client() as client:
                after: int | None = -1
                while after is not None:
                    page = client.ask("list", after=after)
                    found.update(job["command"] for job in page["jobs"])
                    after = page["next"]
        return found

    @property
    def promised(self) -> bool:
        """Whether what was typed will be done, whatever happens now."""
        return any(not name.startswith("new-") for name in os.listdir(self.outbox)) if self.outbox.exists() else False


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / f"m{n}", 0)) for n in (1, 2)]
        home = tmp_path / "home"
        home.mkdir()
        yield Pair(home, machines)


def points(pair: Pair) -> Iterator[tuple[str, int]]:
    """Every such call of a whole command, counted once."""
    log = pair.home / "calls"
    counting = ("strace", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)}")
    assert pair.types("any job --command first", counting).returncode == 0
    seen = collections.Counter(line.partition("(")[0] for line in log.read_text().splitlines() if "(" in line)
    for call, count in sorted(seen.items()):
        for when in range(1, count + 1):
            yield call, when


@strace.needed
def test_killed_at_every_step(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    kept = answered = 0
    expected = {"first": 1}
    for call, when in points(pair):
        command = f"true {call} {when}"
        done = pair.types(f"any job --command '{command}'", strace.injecting(call, strace.KILL, when))
        promised = pair.promised
        after = pair.types("all status")
        assert (after.returncode, len(after.stdout.splitlines())) == (0, 2)
        assert bool(after.stderr) is promised, (call, when, after.stderr)
        assert after.stderr.count("\n") == promised
        assert not promised or "has taken" in after.stderr
        assert os.listdir(pair.outbox) == []
        kept += promised
        answered += "job_id" in done.stdout
        assert promised or "job_id" in done.stdout or call != "unlink"
        if promised or "job_id" in done.stdout:
            expected[command] = 1
    assert pair.commands() == expected
    assert kept > 5
    with capsys.disabled():
        print(f"\n{kept} kills after the promise, {answered} after the answer")


def test_killed_at_random_while_many_are_sent(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """The next commands are killed, too; the first that lives finishes everything."""
    rng = random.Random(SEED)
    bins: collections.Counter[str] = collections.Counter()
    expected: collections.Counter[str] = collections.Counter()
    for number in range(ROUNDS):
        lines = [f"true {number} {line}" for line in range(MANY)]
        (pair.home / "commands").write_text("\n".join(lines))
        kill_after(pair, "any job --command-file commands", rng.random() * 1.2)
        if not pair.promised and not settled(pair, lines[0]):
            bins["before the promise"] += 1
            continue
        expected.update(lines)
        bins["after it"] += 1
        for _ in range(2):
            kill_after(pair, "all status", rng.random() * 0.8)
        assert pair.types("all status").returncode == 0
        assert os.listdir(pair.outbox) == []
    assert pair.commands() == expected, f"seed {SEED}"
    with capsys.disabled():
        print(f"\nkills {dict(bins)}, seed {SEED}")


def settled(pair: Pair, line: str) -> bool:
    """Whether the command came to its end before it was killed."""
    return pair.commands()[line] == 1


def kill_after(pair: Pair, line: str, seconds: float) -> None:
    with pair.begins(line) as process:
        time.sleep(seconds)  # a random moment is the point
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=DEADLINE)


def test_two_commands_share_the_work_and_double_nothing(pair: Pair) -> None:
    (pair.home / "commands").write_text("\n".join(f"true {line}" for line in range(MANY)))
    kill_when_promised(pair, "any job --command-file commands")
    both = [pair.begins("all status"), pair.begins("any job --command last")]
    told = [one.communicate(timeout=DEADLINE)[1] for one in both]
    assert sum(text.count("has taken") > 0 for text in told) == 1
    assert pair.commands() == {**{f"true {line}": 1 for line in range(MANY)}, "last": 1}


def kill_when_promised(pair: Pair, line: str) -> None:
    with pair.begins(line) as process:
        end = time.monotonic() + DEADLINE
        while not pair.promised:
            assert time.monotonic() < end
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=DEADLINE)


def promise(pair: Pair) -> None:
    """m1 answers, so that it is chosen, and then no more."""
    pair.types("m2 configure --max-jobs-running 0")
    pair.types("m1 configure --max-jobs-running 5")
    pair.types("any job --command x", strace.injecting("rename", strace.KILL, 1))
    (name,) = os.listdir(pair.outbox)
    os.rename(pair.outbox / name, pair.outbox / name.removeprefix("new-"))  # as if killed right after it


@strace.needed
def test_a_target_that_does_not_answer_delays_a_command_only_so_long_and_only_once(pair: Pair) -> None:
    promise(pair)
    pid = pair.machines[0].manager_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        first = pair.types("m2 status")
        between = time.monotonic()
        second = pair.types("m2 status")
        assert between - start < 5 + 5
        assert time.monotonic() - between < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (first.returncode, second.returncode) == (0, 0)
    for told in (first.stderr, second.stderr):
        assert told.count("\n") == 1
        assert "1 wait (no answer yet); to forget them: rm " in told
    (path,) = pair.outbox.iterdir()
    assert str(path) in first.stderr
    forget_the_rest(path)
    assert "m1 has taken 0" in pair.types("m2 status").stderr
    assert pair.commands() == {"x": 1}


def forget_the_rest(path: Path) -> None:
    """As if a minute had gone by since somebody tried."""
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if b'"tried"' not in line]
    path.write_bytes(b"".join(lines))


@strace.needed
def test_what_a_stopped_manager_does_not_have_goes_to_another(pair: Pair) -> None:
    promise(pair)
    with pair.machines[0].client() as client:
        client.ask("stop")
    wait_for_end(pair.machines[0].keeper_pid)
    assert "m2 has taken 0" in pair.types("all check-running").stderr
    assert pair.commands() == {"x": 1}


@strace.needed
def test_what_a_stopped_manager_has_stays_there(pair: Pair) -> None:
    promise(pair)
    entry = next(pair.outbox.iterdir())
    content = entry.read_bytes()
    assert "m1 has taken 0" in pair.types("m2 status").stderr
    pair.types("m1 stop")
    entry.write_bytes(content)  # as if killed just before the answer
    assert "m1 has taken 0" in pair.types("m2 status").stderr
    assert pair.commands() == {"x": 1}


@strace.needed
def test_what_is_configured_otherwise_now_is_left_alone(pair: Pair) -> None:
    promise(pair)
    config = pair.home / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("project_root: ", "pipe: other.pipe, project_root: ", 1))
    told = pair.types("m2 status").stderr
    assert "1 wait (m1 is not configured as it was then)" in told
    config.write_text(text)
    forget_the_rest(next(pair.outbox.iterdir()))
    elsewhere = pair.home / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [*SUBMIT, "local", "status"], cwd=elsewhere, env=pair._environment, capture_output=True, text=True
    )
    assert "m1 has taken 0" in done.stderr, "its own config is found, wherever the next command is typed"


def test_an_unreadable_file_is_named_and_stops_nobody(pair: Pair) -> None:
    pair.outbox.mkdir(parents=True)
    (pair.outbox / "x").write_text("nonsense\n")
    done = pair.types("all status")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert f"{pair.outbox}/x cannot be understood" in done.stderr


def test_a_rerun_under_a_key_finds_the_job_wherever_it_went(pair: Pair) -> None:
    (pair.home / "commands").write_text("\n".join(f"true {line}" for line in range(MANY)))
    line = "any job --command-file commands --key nightly -p"
    pair.types("m1 configure --max-jobs-running 1500")
    before = pair.types(line).stdout.splitlines()
    pair.types("m1 configure --max-jobs-running 0")
    pair.types("m2 configure --max-jobs-running 9")
    after = pair.types(line).stdout.splitlines()
    assert sorted(before) == sorted(after)
    assert {one.partition(":")[0] for one in before} >= {"m1"}
    assert sum(pair.commands().values()) == MANY
    (pair.home / "commands").write_text("something else\n")
    other = pair.types(line)
    assert (other.returncode, other.stdout) == (1, "")
    assert "was used before, for other jobs" in other.stderr


def test_a_rerun_under_a_key_waits_for_nobody_but_is_refused_when_somebody_is_silent(pair: Pair) -> None:
    pair.types("m1 stop")
    assert pair.types("any job --command x --key k -p").returncode == 0, "its records answer for a stopped manager"
    (pair.home / "config.yaml").write_text(
        (pair.home / "config.yaml").read_text().replace(str(pair.machines[0].root), f"{pair.home}/config.yaml")
    )
    refused = pair.types("any job --command y --key k2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "m1 may have jobs of this key and does not say" in refused.stderr
    assert pair.types("'any:all,!m1' job --command y --key k2").returncode == 0


def test_if_free(pair: Pair) -> None:
    pair.types("all configure --max-jobs-running 1")
    for number in range(2):
        assert pair.types(f"any job --command 'sleep 600' --if-free -p --key {number}").returncode == 0
    full = pair.types("any job --command 'sleep 600' --if-free")
    assert (full.returncode, full.stdout) == (1, "")
    assert full.stderr == "submit: no free slot anywhere\n"
    one = pair.types("m1 job --command true --if-free")
    assert (one.returncode, one.stderr) == (1, "[m1] error: no free slot\n")
    listed: list[dict[str, Any]] = [json.loads(row) for row in pair.types("all list --all --json").stdout.splitlines()]
    assert sorted(row["target"] for row in listed) == ["m1", "m2"]
