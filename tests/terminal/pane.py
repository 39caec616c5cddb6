"""A real terminal to type into and to look at: a pane of tmux, with a shell that has nobody's settings."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.live.machine import DEADLINE

PROMPT = "$ "
_TIME = re.compile(r"\b\d+:\d\d\b")


class Pane:
    """One pane. What it is sent is counted, and is what tells when it is worth another look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ: Mapping[str, str] = {}
        self._sent = folder / "sent"
        os.mkfifo(self._sent)
        self._fd = os.open(self._sent, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.bytes = 0
        """How many it was sent, up to the last look."""

    def open(self, width: int, height: int, environ: Mapping[str, str]) -> None:
        """Have a shell there."""
        self._environ = {
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "PS1": PROMPT,
            **environ,
        }
        size = ("-x", str(width), "-y", str(height))
        self.tmux(
            "-f", os.devnull, "new-session", "-d", "-c", str(self._folder), *size, "bash", "--norc", "--noprofile"
        )
        self.tmux("pipe-pane", f"cat > {self._sent}")
        self.until(PROMPT.strip())

    def tmux(self, *words: str) -> str:
        """One of tmux's commands."""
        command = ["tmux", "-u", "-S", str(self._folder / "tmux"), *words]
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, timeout=DEADLINE, check=True
        ).stdout

    def types(self, line: str) -> None:
        """Type a command."""
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def presses(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def screen(self, *how: str) -> str:
        """What is to be seen; `-e`: with its colours."""
        return self.tmux("capture-pane", "-p", *how).rstrip("\n")

    def untimed(self) -> list[str]:
        """The lines of the screen, without any times."""
        return _TIME.sub("0:00", self.screen()).splitlines()

    @property
    def shows_cursor(self) -> bool:
        return self.tmux("display-message", "-p", "#{cursor_flag}") == "1\n"

    def until(self, wanted: str | Callable[[str], bool]) -> str:
        """The screen, once it has a text, or is as a function says: looked at anew whenever something was sent."""
        is_so = wanted if callable(wanted) else lambda screen: wanted in screen
        deadline = time.monotonic() + DEADLINE
        while True:
            screen = self.screen()
            if is_so(screen):
                self._drain()
                return screen
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._fd], [], [], left)[0], f"never shown: {wanted}\n{screen}"
            self._drain()

    def quiet_for(self, seconds: float) -> int:
        """How many bytes come in that time."""
        before, deadline = self.bytes, time.monotonic() + seconds
        while select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._drain()
        return self.bytes - before

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._fd, 1 << 16):
                self.bytes += len(data)

    def close(self) -> None:
        self.tmux("kill-server")
        os.close(self._fd)


@contextlib.contextmanager
def pane(folder: Path, environ: Mapping[str, str], width: int = 80, height: int = 24) -> Iterator[Pane]:
    """A pane of 80 by 24, as long as it is needed."""
    folder.mkdir(exist_ok=True)
    found = Pane(folder)
    try:
        found.open(width, height, environ)
        yield found
    finally:
        found.close()
