"""The commands of a worker, in a process that stands in for it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sjs.worker.commands import Commands, Ended

DEADLINE = 60.0


class Seen:
    """Commands, and how they ended."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.commands = Commands(str(folder))
        self.ended: dict[int, Ended] = {}
        self.count = 0

    def start(self, *argv: str, env: dict[str, str] | None = None, stdin: str = os.devnull) -> int:
        self.count += 1
        number = self.count
        key = self.commands.start(argv, env or {}, stdin, lambda how: self.ended.update({number: how}))
        assert key == number
        return key

    def until_ended(self, key: int) -> Ended:
        until = time.monotonic() + DEADLINE
        while key not in self.ended:
            ready, _, _ = select.select([self.commands], [], [], max(0.0, until - time.monotonic()))
            assert ready, "it does not end"
            self.commands.read()
        return self.ended[key]


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    found = Seen(tmp_path / "scratch")
    yield found
    found.commands.close()
    until_gone(found)


def until_gone(seen: Seen) -> None:
    """The last that a warden does is to remove its folder."""
    assert os.waitpid(seen.commands.warden, 0)[0] > 0
    assert not seen.folder.exists()


def wait_for(path: Path) -> str:
    until = time.monotonic() + DEADLINE
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until, f"no {path}"
        time.sleep(0.01)  # the process that writes it is nobody's whom we could wait for
    return path.read_text().strip()


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until_dead(*pids: int) -> None:
    until = time.monotonic() + DEADLINE
    while any(map(is_alive, pids)):
        assert time.monotonic() < until, f"{pids} are alive"
        time.sleep(0.01)  # likewise


def test_a_command_is_run_with_its_input_its_environment_and_nothing_else(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "item").write_text("the item\n")
    script = f'cat > {tmp_path}/out; echo "$1 $SJS_ITEM" >> {tmp_path}/out; ls /proc/$$/fd >> {tmp_path}/out'
    key = seen.start("sh", "-c", script, "sh", "a b", env={"SJS_ITEM": "7"}, stdin=str(tmp_path / "item"))
    assert seen.until_ended(key) == Ended(0)
    assert (tmp_path / "out").read_text().split("\n")[:2] == ["the item", "a b 7"]
    assert {"0", "1", "2"} >= set((tmp_path / "out").read_text().split("\n")[2:]) - {"", "3", "10"}


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["sh", "-c", "exit 3"], "exit status 3"),
        (["sh", "-c", "kill -KILL $$"], "ended by SIGKILL"),
        (["/no/such"], "cannot run /no/such: No such file or directory"),
        (["sh", "a\0b"], "cannot run sh: embedded null byte"),
    ],
)
def test_how_it_ended_is_told(seen: Seen, argv: list[str], what: str) -> None:
    how = seen.until_ended(seen.start(*argv))
    assert str(how) == what
    assert how.is_known and not how.is_well


def test_it_begins_with_signals_as_they_are_usually(seen: Seen, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    other = Seen(tmp_path / "other")
    signal.signal(signal.SIGINT, before)
    how = other.until_ended(other.start("sh", "-c", "kill -INT $$"))
    assert how.signal == signal.SIGINT
    other.commands.close()
    until_gone(other)


def test_a_signal_reaches_all_of_its_group_also_what_stands_still(seen: Seen, tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; kill -STOP $$"
    key = seen.start("sh", "-c", script)
    child = int(wait_for(tmp_path / "pid"))
    seen.commands.signal(key, signal.SIGTERM)
    assert seen.until_ended(key).signal == signal.SIGTERM
    until_dead(child)


def test_what_it_leaves_behind_is_ended_with_it(seen: Seen, tmp_path: Path) -> None:
    key = seen.start("sh", "-c", f"sleep 1000 & echo $! > {tmp_path}/pid")
    assert seen.until_ended(key) == Ended(0)
    until_dead(int(wait_for(tmp_path / "pid")))


def test_a_signal_to_one_that_has_ended_is_nothing(seen: Seen) -> None:
    key = seen.start("true")
    seen.until_ended(key)
    seen.commands.signal(key, signal.SIGKILL)
    assert seen.until_ended(seen.start("true")) == Ended(0)


def test_many_are_run_at_a_time(seen: Seen) -> None:
    keys = [seen.start("sh", "-c", f"exit {number}") for number in range(50)]
    assert [os.WEXITSTATUS(seen.until_ended(key).status or 0) for key in keys] == list(range(50))


STAND_IN = """
import os, sys, time
from sjs.worker.commands import Commands
commands = Commands(sys.argv[1])
for number in range(3):
    script = f"trap '' TERM; sleep 1000 & echo $$ $! > {sys.argv[2]}/{number}; wait"
    commands.start(["sh", "-c", script], {}, os.devnull, print)
print("ready", flush=True)
time.sleep(1000)
"""


@contextmanager
def stand_in(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "scratch").mkdir()
    argv = [sys.executable, "-c", STAND_IN, str(tmp_path / "scratch"), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_nothing_of_them_is_left_when_the_worker_is_killed(tmp_path: Path) -> None:
    with stand_in(tmp_path) as process:
        pids = [int(pid) for number in range(3) for pid in wait_for(tmp_path / str(number)).split()]
        assert all(map(is_alive, pids))
        process.kill()
        until_dead(*pids)
    until = time.monotonic() + DEADLINE
    while (tmp_path / "scratch").exists():
        assert time.monotonic() < until, "its folder is left"
        time.sleep(0.01)  # the warden is nobody's child any more


def test_when_the_warden_is_killed_the_commands_die_and_the_worker_knows(seen: Seen, tmp_path: Path) -> None:
    key = seen.start("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 1000")
    pid = int(wait_for(tmp_path / "pid"))
    with open(f"/proc/{pid}/stat") as stat:
        os.kill(int(stat.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert not seen.until_ended(key).is_known
    until_dead(pid)
    assert not seen.until_ended(seen.start("true")).is_known
    (tmp_path / "scratch").rmdir()  # which it does else
