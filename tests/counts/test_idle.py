"""A queue that has nothing to do does nothing: no system call of either process, and no timer."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.idle import system_calls
from tests.live.machine import running
from tests.live.strace import needed

SECONDS = float(os.environ.get("SJS_IDLE_SECONDS", "2.5"))

TRIES = 4
"""Looks at a queue that may still have been at the end of its last job."""


@needed
def test_an_idle_queue_makes_no_system_call(tmp_path: Path) -> None:
    with running(tmp_path / "machine") as machine:
        with machine.client() as client:
            client.run("true", "false")
        pids = [machine.keeper_pid, machine.manager_pid]
        calls = [system_calls(pids, SECONDS, tmp_path)]
        while calls[-1] and len(calls) < TRIES:
            calls.append(system_calls(pids, SECONDS, tmp_path))
        both = [machine.keeper_pid, machine.manager_pid]
    assert both == pids
    assert calls[-1] == 0, f"system calls in {SECONDS} s, again and again: {calls}"
