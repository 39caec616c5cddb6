"""Running a sweep while somebody attends: late placement, and an end that is known."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sjs.core.job import Range, Spec
from sjs.core.lifecycle import BAD, CANCELLED, LIVE, MOVED, SUCCEEDED, UNENDED
from sjs.errors import SjsError, TooLarge, Unreachable, UsageError
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.protocols import Target
from sjs.routing import Fleet
from sjs.sharing import Spill, nobody_holds
from sjs.sweeping.feeding import Feeder, News
from sjs.sweeping.limit import Limit, reached
from sjs.sweeping.past import Past
from sjs.sweeping.supply import Supply
from sjs.sweeping.valve import Valve
from sjs.values import dataclass, field

TICK = 1.0
"""Seconds after which the time that has passed is told anew."""

PATIENCE = 60.0
"""Seconds for which machines that do not answer are waited for once all else is done."""


@dataclass(frozen=True)
class Standing:
    """How the whole sweep stands, in this run of it, machine by machine; `seconds` after its start."""

    news: Mapping[str, News]
    counts: Mapping[str, int]
    seconds: float
    taken: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    """What was taken since the last one, and by whom."""
    owed: Mapping[str, int] = field(default_factory=dict)
    """How many jobs machines may have that do not answer."""

    @property
    def failed(self) -> int:
        return sum(self.counts.get(state, 0) for state in BAD)

    @property
    def succeeded(self) -> int:
        return self.counts.get(SUCCEEDED, 0)

    @property
    def cancelled(self) -> int:
        return self.counts.get(CANCELLED, 0)

    @property
    def ended(self) -> int:
        return self.failed + self.succeeded + self.cancelled

    @property
    def running(self) -> int:
        return sum(self.counts.get(state, 0) for state in LIVE)

    @property
    def unended(self) -> int:
        return sum(self.counts.get(state, 0) for state in UNENDED)

    @property
    def waiting(self) -> int:
        return self.unended - self.running

    @property
    def away(self) -> list[str]:
        """Machines that do not answer, and have jobs of the sweep, or may have."""
        has = [
            name
            for name, one in self.news.items()
            if one.report is None and any(one.counts.get(state, 0) for state in UNENDED)
        ]
        return [*has, *(name for name in self.owed if name not in has)]


class Run:
    """One run of a sweep, from the first job that is handed in to the last that ends."""

    def __init__(
        self,
        fleet: Fleet,
        sweep: str,
        supply: Supply,
        outbox: Outbox,
        heads: Mapping[str, Head],
        place: Callable[[str, Spec], Spec],
        past: Past,
        limit: Limit | None = None,
    ) -> None:
        """`heads`: what the outbox says of the command, for each target; `place`: gives a job as it is to be on one."""
        self._fleet = fleet
        self._supply = supply
        self._past = past
        self._limit = limit or Limit()
        self._over = threading.Event()
        self._valve = _valve(fleet, next(iter(heads.values())).key)
        self._feeders = {
            name: Feeder(
                sweep,
                supply,
                outbox,
                head,
                self._over,
                partial(place, name),
                partial(fleet.fitting.problem, name),
                self._valve if self._valve is not None and self._valve.is_for(name) else None,
            )
            for name, head in heads.items()
        }
        self._news: dict[str, News] = {}
        self._gone: dict[str, SjsError] = {}
        self._heard = 0  # jobs of which it is known that they were taken
        self.stopped = ""
        """Why no more were handed in, if that is so."""

    def go(self) -> Iterator[Standing]:
        """Run it; how it stands, whenever that changes, and at the end."""
        began = time.monotonic()
        done_since: float | None = None
        try:
            for answers in self._fleet.stream(self._feed, TICK):
                taken: dict[str, tuple[Range, ...]] = {}
                for answer in answers:
                    if answer.error is not None:
                        self._lose(answer.name, answer.error)
                    elif answer.value is not None:
                        self._news[answer.name] = answer.value
                        self._heard_of(answer.name)
                        taken[answer.name] = taken.get(answer.name, ()) + answer.value.taken
                        self._heard += sum(high - low + 1 for low, high in answer.value.taken)
                now = self._standing(time.monotonic() - began, taken)
                self._check(now)
                yield now
                if self._is_done(now):
                    done_since = done_since or time.monotonic()
                    if self._gone.keys() >= {*now.away} or time.monotonic() >= done_since + PATIENCE:
                        return
                else:
                    done_since = None
        finally:
            self._over.set()
            if self._valve is not None:
                self._valve.close()
            for feeder in self._feeders.values():
                feeder.close()

    def stop(self, why: str) -> None:
        """Hand in no more."""
        self.stopped = self.stopped or why
        self._supply.stop()

    def _feed(self, target: Target) -> Iterator[News]:
        return self._feeders[target.name].feed(target)

    def _lose(self, name: str, error: SjsError) -> None:
        if isinstance(error, UsageError):
            raise error
        self._gone[name] = error
        self._heard_of(name)
        if name in self._news:
            self._news[name] = News(name, None, self._news[name].counts, str(error))
        if len(self._feeders) == 1:
            raise error
        self._fleet.notice(name, f"passed over: {error}")
        if len(self._gone) == len(self._feeders):
            if all(isinstance(one, TooLarge) for one in self._gone.values()):
                raise nobody_holds()
            raise Unreachable("no manager can take jobs", "see `submit all status`")

    def _heard_of(self, name: str) -> None:
        if self._valve is not None:
            self._valve.full(name)

    def _standing(self, seconds: float, taken: Mapping[str, tuple[Range, ...]]) -> Standing:
        counts: Counter[str] = Counter()
        for one in self._news.values():
            counts.update(one.counts)
        counts.subtract(self._before())
        owed = {name: feeder.owed for name, feeder in self._feeders.items() if self._is_silent(name)}
        owed = {name: count for name, count in owed.items() if count}
        counts.pop(MOVED, None)
        return Standing(dict(self._news), counts, seconds, taken, owed)

    def _is_silent(self, name: str) -> bool:
        return name in self._gone or (name in self._news and self._news[name].report is None)

    def _before(self) -> Counter[str]:
        """What had ended when this run began."""
        found: Counter[str] = Counter()
        for name in self._news:
            found.update({state: n for state, n in self._past.counts.get(name, {}).items() if state not in UNENDED})
        return found

    def _check(self, now: Standing) -> None:
        if not self.stopped and self._limit.is_reached(now.failed, now.ended):
            self.stop(reached(now.failed, now.ended))

    def _is_done(self, now: Standing) -> bool:
        """Whether nothing is left to do but on machines that do not answer: all jobs have been taken, of each of these
        it is known that it was, but where an answer is owed by one of those, and nothing of them has yet to end."""
        is_heard = len({*self._news, *self._gone}) == len(self._feeders)
        away = [now.news[name].counts for name in now.away if name in now.news]
        unended = sum(counts.get(state, 0) for counts in away for state in UNENDED)
        is_told = self._heard + sum(now.owed.values()) == self._supply.handed
        return is_heard and self._supply.is_dry and is_told and now.unended == unended


def _valve(fleet: Fleet, key: str) -> Valve | None:
    """What keeps the overflow from getting what the others have room for."""
    if fleet.overflow is None:
        return None
    own = [name for name in fleet.managers if name not in fleet.overflow.names]
    return Valve(Spill(fleet, fleet.overflow, key), key, own, lambda name, text: fleet.notice(name, text))
