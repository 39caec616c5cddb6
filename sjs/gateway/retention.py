"""Removes what is older, or more, than is to be kept: now and then, a little at a time, so that who writes waits for no
more than a little."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine

from sjs.errors import SjsError
from sjs.gateway.artifacts.lending import Lending
from sjs.gateway.records import retention
from sjs.gateway.records.retention import PAGE, Keep, Look, Old, Total
from sjs.gateway.records.stages.pipelines import remove_closed
from sjs.gateway.records.writer import Work, Writer
from sjs.values import dataclass

T = TypeVar("T")

LOG = logging.getLogger("sjs.gateway")

EVERY = 3_600.0
"""Seconds between two rounds."""

PATIENCE = 10.0
"""Seconds for which who closes waits for a store that does not answer."""

DAY = 86_400.0


@dataclass
class Surplus:
    """What is to go, from the oldest on: what counts from before a moment, and so many more, and so many bytes more."""

    before: float
    count: int = 0
    size: int = 0

    def takes(self, one: Old) -> bool:
        """Whether it goes."""
        if not one.is_free or not self._is_left(one.since):
            return False
        self.count -= 1
        self.size -= one.size
        return True

    def goes_beyond(self, one: Old) -> bool:
        """Whether anything may go that was made later."""
        return self._is_left(one.made)

    def _is_left(self, moment: float) -> bool:
        return moment < self.before or self.count > 0 or self.size > 0


@dataclass(frozen=True)
class Kind:
    """Things that go by themselves: their limits, how they are found, how those go that are to."""

    name: str
    days: float
    most: int
    most_bytes: int
    look: Look
    total: Total
    remove: Callable[[Sequence[Old]], int]


class Retention:
    """A thread of its own, from its start until it is closed. Who dies in between leaves nothing that the next round
    does not find: of what is in the store first the bytes go, then the row."""

    def __init__(self, keep: Keep, engine: Engine, write: Writer, store: Lending) -> None:
        self._keep = keep
        self._engine = engine
        self._write = write
        self._store = store
        self._kinds = [
            Kind(
                "artifacts",
                *(keep.artifact_days, keep.artifacts, keep.artifact_bytes),
                *(retention.old_artifacts, retention.all_artifacts, self._remove_artifacts),
            ),
            Kind(
                "outputs",
                *(keep.output_days, 0, keep.output_bytes),
                *(retention.old_outputs, retention.all_outputs, self._empty_outputs),
            ),
            Kind("steps", keep.step_days, keep.steps, 0, retention.old_steps, retention.all_steps, self._remove_steps),
            Kind("jobs", keep.days, keep.jobs, 0, retention.old_jobs, retention.ended_jobs, self._remove_jobs),
        ]
        self._closed = threading.Event()
        self._tidied = 0.0
        self._thread = threading.Thread(target=self._serve, name="sjs retention", daemon=True)

    def start(self) -> None:
        """Go through all now, and then again and again."""
        self._thread.start()

    def close(self) -> None:
        """Finish what is being removed, and remove no more."""
        self._closed.set()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        while not self._closed.is_set():
            for work in (self.tidy, self.complete, self.round):
                try:
                    work(time.time())
                except SjsError as error:
                    LOG.warning("what is old stays for now: %s", error)
                except Exception:
                    LOG.exception("what is old stays for now")
            self._closed.wait(EVERY)

    def tidy(self, now: float) -> None:
        """Once a day, remove what killed processes have left in the store."""
        if now - self._tidied > DAY:
            self._tidied = now
            count = self._store.tidy(now)
            if count:
                LOG.info("%d files that were never whole were removed from the store", count)

    def complete(self, now: float) -> None:
        """Remove what is left of pipelines that were deleted: whoever did so, it may have died at it."""
        while not self._closed.is_set() and self._write(remove_closed):
            pass

    def round(self, now: float) -> Mapping[str, int]:
        """Go through all; how many went, or would, by their kind."""
        keep = self._keep
        gone = {kind.name: self._thin_out(kind, now) for kind in self._kinds}
        gone["events"] = self._forget_events(_before(now, keep.event_days), keep.events)
        gone["keys"] = self._forget_keys(_before(now, keep.key_days), keep.keys)
        told = ", ".join(f"{count} {name}" for name, count in gone.items() if count)
        if told:
            LOG.info("what is to be kept no longer %s: %s", "would go" if keep.dry else "has gone", told)
        return gone

    def _thin_out(self, kind: Kind, now: float) -> int:
        count, size = self._ask(kind.total) if kind.most or kind.most_bytes else (0, 0)
        surplus = Surplus(
            _before(now, kind.days),
            count - kind.most if kind.most else 0,
            size - kind.most_bytes if kind.most_bytes else 0,
        )
        gone = after = 0
        while not self._closed.is_set():
            with self._engine.connect() as connection:
                page = kind.look(connection, after)
            old = [one for one in page if surplus.takes(one)]
            if old:
                gone += len(old) if self._keep.dry else kind.remove(old)
            if not page or not surplus.goes_beyond(page[-1]):
                break
            after = page[-1].id
        return gone

    def _remove_artifacts(self, old: Sequence[Old]) -> int:
        closed = [one for one in old if not self._store.is_open(one.place)]
        self._store.delete([one.place for one in closed])
        numbers = [one.id for one in closed]
        return self._write(lambda connection: retention.remove_artifacts(connection, numbers))

    def _empty_outputs(self, old: Sequence[Old]) -> int:
        why = "what it had printed was kept for its time, and removed"
        return self._write(lambda connection: retention.empty_outputs(connection, [one.id for one in old], why))

    def _remove_steps(self, old: Sequence[Old]) -> int:
        return self._write(lambda connection: retention.remove_steps(connection, [one.id for one in old]))

    def _remove_jobs(self, old: Sequence[Old]) -> int:
        kept = self._ask(lambda connection: retention.places(connection, [one.id for one in old]))
        busy = {job for job, place in kept if self._store.is_open(place)}
        self._store.delete([place for job, place in kept if job not in busy])
        numbers = [one.id for one in old if one.id not in busy]
        return self._write(lambda connection: retention.remove_jobs(connection, numbers))

    def _forget_events(self, before: float, most: int) -> int:
        first, last = self._ask(lambda connection: retention.event_span(connection, before, most))
        if last < first or self._keep.dry:
            return max(0, last - first + 1)
        return self._sum(
            partial(retention.remove_events, upto=min(edge, last))
            for edge in range(first + PAGE - 1, last + PAGE, PAGE)
        )

    def _forget_keys(self, before: float, most: int) -> int:
        if most:
            before = max(before, self._ask(partial(retention.oldest_key, most=most)))
        count = self._ask(lambda connection: retention.count_keys(connection, before))
        if self._keep.dry:
            return count
        return self._sum(partial(retention.remove_keys, before=before) for _ in range(0, count, PAGE))

    def _sum(self, works: Iterable[Work[int]]) -> int:
        """Do one after the other, until it is closed."""
        return sum(self._write(work) for work in works if not self._closed.is_set())

    def _ask(self, question: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return question(connection)


def _before(now: float, days: float) -> float:
    return now - days * DAY if days else 0.0
