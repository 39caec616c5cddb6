"""In the manager: jobs that leave for another queue.

They leave under a key, and from then on can do nothing here: they neither start nor end, and nobody releases, holds or
cancels them. Whoever carries them over there hands them in under the same key, which takes them once, and then says
here that they have arrived, or, once it is sure that they never will, that they come back. A key that was used is used
up: what is heard of it late changes nothing.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from sjs import spec_json
from sjs.core import lifecycle
from sjs.core.job import End, Job, Range
from sjs.core.lifecycle import HELD, MOVED, MOVING, PENDING, WAITING
from sjs.daemon.queue.counts import Counts
from sjs.daemon.queue.heads import Heads
from sjs.daemon.queue.pending import Pending
from sjs.daemon.queue.rows import UNREADABLE, MoveRow
from sjs.daemon.queue.setbacks import Setbacks
from sjs.daemon.queue.store import Store
from sjs.errors import Conflict, Refused

STAYED = -1
"""Stands for the first id over there, where there is none."""

MOST = 500
"""Jobs of one move: each takes several looks into the rows, and no turn is to be long."""

TEXT = 512 << 10
"""Characters of specs that go in one move: what they become has to fit into a request."""

KEPT = 30 * 86_400.0
"""Seconds for which a key is known, at least: as long as one under which jobs were handed in."""


class Moves:
    """The jobs of one queue that are on their way out of it."""

    def __init__(self, store: Store, counts: Counts, heads: Heads, pending: Pending, setbacks: Setbacks) -> None:
        self._store = store
        self._counts = counts
        self._heads = heads
        self._pending = pending
        self._setbacks = setbacks

    def begin(self, key: str, target: str, wanted: Sequence[Range], now: float) -> MoveRow:
        """Have the first of these jobs that can go leave, as many as one request may carry, which came by one word and
        run in one snapshot; of a key that was used before, what is known."""
        known = self._store.move(key)
        if known is not None:
            return known
        jobs = self._movable(wanted)
        move = MoveRow(key, target, now, len(jobs), None if jobs else STAYED)
        self._store.forget_moves(now - KEPT)
        self._store.add_move(move, [(job.id, job.state == HELD) for job in jobs])
        for job in jobs:
            self._step(job.id, job.state, "leave")
        self._heads.changed()
        return move

    def bodies(self, key: str) -> List[Tuple[int, Dict[str, Any]]]:
        """The jobs of a move that is not settled, by their ids, as they are to be handed in: those for which they had
        to wait have ended."""
        found = []
        for job_id, held in self._store.movers(key):
            job = self._store.job(job_id)
            assert job is not None, "what has not ended has a record"
            found.append((job_id, spec_json.to_wire(job.spec.but(after=(), hold=held))))
        return found

    def arrive(self, key: str, first: int, now: float) -> List[int]:
        """They have been taken over there, the first of them as job `first`: here they are over."""
        move = self._known(key)
        if move.first is not None:
            if move.first != first:
                raise Conflict(f"the jobs of the move {key!r} are {_fate(move)}", "look there, and here")
            return []
        ids = [job_id for job_id, _ in self._store.movers(key)]
        for number, job_id in enumerate(ids):
            state = lifecycle.step(MOVING, "arrive")
            self._store.set_end(job_id, state, End(MOVED, detail=f"{move.target}:{first + number}"), now, {})
            self._counts.move(MOVING, state)
            self._pending.has_ended(job_id)
        self._store.settle_move(key, first)
        return ids

    def come_back(self, key: str) -> List[int]:
        """They were not taken, and never will be: each is again in its old place."""
        move = self._known(key)
        if move.first is not None:
            if move.first != STAYED:
                raise Conflict(f"the jobs of the move {key!r} are {_fate(move)}", "they are not taken back")
            return []
        movers = self._store.movers(key)
        for job_id, held in movers:
            self._step(job_id, MOVING, "come back")
            if held:
                self._step(job_id, WAITING, "hold")
            else:
                self._pending.let_go(job_id)
        self._store.settle_move(key, STAYED)
        self._pending.look_at_times()
        return [job_id for job_id, _ in movers]

    def decline(self, key: str, now: float) -> Optional[Tuple[int, int]]:
        """As the queue to which they were to go: the first id and how many, if they were taken here; else None, and
        then they never will be, whoever still brings them."""
        known = self._store.submit(key)
        if known is None:
            self._store.remember_submit(key, "", 0, 0, now)
        return (known[1], known[2]) if known is not None and known[2] else None

    def _known(self, key: str) -> MoveRow:
        move = self._store.move(key)
        if move is None:
            raise Refused(f"no jobs have left this queue under the key {key!r:.80}")
        return move

    def _movable(self, wanted: Sequence[Range]) -> List[Job]:
        found: List[Job] = []
        left = TEXT
        for span in wanted:
            for job in self._store.page(span, PENDING):
                if not self._may_leave(job) or (found and _company(job) != _company(found[0])):
                    continue
                left -= len(spec_json.to_text(job.spec))
                if found and left < 0:
                    return found
                found.append(job)
                if len(found) == MOST:
                    return found
        return found

    def _may_leave(self, job: Job) -> bool:
        """Who has run here has attempts, and outputs of them; who waits for others, or is waited for, has them here;
        and whose job it is only the gate of this machine can say."""
        if job.attempt or job.submitter or job.spec is UNREADABLE or job.id in self._setbacks.suspects:
            return False
        row = self._store.pending(job.id)
        return row is not None and not row.blockers and not self._store.children_of(job.id, 1)

    def _step(self, job_id: int, state: str, event: str) -> None:
        new = lifecycle.step(state, event)
        self._store.set_state(job_id, new)
        self._counts.move(state, new)


def _company(job: Job) -> object:
    """What the jobs of one move have in common, as one request takes them, or refuses them, together."""
    return job.via, job.spec.snapshot


def _fate(move: MoveRow) -> str:
    return "back here" if move.first == STAYED else f"{move.target}'s now, from {move.first} on"
