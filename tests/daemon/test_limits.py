"""What an attempt may take: kept over every kind of change in those who keep it, and enforced on its whole tree."""

from __future__ import annotations

import os
import random
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sjs.core.job import GRACE
from sjs.daemon.keeper import together, tree
from sjs.daemon.keeper.attempt import Attempt, boot_clock
from sjs.daemon.keeper.limits import Deadlines, Limits
from sjs.daemon.keeper.memory import LOOK, PAGE
from tests.daemon.still import stand_still
from tests.daemon.test_attempts import DEADLINE, ESCAPED, IGNORING, Bench, bench, forget_everything, is_gone, orphan

__all__ = ["bench"]


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as made:
        yield made


def test_each_deadline_is_told_once_and_in_time(selector: selectors.BaseSelector) -> None:
    """For random changes, as a plain dictionary tells it; and what was dropped takes no room."""
    chance = random.Random(5)
    deadlines, plain = Deadlines(selector), dict[str, float]()
    for now in range(3_000):
        for _ in range(3):
            tag = str(chance.randrange(50))
            at = chance.choice([None, now + chance.random() * 100])
            deadlines.set(tag, at)
            plain.pop(tag, None)
            if at is not None:
                plain[tag] = at
        over = [tag for tag, at in plain.items() if at <= now]
        assert sorted(deadlines.due(now)) == sorted(over)
        for tag in over:
            del plain[tag]
        assert len(deadlines._heap) <= 2 * 50 + 17


def test_a_deadline_wakes_the_selector(selector: selectors.BaseSelector) -> None:
    deadlines = Deadlines(selector)
    deadlines.set("far", boot_clock() + 3_600)
    assert selector.select(0) == []
    for tag in ("past", "near"):
        deadlines.set(tag, boot_clock() + {"past": -7_200.0, "near": 0.01}[tag])
        assert len(selector.select(DEADLINE)) == 1
        assert deadlines.due(boot_clock()) == [tag]
        assert selector.select(0) == []


def test_a_pause_is_given_back() -> None:
    limits = Limits(timeout=10.0, deadline=50.0)
    assert limits.at_pause(42.0).at_resume(45.0) == limits._replace(deadline=53.0)
    assert limits.at_resume(45.0) == limits
    assert Limits().at_pause(42.0).at_resume(45.0) == Limits()
    assert (Limits().patience, Limits(grace=0.0).patience) == (GRACE, 0.0)


def test_who_runs_too_long_is_ended(bench: Bench) -> None:
    bench.start(IGNORING, timeout=0.2, grace=0.1)
    end = bench.end()
    assert (end["reason"], end["signal"], end["detail"]) == ("timeout", 9, "it ran longer than 0.2s")


def is_over(bench: Bench) -> None:
    """The time of the job, now."""
    bench.attempts._deadlines.set("0.1", boot_clock())


def test_the_whole_tree_is_ended(bench: Bench) -> None:
    bench.start(f"{ESCAPED} {IGNORING}", timeout=600.0, grace=0.1)
    escaped = bench.pid("pid")
    is_over(bench)
    assert bench.end()["reason"] == "timeout"
    assert is_gone(escaped)


def test_its_last_words_are_its_own(bench: Bench) -> None:
    bench.start("trap 'exit 5' TERM; echo > up; while :; do sleep 0.05; done", timeout=600.0, grace=60)
    bench.run((bench.folder / "up").exists)
    is_over(bench)
    assert bench.end().items() >= {"reason": "timeout", "exit": 5}.items()


def test_who_ends_in_time_is_let(bench: Bench) -> None:
    bench.start("exit 5", timeout=60)
    assert bench.end().items() >= {"reason": "exit", "exit": 5}.items()
    assert bench.attempts._deadlines._heap == []


def test_who_was_cancelled_first_was_cancelled(bench: Bench) -> None:
    """And it is ended for what comes second, too, when that is sooner."""
    bench.start(IGNORING, timeout=600.0, grace=0.2)
    bench.run((bench.folder / "up").exists)
    bench.attempts.stop({"0.1": 600})
    is_over(bench)
    end = bench.end()
    assert (end["reason"], "detail" in end) == ("cancelled", False)


def test_the_time_of_an_adopted_one_goes_on_from_its_start(bench: Bench) -> None:
    before = boot_clock()
    orphan(bench, f"{ESCAPED} {IGNORING}", timeout=600.0, grace=0.1)
    escaped = bench.pid("pid")
    attempt = bench.successor()._all["0.1"]
    assert before + 600 <= (attempt.limits.deadline or 0) <= boot_clock() + 600
    bench.attempts._journal.limited("0.1", attempt.limits._replace(deadline=boot_clock()))
    bench.successor()
    end = bench.end()
    assert (end["reason"], end["detail"]) == ("timeout", "its keeper died meanwhile; it ran longer than 10m")
    assert is_gone(escaped)


