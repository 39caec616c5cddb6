"""The trees of files that uploads become, for as long as somebody may ask for them.

They lie among the snapshots of this user, from where machines are sent what they lack, and where what nobody has used
for long goes. A tree whose job waits counts as used, however long it waits; one whose jobs have all ended goes in a
day.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable
from functools import partial

from sjs.capture.taking import KEPT
from sjs.config import cache_path
from sjs.core.job import Snapshot
from sjs.gateway.desk import Desk
from sjs.gateway.records import jobs
from sjs.gateway.web.jobd import words
from sjs.gateway.web.jobd.uploads import Upload
from sjs.gateway.zips.limits import Limits
from sjs.snapshots.store import DAY, Store

EVERY = 3_600.0
"""Seconds after which it is seen to who waits, and who has ended."""


class Trees:
    """Of one gateway."""

    def __init__(self, desk: Desk) -> None:
        self.store = Store(cache_path("snapshots", os.environ))
        self._desk = desk
        self._limits = Limits(compressed=desk.settings.most_upload, expanded=desk.settings.jobd.most_unpacked)
        self._first = 0
        self._due = 0.0

    async def keep(self, upload: Upload) -> Snapshot:
        """The tree of an upload, durably. Unusable, where that is none."""
        now = time.time()
        if now >= self._due:
            self._due = now + EVERY
            await self.tend(now)
        return await asyncio.to_thread(upload.tree, self.store, self._limits)

    async def tend(self, now: float) -> None:
        """Let go of those that nobody needs any more, and of no other."""
        given = await self._desk.read(partial(jobs.given, origin=words.ORIGIN, first=self._first))
        waiting = [(number, body) for number, body, has_ended in given if not has_ended]
        known, needed = _trees(body for _, body, _ in given), _trees(body for _, body in waiting)
        await asyncio.to_thread(self._mark, known, needed, now)
        if given:
            self._first = waiting[0][0] if waiting else given[-1][0] + 1

    def _mark(self, known: set[str], needed: set[str], now: float) -> None:
        for digest in needed:
            self.store.use(digest)
        for digest in known - needed:
            if self.store.age(digest, now) < KEPT - DAY:
                self.store.use(digest, now - KEPT + DAY)


def _trees(bodies: Iterable[str]) -> set[str]:
    return {json.loads(body)["snapshot"]["id"] for body in bodies}
