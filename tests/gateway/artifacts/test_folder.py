"""What is particular to the folder: who may see it, what may be planted in it, disks that are full."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs.errors import NoSpace, Refused, SjsError
from sjs.gateway.artifacts import folder as module
from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.artifacts.store import PIECE, NoArtifact, key_of

KEY = key_of(7, 1, "result.bin")
MIME = "application/octet-stream"
LIMIT = 1 << 20


def place(store: FolderStore, key: str = KEY) -> Path:
    return Path(store.path, *module._path_of(key))


@pytest.fixture
def open_mask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_all_is_for_nobody_else(open_mask: None, tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "deep" / "artifacts"))
    store.put(KEY, [b"x"], MIME, LIMIT)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").rglob("*")}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    store.close()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_see_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    with pytest.raises(Refused, match=r"is not for the gateway alone \(chown and chmod 700 "):
        FolderStore(str(tmp_path / "shared"))


def test_what_is_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Refused, match=f"^{path}: "):
            FolderStore(str(path))


def test_jobs_are_spread_over_folders(folder: FolderStore) -> None:
    for job in range(40):
        folder.put(key_of(job, 1, "x"), [b"x"], MIME, LIMIT)
    spread = [name for name in os.listdir(folder.path) if len(name) == 2]
    assert 20 < len(spread) <= 40
    for job in range(40):
        folder.delete_below(str(job))
    assert sorted(os.listdir(folder.path)) == ["lock", "new"]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_no_link_is_followed(folder: FolderStore, tmp_path: Path, depth: int) -> None:
    """Whoever plants one on the way leads nothing out, neither to write, nor to read, nor to delete."""
    folder.put(KEY, [b"kept"], MIME, LIMIT)
    spot = [place(folder).parents[2], place(folder).parents[1], place(folder).parent, place(folder)][depth]
    elsewhere = tmp_path / "elsewhere"
    spot.rename(elsewhere)
    spot.symlink_to(elsewhere)
    for ask in (
        lambda: folder.put(KEY, [b"other"], MIME, LIMIT),
        lambda: folder.open(KEY),
        lambda: folder.size(KEY),
    ):
        with pytest.raises(Refused, match="links are not followed"):
            ask()
    if depth < 3:
        with pytest.raises(Refused, match="links are not followed"):
            folder.delete([KEY])
        with pytest.raises(Refused, match="links are not followed"):
            folder.delete_below("7/1/x")
    else:
        folder.delete([KEY])
    outside = elsewhere if depth == 3 else elsewhere.joinpath(*place(folder).parts[-(3 - depth) :])
    assert outside.read_bytes() == b"kept"


def test_a_link_in_a_job_is_deleted_and_not_what_it_leads_to(folder: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"mine")
    folder.put(KEY, [b"x"], MIME, LIMIT)
    (place(folder).parent / "planted").symlink_to(tmp_path / "mine")
    assert folder.delete_below("7") == 2
    assert (tmp_path / "mine" / "file").read_bytes() == b"mine"


def test_what_is_no_file_is_no_artifact(folder: FolderStore) -> None:
    folder.put(KEY, [b"x"], MIME, LIMIT)
    place(folder).unlink()
    os.mkfifo(place(folder))
    for key in (KEY, "7/1"):
        with pytest.raises(NoArtifact):
            folder.open(key)


@pytest.mark.parametrize("name", ["write", "fsync", "rename"])
def test_a_full_disk(folder: FolderStore, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, full)
        with pytest.raises(NoSpace, match=f"^{folder.path}: {KEY}: No space left on device"):
            folder.put(KEY, [b"x"], MIME, LIMIT)
    assert os.listdir(Path(folder.path, "new")) == []
    with pytest.raises(NoArtifact):
        folder.size(KEY)
    folder.put(KEY, [b"x"], MIME, LIMIT)


def test_short_writes_go_on(folder: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
        folder.put(KEY, [b"0123456789", b"", b"ab"], MIME, LIMIT)
    assert b"".join(folder.open(KEY)) == b"0123456789ab"


def test_what_a_disk_has_lost_is_said(folder: FolderStore) -> None:
    folder.put(KEY, [b"x" * (3 * PIECE)], MIME, LIMIT)
    reading = folder.open(KEY)
    next(reading)
    os.truncate(place(folder), PIECE + 5)
    assert len(next(reading)) == 5
    with pytest.raises(Refused, match=f"ends after {PIECE + 5} of {3 * PIECE} bytes"):
        next(reading)
    reading.close()


def test_nothing_stays_open(folder: FolderStore) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    folder.put(KEY, [b"x"], MIME, LIMIT)
    before = count()
    folder.put(KEY, [b"x"], MIME, LIMIT)
    folder.open(KEY).close()
    list(folder.open(KEY))
    for key in ("7/1", key_of(7, 2, "x"), key_of(8, 1, "x")):
        with pytest.raises(NoArtifact):
            folder.open(key)
    with pytest.raises(Refused):
        folder.put(KEY, [b"y"], MIME, LIMIT)
    with pytest.raises(Refused):
        folder.put(f"{KEY}/below", [b"y"], MIME, LIMIT)
    folder.tidy(0)
    folder.delete([KEY, KEY])
    folder.delete_below("7")
    assert count() == before


def test_folders_that_go_do_not_hinder_those_that_come(folder: FolderStore) -> None:
    """One deletes the last artifact of a job, and with it the folders, while another puts one there."""
    errors: list[Exception] = []

    def again_and_again(name: str) -> None:
        try:
            key = key_of(7, 1, name)
            for _ in range(60):
                folder.put(key, [name.encode()], MIME, LIMIT)
                assert b"".join(folder.open(key)) == name.encode()
                folder.delete([key])
        except (SjsError, AssertionError, OSError) as error:
            errors.append(error)

    def tidied() -> None:
        while any(thread.is_alive() for thread in threads):
            folder.tidy(0)

    threads = [threading.Thread(target=again_and_again, args=(name,)) for name in "ab"]
    tidier = threading.Thread(target=tidied)
    for thread in (*threads, tidier):
        thread.start()
    for thread in (*threads, tidier):
        thread.join(60)
    assert errors == []
    assert sorted(os.listdir(folder.path)) == ["lock", "new"]


def test_no_link_of_its_own(folder: FolderStore) -> None:
    assert folder.link(KEY, "result.bin", MIME, 60) is None
