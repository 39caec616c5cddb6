"""Jobs that run in what was there when they were handed in."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sjs import routing
from sjs.capture.known import Known
from sjs.capture.taking import Taken, take
from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.reach import here, local_ask
from sjs.snapshots.store import Store
from sjs.targets.bringing import Slowness
from sjs.targets.daemon_client import DaemonTarget
from sjs.targets.session import Door
from sjs.transport.local import LocalStream, LocalTransport
from tests.live import strace
from tests.live.hostile import ASK, ERRAND
from tests.live.inside import Insider
from tests.live.machine import DEADLINE, Machine, running, until
from tests.live.test_cli import Person
from tests.live.test_gate import Behind

SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "1"))
FILES = int(os.environ.get("SJS_SNAPSHOT_FILES", "1000"))


@pytest.fixture
def coder(machine: Machine, tmp_path: Path) -> Person:
    """Somebody with the manager m and a folder `code`, in a repository."""
    home = tmp_path / "home"
    home.mkdir()
    person = Insider(home, machine)
    write(home / "code", {"say": "#!/bin/sh\ncat words; pwd\n", "words": "one\n"})
    (home / "code/say").chmod(0o755)
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm x"):
        subprocess.run(["git", "-C", str(home / "code"), *command.split()], check=True, timeout=DEADLINE)
    return person


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def place(machine: Machine, job: int) -> Path:
    return machine.state / f"jobs/0/{job}.tree"


def said(machine: Machine, job: int, attempt: str = "") -> str:
    return (machine.state / f"jobs/0/{job}{attempt}.out").read_text()


def records(coder: Person) -> list[dict[str, Any]]:
    found = map(json.loads, coder.types("m list --json").stdout.splitlines())
    return sorted(found, key=lambda one: int(one["id"]))


def test_what_runs_is_what_was_there(coder: Person, machine: Machine) -> None:
    """And each job has it for itself; the record says where it came from."""
    coder.types("m job --snapshot code --hold --command './say; echo $SJS_SNAPSHOT >> words'")
    write(coder.home / "code", {"words": "two\n"})
    coder.types("m job --snapshot code --hold --cwd . --command './say; echo more >> words' --command ./say")
    (coder.home / "code/words").unlink()
    coder.types("m release all")
    assert coder.types("m wait all").returncode == 0
    lines = zip(["one", "two", "two"], (place(machine, job) for job in range(3)), strict=True)
    assert [said(machine, job) for job in range(3)] == [f"{words}\n{where}\n" for words, where in lines]
    clean, dirty, same = (one["snapshot"] for one in records(coder))
    assert (place(machine, 0) / "words").read_text() == f"one\n{clean['id']}\n"
    assert clean["commit"] == dirty["commit"] and len(clean["commit"]) == 40 and same == dirty
    assert "diff" not in clean and len(dirty["diff"]) == 64
    details = coder.types("m details 1").stdout.decode()
    assert f"snapshot:   {dirty['id'][:12]} (commit {dirty['commit'][:12]} with changes)\n" in details
    (past, *_) = map(json.loads, coder.types("m history --json").stdout.splitlines())
    assert past["snapshot"] in (clean, dirty)
    coder.types("m clean all")
    until(lambda: not list(machine.state.glob("jobs/*/*")), "nothing of them is left")


def test_what_it_wrote_there_is_fetched(coder: Person) -> None:
    coder.types("m job --snapshot code --wait --command true --command 'mkdir out; echo made > out/result'")
    assert coder.types("m fetch 1 'out/*' words").returncode == 0
    results = coder.home / "results/m/1"
    assert [(results / name).read_text() for name in ("out/result", "words")] == ["made\n", "one\n"]


def test_what_runs_anew_runs_in_the_same_files(coder: Person, machine: Machine) -> None:
    """`retry` under its old id, `rerun` as a new job; that of a job without a snapshot is a job without one."""
    coder.types("m job --snapshot code --name first --env A=b --wait --command 'cat words; echo $A; rm words'")
    write(coder.home / "code", {"words": "two\n"})
    assert coder.types("m retry 0").returncode == 0
    done = coder.types("m rerun 0")
    assert (done.returncode, json.loads(done.stdout)["job_id"]) == (0, 1)
    coder.types("m job --at @99999999999 -- pwd")
    assert coder.types("m rerun 1-2 -p").stdout == b"3\n4\n"
    assert coder.types("m wait 0,1,3,4").returncode == 0
    assert [said(machine, *which) for which in ((0, ".2"), (1,), (3,))] == ["one\nb\n"] * 3
    assert said(machine, 4) == f"{machine.root}\n"
    first, *others = records(coder)
    assert [(one["name"], one["snapshot"]) for one in others if "snapshot" in one] == [("first", first["snapshot"])] * 2
    assert [coder.types(f"m {line}").returncode for line in ("rerun", "rerun 99")] == [2, 1]


def test_what_was_taken_before_can_be_named(coder: Person, machine: Machine) -> None:
    """So the same key is for the same jobs, whatever the files are by now."""
    first = coder.types("m job --snapshot code --key k -- ./say")
    snapshot = coder.job(0)["snapshot"]
    write(coder.home / "code", {"words": "two\n"})
    again = coder.types("m job --snapshot code --key k -- ./say")
    assert (again.returncode, b"used before, for other jobs" in again.stderr) == (1, True)
    named = f"--snapshot @{snapshot['id']}:{snapshot['commit']}"
    assert coder.types(f"m job --snapshot code {named} --key k -- ./say").stdout == first.stdout
    dry = coder.types(f"m job {named} --dry-run -- ./say").stdout.decode()
    assert dry.startswith(f"{snapshot['id'][:12]} (commit {snapshot['commit'][:12]}): 2 files, 29\n")


def test_an_import_without_the_files_is_refused_in_a_line(coder: Person, tmp_path: Path) -> None:
    coder.types("m job --snapshot code --hold -- ./say")
    (coder.home / "queue.jsonl").write_bytes(coder.types("m export").stdout)
    with running(tmp_path / "other") as other:
        with (coder.home / "config.yaml").open("a") as config:
            config.write(f"  other: {{transport: local, project_root: {other.root}}}\n")
        (coder.home / ".cache/sjs/snapshots").rename(coder.home / "away")
        done = coder.types("other import queue.jsonl")
        assert (done.returncode, done.stderr.count(b"\n"), b"is not on this machine" in done.stderr) == (1, 1, True)
        (coder.home / "away").rename(coder.home / ".cache/sjs/snapshots")
        assert coder.types("other import queue.jsonl").stdout == b"1 imported (0)\n"


def test_what_goes_wrong_is_one_line_and_a_dry_run_sends_nothing(coder: Person, machine: Machine) -> None:
    done = coder.types("m job --snapshot code --dry-run --json -- ./say")
    assert {"files": 2, "size": 29, "diff": ""}.items() <= json.loads(done.stdout.splitlines()[0]).items()
    assert b": 2 files, 29\n" in coder.types("m job --snapshot code --dry-run -- ./say").stdout
    assert not (machine.state / "snapshots").exists()
    done = coder.types("m job --snapshot code --follow -- ./missing")
    why = b"sjs: cannot run ./missing: No such file or directory"
    assert (done.returncode, done.stderr.splitlines()[1]) == (127, why)
    done = coder.types("m job --snapshot code --snapshot-limit 20 -- true")
    assert (done.returncode, b"(largest: say " in done.stderr, done.stderr.count(b"\n")) == (2, True, 1)


def test_a_cancel_and_a_time_limit_hold_while_the_copy_is_made(coder: Person, machine: Machine) -> None:
    """The copy waits for a pipe that was put in a file's place: as long as you like."""
    coder.types("m job --snapshot code --wait -- ./say")
    (words,) = [path for path in machine.state.glob("snapshots/??/file-*") if path.read_text() == "one\n"]
    words.unlink()
    os.mkfifo(words)
    coder.types("m job --snapshot code --timeout 0.5 -- ./say")
    coder.types("m job --snapshot code -- ./say")
    until(lambda: Path(f"{place(machine, 2)}.new").exists(), "the copy is being made")
    coder.types("m cancel 2")
    coder.types("m wait all")
    assert [coder.job(number)["state"] for number in (1, 2)] == ["timeout", "cancelled"]
    assert not place(machine, 1).exists() and not place(machine, 2).exists()


