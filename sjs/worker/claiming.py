"""Who claims items for the slots that are free: one request at a time, which waits there until there are
any."""

from __future__ import annotations

import random
import threading
from queue import SimpleQueue
from typing import List, Optional

from sjs.errors import SjsError, Unreachable
from sjs.worker.connection import Away, Unbelieved
from sjs.worker.lease import Pauses
from sjs.worker.notices import notice
from sjs.worker.order import EMPTY, ONCE, Order
from sjs.worker.stages import Claim, Stages, Void, clock

WAIT = 30.0
"""Seconds for which the gateway is asked to wait for items."""

MOST = 100
"""Items that are claimed at once."""

AWAY = 60.0
"""Seconds after which nobody waits for a gateway any longer who is not to work for ever."""


class Claiming:
    """`items`: where the claimed ones go, and None for each slot in the end. `trouble`: what ended it."""

    def __init__(self, order: Order, stages: Stages) -> None:
        self.items: SimpleQueue[Optional[Claim]] = SimpleQueue()
        self.trouble: Optional[SjsError] = None
        self._order = order
        self._stages = stages
        self._state = threading.Condition()
        self._free = order.slots
        self._is_over = False
        self._quiet_since = clock()
        self._away_since: Optional[float] = None
        self._was_there = False
        self._pauses = Pauses(random.random())

    def freed(self) -> None:
        """A slot has seen its item through."""
        with self._state:
            self._free += 1
            self._quiet_since = clock()
            self._state.notify_all()

    def stop(self) -> None:
        """Claim no more. Whoever waits for an answer is to be cut off then."""
        with self._state:
            self._is_over = True
            self._state.notify_all()

    def work(self) -> None:
        """Until it is over."""
        try:
            while not self._is_over and self._claims_on():
                continue
        except SjsError as error:
            self.trouble = error
        finally:
            for _ in range(self._order.slots):
                self.items.put(None)

    def _claims_on(self) -> bool:
        """Claim once; whether to go on."""
        room = self._room()
        wait = self._wait()
        if not room or wait is None:
            return False
        try:
            found = self._stages.claim(1 if self._order.until == ONCE else min(room, MOST), wait)
        except Away as error:
            return self._be_patient(error)
        self._back()
        if self._is_over:
            self._give_back(found)
            return False
        with self._state:
            self._free -= len(found)
        for claim in found:
            self.items.put(claim)
        if self._order.until == ONCE:
            return not found
        return bool(found) or self._order.until != EMPTY or self._another_ends()

    def _room(self) -> int:
        """How many slots are free, once there is one; 0 when it is over."""
        with self._state:
            self._state.wait_for(lambda: self._free or self._is_over)
            return 0 if self._is_over else self._free

    def _wait(self) -> Optional[float]:
        """For how long to wait for items; None: not any more."""
        if self._order.until == EMPTY:
            return 0.0
        with self._state:
            if self._order.idle is None or self._free < self._order.slots:
                return WAIT
            left = self._quiet_since + self._order.idle - clock()
        return min(WAIT, left) if left > 0 else None

    def _another_ends(self) -> bool:
        """Nothing is free. What still runs here may be given back: wait for that; False where nothing runs."""
        with self._state:
            before = self._free
            if before == self._order.slots:
                return False
            self._state.wait_for(lambda: self._free > before or self._is_over)
            return not self._is_over

    def _be_patient(self, error: Away) -> bool:
        """Wait a little; False when it is over."""
        now = clock()
        if self._is_over:
            return False
        if isinstance(error, Unbelieved) and not self._was_there:
            raise Unreachable(f"{self._order.url}: {error}", error.hint)
        if self._away_since is None:
            self._away_since = now
            notice(f"{self._order.url}: {error}; trying again")
        bounded = self._order.until or self._order.idle is not None
        if bounded and now - self._away_since >= max(AWAY, self._order.idle or 0.0):
            raise Unreachable(f"{self._order.url}: {error}", "nobody has answered for a minute")
        pause = self._pauses.next(error.pause)
        with self._state:
            self._state.wait_for(lambda: self._is_over, timeout=pause)
        return not self._is_over

    def _back(self) -> None:
        if self._away_since is not None:
            notice(f"{self._order.url}: there again, after {clock() - self._away_since:.0f} s")
        self._away_since = None
        self._was_there = True
        self._pauses.over()

    def _give_back(self, found: List[Claim]) -> None:
        """What came when it was over."""
        for claim in found:
            try:
                self._stages.release(claim)
            except (Away, Void, SjsError):
                notice(f"item {claim.number}: came too late, and is free when its time is over")
