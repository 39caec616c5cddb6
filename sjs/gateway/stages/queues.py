"""Those who wait for an item to be had at a stage, first come, first served: for each that is, one is told to ask
again. For one event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Place = tuple[int, int]
"""A pipeline, and a stage of it."""


class Turn:
    """Of one who waits at a place."""

    def __init__(self) -> None:
        self._wakes = asyncio.Event()
        self.is_called = False
        self.is_over = False

    def call(self) -> None:
        self.is_called = True
        self._wakes.set()

    def end(self) -> None:
        self.is_over = True
        self._wakes.set()

    def taken(self) -> None:
        """He asks now; what comes after that is for another call."""
        self.is_called = False
        if not self.is_over:
            self._wakes.clear()

    async def called(self) -> None:
        """Until there is something to ask for, or nobody will be called any more (`is_over`)."""
        await self._wakes.wait()


class Queues:
    def __init__(self) -> None:
        self._waiting: dict[Place, OrderedDict[Turn, None]] = {}
        self._is_over = False

    def tell(self, freed: Mapping[Place, int]) -> None:
        """So many items are to be had now that were not."""
        for place, count in freed.items():
            self._call(place, count)

    def close(self) -> None:
        """Nobody is called any more."""
        self._is_over = True
        for queue in self._waiting.values():
            for turn in queue:
                turn.end()

    @contextmanager
    def waiting(self, place: Place) -> Iterator[Turn]:
        """Have a turn there. Who has it asks once before he waits: what was freed before is told to nobody. A call that
        he did not heed is the next one's."""
        turn = Turn()
        if self._is_over:
            turn.end()
        self._waiting.setdefault(place, OrderedDict())[turn] = None
        try:
            yield turn
        finally:
            del self._waiting[place][turn]
            if turn.is_called:
                self._call(place, 1)
            if not self._waiting[place]:
                del self._waiting[place]

    def count(self, place: Place) -> int:
        """How many wait there."""
        return len(self._waiting.get(place, ()))

    def _call(self, place: Place, count: int) -> None:
        for turn in self._waiting.get(place, ()):
            if count <= 0:
                break
            if not turn.is_called:
                turn.call()
                count -= 1
