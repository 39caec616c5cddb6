"""A hundred thousand lines in one command file: accepted in chunks, with flat memory on both sides."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.live.machine import ENVIRONMENT, SUBMIT, Client, Machine, running
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


def cancelled(client: Client) -> Iterator[int]:
    """Cancel all; how many went in each piece."""
    after = None
    while True:
        reply = client.ask("cancel", **({} if after is None else {"after": after}))
        yield sum(high - low + 1 for low, high in reply["cancelled"])
        after = reply["next"]
        if after is None:
            return


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
        machine.kill_manager()
        with machine.client() as client:
            assert client.ask("report", head=100)["queued"] == 111_000
            fresh_manager = memory_kb(machine.manager_pid)
            pieces = list(cancelled(client))
            counts = client.ask("report")["counts"]
    assert (reply["jobs"], reply["first_job_id"], reply["last_job_id"]) == (LINES, 11_000, 110_999)
    assert report["queued"] == 111_000
    assert pieces == [1000] * 111 + [0], "each turn cancels a bounded number, and none is asked for twice"
    assert (counts["queued"], counts["cancelled"]) == (0, 111_000)
    assert fresh_manager < 60_000, "a queue is not loaded, it is looked at"
    assert last["command"] == f"echo 99999 {'x' * 100}"
    assert large_client - small_client < 8_000, "the client's memory follows the file"
    assert large_manager - small_manager < 16_000, "the manager's memory follows the queue"
    print(f"longest turn {report['longest_turn'] * 1000:.0f} ms, client {large_client} kB, manager {large_manager} kB")


def test_a_whole_queue_is_cancelled_in_pieces(tmp_path: Path) -> None:
    with running(tmp_path, 0) as machine, machine.client() as client:
        for low in range(0, 10_000, 1000):
            client.submit(*["true"] * 1000, key=f"k/{low}")
        assert sum(cancelled(client)) == 10_000
        assert client.ask("report")["counts"]["cancelled"] == 10_000
