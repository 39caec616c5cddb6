"""What a person sees of a sweep that runs: a bar at a terminal, and plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, TextIO

from sjs.cli.sweeps.now import Failure, Pace, SweepNow, failure_lines, line, turns
from sjs.cli.text import printable
from sjs.extras import how_to_get

EVERY = 30.0
"""Seconds between two plain lines, unless something turns."""


class View(Protocol):
    """Shows one sweep. Any thread may call it."""

    def show(self, now: SweepNow) -> None:
        """How it stands."""

    def line(self, text: str) -> None:
        """Say something by the way."""

    def end(self) -> None:
        """Leave how it stood last."""


class PlainView:
    """Lines: the first state, one in EVERY seconds while it goes on, whatever turns, and the last state."""

    def __init__(self, stream: TextIO, sweep: str) -> None:
        self._stream = stream
        self._sweep = sweep
        self._pace = Pace()
        self._now: SweepNow | None = None
        self._said: SweepNow | None = None

    def show(self, now: SweepNow) -> None:
        before, self._now = self._now, now
        self._pace = self._pace.after(now)
        for text in turns(before, now):
            self.line(text)
        is_first_failure = now.failed > 0 and before is not None and not before.failed
        if self._said is None or is_first_failure or now.seconds - self._said.seconds >= EVERY:
            self._say(now)

    def line(self, text: str) -> None:
        self._stream.write(f"{printable(text)}\n")
        self._stream.flush()

    def end(self) -> None:
        if self._now is not None and self._now != self._said:
            self._say(self._now)

    def _say(self, now: SweepNow) -> None:
        self._said = now
        self.line(line(self._sweep, now, self._pace))


class SweepView:
    """A sweep's view, whichever suits the stream, from its beginning to its end:

    with SweepView(sys.stderr, "lr", "submit all") as view:
        view.show(now)
        view.failures(found)
    """

    def __init__(self, stream: TextIO, sweep: str, typed: str) -> None:
        self._stream = stream
        self._sweep = sweep
        self._typed = typed
        self._now: SweepNow | None = None
        self._failures: Sequence[Failure] = ()
        self._view: View = PlainView(stream, sweep)

    def __enter__(self) -> SweepView:
        if self._stream.isatty():
            self._view = _at_a_terminal(self._stream, self._sweep) or self._view
        return self

    def show(self, now: SweepNow) -> None:
        """How it stands now."""
        self._now = now
        self._view.show(now)

    def line(self, text: str) -> None:
        """Say something by the way, which tears no bar."""
        self._view.line(text)

    def failures(self, found: Sequence[Failure]) -> None:
        """What is to be said at the end of the first that failed."""
        self._failures = found

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._view.end()
        for text in failure_lines(self._failures, self._now, self._typed, self._sweep):
            self._stream.write(f"{text}\n")
        self._stream.flush()


def _at_a_terminal(stream: TextIO, sweep: str) -> View | None:
    """A bar; None where the terminal can not show one, or nobody can draw it, which is said."""
    try:
        from sjs.cli.sweeps.bar import BarView, can_draw
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        stream.write(f"a bar needs the package rich ({how_to_get('view')}); until then, lines\n")
        return None
    return BarView(stream, sweep) if can_draw(stream) else None
