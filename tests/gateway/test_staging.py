"""Where files are for as long as a request lasts."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from sjs.errors import NoSpace
from sjs.gateway.staging import Staging


def test_what_a_killed_gateway_has_left_goes_with_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    (folder / "left" / "deep").mkdir(parents=True)
    (folder / "left" / "deep" / "file").write_text("x")
    Staging(str(folder))
    assert os.listdir(folder) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_files_have_no_name_and_folders_go(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path / "staging"))
    with staging.file() as file:
        file.write(b"x")
        assert os.listdir(tmp_path / "staging") == []
    with pytest.raises(ZeroDivisionError), staging.folder() as folder:
        Path(folder, "x").write_text("x")
        raise ZeroDivisionError
    assert os.listdir(tmp_path / "staging") == []


def test_a_full_disk_is_told_without_a_path(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path / "staging"))
    with pytest.raises(NoSpace, match="no room") as caught, staging.room():
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(PermissionError), staging.room():
        raise PermissionError
