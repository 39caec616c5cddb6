from __future__ import annotations

from sjs.daemon.queue.counts import Counts
from tests.daemon import queues


def test_counts_outlive_their_manager_with_the_commit() -> None:
    queue = queues.make()
    queue.submit("a", "b")
    assert Counts(queue.store)["queued"] == 0
    queue.ledger.commit()
    assert Counts(queue.store)["queued"] == 2


def test_what_is_not_to_be_believed_is_counted_again() -> None:
    queue = queues.make()
    queue.submit("a", "b")
    queue.ask("cancel", jobs=[[0, 0]])
    counts = Counts(queue.store)
    counts["lost"] = 7
    counts.count_again(queue.store)
    assert {state: count for state, count in counts.items() if count} == {"queued": 1, "cancelled": 1}
