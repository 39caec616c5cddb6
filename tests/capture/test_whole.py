from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sjs.capture.whole import take_whole
from sjs.errors import Refused
from sjs.snapshots.checkout import check_out
from sjs.snapshots.store import Store
from tests.capture.conftest import write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def listed(folder: Path) -> list[tuple[str, str, str | bytes]]:
    """What there is, with what tells one kind from the other."""
    return sorted(((str(path.relative_to(folder)), *said(path)) for path in folder.rglob("*")), key=repr)


def said(path: Path) -> tuple[str, str | bytes]:
    if path.is_symlink():
        return "link", os.readlink(path)
    if path.is_dir():
        return "folder", ""
    return "program" if os.access(path, os.X_OK) else "file", path.read_bytes()


def test_all_that_is_there_comes_back_also_what_git_would_leave_out(folder: Path, store: Store, tmp_path: Path) -> None:
    write(
        folder, **{".gitignore": "*\n", ".git__config": "none of git's", ".sjsignore": "*", "sub__deep__data": "there"}
    )
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o775)
    (folder / "empty" / "inner").mkdir(parents=True)
    (folder / "link").symlink_to("sub/deep")
    (folder / "dangling").symlink_to("/no/such")
    (folder / os.fsdecode(b"\xff\n")).write_bytes(bytes(3 << 20))
    before = listed(folder)
    taken = take_whole(str(folder), store)
    assert take_whole(str(folder), store) == taken
    shutil.rmtree(folder)
    check_out(store, taken.id, str(tmp_path / "place"))
    assert listed(tmp_path / "place") == before


def test_an_empty_folder_is_one_too(folder: Path, store: Store, tmp_path: Path) -> None:
    check_out(store, take_whole(str(folder), store).id, str(tmp_path / "place"))
    assert listed(tmp_path / "place") == []


def test_what_holds_nothing_is_refused(folder: Path, store: Store) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(Refused, match="pipe is neither a file, a folder nor a link"):
        take_whole(str(folder), store)
