"""docs/benchmarks.md, drawn from what the bench wrote down, and the same as plain lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.bench.figures import REACHED, Figure, Goal

BUSY = 2.0
"""A load with which a machine has other work than this."""

HEAD = """\
# Benchmarks

Drawn by `scripts/bench --write` from [benchmarks.json](benchmarks.json), the record of one run; do not edit. Whatever
is in a row took its turn in each round, so that what else the machine did met all alike. Told is the median, and in
brackets the lowest and the highest value; a ratio is taken in each round by itself. How it is done is in `tests/bench`.
"""


def page(record: dict[str, Any]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *_form(record), *_goals(record), *_rows(record), *_facts(record)]) + "\n"


def lines(row: dict[str, Any]) -> Iterator[str]:
    """A row for the terminal."""
    yield f"{row['name']}: {row['title']} ({row['seconds']:.0f} s)"
    for one in figures(row):
        goal = f", to be {_goal(one)}: {one.verdict}" if one.goal else ""
        yield f"    {one.what}: {_value(one)}{goal}"
    yield from (f"    {note}" for note in _notes(row))


def figures(row: dict[str, Any]) -> list[Figure]:
    """As they were before they were written down."""
    return [Figure(**{**one, "goal": Goal(**one["goal"]) if one["goal"] else None}) for one in row["figures"]]


def _form(record: dict[str, Any]) -> Iterator[str]:
    if record["quick"]:
        yield "This run was a quick one: fewer rounds of less, and so less exact."
        yield ""
    loads = [float(record["facts"].get(f"load {when}", 0)) for when in ("before", "after")]
    if max(loads) > BUSY:
        yield f"The machine had other work, too: a load of {loads[0]} before, of {loads[1]} after."
        yield ""


def _goals(record: dict[str, Any]) -> Iterator[str]:
    yield "## Goals"
    yield ""
    yield "| row | what | found | goal | verdict |"
    yield "| --- | --- | --- | --- | --- |"
    for row in record["rows"]:
        judged = [one for one in figures(row) if one.goal]
        for one in judged:
            verdict = one.verdict if one.verdict == REACHED else f"**{one.verdict}**"
            yield f"| {row['name']} | {one.what} | {_value(one)} | {_goal(one)} | {verdict} |"
        if row["failure"]:
            yield f"| {row['name']} | {row['title']} | – | | **not measured**: {row['failure']} |"
    yield ""


def _rows(record: dict[str, Any]) -> Iterator[str]:
    yield "## What was measured"
    for row in record["rows"]:
        yield ""
        yield f"### {row['name']}: {row['title']}"
        yield ""
        told = figures(row)
        if told:
            yield "| what | found | rounds |"
            yield "| --- | --- | --- |"
        yield from (f"| {one.what} | {_value(one)} | {one.count} |" for one in told)
        for note in _notes(row):
            yield ""
            yield f"{note}."
    yield ""


def _notes(row: dict[str, Any]) -> list[str]:
    return [*([f"not measured: {row['failure']}"] if row["failure"] else []), *row["notes"]]


def _facts(record: dict[str, Any]) -> Iterator[str]:
    yield "## The machine, and versions"
    yield ""
    yield "| what | which |"
    yield "| --- | --- |"
    yield from (f"| {name} | {value} |" for name, value in record["facts"].items())


def _value(one: Figure) -> str:
    middle, low, high = (_number(value) for value in (one.median, one.lowest, one.highest))
    spread = f" ({low}–{high})" if one.count > 1 else ""
    return f"{middle} {one.unit}{spread}"


def _goal(one: Figure) -> str:
    assert one.goal is not None
    return f"at {'least' if one.goal.at_least else 'most'} {_number(one.goal.limit)} {one.unit}"


def _number(value: float) -> str:
    """Three digits that say something."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
