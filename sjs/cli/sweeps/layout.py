"""How the bar of a sweep is laid out on a terminal of some size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from sjs.cli.sweeps.now import MachineNow, Pace, SweepNow, left_text, rate_text
from sjs.cli.text import duration, printable

NARROWEST_BAR = 10
SHARE_OF_SCREEN = 4
"""Machines may take one in so many of the screen's rows."""

MAX_TROUBLES = 2


class Signs(NamedTuple):
    """What the bar is drawn with: what has ended, what runs, and the rest; and what says that a line was cut off."""

    ended: str
    running: str
    rest: str
    cut: str


FINE, SIMPLE = Signs("━", "╍", "─", "…"), Signs("=", ">", "-", "~")


class Part(NamedTuple):
    """A text, how it looks, and how soon it goes where there is no room for all: the highest first."""

    text: str
    style: str = ""
    goes: int = 0


def picture(
    sweep: str, now: SweepNow, pace: Pace, seconds: float, size: tuple[int, int], is_simple: bool
) -> Sequence[Text]:
    """The lines of the bar, none as wide as the terminal, `seconds` after the sweep began."""
    signs = SIMPLE if is_simple else FINE
    width, height = max(size[0] - 1, NARROWEST_BAR), size[1]
    lines = [_bar(sweep, now, width, signs), _counts(now, pace, seconds, width)]
    lines += _machines(now.machines, width, max(1, height // SHARE_OF_SCREEN))
    troubled = [one for one in now.machines if one.trouble][:MAX_TROUBLES]
    lines += [Text(f"{one.name}: {printable(one.trouble)}", "red") for one in troubled]
    for line in lines:
        line.no_wrap = True
        if line.cell_len > width:
            line.truncate(width - 1)
            line.append(signs.cut)
    return lines


def _bar(sweep: str, now: SweepNow, width: int, signs: Signs) -> Text:
    count = f" {now.ended}/{'?' if now.total is None else now.total}"
    room = width - cell_len(count)
    name = f"{sweep} " if cell_len(sweep) + 1 + NARROWEST_BAR <= room else ""
    room -= cell_len(name)
    line = Text().append(name, "bold")
    if now.total:
        parts = (
            (now.succeeded, signs.ended, "green"),
            (now.failed + now.cancelled, signs.ended, "red"),
            (now.running, signs.running, "cyan"),
            (now.total, signs.rest, "bright_black"),
        )
        drawn = done = 0
        for number, sign, style in parts:
            done = min(done + number, now.total)
            end = room * done // now.total
            line.append(sign * (end - drawn), style)
            drawn = end
    return line.append(count)


def _counts(now: SweepNow, pace: Pace, seconds: float, width: int) -> Text:
    parts = [
        Part(f"{now.succeeded} succeeded", "green", 3),
        Part(f"{now.failed} failed", "bold red", 1) if now.failed else None,
        Part(f"{now.cancelled} cancelled", "red", 6) if now.cancelled else None,
        Part(f"{now.running} running", "cyan", 4) if now.running else None,
        Part(f"{now.waiting} waiting", "", 7) if now.waiting else None,
        Part(f"{now.not_handed_in} not handed in", "", 8) if now.not_handed_in else None,
        Part(rate_text(pace.rate(now)), "", 5),
        Part(duration(seconds), "", 9),
        Part(left_text(pace.left(now)), "bold", 2) if now.ended != now.total else None,
    ]
    kept = [part for part in parts if part is not None]
    while sum(cell_len(part.text) + 2 for part in kept) - 2 > width and len(kept) > 1:
        kept.remove(max(kept, key=lambda part: part.goes))
    return Text(", ").join(Text(part.text, part.style) for part in kept)


def _machines(machines: Sequence[MachineNow], width: int, rows: int) -> Iterator[Text]:
    """In columns. Where they take more rows than they may, those at the end are summed up."""
    cells = [_cell(one) for one in machines]
    column = max((cell.cell_len for cell in cells), default=0) + 2
    columns = max(1, (width + 2) // column)
    if len(cells) > columns * rows:
        shown = columns * rows - 1
        rest = machines[shown:]
        running, slots = sum(one.running for one in rest), sum(one.slots for one in rest)
        cells[shown:] = [Text(f"+{len(rest)} {running}/{slots}")]
    for start in range(0, len(cells), columns):
        line = Text()
        for cell in cells[start : start + columns]:
            line.append_text(cell).append(" " * (column - cell.cell_len))
        line.rstrip()
        yield line


def _cell(one: MachineNow) -> Text:
    queued = f" +{one.queued}" if one.queued else ""
    style = "red" if one.trouble else "" if one.running else "bright_black"
    return Text(f"{one.name} {one.running}/{one.slots}{queued}{' !' if one.trouble else ''}", style)
