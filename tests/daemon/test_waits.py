from __future__ import annotations

from sjs.daemon.manager.waits import ANY, Waiting, Waits


def test_it_is_over_when_the_last_has_done_it() -> None:
    waits = Waits()
    waits.add("end", "session", "request", [(0, 1), (5, 5)], 3, None)
    waits.happened("end", [0, 2, 5])
    waits.happened("start", [1])
    assert waits.due(0) == []
    waits.happened("end", [1])
    assert waits.due(0) == [Waiting("session", "request", True)]
    assert waits.due(0) == []


def test_it_is_over_when_its_time_is() -> None:
    waits = Waits()
    waits.add("end", "late", 1, [(0, 0)], 1, 20.0)
    waits.add("start", "early", 2, [(0, 0)], 1, 10.0)
    waits.add("end", "patient", 3, [(0, 0)], 1, None)
    assert waits.next_time() == 10.0
    assert waits.due(9.9) == []
    assert waits.due(10.0) == [Waiting("early", 2, False)]
    assert waits.next_time() == 20.0
    assert waits.due(99.0) == [Waiting("late", 1, False)]
    assert waits.next_time() is None


def test_whatever_changes_is_a_change_and_nothing_else() -> None:
    waits = Waits()
    waits.are_at(7)
    waits.add("change", "session", "request", [ANY], 1, None)
    waits.are_at(7)
    assert waits.due(0) == []
    waits.are_at(8)
    assert waits.due(0) == [Waiting("session", "request", True)]


def test_who_is_gone_is_not_answered() -> None:
    waits = Waits()
    for session in ("a", "b", "a"):
        waits.add("end", session, None, [(0, 0)], 1, None)
    waits.drop("a")
    waits.happened("end", [0])
    assert [one.session for one in waits.due(0)] == ["b"]
