"""Settings as lines across axes, one for each parameter and metric, coloured by one of these. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sjs.gateway.web.pages.plots.frame import HEIGHT, WIDTH
from sjs.gateway.web.pages.plots.sampling import sample
from sjs.gateway.web.pages.plots.scales import Scale, Tick, Value, scale, shown
from sjs.values import dataclass

LEFT, RIGHT, TOP, BOTTOM = 24.0, 72.0, 40.0, 24.0
MOST = 120
"""Lines that are drawn."""

AXES = 8


@dataclass(frozen=True)
class Setting:
    """A job, and what it has on each axis, by its name."""

    job: int
    values: Mapping[str, Value]
    is_best: bool = False


@dataclass(frozen=True)
class Line:
    """`pieces`: its corners, piece by piece; between two of these a value is missing."""

    setting: Setting
    pieces: Sequence[Sequence[tuple[float, float]]]
    tone: int | None
    text: str

    @property
    def path(self) -> str:
        """The same, as SVG has it."""
        return " ".join("M" + "L".join(f"{x} {y}" for x, y in one) for one in self.pieces)


@dataclass(frozen=True)
class Axis:
    """Where it stands, with its ticks in the picture's measure."""

    x: float
    scale: Scale
    ticks: Sequence[Tick]


@dataclass(frozen=True)
class Parallel:
    """`count`: how many settings there are to draw, of which `lines` are drawn."""

    axes: Sequence[Axis]
    lines: Sequence[Line]
    colour: Scale
    count: int
    width, height = WIDTH, HEIGHT
    top, bottom = TOP, HEIGHT - BOTTOM


def parallel(settings: Sequence[Setting], names: Sequence[str], colour: str, left: int = 0) -> Parallel:
    """The picture of them; of the names the first have an axis; `left`: how many settings there are besides. The best
    is drawn last, above all others."""
    chosen = names[:AXES]
    scales = [scale(name, [one.values.get(name) for one in settings]) for name in chosen]
    tones = scale(colour, [one.values.get(colour) for one in settings])
    step = (WIDTH - LEFT - RIGHT) / max(1, len(chosen) - 1)
    axes = [
        Axis(round(LEFT + at * step, 1), one, [Tick(_down(tick.at), tick.text) for tick in one.ticks])
        for at, one in enumerate(scales)
    ]
    lines = [_line(one, axes, tones) for one in settings]
    there = [one for one in lines if one.pieces]
    drawn = sorted(sample(there, MOST, lambda one: one.setting.is_best), key=lambda one: one.setting.is_best)
    return Parallel(axes, drawn, tones, left + len(there))


def _line(setting: Setting, axes: Sequence[Axis], tones: Scale) -> Line:
    pieces: list[list[tuple[float, float]]] = [[]]
    for axis in axes:
        at = axis.scale.place(setting.values.get(axis.scale.name))
        if at is not None:
            pieces[-1].append((axis.x, _down(at)))
        else:
            pieces.append([])
    text = ", ".join([f"job {setting.job}", *(f"{name}={shown(one)}" for name, one in setting.values.items())])
    tone = tones.tone(setting.values.get(tones.name))
    return Line(setting, [one for one in pieces if len(one) > 1], tone, text)


def _down(at: float) -> float:
    return round(HEIGHT - BOTTOM - at * (HEIGHT - TOP - BOTTOM), 1)
