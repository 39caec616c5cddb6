"""A sweep's results as a table for people, as CSV, as JSON, and the list of sweeps."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sjs.cli.text import columns as lines_of
from sjs.cli.text import duration, printable, tally
from sjs.core.metrics import Number, to_wire
from sjs.results import commas
from sjs.results.rows import Row
from sjs.results.table import cell, shown


def table(rows: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    """Lines of the table, the head first; numbers under each other at their ends."""
    head = ["#", "JOB", "STATE", "TIME", *map(printable, names)]
    body = [[str(row.number), f"{row.target}:{row.job}", row.state, _time(row), *_cells(row, names)] for row in rows]
    cells = [head, *body]
    for place in (0, 3, *range(4, len(head))):
        width = max(len(line[place]) for line in cells)
        if all(_is_number(line[place]) for line in body):
            for line in cells:
                line[place] = line[place].rjust(width)
    yield from lines_of(cells)


def _time(row: Row) -> str:
    return "-" if row.seconds is None else duration(row.seconds)


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    found = [cell(row, name) for name in names]
    return [printable(one) if isinstance(one, str) else shown(one) for one in found]


def _is_number(text: str) -> bool:
    return text == "-" or text.strip()[:1] in "0123456789+-." or text in ("nan", "inf")


def write_csv(rows: Iterable[Row], names: Sequence[str]) -> None:
    """As `sjs.results.commas` has it."""
    for line in commas.lines(rows, names):
        sys.stdout.write(line)


def record(sweep: str, row: Row, names: Sequence[str]) -> dict[str, Any]:
    """A row as JSON; of its columns those that are named, or all."""
    return {
        "sweep": sweep,
        "number": row.number,
        "job_id": row.job,
        "state": row.state,
        "seconds": row.seconds,
        "parameters": _named(row.values, names),
        "metrics": {name: to_wire(value) for name, value in _named(row.metrics, names).items()},
    }


def _named(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if not names or name in names}


def summary(found: Mapping[str, int], began: float | None, now: float) -> list[str]:
    """A sweep's line: how many jobs, how they stand, for how long there are any."""
    age = "-" if began is None else duration(now - began)
    return [str(sum(found.values())), age, tally(found)]


def finite(value: Number | None) -> bool:
    """Whether it can be drawn."""
    return value is not None and math.isfinite(value)