def test_a_copy_that_is_killed_is_no_half_tree_for_the_next_attempt(coder: Person, machine: Machine) -> None:
    coder.types("m job --snapshot code --wait -- ./say")
    (words,) = [path for path in machine.state.glob("snapshots/??/file-*") if path.read_text() == "one\n"]
    words.rename(machine.root / "words")
    os.mkfifo(words)
    coder.types("m job --snapshot code -- ./say")
    until(lambda: Path(f"{place(machine, 1)}.new").exists(), "the copy is being made")
    os.kill(coder.job(1)["pid"], signal.SIGKILL)
    assert coder.types("m wait 1").returncode == 128 + signal.SIGKILL
    assert not place(machine, 1).exists()
    (machine.root / "words").rename(words)
    coder.types("m retry 1")
    assert coder.types("m wait 1").returncode == 0
    assert said(machine, 1, ".2") == f"one\n{machine.state}/jobs/0/1.2.tree\n"


# How it gets there


class Counting(LocalTransport):
    """Counts the bytes that go to the machine."""

    sent = 0

    def open(self, argv: Sequence[str]) -> LocalStream:
        stream = super().open(argv)
        send = stream.send

        def counted(data: bytes, deadline: float) -> None:
            self.sent += len(data)
            send(data, deadline)

        stream.send = counted  # type: ignore[method-assign]
        return stream


