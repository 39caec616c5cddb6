"""A disk that fails: the manager ends at once, jobs go on, and the next one goes on from what is durable."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest

from tests.live.disks import failing, needs_strace
from tests.live.machine import Machine, until, wait_for_end
from tests.live.test_kill import integrity

UNWRITTEN = "the queue cannot be written"
RAN = "echo $SJS_ATTEMPT >> ran-$SJS_JOB_ID"


def submit_until_taken(machine: Machine, key: str, *commands: str) -> int:
    """As the client does: ask again by key until there is an answer; the first id."""
    found: list[int] = []

    def is_taken() -> bool:
        with contextlib.suppress(EOFError, BrokenPipeError), machine.client() as client:
            found.append(client.submit(*commands, key=key)["first"])
        return bool(found)

    until(is_taken, "an answer")
    return found[0]


def has_given_up(machine: Machine, times: int) -> bool:
    return machine.log().count(UNWRITTEN) >= times


@needs_strace
@pytest.mark.parametrize(
    ("call", "error"),
    [("fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EDQUOT"), ("pwrite64", "EROFS")],
)
def test_a_commit_that_fails_is_never_acknowledged_nor_tried_again(machine: Machine, call: str, error: str) -> None:
    with machine.client() as client:
        first = client.submit(f"{RAN}; sleep 1; exit 3")["first"]
        client.ask("wait", jobs=[[first, first]], timeout=0.2)
        manager = machine.manager_pid
        with failing(manager, call, error, when="1"):
            client.send("submit", key="k", jobs=[{"command": RAN}])
            with pytest.raises(EOFError):
                client.line()
            wait_for_end(manager)
    second = submit_until_taken(machine, "k", RAN)
    with machine.client() as client:
        client.ask("wait", jobs=None)
        jobs = client.ask("list")["jobs"]
    assert [(one["id"], one["exit"], one["attempt"]) for one in jobs] == [(first, 3, 1), (second, 0, 1)]
    assert [(machine.root / f"ran-{number}").read_text() for number in (first, second)] == ["1\n", "1\n"]
    assert machine.log().count(UNWRITTEN) == 1
    assert "Traceback" not in machine.log()
    integrity(machine)


@needs_strace
def test_while_no_commit_works_one_manager_follows_another_and_jobs_run_on(machine: Machine) -> None:
    """How much later each comes is a law of its own (`Restarts`); how soon they die is up to this machine."""
    with machine.client() as client:
        first = client.submit(f"{RAN}; while [ ! -e go ]; do sleep 0.1; done; exit 4")["first"]
    with failing(machine.keeper_pid, "fdatasync", "EIO"), failing(machine.manager_pid, "fdatasync", "EIO"):
        with contextlib.suppress(EOFError, BrokenPipeError), machine.client() as client:  # the start is stored, too
            client.send("submit", jobs=[{"command": "true"}])
            with pytest.raises(EOFError):
                client.line()
        (machine.root / "go").touch()  # an end that each of them has to store
        for count in (1, 2, 3):
            until(partial(has_given_up, machine, count), f"number {count} that can write nothing")
    with machine.client() as client:
        client.ask("wait", jobs=[[first, first]])
        assert client.ask("list")["jobs"][0]["exit"] == 4
    assert "Traceback" not in machine.log()
