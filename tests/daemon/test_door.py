"""The door: whose it is, what may stand in its place, and what becomes of it then."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sjs.daemon.manager.door import Door

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's files")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.pipe"


@pytest.fixture
def door(path: Path) -> Iterator[Door]:
    made = Door(str(path))
    yield made
    made.close()


def is_told(door: Door) -> bool:
    return bool(select.select([door.watch_fd], [], [], 0)[0])


def make_folder(path: Path) -> None:
    path.mkdir()


def make_file(path: Path) -> None:
    path.write_text("precious")


def make_link(path: Path) -> None:
    path.symlink_to(path.parent)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


MAKERS = [make_folder, make_file, make_link, make_pipe]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_it_is_mine_alone(door: Door, path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        door.open()
    finally:
        os.umask(before)
    assert path.is_fifo()
    assert path.stat().st_mode & 0o777 == 0o600
    assert door.stands()
    assert not is_told(door)


def test_a_pipe_that_was_left_is_used(door: Door, path: Path) -> None:
    os.mkfifo(path, 0o600)
    before = path.stat().st_ino
    door.open()
    assert path.stat().st_ino == before


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o602])
def test_a_pipe_that_others_may_have_open_is_not(door: Door, path: Path, mode: int) -> None:
    make_pipe(path)
    path.chmod(mode)
    theirs = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    door.open()
    os.write(theirs, b"evil\n")
    with pytest.raises(BlockingIOError):
        os.read(door.fd, 10)
    os.close(theirs)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("make", MAKERS[:3])
def test_what_is_mine_in_its_place_is_kept_aside(door: Door, path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    before = path.lstat().st_ino
    door.open()
    (aside,) = path.parent.glob("jobs.pipe.aside-*")
    assert (aside.lstat().st_ino, path.is_fifo()) == (before, True)


@as_root
@pytest.mark.parametrize("make", MAKERS)
def test_what_is_somebody_elses_is_refused_and_left(door: Door, path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    before = path.lstat()
    with pytest.raises(PermissionError, match="belongs to somebody else .user id 65534."):
        door.open()
    assert path.lstat() == before
    assert os.listdir(path.parent) == ["jobs.pipe"]


def test_one_that_was_removed_is_made_again(door: Door, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    door.open()
    for harm in (path.unlink, lambda: path.rename(path.parent / "elsewhere")):
        assert not is_told(door)
        harm()
        assert is_told(door)
        assert not door.stands()
        assert door.mend()
        assert door.stands()
        assert not door.mend(), "once is enough"
    assert capfd.readouterr().err.count("making it again") == 2


def test_what_else_happens_to_it_changes_nothing(door: Door, path: Path) -> None:
    door.open()
    before = door.fd
    path.chmod(0o600)
    assert is_told(door)
    assert not door.mend()
    assert (door.fd, is_told(door)) == (before, False)


@as_root
@pytest.mark.parametrize("make", MAKERS)
def test_while_somebody_elses_is_in_its_place_it_waits(
    door: Door, path: Path, make: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    door.open()
    path.unlink()
    make(path)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert not door.mend()
    assert not door.stands()
    door.mend()  # it is told that the old watch is gone
    assert not is_told(door)
    (path.parent / "other").touch()
    (path.parent / "other").unlink()
    assert is_told(door)
    assert not door.mend()
    assert not is_told(door)
    path.rmdir() if make is make_folder else path.unlink()
    assert door.mend()
    assert door.stands()
    assert capfd.readouterr().err.count("nobody can reach this manager") == 1, "and says so once"


def test_a_name_that_never_stays_is_given_up(door: Door, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Door, "stands", lambda self: False)
    with pytest.raises(OSError, match="replaced as soon as it is made") as error:
        door.open()
    assert (error.value.errno, door.fd) == (errno.EBUSY, -1)
