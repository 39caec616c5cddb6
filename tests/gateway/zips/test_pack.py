"""What is packed is what was there, for us and for other programs, whatever happens to it meanwhile."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sjs.errors import Refused
from sjs.gateway.zips.limits import Limits, PackLimits
from sjs.gateway.zips.packing import Packed, Writer, pack
from sjs.gateway.zips.refusals import BadZip
from sjs.gateway.zips.unpacking import unpack

LONG = os.environ.get("SJS_ZIPS_LONG")

SOME = bytes(at * at % 251 for at in range(70_000))

names = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="/\\"), min_size=1
).filter(lambda name: name not in (".", "..") and ":" not in name and len(name.encode()) < 100)
contents = st.one_of(
    st.binary(max_size=40),
    st.integers(0, 200_000).map(bytes),
    st.integers(60_000, 70_000).map(lambda size: SOME[:size]),
)
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=4).map(tuple), st.tuples(contents, st.booleans()), max_size=8
)


@given(trees)
@settings(max_examples=40)
@example({("A",): (b"1", True), ("b", "c"): (b"", False)})
def test_what_is_packed_is_unpacked(tree: dict[tuple[str, ...], tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "source"), Path(name, "target")
        source.mkdir()
        target.mkdir()
        expected = {}
        for parts, (content, may_run) in tree.items():
            path = source.joinpath(*parts)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue  # another one is in its way
            path.chmod(0o755 if may_run else 0o644)
            expected["/".join(parts)] = content, may_run
        archive = io.BytesIO()
        packed = pack(source, archive)
        assert (packed.files, packed.size) == (len(expected), sum(len(content) for content, _ in expected.values()))
        assert packed.packed == len(archive.getvalue())
        with zipfile.ZipFile(archive) as theirs:
            assert {one.filename: theirs.read(one) for one in theirs.infolist()} == {
                path: content for path, (content, _) in expected.items()
            }
        try:
            unpack(archive, target, Limits(ratio=10**6))
        except BadZip as refused:
            assert refused.code in (
                "zip_case",
                "zip_name_direction",
            )  # two names, one of which no other disk could have
            return
        found = {
            str(path.relative_to(target)): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
            for path in target.rglob("*")
            if path.is_file()
        }
        assert found == expected


def tree(top: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = top / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return top


def packed(folder: Path, **options: Any) -> tuple[zipfile.ZipFile, Packed]:
    to = io.BytesIO()
    told = pack(folder, to, **options)
    return zipfile.ZipFile(to), told


def test_regular_files_and_nothing_else(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", b_a=b"1", a=b"2", c=b"3")
    (top / "empty").mkdir()
    (top / "link").symlink_to("/etc/passwd")
    (top / "folder-link").symlink_to("/etc")
    os.mkfifo(top / "pipe")
    archive, told = packed(top)
    assert archive.namelist() == ["a", "b/a", "c"]
    assert (told.files, told.others, told.left_out) == (3, 3, 0)


def test_the_same_content_is_the_same_archive(tmp_path: Path) -> None:
    content = {"z": b"1", "a_b": b"2", "a_a": b"3", "m": b"4"}
    one = tree(tmp_path / "one", **content)
    two = tree(tmp_path / "two", **dict(reversed(content.items())))
    os.utime(two / "z", (0, 0))
    first, second = io.BytesIO(), io.BytesIO()
    pack(one, first)
    pack(two, second)
    assert first.getvalue() == second.getvalue()


def test_names_that_are_no_utf8_stay_what_they_are(tmp_path: Path) -> None:
    for made in ("one", "two"):
        (tmp_path / made).mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "one") + b"/\xff\xfe")).write_bytes(b"1")
    to = io.BytesIO()
    pack(tmp_path / "one", to)
    unpack(to, tmp_path / "two")
    assert os.listdir(os.fsencode(tmp_path / "two")) == [b"\xff\xfe"]


def test_what_unzip_makes_of_it(tmp_path: Path) -> None:
    if not shutil.which("unzip"):
        pytest.skip("unzip is not installed")
    top = tree(tmp_path / "top", **{"run.sh": b"#!/bin/sh\n", "d_\u00fc": b"x" * 100_000})
    (top / "run.sh").chmod(0o755)
    with open(tmp_path / "x.zip", "wb") as to:
        pack(top, to)
    subprocess.run(
        ["unzip", "-q", "x.zip", "-d", "out"],
        cwd=tmp_path,
        check=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert (tmp_path / "out" / "d" / "\u00fc").read_bytes() == b"x" * 100_000
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)


class Meanwhile(io.BytesIO):
    """Does something as soon as so many bytes have been written."""

    def __init__(self, act: Any, at: int = 1) -> None:
        super().__init__()
        self._act: Any = act
        self._at = at

    def write(self, data: Any, /) -> int:
        if self.tell() >= self._at and self._act is not None:
            act, self._act = self._act, None
            act()
        return super().write(data)


def test_what_has_gone_is_left_out_and_told(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", a=b"1", b=b"2", c_d=b"3")

    def go() -> None:
        (top / "b").unlink()
        shutil.rmtree(top / "c")

    to = Meanwhile(go)
    told = pack(top, to)
    assert zipfile.ZipFile(to).namelist() == ["a"]
    assert told.why == [("b", "No such file or directory"), ("c", "No such file or directory")]


def test_what_becomes_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", a=b"1", b=b"2", c_d=b"3")

    def change() -> None:
        (top / "b").unlink()
        (top / "b").symlink_to("/etc/passwd")
        shutil.rmtree(top / "c")
        (top / "c").symlink_to("/etc")

    to = Meanwhile(change)
    assert pack(top, to).others == 2
    assert zipfile.ZipFile(to).namelist() == ["a"]


def test_what_becomes_a_link_between_two_looks_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, look = tree(tmp_path / "top", a=b"1", b=b"2"), os.stat

    def late(name: Any, **options: Any) -> os.stat_result:
        found = look(name, **options)
        if name == b"a" and not (top / "a").is_symlink():
            os.unlink(top / "a")
            os.symlink("/etc/passwd", top / "a")
        return found

    monkeypatch.setattr(os, "stat", late)
    archive, told = packed(top)
    assert archive.namelist() == ["b"]
    assert [path for path, _ in told.why] == ["a"]


def test_what_grows_is_as_long_as_it_was(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", a=b"1" * 100)

    def grow() -> None:
        with open(top / "a", "ab") as file:
            file.write(b"2" * 1000)

    to = Meanwhile(grow, at=0)
    assert pack(top, to).size == 100
    assert zipfile.ZipFile(to).read("a") == b"1" * 100


def test_what_shrinks_is_as_long_as_it_is(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", a=b"1" * 200_000)
    to = Meanwhile(lambda: os.truncate(top / "a", 70_000), at=0)
    pack(top, to)
    assert zipfile.ZipFile(to).testzip() is None
    assert len(zipfile.ZipFile(to).read("a")) < 200_000


def test_what_may_not_be_read_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, opened = tree(tmp_path / "top", a=b"1", b=b"2"), os.open

    def refuse(name: Any, *more: Any, **options: Any) -> int:
        if name == b"a":
            raise PermissionError(13, "Permission denied")
        return opened(name, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    archive, told = packed(top)
    assert archive.namelist() == ["b"]
    assert (told.left_out, told.why) == (1, [("a", "Permission denied")])


def test_a_disk_that_breaks_is_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tree(tmp_path / "top", a=b"1")

    def broken(fd: int, count: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", broken)
    with pytest.raises(Refused, match="top/a: Input/output error"):
        pack(top, io.BytesIO())


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (PackLimits(entries=4), "pack_entries"),
        (PackLimits(expanded=8), "pack_large"),
        (PackLimits(depth=1), "pack_deep"),
    ],
)
def test_up_to_each_limit(limits: PackLimits, code: str, tmp_path: Path) -> None:
    top = tree(tmp_path / "top", a_a_a=b"123", b=b"456", c=b"789")
    pack(top, io.BytesIO(), PackLimits(entries=5, expanded=9, depth=2))
    with pytest.raises(BadZip) as told:
        pack(top, io.BytesIO(), limits)
    assert told.value.code == code


def once(content: bytes) -> Iterator[bytes]:
    yield content


@pytest.mark.parametrize("big", [1, 30, 50, 100, 200, 1 << 30])
@pytest.mark.parametrize("many", [1, 3, 100])
def test_64_bits_where_they_are_needed(big: int, many: int, tmp_path: Path) -> None:
    """As if numbers were smaller: then other programs cannot tell which are in 64 bits, but ours can."""
    to = io.BytesIO()
    writer = Writer(to, big=max(big, 1), many=many)
    for name in (b"a", b"b"):
        writer.add(name, may_run=False, size=50, content=once(name * 50))
    writer.close()
    assert unpack(to, tmp_path).files == 2
    assert (tmp_path / "a").read_bytes() == b"a" * 50
    assert zipfile.ZipFile(to).testzip() is None


def test_a_file_that_could_pass_4_gib_has_its_descriptor_in_64_bits(tmp_path: Path) -> None:
    to = io.BytesIO()
    writer = Writer(to)
    writer.add(b"a", may_run=False, size=0xFFFFFFFF - 100, content=once(b"text"))
    writer.close()
    assert struct.pack("<QQ", 6, 4) in to.getvalue()
    unpack(to, tmp_path)
    assert (tmp_path / "a").read_bytes() == zipfile.ZipFile(to).read("a") == b"text"


def test_memory_is_bounded(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    with open(top / "large", "wb") as file:
        file.truncate(48 << 20)

    class Nowhere(io.BytesIO):
        def write(self, data: Any, /) -> int:
            return len(data)

    tracemalloc.start()
    try:
        pack(top, Nowhere(), level=1)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not LONG, reason="SJS_ZIPS_LONG=1: files of more than 4 GiB, and more than 65,535")
def test_what_needs_64_bits_for_real(tmp_path: Path) -> None:
    top, out = tmp_path / "top", tmp_path / "out"
    (top / "many").mkdir(parents=True)
    out.mkdir()
    with open(top / "large", "wb") as file:
        file.truncate((4 << 30) + 5)
        file.seek(4 << 30)
        file.write(b"end")
    for number in range(66_000):
        (top / "many" / str(number)).touch()
    with open(tmp_path / "x.zip", "w+b") as to:
        told = pack(top, to, level=1)
        unpack(to, out, Limits(expanded=5 << 30, ratio=10**6, entries=70_000, directory=16 << 20))
    assert told.files == len(zipfile.ZipFile(tmp_path / "x.zip").infolist()) == 66_001
    subprocess.run(["cmp", top / "large", out / "large"], check=True, timeout=250)
    assert len(os.listdir(out / "many")) == 66_000
