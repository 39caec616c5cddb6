"""A sweep's table as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sjs.results.rows import Row
from sjs.results.table import cell

FIXED = ("number", "target", "job_id", "state", "seconds")
"""The first columns."""


def lines(rows: Iterable[Row], names: Sequence[str]) -> Iterator[str]:
    """As RFC 4180 has it, but for the ends of lines; numbers as Python reads them back."""
    yield _line([*FIXED, *(f"param.{name}" if name in FIXED else name for name in names)])
    for row in rows:
        found = (cell(row, name) for name in names)
        fixed = (row.number, row.target, row.job, row.state, "" if row.seconds is None else round(row.seconds, 3))
        yield _line([*fixed, *("" if one is None else one for one in found)])


def _line(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
