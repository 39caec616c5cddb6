"""How a sweep stands at a moment, what that says of its pace, and all of it in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sjs.cli.text import duration, printable
from sjs.values import dataclass

ENOUGH = 3
"""Ends that it takes to speak of a pace."""

MAX_POINTS = 64


@dataclass(frozen=True)
class MachineNow:
    """One machine's part: how many of its slots have jobs, what else waits there, and what is wrong, if anything."""

    name: str
    running: int
    slots: int
    queued: int
    trouble: str = ""


@dataclass(frozen=True)
class SweepNow:
    """How many settings are in which state, `seconds` after the start; None is what nobody knows yet."""

    total: int | None
    waiting: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    not_handed_in: int | None
    machines: Sequence[MachineNow]
    seconds: float

    @property
    def ended(self) -> int:
        """Of how many the end is known, whichever it was."""
        return self.succeeded + self.failed + self.cancelled


@dataclass(frozen=True)
class Failure:
    """A setting that failed: the job that it was, why, and the last lines that it printed."""

    target: str
    job: int
    setting: str
    reason: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Point:
    """So many had ended by then."""

    seconds: float
    ended: int


@dataclass(frozen=True)
class Pace:
    """How fast settings have ended, by the moments at which some had; the first is when somebody began to look."""

    points: Sequence[Point] = ()

    def after(self, now: SweepNow) -> Pace:
        """The same with what is known now."""
        if self.points and now.ended <= self.points[-1].ended:
            return self
        kept = self.points if len(self.points) < MAX_POINTS else (*self.points[:-1:2], self.points[-1])
        return Pace((*kept, Point(now.seconds, now.ended)))

    def rate(self, now: SweepNow) -> float | None:
        """Ends a second; None where nobody can know yet: before as many have ended as run at once, whoever ended is one
        of the quick ones. It is of the later half of the time, up to the last end, because many that began together
        end together; and while there is none, it is no more than if all that run had ended by now."""
        if not self.points:
            return None
        first, last = self.points[0], self.points[-1]
        if last.ended - first.ended < max(ENOUGH, now.running):
            return None
        half = (first.seconds + last.seconds) / 2
        base = [point for point in self.points if point.seconds <= half][-1]
        ended, span = last.ended - base.ended, last.seconds - base.seconds
        if span < 1:
            return None
        return min(ended / span, (ended + now.running) / max(span, now.seconds - base.seconds))

    def left(self, now: SweepNow) -> float | None:
        """Seconds until all have ended, if it goes on so."""
        rate = self.rate(now)
        return None if rate is None or now.total is None else max(0, now.total - now.ended) / rate


def rate_text(rate: float | None) -> str:
    """12/s, 0.5/s, 3/min, 0.2/h."""
    for seconds, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if rate is None or rate * seconds >= 0.5 or unit == "h":
            break
    return f"?/{unit}" if rate is None else f"{rate * seconds:.{0 if rate * seconds >= 10 else 1}f}/{unit}"


def left_text(left: float | None) -> str:
    """0:34 left."""
    return f"{'?' if left is None else duration(left)} left"


def line(sweep: str, now: SweepNow, pace: Pace) -> str:
    """All of it in one line, which has the same parts in the same order each time."""
    total = "?" if now.total is None else now.total
    rest = "?" if now.not_handed_in is None else now.not_handed_in
    return (
        f"sweep {printable(sweep)}: {now.ended} of {total} ended"
        f" ({now.succeeded} succeeded, {now.failed} failed, {now.cancelled} cancelled),"
        f" {now.running} running, {now.waiting} waiting, {rest} not handed in;"
        f" {rate_text(pace.rate(now))}, {duration(now.seconds)} so far, {left_text(pace.left(now))}"
    )


def turns(before: SweepNow | None, now: SweepNow) -> list[str]:
    """What a person who is away ought to find later: of machines in trouble, when it began and when it was over."""
    known = {one.name for one in before.machines if one.trouble} if before else set()
    told = []
    for one in now.machines:
        if one.trouble and one.name not in known:
            told.append(f"{one.name}: {printable(one.trouble)}")
        elif one.name in known and not one.trouble:
            told.append(f"{one.name}: well again")
    return told


def failure_lines(failures: Sequence[Failure], now: SweepNow | None, typed: str, sweep: str) -> list[str]:
    """The first failures with the last that they printed, and what to type to see more. `typed`: as `submit all`."""
    prog = typed.split()[0]
    lines = []
    for one in failures:
        setting = f" ({printable(one.setting)})" if one.setting else ""
        lines.append(f"failed: {one.target}:{one.job}{setting}: {printable(one.reason)}")
        lines += [f"    {printable(text)}" for text in one.lines]
        lines.append(f"  more: {prog} {one.target} logs {one.job} --merged")
    if now is not None and now.failed > len(failures):
        lines.append(f"all {now.failed} that failed: {typed} list --sweep {printable(sweep)} --state failed")
    return lines
