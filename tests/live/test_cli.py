"""The command line against real managers: what a person sees, and that it holds while managers die."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine import DEADLINE, ENVIRONMENT, SUBMIT, Machine, until, wait_for_end

PART = 1000 * int(os.environ.get("SJS_TEST_ROUNDS", "1"))
LINES = 10 * PART

Submit = Callable[..., "subprocess.CompletedProcess[bytes]"]


class Person:
    """Somebody at a terminal in an empty home folder, with one configured manager m, or with none."""

    def __init__(self, home: Path, machine: Machine | None = None) -> None:
        self.home = home
        self.environment = {**ENVIRONMENT, "HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
        self.environment["XDG_CACHE_HOME"] = ""
        if machine is not None:
            config = home / "config.yaml"
            config.write_text(f"managers:\n  m: {{transport: local, project_root: {machine.root}}}\n")
            config.chmod(0o600)

    def types(self, line: str, before: Sequence[str] = (), **more: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*before, *SUBMIT, *shlex.split(line)], **self._settings(more), capture_output=True, timeout=DEADLINE
        )

    def begins(self, line: str, **more: Any) -> subprocess.Popen[bytes]:
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0, **self._settings(more)}
        return subprocess.Popen([*SUBMIT, *shlex.split(line)], **settings)

    def job(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.types(f"m list {number} --json").stdout)
        return found

    def _settings(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"cwd": self.home, "env": self.environment, **more}


@pytest.fixture
def person(machine: Machine, tmp_path: Path) -> Person:
    """Somebody with the manager m."""
    home = tmp_path / "home"
    home.mkdir()
    return Person(home, machine)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Person]:
    """Somebody without any config."""
    home = tmp_path / "new home"
    home.mkdir()
    one = Person(home)
    yield one
    machine = Machine(home / ".local/state/sjs/local")
    if machine.root.exists():
        machine.stop()


def test_the_first_job_of_all_starts_the_local_manager(newcomer: Person) -> None:
    done = newcomer.types("local job --command 'echo hello; echo oops >&2; exit 3' --follow")
    assert (done.returncode, done.stdout) == (3, b"hello\n")
    assert done.stderr.splitlines()[1:] == [b"oops", b"job 0 failed: exit status 3"]


def test_a_local_job_runs_where_it_was_typed(newcomer: Person) -> None:
    folder = newcomer.home / "a folder"
    folder.mkdir()
    assert newcomer.types("local job --follow -- pwd", cwd=folder).stdout == f"{folder}\n".encode()
    assert newcomer.types("any job --follow --cwd 'a folder' -- pwd").stdout == f"{folder}\n".encode()


def test_asking_starts_nothing(newcomer: Person) -> None:
    done = newcomer.types("local status")
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"(submit local start)" in done.stderr
    assert not (newcomer.home / ".local").exists()


def test_other_jobs_run_in_the_project_folder(person: Person, machine: Machine) -> None:
    assert person.types("m job --follow -- pwd").stdout == f"{machine.root}\n".encode()


def test_output_is_copied_byte_for_byte(person: Person) -> None:
    (person.home / "all-bytes").write_bytes(bytes(range(256)) * 4_000)
    done = person.types(f"m job --follow --command 'cat {person.home}/all-bytes'")
    assert done.stdout == bytes(range(256)) * 4_000
    assert person.types("m logs 0").stdout == done.stdout


@pytest.mark.parametrize("text", ["echo '1' \"$HOME\" \\\\n", "printf '%s|' a\nprintf b", "echo é\udcff"])
def test_a_text_arrives_unchanged(person: Person, text: str) -> None:
    subprocess.run([*SUBMIT, "m", "job", "--command", text], cwd=person.home, env=person.environment, check=True)
    assert person.job(0)["command"] == text


def test_following_goes_on_while_the_manager_dies(person: Person, machine: Machine) -> None:
    """No byte is lost or shown twice, and the exit status is the job's."""
    go = person.home / "go"
    command = f"seq 1 20000; until [ -e {go} ]; do sleep 0.02; done; seq 20001 40000; exit 7"
    following = person.begins(f"m job --follow --command '{command}'")
    assert following.stdout is not None
    first = [following.stdout.readline() for _ in range(10_000)]
    machine.kill_manager()
    go.touch()
    rest, complaint = following.communicate(timeout=DEADLINE)
    assert b"".join(first) + rest == b"".join(b"%d\n" % number for number in range(1, 40_001))
    assert following.returncode == 7
    assert complaint.count(b"asking again") == 1


def test_waiting_goes_on_while_the_manager_dies(person: Person, machine: Machine) -> None:
    go = person.home / "go"
    waiting = person.begins(f"m job --wait --command 'until [ -e {go} ]; do sleep 0.02; done; exit 7'")
    assert waiting.stdout is not None
    assert waiting.stdout.readline()
    machine.kill_manager()
    go.touch()
    _, complaint = waiting.communicate(timeout=DEADLINE)
    assert (waiting.returncode, complaint.splitlines()[-1]) == (7, b"job 0 failed: exit status 7")


