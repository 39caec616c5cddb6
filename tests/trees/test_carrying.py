"""A tree is read here and written there, whatever is in it and whatever is in the way."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.errors import NoSpace, Refused
from sjs.trees.entries import FILE, FOLDER, FRAME, LINK, Entry, Piece, part_names, pieces
from sjs.trees.folder import Folder
from sjs.trees.landing import Landing
from sjs.trees.patterns import ALL, patterns
from sjs.trees.walking import page, walk

names = st.one_of(
    st.sampled_from([b"\n", b"\xff\xfe", b"x" * 255, b"-rf", b".hidden", " ü ".encode()]),
    st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b"..")),
)
trees = st.recursive(
    st.one_of(st.binary(max_size=100), st.just("nowhere")),
    lambda below: st.dictionaries(names, below, max_size=4),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))

Tree = dict[bytes, Any]


def make(tree: Tree, at: bytes) -> None:
    os.mkdir(at)
    for name, what in tree.items():
        path = os.path.join(at, name)
        if isinstance(what, dict):
            make(what, path)
        elif isinstance(what, str):
            os.symlink(what, path)
        else:
            with open(path, "wb") as file:
                file.write(what)
            os.utime(path, ns=(0, len(what) * 10**9 + 1))


def found(at: bytes) -> dict[bytes, Any]:
    """A tree as it lies there: of each path all that is carried."""
    result: dict[bytes, Any] = {}
    for folder, folders, others in os.walk(at):
        for name in folders + others:
            path = os.path.join(folder, name)
            is_there = os.lstat(path)
            what: Any = None
            if stat.S_ISLNK(is_there.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(is_there.st_mode):
                what = Path(os.fsdecode(path)).read_bytes(), is_there.st_mtime_ns, is_there.st_mode
            result[os.path.relpath(path, at)] = what
    return result


def carry(source: Path, target: Path) -> list[Entry]:
    """Bring what is lacking; that is what was lacking."""
    with Folder(str(source)) as here, Folder(str(target), make=True) as there:
        landing = Landing(there)
        troubles: list[tuple[str, str]] = []
        listed = list(walk(here, ALL, lambda path, why: troubles.append((path, why))))
        assert troubles == []
        lacking = [entry for entry in listed if landing.lay(entry) is not None]
        for piece in pieces((entry, 0) for entry in lacking if entry.kind == FILE):
            landing.put(piece, here.read(piece.file.path, piece.offset, piece.length)[0])
        return lacking


@given(tree=trees, size=st.integers(1, 5))
@settings(max_examples=60)
def test_a_tree_arrives_as_it_is(tree: Tree, size: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("carried")
    source, target = folder / "source", folder / "target"
    make(tree, bytes(source))
    lacking = carry(source, target)
    assert found(bytes(target)) == found(bytes(source))
    assert carry(source, target) == []
    with Folder(str(source)) as here:
        assert list(in_pages(here, size)) == lacking


def in_pages(folder: Folder, most: int) -> Iterator[Entry]:
    after = ""
    while True:
        some = page(folder, ALL, after, most)
        yield from some.entries
        after = some.next
        if not after:
            return


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Landing]:
    with Folder(str(tmp_path / "target"), make=True) as folder:
        yield Landing(folder)


LARGE = Entry("d/large", FILE, 0o640, 2 * FRAME + 5, 10**18)
PIECES = list(pieces([(LARGE, 0)]))


def bytes_of(piece: Piece) -> bytes:
    return bytes([65 + piece.offset // FRAME]) * piece.length


def there(target: Landing) -> Path:
    return Path(target.folder.path)


def test_a_file_is_seen_once_it_is_whole(target: Landing) -> None:
    for piece in PIECES:
        assert not (there(target) / LARGE.path).exists()
        target.put(piece, bytes_of(piece))
    is_there = (there(target) / LARGE.path).stat()
    assert (is_there.st_size, is_there.st_mtime_ns, is_there.st_mode & 0o777) == (LARGE.size, LARGE.mtime, 0o640)
    assert os.listdir(there(target) / "d") == ["large"]


def test_what_has_come_is_gone_on_with(target: Landing) -> None:
    for piece in PIECES[:2]:
        target.put(piece, bytes_of(piece))
    assert target.lay(LARGE) == 2 * FRAME
    assert target.head(LARGE, 0, FRAME) != target.head(LARGE, FRAME, FRAME)
    (last,) = pieces([(LARGE, 2 * FRAME)])
    target.put(last, bytes_of(last))
    assert (there(target) / LARGE.path).read_bytes() == b"A" * FRAME + b"B" * FRAME + b"C" * 5


def test_what_has_come_of_another_version_goes(target: Landing) -> None:
    target.put(PIECES[0], bytes_of(PIECES[0]))
    newer = LARGE._replace(mtime=1)
    assert target.lay(newer) == 0
    assert os.listdir(there(target) / "d") == []


def test_of_two_who_send_one_file_one_is_refused_and_no_byte_is_lost(target: Landing) -> None:
    first, second, last = PIECES
    target.put(first, bytes_of(first))
    target.put(second, bytes_of(second))
    target.put(first, bytes_of(first))  # the other begins
    with pytest.raises(Refused, match="somebody else is putting it there"):
        target.put(last, bytes_of(last))
    target.put(second, bytes_of(second))
    target.put(second, bytes_of(second))  # the first one's last words
    target.put(last, bytes_of(last))
    assert (there(target) / LARGE.path).read_bytes() == b"".join(map(bytes_of, PIECES))
    with pytest.raises(Refused, match="somebody else"):
        target.put(last, bytes_of(last))


@pytest.mark.parametrize("is_way", [False, True], ids=["in its place", "on the way"])
def test_no_link_leads_out(target: Landing, tmp_path: Path, is_way: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    file = Entry("d/file" if is_way else "file", FILE, 0o600, 3, 1)
    (there(target) / ("d" if is_way else "file")).symlink_to(outside if is_way else outside / "file")
    if is_way:
        for entry in (Entry("d", FOLDER, 0o755), file):
            with pytest.raises(Refused, match="link"):
                target.lay(entry)
        with pytest.raises(Refused, match="links are not followed"):
            target.put(Piece(file, 0, 3, True), b"new")
        with pytest.raises(Refused), target.folder.told("d/file"):
            target.folder.remove("d/file")
    else:
        assert target.lay(file) == 0
        target.put(Piece(file, 0, 3, True), b"new")
        assert (there(target) / "file").read_text() == "new"
    assert (outside / "file").read_text() == "mine" and os.listdir(outside) == ["file"]


@pytest.mark.parametrize("plant", ["link", "hard link", "pipe", "folder"])
def test_what_is_planted_where_a_part_would_be_is_not_written_to(target: Landing, tmp_path: Path, plant: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    file = Entry("file", FILE, 0o600, 3, 1)
    part = there(target) / os.fsdecode(part_names(b"file", file)[1])
    {
        "link": lambda: part.symlink_to(outside),
        "hard link": lambda: part.hardlink_to(outside),
        "pipe": lambda: os.mkfifo(part),
        "folder": lambda: part.mkdir(),
    }[plant]()
    if plant in ("link", "folder"):
        with pytest.raises(Refused):
            target.put(Piece(file, 0, 3, True), b"new")
    else:
        target.put(Piece(file, 0, 3, True), b"new")
        assert (there(target) / "file").read_text() == "new"
    assert outside.read_text() == "mine"


def test_a_mode_is_not_set_through_a_link(target: Landing, tmp_path: Path) -> None:
    (there(target) / "d").mkdir(mode=0o700)
    (there(target) / "f").write_text("")
    (there(target) / "f").chmod(0)
    os.utime(there(target) / "f", ns=(5, 5))
    assert target.lay(Entry("d", FOLDER, 0o500)) is None
    assert target.lay(Entry("f", FILE, 0o444, 0, 5)) is None
    modes = [stat.S_IMODE((there(target) / name).stat().st_mode) for name in "df"]
    assert modes == [0o700, 0o444], "into a folder something can be put"


@pytest.mark.parametrize(
    ("entry", "plant", "said"),
    [
        (Entry("x", FILE), "folder", "in its place is a folder"),
        (Entry("x", LINK, leads_to="y"), "folder", "in its place is a folder"),
        (Entry("x", FOLDER), "file", "in its place is a file"),
        (Entry("x", FILE), "pipe", "something that is no file"),
    ],
)
def test_what_is_in_the_way_is_said(target: Landing, entry: Entry, plant: str, said: str) -> None:
    path = there(target) / "x"
    {"folder": lambda: path.mkdir(), "file": lambda: path.touch(), "pipe": lambda: os.mkfifo(path)}[plant]()
    with pytest.raises(Refused, match=said):
        target.lay(entry)


def test_a_rehearsal_leaves_nothing(target: Landing) -> None:
    target.dry = True
    entries = [Entry("d", FOLDER, 0o755), Entry("d/f", FILE, 0o644, 1, 1), Entry("l", LINK, leads_to="d")]
    assert [target.lay(entry) for entry in entries] == [0, 0, 0]
    assert os.listdir(there(target)) == []


def full(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def write(fd: int, data: object, offset: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pwrite", write)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_keeps_what_is_worth_it(
    target: Landing, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    target.put(PIECES[0], bytes_of(PIECES[0]))
    full(monkeypatch, code)
    small = Entry("d/small", FILE, 0o600, 3, 1)
    for piece, data in ((PIECES[1], bytes_of(PIECES[1])), (Piece(small, 0, 3, True), b"new")):
        with pytest.raises(NoSpace, match="make room"):
            target.put(piece, data)
    assert os.listdir(there(target) / "d") == [os.fsdecode(part_names(b"large", LARGE)[1])]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EIO])
def test_a_disk_without_locks_is_good_enough(target: Landing, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def lock(fd: int, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", lock)
    if code == errno.EIO:
        with pytest.raises(Refused, match="Input/output error"):
            target.put(PIECES[0], bytes_of(PIECES[0]))
    else:
        target.put(PIECES[0], bytes_of(PIECES[0]))
        assert target.lay(LARGE) == FRAME


def test_a_deep_tree_is_removed_and_what_it_leads_to_is_not(target: Landing, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    deep = there(target) / "a/b/c"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (deep / "link").symlink_to(outside)
    target.folder.find("a/b/c")  # it is open, and goes all the same
    target.folder.remove("a")
    assert os.listdir(there(target)) == [] and os.listdir(outside) == ["kept"]


def test_what_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "open").touch()
    os.mkfifo(tmp_path / "pipe")
    really: Any = os.open

    def shut(path: Any, *args: Any, **more: Any) -> int:
        if path == b"shut":
            raise PermissionError(errno.EACCES, "Permission denied")
        found: int = really(path, *args, **more)
        return found

    monkeypatch.setattr(os, "open", shut)
    with Folder(str(tmp_path)) as folder:
        some, all_that_is_odd = page(folder, ALL), page(folder, ALL, others=True)
    assert [entry.path for entry in some.entries] == ["open", "shut"]
    assert some.troubles == [("shut", "Permission denied")]
    assert all_that_is_odd.troubles == [("pipe", "neither a file nor a folder"), *some.troubles]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere: No such file or directory"):
        Folder(str(tmp_path / "nowhere"))


def paths(folder: Path, globs: Sequence[str]) -> list[str]:
    with Folder(str(folder)) as found:
        return [entry.path for entry in page(found, patterns(globs)).entries]


def test_only_what_is_meant_is_listed(tmp_path: Path) -> None:
    for path in ("a/x.log", "a/.git/y.log", "b/c/z.log", "b/c/z.txt", "top.log"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "out").symlink_to("/etc")
    assert paths(tmp_path, ["**/*.log"]) == ["a/x.log", "b/c/z.log", "top.log"]
    assert paths(tmp_path, ["a", "out/passwd"]) == ["a", "a/.git", "a/.git/y.log", "a/x.log"]
    assert paths(tmp_path, ["out"]) == ["out"]
