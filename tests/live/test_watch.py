"""`list -w` of a queue: each change is seen, nobody asks in between, and it ends when it is to."""

from __future__ import annotations

import os
import select
import signal
import subprocess

import pytest

from tests.live.machine import DEADLINE, Machine
from tests.live.test_cli import Person, person

__all__ = ["person"]


def read_until(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    assert process.stdout is not None
    seen = b""
    while words not in seen:
        assert select.select([process.stdout], [], [], DEADLINE)[0], f"never shown: {words!r} in {seen!r}"
        data = os.read(process.stdout.fileno(), 1 << 16)
        assert data, f"it has ended: {seen!r}"
        seen += data
    return seen


@pytest.mark.parametrize("end", ["Ctrl-C", "stop"])
def test_each_change_is_shown_until_the_end(machine: Machine, person: Person, end: str) -> None:
    with person.begins("m list -w") as process, machine.client() as client:
        read_until(process, b"COMMAND\n\n")
        number = client.submit("until [ -e go ]; do sleep 0.02; done")["first"]
        read_until(process, b"running")
        (machine.root / "go").touch()
        client.ask("wait", jobs=[[number, number]])
        read_until(process, b"succeeded")
        if end == "stop":
            client.ask("stop")
        else:
            process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=DEADLINE)
    status, last = {"Ctrl-C": (130, b"interrupted"), "stop": (255, b"was stopped on purpose")}[end]
    assert (process.returncode, last in told.splitlines()[-1]) == (status, True), told
