"""The bar of a sweep that runs, below whatever else is printed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live

from sjs.cli.sweeps.layout import picture
from sjs.cli.sweeps.now import Pace, SweepNow
from sjs.cli.text import printable

A_SECOND = 1.0
"""How often it is drawn: the time that it shows needs no more, and a slow line would not bear more."""

HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


def can_draw(stream: TextIO) -> bool:
    """Whether lines can be written over there."""
    return not Console(file=stream).is_dumb_terminal


class BarView:
    """Drawn by a thread of its own, so that whoever has news does not wait for a slow terminal."""

    def __init__(self, stream: TextIO, sweep: str) -> None:
        self._sweep = printable(sweep)
        self._pace = Pace()
        self._latest: tuple[SweepNow, float] | None = None
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._drawn: Sequence[int] = ()
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=1 / A_SECOND,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._stops = _Stops(stream.fileno(), lambda: len(self._drawn))

    def show(self, now: SweepNow) -> None:
        self._pace = self._pace.after(now)
        is_first, self._latest = self._latest is None, (now, time.monotonic())
        if is_first:
            self._stops.begin()
            self._live.start(refresh=True)

    def line(self, text: str) -> None:
        self._console.print(printable(text), soft_wrap=True)

    def end(self) -> None:
        self._live.stop()
        self._stops.end()

    def _draw(self) -> RenderableType:
        if self._latest is None:
            return ""
        now, at = self._latest
        self._mend()
        seconds = now.seconds + time.monotonic() - at
        lines = picture(self._sweep, now, self._pace, seconds, self._console.size, self._console.options.ascii_only)
        self._drawn = [line.cell_len for line in lines]
        return Group(*lines)

    def _mend(self) -> None:
        """Most terminals that have become narrower have wrapped what was there, so that it begins further up."""
        width = self._console.size.width
        more = sum(max(1, -(-length // width)) for length in self._drawn) - len(self._drawn)
        if more and self._live.is_started:
            self._console.file.write(f"\r\x1b[{more}A\x1b[J")


class _Stops:
    """Ctrl-Z leaves the terminal as it ought to be; who comes back finds the bar below what was written meanwhile."""

    def __init__(self, fd: int, rows: Callable[[], int]) -> None:
        self._fd = fd
        self._rows = rows
        self._usual: Any = None

    def begin(self) -> None:
        if threading.current_thread() is threading.main_thread():  # only there Python lets a signal be handled
            self._usual = signal.signal(signal.SIGTSTP, self._stop)

    def end(self) -> None:
        if self._usual is not None:
            signal.signal(signal.SIGTSTP, self._usual)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        os.write(self._fd, b"\n" + SHOW)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)
        os.write(self._fd, HIDE + b"\n" * (self._rows() - 1))
