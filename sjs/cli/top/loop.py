"""Behind the verb top: what comes from machines and from the keyboard, one thing after the other."""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from sjs.answers import Filter
from sjs.cli import terminal
from sjs.cli.common import Call
from sjs.cli.top.page import SORTS, Entry, Key, Place, Wish, entries, moved, page
from sjs.cli.top.screen import Screen
from sjs.errors import SjsError
from sjs.protocols import Target
from sjs.routing import Choice, Fleet
from sjs.values import replace

MOST = 100
"""Jobs of a machine that run and are shown."""

CALM = 0.2
"""Seconds between two pictures, however much comes; keys are answered at once."""

A_MINUTE = 60.0
"""How often it is drawn at least, for times are shown in minutes."""

PAUSES = (2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds until a machine that is away is asked again."""

PAGE = 10

News = Callable[[], None]
"""Something that has come, to be done by the thread that draws."""


class Loop:
    """All that happens happens in its thread; the others only tell it."""

    def __init__(self, call: Call, choice: Choice, only: Filter) -> None:
        self._call = call
        self._managers = {one.name: one for one in choice.managers}
        self._only = only
        self._places = {name: Place(name) for name in self._managers}
        self._wish = Wish()
        self._doing: Key | None = None
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._bell, self._rope = os.pipe()
        self._leaves = False

    def run(self) -> int:
        """Until somebody has seen enough."""
        os.set_blocking(self._rope, False)
        with Screen() as self._screen:
            signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
            threading.Thread(target=self._watch, daemon=True).start()
            try:
                while not self._leaves:
                    self._draw()
                    self._wait()
            finally:
                signal.set_wakeup_fd(-1)
        return 0

    def _draw(self) -> None:
        self._wish = moved(self._entries(), self._wish)
        self._screen.draw(page(list(self._places.values()), self._wish, time.time(), self._screen.size))

    def _wait(self) -> None:
        """For a key, news, another size or the next minute; what comes in a heap is drawn once."""
        drawn = time.monotonic()
        due = drawn + A_MINUTE
        while True:
            ready, _, _ = select.select([sys.stdin, self._bell], [], [], max(0.0, due - time.monotonic()))
            if sys.stdin in ready:
                for key in self._screen.typed():
                    self._press(key)
                return
            if not ready:
                return
            is_resized = signal.SIGWINCH in os.read(self._bell, 4096)
            with suppress(queue.Empty):
                while True:
                    self._news.get_nowait()()
            if is_resized:
                self._screen.resize()
                return
            due = min(due, drawn + CALM)

    def _press(self, key: str) -> None:
        wish, self._wish = self._wish, replace(self._wish, told="", is_help=False)
        if wish.is_typing:
            self._wish = _typed(wish, key)
        elif self._doing is not None:
            asked, self._doing = self._doing, None
            if key == "y":
                threading.Thread(target=self._cancel, args=asked, daemon=True).start()
        elif wish.is_help:
            return
        else:
            self._command(key)

    def _command(self, key: str) -> None:
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -PAGE, "page down": PAGE}
        if key in steps:
            self._wish = moved(self._entries(), self._wish, steps[key])
        elif key == "q":
            self._leaves = True
        elif key == "s":
            self._wish = replace(self._wish, sort=SORTS[(SORTS.index(self._wish.sort) + 1) % len(SORTS)])
        elif key == "/":
            self._wish = replace(self._wish, text="", is_typing=True)
        elif key == "escape":
            self._wish = replace(self._wish, text="")
        elif key in ("h", "?"):
            self._wish = replace(self._wish, is_help=True)
        elif key in ("f", "enter", "c"):
            self._chosen_do(key)

    def _chosen_do(self, key: str) -> None:
        chosen = self._wish.chosen
        if chosen is None:
            self._tell("there is no job")
        elif key == "c":
            self._doing = chosen
            self._tell(f"cancel {_name(chosen)}? y/n")
        else:
            self._follow(*chosen)

    def _follow(self, name: str, job: int) -> None:
        """By the verb for it: it has the terminal until it ends."""
        config = [] if self._call.config_file is None else ["--config", self._call.config_file]
        isolated = ["-I"] if sys.flags.isolated else []
        command = [sys.executable, *isolated, "-m", "sjs.cli", *config, name, "logs", str(job)]
        usual = signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C ends the other one
        try:
            with self._screen.lent():
                sys.stderr.write(f"{name}:{job}, until Ctrl-C:\n")
                if subprocess.run([*command, "--merged", "--follow", "--lines", "200"]).returncode != INTERRUPTED:
                    sys.stderr.write("-- that is all; Enter goes back --")
                    sys.stderr.flush()
                    sys.stdin.readline()
        finally:
            signal.signal(signal.SIGINT, usual)

    def _entries(self) -> list[Entry]:
        return entries(list(self._places.values()), self._wish, time.time())

    def _tell(self, text: str) -> None:
        self._wish = replace(self._wish, told=text)

    # In other threads:

    def _say(self, news: News) -> None:
        self._news.put(news)
        with suppress(BlockingIOError):  # it is awake as it is
            os.write(self._rope, b"\0")

    def _watch(self) -> None:
        with Fleet(list(self._managers.values()), "", self._is_slow, ask=self._ask) as fleet:
            for found in fleet.stream(self._sights):
                for answer in found:
                    if answer.value is not None:
                        self._say(lambda place=answer.value: self._see(place))  # type: ignore[misc]

    def _sights(self, target: Target) -> Iterator[Place]:
        pauses = iter(PAUSES)
        while True:
            try:
                for sight in target.sights(MOST, self._only):
                    yield Place(target.name, sight)
                    pauses = iter(PAUSES)
            except SjsError as error:
                yield Place(target.name, trouble=error.message)
            time.sleep(next(pauses, PAUSES[-1]))  # nothing tells when a machine is there again

    def _is_slow(self, name: str, text: str) -> None:
        self._say(lambda: self._see(replace(self._places[name], trouble=text)))

    def _see(self, place: Place) -> None:
        before, self._places[place.name] = self._places[place.name], place
        if before.trouble and not place.trouble:
            self._tell(f"{place.name} is back")
        elif place.trouble and not before.trouble:
            self._tell(f"{place.name} is away: {place.trouble}")

    def _ask(self, question: str) -> str | None:
        """Have somebody asked, by the thread that has the screen."""
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def ask() -> None:
            with self._screen.lent():
                answers.put(terminal.ask(question))

        self._say(ask)
        return answers.get()

    def _cancel(self, name: str, job: int) -> None:
        with Fleet([self._managers[name]], "", self._is_slow, ask=self._ask) as fleet:
            for answer in fleet.ask(lambda target: target.cancel([(job, job)])):
                done = answer.value
                text = str(answer.error) if done is None else "is being ended" if done.stopping else "is cancelled"
                self._say(lambda text=text: self._tell(f"{name}:{job} {text}"))  # type: ignore[misc]


INTERRUPTED = 130


def _typed(wish: Wish, key: str) -> Wish:
    if key == "enter":
        return replace(wish, is_typing=False)
    if key == "escape":
        return replace(wish, is_typing=False, text="")
    return replace(wish, text=wish.text[:-1] if key == "backspace" else wish.text + key if len(key) == 1 else wish.text)


def _name(key: Key) -> str:
    return f"{key[0]}:{key[1]}"
