"""Who ran what where, as shapes: spans of time in, places in a picture out. Pure.

A lane for each target, with as many rows as jobs ran there at a time. What would be too much to draw is drawn together,
and says how many it is; so a picture has a bounded number of shapes, however many jobs there were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from itertools import chain

from sjs.core.lifecycle import BAD, CANCELLED, LIVE, SUCCEEDED
from sjs.values import dataclass, replace

WIDTH = 1200.0
MOST = 150
"""Jobs that are drawn by themselves, and about as many shapes for all others."""

LANES = 40
"""Targets that are drawn: those that had most to do."""

MOST_ROWS = 24
HEIGHT, GAP, HEAD = 14.0, 3.0, 22.0
"""Of a row, between rows, and of a lane's name."""

LEAST = 3.0
"""How wide a shape is at least, to be hit."""

TEXT = 120.0
"""How wide what stands at a line of the axis is at most, on a narrow screen."""

TICKS = (60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800)
"""Seconds between the lines of the axis."""

_WORST = (*BAD, CANCELLED, *LIVE, SUCCEEDED)


@dataclass(frozen=True)
class Span:
    """When a job ran: until `stop`, which is now for one that runs."""

    job: int
    name: str
    lane: str
    state: str
    start: float
    stop: float


@dataclass(frozen=True)
class Bar:
    """A shape: a job, or several that are drawn together; then `job` is the first of them, and `state` the worst."""

    x: float
    y: float
    width: float
    state: str
    job: int
    name: str
    start: float
    stop: float
    count: int = 1


@dataclass(frozen=True)
class Lane:
    name: str
    y: float
    height: float
    count: int
    busy: float
    """Seconds in which something ran, by how much."""


@dataclass(frozen=True)
class Tick:
    """A line of the axis. `is_clock`: its text is a time of day, in UTC."""

    x: float
    text: str
    at: float
    is_clock: bool


@dataclass(frozen=True)
class Picture:
    """`left`: how many targets besides those that are drawn had something to do."""

    height: float
    lanes: Sequence[Lane]
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    left: int = 0


def picture(spans: Iterable[Span], start: float, stop: float) -> Picture:
    """Those of a window of time."""
    scale = WIDTH / (stop - start)
    seen = [one for one in spans if one.start < stop and one.stop > start]
    by_lane: dict[str, list[Span]] = defaultdict(list)
    for one in sorted(seen, key=lambda one: (one.start, one.job)):
        by_lane[one.lane].append(one)
    busy = {
        name: sum(min(one.stop, stop) - max(one.start, start) for one in inside) for name, inside in by_lane.items()
    }
    chosen = sorted(busy, key=lambda name: (-busy[name], name))[:LANES]
    others = len(by_lane) - len(chosen)
    by_lane = {name: by_lane[name] for name in sorted(chosen)}
    longest = {one.job for one in sorted(chain(*by_lane.values()), key=_length, reverse=True)[:MOST]}
    bin_width = max(8.0, WIDTH * len(by_lane) / MOST)
    lanes: list[Lane] = []
    bars: list[Bar] = []
    y = 0.0
    for name, inside in by_lane.items():
        drawn = [_bar([one], start, stop, scale) for one in inside if one.job in longest]
        placed, left, rows = _rows(drawn, y + HEAD)
        rest = [one for one in inside if one.job not in longest] + _spans(left, inside)
        together = _together(rest, start, stop, scale, bin_width, y + HEAD + rows * (HEIGHT + GAP))
        rows += bool(together)
        height = HEAD + rows * (HEIGHT + GAP)
        lanes.append(Lane(name, y, height, len(inside), busy[name]))
        bars += [*placed, *together]
        y += height + GAP
    return Picture(y, lanes, bars, ticks(start, stop), others)


def ticks(start: float, stop: float) -> Sequence[Tick]:
    """Lines of the axis, at whole minutes, hours or days (UTC); at most twelve. The last has no text, if there is no
    room for it."""
    step = next((one for one in TICKS if (stop - start) / one <= 12), TICKS[-1])
    first = int(start // step + 1) * step
    is_clock = step < 86_400
    form = "%H:%M" if is_clock else "%m-%d"
    scale = WIDTH / (stop - start)
    places = [(at, round((at - start) * scale, 1)) for at in range(first, int(stop) + 1, step)][:60]
    return [
        Tick(x, f"{datetime.fromtimestamp(at, timezone.utc):{form}}" if x + TEXT <= WIDTH else "", at, is_clock)
        for at, x in places
    ]


def _length(one: Span) -> float:
    return one.stop - one.start


def _bar(inside: Sequence[Span], start: float, stop: float, scale: float, y: float = 0.0) -> Bar:
    """One shape for all of them, within the picture."""
    begin, end = min(one.start for one in inside), max(one.stop for one in inside)
    left = (max(begin, start) - start) * scale
    width = max(LEAST, (min(end, stop) - start) * scale - left)
    first = inside[0]
    state = min((one.state for one in inside), key=_WORST.index)
    x = min(left, WIDTH - width)
    return Bar(round(x, 2), y, round(width, 2), state, first.job, first.name, begin, end, len(inside))


def _rows(bars: Sequence[Bar], y: float) -> tuple[list[Bar], list[Bar], int]:
    """Each in the first row where it has room; those for which there is none; and how many rows there are."""
    ends: list[float] = []
    placed: list[Bar] = []
    left: list[Bar] = []
    for one in sorted(bars, key=lambda one: one.x):
        row = next((at for at, end in enumerate(ends) if end < one.x), len(ends))
        if row == MOST_ROWS:
            left.append(one)
            continue
        ends[row : row + 1] = [one.x + one.width]
        placed.append(replace(one, y=y + row * (HEIGHT + GAP)))
    return placed, left, len(ends)


def _spans(bars: Sequence[Bar], inside: Sequence[Span]) -> list[Span]:
    wanted = {one.job for one in bars}
    return [one for one in inside if one.job in wanted]


def _together(spans: Sequence[Span], start: float, stop: float, scale: float, bin_width: float, y: float) -> list[Bar]:
    """One shape for all that begin in the same part of the picture."""
    bins: dict[int, list[Span]] = defaultdict(list)
    for one in spans:
        bins[int((max(one.start, start) - start) * scale / bin_width)].append(one)
    found: list[Bar] = []
    for at, inside in sorted(bins.items()):
        bar = _bar(inside, start, stop, scale, y)
        x = min(at * bin_width, WIDTH - LEAST)
        width = max(LEAST, min(bin_width, WIDTH - x) - 1)
        found.append(replace(bar, x=round(x, 2), width=round(width, 2)))
    return found
