"""How much room there must be, and what is kept back; the file system's answers are the test's."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sjs.daemon.ground import space
from sjs.daemon.ground.space import MB, Space, sizes
from sjs.errors import NoSpace

GB = 1 << 30


class Disk:
    """What statvfs says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.total, self.free, self.files = 10 * GB, 5 * GB, 1000
        monkeypatch.setattr(os, "statvfs", lambda path: self._answer())

    def _answer(self) -> SimpleNamespace:
        return SimpleNamespace(
            f_frsize=1, f_blocks=self.total, f_bavail=self.free, f_files=self.files, f_favail=self.files
        )


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def made(folder: Path) -> Space:
    one = Space(str(folder), str(folder / "log"))
    one.look(0.0)
    return one


def test_the_mark_suits_the_file_system() -> None:
    marks = [sizes(total).low_water / MB for total in (2 * MB, 16 * MB, 100 * MB, GB, 5 * GB, 20 * GB, 1000 * GB)]
    assert [round(mark, 2) for mark in marks] == [0.19, 1.25, 4.0, 10.24, 51.2, 64, 64]


@pytest.mark.parametrize("total", [MB, 2 * MB, 16 * MB, 100 * MB, GB, 1000 * GB])
def test_what_is_kept_leaves_most_of_a_disk_alone(total: int) -> None:
    found = sizes(total)
    assert found.ballast + found.log + found.low_water <= max(total // 3, 384 << 10)


def test_with_room_there_is_no_timer(disk: Disk, tmp_path: Path) -> None:
    one = made(tmp_path)
    assert (one.shortage, one.next_time()) == ("", None)
    assert (tmp_path / "ballast").stat().st_size == MB
    assert (tmp_path / "log").stat().st_size == 8 * MB
    one.check(MB)


def test_it_says_once_that_there_is_none_and_once_that_there_is(
    disk: Disk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one = made(tmp_path)
    disk.free = 63 * MB
    for now in (1.0, 2.0, 3.0):
        one.look(now)
        assert one.next_time() == now + space.LOOK
    with pytest.raises(NoSpace, match="has 63.0 MB free"):
        one.check(0)
    disk.free = 65 * MB
    one.look(4.0)
    assert one.shortage, "no to and fro at the very mark"
    disk.free = 80 * MB
    one.look(5.0)
    assert (one.shortage, one.next_time()) == ("", None)
    first, second = capfd.readouterr().err.splitlines()
    assert "nothing starts" in first
    assert "for 4 s" in second


def test_what_would_fill_the_rest_is_refused(disk: Disk, tmp_path: Path) -> None:
    disk.total, disk.free = 2 * MB, MB
    one = made(tmp_path)
    one.check(900 << 10)
    with pytest.raises(NoSpace, match="which these jobs would fill"):
        one.check(1000 << 10)


def test_a_mark_that_somebody_set_counts(disk: Disk, tmp_path: Path) -> None:
    one = made(tmp_path)
    assert one.mark == 64 * MB
    one.low_water = 6 * GB
    one.look(1.0)
    assert "less than the 6144.0 MB" in one.shortage
    one.low_water = 1
    one.look(2.0)
    assert (one.mark, one.shortage) == (4 * MB, ""), "what the end of work needs is never given away"


def test_names_can_run_out_as_well(disk: Disk, tmp_path: Path) -> None:
    disk.files = 3
    assert "no more files" in made(tmp_path).shortage


def test_a_quota_shows_in_the_ballast(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, start: int, size: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", refuse)
        one = made(tmp_path)
        assert "ballast cannot have 1.0 MB: Disk quota exceeded" in one.shortage
    one.look(1.0)
    assert one.shortage == ""


def test_a_ballast_that_was_let_go_is_made_again(disk: Disk, tmp_path: Path) -> None:
    one = made(tmp_path)
    disk.free = 0
    one.make_room()
    assert not (tmp_path / "ballast").exists()
    assert not space.release(str(tmp_path))
    one.look(1.0)
    assert not (tmp_path / "ballast").exists()
    disk.free = GB
    one.look(2.0)
    assert (tmp_path / "ballast").stat().st_size == MB


def test_a_file_system_that_does_not_tell_its_size_has_room(disk: Disk, tmp_path: Path) -> None:
    disk.total = disk.free = disk.files = 0
    one = made(tmp_path)
    assert one.shortage == ""
    one.check(MB)
