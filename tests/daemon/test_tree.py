"""Whose process is it: real ones, in all the ways in which they leave their parents."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sjs.daemon.keeper import tree

ROOT = Path(__file__).resolve().parents[2]

DEADLINE = 60.0
"""Seconds until a process that does not come up is a failure."""

# Twice forked, in a session of its own: an orphan that only its environment gives away.
ESCAPE = "setsid sh -c 'setsid {} sleep 600 & echo $! > pid' &"

Shell = Callable[..., int]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Runs a script as a session of its own with a mark; gives its pid."""
    mark = f"{tmp_path}/0.1"
    started: list[subprocess.Popen[bytes]] = []

    def run(script: str) -> int:
        env = {**os.environ, "SJS_JOB": mark}
        argv = ["sh", "-c", f"{script}\necho up; exec sleep 600"]
        process = subprocess.Popen(argv, env=env, cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], DEADLINE)[0]
        return process.pid

    yield run
    for process in started:
        for one in tree.members_of([tree.Identity(process.pid, f"SJS_JOB={mark}".encode())])[0]:
            os.kill(one.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()  # its end need not come: who dropped the mark may have the other one


def written_pid(path: Path) -> int:
    """The pid that a process writes down once it runs: no event tells when."""
    end = time.monotonic() + DEADLINE
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < end
        time.sleep(0.01)
    pid = int(path.read_text())
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < end
        time.sleep(0.01)
    return pid


def mark(folder: Path) -> bytes:
    return f"SJS_JOB={folder}/0.1".encode()


def pids(session: int, text: bytes) -> set[int]:
    return {one.pid for one in tree.members_of([tree.Identity(session, text)])[0]}


def test_stat_of_a_name_that_lies(tmp_path: Path) -> None:
    program = tmp_path / ") S 1 1"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "600"])
    found = tree.stat(process.pid)
    process.kill()
    process.wait()
    assert found is not None
    assert (found.parent, found.session) == (os.getpid(), os.getsid(0))
    assert tree.stat(process.pid) is None


def test_children_zombies_included() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    found = tree.stat(process.pid)
    assert process.pid in tree.children()
    assert found is not None
    assert found.state == "Z"
    assert found.has_ended
    process.wait()
    assert process.pid not in tree.children()


def test_another_process_of_the_same_pid_is_another() -> None:
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    found = tree.stat(process.pid)
    assert found is not None
    assert tree.leader(found.pid, (found.start_time, found.start_time)) is not None
    assert tree.leader(found.pid, (found.start_time + 1, found.start_time + 9)) is None
    assert tree.leader(found.pid, (0, found.start_time - 1)) is None
    assert found.start_time <= tree.ticks(time.clock_gettime(time.CLOCK_BOOTTIME))
    process.kill()
    process.wait()
    assert tree.leader(found.pid, (found.start_time, found.start_time)) is None


def test_who_is_no_leader_of_a_session_is_no_job_whatever_its_pid() -> None:
    process = subprocess.Popen(["sleep", "600"])
    found = tree.stat(process.pid)
    assert found is not None
    assert tree.leader(found.pid, (found.start_time, found.start_time)) is None
    process.kill()
    process.wait()


