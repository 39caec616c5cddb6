"""A hundred thousand lines in one command file: accepted in chunks, with flat memory on both sides."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.live.machine import ENVIRONMENT, SUBMIT, Machine, running
from tests.live.test_door import memory_kb

LINES = 100_000


def submit_file(machine: Machine, path: Path) -> tuple[dict[str, object], int]:
    """What the client printed, and the most memory that it took, in kB."""
    config = path.with_suffix(".yaml")
    config.write_text(f"managers:\n  m: {{transport: local, project_root: {machine.root}, pipe: jobs.pipe}}\n")
    config.chmod(0o600)
    command = [*SUBMIT, "--config", str(config), "m", "job", "--command-file", str(path)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return json.loads(printed), usage.ru_maxrss


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with running(tmp_path / "machine", 0) as machine:
        small, large = tmp_path / "small.txt", tmp_path / "large.txt"
        small.write_text("".join(f"echo {n}\n" for n in range(11_000)))
        large.write_text("".join(f"echo {n} {'x' * 100}\n" for n in range(LINES)))
        _, small_client = submit_file(machine, small)
        small_manager = memory_kb(machine.manager_pid)
        reply, large_client = submit_file(machine, large)
        large_manager = memory_kb(machine.manager_pid)
        with machine.client() as client:
            report = client.ask("report")
            last = client.ask("list", jobs=[[110_999, 110_999]])["jobs"][0]
    assert (reply["jobs"], reply["first_job_id"], reply["last_job_id"]) == (LINES, 11_000, 110_999)
    assert report["queued"] == 111_000
    assert last["command"] == f"echo 99999 {'x' * 100}"
    assert large_client - small_client < 8_000, "the client's memory follows the file"
    assert large_manager - small_manager < 16_000, "the manager's memory follows the queue"
    print(f"longest turn {report['longest_turn'] * 1000:.0f} ms, client {large_client} kB, manager {large_manager} kB")


def test_a_whole_queue_is_cancelled_in_pieces(tmp_path: Path) -> None:
    with running(tmp_path, 0) as machine, machine.client() as client:
        for low in range(0, 10_000, 1000):
            client.submit(*["true"] * 1000, key=f"k/{low}")
        cancelled, after = 0, None
        while True:
            reply = client.ask("cancel", **({} if after is None else {"after": after}))
            cancelled += sum(high - low + 1 for low, high in reply["cancelled"])
            after = reply["next"]
            if after is None:
                break
        assert cancelled == 10_000
        assert client.ask("report")["counts"]["cancelled"] == 10_000