class Sender:
    """A client's side of it, in this process."""

    def __init__(self, machine: Machine, home: Path, programs: Sequence[Sequence[str]] = ()) -> None:
        self.machine = machine
        self.code = home / "code"
        self.code.mkdir(parents=True)
        self.store = Store(str(home / "store"))
        self.known = str(home / "known")
        self.notices: list[str] = []
        self.transport = Counting()
        ask, errand = (Door(argv, str(machine.root), "jobs.pipe") for argv in programs or (local_ask(), here("errand")))
        self.target = DaemonTarget("m", self.transport, ask, errand, self.notices.append, None, self.store.folder)
        self.keys = 0

    def take(self) -> Taken:
        return take(str(self.code), self.store, Known(str(self.code), self.known), Slowness(self.notices.append, ""))

    def submit(self, *commands: str, taken: Taken | None = None, chunks: int = 1, hold: bool = False) -> list[int]:
        """The first ids of as many chunks of such jobs."""
        snapshot = (taken or self.take()).snapshot
        self.keys += 1
        for number in range(chunks):
            self.target.post(f"k{self.keys}/{number}", [Spec(text, snapshot=snapshot, hold=hold) for text in commands])
        return [self.target.collect().first for _ in range(chunks)]


@pytest.fixture
def sender(machine: Machine, tmp_path: Path) -> Iterator[Sender]:
    found = Sender(machine, tmp_path / "client")
    yield found
    found.target.close()


def test_the_second_time_nothing_is_sent(sender: Sender) -> None:
    """A tree of many files; then the same, and then with another line in one of them."""
    for number in range(FILES):
        folder = sender.code / f"a{number % 10}" / f"b{number // 10 % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}.py").write_text(f"print({number})\n" * 20)
    sender.submit("true", hold=True)
    first, sender.transport.sent = sender.transport.sent, 0
    sender.submit("true", hold=True)
    second, sender.transport.sent = sender.transport.sent, 0
    with (sender.code / "a3/b2/file23.py").open("a") as target:
        target.write("print('more')\n")
    job = sender.submit("tail -n 1 a3/b2/file23.py; find . -type f | wc -l")[0]
    third = sender.transport.sent
    sender.target.wait([(job, job)])
    said = b"".join(piece.data for piece in sender.target.read(job, ["out"]))
    assert said.split() == [b"print('more')", str(FILES).encode()]
    print(f"sent: {first} bytes, then {second}, then {third}")
    assert second < 1_000 < third < 100_000 < first


def test_chunks_keep_their_order_though_all_are_refused_at_first(sender: Sender) -> None:
    write(sender.code, {"a": "1"})
    assert sender.submit("true", "true", chunks=4) == [0, 2, 4, 6]
    assert not sender.notices


def test_large_files_and_many_small_ones_arrive(sender: Sender) -> None:
    write(sender.code, {f"f{number}": "" for number in range(3)})
    (sender.code / "large").write_bytes(random.Random(SEED).randbytes(3_000_000))
    (sender.code / "edge").write_bytes(bytes(192 << 10))
    job = sender.submit("cat large edge f* | sha256sum")[0]
    sender.target.wait([(job, job)])
    said = b"".join(piece.data for piece in sender.target.read(job, ["out"]))
    here_ = subprocess.run(["sh", "-c", "cat large edge f* | sha256sum"], cwd=sender.code, capture_output=True)
    assert said == here_.stdout


def test_a_machine_that_lost_it_is_brought_it_again(sender: Sender) -> None:
    """A disk loses an object; then everything."""
    write(sender.code, {"a": "1", "b": "2"})
    taken = sender.take()
    sender.submit("true", taken=taken)
    shelf = sender.machine.state / "snapshots"
    for lost in ([next(shelf.glob("??/file-*"))], [*shelf.glob("??/*")]):
        for path in [*lost, *shelf.glob("whole/*")]:
            path.unlink()
        job = sender.submit("cat a b", taken=taken)[0]
        assert sender.target.wait([(job, job)]).counts == {"succeeded": 1}


