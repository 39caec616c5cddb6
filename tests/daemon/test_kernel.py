from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path

import pytest

from sjs.daemon.ground.kernel import IN_ATTRIB, IN_MODIFY, IN_MOVE_SELF, Inotify, pidfd_open, wait_status

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
