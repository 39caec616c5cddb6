"""Jobs that wait: for others, for a time, for a person."""

from __future__ import annotations

import pytest

from sjs.core.job import Retry, Spec
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.pending import PIECE
from sjs.errors import BadRequest, UnknownJob
from tests.daemon import queues
from tests.daemon.queues import NOW, Queue


def child(*parents: int, kind: str = "ok") -> Spec:
    return Spec("c", after=((kind, tuple((one, one) for one in parents)),))


def states(queue: Queue) -> list[str]:
    return [queue.job(number).state for number in range(queue.ledger.next_id)]


def work(queue: Queue) -> int:
    """Turns until nobody has to be told any more."""
    turns = 0
    while turns == 0 or queue.ledger.pending.has_more:
        queue.ledger.work(NOW.wall)
        turns += 1
    return turns


def back(*spans: tuple[int, int], kind: str = "ok") -> Spec:
    return Spec("c", after=((kind, spans),))


def test_jobs_wait_for_others_of_their_request_by_counting_back(queue: Queue) -> None:
    queue.submit("other")
    queue.ledger.submit("k", [Spec("a"), Spec("b"), back((-2, -1)), back((-3, -3), (0, 0), (-1, -1))], 1.0)
    assert queue.job(3).spec.after == (("ok", ((1, 2),)),)
    assert queue.job(4).spec.after == (("ok", ((1, 1), (0, 0), (3, 3))),)
    assert states(queue) == ["queued", "queued", "queued", "waiting", "waiting"]
    for tag in queue.start_all():
        queue.end(tag)
    queue.end(*queue.start_all())
    work(queue)
    assert queue.start_all() == ["3.1"]
    queue.end("3.1")
    work(queue)
    assert queue.start_all() == ["4.1"]
    again = [Spec("a"), Spec("b"), back((-2, -1)), back((-3, -3), (0, 0), (-1, -1))]
    assert queue.ledger.submit("k", again, 1.0) == (1, 4, True)


def test_who_waits_in_vain_is_cancelled_with_all_of_the_request_that_wait_for_it(queue: Queue) -> None:
    queue.submit("a")
    queue.ask("cancel", jobs=[[0, 0]])
    queue.ledger.submit(None, [child(0), back((-1, -1)), back((-1, -1), kind="notok")], 1.0)
    assert states(queue) == ["cancelled", "cancelled", "cancelled", "queued"]


@pytest.mark.parametrize("wrong", [[Spec("a"), child(9)], [Spec("a"), back((-3, -3))], [back((-2, -1))]])
def test_a_request_that_is_refused_leaves_nothing(queue: Queue, wrong: list[Spec]) -> None:
    queue.submit("a")
    with pytest.raises((UnknownJob, BadRequest)):
        queue.ledger.submit(None, [child(0), *wrong], 1.0)
    assert (queue.ledger.counts["queued"], queue.ledger.counts["waiting"]) == (1, 0)
    assert not queue.store.has_blockings()
    assert queue.submit("b") == [1]


@pytest.mark.parametrize(
    ("kind", "exit_", "state"),
    [
        ("ok", 0, "queued"),
        ("ok", 1, "cancelled"),
        ("notok", 0, "cancelled"),
        ("notok", 1, "queued"),
        ("any", 0, "queued"),
        ("any", 1, "queued"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_child_goes_by_how_its_parent_ended(queue: Queue, kind: str, exit_: int, state: str, late: bool) -> None:
    queue.submit("a")
    if not late:
        queue.ledger.submit(None, [child(0, kind=kind)], 1.0)
        assert states(queue)[1] == "waiting"
    queue.start_all()
    queue.end("0.1", exit=exit_)
    if late:
        queue.ledger.submit(None, [child(0, kind=kind)], 1.0)
    work(queue)
    assert states(queue)[1] == state
    end = queue.job(1).end
    assert (end.reason if end else None) == ("dependency" if state == "cancelled" else None)
    assert end is None or end.detail.startswith("job 0, for which it was to wait, ended as ")


def test_what_depends_on_who_was_cancelled_for_it_is_cancelled_too(queue: Queue) -> None:
    queue.submit("a")
    for parent in range(3):
        queue.ledger.submit(None, [child(parent)], 1.0)
    queue.start_all()
    queue.end("0.1", exit=1)
    work(queue)
    assert states(queue) == ["failed", "cancelled", "cancelled", "cancelled"]
    assert queue.ledger.counts["cancelled"] == 3


def test_unknown_parents_and_cycles_are_refused(queue: Queue) -> None:
    queue.submit("a")
    for parent in (1, 7):  # 1 would be itself
        with pytest.raises(UnknownJob, match=f"no job {parent} in this queue that another could wait for"):
            queue.ledger.submit(None, [child(0, parent)], 1.0)


def test_a_diamond_of_a_thousand_ends_in_order() -> None:
    queue = queues.make(slots=50)
    width = PIECE - 2
    queue.submit("first")
    queue.ledger.submit(None, [child(0)] * width, 1.0)
    queue.ledger.submit(None, [Spec("last", after=(("ok", ((1, width),)),))], 1.0)
    order: list[int] = []
    while tags := queue.start_all():
        for tag in tags:
            queue.end(tag)
            order.append(int(tag.split(".")[0]))
        work(queue)
    assert order == list(range(width + 2))
    assert queue.ledger.counts["succeeded"] == PIECE


def test_many_children_are_told_in_pieces_and_the_next_manager_goes_on() -> None:
    queue = queues.make()
    queue.submit("a")
    queue.ledger.submit(None, [child(0)] * PIECE, 1.0)
    queue.ledger.submit(None, [child(0)] * 5, 1.0)
    queue.start_all()
    queue.end("0.1")
    queue.ledger.work(NOW.wall)
    assert queue.ledger.pending.has_more
    queue.ledger.commit()
    heir = queue._replace(ledger=Ledger(queue.store))
    assert heir.ledger.pending.has_more
    work(heir)
    assert heir.ledger.counts["queued"] == PIECE + 5
    heir.ledger.commit()
    assert not Ledger(queue.store).pending.has_more


def test_a_time_comes(queue: Queue) -> None:
    queue.ledger.submit(None, [Spec("a", at=NOW.wall + 5), Spec("b", at=NOW.wall - 5)], NOW.wall)
    assert (states(queue), queue.ledger.pending.next_due) == (["waiting", "queued"], NOW.wall + 5)
    queue.ledger.work(NOW.wall + 5)
    assert (states(queue)[0], queue.ledger.pending.next_due) == ("queued", None)


def test_a_job_is_tried_again_as_often_as_it_may_be_and_later_each_time(queue: Queue) -> None:
    queue.ledger.submit(None, [Spec("a", retry=Retry(2, delay=10, factor=2))], NOW.wall)
    for attempt, delay in ((1, 10), (2, 20)):
        assert queue.start_all() == [f"0.{attempt}"]
        queue.end(f"0.{attempt}", exit=3)
        assert (states(queue), queue.ledger.pending.next_due) == (["waiting"], NOW.wall + delay)
        queue.ledger.work(NOW.wall + delay)
    assert queue.start_all() == ["0.3"]
    queue.end("0.3", exit=3)
    assert states(queue) == ["failed"]
    assert [one["attempt"] for one in queue.store.attempts(0)] == [1, 2]
