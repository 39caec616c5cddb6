"""A thread that waits until the time of the next item is over, and has done then what is to be."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine

from sjs.errors import SjsError
from sjs.gateway.records.events import Changes
from sjs.gateway.records.failing import asking
from sjs.gateway.records.stages.handling import perform
from sjs.gateway.records.stages.looking import first_due
from sjs.gateway.records.stages.orders import Expire
from sjs.gateway.records.writer import Writer

LOG = logging.getLogger("sjs.gateway")

LONGEST = 60.0
"""Seconds after which it looks at the clock again, which may have been set, or stood still while the machine slept."""

PAUSE = 5.0
"""Seconds after which it tries again what the records did not take."""


class Timer:
    """What was over while nobody was there is carried out at the start."""

    def __init__(self, engine: Engine, write: Writer, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._write = write
        self._now = now
        self._changed = threading.Condition()
        self._told = math.inf
        self._looks = False
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="sjs stages", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, changes: Changes) -> None:
        """This has become durable."""
        if changes.due < math.inf:
            with self._changed:
                self._told = min(self._told, changes.due)
                self._changed.notify()

    def look(self) -> None:
        """The clock was set."""
        with self._changed:
            self._looks = True
            self._changed.notify()

    def close(self) -> None:
        """Finish what it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _serve(self) -> None:
        while not self._closed:
            try:
                self._wait(self._carry_out())
            except SjsError as error:
                LOG.warning("whose time is over stays for now: %s", error)
                self._pause()
            except Exception:
                LOG.exception("whose time is over stays for now")
                self._pause()

    def _carry_out(self) -> float:
        """All that is over by now; when to look again."""
        with self._changed:
            self._told, self._looks = math.inf, False  # what is told from now on may be missing from what is read
        while not self._closed:
            due = self._first()
            now = self._now()
            if due > now:
                return due
            self._write.put_among(perform, Expire(now)).result()
        return math.inf

    def _first(self) -> float:
        with asking(self._engine) as connection:
            found = first_due(connection)
        return math.inf if found is None else found

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, PAUSE)

    def _wait(self, due: float) -> None:
        with self._changed:
            while not (self._closed or self._looks or self._told < due):
                left = due - self._now()
                if left <= 0:
                    break
                self._changed.wait(min(left, LONGEST))
