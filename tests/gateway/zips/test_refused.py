"""Each archive that means harm is refused with its own code, and leaves nothing, in the folder or beside it."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import pytest

from sjs.gateway.zips.refusals import REASONS, BadZip
from sjs.gateway.zips.unpacking import unpack
from tests.gateway.zips.archives import Item, build, deflated
from tests.gateway.zips.corpus import CASES

MOST = 24 << 20
"""Bytes of memory that reading any of them may take: the list of entries and what is made of it, and some pieces."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "beside" / "job"
    made.mkdir(parents=True)
    return made


def everything(top: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_mode, path.lstat().st_size) for path in [top, *top.rglob("*")])


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_leaves_nothing(name: str, folder: Path, tmp_path: Path) -> None:
    code, make, limits = CASES[name]
    archive = make()
    before = everything(tmp_path)
    with pytest.raises(BadZip) as told:
        unpack(io.BytesIO(archive), folder, limits)
    assert told.value.code == code
    assert "\n" not in str(told.value) and str(told.value).isprintable() and len(str(told.value)) < 250
    assert everything(tmp_path) == before


def test_each_reason_has_its_archive() -> None:
    assert {code for code, _, _ in CASES.values()} == {code for code in REASONS if code.startswith("zip_")}


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("bomb", "65,536", "overlap", "quine"))])
def test_memory_is_bounded(name: str, folder: Path) -> None:
    _, make, limits = CASES[name]
    source = io.BytesIO(make())
    tracemalloc.start()
    try:
        with pytest.raises(BadZip):
            unpack(source, folder, limits)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_by_the_longest_list_that_is_read(folder: Path) -> None:
    names = [f"{at:x}/\U0001f600{'e' * 200}" for at in range(8_000)]
    source = io.BytesIO(build(*(Item(name.encode(), b"") for name in [*names, "twice", "twice"])))
    tracemalloc.start()
    try:
        with pytest.raises(BadZip, match="two of this name"):
            unpack(source, folder)
        assert tracemalloc.get_traced_memory()[1] < 2 * MOST
    finally:
        tracemalloc.stop()


def test_cut_anywhere_it_is_refused(folder: Path) -> None:
    whole = build(Item(b"a", b"text" * 20, method=8), Item(b"d/b", b"text"), comment=b"comment")
    for cut in range(len(whole)):
        with pytest.raises(BadZip):
            unpack(io.BytesIO(whole[:cut]), folder)
        assert list(folder.iterdir()) == []
    assert unpack(io.BytesIO(whole), folder).files == 2


def test_with_any_byte_changed_it_is_refused_or_means_the_same(folder: Path) -> None:
    whole = build(Item(b"a", b"text" * 20, method=8), Item(b"b", b"text"))
    means = 0
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        try:
            unpack(io.BytesIO(changed), folder)
        except BadZip:
            assert list(folder.iterdir()) == []
            continue
        found = sorted(path.read_bytes() for path in folder.iterdir())
        assert found == [b"text", b"text" * 20]
        means += 1
        for path in folder.iterdir():
            path.unlink()
    assert means < 60  # times, versions, attributes: what nobody asks for


def test_of_a_bomb_no_byte_is_written_beyond_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(1 << 20)
    said = {"size": 1000}
    archive = build(Item(b"a", content, method=8, data=deflated(content), local=said, central=said))
    written, write = [], os.write

    def count(fd: int, data: memoryview) -> int:
        written.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", count)
    with pytest.raises(BadZip, match="size"):
        unpack(io.BytesIO(archive), folder)
    assert sum(written) <= 1000
