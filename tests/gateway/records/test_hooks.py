"""What hooks are to be told, on each database."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from sjs.gateway.records import hooks
from sjs.gateway.records.events import tell
from sjs.gateway.records.hooks import Delivery, Hook


def made(connection: Connection, owner: str = "ann", everybody: bool = False) -> Hook:
    return hooks.add(connection, owner, "https://b/", "00", ["job.ended"], everybody, 1.0)


def happen(connection: Connection, count: int, owner: str = "ann", kind: str = "job.ended") -> None:
    tell(connection, kind, 1.0, [(1, owner, {})] * count)


def all_waiting(connection: Connection, hook: Hook) -> list[int]:
    found = []
    while (one := hooks.following(connection, hook.id, 3)) is not None:
        found.append(one.event)
        hooks.delivered(connection, one.id)
    return found


def head(connection: Connection, hook: Hook) -> Delivery:
    one = hooks.following(connection, hook.id, 3)
    assert one is not None
    return one


def test_each_is_told_of_what_it_wants_to_hear_once(engine: Engine) -> None:
    with engine.begin() as connection:
        happen(connection, 3)
        ann, everybody = made(connection), made(connection, everybody=True)
        happen(connection, hooks.AT_ONCE + 1)
        happen(connection, 2, "bob")
        happen(connection, 2, kind="job.running")
        assert hooks.spread(connection, 1.0)
        while hooks.spread(connection, 1.0):
            pass
        ones, others = all_waiting(connection, ann), all_waiting(connection, everybody)
        assert len(ones) == hooks.AT_ONCE + 1 and ones == sorted(ones)
        assert len(others) == len(ones) + 2 and others == sorted(others)
        assert not hooks.spread(connection, 2.0) and hooks.counts(connection, ann.id) == (0, 0)


def test_what_fails_keeps_its_place_for_a_while(engine: Engine) -> None:
    with engine.begin() as connection:
        hook = made(connection)
        happen(connection, 2)
        hooks.spread(connection, 1.0)
        first = head(connection, hook)
        for tries in range(3):
            one = head(connection, hook)
            assert (one.event, one.tries) == (first.event, tries)
            hooks.failed(connection, one, 50.0 + tries, "no")
        second = head(connection, hook)
        assert second.event > first.event
        hooks.failed(connection, second, 90.0, "no")
        assert head(connection, hook).event == first.event


def test_who_has_ended_is_told_nothing_and_no_more_is_kept_than_so_much(engine: Engine) -> None:
    with engine.begin() as connection:
        hook = made(connection)
        for _ in range(hooks.MOST_DEAD // 200 + 2):
            happen(connection, 200)
        while hooks.spread(connection, 1.0):
            pass
        hooks.end(connection, hook.id, "gone")
        assert hooks.counts(connection, hook.id) == (0, hooks.MOST_DEAD)
        assert hooks.following(connection, hook.id, 3) is None
        page = hooks.dead(connection, hook.id, 0, 10)
        assert len(page) == 10 and {one.why for one in page} == {"gone"}
        happen(connection, 1)
        hooks.spread(connection, 1.0)
        hooks.begin(connection, hook.id)
        hooks.spread(connection, 1.0)
        assert hooks.counts(connection, hook.id) == (0, hooks.MOST_DEAD)
        assert hooks.again(connection, hook.id, page[0].id, 5.0) == 1
        assert (head(connection, hook).tries, head(connection, hook).due) == (0, 5.0)
        hooks.remove(connection, hook.id)
        assert hooks.get(connection, hook.id) is None and hooks.counts(connection, hook.id) == (0, 0)
