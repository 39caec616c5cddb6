"""`job_manager` as it is typed: what it says, and with which status it ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sjs.daemon.ground import launch, notes
from sjs.daemon.ground.places import Places
from tests.live.machine import DAEMON, DEADLINE, Machine, running


def job_manager(root: Path, *options: str, python: str = "python3") -> subprocess.CompletedProcess[str]:
    argv = [python, "-I", "-S", str(DAEMON), "job_manager", "--root", str(root), *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-jobs-running", "-1"], "must be a whole number from 0 to 1000000, not '-1'"),
        (["--max-jobs-running", "many"], "not 'many'"),
        (["--max-jobs-running", "²"], "not '²'"),
        (["--max-jobs-running", "9999999"], "not '9999999'"),
        (["--low-water", "much"], "'much' is no size"),
        (["--pipe-name", "a/b"], "must be a plain file name"),
        (["--pipe-name", ""], "must be a plain file name"),
        (["--no-such-option"], "unrecognized arguments"),
        (["--root", "/no/such"], "no such folder: /no/such"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, options: list[str], words: str) -> None:
    done = job_manager(tmp_path, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("job_manager: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_second_start_is_refused_with_who_is_there(tmp_path: Path) -> None:
    with running(tmp_path) as machine:
        done = job_manager(tmp_path, "--background")
        assert done.returncode == 75
        assert f"host {os.uname().nodename}, pid {machine.manager_pid}" in done.stderr
        assert done.stderr.count("\n") == 1


def test_it_is_told_how_much_room_to_leave(tmp_path: Path) -> None:
    with running(tmp_path) as machine:
        machine.stop()
        assert job_manager(tmp_path, "--background", "--low-water", "3G").returncode == 0
        with machine.client() as client:
            assert client.ask("report")["low_water"] == 3 << 30


def test_stop_where_nobody_is(tmp_path: Path) -> None:
    done = job_manager(tmp_path, "--stop")
    assert (done.returncode, done.stderr.count("\n")) == (69, 1)


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    root = tmp_path.joinpath(*["d" * 100] * 3)
    with running(root) as machine, machine.client() as client:
        assert client.run("exit 3")[0]["exit"] == 3
    assert job_manager(root, "--stop").returncode == 69


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    state = tmp_path / ".sjs" / "jobs.pipe"
    state.mkdir(parents=True)
    (state / "jobs.db").write_bytes(b"this is no database" * 100)
    done = job_manager(tmp_path, "--background")
    assert done.returncode == 69
    assert "cannot be used (file is not a database), and there is no copy of it" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_state_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = job_manager(tmp_path, "--background", "--state-dir", str(tmp_path / "file" / "state"))
    assert (done.returncode, done.stderr.count("\n")) == (69, 1)


def test_it_takes_no_environment_of_a_job_with_it() -> None:
    assert launch.clean({"SJS_JOB": "x", "SJS_JOB_ID": "1", "HOME": "/h"}) == {"HOME": "/h"}


def test_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert notes.last_line(str(log)) == f"no log at {log}"
    log.write_text("x" * 5000 + "\nlast\n\n")
    assert notes.last_line(str(log)) == "last"


def test_a_keeper_that_dies_without_a_word_is_noticed(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    where = Places(str(machine.root), "jobs.pipe")
    where.make()
    os.mkdir(where.keeper_lock)
    outcome, detail = launch.start(where, "1")
    assert outcome == "failed"
    assert "died without a word" in detail


def test_a_queue_of_slurms_stays_one(tmp_path: Path) -> None:
    with running(tmp_path) as machine:
        machine.stop()
        done = job_manager(tmp_path, "--background", "--slurm")
        assert done.returncode == 69
        assert "was begun as a machine's own, and can not become Slurm's" in done.stderr
    other = tmp_path / "other"
    other.mkdir()
    try:
        assert job_manager(other, "--background", "--slurm").returncode == 0
        where = Places(str(other), "jobs.pipe")
        assert (where.is_inside, Path(where.kind).read_text()) == (True, "slurm\n")
    finally:
        assert job_manager(other, "--stop").returncode == 0
