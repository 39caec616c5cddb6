"""Jobs of all who ask at a time: under keys, and names that clients give to their jobs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, func, select

from sjs.errors import Conflict
from sjs.gateway.records import jobs, tables
from sjs.gateway.records.accepting import Asked, Outcome, accept
from sjs.gateway.records.jobs import Exists, New, Taken


def asked(body: str, count: int = 1, key: str | None = None, owner: str = "ann") -> Asked:
    return Asked([New("any", body)] * count, owner, "api", 1.0, key)


def taken(engine: Engine, *wanted: Asked) -> Sequence[Outcome]:
    with engine.begin() as connection:
        return accept(connection, wanted)


def test_all_who_ask_have_their_own(engine: Engine) -> None:
    one, two, three = taken(engine, asked("a"), asked("b", 3), asked("c", 2, key="k"))
    assert [type(each) for each in (one, two, three)] == [Taken] * 3
    ids = [(each.first, each.count, each.repeated) for each in (one, two, three) if isinstance(each, Taken)]
    with engine.connect() as connection:
        bodies = [[jobs.get(connection, first + at) for at in range(count)] for first, count, _ in ids]
    assert [[row and row.body for row in each] for each in bodies] == [["a"], ["b"] * 3, ["c"] * 2]
    assert not any(repeated for _, _, repeated in ids)


def test_a_key_is_for_one_thing_once(engine: Engine) -> None:
    """Whether the same comes with it or later."""
    (before,) = taken(engine, asked("a", key="k"))
    found = taken(
        engine,
        asked("a", key="k"),
        asked("other", key="k"),
        asked("a", key="k", owner="ben"),
        asked("b", 2, key="new"),
        asked("b", 2, key="new"),
        asked("other", key="new"),
    )
    assert isinstance(before, Taken) and found[0] == Taken(before.first, 1, repeated=True)
    assert isinstance(found[1], Conflict) and isinstance(found[5], Conflict)
    assert isinstance(found[2], Taken) and not found[2].repeated
    assert isinstance(found[3], Taken) and found[4] == Taken(found[3].first, 2, repeated=True)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.jobs)) == 4


def named(owner: str, origin: str, *names: str | None) -> Asked:
    return Asked([New("any", "{}", public=name) for name in names], owner, origin, 1.0)


def test_a_name_is_taken_once_by_each_owner_in_each_dialect(engine: Engine) -> None:
    found = taken(
        engine,
        named("ann", "jobd", "a"),
        named("ben", "jobd", "a"),
        named("ann", "other", "a"),
        named("ann", "jobd", "A", None, None),
        named("ann", "jobd", "a"),
    )
    firsts = [one.first for one in found if isinstance(one, Taken)]
    assert len(set(firsts)) == 4 and isinstance(found[4], Exists)
    (again,) = taken(engine, named("ann", "jobd", "b", "a"))
    assert isinstance(again, Exists) and "'a'" in str(again)
    with engine.connect() as connection:
        assert jobs.named(connection, "ann", "jobd", "a") == firsts[0]
        assert jobs.named(connection, "ann", "jobd", "b") is None
