from __future__ import annotations

import pytest

from sjs.cli.progress import CLEAR, Meter


class Terminal:
    """A screen, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, is_there: bool = True) -> None:
        self.now = 100.0
        self.printed = ""
        monkeypatch.setattr("sys.stderr", self)
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        self.isatty = lambda: is_there

    def write(self, text: str) -> None:
        self.printed += text

    def flush(self) -> None:
        """All is there already."""


def test_what_takes_long_is_shown_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal(monkeypatch)
    meter = Meter(True)
    for seconds in (1.0, 3.0, 0.1):
        screen.now += seconds
        meter.add(4 << 20)
    meter.clear()
    meter.clear()
    assert screen.printed == f"{CLEAR}8M, 2M/s\r{CLEAR}"


@pytest.mark.parametrize(("is_there", "is_wanted"), [(False, True), (True, False)])
def test_nobody_else_is_shown_anything(monkeypatch: pytest.MonkeyPatch, is_there: bool, is_wanted: bool) -> None:
    screen = Terminal(monkeypatch, is_there)
    meter = Meter(is_wanted)
    screen.now += 10
    meter.add(1)
    meter.clear()
    assert screen.printed == ""
