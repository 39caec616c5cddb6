"""Points in a plane: one for each setting, by two of its numbers, coloured by a third. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sjs.gateway.web.pages.plots.frame import HEIGHT, WIDTH
from sjs.gateway.web.pages.plots.sampling import sample
from sjs.gateway.web.pages.plots.scales import Scale, Tick, Value, scale, shown
from sjs.values import dataclass

LEFT, RIGHT, TOP, BOTTOM = 72.0, 16.0, 18.0, 44.0
PAD = 10.0
"""Around what is drawn, so that no point stands on an edge."""

MOST = 300
"""Points that are drawn."""


@dataclass(frozen=True)
class Dot:
    """A setting: its job, and what it has on each axis."""

    job: int
    x: Value
    y: Value
    colour: Value = None
    is_best: bool = False


@dataclass(frozen=True)
class Point:
    """Where it is drawn; `tone`: which colour, None for none; `text`: what it says of itself."""

    dot: Dot
    x: float
    y: float
    tone: int | None
    text: str


@dataclass(frozen=True)
class Scatter:
    """`count`: how many there are to draw, of which `points` are drawn; `placeless`: of how many a number is
    missing."""

    points: Sequence[Point]
    x: Scale
    y: Scale
    colour: Scale | None
    columns: Sequence[Tick]
    lines: Sequence[Tick]
    count: int
    placeless: int
    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM


def scatter(dots: Sequence[Dot], x: str, y: str, colour: str | None = None, left: int = 0) -> Scatter:
    """The picture of them; `x`, `y`, `colour`: the names of the axes; `left`: how many there are besides. The best is
    drawn last, above all others."""
    across, up = scale(x, [one.x for one in dots]), scale(y, [one.y for one in dots])
    tones = None if colour is None else scale(colour, [one.colour for one in dots])
    placed = [one for one in dots if across.has(one.x) and up.has(one.y)]
    chosen = sorted(sample(placed, MOST, lambda one: one.is_best), key=lambda one: one.is_best)
    drawn = [
        Point(
            one,
            _right(across.place(one.x) or 0.0),
            _down(up.place(one.y) or 0.0),
            None if tones is None else tones.tone(one.colour),
            _told(one, x, y, colour),
        )
        for one in chosen
    ]
    columns = [Tick(_right(one.at), one.text) for one in across.ticks]
    lines = [Tick(_down(one.at), one.text) for one in up.ticks]
    return Scatter(drawn, across, up, tones, columns, lines, left + len(placed), len(dots) - len(placed))


def _told(dot: Dot, x: str, y: str, colour: str | None) -> str:
    said = {x: dot.x, y: dot.y, **({} if colour is None else {colour: dot.colour})}
    return ", ".join([f"job {dot.job}", *(f"{name}={shown(value)}" for name, value in said.items())])


def _right(at: float) -> float:
    return round(LEFT + PAD + at * (WIDTH - LEFT - RIGHT - 2 * PAD), 1)


def _down(at: float) -> float:
    return round(HEIGHT - BOTTOM - PAD - at * (HEIGHT - TOP - BOTTOM - 2 * PAD), 1)
