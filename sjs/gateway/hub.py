"""Those who want to hear at once what has happened: clients that wait for a job or follow events, and what delivers to
others. Who follows all events has them from the feed; what an ear has missed is in the records. Who waits for an item
at a stage stands in a queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sjs.gateway.feed import Feed
from sjs.gateway.records.events import Changes, Event
from sjs.gateway.stages.queues import Queues

MOST = 1_000
"""Events that wait for one who hears them too slowly; then he is told that he missed some."""


class Over(Exception):
    """The gateway is about to end: nobody hears of anything any more."""


class Ear:
    """Of one who listens, in the loop of the hub."""

    def __init__(self) -> None:
        self._heard: deque[Event] = deque()
        self._wakes = asyncio.Event()
        self._missed = False
        self._is_over = False

    def tell(self, events: Sequence[Event]) -> None:
        if len(self._heard) + len(events) > MOST:
            self._heard.clear()
            self._missed = True
        else:
            self._heard.extend(events)
        self._wakes.set()

    def end(self) -> None:
        self._is_over = True
        self._wakes.set()

    async def hear(self) -> tuple[Sequence[Event], bool]:
        """What has come since, at least one event; and whether some were missed, which the records have. Over, once
        nothing will come any more."""
        await self._wakes.wait()
        if self._is_over:
            raise Over
        self._wakes.clear()
        heard, missed = list(self._heard), self._missed
        self._heard.clear()
        self._missed = False
        return heard, missed


class Hub:
    """In one event loop, told from any thread."""

    def __init__(self, feed: Feed) -> None:
        self.queues = Queues()
        self._feed = feed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ears: set[Ear] = set()

    def open(self) -> None:
        """The loop that runs now is the one in which all listen."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """The loop is about to end. To be called in it, before it waits for those who follow, or wait for something to
        happen: they end by this."""
        self._loop = None
        self._feed.close()
        self.queues.close()
        for ear in self._ears:
            ear.end()

    def tell(self, changes: Changes) -> None:
        """This has become durable."""
        loop = self._loop
        if loop is not None and (changes.events or changes.freed):
            try:
                loop.call_soon_threadsafe(self._spread, changes)
            except RuntimeError:
                self._loop = None  # it has ended, and with it all who listened

    def _spread(self, changes: Changes) -> None:
        self.queues.tell(changes.freed)
        if changes.events:
            self._feed.tell(changes.events)
            for ear in self._ears:
                ear.tell(changes.events)

    @contextmanager
    def listening(self) -> Iterator[Ear]:
        """Hear all that happens from now on."""
        ear = Ear()
        if self._loop is None:
            ear.end()
        self._ears.add(ear)
        try:
            yield ear
        finally:
            self._ears.discard(ear)
