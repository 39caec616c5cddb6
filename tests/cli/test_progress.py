"""The line that says how far something has come."""

from __future__ import annotations

import io

import pytest

from sjs.cli import progress
from sjs.cli.progress import CLEAR, Meter


class Terminal(io.StringIO):
    """A terminal, or what is none."""

    def __init__(self, is_one: bool) -> None:
        super().__init__()
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one


class Clock:
    """What time it is, as the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def steps(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, is_wanted: bool = True) -> str:
    """What is written while 4 MiB arrive, one each second."""
    terminal, clock = Terminal(is_terminal), Clock()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress, "time", clock)
    meter = Meter(is_wanted)
    meter.add(0, 4 << 20)
    for _ in range(4):
        clock.now += 1
        meter.add(1 << 20, 0)
    meter.clear()
    return terminal.getvalue()


def test_after_two_seconds_a_person_sees_how_far_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{CLEAR}{done}M of 4M, 1M/s\r" for done in (2, 3, 4)]
    assert steps(monkeypatch, True) == "".join(lines) + CLEAR, "and then room for what is said"


def test_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps(monkeypatch, False) == steps(monkeypatch, True, is_wanted=False) == ""
