"""A test that hangs fails, with the stacks of all threads, and the rest goes on.

pytest's own way ends the process; of those that run tests beside each other another one then begins the same test.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator

import pytest

PART = 5 / 6
"""Of the time after which the process would be ended: what is left is for what the test has to put away."""


class Watch:
    """`seconds` are the most that setting a test up and calling it may take together; 0 is for ever."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._late = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        self._late = time.monotonic() + self._seconds
        with self._watched():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        with self._watched():
            return (yield)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        if not self._seconds:
            yield
            return

        def hangs(number: int, frame: object) -> None:
            pytest.fail(f"it hangs: after {self._seconds:g} s there were\n{stacks()}")

        before = signal.signal(signal.SIGALRM, hangs)
        signal.setitimer(signal.ITIMER_REAL, max(self._late - time.monotonic(), 0.001))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def of(config: pytest.Config) -> Watch:
    return Watch(PART * float(config.getini("faulthandler_timeout")))


def patiently() -> None:
    """The test that is running may take as long as it takes."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()


def stacks() -> str:
    """Of all threads but this one, which the failure has anyway."""
    frames = sys._current_frames()
    others = [one for one in threading.enumerate() if one.ident in frames and one is not threading.current_thread()]
    return "\n".join(
        f"{one.name}:\n{''.join(traceback.format_stack(frames[one.ident]))}" for one in others if one.ident
    )
