"""What has happened of late, in memory, for all who follow it. Who does has only a place in it, however slow he is;
what is older than memory is read in the records, once for all who want the same at a time. For one event loop.

    records:  1 2 3 4 5 6 7 8 9
    memory:           5 6 7 8        floor 4, last 8; 9 will be told, or is found to be missing when 10 is
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection

from sjs.core.job import contains
from sjs.gateway.records.events import Event, pipeline_of, since, span, tail
from sjs.values import dataclass

MOST = 5_000
"""Events in memory."""

PAGE = 200
"""Events that one who follows is given at once, or that are read at once for one who is far behind."""

PAGES = 32
"""Of those that were read, so many are kept, for others who are as far behind."""

Read = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Wanted:
    """Which events: those of an owner, of some kinds, of one job, of the jobs from one to another (`span`), of the
    pipeline of a name; nothing said is all."""

    owner: str | None = None
    kinds: tuple[str, ...] = ()
    job: int | None = None
    span: tuple[int, int] | None = None
    pipeline: str | None = None

    def fits(self, event: Event) -> bool:
        return (
            (self.owner is None or event.owner == self.owner)
            and (not self.kinds or event.kind in self.kinds)
            and (self.job is None or event.job == self.job)
            and (self.span is None or (event.job is not None and contains([self.span], event.job)))
            and (self.pipeline is None or pipeline_of(event) == self.pipeline)
        )


@dataclass(frozen=True)
class Page:
    """Events after a place, and the place after them. `lost`: what came after the first place is not all kept, or that
    place is none of these records'."""

    events: Sequence[Event]
    reached: int
    lost: bool = False


def page(connection: Connection, after: int, wanted: Wanted, limit: int) -> Page:
    """What the records have after a place; 0 is before all that they have."""
    _, last = span(connection)
    found = since(connection, after, wanted.owner, limit, wanted.kinds, wanted.job, wanted.span)
    first, _ = span(connection)  # asked last: what was forgotten meanwhile counts as lost rather than as read
    if after > last and not found:
        return Page((), last, lost=True)
    lost = 0 < after < first - 1
    fitting = [one for one in found if wanted.fits(one)]  # of which pipeline one is, only its data say
    if len(found) == limit:
        return Page(fitting, found[-1].seq, lost)
    return Page(fitting, max([after, last, *(one.seq for one in found[-1:])]), lost)


class Feed:
    """Told of events in their order; whoever follows it sees each once, in that order, whatever it was not told of."""

    def __init__(self, read: Read, most: int = MOST) -> None:
        self.floor = 0
        self.last = 0
        self.is_closed = False
        self._read = read
        self._most = most
        self._seqs: list[int] = []
        self._events: list[Event] = []
        self._has_begun = False
        self._is_whole = False
        self._told = 0
        self._catching: asyncio.Task[None] | None = None
        self._flights: dict[Any, asyncio.Task[Page]] = {}
        self._pages: OrderedDict[Any, Page] = OrderedDict()
        self._followers: set[Follower] = set()

    def tell(self, events: Sequence[Event]) -> None:
        """These have become durable. A number that is left out may be one of a transaction that was undone, or of one
        whose end nobody has heard of: the records know."""
        fresh = [one for one in events if one.seq > self.last]
        if not fresh:
            return
        self._told = fresh[-1].seq
        if self._is_whole and fresh[0].seq == self.last + 1:
            self._keep(fresh)
        else:
            self._is_whole = False
        self._wake()

    def close(self) -> None:
        """The loop is about to end, and with it all who follow."""
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        for one in self._followers:
            one.wakes.set()

    @contextmanager
    def followed(self, wanted: Wanted, after: int | None) -> Iterator[Follower]:
        """From a place on, or from now on."""
        one = Follower(self, wanted, after)
        self._followers.add(one)
        try:
            yield one
        finally:
            self._followers.discard(one)

    async def whole(self) -> None:
        """Wait until memory has all that was told."""
        while not self._is_whole:
            if self._catching is None:
                self._catching = asyncio.create_task(self._catch_up())
                self._catching.add_done_callback(self._caught)
            await asyncio.shield(self._catching)

    def _caught(self, done: asyncio.Task[None]) -> None:
        self._catching = None
        if not done.cancelled():
            done.exception()  # those who wait for it have it; perhaps all have gone

    async def _catch_up(self) -> None:
        told = self._told
        if self._has_begun and told - self.last <= self._most:
            found = await self._read(partial(since, seq=self.last, owner=None, limit=self._most))
        else:
            found, self.floor = await self._read(partial(tail, limit=self._most))
            self.last, self._has_begun = self.floor, True
            self._seqs, self._events = [], []
        self._keep(found)
        if len(found) < self._most:
            self.last = max(self.last, told)  # what was told, and is not there, has been forgotten since
        self._is_whole = self.last >= self._told

    def _keep(self, events: Sequence[Event]) -> None:
        self._seqs += [one.seq for one in events]
        self._events += events
        self.last = self._seqs[-1] if events else self.last
        if len(self._seqs) > 2 * self._most:
            gone = len(self._seqs) - self._most
            self.floor = self._seqs[gone - 1]
            del self._seqs[:gone], self._events[:gone]

    def has(self, place: int) -> bool:
        """Whether all that came after it is in memory."""
        return self.floor <= place <= self.last

    def slice(self, after: int, wanted: Wanted) -> Page:
        """What memory has after a place that it has."""
        at = bisect_right(self._seqs, after)
        found = self._events[at : at + PAGE]
        reached = found[-1].seq if len(found) == PAGE else self.last
        return Page([one for one in found if wanted.fits(one)], reached)

    async def page(self, after: int, wanted: Wanted, limit: int = PAGE) -> Page:
        """What the records have after a place."""
        key = (after, wanted, limit)
        known = self._pages.get(key)
        if known is not None:
            return known
        if key not in self._flights:
            flight = asyncio.ensure_future(
                self._read(lambda connection: page(connection, after, wanted, limit)),
            )
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, limit, done))
        return await asyncio.shield(self._flights[key])

    def _landed(self, key: Any, limit: int, flight: asyncio.Task[Page]) -> None:
        """One that is full stays as it is; of others nobody knows when."""
        del self._flights[key]
        if not flight.cancelled() and flight.exception() is None and len(flight.result().events) == limit:
            self._pages[key] = flight.result()
            if len(self._pages) > PAGES:
                self._pages.popitem(last=False)


class Follower:
    """Somebody's place in what happens."""

    def __init__(self, feed: Feed, wanted: Wanted, place: int | None) -> None:
        self.place = place
        self.wakes = asyncio.Event()
        self._feed = feed
        self._wanted = wanted
        self._is_poked = False

    def poke(self) -> None:
        """Have `more` come back, whatever there is."""
        self._is_poked = True
        self.wakes.set()

    async def begin(self) -> int:
        """Where it begins: what happens from now on comes after that."""
        await self._feed.whole()
        if self.place is None:
            self.place = self._feed.last
        return self.place

    async def more(self) -> Page | None:
        """What comes next, once something does; an empty page after a poke; None when there will be no more."""
        place = await self.begin()
        while not self._feed.is_closed:
            self.wakes.clear()
            await self._feed.whole()
            found = await self._next(place)
            self.place = place = found.reached
            if found.events or found.lost or self._is_poked:
                self._is_poked = False
                return found
            if place >= self._feed.last:
                await self.wakes.wait()
        return None

    async def _next(self, place: int) -> Page:
        if self._feed.has(place):
            return self._feed.slice(place, self._wanted)
        return await self._feed.page(place, self._wanted)
