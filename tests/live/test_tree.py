"""A job is its whole tree: cancelled as one, and not ended before the last of it is gone."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from sjs.daemon.keeper.tree import NO_SESSION, Identity, members_of
from tests.live import strace
from tests.live.machine import Client, Machine, running, until

MANY = 60
"""Jobs that are ended at once."""

# Forks, leaves its session twice over, ignores TERM; each process writes its pid down.
ESCAPE = (
    "echo $$ >> pids; trap '' TERM; "
    'setsid sh -c \'echo $$ >> pids; trap "" TERM; (setsid sh -c "echo \\$\\$ >> pids; sleep 60" &) ; sleep 60\' & '
    "sh -c 'echo $$ >> pids; sleep 60' & sleep 60"
)


LIMITS: Mapping[str, Mapping[str, float]] = {"cancelled": {}, "timeout": {"timeout": 2.0, "grace": 0.2}}
"""What a job is told that is to end so. (The first ends by an order.)"""


def pids(machine: Machine) -> list[int]:
    path = machine.root / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(machine: Machine) -> list[int]:
    found = [pid for pid in pids(machine) if Path(f"/proc/{pid}/stat").exists()]
    return [pid for pid in found if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"]


def start(machine: Machine, client: Client, command: str, processes: int, **more: float) -> int:
    job = int(client.ask("submit", jobs=[{"command": command, **more}])["first"])
    until(lambda: len(pids(machine)) == processes, f"{processes} processes")
    return job


def test_cancel_ends_the_whole_tree(machine: Machine) -> None:
    with machine.client() as client:
        job = start(machine, client, ESCAPE, 4)
        reply = client.ask("cancel", jobs=[[job, job]], grace=0.2)
        assert reply["stopping"] == [[job, job]]
        record = client.ask("wait", jobs=[[job, job]])["job"]
    assert alive(machine) == []
    assert (record["state"], record["reason"]) == ("cancelled", "cancelled")


def test_what_a_job_leaves_behind_ends_before_its_slot_is_free(machine: Machine) -> None:
    left = "(setsid sh -c 'echo $$ >> pids; exec sleep 60' &); (sleep 60 & echo $! >> pids); sleep 0.2; exit 3"
    with machine.client() as client:
        record = client.run(left)[0]
    assert alive(machine) == []
    assert len(pids(machine)) == 2
    assert (record["state"], record["exit"]) == ("failed", 3)
    assert "left behind" in record["detail"]


def test_cancel_in_each_state(machine: Machine) -> None:
    with machine.client() as client:
        client.ask("configure", max_jobs=1)
        client.submit("echo $$ >> pids; sleep 60", "true", "true")
        until(lambda: len(pids(machine)) == 1, "the first job")
        assert client.ask("cancel", jobs=[[1, 1]])["cancelled"] == [[1, 1]]
        assert client.ask("cancel", jobs=[[1, 1]])["ended"] == [[1, 1]]
        assert client.ask("cancel", jobs=[[0, 0]])["stopping"] == [[0, 0]]
        client.ask("wait")
        states = [one["state"] for one in client.ask("list")["jobs"]]
        assert states == ["cancelled", "cancelled", "succeeded"]
        assert client.ask("cancel", jobs=[[5, 5]])["error"]["code"] == "unknown_job"


def test_a_job_that_ends_by_itself_keeps_its_end(machine: Machine) -> None:
    """TERM is answered with an exit of its own: that is a cancelled job; an end before the order is not."""
    with machine.client() as client:
        record = client.run("exit 7")[0]
        client.ask("cancel", jobs=[[0, 0]])
        assert client.ask("list")["jobs"][0] == record


def test_a_stopped_job_can_be_cancelled(machine: Machine) -> None:
    with machine.client() as client:
        job = start(machine, client, "echo $$ >> pids; kill -STOP $$; sleep 60", 1)
        client.ask("cancel", jobs=[[job, job]], grace=30)
        assert client.ask("wait", jobs=[[job, job]])["job"]["signal"] == 15


MOST = 1500 if "SJS_TEST_ROUNDS" in os.environ else 400
"""Processes that somebody may have."""


def bounded(command: str) -> str:
    """As somebody for whom a limit counts, which for root none does: other tests need processes, too."""
    other = "setpriv --reuid 4242 --clear-groups " if os.geteuid() == 0 else ""
    return f"echo $$ >> pids; exec {other}sh -c {shlex.quote(f'ulimit -u {MOST}; {command}')}"


@pytest.mark.parametrize("state", ["cancelled", "timeout"])
@pytest.mark.parametrize(
    "command",
    [
        "while :; do sleep 60 & done",
        "while :; do setsid sh -c 'trap \"\" TERM; sleep 60' & done",
        "exec 0<&- 1>&- 2>&-; trap '' TERM HUP INT; while :; do sleep 60; done",
    ],
    ids=["forks without end", "forks away without end", "closes everything"],
)
def test_who_will_not_go_is_made_to(machine: Machine, command: str, state: str) -> None:
    """As many new processes as it may have while they are ended."""
    with machine.client() as client:
        job = start(machine, client, bounded(command), 1, **LIMITS[state])
        if state == "cancelled":
            until(lambda: len(of_job(machine, job)) > 1, "the first of its children")
            client.ask("cancel", jobs=[[job, job]], grace=0.2)
        assert client.ask("wait", jobs=[[job, job]])["job"]["state"] == state
        assert client.ask("report")["running"] == 0
    assert of_job(machine, job) == []


@pytest.mark.parametrize("state", ["cancelled", "timeout"])
def test_who_belongs_to_a_job_by_one_thing_only_ends_with_it(machine: Machine, state: str) -> None:
    """By its session, by its mark, by its parent (who ends first)."""
    loop = "sh -c 'echo $$ >> pids; trap \"\" TERM; while :; do sleep 0.1; done'"
    command = f"echo $$ >> pids; env -i {loop} & (setsid {loop} &); setsid env -i {loop} & wait"
    with machine.client() as client:
        job = start(machine, client, command, 4, **LIMITS[state])
        if state == "cancelled":
            client.ask("cancel", jobs=[[job, job]], grace=0.2)
        assert client.ask("wait", jobs=[[job, job]])["job"]["state"] == state
    assert alive(machine) == []
    assert "dropped every mark" not in machine.log()


@pytest.mark.parametrize("state", ["cancelled", "timeout"])
def test_what_cannot_be_attributed_is_named_and_let_live(machine: Machine, state: str) -> None:
    """It has left the job's session, has been disowned, and was executed with another environment."""
    gone = "(setsid env -i sh -c 'echo $$ >> pids; exec sleep 60' &); echo $$ >> pids; sleep 60"
    with machine.client() as client:
        job = start(machine, client, gone, 2, **LIMITS[state])
        if state == "cancelled":
            client.ask("cancel", jobs=[[job, job]], grace=0.2)
        assert client.ask("wait", jobs=[[job, job]])["job"]["state"] == state
    (left,) = alive(machine)
    os.kill(left, signal.SIGKILL)
    assert f"process {left} dropped every mark of its job" in machine.log()
    assert of_job(machine, job) == []


