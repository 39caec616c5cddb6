"""The bar of a sweep in a real terminal: alone on it, among other lines, resized, put aside and taken up again."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine import ROOT
from tests.terminal.pane import Pane, pane

MACHINES = [[f"node{number}", 4, 4, number % 3, ""] for number in range(16)]


class Sweep:
    """A sweep that is played in a pane, step by step."""

    def __init__(self, pipe: Path, screen: Pane, redirected: str = "") -> None:
        os.mkfifo(pipe)
        screen.types(f"clear; {sys.executable} -m tests.terminal.sweeping {pipe}{redirected}")
        self._orders = open(pipe, "w")  # noqa: SIM115 (closed by `ends`)

    def tells(self, what: str, about: Any) -> None:
        self._orders.write(json.dumps([what, about]) + "\n")
        self._orders.flush()

    def shows(self, ended: int, **more: Any) -> None:
        now = {
            "total": 100,
            "waiting": 90 - ended,
            "running": 10,
            "succeeded": ended,
            "failed": 0,
            "cancelled": 0,
            "not_handed_in": 0,
            "machines": MACHINES,
            "seconds": 0.0,
        }
        self.tells("show", {**now, **more})

    def ends(self) -> None:
        self._orders.close()

    def __enter__(self) -> Sweep:
        return self

    def __exit__(self, *error: object) -> None:
        self.ends()


@contextlib.contextmanager
def terminal(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Pane]:
    with pane(folder / "pane", {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", **(environ or {})}) as screen:
        yield screen


PICTURE = """\
lr ━━━━━━━━━━━━━╍╍╍╍╍╍╍───────────────────────────────────────────────── 20/100
20 succeeded, 10 running, 70 waiting, 2.0/s, 0:00, 0:00 left
node0 4/4      node1 4/4 +1   node2 4/4 +2   node3 4/4      node4 4/4 +1
node5 4/4 +2   node6 4/4      node7 4/4 +1   node8 4/4 +2   node9 4/4
node10 4/4 +1  node11 4/4 +2  node12 4/4     node13 4/4 +1  node14 4/4 +2
node15 4/4""".splitlines()


def test_it_stays_below_what_is_printed_and_is_left_whole(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen, Sweep(tmp_path / "orders", screen) as sweep:
        sweep.shows(0)
        screen.until("0/100")
        assert not screen.shows_cursor
        for number, stream in enumerate(("out", "err", "line")):
            sweep.tells(stream, f"{stream} {number}")
        sweep.shows(20, seconds=10.0)
        screen.until("20/100")
        assert screen.untimed() == ["out 0", "err 1", "line 2", *PICTURE]
        sweep.tells("failures", [["node3", 7, "lr=0.1", "exit status 3", ["Traceback", "bad"]]])
        sweep.shows(20, seconds=11.0, failed=1, machines=[])
        sweep.ends()
        screen.until(lambda seen: seen.endswith("$"))
        assert screen.untimed() == [
            "out 0",
            "err 1",
            "line 2",
            "lr " + "━" * 14 + "╍" * 7 + "─" * 48 + " 21/100",
            "20 succeeded, 1 failed, 10 running, 70 waiting, 1.9/s, 0:00, 0:00 left",
            "failed: node3:7 (lr=0.1): exit status 3",
            "    Traceback",
            "    bad",
            "  more: submit node3 logs 7 --merged",
            "$",
        ]
        assert screen.shows_cursor


def bar_of(width: int) -> str:
    """As long as the terminal is wide, but for one column."""
    room = width - 1 - len("lr  20/100")
    ended, running = room * 20 // 100, room * 30 // 100
    return f"lr {'━' * ended}{'╍' * (running - ended)}{'─' * (room - running)} 20/100\n"


def test_a_window_may_be_made_narrower_and_wider(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen, Sweep(tmp_path / "orders", screen) as sweep:
        for number in range(30):
            sweep.tells("out", f"before {number}")
        sweep.shows(20, machines=MACHINES[:6])
        screen.until("20/100")
        for width in (40, 30, 100):
            screen.resize(width, 12)
            screen.until(bar_of(width))
            everything = screen.screen("-S", "-")
            assert [everything.count(one) for one in ("before 29", "20/100", "node0")] == [1, 1, 1], everything


def test_it_can_be_put_aside_and_taken_up_again(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen, Sweep(tmp_path / "orders", screen) as sweep:
        sweep.shows(20)
        screen.until("20/100")
        screen.presses("C-z")
        screen.until("Stopped")
        assert screen.shows_cursor
        screen.types("echo here; fg")
        sweep.shows(21)
        screen.until("21/100")
        lines = screen.untimed()
        assert "here" in lines and lines.index("here") < lines.index(next(one for one in lines if "21/100" in one))
        assert screen.screen().count("node15") == 2, "as it was left, and as it is now"
        sweep.ends()
        screen.until(lambda seen: seen.endswith("$"))


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}])
def test_colours_are_a_matter_of_taste(tmp_path: Path, environ: dict[str, str]) -> None:
    with terminal(tmp_path, environ) as screen, Sweep(tmp_path / "orders", screen) as sweep:
        sweep.shows(20)
        screen.until("20/100")
        assert ("\x1b[32m" in screen.screen("-e")) is not bool(environ)
        sweep.ends()
        screen.until(lambda seen: seen.endswith("$"))


def test_what_is_no_terminal_gets_lines(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen, Sweep(tmp_path / "orders", screen, redirected=" 2> told; cat told") as sweep:
        sweep.shows(20)
        sweep.ends()
        screen.until("waiting, 0 not handed in;")
        assert screen.screen().startswith("sweep lr: 20 of 100 ended (20 succeeded, 0 failed, 0 cancelled)")
