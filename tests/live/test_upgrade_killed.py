"""kill -9 at a step of an upgrade, in the old code or in the new: each job runs once, and the next upgrade works."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.live.trees import Tree
from tests.live.upgrading import Pair, with_another_schema


class Step(NamedTuple):
    """Who is killed, of which code, and before which line."""

    who: str
    code: str
    module: str
    line: str


COMMAND = "terminal/upgrade_command.py"

STEPS = {
    "wish": Step("keeper", "old", "keeper/keeper.py", 'link.send({"event": "upgrading"})'),
    "left": Step("keeper", "old", "keeper/upgrade.py", 'self.phase, self.until = "trial", now + TRIAL'),
    "begun": Step("keeper", "old", "keeper/manager_process.py", "self._link = LineSocket(ours, self._selector)"),
    "go": Step("keeper", "old", "keeper/keeper.py", 'self._manager.send({"on": "go"})'),
    "execute": Step("keeper", "old", "keeper/handover.py", "set_inheritable(record, True)"),
    "read": Step("keeper", "new", "keeper/handover.py", "os.lseek(fd, 0, os.SEEK_SET)"),
    "resumed": Step("keeper", "new", "keeper/keep.py", "keeper.say_replaced(bool(back))"),
    "leave": Step("manager", "old", "manager/loop.py", "self._leaving = True"),
    "close": Step("manager", "old", "manager/loop.py", "self._store.close()"),
    "serve": Step("manager", "new", "manager/serving.py", "os.umask(0o077)"),
    "hello": Step("manager", "new", "manager/loop.py", "self._set(maximum)"),
    "ready": Step("manager", "new", "manager/loop.py", "while not self._may_go and not self._keeper.closed:"),
    "commit": Step("manager", "new", "queue/database.py", 'self._db.execute("COMMIT")'),
    "ask": Step("command", "new", COMMAND, 'event = waiter.wait_for(("upgrading", "unchanged"), ANSWER)'),
    "hear": Step("command", "new", COMMAND, 'event = waiter.wait_for(("upgraded", "unchanged"), VERDICT)'),
}


SOME = ("wish", "execute", "read", "resumed", "leave", "ready", "commit", "hear")
"""Where most is half done; those between them are for the long form."""


@pytest.mark.parametrize("name", STEPS if "SJS_TEST_ROUNDS" in os.environ else SOME)
def test_killed_at_a_step_of_the_upgrade(begin: Callable[[], Pair], trees: tuple[Tree, Tree], name: str) -> None:
    """The queue works afterwards, by the one code or the other, and can be upgraded then. Each job has run once; how
    it ended is unknown only if its keeper was killed."""
    step = STEPS[name]
    with_another_schema(trees[1])
    victim = trees[step.code == "new"].die_once_at(step.module, step.line)
    pair = begin()
    victim.arm()
    first = pair.new.upgrade(pair.machine)
    assert not victim.is_armed
    assert first.stderr.count("\n") == (step.who != "command"), first.stderr
    with pair.machine.client() as client:
        assert client.run("exit 5")[0]["exit"] == 5
    second = pair.new.upgrade(pair.machine)
    assert second.returncode == 0, (first.stderr, second.stderr, pair.machine.log())
    assert pair.new.runs(pair.machine)
    if step.who != "keeper":
        pair.counters.end_well()
    else:
        for one in pair.counters.end():
            assert (one["reason"], one["exit"]) in [("exit", 10 + int(str(one["id"]))), ("host-lost", None)]
