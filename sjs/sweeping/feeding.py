"""One machine of a sweep that somebody attends: it gets jobs as it gets done with those it has.

Each machine has a thread and a session of its own, which waits until something there has changed. So the fast ones get
more than the slow ones, and nothing waits on one while another has nothing to do.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import compress
from operator import not_

from sjs.core import placement
from sjs.core.job import Range, Report, Spec
from sjs.core.lifecycle import QUEUED, UNENDED
from sjs.core.needs import Needs
from sjs.core.why import cannot_hold, lacks
from sjs.errors import Refused, TooLarge, Unreachable
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.protocols import Target
from sjs.sweeping.ahead import Ends, Pace, overflowing, reserve, wanted
from sjs.sweeping.posting import NotTaken, Posting
from sjs.sweeping.supply import Lot, Supply
from sjs.sweeping.valve import Valve
from sjs.targets.chunks import chunks
from sjs.values import dataclass, field

PACE = 0.1
"""Seconds between two looks at a machine at least, however fast its jobs end."""

HEARTBEAT = 20.0
"""Seconds after which it is looked at even if nothing has changed there: elsewhere something may have."""

PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
"""Seconds until a machine that went away is tried again."""


@dataclass(frozen=True)
class News:
    """How one machine stands: its own report, None where it does not answer, and how many of the sweep's jobs are in
    which state. `taken`: the ids of those that it has just taken."""

    name: str
    report: Report | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    trouble: str = ""
    taken: tuple[Range, ...] = ()


class Feeder:
    """Feeds one machine. `over` is set when there is no more to do; nobody waits for a thread that hangs."""

    def __init__(
        self,
        sweep: str,
        supply: Supply,
        outbox: Outbox,
        head: Head,
        over: threading.Event,
        place: Callable[[Spec], Spec],
        problem: Callable[[Spec], str],
        valve: Valve | None = None,
    ) -> None:
        """`head`: what the outbox says of the command; `place`: gives a job as it is to be on this machine; `problem`:
        why it can never run one; `valve`: where it gets only what others have no room for."""
        self._sweep = sweep
        self._supply = supply
        self._outbox = outbox
        self._head = head
        self._over = over
        self._place = place
        self._problem = problem
        self._valve = valve
        self._was_heard = False
        self._pace = Pace()
        self._delay = PACE
        self._open: list[tuple[Lot, Posting]] = []
        self._counts: Mapping[str, int] = {}
        self._untold: list[Range] = []

    def feed(self, target: Target) -> Iterator[News]:
        """How the machine stands, each time that this changes, until it is over."""
        pauses = iter(PAUSES)
        if self._valve is not None:
            self._valve.wait()
        try:
            while not self._over.is_set():
                try:
                    for news in self._attend(target):
                        self._was_heard = True
                        pauses = iter(PAUSES)
                        yield news
                except Unreachable as error:
                    if not self._was_heard:
                        raise
                    yield News(target.name, None, self._counts, f"does not answer: {error.message}", self._told())
                    target.close()
                    self._over.wait(next(pauses, PAUSES[-1]))
        except Refused:
            if self._untold:
                yield News(target.name, None, self._counts, taken=self._told())
            raise
        finally:
            self.close()

    @property
    def owed(self) -> int:
        """How many jobs there are of which nobody has said whether they were taken."""
        return sum(posting.count for _, posting in list(self._open))

    def close(self) -> None:
        """Leave to the next command what may have been taken, and was not answered."""
        for _, posting in list(self._open):
            posting.close()

    def _attend(self, target: Target) -> Iterator[News]:
        version = ""
        while not self._over.is_set():
            version = target.changes(version, HEARTBEAT)
            began = time.monotonic()
            yield self._turn(target)
            took = time.monotonic() - began
            self._delay = max(PACE, took)
            self._over.wait(max(0.0, PACE - took))

    def _turn(self, target: Target) -> News:
        """Look at the machine, and give it what it needs."""
        self._ask_again(target)
        report = target.report().report
        found = target.sweeps(self._sweep)
        self._counts = found[0].counts if found else {}
        unended = sum(self._counts.get(state, 0) for state in UNENDED)
        self._supply.saw(target.name, unended)
        self._pace = self._pace.after(Ends(time.monotonic(), sum(self._counts.values()) - unended))
        first = self._supply.first
        trouble = ""
        if first is not None:
            try:
                self._check(report, first)
                trouble = self._hand_in(target, self._lot(report, first.needs, unended))
            except TooLarge as error:
                if not any(self._counts.get(state, 0) for state in UNENDED):
                    raise
                trouble = f"takes no more: {error.message}"  # but what it has is seen through
        return News(target.name, report, self._counts, trouble, self._told())

    def _check(self, report: Report, first: Spec) -> None:
        """Refuse a machine that could never run what goes next."""
        if not placement.can_hold(report, first.needs):
            raise TooLarge(_what_lacks(report, first.needs), "ask for less, or another target")
        if problem := self._problem(first):
            raise Refused(problem)

    def _lot(self, report: Report, needs: Needs, ours: int) -> Lot:
        """What it is to get now."""
        if self._valve is None:
            count = wanted(report, needs, reserve(self._pace, self._delay), ours > 0)
            return self._supply.take(report.name, count)
        lot = self._supply.take(report.name, overflowing(report, needs, ours))
        let = self._valve.let(report.name, lot.specs)
        self._supply.give_back(report.name, Lot(lot.start, list(compress(lot.specs, map(not_, let)))))
        return Lot(lot.start, list(compress(lot.specs, let)))

    def _hand_in(self, target: Target, lot: Lot) -> str:
        """Why the machine did not take all of it. What it was not asked for, and what it refused, others may have."""
        trouble = ""
        left = deque(_parts(lot))
        try:
            while left:
                part = left.popleft()
                specs = list(map(self._place, part.specs))
                self._open.append((part, Posting(self._outbox, self._head, target.name, part.start, specs)))
                try:
                    self._settled(target, *self._open[-1])
                except NotTaken as error:
                    self._supply.give_back(target.name, part)
                    if isinstance(error.error, TooLarge):  # it would say so each time
                        raise error.error from None
                    trouble = f"takes no more: {error.error.message}"
                except Refused:
                    self._supply.give_back(target.name, part)
                    raise
        finally:
            for part in left:
                self._supply.give_back(target.name, part)
                if self._valve is not None:
                    self._valve.settle(target.name, part.specs, False)
        return trouble

    def _settled(self, target: Target, lot: Lot, posting: Posting) -> None:
        is_open = is_taken = False
        try:
            ranges = posting.attempt(target).ranges
            is_taken = True
            self._untold += ranges
            self._counts = {**self._counts, QUEUED: self._counts.get(QUEUED, 0) + sum(map(_size, ranges))}
        except Unreachable:
            is_open = True
            raise
        finally:
            if not is_open:
                self._open.remove((lot, posting))
                if self._valve is not None:
                    self._valve.settle(target.name, lot.specs, is_taken)

    def _ask_again(self, target: Target) -> None:
        """What became of jobs that the machine had not answered for when the link broke."""
        for lot, posting in list(self._open):
            try:
                self._settled(target, lot, posting)
            except NotTaken:
                self._supply.give_back(target.name, lot)
            except Refused:
                self._supply.give_back(target.name, lot)
                raise

    def _told(self) -> tuple[Range, ...]:
        """What was taken since this was asked last."""
        told, self._untold = tuple(self._untold), []
        return told


def _what_lacks(report: Report, needs: Needs) -> str:
    if report.machine is None:
        return "it does not say what it has, and the jobs need more than a slot"
    return cannot_hold(lacks(report.machine, needs), report.machine.each)


def _parts(lot: Lot) -> Iterator[Lot]:
    """As many at a time as go into a request."""
    start = lot.start
    for piece in chunks(lot.specs):
        yield Lot(start, piece)
        start += len(piece)


def _size(span: Range) -> int:
    return span[1] - span[0] + 1
