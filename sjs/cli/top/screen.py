"""The terminal as a whole screen: rows go out, keys come in. curses sends no more than what has changed."""

from __future__ import annotations

import curses
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType

from sjs.cli.top.page import BAD, CHOSEN, FAINT, HEAD, NEWS, TITLE, Row
from sjs.errors import UsageError

NAMES = {
    curses.KEY_UP: "up",
    curses.KEY_DOWN: "down",
    curses.KEY_PPAGE: "page up",
    curses.KEY_NPAGE: "page down",
    curses.KEY_BACKSPACE: "backspace",
    curses.KEY_ENTER: "enter",
    "\n": "enter",
    "\r": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x1b": "escape",
}


class Screen:
    """Has the terminal from `with` to its end, but while it is `lent`."""

    def __init__(self) -> None:
        try:
            curses.setupterm()
        except curses.error as error:
            raise UsageError(f"top: {error}", "for example TERM=xterm") from None
        if curses.tigetstr("cup") is None:
            raise UsageError(f"top can not be shown on a terminal of the kind '{os.environ.get('TERM', '')}'")
        self._looks: Mapping[str, int] = {}
        self._is_lent = False

    def __enter__(self) -> Screen:
        # With handlers of ours, curses has none: it would change the size while rows are drawn, and come back to the
        # terminal though somebody else has it.
        signal.signal(signal.SIGWINCH, lambda number, frame: None)
        signal.signal(signal.SIGTSTP, self._stop)
        self._window = curses.initscr()
        curses.noecho()
        curses.cbreak()
        curses.set_escdelay(50)
        self._window.keypad(True)
        self._window.nodelay(True)
        self._looks = _looks()
        with suppress(curses.error):  # not every terminal can
            curses.curs_set(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        curses.endwin()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        height, width = self._window.getmaxyx()
        return width, height

    def resize(self) -> None:
        """The terminal has another size now."""
        size = os.get_terminal_size(sys.stdout.fileno())
        curses.resizeterm(size.lines, size.columns)
        self._window.clear()

    def draw(self, rows: Sequence[Row]) -> None:
        """Have these rows on it."""
        self._window.erase()
        for place, row in enumerate(rows):
            text = row.text.ljust(self.size[0] - 1) if row.look in (TITLE, CHOSEN) else row.text
            known = text.encode(self._window.encoding, "replace").decode(self._window.encoding)
            with suppress(curses.error):  # it was made smaller this moment, and is drawn anew
                self._window.addstr(place, 0, known, self._looks.get(row.look, 0))
        self._window.refresh()

    def typed(self) -> Iterator[str]:
        """What was typed: letters as they are, other keys by their names."""
        while True:
            try:
                key = self._window.get_wch()
            except curses.error:  # there is no more
                return
            if key in NAMES:
                yield NAMES[key]
            elif isinstance(key, str) and key.isprintable():
                yield key

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let something else have the terminal for a while, as it was before."""
        is_ours, self._is_lent = not self._is_lent, True
        if is_ours:
            curses.endwin()
        try:
            yield
        finally:
            if is_ours:
                self._is_lent = False
                self.resize()
                self._window.refresh()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        with self.lent():
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._stop)


def _looks() -> Mapping[str, int]:
    looks = {TITLE: curses.A_REVERSE, HEAD: curses.A_BOLD, FAINT: curses.A_DIM, CHOSEN: curses.A_REVERSE}
    looks.update({BAD: curses.A_BOLD, NEWS: curses.A_BOLD})
    if curses.has_colors() and "NO_COLOR" not in os.environ:
        curses.start_color()
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_RED, -1)
        looks[BAD] = curses.color_pair(1)
    return looks
