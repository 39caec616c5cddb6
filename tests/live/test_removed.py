"""The project folder is removed, or moved away, under a manager: it ends, jobs are let run, and nothing comes back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.machine import Machine, running, until, wait_for_end


def remove(root: Path) -> None:
    """As a person would; the door may be made again once before the manager sees that all goes."""

    away_with(root)


def move(root: Path) -> None:
    root.rename(root.with_name("moved"))


def remove_state(root: Path) -> None:
    away_with(root / ".sjs")


def away_with(folder: Path) -> None:
    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    until(is_gone, "the end of the folder")


@pytest.mark.parametrize("away", [remove, move, remove_state])
def test_the_folder_goes_away(tmp_path: Path, away: Callable[[Path], None]) -> None:
    with running(tmp_path / "machine", 2) as machine:
        keeper, manager = machine.keeper_pid, machine.manager_pid
        log = os.open(machine.state / "manager.log", os.O_RDONLY)
        with machine.client() as client:
            job = client.submit(f"echo up > {tmp_path}/up; sleep 2; echo done > {tmp_path}/done")
            assert "first" in job
            until((tmp_path / "up").exists, "the job")
            away(machine.root)
            wait_for_end(manager)
        assert not (tmp_path / "done").exists(), "the manager does not wait for jobs"
        assert refusal(machine) in ("no_manager", "no_queue")
        wait_for_end(keeper)
        assert (tmp_path / "done").exists(), "the keeper does"
        left = sorted(path.name for path in machine.root.glob("*")) if machine.root.exists() else []
        assert left == []
        assert (away is remove_state) == machine.root.exists()
        said = os.pread(log, 1 << 16, 0).decode()
        os.close(log)
    if away is move:  # else the log may go, or be another one, before the last words are in it
        assert "was removed: this manager ends" in said
        assert said.count("no manager is started again") == 1
    assert "Traceback" not in said


def refusal(machine: Machine) -> str:
    with machine.client() as client:
        return str(client.refused["code"])