def test_who_is_in_no_record_has_its_limits_from_the_manager(bench: Bench) -> None:
    orphan(bench, "exec sleep 600")
    forget_everything(bench)
    bench.successor().find([["0.1", "/nowhere", 60.0, 5.0, 1 << 30]])
    found = bench.attempts._all["0.1"]
    assert found.limits == Limits(60.0, found.began + 60.0, 5.0, 1 << 30)
    bench.successor()
    is_over(bench)
    assert bench.end()["reason"] == "timeout"


def test_the_time_goes_on_when_it_is_handed_over(bench: Bench) -> None:
    bench.start(IGNORING, timeout=600.0, grace=0.1)
    record = bench.attempts.hand_over()
    record["attempts"][0]["limits"] = list(record["attempts"][0]["limits"]._replace(deadline=time.monotonic()))
    bench.successor(record)
    assert bench.end()["reason"] == "timeout"


# Signals, and pauses


COUNT = "n=0; while [ ! -e go ]; do n=$((n + 1)); echo $n > count; sleep 0.02; done; exit 3"
FAMILY = f"setsid sh -c '{COUNT}' & echo $! > pid; wait $!; exit 3"


def count(bench: Bench) -> str:
    path = bench.folder / "count"
    return path.read_text() if path.exists() else ""


def counts_on(bench: Bench) -> None:
    before = count(bench)
    bench.run(lambda: count(bench) not in ("", before))


def members(attempt: Attempt) -> list[tree.Process]:
    return together.members([attempt])[0]


def is_still(bench: Bench) -> bool:
    return stand_still(one.pid for one in members(bench.attempts._all["0.1"]))


def test_a_pause_stops_the_whole_tree_and_a_resume_lets_it_go_on(bench: Bench) -> None:
    bench.start(FAMILY)
    counts_on(bench)
    for _ in range(2):
        bench.attempts.pause(["0.1"])
        bench.run(lambda: is_still(bench))
        assert bench.attempts.known()["attempts"][0]["paused"]
    bench.attempts.resume(["0.1"])
    counts_on(bench)
    assert not bench.attempts.known()["attempts"][0]["paused"]
    (bench.folder / "go").touch()
    assert bench.end()["exit"] == 3


def test_a_stop_may_find_a_shell_between_vfork_and_exec(bench: Bench) -> None:
    bench.start("while [ ! -e go ]; do /bin/true; done; exit 3")
    for _ in range(40):
        bench.attempts.pause(["0.1"])
        bench.run(lambda: is_still(bench))
        bench.attempts.resume(["0.1"])
    (bench.folder / "go").touch()
    assert bench.end()["exit"] == 3


def test_a_tree_that_forks_without_end_is_stopped(bench: Bench) -> None:
    bench.start("echo > up; while :; do (setsid sleep 600 &); sleep 0.001; done")
    bench.run((bench.folder / "up").exists)
    bench.attempts.pause(["0.1"])
    bench.run(lambda: is_still(bench))
    bench.attempts.stop({"0.1": 60})
    assert bench.end()["reason"] == "cancelled"


def test_the_time_of_a_pause_does_not_count(bench: Bench) -> None:
    bench.start(COUNT, timeout=600.0)
    counts_on(bench)
    before = bench.attempts._all["0.1"].limits
    began = boot_clock()
    bench.attempts.pause(["0.1"])
    paused = boot_clock()
    assert bench.attempts._deadlines._at == {}
    bench.run(lambda: boot_clock() > paused + 0.1)
    bench.attempts.resume(["0.1"])
    after = bench.attempts._all["0.1"].limits
    assert before.deadline is not None
    assert after.deadline is not None
    assert 0.1 <= after.deadline - before.deadline <= boot_clock() - began
    assert bench.attempts._deadlines._at == {"0.1": after.deadline}


def test_a_pause_outlives_the_keeper(bench: Bench) -> None:
    orphan(bench, COUNT, timeout=600.0)
    counts_on(bench)
    bench.successor().pause(["0.1"])
    bench.run(lambda: is_still(bench))
    before = bench.successor()._all["0.1"].limits
    assert bench.attempts.known()["attempts"][0]["paused"]
    assert bench.attempts._deadlines._at == {}
    bench.attempts.resume(["0.1"])
    counts_on(bench)
    assert bench.successor()._deadlines._at["0.1"] > (before.deadline or 0)


