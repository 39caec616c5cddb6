from __future__ import annotations

from pathlib import Path

from sjs.capture.beside import with_folder
from sjs.capture.whole import take_whole
from sjs.snapshots.checkout import check_out
from sjs.snapshots.store import Store
from tests.capture.conftest import write


def test_files_lie_beside_all_else_and_folders_of_theirs_are_made(folder: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    write(folder, sub__data="there", **{".ours__old": "gone"})
    taken = take_whole(str(folder), store)
    found = with_folder(".ours", {"a/b/c": b"deep", "a/d": b"less", "e": b"top"}, taken, store)
    assert store.is_whole(found.id) and found.id != taken.id
    check_out(store, found.id, str(tmp_path / "place"))
    there = {str(path.relative_to(tmp_path / "place")): path for path in (tmp_path / "place").rglob("*")}
    files = {name: path.read_text() for name, path in there.items() if path.is_file()}
    assert files == {"sub/data": "there", ".ours/a/b/c": "deep", ".ours/a/d": "less", ".ours/e": "top"}


def test_the_same_files_are_the_same_snapshot_with_none_beside(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    found = [with_folder("x", {"a": b"1"}, None, store) for _ in range(2)]
    assert found[0] == found[1] and store.is_whole(found[0].id)
