"""What a queue knows of how its last jobs ended."""

from __future__ import annotations

from typing import Any

from sjs.core.health import LAST
from sjs.core.job import Spec
from sjs.daemon.queue.ledger import Ledger
from tests.daemon.queues import NOW, Queue, make


def run(queue: Queue, seconds: float = 0.1, via: str | None = "any", **end: Any) -> None:
    """A job of a command of its own comes, starts and ends."""
    queue.ledger.submit(None, [Spec("x")], NOW.wall + queue.ledger.next_id, via=via or "")
    (tag,) = queue.start_all()
    queue.ledger.on_started(tag, 5, 1.0)
    queue.end(tag, usage={"seconds": seconds}, **end)


def seen(queue: Queue) -> tuple[int, int, int, int]:
    found = queue.ask("report")["health"]
    return found["ends"], found["faults"], found["of_machine"], found["commands"]


def test_a_report_tells_how_the_last_jobs_ended_and_undrain_forgets_it() -> None:
    queue = make(1)
    run(queue)
    run(queue, exit=1)
    run(queue, exit=1, via=None)
    run(queue, exit=1, seconds=60.0)
    run(queue, exit=127, via=None)
    assert seen(queue) == (4, 2, 1, 2)
    for _ in range(LAST):
        run(queue, exit=127)
    assert seen(queue) == (LAST, LAST, LAST, LAST)
    queue.ledger.commit()
    successor = Ledger(queue.store)
    assert successor.endings.health == queue.ledger.endings.health
    assert (successor.endings.health.faults, successor.endings.health.why) == (LAST, "exit 127")
    successor.drain(True)
    assert successor.endings.health.faults == LAST
    successor.drain(False)
    assert Ledger(queue.store).endings.health.ends == 0


def test_good_ends_are_not_written_down_until_there_is_a_bad_one() -> None:
    queue = make(1)
    run(queue)
    assert queue.store.meta("endings") is None
    run(queue, exit=126)
    assert queue.store.meta("endings") is not None
    for _ in range(LAST):
        run(queue)
    assert seen(queue) == (LAST, 0, 0, 0)
    kept = queue.store.meta("endings")
    run(queue)
    assert queue.store.meta("endings") == kept


def test_an_end_of_a_job_that_never_had_a_slot_says_nothing() -> None:
    queue = make(1)
    queue.submit("x")
    queue.ask("cancel")
    run(queue, reason="host-lost", exit=None)
    assert seen(queue) == (0, 0, 0, 0)
