"""The front of the queue, beside a plain sort of all that is queued."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.core.job import Spec
from sjs.core.needs import Needs
from sjs.daemon.queue.heads import AHEAD
from tests.daemon import queues

JOBS = st.lists(st.tuples(st.integers(-1, 1), st.sampled_from([1, 2, 3])), min_size=1, max_size=2 * AHEAD)


@settings(max_examples=30, deadline=None)
@given(st.lists(JOBS, min_size=1, max_size=4), st.integers(1, 5))
def test_the_queue_is_read_by_priority_and_then_by_age(batches: list[list[tuple[int, int]]], starts: int) -> None:
    queue = queues.make(slots=10_000)
    model: list[tuple[int, int]] = []
    for batch in batches:
        specs = [Spec("a", priority=priority, needs=Needs(slots=slots)) for priority, slots in batch]
        first, _, _ = queue.ledger.submit(None, specs, 1.0)
        model += [(-priority, first + number) for number, (priority, _) in enumerate(batch)]
        for _ in range(starts):
            seen = queue.ledger.first(10_000)
            assert [job.id for job in seen] == [number for _, number in sorted(model)]
            if seen:
                queue.ledger.begin(seen[0], 0)
                model.remove(min(model))