FIRST_THREAD_ENDS = """
import ctypes, threading
threading.Thread(target=input).start()
print(flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_has_not() -> None:
    process = subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    end = time.monotonic() + DEADLINE
    while (found := tree.stat(process.pid)) is None or found.state != "Z":
        assert time.monotonic() < end  # nothing tells of the end of a thread
    assert not found.has_ended
    process.kill()
    process.communicate()


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7 << 8), ("kill -9 $$", 9)])
def test_how_a_zombie_ended(script: str, status: int) -> None:
    process = subprocess.Popen(["sh", "-c", script])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    zombie = tree.stat(process.pid)
    assert zombie is not None
    assert tree.zombie_status(zombie) == status
    process.wait()
    assert tree.zombie_status(zombie) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start somebody else's process")
def test_how_somebody_elses_zombie_ended_is_not_guessed() -> None:
    """The kernel then says 0, which would be a job that went well."""
    theirs = subprocess.Popen(["sh", "-c", "exit 7"])
    os.waitid(os.P_PID, theirs.pid, os.WEXITED | os.WNOWAIT)
    code = f"import os, sys; sys.path[:0] = [{str(ROOT)!r}]; from sjs.daemon.keeper import tree; os.setuid(65534)"
    code += f"; found = tree.stat({theirs.pid}); print(found.status, tree.zombie_status(found))"
    done = subprocess.run(["python3", "-I", "-S", "-c", code], capture_output=True, timeout=DEADLINE)
    theirs.wait()
    assert done.stdout == b"0 None\n", done.stderr


def test_the_session_and_its_children_are_members(shell: Shell, tmp_path: Path) -> None:
    pid = shell("sleep 600 & echo $! > pid")
    assert {pid, written_pid(tmp_path / "pid")} <= pids(pid, b"nobody")
    assert os.getpid() not in pids(pid, mark(tmp_path))


def test_who_left_the_session_is_known_by_its_mark(shell: Shell, tmp_path: Path) -> None:
    pid = shell(ESCAPE.format(""))
    escaped = written_pid(tmp_path / "pid")
    assert os.getsid(escaped) != pid
    assert escaped in pids(tree.NO_SESSION, mark(tmp_path))


def test_who_dropped_the_mark_and_left_is_not_attributed(shell: Shell, tmp_path: Path) -> None:
    pid = shell(ESCAPE.format("env -u SJS_JOB"))
    escaped = written_pid(tmp_path / "pid")
    assert escaped not in pids(pid, mark(tmp_path))
    assert pid in pids(pid, mark(tmp_path))
    os.kill(escaped, signal.SIGKILL)


def test_who_was_seen_before_is_known_for_good_and_not_by_its_pid(shell: Shell, tmp_path: Path) -> None:
    shell(ESCAPE.format("env -u SJS_JOB"))
    escaped = tree.stat(written_pid(tmp_path / "pid"))
    assert escaped is not None
    pid, born = escaped.birth
    wanted = [tree.Identity(tree.NO_SESSION, b"SJS_JOB=nobody", [(pid, at)]) for at in (born, born - 1)]
    assert [[one.birth for one in tree.members_of([each])[0]] for each in wanted] == [[(pid, born)], []]
    os.kill(pid, signal.SIGKILL)


def test_a_mark_is_the_whole_of_it(shell: Shell, tmp_path: Path) -> None:
    pid = shell("")
    found = tree.settled_environment(pid)
    assert mark(tmp_path) in found
    assert mark(tmp_path)[:-1] not in found
    assert tree.settled_environment(1 << 22) == []


def test_who_is_marked(shell: Shell, tmp_path: Path) -> None:
    """The session leader, be it not the first that carries the mark; without a leader, that there is somebody."""
    pid = shell(f"sleep 600 & SJS_JOB={tmp_path}/1.1 sleep 600 &")
    assert tree.settled_environment(pid)
    found = tree.stat(pid)
    assert found is not None
    expected = {mark(tmp_path): (pid, found.start_time), f"SJS_JOB={tmp_path}/1.1".encode(): (0, 0)}
    end = time.monotonic() + DEADLINE
    while tree.marked(f"SJS_JOB={tmp_path}/".encode()) != expected:  # the second shows once it is executed
        assert time.monotonic() < end
        time.sleep(0.01)
    assert tree.marked(b"SJS_JOB=nobody") == {}


def test_a_session_is_empty_once_its_last_process_is_gone(shell: Shell, tmp_path: Path) -> None:
    pid = shell("sleep 600 & echo $! > pid")
    child = written_pid(tmp_path / "pid")
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not tree.session_is_empty(pid)
    os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start somebody else's process")
def test_what_became_somebody_elses_counts_as_gone() -> None:
    theirs = subprocess.Popen(["sleep", "600"], start_new_session=True)
    code = f"import os, sys; sys.path[:0] = [{str(ROOT)!r}]; from sjs.daemon.keeper import tree; os.setuid(65534)"
    code += f"; print(tree.session_is_empty({theirs.pid}))"
    done = subprocess.run(["python3", "-I", "-S", "-c", code], capture_output=True, timeout=DEADLINE)
    theirs.kill()
    theirs.wait()
    assert done.stdout == b"True\n", done.stderr


@pytest.mark.parametrize("session", [0, 1, -1, tree.NO_SESSION])
def test_nobodys_session_has_no_members(session: int) -> None:
    """Session 0 is that of the init process, whose descendants are all the processes that there are."""
    assert tree.members_of([tree.Identity(session, b"SJS_JOB=nobody")]) == [[]]
    assert tree.session_is_empty(session)