def test_who_is_paused_can_be_cancelled(bench: Bench) -> None:
    bench.start("trap 'exit 5' TERM; echo > up; while :; do sleep 0.05; done")
    bench.run((bench.folder / "up").exists)
    bench.attempts.pause(["0.1"])
    bench.attempts.stop({"0.1": 60})
    bench.attempts.pause(["0.1"])
    assert bench.end().items() >= {"reason": "cancelled", "exit": 5}.items()


def test_a_signal_is_for_the_whole_tree_or_for_its_main_process(bench: Bench) -> None:
    child = "trap 'echo u >> child' USR1; echo up > up; while :; do sleep 0.05; done"
    bench.start(f"trap 'echo u >> main' USR1; setsid sh -c \"{child}\" & while :; do sleep 0.05; done")
    bench.run((bench.folder / "up").exists)

    def received() -> tuple[int, ...]:
        paths = (bench.folder / "main", bench.folder / "child")
        return tuple(len(path.read_text().split()) if path.exists() else 0 for path in paths)

    bench.attempts.signal([("0.1", 0, True)])
    bench.attempts.signal([("0.1", 99, True)])
    bench.attempts.signal([("9.9", signal.SIGUSR1, True)])
    bench.attempts.signal([("0.1", signal.SIGUSR1, False)])
    bench.run(lambda: received() == (1, 0))
    bench.attempts.signal([("0.1", signal.SIGUSR1, True)])
    bench.run(lambda: received() == (2, 1))
    bench.attempts.signal([("0.1", signal.SIGKILL, True)])
    assert bench.end().items() >= {"reason": "signal", "signal": 9}.items()


def test_a_full_disk_does_not_keep_from_pausing(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.start("sleep 600")
    bench.attempts._journal.fd = os.open("/dev/full", os.O_WRONLY)
    bench.attempts.pause(["0.1"])
    bench.run(lambda: is_still(bench))
    assert "a pause of 0.1 could not be written" in capfd.readouterr().err


# Memory


MIB = 1 << 20
HOLD = """
import os, sys, time
held = b"x" * (int(sys.argv[1]) << 20)
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        break
else:
    open("up", "w").close()
time.sleep(600)
"""


def hold(bench: Bench, mib: int, children: int = 0, **more: Any) -> Attempt:
    """A child of the job holds so much, outside of its session, and shares it with children of its own."""
    bench.start(f"setsid '{sys.executable}' -I -S -c '{HOLD}' {mib} {children} & wait; exit 3", **more)
    bench.run((bench.folder / "up").exists)
    return bench.attempts._all["0.1"]


def test_who_takes_too_much_memory_is_killed(bench: Bench) -> None:
    attempt = hold(bench, 64, mem=32 * MIB, grace=600)
    end = bench.end()
    assert (end["reason"], end["signal"]) in (("oom", 15), ("oom", 9))
    assert end["detail"].startswith("it took ")
    assert end["detail"].endswith("M of memory, and may take 32M")
    assert end["usage"]["tree_rss_kb"] >= 64 * 1024
    assert members(attempt) == []


def test_what_processes_share_counts_once(bench: Bench) -> None:
    attempt = hold(bench, 64, children=4, mem=192 * MIB)
    bench.run(lambda: len(members(attempt)) == 6)
    assert sum(one.rss * PAGE for one in members(attempt)) > 5 * 64 * MIB
    assert bench.attempts._memory.look(time.monotonic() + LOOK) == []
    assert 64 * MIB < attempt.taken < 192 * MIB
    bench.attempts.stop({"0.1": 0})
    end = bench.end()
    assert end["reason"] == "cancelled"
    assert end["usage"]["tree_rss_kb"] >= attempt.taken // 1024


def test_nobody_is_looked_at_who_may_take_what_he_likes(bench: Bench) -> None:
    bench.start("sleep 600", "0.1")
    assert bench.attempts.next_time() is None
    bench.start("sleep 600", "1.1", mem=MIB << 10)
    due = bench.attempts.next_time()
    assert due is not None
    assert bench.attempts._memory.look(due - 0.001) == []
    assert bench.attempts._all["1.1"].peak == 0
    assert bench.attempts._memory.look(due) == []
    assert bench.attempts._all["1.1"].peak > 0
    bench.attempts.stop({"1.1": 60})
    assert bench.end("1.1")["reason"] == "cancelled"
    assert bench.attempts.next_time() is None


def test_the_memory_of_adopted_ones_is_looked_at(bench: Bench) -> None:
    orphan(bench, "exec sleep 600", mem=1)
    bench.successor()
    end = bench.end()
    assert (end["reason"], set(end["usage"])) == ("oom", {"seconds", "tree_rss_kb"})
