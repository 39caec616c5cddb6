"""The page of simple-job-submit that shows its three verbs, replayed: the same bytes, from three managers of ours."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, ENVIRONMENT, SUBMIT, Machine, running

PAGE = Path(__file__).parents[1] / "data" / "seed_transcript.txt"


def steps() -> list[tuple[str, str]]:
    """The commands of the page, each with what it prints."""
    parts = PAGE.read_text().split("$ submit ")[1:]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[list[Machine]]:
    """Three managers with 2, 4 and 6 slots, and a config that names them."""
    with contextlib.ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / f"m{n}", 2 * n)) for n in (1, 2, 3)]
        entries = (
            f"  manager-{n}: {{transport: local, project_root: {one.root}, pipe: jobs.pipe}}\n"
            for n, one in enumerate(machines, 1)
        )
        config = tmp_path / "config.yaml"
        config.write_text("managers:\n" + "".join(entries))
        config.chmod(0o600)
        (tmp_path / "commands.txt").write_text("true\nfalse\nsleep 0.2\necho 4\nexit 5\n")
        yield machines


def submit(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    arguments = [*SUBMIT, *shlex.split(command)]
    return subprocess.run(
        arguments, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=DEADLINE, check=False
    )


def test_the_page_replays_byte_for_byte(fleet: list[Machine], tmp_path: Path) -> None:
    replay = steps()
    for number, (command, printed) in enumerate(replay):
        if number == len(replay) - 1:
            with fleet[0].client() as client:
                client.ask("wait", jobs=[[0, 5]])
        done = submit(tmp_path, command)
        assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0), command


def test_a_queue_in_the_status_line_is_text(fleet: list[Machine], tmp_path: Path) -> None:
    """`jobs_queued` is a string that holds a list; beyond a hundred the number is told besides."""
    submit(tmp_path, "manager-1 configure --max-jobs-running 0")
    with fleet[0].client() as client:
        client.submit(*['echo "quoted"'] * 101)
    line = submit(tmp_path, "manager-1 status").stdout
    assert '"jobs_queued": "[{\\"job\\": \\"echo \\\\\\"quoted\\\\\\"\\", \\"job_id\\": 0}, ' in line
    assert line.endswith('"num_jobs_queued": 101}\n')
    assert line.count("job_id") == 100
