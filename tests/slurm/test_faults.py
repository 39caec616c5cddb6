"""Whatever dies or is late in between: no job is lost, and none runs twice. Each leaves a line where it has run."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.live.machine import until
from tests.rig.lab import PROJECT
from tests.slurm.person import LONG, Person, folder, person

LEFT = "left"
DOWN = 60.0 if LONG else 0.0
"""Seconds for which the controller is down, at least."""

KILL = f"cd {PROJECT}/.sjs/jobs.pipe; kill -9 $(cut -d' ' -f2 keeper.lock manager.lock)"
"""Keeper and manager, at once."""

LATE = """\
#!/bin/sh
/usr/bin/sbatch "$@" > /run/host/slurm/accepted && true
{then}
"""


@pytest.fixture
def anna() -> Iterator[Person]:
    with person(nodes=2, more="MessageTimeout=2\n") as found:
        folder(found.slurm.login, LEFT)
        yield found


def jobs(anna: Person, count: int, then: str = "true", options: str = "") -> list[int]:
    """So many, which leave where and as which attempt they run."""
    before = len(anna.outs(LEFT))
    text = f"echo $SJS_ATTEMPT >> {LEFT}/$SJS_JOB_ID; {then}"
    anna.file(*[text] * count)
    found = anna.ids(f"{options} --command-file commands")
    assert len(found) == count and before <= found[0]
    return found


def once(anna: Person) -> bool:
    return set(anna.outs(LEFT).values()) <= {"1\n"}


def kill_all(anna: Person) -> None:
    anna.slurm.login.call("sh", "-c", KILL)


def go(anna: Person) -> None:
    """Let those end that wait for it."""
    (anna.root / "go").touch()


UNTIL_GO = "until test -e go; do sleep 0.1; done; exit 3"


def test_a_controller_that_is_down(anna: Person) -> None:
    """While jobs run, end, and are handed in."""
    early = jobs(anna, 4, UNTIL_GO)
    until(lambda: len(anna.outs(LEFT)) == 4, "four that run")
    anna.slurm.stop_controller()
    began = time.monotonic()
    late = jobs(anna, 4)
    assert set(anna.states(late)) == {"queued"}
    go(anna)
    until(lambda: "DOWN" in anna.slurm.login.call("/usr/bin/scontrol", "ping", check=False).stdout, "its end")
    until(lambda: time.monotonic() - began >= DOWN, "the end of its time", DOWN + 60)
    anna.slurm.start_controller()
    assert [anna.end(one) for one in early] == [("failed", "exit")] * 4
    assert [anna.end(one) for one in late] == [("succeeded", "exit")] * 4
    assert len(anna.outs(LEFT)) == 8 and once(anna)


def test_a_keeper_and_a_manager_that_are_killed(anna: Person) -> None:
    """Jobs end while nobody is there; the next command begins both anew."""
    running = jobs(anna, 3, UNTIL_GO)
    until(lambda: len(anna.outs(LEFT)) == 3, "three that run")
    anna.slurm.set("PartitionName=main", "State=DOWN")
    waiting = jobs(anna, 3)
    anna.until_in_slurm(3, "PENDING")
    kill_all(anna)
    go(anna)
    anna.until_in_slurm(0, "RUNNING")
    anna.slurm.set("PartitionName=main", "State=UP")
    anna.well("start")
    assert [anna.end(one) for one in running] == [("failed", "exit")] * 3
    assert [anna.end(one) for one in waiting] == [("succeeded", "exit")] * 3
    assert len(anna.outs(LEFT)) == 6 and once(anna)
    assert anna.slurm.count()["sbatch"] == 2


@pytest.mark.parametrize("killed", [False, True] if LONG else [True])
def test_an_sbatch_that_dies_after_it_was_heard(anna: Person, killed: bool) -> None:
    """Nobody is told the number; it is found by its comment, and not handed in again."""
    accepted = anna.slurm.login.folder / "slurm" / "accepted"
    accepted.touch()
    accepted.chmod(0o666)
    then = "sleep 600" if killed else "kill -9 $$"
    anna.slurm.put("sbatch", LATE.format(then=then))
    found = jobs(anna, 3)
    until(lambda: accepted.read_text().strip() != "", "its number")
    if killed:
        kill_all(anna)
    anna.slurm.put("sbatch")
    anna.well("start")
    assert [anna.end(one) for one in found] == [("succeeded", "exit")] * 3
    assert len(anna.outs(LEFT)) == 3 and once(anna)
    assert anna.slurm.count()["sbatch"] == 0, "it was handed in once, by the one that died"


def test_what_a_node_an_administrator_and_a_limit_do(anna: Person) -> None:
    """What ran on a node that fails is lost, or runs again, as its owner has said."""
    (lost,) = jobs(anna, 1, "sleep 600", "--slurm=--nodelist=h2")
    (again,) = jobs(anna, 1, "test $SJS_ATTEMPT = 2 || sleep 600", "--slurm=--nodelist=h2 --on-lost requeue")
    for one in (lost, again):
        anna.until_runs(one)
    node = anna.slurm.nodes[0]
    anna.slurm.kill_node(node)
    anna.slurm.set("NodeName=h2", "State=DOWN", "Reason=power")
    assert anna.end(lost) == ("lost", "host-lost")
    anna.slurm.start_node(node)
    anna.slurm.until_nodes("idle")
    assert anna.end(again) == ("succeeded", "exit")
    assert anna.outs(LEFT) == {str(lost): "1\n", str(again): "1\n2\n"}

    ended, on = jobs(anna, 2, UNTIL_GO)
    for one in (ended, on):
        anna.until_runs(one)
    (task, _) = sorted(anna.in_slurm("RUNNING"))
    anna.slurm.ask("scancel", task)
    assert anna.end(ended) == ("cancelled", "cancelled"), "an administrator did"
    if LONG:  # its clock has half a minute between two looks
        anna.slurm.set(f"JobId={task.replace('_0', '_1')}", "EndTime=now")
        assert anna.end(on) == ("timeout", "timeout")
