from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

import pytest

from sjs.capture import known as known_module
from sjs.capture import taking
from sjs.capture.known import SETTLED, Known
from sjs.capture.taking import KEPT, Taken, take
from sjs.errors import SjsError, UsageError
from sjs.snapshots.checkout import check_out
from sjs.snapshots.store import DAY, Store
from tests.capture.conftest import Git, write


class Person:
    """Somebody who takes snapshots of a folder, and counts what is read for them."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.cache = home / "cache"
        self.store = Store(str(home / "store"))
        self.read = 0
        copy = self.store.copy

        def counting(source: IO[bytes]) -> str:
            self.read += 1
            return copy(source)

        self.store.copy = counting  # type: ignore[method-assign]

    def take(self, limit: int | None = None) -> Taken:
        return take(str(self.folder), self.store, Known(str(self.folder), str(self.cache)), self, limit)

    def at(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def settle(self) -> None:
        """Let all that there is have been changed long ago."""
        for path in [self.folder, *self.folder.rglob("*")]:
            os.utime(path, (1, 1), follow_symlinks=False)

    def tree(self, taken: Taken) -> dict[str, str]:
        """What a job would find."""
        place = self.cache.parent / f"place-{time.monotonic_ns()}"
        check_out(self.store, taken.snapshot.id, str(place))
        return {
            str(path.relative_to(place)): f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
            for path in place.rglob("*")
            if not path.is_dir() or path.is_symlink()
        }


@pytest.fixture
def person(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    # Nobody can set back when a file was changed, so here that is believed of a file that was changed just now, too.
    monkeypatch.setattr(known_module, "SETTLED", float("-inf"))
    return Person(folder, tmp_path)


def test_all_of_it_is_found_again(person: Person) -> None:
    write(person.folder, a="1", sub__deep__b="2")
    (person.folder / "link").symlink_to("sub/deep")
    (person.folder / "sub/deep/b").chmod(0o755)
    taken = person.take()
    assert person.tree(taken) == {"a": "1", "sub/deep/b": "2", "link": "-> sub/deep"}
    assert (taken.files, taken.size, taken.links_out) == (3, 2 + len("sub/deep"), 0)


def test_nothing_is_a_snapshot_too(person: Person) -> None:
    assert person.tree(person.take()) == {}


def test_a_name_a_bit_a_byte_make_another_one(person: Person) -> None:
    write(person.folder, a="1")
    found = [person.take().snapshot.id]
    for change in (
        lambda: write(person.folder, a="2"),
        lambda: (person.folder / "a").rename(person.folder / "b"),
        lambda: (person.folder / "b").chmod(0o755),
    ):
        change()
        found.append(person.take().snapshot.id)
    assert len(set(found)) == 4
    (person.folder / "b").chmod(0o644)
    assert person.take().snapshot.id == found[2]


def test_what_has_not_changed_is_not_read_again(person: Person) -> None:
    write(person.folder, a="1", b="2", c="3")
    first = person.take()
    assert person.read == 3
    assert person.take() == first and person.read == 3
    write(person.folder, b="4")
    assert person.tree(person.take())["b"] == "4"
    assert person.read == 4


def test_a_change_that_its_times_may_not_tell_is_seen(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes within one tick of the file system's clock, and a snapshot between them."""
    monkeypatch.setattr(known_module, "SETTLED", SETTLED)
    write(person.folder, a="1")
    person.take()
    write(person.folder, a="2")
    assert person.tree(person.take()) == {"a": "2"}
    assert person.read == 2
    person.take()
    assert person.read == 3, "it is too new to be believed"


def test_a_file_that_changes_while_it_is_read_is_what_was_read(person: Person) -> None:
    """And it is not taken for known: its times are those of after the change."""
    write(person.folder, a="1")
    copy = person.store.copy

    def slowly(source: IO[bytes]) -> str:
        write(person.folder, a="12")
        return copy(source)

    person.store.copy = slowly  # type: ignore[method-assign]
    assert person.tree(person.take()) == {"a": "12"}
    person.store.copy = copy  # type: ignore[method-assign]
    write(person.folder, a="12")
    before = person.read
    person.take()
    assert person.read == before + 1


