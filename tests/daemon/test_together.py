"""What is done to many attempts takes as many looks at all processes as what is done to one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from sjs.daemon.keeper import tree
from tests.daemon.test_attempts import DEADLINE, Bench, bench, forget_everything

__all__ = ["bench"]

MANY = 12
TAGS = [f"{number}.1" for number in range(MANY)]

Looks = Callable[[], int]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """How often all processes were looked at since the last time."""
    look, counted = tree.processes, [0]

    def processes() -> dict[int, tree.Process]:
        counted[0] += 1
        return look()

    def since() -> int:
        count, counted[0] = counted[0], 0
        return count

    monkeypatch.setattr(tree, "processes", processes)
    return since


def start(bench: Bench, script: str) -> None:
    for tag in TAGS:
        bench.start(script, tag)


def wait_for_zombies(bench: Bench) -> None:
    """Until all of them have ended, and nobody has looked."""
    for one in bench.news:
        assert os.waitid(os.P_PID, one["pid"], os.WEXITED | os.WNOWAIT) is not None


def has_ended(bench: Bench) -> bool:
    return bench.attempts.live() == 0


def test_many_are_ended_at_one_look(bench: Bench, looks: Looks) -> None:
    start(bench, "exec sleep 600")
    looks()
    bench.attempts.stop(dict.fromkeys(TAGS, DEADLINE))
    bench.run(lambda: has_ended(bench))
    assert looks() == 1
    assert {one["end"]["reason"] for one in bench.news if one["on"] == "ended"} == {"cancelled"}


def test_many_that_will_not_go_are_killed_together(bench: Bench, looks: Looks) -> None:
    start(bench, "trap '' TERM; echo > up.$$; while :; do sleep 0.05; done")
    bench.run(lambda: len(list(bench.folder.glob("up.*"))) == MANY)
    looks()
    bench.attempts.stop(dict.fromkeys(TAGS, 0.0))
    bench.run(lambda: has_ended(bench))
    assert 1 + 4 <= looks() < MANY, "four to cut a tree that may grow meanwhile, and again after a second"


def test_many_are_paused_and_resumed_at_one_look_each(bench: Bench, looks: Looks) -> None:
    start(bench, "exec sleep 600")
    looks()
    bench.attempts.pause(TAGS)
    assert looks() == 2, "one more that finds nobody new"
    bench.attempts.resume(TAGS)
    assert looks() == 1
    bench.attempts.signal([(tag, number, True) for tag in TAGS for number in (signal.SIGCONT, signal.SIGTERM)])
    assert looks() == 1
    bench.run(lambda: has_ended(bench))
    assert {one["end"].get("signal") for one in bench.news if one["on"] == "ended"} == {signal.SIGTERM}


def test_what_many_left_behind_is_ended_at_one_look(bench: Bench, looks: Looks) -> None:
    start(bench, "sleep 600 &")
    wait_for_zombies(bench)
    looks()
    bench.turn()
    assert looks() == 1
    bench.run(lambda: has_ended(bench))
    assert all("left behind" in one["end"]["detail"] for one in bench.news if one["on"] == "ended")


def test_many_that_ended_while_nobody_kept_them_are_found_at_one_look(bench: Bench, looks: Looks) -> None:
    start(bench, "exit 3")
    wait_for_zombies(bench)
    looks()
    bench.successor()
    assert looks() == 1
    assert bench.attempts.live() == 0


def test_many_that_are_in_no_record_are_found_at_one_look(bench: Bench, looks: Looks) -> None:
    start(bench, "exec sleep 600")
    forget_everything(bench)
    bench.successor()
    looks()
    bench.attempts.find([(tag, "/nowhere") for tag in TAGS])
    assert looks() == 1
    assert bench.attempts.live() == MANY
