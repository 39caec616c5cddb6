"""Handing in a whole sweep at once, because nobody stays to attend it: block by block, so that the first jobs run while
the last ones are not made yet, and a million need no more memory than a thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from sjs.answers import Accepted
from sjs.core.job import Report, Spec
from sjs.dealing import Dealer, Failure, plan
from sjs.errors import Unreachable
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.routing import Fleet
from sjs.sharing import sharing
from sjs.targets.chunks import chunks

FIRST = 100
"""Jobs of the first block: those who are idle are not to wait for the plan of all the rest."""

BLOCK = 16
"""Requests of each other one."""


class DealingOut:
    """Deals jobs to the targets of a fleet by how they are when it begins. What is not handed in when it ends is
    `failed`, and what it had not come to."""

    def __init__(self, fleet: Fleet, outbox: Outbox, head: Head, reports: Sequence[Report]) -> None:
        self._fleet = fleet
        self._outbox = outbox
        self._head = head
        self._reports = list(reports)
        self._share = sharing(fleet, head.key)
        self.failed: list[Failure] = []
        self.handed = 0

    def deal(self, specs: Iterator[Spec]) -> Iterator[tuple[str, Accepted]]:
        """Who took what. Ends early when nobody takes anything any more."""
        block = list(chunks(islice(specs, FIRST)))
        requests = chunks(specs)
        try:
            while block and (self._reports or self._share.spare):
                yield from self._deal(block)
                block = list(islice(requests, BLOCK)) if self._reports or self._share.spare else []
        finally:
            self._share.tell()

    def _deal(self, block: Sequence[Sequence[Spec]]) -> Iterator[tuple[str, Accepted]]:
        with self._outbox.begin(self._head) as entry:
            try:
                reports = plan(entry, block, self._reports, self._share, start=self.handed)
                entry.seal()
                self.handed += sum(map(len, block))
                dealer = Dealer(self._fleet, entry, self._share, reports)
                yield from dealer.deal()
            finally:
                self._share.settle(entry)
        self.failed += dealer.failed
        out = dealer.passed_over | {one.name for one in dealer.failed}
        self._reports = [one for one in reports if one.name not in out]
        self._share.leave_out(out)


def reports_of(fleet: Fleet, is_any: bool) -> Sequence[Report]:
    """How the targets are. One that was named says for itself what is wrong with it."""
    if is_any:
        found = fleet.reports()
        if not found and fleet.overflow is None:
            raise Unreachable("no manager can take jobs", "see `submit all status`")
        return found
    (name,) = fleet.managers
    return [fleet.target(name).report().report]