def of_job(machine: Machine, job: int) -> list[int]:
    """All living processes that carry the job's mark."""
    mark = f"SJS_JOB={machine.state}/{job}.1".encode()
    return [one.pid for one in members_of([Identity(NO_SESSION, mark)])[0]]


def test_cancel_outlives_the_manager(machine: Machine) -> None:
    """Asked for, and the manager killed at once: its successor sees to it."""
    with machine.client() as client:
        job = start(machine, client, "trap '' TERM; echo $$ >> pids; while :; do sleep 0.1; done", 1)
        client.ask("cancel", jobs=[[job, job]], grace=0.5)
        machine.kill_manager()
    with machine.client() as client:
        assert client.ask("wait", jobs=[[job, job]])["job"]["state"] == "cancelled"
    assert alive(machine) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"argv": ["no-such-program"]}, "cannot run no-such-program: No such file"),
        ({"argv": ["/etc/passwd"]}, "Permission denied"),
        ({"command": "true", "cwd": "/no/such/folder"}, "cannot enter /no/such/folder: No such file"),
        ({"command": "true", "cwd": "/no/\udce9"}, "cannot enter /no/\\udce9: No such file"),
        ({"argv": ["no-\udce9"]}, "cannot run no-\\udce9: No such file"),
    ],
)
def test_what_cannot_be_started_says_why(machine: Machine, spec: dict[str, object], words: str) -> None:
    with machine.client() as client:
        client.ask("submit", key=None, jobs=[spec])
        record = client.ask("wait", jobs=[[0, 0]])["job"]
    assert (record["state"], record["reason"], record["exit"]) == ("failed", "spawn-error", None)
    assert words in record["detail"]


def test_what_a_job_finds(machine: Machine) -> None:
    """Descriptors 0, 1 and 2, a session of its own, default signals, the project root, a documented environment."""
    script = (
        "import os, signal, json; print(json.dumps(["
        "sorted(map(int, os.listdir('/proc/self/fd')))[:-1], os.getsid(0) == os.getpid(), os.getcwd(),"
        "[s.name for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN],"
        "len(signal.pthread_sigmask(0, [])), os.readlink('/proc/self/fd/0'),"
        "sorted(k for k in os.environ if k.startswith(('SJS', 'SSH')))]))"
    )
    with machine.client() as client:
        client.ask("submit", key=None, jobs=[{"argv": [machine.program[0], "-I", "-c", script]}])
        client.ask("wait")
        found = client.output(0).decode()
    ours = '["SJS_ATTEMPT", "SJS_JOB", "SJS_JOB_DIR", "SJS_JOB_ID", "SJS_MANAGER", "SJS_SLOT"]'
    ignored = '["SIGPIPE", "SIGXFSZ"]'  # by that Python itself, after its start
    assert found == f'[[0, 1, 2], true, "{os.fspath(machine.root)}", {ignored}, 0, "/dev/null", {ours}]\n'


@strace.needed
def test_to_end_many_costs_no_look_for_each(tmp_path: Path) -> None:
    """All orders of a turn are obeyed at one look at /proc, so that a thousand jobs end in seconds."""
    log = tmp_path / "looks"
    with running(tmp_path / "m", MANY) as machine, machine.client() as client:
        client.submit(*["exec sleep 600"] * MANY)
        until(lambda: client.ask("report")["counts"]["running"] == MANY, "all of them run")
        with strace.watching(machine.keeper_pid, "openat", "/proc", log):
            client.ask("cancel", jobs=None)
            client.ask("wait", jobs=None)
        assert client.ask("report")["counts"]["cancelled"] == MANY
    assert 1 <= len(log.read_text().splitlines()) < MANY / 10
