"""Asking whoever sits at the terminal for what must not be seen."""

from __future__ import annotations

import atexit
import functools
import os
import sys
import termios
import threading
from typing import Any

_one_at_a_time = threading.Lock()
_handed: int | None = None
_answers: dict[str, str | None] = {}


def handed(fd: int | None) -> None:
    """Ask there: it is the terminal of whoever has this process carry out a command, and not this process's own."""
    global _handed
    _handed = fd


def is_there() -> bool:
    """Whether there is somebody to be asked."""
    return sys.stdin.isatty() or sys.stderr.isatty()


def ask(question: str) -> str | None:
    """What somebody types, unseen; None without a terminal. The same question is asked once for each command."""
    with _one_at_a_time:
        if question not in _answers:
            _answers[question] = _typed(question)
        return _answers[question]


def _typed(question: str) -> str | None:
    try:
        terminal = _opened()
    except OSError:  # nobody is there
        return None
    # A thread that waits here keeps no command from ending, and then nobody else would make the terminal echo again.
    restore = atexit.register(functools.partial(_restore, terminal, termios.tcgetattr(terminal)))
    try:
        return _unseen(terminal, question)
    finally:
        atexit.unregister(restore)
        os.close(terminal)


def _opened() -> int:
    if _handed is not None:
        return os.dup(_handed)
    return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def _unseen(terminal: int, question: str) -> str | None:
    settings: list[Any] = termios.tcgetattr(terminal)
    silent = [*settings[:3], settings[3] & ~termios.ECHO, *settings[4:]]
    termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
    try:
        os.write(terminal, question.encode(errors="replace"))
        with open(terminal, "rb", buffering=0, closefd=False) as source:
            typed = source.readline()
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, settings)
        os.write(terminal, b"\n")
    return os.fsdecode(typed).removesuffix("\n") if typed else None


def _restore(terminal: int, settings: Any) -> None:
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    os.write(terminal, b"\n")
