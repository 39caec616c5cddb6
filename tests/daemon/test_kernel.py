from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
from pathlib import Path

import pytest

from sjs.daemon.ground.kernel import IN_ATTRIB, IN_MODIFY, IN_MOVE_SELF, Inotify, pidfd_open, wait_status

ROOT = Path(__file__).parents[2]

DOOR = IN_ATTRIB | IN_MOVE_SELF


@pytest.mark.parametrize("act", [os.unlink, lambda path: os.rename(path, f"{path}.moved"), lambda path: _replace(path)])
def test_a_pipe_that_is_gone_from_its_place_is_told(tmp_path: Path, act: object) -> None:
    path = str(tmp_path / "door")
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR)  # the file itself lives on
    watch = Inotify()
    number = watch.watch(path, DOOR)
    assert list(watch.read()) == []
    assert callable(act)
    act(path)
    assert {one for one, _ in watch.read()} == {number}
    os.close(held)
    os.close(watch.fd)


HAS_SLICES = "se.slice" in (Path("/proc/self/sched").read_text() if Path("/proc/self/sched").exists() else "")

PROMPT = """
import os, sys
sys.path.insert(0, {root!r})
from sjs.daemon.ground import kernel
def slices():
    return [int(line.split()[-1]) for line in open("/proc/self/sched") if line.startswith("se.slice")]
{before}
print(kernel.be_prompt(), *slices(), os.nice(0), flush=True)
if os.fork() == 0:
    print(*slices(), os.nice(0), flush=True)
    os._exit(0)
os.wait()
"""


def prompt(before: str) -> list[list[str]]:
    """What a process and its child say that was to be prompt."""
    code = PROMPT.format(root=str(ROOT), before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.skipif(not HAS_SLICES, reason="this kernel gives no slices of a process's own")
def test_one_that_is_to_be_prompt_has_the_shortest_slice_and_its_children_have_not() -> None:
    (usual,) = [int(line.split()[-1]) for line in Path("/proc/self/sched").read_text().splitlines() if "slice" in line]
    nice = os.nice(0) + 3
    mine, childs = prompt("os.nice(3)")
    assert mine == ["True", "100000", str(nice)]
    assert (int(childs[0]) >= usual > 100_000, childs[1]) == (True, str(nice))


@pytest.mark.skipif(not HAS_SLICES, reason="this kernel gives no slices of a process's own")
@pytest.mark.parametrize(
    "chosen",
    [
        "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
        pytest.param("os.nice(-1)", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can")),
        "kernel.SYS_SCHED_SETATTR.clear()",
    ],
)
def test_what_somebody_has_chosen_stays_so(chosen: str) -> None:
    mine, _ = prompt(chosen)
    assert (mine[0], int(mine[1]) > 100_000) == ("False", True)


def _replace(path: str) -> None:
    Path(f"{path}.new").touch()
    os.rename(f"{path}.new", path)


def test_a_file_that_grows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.touch()
    watch = Inotify()
    number = watch.watch(str(path), IN_MODIFY)
    path.write_text("more")
    assert select.select([watch.fd], [], [], 0)[0]
    assert (number, IN_MODIFY) in list(watch.read())
    watch.forget(number)
    list(watch.read())
    path.write_text("even more")
    assert list(watch.read()) == []
    os.close(watch.fd)


def test_what_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    watch = Inotify()
    with pytest.raises(FileNotFoundError):
        watch.watch(str(tmp_path / "none"), IN_MODIFY)
    os.close(watch.fd)


def test_pidfd_open() -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    fd = pidfd_open(process.pid)
    assert fd is not None
    assert not select.select([fd], [], [], 0)[0]
    process.communicate()
    assert select.select([fd], [], [], 30)[0]
    os.close(fd)
    assert pidfd_open(process.pid) is None


def test_wait_status_of_what_is_no_process_or_lives() -> None:
    fd = pidfd_open(os.getpid())
    assert fd is not None
    assert wait_status(fd) is None
    os.close(fd)
    with open(os.devnull) as other:
        assert wait_status(other.fileno()) is None


def test_why_there_is_no_watch_is_said() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(OSError, match=r"Too many open files \(see fs\.inotify\.max_user_instances"):
            Inotify()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
