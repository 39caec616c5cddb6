"""What travels of a tree, and what is refused of it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.errors import BadRequest
from sjs.trees.entries import (
    FILE,
    FOLDER,
    FRAME,
    LINK,
    MANY,
    TEXT,
    Entry,
    Piece,
    batches,
    entry_from,
    entry_of,
    is_same,
    part_names,
    parts,
    piece_from,
    piece_to,
    pieces,
    text_of,
)

names = st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
files = st.builds(
    Entry,
    path=st.lists(names, min_size=1, max_size=4).map(lambda found: text_of(b"/".join(found))),
    kind=st.just(FILE),
    mode=st.integers(0, 0o777),
    size=st.integers(0, 5 * FRAME),
    mtime=st.integers(-(2**63), 2**63 - 1),
    leads_to=st.just(""),
)


@given(files)
def test_names_travel_as_they_are(file: Entry) -> None:
    assert entry_from(json.loads(json.dumps(file))) == file
    assert text_of(b"/".join(parts(file.path))) == file.path


@given(st.lists(files, max_size=30))
def test_pieces_are_the_files_in_messages_that_fit(found: list[Entry]) -> None:
    sent = [(file, file.size // 3) for file in found]
    together = list(batches(pieces(sent)))
    travelled = [piece_from(json.loads(json.dumps(piece_to(piece)))) for batch in together for piece in batch]
    assert travelled == list(pieces(sent))
    for batch in together:
        assert 0 < len(batch) <= MANY and sum(piece.length for piece in batch) <= FRAME
        assert len(batch) == 1 or sum(len(piece.file.path) for piece in batch) <= TEXT
    ends = [piece.file for batch in together for piece in batch if piece.is_last]
    begins = [(piece.file, piece.offset) for batch in together for piece in batch if piece.is_first]
    assert (ends, begins) == (found, sent)
    assert sum(piece.length for piece in pieces(sent)) == sum(file.size - start for file, start in sent)


def test_many_small_ones_go_together() -> None:
    small = [(Entry(str(number), FILE, size=1), 0) for number in range(2 * MANY + 1)]
    assert [len(batch) for batch in batches(pieces(small))] == [MANY, MANY, 1]
    wide = [Entry("x" * 100, FOLDER)] * 2_000
    assert max(sum(len(one.path) for one in batch) for batch in batches(wide)) <= TEXT


@pytest.mark.parametrize("path", ["", "/x", "x/", "a//b", ".", "..", "a/../b", "./a", "a\0b", None, 7, "\ud800"])
def test_what_leads_elsewhere_is_no_path(path: Any) -> None:
    with pytest.raises(BadRequest):
        entry_from([path, FILE, 0, 0, 0, ""])


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        ["x", FILE, 0, 0, 0],
        ["x", "p", 0, 0, 0, ""],
        ["x", [], 0, 0, 0, ""],
        ["x", FILE, -1, 0, 0, ""],
        ["x", FILE, 0, 1.5, 0, ""],
        ["x", FILE, 0, 0, 2**63, ""],
        ["x", FILE, 0, 0, 0, "y"],
        ["x", LINK, 0, 0, 0, ""],
        ["x", LINK, 0, 0, 0, "a\0b"],
        ["x", LINK, 0, 0, 0, 7],
        ["x", FILE, True, 0, 0, ""],
    ],
)
def test_what_makes_no_sense_is_no_entry(value: Any) -> None:
    with pytest.raises(BadRequest):
        entry_from(value)


@pytest.mark.parametrize(
    "value",
    [None, ["x", 0, 10, 0, 0, 11, True], ["x", 0, 2 * FRAME, 0, 0, FRAME + 1, True], ["..", 0, 1, 0, 0, 1, True]],
)
def test_what_makes_no_sense_is_no_piece(value: Any) -> None:
    with pytest.raises(BadRequest):
        piece_from(value)


def test_setuid_does_not_travel() -> None:
    assert entry_from(["x", FILE, 0o4755, 0, 0, ""]).mode == 0o755


@pytest.mark.parametrize(("there", "same"), [(0, True), (-1, False), (-123_456_789, True), (-123_456_700, False)])
def test_a_time_that_was_cut_off_is_the_same(there: int, same: bool) -> None:
    wanted = Entry("x", FILE, size=1, mtime=1_000_000_000_123_456_789)
    assert is_same(wanted, wanted._replace(mtime=wanted.mtime + there)) is same
    assert not is_same(wanted, wanted._replace(size=2))
    assert not is_same(wanted, wanted._replace(kind=FOLDER))


def test_parts_are_of_one_version() -> None:
    file = Entry("x", FILE, size=1, mtime=1)
    begin, part = part_names(b"x" * 255, file)
    assert part.startswith(begin) and len(part) < 255
    assert part_names(b"x" * 255, file._replace(mtime=2)) not in [(begin, part)]
    assert part_names(b"y", file)[0] != begin


def test_what_is_no_data_has_no_entry() -> None:
    reading, writing = os.pipe()
    assert entry_of("p", os.fstat(reading)) is None
    os.close(reading)
    os.close(writing)
    assert Piece(Entry("x", FILE, size=0), 0, 0).is_last
