"""What a command costs on the way to one host, counted: it must not grow. Of many hosts: tests/rig/test_many.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.counts import bounds
from tests.rig.lab import Lab, Plan, rig
from tests.rig.proxy import UP
from tests.rig.test_many import Cost, measured, round_trips

LINES = 3_000


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One host that starts nothing, whose sshd names each packet, and that was asked before."""
    with rig([Plan(sshd=["LogLevel DEBUG3"])]) as found:
        found.manage(0)
        found.config()
        assert found.submit("manager-1", "status").returncode == 0
        yield found


def test_status(lab: Lab) -> None:
    cost = measured(lab, "manager-1", "status")
    print(cost)
    check(figures(cost), bounds.STATUS)


def test_a_file_of_commands(lab: Lab) -> None:
    path = lab.home / "commands"
    path.write_text("".join(f"echo {number}\n" for number in range(LINES)))
    cost = measured(lab, "manager-1", "job", "--command-file", str(path))
    print(cost)
    found = figures(cost)
    found["bytes a job"] = found.pop("bytes") / LINES
    del found["round trips"]  # pieces are sent ahead: it is a matter of time which reply comes before which
    check(found, bounds.FILE)


def figures(cost: Cost) -> dict[str, float]:
    """By the names of the bounds."""
    (seen,) = cost.seen
    return {
        "connections": seen.connections,
        "sessions": seen.sessions,
        "messages": sum(talk.count(UP) for talk in cost.talks),
        "round trips": max(round_trips(talk) for talk in cost.talks),
        "of ssh itself": cost.turns[0],
        "bytes": cost.bytes[0],
    }


def check(found: Mapping[str, float], most: Mapping[str, float]) -> None:
    """Nothing costs more than it may."""
    assert {what: value for what, value in found.items() if value > most[what]} == {}
