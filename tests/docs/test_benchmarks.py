"""The page of the benchmarks is what its record gives, and that has all rows."""

from __future__ import annotations

import json

from tests.bench import page
from tests.bench.__main__ import PAGE, RECORD
from tests.bench.rows import ROWS


def test_the_page_is_drawn_from_its_record() -> None:
    assert PAGE.read_text() == page.page(json.loads(RECORD.read_text())), "scripts/bench --draw draws it anew"


def test_the_record_is_of_all_rows() -> None:
    record = json.loads(RECORD.read_text())
    assert [row["name"] for row in record["rows"]] == [row.name for row in ROWS]
