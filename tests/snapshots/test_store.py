from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sjs.errors import BadRequest, Refused
from sjs.snapshots import tree
from sjs.snapshots.store import DAY, PIECE, Store
from sjs.snapshots.tree import FILE_OBJECT, TREE_OBJECT, Entry


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "store"))
    found.make()
    return found


def file(store: Store, name: bytes, content: bytes) -> Entry:
    return Entry("f", store.add(FILE_OBJECT, content), name)


def folder(store: Store, *entries: Entry) -> str:
    return store.add(TREE_OBJECT, tree.to_bytes(entries))


def sample(store: Store) -> str:
    """A tree: a, sub/b."""
    inner = folder(store, file(store, b"b", b"two"))
    return folder(store, file(store, b"a", b"one"), Entry("d", inner, b"sub"))


def objects(store: Store) -> set[str]:
    return {path.name for path in Path(store.folder).glob("??/*")}


def make_old(store: Store) -> None:
    for path in [*Path(store.folder).glob("??/*"), *Path(store.folder).glob("whole/*")]:
        os.utime(path, (0, 0))


def sweep(store: Store, is_wanted: Callable[[str], bool] = lambda digest: False) -> bool:
    return any(list(store.sweep(is_wanted, time.time())))


def test_equal_contents_are_kept_once(store: Store) -> None:
    assert sample(store) == sample(store)
    assert len(objects(store)) == 4
    assert not os.listdir(Path(store.folder) / "new")


@pytest.mark.parametrize("size", [0, PIECE - 1, PIECE, 2 * PIECE + 1])
def test_what_is_copied_has_the_digest_of_what_was_read(store: Store, size: int) -> None:
    data = os.urandom(size)
    digest = store.copy(io.BytesIO(data))
    assert digest == tree.digest_of(data)
    assert Path(store.path(FILE_OBJECT + digest)).read_bytes() == data


def test_a_copy_that_fails_leaves_nothing(store: Store) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= PIECE:
                raise OSError("the disk has an error")
            return super().read(size)

    with pytest.raises(OSError, match="an error"):
        store.copy(Broken(bytes(2 * PIECE)))
    assert not os.listdir(Path(store.folder) / "new")


@pytest.mark.parametrize("cuts", [[0, 10], [0, 4, 10], [0, 1, 9, 10]])
def test_pieces_become_an_object_when_the_last_one_has_come(store: Store, cuts: list[int]) -> None:
    data = b"0123456789"
    name = FILE_OBJECT + tree.digest_of(data)
    for low, high in zip(cuts, cuts[1:], strict=False):
        assert not os.path.exists(store.path(name))
        store.take_piece(name, low, data[low:high], len(data))
    assert Path(store.path(name)).read_bytes() == data


@pytest.mark.parametrize("cuts", [[0, 10], [0, 4, 10]])
def test_wrong_bytes_become_nothing(store: Store, cuts: list[int]) -> None:
    name = FILE_OBJECT + tree.digest_of(b"something else")
    with pytest.raises(Refused, match="is something else"):
        for low, high in zip(cuts, cuts[1:], strict=False):
            store.take_piece(name, low, b"0123456789"[low:high], 10)
    assert not objects(store) and not os.listdir(Path(store.folder) / "new")


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "file-zz", "file-" + "0" * 63, f"file-{'0' * 64}\n"])
def test_only_objects_have_places(store: Store, name: str) -> None:
    for cut in (5, 10):
        with pytest.raises((BadRequest, Refused)):
            store.take_piece(name, 0, b"01234", cut)
    with pytest.raises(BadRequest):
        store.missing([name])


def test_what_is_missing_is_found_below_what_is_there(store: Store, tmp_path: Path) -> None:
    digest = sample(store)
    two = FILE_OBJECT + tree.digest_of(b"two")
    assert store.seal(digest) == []
    os.unlink(store.path(two))
    assert store.missing([TREE_OBJECT + digest]) == [two]
    assert store.missing([TREE_OBJECT + "0" * 64, two, two]) == [two, TREE_OBJECT + "0" * 64]


def test_only_a_whole_tree_is_sealed(store: Store) -> None:
    digest = sample(store)
    two = FILE_OBJECT + tree.digest_of(b"two")
    os.unlink(store.path(two))
    assert store.seal(digest) == [two]
    assert not store.is_whole(digest) and not store.use(digest)
    store.add(FILE_OBJECT, b"two")
    assert store.seal(digest) == []
    assert store.is_whole(digest) and store.use(digest)


def test_a_damaged_folder_is_brought_anew(store: Store) -> None:
    digest = sample(store)
    Path(store.path(TREE_OBJECT + digest)).write_bytes(b"")
    with pytest.raises(Refused, match="is damaged"):
        store.entries(digest)
    assert store.missing([TREE_OBJECT + digest]) == [TREE_OBJECT + digest]
    assert sample(store) == digest
    assert store.seal(digest) == []


def test_what_nobody_wants_goes_with_all_that_is_only_in_it(store: Store) -> None:
    old, shared = sample(store), file(store, b"a", b"one")
    kept = folder(store, shared)
    assert store.seal(old) == store.seal(kept) == []
    make_old(store)
    assert not sweep(store, lambda digest: digest == kept)
    assert objects(store) == {TREE_OBJECT + kept, shared.object}
    assert store.is_whole(kept) and not store.is_whole(old)


def test_what_is_new_stays_and_that_is_told(store: Store) -> None:
    digest = sample(store)
    assert store.seal(digest) == []
    assert sweep(store), "so it is to be looked at again"
    assert store.is_whole(digest) and len(objects(store)) == 4


def test_what_a_client_counts_on_stays_though_no_tree_has_it_yet(store: Store) -> None:
    """It asked what is lacking, and brings that: what it was told is there must be, until it has sealed the tree."""
    digest = sample(store)
    make_old(store)
    assert store.missing([TREE_OBJECT + digest]) == []
    sweep(store)
    assert store.seal(digest) == []


def test_what_goes_between_the_question_and_the_seal_is_missed(store: Store) -> None:
    digest = sample(store)
    make_old(store)
    sweep(store)
    assert store.seal(digest) == [TREE_OBJECT + digest]


def test_a_sweep_at_any_moment_of_a_bringing_leaves_no_half_tree(store: Store) -> None:
    """Step by step, with a client in between that wants what is just being removed."""
    digest = sample(store)
    for turn in range(20):
        sample(store)
        assert store.seal(digest) == []
        make_old(store)
        steps = store.sweep(lambda digest: False, time.time())
        for _ in range(turn):
            next(steps, None)
        missing = store.missing([TREE_OBJECT + digest])
        if not missing:
            list(steps)
            assert store.seal(digest) == []
        assert not store.is_whole(digest) or not store.missing([TREE_OBJECT + digest])


def test_nothing_goes_while_somebody_looks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sample(store)
    make_old(store)
    asked: list[bool] = []

    def sweeping(fd: int, how: int, lock: Callable[[int, int], None] = fcntl.flock) -> None:
        lock(fd, how)
        if how == fcntl.LOCK_SH and not asked:
            asked.append(sweep(store))

    monkeypatch.setattr(fcntl, "flock", sweeping)
    assert store.missing([TREE_OBJECT + digest]) == []
    assert asked == [True]


def test_age_is_counted_from_the_last_use(store: Store) -> None:
    digest = sample(store)
    assert store.age(digest, 5.0) == 5.0
    store.seal(digest)
    os.utime(Path(store.folder) / "whole" / digest, (100, 100))
    assert store.age(digest, 100 + DAY) == DAY
    assert store.use(digest) and store.age(digest, time.time()) < DAY
