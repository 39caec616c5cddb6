"""The front of the queue, beside a plain sort of all that is queued."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.core.job import Spec
from sjs.core.needs import Needs
from sjs.daemon.queue.heads import AHEAD, ALL_AHEAD
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


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 1), st.booleans()), min_size=1, max_size=3 * AHEAD), st.integers(1, AHEAD))
def test_who_has_waited_comes_in_at_its_own_place(jobs: list[tuple[int, bool]], seen: int) -> None:
    queue = queues.make(slots=10_000)
    queue.ledger.submit(None, [Spec("a", priority=priority, at=9.0 if late else None) for priority, late in jobs], 1.0)
    queue.ledger.first(seen)
    queue.ledger.work(10.0)
    model = sorted((-priority, number) for number, (priority, _) in enumerate(jobs))
    assert [job.id for job in queue.ledger.first(10_000)] == [number for _, number in model]


def test_who_comes_in_behind_what_was_read_has_nothing_read_again() -> None:
    queue = queues.make()
    queue.ledger.submit(None, [Spec("a")] * AHEAD + [Spec("a", at=9.0), Spec("a", at=99.0, priority=1)], 1.0)
    assert [job.id for job in queue.ledger.first(2)] == [0, 1]
    reads: list[str] = []
    queue.store._db.set_trace_callback(lambda text: reads.append(text) if "INDEXED BY queue" in text else None)
    queue.ledger.work(10.0)
    assert ([job.id for job in queue.ledger.first(2)], reads) == ([0, 1], [])
    queue.ledger.work(100.0)
    assert ([job.id for job in queue.ledger.first(2)], len(reads)) == ([AHEAD + 1, 0], 1)


def test_of_many_shapes_few_jobs_each_are_read_ahead() -> None:
    queue = queues.make(slots=2)
    for _ in range(4):
        queue.ledger.submit(None, [Spec("a", needs=Needs(mem=number)) for number in range(ALL_AHEAD)], 1.0)
    heads = queue.ledger._heads
    assert [job.id for job in queue.ledger.first(100)] == list(range(100))
    assert sum(len(read.jobs) for read in heads._shapes.values() if read is not None) < ALL_AHEAD + 101
    assert len(list(heads.first(2))) == 2 * ALL_AHEAD
    assert sum(len(read.jobs) for read in heads._shapes.values() if read is not None) == 2 * ALL_AHEAD
