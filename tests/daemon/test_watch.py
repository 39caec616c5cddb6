"""The end of somebody else's child: here a child of the test, which may look as long as it does not reap it."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from sjs.daemon.ground import kernel
from sjs.daemon.keeper import tree
from sjs.daemon.keeper.watch import REAPED, Watch
from tests.kernels import TELLS_ALL

DEADLINE = 60.0
EVER = (0, 1 << 60)

told = pytest.mark.skipif(not TELLS_ALL, reason="this kernel tells nobody but the parent")

Shell = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def selector() -> Iterator[selectors.DefaultSelector]:
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture
def shell() -> Iterator[Shell]:
    """Runs a script in a session of its own, once it may read a line."""
    started: list[subprocess.Popen[bytes]] = []

    def run(script: str) -> subprocess.Popen[bytes]:
        argv = ["sh", "-c", f"read go; {script}"]
        started.append(subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[bytes]) -> None:
    """Let it end, and stay a zombie."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_zombie_tells_at_once(shell: Shell, selector: selectors.BaseSelector) -> None:
    before = fds()
    process = shell("exit 7")
    watch = Watch(process.pid, EVER, selector)
    assert (watch.seen, watch.is_over(0.0), watch.next_time()) == (True, False, None)
    end(process)
    assert [key.data for key, _ in selector.select(DEADLINE)] == [watch]
    assert watch.is_over(0.0)
    assert watch.status == 7 << 8
    assert fds() == before + 1  # the pipe to the process
    assert not selector.get_map()


@told
def test_once_it_is_reaped_the_descriptor_tells(shell: Shell, selector: selectors.BaseSelector) -> None:
    process = shell("kill -9 $$")
    watch = Watch(process.pid, EVER, selector)
    end(process)
    process.wait()
    assert watch.is_over(0.0)
    assert watch.status == 9


@told
def test_one_that_we_may_not_ask_is_waited_for_until_it_is_reaped(
    shell: Shell, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "zombie_status", lambda zombie: None)
    process = shell("exit 5")
    watch = Watch(process.pid, EVER, selector)
    end(process)
    assert selector.select(DEADLINE)
    assert (watch.is_over(50.0), watch.next_time()) == (False, 50.0 + REAPED)
    assert selector.select(0) == []
    process.wait()
    assert selector.select(DEADLINE)
    assert watch.is_over(50.0)
    assert watch.status == 5 << 8


def test_one_that_nobody_reaps_and_we_may_not_ask_is_given_up(
    shell: Shell, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "zombie_status", lambda zombie: None)
    process = shell("exit 5")
    watch = Watch(process.pid, EVER, selector)
    end(process)
    assert not watch.is_over(50.0)
    assert not watch.is_over(50.0 + REAPED / 2)
    assert watch.is_over(50.0 + REAPED)
    assert watch.status is None


def test_without_a_descriptor_there_are_looks(
    shell: Shell, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "pidfd_open", lambda pid: None)
    process = shell("exit 5")
    watch = Watch(process.pid, EVER, selector)
    due = watch.next_time()
    assert due is not None
    assert due > time.monotonic()
    assert not watch.is_over(0.0)
    end(process)
    assert watch.is_over(0.0)
    assert watch.status == 5 << 8


def test_who_was_given_its_pid_is_not_looked_at(shell: Shell, selector: selectors.BaseSelector) -> None:
    process = shell("exit 5")
    watch = Watch(process.pid, (0, 1), selector)
    assert (watch.seen, watch.is_over(0.0), watch.status) == (False, True, None)
    assert not selector.get_map()
    assert process.poll() is None


def test_nobody_is_there(selector: selectors.BaseSelector) -> None:
    watch = Watch(0, (0, 0), selector)
    assert (watch.seen, watch.is_over(0.0), watch.status) == (False, True, None)