def test_who_has_it_no_more_is_refused(sender: Sender) -> None:
    """As an import is, on another machine."""
    write(sender.code, {"a": "1"})
    taken = sender.take()
    for path in Path(sender.store.folder).glob("whole/*"):
        path.unlink()
    with pytest.raises(SjsError, match=f"snapshot {taken.snapshot.id[:12]} is not on this machine"):
        sender.submit("true", taken=taken)
    sender.store.seal(taken.snapshot.id)
    assert sender.submit("true", taken=taken) == [0], "the next one is not held up by that"
    for path in Path(sender.store.folder).glob("??/file-*"):
        path.unlink()
    for path in (sender.machine.state / "snapshots").glob("*/*"):
        path.unlink()
    with pytest.raises(SjsError, match=r"file-.* is gone"):
        sender.submit("true", taken=taken)


@pytest.mark.parametrize(("words", "may"), [("job,snapshots", True), ("job", False)])
def test_through_a_gate_only_who_may_brings_files(machine: Machine, tmp_path: Path, words: str, may: bool) -> None:
    programs = [Behind(machine, "alice", "--allow", words, sent=sent).program for sent in (ASK, ERRAND)]
    sender = Sender(machine, tmp_path / "client", programs)
    write(sender.code, {"a": "1"})
    with contextlib.closing(sender.target), contextlib.nullcontext() if may else pytest.raises(SjsError):
        assert sender.submit("true") == [0]


def test_killed_while_it_is_sent(coder: Person, machine: Machine) -> None:
    """At random: what has come stays and is right, nothing counts as whole, and the next command brings the rest."""
    print(f"SJS_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    begun = []
    for turn in range(ROUNDS):
        for number in range(200):
            write(coder.home / "code", {f"d{number % 7}/f{number}": f"{turn} {number} " * 500})
        (coder.home / "code/large").write_bytes(chance.randbytes(2_000_000))
        sending = coder.begins("m job --snapshot code --command 'sha256sum large'")
        wanted = chance.randrange(1, 200)
        there = {path.name for path in machine.state.glob("snapshots/??/*")}
        until(
            lambda there=there, wanted=wanted: (  # type: ignore[misc]
                len({path.name for path in machine.state.glob("snapshots/??/*")} - there) >= wanted
            ),
            "something has come",
        )
        sending.kill()
        sending.communicate(timeout=DEADLINE)
        begun.append(wanted)
        done = coder.types("m job --snapshot code --follow --command 'sha256sum large; cat d*/f* | wc -c'")
        here_ = subprocess.run(
            ["sh", "-c", "sha256sum large; cat d*/f* | wc -c"], cwd=coder.home / "code", capture_output=True
        )
        assert done.stdout == here_.stdout, done.stderr
    print(f"killed after {begun} objects had come")
    assert coder.types("m wait all").returncode == 0


# Whoever is best


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Person]:
    """Somebody with the managers m1 and m2, of one slot each, and a folder `code` without a repository."""
    with ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / name, 1)) for name in ("m1", "m2")]
        home = tmp_path / "home"
        write(home / "code", {"words": "one\n"})
        person = Insider(home)
        entries = [f"  {one.root.name}: {{transport: local, project_root: {one.root}}}\n" for one in machines]
        (home / "config.yaml").write_text("managers:\n" + "".join(entries))
        (home / "config.yaml").chmod(0o600)
        yield person


def test_whoever_is_best_is_brought_it(pair: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "LATE", DEADLINE)  # on a busy machine one of them would be, and be passed over
    done = pair.types("any job --snapshot code --wait -p --command 'cat words' --command 'cat words'")
    ids = [one.split(":") for one in done.stdout.decode().split()]
    assert {name for name, _ in ids} == {"m1", "m2"}, done.stderr
    assert [pair.types(f"{name} logs {number}").stdout for name, number in ids] == [b"one\n"] * 2


@strace.needed
def test_what_another_command_finishes_is_what_the_first_one_took(pair: Person) -> None:
    """The first one was killed when all was planned and nothing sent, and then the files changed."""
    pair.types("any job --snapshot code --dry-run -- true")
    done = pair.types("any job --snapshot code -- cat words", before=strace.injecting("fsync", strace.KILL, 1))
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
    write(pair.home / "code", {"words": "two\n"})
    name = pair.types("m1 wait").stderr.decode().split(" has taken")[0].split()[-1]
    assert pair.types(f"{name} wait 0").returncode == 0
    assert pair.types(f"{name} logs 0").stdout == b"one\n"
