"""How much one caller may ask for, and how long to wait where it was too much. The time is an argument."""

from __future__ import annotations

import math
from collections import OrderedDict

from sjs.values import dataclass, fields

MOST_KNOWN = 10_000
"""Callers of whom something is kept; who has nothing open, and was not seen for longest, is forgotten first."""

MOST_RATE = 1_000_000

WAIT_FOR_REQUESTS = 1.0
WAIT_FOR_STREAMS = 5.0
WAIT_FOR_QUEUE = 30.0
"""Seconds to be told where an end is to be waited for, of which nobody knows when it comes."""


@dataclass(frozen=True)
class Limits:
    """`rate`: requests a second, over time; `burst`: at once; `requests`, `streams`: open at a time; `queued`: jobs
    that have not ended; `items`: in all pipelines."""

    rate: float = 50.0
    burst: int = 100
    requests: int = 64
    streams: int = 16
    queued: int = 100_000
    items: int = 1_000_000


def trouble(limits: Limits) -> str:
    """What makes no sense of them; nothing, if all does."""
    if not 0 < limits.rate <= MOST_RATE:
        return f"rate: is above 0, and at most {MOST_RATE}"
    for name in fields(Limits):
        low = 1 if name in ("burst", "requests") else 0
        if name != "rate" and not low <= getattr(limits, name) < 2**31:
            return f"{name}: is from {low} to {2**31 - 1}"
    return ""


@dataclass(frozen=True)
class Exceeded:
    """Too much: of `rate`, `requests`, `streams` or `queued`; `wait`: seconds until it may be worth another try."""

    code: str
    text: str
    wait: float

    @property
    def retry_after(self) -> int:
        """As the header has it."""
        return max(1, math.ceil(self.wait))


@dataclass(frozen=True)
class Bucket:
    """How many requests may come at once, as of a moment."""

    level: float
    at: float


@dataclass
class Use:
    """What one caller has open, and may."""

    bucket: Bucket
    requests: int = 0
    streams: int = 0


def take(bucket: Bucket, limits: Limits, now: float, cost: float = 1.0) -> tuple[Bucket, float]:
    """The bucket after one more request, and 0; or as it is, and how long to wait. A clock that goes back changes
    nothing."""
    passed = max(0.0, now - bucket.at)
    level = min(float(limits.burst), bucket.level + passed * limits.rate)
    at = max(now, bucket.at)
    if level >= cost:
        return Bucket(level - cost, at), 0.0
    return Bucket(level, at), (cost - level) / limits.rate if limits.rate > 0 else math.inf


def may_queue(limits: Limits, queued: int, more: int) -> Exceeded | None:
    """Whether so many more jobs may be handed in."""
    if queued + more <= limits.queued:
        return None
    text = f"{queued} jobs have not ended, and {more} more would be above the limit of {limits.queued}"
    return Exceeded("queued", text, WAIT_FOR_QUEUE)


class Meters:
    """What callers have open, by their names; for one thread."""

    def __init__(self, most_known: int = MOST_KNOWN) -> None:
        self._most_known = most_known
        self._uses: OrderedDict[str, Use] = OrderedDict()

    def begin(self, who: str, limits: Limits, now: float, is_stream: bool = False) -> Exceeded | None:
        """One more request, for which `end` is to be called; or why not."""
        use = self._uses.get(who) or Use(Bucket(float(limits.burst), now))
        use.bucket, wait = take(use.bucket, limits, now)
        exceeded = _exceeded(use, limits, wait, is_stream)
        if exceeded is None:
            use.requests += not is_stream
            use.streams += is_stream
        self._keep(who, use)
        return exceeded

    def end(self, who: str, is_stream: bool = False) -> None:
        """What was begun has ended."""
        use = self._uses[who]
        use.requests -= not is_stream
        use.streams -= is_stream

    def count(self, who: str, limits: Limits, now: float) -> Exceeded | None:
        """Something that is over at once."""
        exceeded = self.begin(who, limits, now)
        if exceeded is None:
            self.end(who)
        return exceeded

    def use(self, who: str) -> Use | None:
        """What is known of a caller."""
        return self._uses.get(who)

    def __len__(self) -> int:
        return len(self._uses)

    def _keep(self, who: str, use: Use) -> None:
        self._uses[who] = use
        self._uses.move_to_end(who)
        if len(self._uses) > self._most_known:
            idle = next((name for name, one in self._uses.items() if not one.requests + one.streams), None)
            if idle is not None:
                del self._uses[idle]


def _exceeded(use: Use, limits: Limits, wait: float, is_stream: bool) -> Exceeded | None:
    if wait:
        return Exceeded("rate", f"more than {limits.rate:g} requests a second", wait)
    if is_stream and use.streams >= limits.streams:
        return Exceeded("streams", f"{use.streams} event streams are open, which is the limit", WAIT_FOR_STREAMS)
    if not is_stream and use.requests >= limits.requests:
        return Exceeded("requests", f"{use.requests} requests are open, which is the limit", WAIT_FOR_REQUESTS)
    return None
