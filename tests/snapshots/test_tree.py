from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.errors import BadRequest
from sjs.snapshots import tree
from sjs.snapshots.tree import Entry

names = st.binary(min_size=1, max_size=9).filter(lambda name: not set(name) & set(b"/\0") and name not in (b".", b".."))
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
entries = st.lists(st.builds(Entry, st.sampled_from("fxld"), digests, names), unique_by=lambda one: one.name)


@given(entries)
def test_a_folder_is_what_is_in_it_in_whatever_order_it_is_told(found: list[Entry]) -> None:
    data = tree.to_bytes(found)
    assert tree.from_bytes(data) == sorted(found, key=lambda one: one.name)
    assert tree.to_bytes(reversed(found)) == data


A = b"f " + b"0" * 64 + b" "


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        A + b"a",
        A + b"\0",
        A + b".\0",
        A + b"..\0",
        A + b"a/b\0",
        A + b"a\0" + A + b"a\0",
        A + b"b\0" + A + b"a\0",
        b"q" + A[1:] + b"a\0",
        A.upper() + b"a\0",
        A + b"a\0 rest",
    ],
)
def test_what_is_no_folder_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        tree.from_bytes(data)


def test_an_entry_says_where_its_contents_are() -> None:
    assert Entry("d", "ab", b"n").object == "tree-ab"
    assert Entry("l", "ab", b"n").object == Entry("x", "ab", b"n").object == "file-ab"
