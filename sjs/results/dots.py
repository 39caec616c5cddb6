"""A sweep as a drawing of dots for a terminal: the metric against each parameter that varies. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sjs.results.plotting import Axis, Plot, Point, setting
from sjs.results.table import shown

HEIGHT = 10
"""Lines of one panel."""

MOST = 4
"""Panels: more parameters are for a picture."""

BRAILLE = 0x2800
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a character's dots, by line and column."""


class Style(NamedTuple):
    """What the terminal can show. `best` and `end` go around the mark of the best."""

    width: int
    is_plain: bool = False
    best: str = ""
    end: str = ""


def panels(plot: Plot, style: Style) -> Iterator[str]:
    """Lines, one panel below the other."""
    for along in plot.axes[:MOST] or [_by_number(plot)]:
        yield from _panel(plot, along, style)
    best = plot.best
    where = f"{best.row.target}:{best.row.job}"
    found = f"{plot.aim.metric}={shown(best.value)}"
    yield "  ".join(part for part in (f"{_mark(style)} {where}", setting(best.row.values, plot.axes), found) if part)


def _by_number(plot: Plot) -> Axis:
    numbers = [float(point.row.number) for point in plot.points]
    return Axis("number", False, min(numbers), max(numbers))


def _panel(plot: Plot, along: Axis, style: Style) -> Iterator[str]:
    labels = [f"{value:.4g}" for value in (plot.result.high, plot.result.low)]
    margin = max(map(len, labels)) + 1
    wide = max(10, style.width - margin - 2)
    cells = [[0] * wide for _ in range(HEIGHT)]
    for point in plot.points:
        line, column, bit = _cell(plot, along, point, wide)
        cells[line][column] |= bit
    best = _cell(plot, along, plot.best, wide)[:2]
    yield f"{plot.aim.metric} against {along.name}"
    for line, row in enumerate(cells):
        label = labels[0] if line == 0 else labels[1] if line == HEIGHT - 1 else ""
        text = "".join(
            _mark(style) if (line, column) == best else _dots(bits, style) for column, bits in enumerate(row)
        )
        yield f"{label:>{margin - 1}} {'|' if style.is_plain else '│'}{text.rstrip()}"
    yield f"{'':>{margin}}{'+' if style.is_plain else '└'}{('-' if style.is_plain else '─') * wide}"
    yield f"{'':>{margin}} {_ends(along, wide)}"


def _cell(plot: Plot, along: Axis, point: Point, wide: int) -> tuple[int, int, int]:
    """In which line and column a job's dot is, and which one of the character's."""
    at = point.at[plot.axes.index(along)] if along in plot.axes else float(point.row.number)
    x = round(along.share(at) * (2 * wide - 1))
    y = round((1 - plot.result.share(point.value)) * (4 * HEIGHT - 1))
    return y // 4, x // 2, _BITS[y % 4][x % 2]


def _dots(bits: int, style: Style) -> str:
    if not bits:
        return " "
    return "." if style.is_plain else chr(BRAILLE + bits)


def _mark(style: Style) -> str:
    return f"{style.best}{'*' if style.is_plain else '●'}{style.end}"


def _ends(along: Axis, wide: int) -> str:
    """What stands below an axis: its words, or its first value, its name and its last value."""
    if along.words:
        text = f"{along.name}: {' '.join(along.words)}"
    else:
        low, high = f"{along.low:.4g}", f"{along.high:.4g}"
        text = f"{low}{along.name + (' (log)' if along.is_log else ''):^{max(0, wide - len(low) - len(high))}}{high}"
    return text if len(text) <= wide else text[:wide]