def test_a_file_that_goes_while_it_is_taken_is_not_in_it(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    write(person.folder, a="1", b="2")
    look = taking._looked_at

    def and_remove(folder: str, paths: set[bytes]) -> dict[bytes, os.stat_result]:
        found = look(folder, paths)
        (person.folder / "a").unlink()
        return found

    monkeypatch.setattr(taking, "_looked_at", and_remove)
    assert person.tree(person.take()) == {"b": "2"}


def test_what_the_store_has_lost_is_read_again(person: Person) -> None:
    write(person.folder, a="1", b="2")
    person.take()
    os.unlink(person.store.path("file-" + "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"))
    for mark in Path(person.store.folder).glob("whole/*"):
        mark.unlink()
    assert person.tree(person.take()) == {"a": "1", "b": "2"}
    assert person.read == 3


def test_a_store_that_loses_everything_is_an_error(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    write(person.folder, a="1")
    monkeypatch.setattr(person.store, "seal", lambda digest: ["file-" + "0" * 64])
    with pytest.raises(SjsError, match="is not there"):
        person.take()


@pytest.mark.parametrize("junk", ["", "[]", "{", '{"a": "b"}', '{"a": []}'])
def test_a_memory_that_cannot_be_understood_is_none(person: Person, junk: str) -> None:
    write(person.folder, a="1")
    person.take()
    (memory,) = person.cache.iterdir()
    memory.write_text(junk)
    assert person.tree(person.take()) == {"a": "1"}


def test_what_came_from_a_repository_is_told(person: Person, git: Git) -> None:
    write(person.folder, a="1", b="2")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "x")
    clean = person.take().snapshot
    assert (len(clean.commit), clean.diff) == (40, "")
    write(person.folder, a="3")
    dirty = person.take().snapshot
    assert dirty.commit == clean.commit and len(dirty.diff) == 64
    (person.folder / "b").unlink()
    other = person.take().snapshot
    assert other.diff not in ("", dirty.diff)
    write(person.folder, a="1", b="2")
    assert person.take().snapshot == clean


def test_what_is_tracked_below_what_is_a_link_now_is_none_of_it(person: Person, git: Git, tmp_path: Path) -> None:
    write(person.folder, sub__a="1")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "x")
    (person.folder / "sub").rename(tmp_path / "elsewhere")
    (person.folder / "sub").symlink_to(tmp_path / "elsewhere")
    taken = person.take()
    assert person.tree(taken) == {"sub": f"-> {tmp_path}/elsewhere"}
    assert (taken.links_out, taken.link_out) == (1, f"sub -> {tmp_path}/elsewhere")


def test_links_that_lead_out_are_counted(person: Person) -> None:
    write(person.folder, sub__a="1")
    for name, target in {"in": "sub/a", "sub/up": "../sub", "sub/out": "../../x", "abs": "/etc"}.items():
        (person.folder / name).symlink_to(target)
    assert person.take().links_out == 2


def test_what_is_too_large_is_refused_with_what_makes_it_so(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    write(person.folder, a="1", data__b="2" * 5000, more__c="3" * 100)
    with pytest.raises(UsageError) as caught:
        person.take(limit=5100)
    assert "has 4.981K in 3 files (largest: data 4.884K, more 101, a 2)" in caught.value.message
    assert ".sjsignore" in caught.value.hint and "--snapshot-limit" in caught.value.hint
    monkeypatch.setattr(taking, "MAX_FILES", 2)
    with pytest.raises(UsageError, match="in 3 files"):
        person.take()
    assert person.take(limit=10_000).files == 3, "who says how much may be in it has said that it is meant so"
    with pytest.raises(UsageError, match="is no folder"):
        take(str(person.folder / "a"), person.store, Known(".", str(person.cache)), person)


def test_a_file_that_cannot_be_read_is_named(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    write(person.folder, a="1")

    def refuse(source: IO[bytes]) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(person.store, "copy", refuse)
    with pytest.raises(UsageError, match=r"tree/a: Permission denied"):
        person.take()


def test_what_nobody_has_used_for_long_goes(person: Person) -> None:
    write(person.folder, a="1")
    old = person.take().snapshot.id
    write(person.folder, a="2")
    new = person.take().snapshot.id
    for path in Path(person.store.folder).rglob("*"):
        age = KEPT + DAY if path.name == old or path.name.startswith((".swept", "file-")) else 0
        os.utime(path, (time.time() - age, time.time() - age))
    (Path(person.store.folder) / "new/.swept").unlink()
    assert person.take().snapshot.id == new
    assert not person.store.is_whole(old) and person.store.missing([f"tree-{new}"]) == []
