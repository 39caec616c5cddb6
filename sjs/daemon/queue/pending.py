"""In the manager: jobs that may not start yet, because somebody holds them, or they wait for a time or for other jobs.

Who has ended is told to those who wait for it in pieces: a parent may have a million children. What was not told when a
manager ended, the next one finds written down.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from sjs import spec_json
from sjs.compact import to_json
from sjs.core import lifecycle
from sjs.core.job import End, Job, Range, Spec
from sjs.core.lifecycle import CANCELLED, FINAL, HELD, MOVED, QUEUED, WAITING, is_satisfied
from sjs.core.needs import Needs
from sjs.daemon.queue.counts import Counts
from sjs.daemon.queue.heads import Heads
from sjs.daemon.queue.rows import NewRow
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest, UnknownJob

PIECE = 1_000
"""Jobs that are moved in one turn."""

AGAIN = 200
"""Jobs that are run once more in one turn: each of these takes several looks into the rows."""

MAX_PARENTS = 100_000
"""Jobs that one job may wait for."""


Blocking = Tuple[int, int, str]
"""(parent, child, kind): the child waits for the parent."""


class Pending:
    """The jobs of one queue that are held or waiting, and their way into the queue."""

    def __init__(self, store: Store, counts: Counts, heads: Heads) -> None:
        self._store = store
        self._counts = counts
        self._heads = heads
        self._ended = deque(store.untold())
        self._stored = set(self._ended)
        self._anybody_waits_for_jobs = store.has_blockings()
        self.next_due = store.next_due()
        self.cancelled: List[int] = []

    # New ones

    def add(
        self,
        first: int,
        specs: Sequence[Spec],
        texts: Sequence[str],
        now: float,
        submitter: Optional[str] = None,
        via: Optional[str] = None,
    ) -> List[NewRow]:
        """Take new jobs, each in the state in which it begins; all of them or, where one can not be, none. `texts`: of
        the specs, as they are stored."""
        rows: List[NewRow] = []
        blockings: List[Blocking] = []
        shapes = {needs: self._store.shape(needs_text(needs)) for needs in {spec.needs for spec in specs}}
        brought = {"submitted": now, "submitter": submitter, "via": via}
        for number, (spec, text) in enumerate(zip(specs, texts)):
            placed = _placed(spec, number, first)
            found, doom = self._blockings(first + number, placed, rows)
            blockings += found
            text = text if placed is spec else spec_json.to_text(placed)
            row = _row(first + number, placed, text, shapes[spec.needs], len(found), brought)
            rows.append(row._replace(state=CANCELLED, reason="dependency", detail=doom, ended=now) if doom else row)
        self._store.add(rows)
        self._block(blockings)
        for row in rows:
            if row.state == QUEUED:
                self._heads.added(row.shape, row.priority, row.id)
            elif row.state == WAITING and row.due is not None:
                self.next_due = min(row.due, self.next_due or row.due)
            self._counts[row.state] += 1
        return rows

    def _blockings(
        self, job_id: int, spec: Spec, fresh: Optional[Sequence[NewRow]] = None
    ) -> Tuple[Set[Blocking], str]:
        """For which jobs it has to wait, and why it can never start, if one has ended otherwise than it needs.
        `fresh`: those that come with it; without, it ran before, and of its parents some may have gone."""
        found: Set[Blocking] = set()
        for kind, spans in spec.after:
            for parent in _ids(spans):
                state = self._state(parent, job_id, fresh or ())
                if state is None and fresh is None:
                    continue
                if state is None or parent >= job_id:
                    raise UnknownJob(f"no job {parent} in this queue that another could wait for")
                verdict = is_satisfied(kind, state)
                if verdict is False:
                    return set(), _otherwise(parent, state)
                if verdict is None:
                    found.add((parent, job_id, kind))
        return found, ""

    def _state(self, parent: int, job_id: int, fresh: Sequence[NewRow]) -> Optional[str]:
        back = job_id - parent
        return fresh[-back].state if 0 < back <= len(fresh) else self._store.state(parent)

    def _block(self, blockings: Iterable[Blocking]) -> None:
        self._store.add_blockings(sorted(blockings))
        self._anybody_waits_for_jobs = self._store.has_blockings()

    # What lets them go

    def has_ended(self, job_id: int) -> None:
        """Somebody may have waited for this job."""
        if self._anybody_waits_for_jobs:
            self._ended.append(job_id)

    def keep(self) -> None:
        """Write down who is still to be told of, for the next manager."""
        if self._ended or self._stored:
            untold = set(self._ended)
            self._store.set_untold(self._stored, untold)
            self._stored = untold

    @property
    def has_more(self) -> bool:
        """Whether there is somebody to be told still."""
        return bool(self._ended)

    def work(self, now: float) -> None:
        """Tell a piece of those who wait: of jobs that have ended, and of the time."""
        left = PIECE
        while self._ended and left > 0:
            parent = self._ended.popleft()
            if self._store.state(parent) not in (None, *FINAL):
                continue  # it runs again, and its end is still to come
            children = self._store.children(parent, left)
            if len(children) == left:
                self._ended.appendleft(parent)
            left -= max(1, len(children))
            self._tell(parent, children, now)
        if self.next_due is not None and self.next_due <= now:
            for job_id in self._store.due(now, PIECE):
                self._store.set_due(job_id, None)
                self.let_go(job_id)
            self.next_due = self._store.next_due()

    def _tell(self, parent: int, children: Sequence[Tuple[int, str]], now: float) -> None:
        state = self._store.state(parent)
        self._store.drop_blockings(parent, children)
        for child, kind in children:
            if self._store.state(child) not in (HELD, WAITING):
                continue
            if state is not None and is_satisfied(kind, state) is False:
                self._cancel(child, _otherwise(parent, state), now)
            else:
                self._store.unblock(child)
                self.let_go(child)

    def _cancel(self, job_id: int, why: str, now: float) -> None:
        old = self._store.state(job_id) or WAITING
        state = lifecycle.step(old, "cancel")
        self._store.set_end(job_id, state, End("dependency", detail=why), now, {})
        self._counts.move(old, state)
        self.cancelled.append(job_id)
        self._ended.append(job_id)

    def let_go(self, job_id: int) -> None:
        """Into the queue, if nothing is left to wait for."""
        row = self._store.pending(job_id)
        if row is not None and row.state == WAITING and not row.blockers and row.due is None:
            self._move(job_id, WAITING, "ready")
            self._heads.added(row.shape, row.priority, job_id)

    def look_at_times(self) -> None:
        """Some that wait for a time have come in among the others."""
        self.next_due = self._store.next_due()

    # What people and ends of attempts do

    def hold(self, wanted: Sequence[Range]) -> List[int]:
        """Keep the first of these jobs from starting; at most PIECE, so ask again until there are fewer."""
        found = self._store.ids_in((QUEUED, WAITING), wanted, PIECE)
        for state in (QUEUED, WAITING):
            self._move_all([job_id for job_id, old in found if old == state], state, lifecycle.step(state, "hold"))
        self._heads.changed()
        return [job_id for job_id, _ in found]

    def release(self, wanted: Sequence[Range]) -> List[int]:
        """Let them go again; at most PIECE."""
        ids = [job_id for job_id, _ in self._store.ids_in((HELD,), wanted, PIECE)]
        free = set(self._store.free(ids))
        waiting = lifecycle.step(HELD, "release")
        self._move_all([job_id for job_id in ids if job_id not in free], HELD, waiting)
        self._move_all(sorted(free), HELD, lifecycle.step(waiting, "ready"))
        self._heads.changed()
        self.look_at_times()
        return ids

    def once_more(self, job: Job, state: str) -> bool:
        """Somebody wants to have run again what has ended, with all its tries: False if it still can never start."""
        blockings, doom = self._blockings(job.id, job.spec)
        if doom:
            return False
        self._block(blockings)
        self._store.set_pending(job.id, lifecycle.step(state, "try again"), None, len(blockings))
        self._store.set_retried(job.id)
        self._counts.move(state, WAITING)
        self.let_go(job.id)
        return True

    def again(self, job_id: int, state: str, due: Optional[float] = None) -> None:
        """It was tried, and is to be tried again, at once or later."""
        self._store.set_pending(job_id, lifecycle.step(state, "try again"), due, 0)
        self._counts.move(state, WAITING)
        if due is None:
            self.let_go(job_id)
        else:
            self.next_due = min(due, self.next_due or due)

    def _move_all(self, ids: Sequence[int], old: str, new: str) -> None:
        if ids:
            self._store.set_state_of_all(ids, new)
            self._counts.move(old, new, len(ids))

    def _move(self, job_id: int, state: str, event: str) -> None:
        new = lifecycle.step(state, event)
        self._store.set_state(job_id, new)
        self._counts.move(state, new)


def _placed(spec: Spec, number: int, first: int) -> Spec:
    """The spec of the job of this number in its request, with the ids of those in it for which it waits."""
    if not any(low < 0 for _, spans in spec.after for low, _ in spans):
        return spec
    if any(-low > number for _, spans in spec.after for low, _ in spans):
        raise BadRequest(f"job {number} of the request waits for one before the first of it")
    here = first + number
    after = tuple(
        (kind, tuple((low + here, high + here) if low < 0 else (low, high) for low, high in spans))
        for kind, spans in spec.after
    )
    return spec.but(after=after)


def _row(job_id: int, spec: Spec, text: str, shape: int, blockers: int, brought: Mapping[str, Any]) -> NewRow:
    """The row of a new job. `text`: its spec, as it is stored; `brought`: when, by whom, and by which word."""
    due = spec.at if spec.at is not None and spec.at > brought["submitted"] else None
    return NewRow(
        id=job_id,
        state=HELD if spec.hold else WAITING if blockers or due is not None else QUEUED,
        spec=text,
        shape=shape,
        priority=spec.priority,
        due=due,
        blockers=blockers,
        name=spec.name or None,
        snapshot=spec.snapshot.id if spec.snapshot else None,
        sweep=spec.task.sweep if spec.task else None,
        setting=spec.task.setting if spec.task else None,
        **brought,
    )


def needs_text(needs: Needs) -> str:
    """By which jobs are told apart that need different things."""
    return to_json(spec_json.needs_to_wire(needs))


def _ids(spans: Sequence[Range]) -> Iterator[int]:
    if sum(high - low + 1 for low, high in spans) > MAX_PARENTS:
        raise BadRequest(f"a job can wait for at most {MAX_PARENTS} others")
    for low, high in spans:
        yield from range(low, high + 1)


def _otherwise(parent: int, state: str) -> str:
    how = "was moved to another queue" if state == MOVED else f"ended as {state}"
    return f"job {parent}, for which it was to wait, {how}"
