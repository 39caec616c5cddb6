"""The verb top in a real terminal, beside a real queue: what it shows, what it is told by keys, and what it sends."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.live.machine import DEADLINE, ROOT, Machine, running, until
from tests.terminal.pane import Pane, pane

TOP = f"{sys.executable} -m sjs.cli m top"
JOB = "echo going {}; until [ -e more ]; do sleep 0.02; done; echo further; until [ -e end ]; do sleep 0.02; done"
_CHANGING = re.compile(r" +\d+\.\d +[\d.]+[KMGT] +-")
"""Load and free memory."""


class Life:
    """A person before a screen, and the queue that is looked at."""

    def __init__(self, machine: Machine, screen: Pane) -> None:
        self.machine = machine
        self.screen = screen

    def hand_in(self, *commands: str) -> None:
        with self.machine.client() as client:
            for command in commands:
                client.submit(command)

    def lines(self) -> list[str]:
        """What is to be seen, without what is another each time."""
        return [_CHANGING.sub(" LOAD MEM -", line) for line in self.screen.screen().splitlines()]


@contextlib.contextmanager
def looking(folder: Path, *jobs: str, then: str = "", **environ: str) -> Iterator[Life]:
    with running(folder / "machine") as machine, pane(folder / "pane", {"PYTHONPATH": str(ROOT), **environ}) as screen:
        config = folder / "pane/config.yaml"
        config.write_text(f"managers: {{m: {{transport: local, root: {machine.root}}}}}\n")
        config.chmod(0o600)
        life = Life(machine, screen)
        life.hand_in(*jobs)
        screen.types(TOP + then)
        yield life


def of(*jobs: str, title: str = "2 of 2 slots taken, 1 queued", foot: str = "") -> list[str]:
    """A screen of 24 rows."""
    rows = [
        f"sjs top: 1 machine, {title}, by machine",
        "TARGET  STATE  SLOTS  QUEUED  LOAD  MEM FREE  GPUS FREE",
        f"m       up     {title[0]}/2    {title.split()[-2]} LOAD MEM -",
        *jobs,
    ]
    keys = "q quit  up/down choose  f follow  c cancel  s sort  / filter  h help"
    return [*rows, *[""] * (23 - len(rows)), foot or keys]


def test_it_shows_what_is_and_sends_only_what_changes(tmp_path: Path) -> None:
    with looking(tmp_path, JOB.format("one"), JOB.format("two"), "true") as life:
        screen = life.screen
        screen.until(lambda seen: seen.count("going one") == seen.count("going two") == 2)
        head = "JOB  STATE    TIME  COMMAND                     LAST LINE"
        jobs = [f"m:{at}  running  <1m   echo going {name}; until [ -e" for at, name in enumerate(("one", "two"))]
        last = "m:2  queued   -     true"
        assert life.lines() == of(head, f"{jobs[0]}  going one", f"{jobs[1]}  going two", last)
        until(lambda: screen.quiet_for(1.5) == 0, "silence, for nothing changes")
        before = screen.bytes
        (life.machine.root / "more").touch()
        screen.until(lambda seen: seen.count("further") == 2)
        assert screen.bytes - before < 100, "two words"
        assert life.lines() == of(head, f"{jobs[0]}  further", f"{jobs[1]}  further", last)
        screen.resize(50, 12)
        screen.until("q quit  up/down choose  f follow  c cancel  s so\n".rstrip())
        assert [line[:49] for line in life.lines()[4:6]] == [
            "m:0  running  <1m   echo going one;   further",
            "m:1  running  <1m   echo going two;   further",
        ]
        (life.machine.root / "end").touch()
        screen.until("0 of 2 slots taken, 0 queued")
        screen.presses("q")
        screen.until(lambda seen: seen.endswith("$"))
        assert screen.shows_cursor
        assert "sjs top" not in screen.screen(), "the screen is as it was before"


def test_jobs_are_followed_cancelled_sorted_and_chosen_by_keys(tmp_path: Path) -> None:
    with looking(tmp_path, JOB.format("one"), JOB.format("two"), "false") as life:
        screen = life.screen
        screen.until("going two")
        screen.presses("j", "f")
        screen.until(lambda seen: "m:1, until Ctrl-C:\n" in seen and seen.endswith("\ngoing two"))
        screen.presses("C-c")
        screen.until("sjs top: 1 machine")
        screen.presses("Down", "c")
        screen.until("cancel m:2? y/n")
        screen.presses("n", "c", "y")
        screen.until("m:2 is cancelled")
        screen.presses("PPage", "j", "c", "y")
        screen.until("m:1 is being ended")
        screen.until("1 of 2 slots taken, 0 queued")
        screen.presses("/", "o", "n", "x", "BSpace", "e")
        screen.until("show only: one_")
        screen.presses("Enter", "s", "h")
        screen.until("Any key goes back")
        screen.presses("x")
        screen.until("by time, only 'one'")
        screen.presses("/", "z", "Enter")
        screen.until(lambda seen: "m:0" not in seen)
        screen.presses("f")
        screen.until("there is no job")
        screen.presses("Escape")
        screen.until("m:0")
        screen.presses("Enter")
        screen.until(lambda seen: "m:0, until Ctrl-C:\n" in seen and seen.endswith("\ngoing one"))
        (life.machine.root / "more").touch()
        (life.machine.root / "end").touch()
        screen.until("-- that is all; Enter goes back --")
        screen.presses("Enter")
        screen.until("0 of 2 slots taken")
        screen.presses("C-c")
        screen.until("submit: interrupted")


def test_it_is_put_aside_and_taken_up_again(tmp_path: Path) -> None:
    with looking(tmp_path, JOB.format("one")) as life:
        screen = life.screen
        screen.until("going one")
        screen.presses("C-z")
        screen.until("Stopped")
        assert screen.shows_cursor
        screen.resize(60, 20)
        screen.types("fg")
        screen.until(lambda seen: "going one" in seen and len(seen.splitlines()) == 20)
        screen.presses("f")
        screen.until("m:0, until Ctrl-C:")
        screen.presses("C-z")
        screen.until(lambda seen: seen.count("Stopped") == 2)
        screen.types("fg")
        (life.machine.root / "more").touch()
        screen.until("\nfurther")
        assert "sjs top" not in screen.screen(), "it has lent the terminal"
        screen.presses("C-c")
        screen.until("sjs top: 1 machine")


def test_a_machine_goes_away_and_comes_back(tmp_path: Path) -> None:
    with looking(tmp_path) as life:
        life.screen.until("0 of 2 slots taken")
        life.machine.stop()
        life.screen.until("m  away: the manager of")
        assert "m is away: the link broke" in life.screen.screen()
        life.machine.start(3)
        life.screen.until("m is back")
        life.screen.until("0 of 3 slots taken")


def test_it_ends_with_its_terminal(tmp_path: Path) -> None:
    with looking(tmp_path) as life:
        life.screen.until("0 of 2 slots taken")
        (pid,) = (int(line) for line in children(int(life.screen.tmux("display-message", "-p", "#{pane_pid}"))))
        top = os.pidfd_open(pid)
        try:
            life.screen.tmux("new-window", "-d")  # so that tmux lives on
            life.screen.tmux("kill-pane")
            assert select.select([top], [], [], DEADLINE)[0], "it is still there"
        finally:
            os.close(top)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_terminal_that_can_do_nothing_is_refused(tmp_path: Path) -> None:
    with looking(tmp_path, then="; echo $?", TERM="xterm") as life:
        life.screen.until("slots taken")
        life.screen.presses("q")
        life.screen.until("0\n$")
        life.screen.types(f"TERM=dumb {TOP}; echo $?")
        life.screen.until("top can not be shown on a terminal of the kind 'dumb'\n2\n$")
        life.screen.types(f"TERM=none {TOP}; echo $?")
        life.screen.until("(for example TERM=xterm)\n2\n$")
        life.screen.types(f"clear; {TOP} | cat; echo ${{PIPESTATUS[0]}}")
        life.screen.until("submit: top is for somebody at a terminal")
        life.screen.until("\n2\n$")
