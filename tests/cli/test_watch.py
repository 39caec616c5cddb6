"""What a person sees who watches: on a screen, and in a file."""

from __future__ import annotations

import sys
import time

import pytest

from sjs.cli.watch import PACE
from tests.cli.conftest import CommandLine
from tests.cli.test_past import PAGE, STOPPED
from tests.cli.test_verbs import answers

TWO_LOOKS = answers({"version": "1"}, PAGE, {"version": "2"}, PAGE, STOPPED)
CLEAR = "\x1b[H\x1b[2J"


def test_a_screen_is_cleared_before_each_look(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.play("m", TWO_LOOKS)
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda stream: True)
    _, *looks = cli.submit("m", "list", "-w", "--name", "x").out.split(CLEAR)
    assert len(looks) >= 3
    assert [look.count("COMMAND") for look in looks][-1] == 0, "the last one says why there are no more"
    assert {look.count("COMMAND") for look in looks[:-1]} == {1}


def test_however_fast_it_changes_it_is_shown_at_a_pace(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = time.sleep

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        sleep(0)

    monkeypatch.setattr("sjs.cli.watch.time.sleep", pause)
    cli.play("m", TWO_LOOKS)
    assert cli.submit("m", "list", "-w", "--name", "x").out.count("COMMAND") in (1, 2)  # two that come at once are one
    assert pauses.count(PACE) == 2
