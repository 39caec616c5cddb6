"""A sweep as a picture: the metric against the parameter, where one varies; else parallel coordinates. The only place
that imports matplotlib, which the extra `plot` installs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sjs.results.plotting import Axis, Plot, Point, setting
from sjs.results.table import shown

BEST = "#d1495b"
INK = "#30363d"
COLOURS = "viridis"
STEPS = 24
"""Straight pieces of a bend between two axes."""


def save(plot: Plot, title: str, path: str) -> None:
    """Draw it into a file, whose name says in which format. OSError or ValueError says why not."""
    many = len(plot.axes) > 1
    figure = Figure(figsize=(max(8.0, 1.7 * (len(plot.axes) + 2)) if many else 8.0, 5.0), layout="constrained")
    axes = figure.subplots()
    (_parallel if many else _scatter)(axes, plot)
    axes.set_title(_plain(title), loc="left", color=INK, fontsize=11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that no font here has, and texts for which there is little room
        figure.savefig(path, dpi=150)


def _scatter(axes: Any, plot: Plot) -> None:
    """The metric against the parameter, or against the number of the job where none varies."""
    if plot.axes:
        along = plot.axes[0]
        places = [point.at[0] for point in plot.points]
        axes.set_xscale("log" if along.is_log else "linear")
        _lay(axes.xaxis, along)
        if along.words:
            axes.set_xlim(-0.5, along.high + 0.5)
    else:
        places = [float(point.row.number) for point in plot.points]
    axes.set_xlabel(_plain(plot.axes[0].name) if plot.axes else "number")
    values = [point.value for point in plot.points]
    if not (plot.axes and plot.axes[0].words):
        line = sorted(zip(places, values, strict=True))
        axes.plot(*zip(*line, strict=True), color="#c8ccd0", linewidth=1, zorder=1)
    axes.scatter(places, values, s=28, color="#2a6f97", alpha=0.8, linewidth=0, zorder=2)
    if plot.result.is_log:
        axes.set_yscale("log")
        for formatted in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            formatted(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylabel(_aimed(plot))
    axes.scatter(places[-1:], values[-1:], s=110, marker="*", color=BEST, zorder=3, label=_best(plot))
    axes.grid(True, color="#eceff1", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)


def _lay(axis: Any, along: Axis) -> None:
    """Name each value, where they are few."""
    if along.ticks:
        axis.set_major_locator(FixedLocator([*along.ticks]))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([_label(along, tick) for tick in along.ticks])


def _label(along: Axis, tick: float) -> str:
    text = along.words[int(tick)] if along.words else f"{tick:.4g}"
    return _plain(text, 16)


def _plain(text: str, most: int = 100) -> str:
    """A text as it stands, cut where it is too long: between dollars there would be mathematics."""
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")


def _parallel(axes: Any, plot: Plot) -> None:
    """An upright axis for each parameter and one for the metric; a line for each job, coloured by its metric."""
    uprights = [*plot.axes, plot.result]
    lines = [_bends([*_shares(plot, point), plot.result.share(point.value)]) for point in plot.points]
    norm = (LogNorm if plot.result.is_log else Normalize)(plot.result.low, plot.result.high)
    map_ = COLOURS if plot.aim.most else f"{COLOURS}_r"
    thin = max(0.25, min(0.9, 30 / len(lines)))
    drawn = LineCollection(lines[:-1], cmap=map_, norm=norm, linewidths=1.3, alpha=thin)
    drawn.set_array([point.value for point in plot.points[:-1]])
    axes.add_collection(drawn)
    (best,) = axes.plot(*zip(*lines[-1], strict=True), color=BEST, linewidth=2.6, zorder=3, label=_best(plot))
    for place, upright in enumerate(uprights):
        axes.axvline(place, color=INK, linewidth=1, zorder=2)
        for at, text in _marks(upright):
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.8}
            axes.text(place + 0.03, at, text, fontsize=8, color=INK, va="center", bbox=box, zorder=4)
    axes.set_xlim(-0.15, len(uprights) - 1 + 0.35)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xticks(range(len(uprights)), [*(_plain(one.name) for one in plot.axes), _aimed(plot)], color=INK)
    axes.tick_params(length=0)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.legend(handles=[best], loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False)


def _shares(plot: Plot, point: Point) -> list[float]:
    return [one.share(at) for one, at in zip(plot.axes, point.at, strict=True)]


def _bends(heights: Sequence[float]) -> list[tuple[float, float]]:
    """A line through these heights, which leaves each upright level, so that lines can be told apart at it."""
    found = []
    for place, (low, high) in enumerate(zip(heights, heights[1:], strict=False)):
        for step in range(STEPS):
            at = step / STEPS
            found.append((place + at, low + (high - low) * (3 * at**2 - 2 * at**3)))
    return [*found, (len(heights) - 1.0, heights[-1])]


def _marks(upright: Axis) -> list[tuple[float, str]]:
    """The texts beside an upright, and how high they stand."""
    ticks = upright.ticks or [_between(upright, share / 4) for share in range(5)]
    return [(upright.share(tick), _label(upright, tick)) for tick in ticks]


def _between(upright: Axis, share: float) -> float:
    if upright.is_log:
        return float(upright.low * (upright.high / upright.low) ** share)
    return upright.low + (upright.high - upright.low) * share


def _aimed(plot: Plot) -> str:
    return _plain(f"{plot.aim.metric} ({'more' if plot.aim.most else 'less'} is better)")


def _best(plot: Plot) -> str:
    best = plot.best
    where = f"{best.row.target}:{best.row.job}"
    found = f"{plot.aim.metric}={shown(best.value)}"
    return _plain(
        "  ".join(part for part in (f"the best, {where}:", setting(best.row.values, plot.axes), found) if part)
    )
