"""The program on the nodes, as Slurm starts it: alone, with a folder and a number."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground.starting import Start
from sjs.daemon.keeper import spawn
from sjs.daemon.slurm import node
from sjs.daemon.slurm.chunks import Chunk, Chunks
from tests.live.machine import DEADLINE, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    return tmp_path


def chunk_of(place: Path, *commands: str, **more: Any) -> Chunk:
    """A chunk of jobs for the shell."""
    starts = [
        Start(
            f"{number}.1",
            ["/bin/sh", "-c", command],
            **{"cwd": str(place), "env": {"SHARED": "s", "OWN": str(number)}, **more},
            out=str(place / "jobs" / "0" / f"{number}.out"),
            err=str(place / "jobs" / "0" / f"{number}.err"),
        )
        for number, command in enumerate(commands)
    ]
    return Chunks(str(place)).make(("--job-name=n",), starts, 0o027)


def begin(chunk: Chunk, number: int = 0, **env: str) -> subprocess.Popen[str]:
    told = {**os.environ, "SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_JOB_ID": "7", **env}
    argv = [sys.executable, "-I", "-S", node.__file__, chunk.path]
    return subprocess.Popen(argv, env=told, stderr=subprocess.PIPE, text=True, start_new_session=True)


def run(chunk: Chunk, number: int = 0, **env: str) -> tuple[int, dict[str, Any] | None, str]:
    """Its exit status, the end that it left, and what it had to say."""
    process = begin(chunk, number, **env)
    _, said = process.communicate(timeout=DEADLINE)
    return process.returncode, chunk.end_of(number), said


def out(folder: Path, number: int = 0) -> str:
    return (folder / "jobs" / "0" / f"{number}.out").read_text()


def test_it_runs_the_job_of_its_number_as_it_was_ordered(folder: Path) -> None:
    show = 'echo "$SHARED $OWN $SLURM_ARRAY_JOB_ID"; pwd; umask; echo oops >&2; exit 5'
    chunk = chunk_of(folder, "exit 1", show)
    status, end, said = run(chunk, 1)
    assert (status, said) == (5, "")
    assert end is not None and (end["reason"], end["exit"]) == ("exit", 5)
    assert end["usage"]["seconds"] >= 0 and end["usage"]["max_rss_kb"] > 0
    assert out(folder, 1) == f"s 1 7\n{folder}\n0027\n"
    assert (folder / "jobs" / "0" / "1.err").read_text() == "oops\n"
    mark = chunk.start_of(1)
    assert mark is not None
    assert (mark.host, mark.id) == (os.uname().nodename, "7_1")
    assert sorted(chunk.marks()) == [(1, "end"), (1, "start")]


def test_it_makes_the_folders_that_are_its_own(folder: Path) -> None:
    own = folder / "jobs" / "0" / "0.dir"
    more = {"folder": str(own), "artifacts": str(own / "artifacts")}
    assert run(chunk_of(folder, f"stat -c %a {own} {own}/artifacts", **more))[0] == 0
    assert out(folder) == "700\n700\n"


def test_what_slurm_says_counts_more_than_where_it_was_handed_in(folder: Path) -> None:
    own = {"SLURM_JOB_ID": "login", "CUDA_VISIBLE_DEVICES": "all", "HIP_VISIBLE_DEVICES": "mine"}
    chunk = chunk_of(folder, *['echo "$SLURM_JOB_ID $CUDA_VISIBLE_DEVICES $HIP_VISIBLE_DEVICES"'] * 2, env=own)
    run(chunk, 0, SLURM_JOB_ID="4", CUDA_VISIBLE_DEVICES="2", SLURM_JOB_GPUS="2")
    run(chunk, 1, SLURM_JOB_ID="4", CUDA_VISIBLE_DEVICES="2")
    assert (out(folder, 0), out(folder, 1)) == ("4 2 mine\n", "4 all mine\n")


def test_what_was_begun_before_or_taken_back_does_not_run(folder: Path) -> None:
    chunk = chunk_of(folder, "echo ran", "echo ran")
    assert run(chunk)[0] == 0
    assert run(chunk)[0] == node.AGAIN
    assert out(folder) == "ran\n"
    assert chunk.claim(1)
    assert run(chunk, 1)[:2] == (node.AGAIN, None)
    chunk.remove()
    status, _, said = run(chunk, 1)
    assert (status, "does not see that folder" in said) == (node.AGAIN, True)
    assert not (folder / "jobs" / "0" / "1.out").exists()


@pytest.mark.parametrize(
    ("command", "more", "words"),
    [
        ("true", {"cwd": "/no/such"}, "cannot enter /no/such: No such file or directory (on "),
        ("true", {"stdin": "/no/such"}, "cannot read /no/such: No such file or directory (on "),
        ("true", {"stdin": "/"}, "cannot read /: it is no file (on "),
    ],
)
def test_what_can_not_be_started_is_said(folder: Path, command: str, more: dict[str, Any], words: str) -> None:
    status, end, _ = run(chunk_of(folder, command, **more))
    assert end is not None
    assert (status, end["reason"], end["detail"][: len(words)]) == (127, "spawn-error", words)


def test_it_reads_and_is_nice(folder: Path) -> None:
    (folder / "input").write_text("from a file\n")
    assert run(chunk_of(folder, "cat; nice", stdin=str(folder / "input"), nice=7))[0] == 0
    assert out(folder) == f"from a file\n{7 + os.getpriority(os.PRIO_PROCESS, 0)}\n"


def test_who_takes_too_long_is_ended_with_all_that_it_has_started(folder: Path) -> None:
    chunk = chunk_of(folder, "trap '' TERM; (trap '' TERM; setsid sleep 100) & sleep 100", timeout=0.3, grace=0.2)
    status, end, _ = run(chunk)
    assert end is not None
    assert (status, end["reason"], end["signal"]) == (128 + signal.SIGKILL, "timeout", signal.SIGKILL)
    assert end["detail"].startswith("it ran longer than 0.3s")


def test_what_a_job_leaves_behind_is_ended_before_its_end_is_told(folder: Path) -> None:
    chunk = chunk_of(folder, f"setsid sh -c 'echo $$ > {folder}/left; exec sleep 100' & sleep 0.2; exit 4")
    _, end, _ = run(chunk)
    assert end is not None
    assert (end["exit"], end["detail"]) == (4, "ended 1 process(es) that it left behind")
    assert not os.path.exists(f"/proc/{(folder / 'left').read_text().strip()}")


def test_it_lives_through_what_is_sent_to_the_whole_group(folder: Path) -> None:
    process = begin(chunk := chunk_of(folder, "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"))
    until(lambda: (folder / "jobs" / "0" / "0.out").exists() and out(folder) == "up\n", "the job is up")
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    end = chunk.end_of(0)
    assert end is not None
    assert (process.returncode, end["exit"], end["told"]) == (3, 3, True)


def test_it_kills_for_a_signal_of_its_own(folder: Path) -> None:
    process = begin(chunk := chunk_of(folder, "trap '' TERM; echo up; while :; do sleep 0.05; done"))
    until(lambda: (folder / "jobs" / "0" / "0.out").exists() and out(folder) == "up\n", "the job is up")
    os.kill(process.pid, node.CUT)
    process.communicate(timeout=DEADLINE)
    end = chunk.end_of(0)
    assert end is not None
    assert (process.returncode, end["signal"]) == (128 + signal.SIGKILL, signal.SIGKILL)


def test_a_chunk_tells_what_it_is_made_of(folder: Path) -> None:
    chunk = chunk_of(folder, "a", "b", timeout=5.0)
    (found,) = Chunks(str(folder)).found()
    assert found == chunk
    starts = found.starts()
    assert [(one.tag, one.argv[-1], one.env, one.timeout) for one in starts] == [
        ("0.1", "a", {"SHARED": "s", "OWN": "0"}, 5.0),
        ("1.1", "b", {"SHARED": "s", "OWN": "1"}, 5.0),
    ]
    common = json.loads((Path(chunk.path) / "jobs").read_text().split("\n")[0])
    assert common["env"] == {"SHARED": "s"}  # what all have is said once


def told(call: Callable[[], Any], begin: Start) -> tuple[Any, tuple[str, str]]:
    """What comes of it: a value, or an error, as each of the two explains it."""
    try:
        return call(), ("", "")
    except (OSError, ValueError) as error:
        job = {name: value for name, value in begin._asdict().items() if value is not None}
        return type(error), (spawn._explain(error, begin), node._explain(error, job))


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of all that a name may be of."""
    (tmp_path / "bin" / "folder").mkdir(parents=True)
    for name, mode in (("plain", 0o644), ("program", 0o755), ("bin/program", 0o700), ("bin/plain", 0o755)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", ["/nowhere:bin", "bin:", ":bin", ".:bin", "", "/nowhere"])
@pytest.mark.parametrize("name", ["program", "plain", "folder", "./plain", "/no/such", "none", "", "link", "dangling"])
def test_it_finds_the_program_that_the_keeper_would(things: Path, name: str, path: str) -> None:
    begin = Start("0.1", [name], str(things), {}, "out", "err")
    ours, ours_said = told(lambda: spawn.find_program(name, path), begin)
    its, its_said = told(lambda: node._find(name, path), begin)
    assert (ours, ours_said) == (its, its_said)
    assert len(set(ours_said)) == 1


@pytest.mark.parametrize("name", ["plain", "link", "/dev/null", "dangling", "none", "bin", "pipe", "plain/x", "a\0b"])
def test_it_reads_what_a_job_of_the_keeper_would(things: Path, name: str) -> None:
    begin = Start("0.1", ["cat"], str(things), {}, "out", "err", stdin=name)

    def opened(opens: Callable[[str], int]) -> tuple[Any, ...]:
        fd = opens(name)
        found = (
            fcntl.fcntl(fd, fcntl.F_GETFL),
            fcntl.fcntl(fd, fcntl.F_GETFD),
            os.path.samestat(os.fstat(fd), os.stat(name)),
        )
        os.close(fd)
        return found

    before = os.listdir("/proc/self/fd")
    ours, ours_said = told(lambda: opened(spawn._open_input), begin)
    its, its_said = told(lambda: opened(node._open_input), begin)
    assert (ours, ours_said) == (its, its_said)
    assert len(set(ours_said)) == 1
    assert os.listdir("/proc/self/fd") == before, "nothing stays open"
