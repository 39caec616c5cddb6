"""The machine's side, run by every Python that there is: start, job, output, kill -9 of the manager, stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import pythons
from tests.live.machine import running, until, wait_for_end

each_python = pytest.mark.parametrize(
    "python", [pytest.param(path, id=".".join(map(str, version))) for version, path in pythons.found().items()]
)


@each_python
def test_a_queue_from_its_start_to_its_stop(tmp_path: Path, python: str) -> None:
    with running(tmp_path / "m", 2, python) as machine:
        with machine.client() as client:
            first = client.submit("echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; exit 7", "exit 3")[
                "first"
            ]
            reading = client.send("read", job=first, stream="out", follow=True)
            assert client.reply(reading)["data"] == b"one\n"
            machine.kill_manager()
        with machine.client() as client:
            (machine.root / "go").touch()
            assert client.output(first, follow=True) == b"one\ntwo\n"
            client.ask("wait", jobs=None)
            records = client.ask("list")["jobs"]
            assert [(one["state"], one["exit"], one["attempt"]) for one in records] == [
                ("failed", 7, 1),
                ("failed", 3, 1),
            ]
            keeper = machine.keeper_pid
            client.ask("stop")
        wait_for_end(keeper)
        until(lambda: (machine.state / "stopped").exists(), "the mark of a stop")
        with machine.client() as client:
            assert len(client.ask("list")["jobs"]) == 2
    assert "Traceback" not in machine.log()
