"""Asking whoever sits at the terminal for what must not be seen."""

from __future__ import annotations

import atexit
import functools
import getpass
import os
import sys
import termios
import threading
from typing import Any

_one_at_a_time = threading.Lock()
_answers: dict[str, str | None] = {}


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
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # nobody is there
        return None
    # A thread that waits here keeps no command from ending, and then nobody else would make the terminal echo again.
    restore = atexit.register(functools.partial(_restore, terminal, termios.tcgetattr(terminal)))
    try:
        return getpass.getpass(question)
    except EOFError:
        return None
    finally:
        atexit.unregister(restore)
        os.close(terminal)


def _restore(terminal: int, settings: Any) -> None:
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    os.write(terminal, b"\n")