def test_a_file_is_taken_once_while_the_manager_dies_again_and_again(person: Person, machine: Machine) -> None:
    """Lines from a pipe that we fill: after each part the manager is killed."""
    person.types("m configure --max-jobs-running 0")
    taking = person.begins("m job --command-file - -p", stdin=subprocess.PIPE)
    assert taking.stdin is not None
    for first in range(0, LINES, PART):
        taking.stdin.write(b"".join(b"true %d\n" % number for number in range(first, first + PART)))
        taking.stdin.flush()
        machine.kill_manager()
        until(lambda: _answers(machine), "the next manager")
    printed, complaint = taking.communicate(timeout=DEADLINE)
    assert taking.returncode == 0, complaint
    assert sorted(map(int, printed.split())) == list(range(LINES))
    records = map(json.loads, person.types("m list --all --json").stdout.splitlines())
    assert [record["command"] for record in records] == [f"true {number}" for number in range(LINES)]


def _answers(machine: Machine) -> bool:
    with machine.client() as client:
        return client.refused is None


def test_a_key_makes_it_safe_to_type_it_again(person: Person) -> None:
    person.types("m configure --max-jobs-running 0")
    once = person.types("m job --command x --key mine -p")
    again = person.types("m job --command x --key mine -p")
    other = person.types("m job --command y --key mine -p")
    assert (once.stdout, again.stdout) == (b"0\n", b"0\n")
    assert (other.returncode, other.stdout, other.stderr.count(b"\n")) == (1, b"", 1)


@pytest.mark.parametrize(("option", "back"), [("--wait", b"submit m wait 0\n"), ("--follow", b"submit m logs 0 -f\n")])
def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(person: Person, option: str, back: bytes) -> None:
    waiting = person.begins(f"m job {option} --command 'echo begun; sleep 1000'", start_new_session=True)
    assert waiting.stdout is not None
    assert waiting.stdout.readline()
    os.killpg(waiting.pid, signal.SIGINT)
    _, complaint = waiting.communicate(timeout=DEADLINE)
    assert waiting.returncode == 130
    assert complaint.endswith(back)
    assert person.job(0)["state"] == "running"


def test_a_reader_that_has_seen_enough_is_no_error(person: Person) -> None:
    person.types("m configure --max-jobs-running 0")
    (person.home / "commands.txt").write_text("true\n" * 9_000)
    line = f"{shlex.join(SUBMIT)} m job --command-file commands.txt | head -n 1"
    done = subprocess.run(
        line, shell=True, cwd=person.home, env=person.environment, capture_output=True, timeout=DEADLINE
    )
    assert (done.stdout.count(b"\n"), done.stderr) == (
        1,
        b"warning: manager accepting at most 0 jobs, job will be queued\n",
    )


def test_how_a_job_ends_is_how_waiting_ends(person: Person) -> None:
    assert person.types("m job --wait --command true").returncode == 0
    assert person.types("m job --wait --command 'exit 9'").returncode == 9
    assert person.types("m job --wait --command 'kill -9 $$'").returncode == 137
    assert person.types("m job --wait -- /no/such/program").returncode not in (0, 255)
    (person.home / "commands.txt").write_text("exit 1\ntrue\nexit 2\n")
    done = person.types("m job --wait --command-file commands.txt")
    assert (done.returncode, done.stderr) == (2, b"1 succeeded, 2 failed\n")


def test_a_cancelled_job_ends_waiting_with_its_reason(person: Person) -> None:
    waiting = person.begins("m job --wait --command 'sleep 1000'")
    assert waiting.stdout is not None
    assert waiting.stdout.readline()
    assert person.types("m cancel last --grace 0.1").returncode == 0
    _, complaint = waiting.communicate(timeout=DEADLINE)
    assert (waiting.returncode, complaint) == (143, b"job 0 was cancelled\n")


def test_a_stopped_manager_is_started_only_on_purpose(person: Person, machine: Machine) -> None:
    keeper = machine.keeper_pid
    person.types("m job --wait --command 'echo kept'")
    assert person.types("m stop").stdout.startswith(b"stopped")
    wait_for_end(keeper)
    refused = person.types("m job --command x")
    assert (refused.returncode, refused.stdout) == (255, b"")
    assert b"stopped on purpose" in refused.stderr
    assert person.types("m check-running").stdout == b"[m] I am NOT running\n"
    assert b"echo kept" in person.types("m list").stdout
    assert person.types("m logs last").stdout == b"kept\n"
    assert person.types("m start --max-jobs-running 5").returncode == 0
    assert b'"max_jobs_running": 5' in person.types("m status").stdout


def test_last_lines_and_stderr(person: Person) -> None:
    person.types("m job --wait --command 'seq 1 100; seq 200 300 >&2'")
    assert person.types("m logs last -n 2").stdout == b"99\n100\n"
    assert person.types("m logs 0 --stderr -n 1").stdout == b"300\n"
    unknown = person.types("m logs 7")
    assert (unknown.returncode, unknown.stderr.count(b"\n")) == (1, 1)


def test_following_logs_ends_with_the_job(person: Person) -> None:
    go = person.home / "go"
    person.types(f"m job --command 'echo 1; until [ -e {go} ]; do sleep 0.02; done; echo 2'")
    following = person.begins("m logs 0 -f -n 1")
    assert following.stdout is not None
    assert following.stdout.readline() == b"1\n"
    go.touch()
    rest, _ = following.communicate(timeout=DEADLINE)
    assert (following.returncode, rest) == (0, b"2\n")
