"""Sweeps and tags in the records: taken as a whole or not at all, found again, forgotten with their last job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, func, select

from sjs.core.job import End
from sjs.core.lifecycle import FINAL
from sjs.errors import Conflict
from sjs.gateway.records import attempts, events, jobs, listing, retention, sweeps, tables
from sjs.gateway.records.accepting import Asked, Outcome, accept
from sjs.gateway.records.jobs import RETRY, Exists, New, Place, Taken
from sjs.gateway.records.listing import Sought, Walk, some
from sjs.gateway.records.sweeps import NewSweep


def asked(name: str, count: int = 1, key: str | None = None, owner: str = "ann") -> Asked:
    """A sweep of so many jobs."""
    new = [New("any", "{}", name, tags=(("of", name), ("odd", str(number % 2)))) for number in range(count)]
    return Asked(new, owner, "api", 1.0, key, name, NewSweep(name, "any", "[]", "{}"))


def taken(engine: Engine, *wanted: Asked) -> Sequence[Outcome]:
    with engine.begin() as connection:
        return accept(connection, wanted)


def first(outcome: Outcome) -> int:
    assert isinstance(outcome, Taken)
    return outcome.first


def get(connection: Connection, name: str, owner: str = "ann") -> Row[Any]:
    found = sweeps.get(connection, owner, name)
    assert found is not None
    return found


def test_its_jobs_are_a_span_whoever_else_comes_at_the_same_time(engine: Engine) -> None:
    """More than one statement has room for."""
    many = 2_500
    one, _, two = taken(engine, asked("one", 3), Asked([New("any", "{}")] * 5, "ann", "api", 1.0), asked("two", many))
    with engine.connect() as connection:
        assert sweeps.span(connection, "ann", "two") == (first(two), first(two) + many - 1)
        sought = Sought(name="two", span=(0, 2**40))
        found = some(connection, sought, Walk(up=True), many + 1)
        assert found.numbers == list(range(first(two), first(two) + many))
        row = get(connection, "one")
        assert (row.first, row.last, sweeps.counts(row)) == (first(one), first(one) + 2, {"queued": 3})


def test_a_name_is_taken_once_by_each_owner(engine: Engine) -> None:
    found = taken(engine, asked("a"), asked("a", 2), asked("a", owner="ben"), asked("A"))
    assert [type(one) for one in found] == [Taken, Exists, Taken, Taken]
    (again,) = taken(engine, asked("a"))
    assert isinstance(again, Exists) and "'a'" in str(again)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.jobs)) == 3  # none of those that were refused
        assert [row.name for row in sweeps.page(connection, "ann", None, 10)] == ["A", "a"]
        assert len(sweeps.page(connection, None, None, 10)) == 3 and sweeps.count(connection) == 3
        assert sweeps.span(connection, "ann", "a") != sweeps.span(connection, "ben", "a") is not None
        assert sweeps.span(connection, "cid", "a") is None


def test_the_same_under_its_key_is_the_same_sweep(engine: Engine) -> None:
    one, same, other = taken(engine, asked("a", 2, key="k"), asked("a", 2, key="k"), asked("b", key="k"))
    (later,) = taken(engine, asked("a", 2, key="k"))
    assert same == later == Taken(first(one), 2, repeated=True) and isinstance(other, Conflict)
    with engine.connect() as connection:
        assert sweeps.count(connection) == 1


def end(engine: Engine, numbers: Sequence[int], state: str = "succeeded") -> None:
    with engine.begin() as connection:
        for number in numbers:
            changed = tables.jobs.update().where(tables.jobs.c.id == number)
            connection.execute(changed.values(state=state, ended=2.0, attempt=1, target="a", number=number))


def test_it_is_counted_by_state_and_found_by_it(engine: Engine) -> None:
    start = first(taken(engine, asked("other", 2), asked("a", 9))[1])
    for place, state in enumerate(FINAL[:-1]):
        end(engine, [start + place], state)
    with engine.connect() as connection:
        row = get(connection, "a")
        assert sweeps.counts(row) == {"queued": 4, **dict.fromkeys(FINAL[:-1], 1)}
        found = sweeps.members(connection, (row.first, row.last), ["failed", "lost"])
        assert [one.id for one in found] == [start + FINAL.index("failed"), start + FINAL.index("lost")]


def test_those_that_have_ended_run_again_where_they_were(engine: Engine) -> None:
    """One that nobody has had is for all whom its word means."""
    start = first(taken(engine, asked("a", 4))[0])
    end(engine, [start, start + 1], "failed")
    with engine.begin() as connection:
        jobs.refuse(connection, [start + 2], End("refused"), 2.0)
        places = attempts.retry_some(connection, list(range(start, start + 4)), 3.0)
        assert places == [Place(start, "a", start, RETRY, 1), Place(start + 1, "a", start + 1, RETRY, 1), None]
        rows = [jobs.get(connection, number) for number in range(start, start + 4)]
        assert [(row.state, row.wish, row.ended, row.reason, row.batch) for row in rows if row] == [
            *[("queued", "retry", None, "", None)] * 2,
            *[("queued", "", None, "", None)] * 2,
        ]
        assert attempts.retry_some(connection, [start], 4.0) == []
        told = events.since(connection, 0, None, 100, ["job.retried"])
        assert [event.job for event in told] == [start, start + 1, start + 2]


def test_it_goes_with_the_last_of_its_jobs_and_its_name_is_free(engine: Engine) -> None:
    start = first(taken(engine, asked("a", 3), asked("b", 1))[0])
    end(engine, [start, start + 1, start + 2])
    with engine.begin() as connection:
        assert retention.remove_jobs(connection, [start, start + 2]) == 2
        assert sweeps.counts(get(connection, "a")) == {"succeeded": 1}
        retention.remove_jobs(connection, [start + 1])
        assert [row.name for row in sweeps.page(connection, None, None, 10)] == ["b"]
        assert connection.scalar(select(func.count()).select_from(tables.tags)) == 2  # of b's one job
    assert isinstance(taken(engine, asked("a"))[0], Taken)


def test_jobs_are_found_by_tags_and_spans_however_little_is_looked_at_at_a_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In either direction, page by page."""
    start = first(taken(engine, asked("a", 4), asked("b", 2), asked("a", 2, owner="ben"))[0])

    def found(connection: Connection, sought: Sought, looked: int, up: bool) -> list[int]:
        monkeypatch.setattr(listing, "LOOKED", looked)
        numbers: list[int] = []
        walk = Walk(up=up)
        while True:
            page = some(connection, sought, walk, 2)
            numbers += page.numbers
            if page.stop is None:
                return [number - start for number in (numbers if up else reversed(numbers))]
            walk = Walk(page.stop, up)

    odd, of_a = ("odd", "1"), ("of", "a")
    with engine.connect() as connection:
        for looked in (1, 3, 20_000):
            for up in (False, True):
                for sought, wanted in (
                    (Sought(tags=(odd,)), [1, 3, 5, 7]),
                    (Sought(tags=(odd, of_a)), [1, 3, 7]),
                    (Sought(tags=(of_a, odd), owner="ben", states=("queued",)), [7]),
                    (Sought(tags=(odd,), states=("failed",)), []),
                    (Sought(tags=(("odd", "2"),)), []),
                    (Sought(tags=(("o", "dd1"),)), []),
                    (Sought(tags=(("of", "A"),)), []),
                    (Sought(span=(start + 2, start + 5)), [2, 3, 4, 5]),
                    (Sought(span=(start + 2, start + 5), tags=(odd,), name="a"), [3]),
                ):
                    assert found(connection, sought, looked, up) == wanted, (sought, looked, up)


def test_events_are_found_by_spans(engine: Engine) -> None:
    start = first(taken(engine, asked("a", 2), asked("b", 2))[1])
    with engine.connect() as connection:
        found = events.since(connection, 0, None, 10, span=(start, start + 1))
        assert [event.job for event in found] == [start, start + 1]
        assert events.since(connection, found[0].seq, "ann", 10, ["job.accepted"], span=(start, start + 9)) == found[1:]
        assert events.since(connection, 0, "ben", 10, span=(start, start + 1)) == []


def test_numbers_are_kept_of_the_attempt_that_has_printed_them(engine: Engine) -> None:
    start = first(taken(engine, asked("a", 2))[0])
    end(engine, [start, start + 1])
    said = {"loss": 0.1, "n": 3, "bad": float("inf")}
    with engine.begin() as connection:
        sweeps.keep(connection, {start: (1, said), start + 1: (2, {"old": 1}), 10**9: (1, {})})
        sweeps.keep(connection, {start: (1, said)})
        one, two = sweeps.tried(connection, (start, start + 1))
        assert json.loads(one.found) == {**said, "bad": "inf"} and two.found is None


@pytest.mark.parametrize("value", ["x" * 100_000, "é☃", "a=b", "", "A"])
def test_any_text_can_be_the_value_of_a_tag(engine: Engine, value: str) -> None:
    (one,) = taken(engine, Asked([New("any", "{}", tags=(("k", value), ("k2", value)))], "ann", "api", 1.0))
    with engine.connect() as connection:
        assert some(connection, Sought(tags=(("k", value),)), Walk(), 9).numbers == [first(one)]
        assert some(connection, Sought(tags=(("k", value + " "),)), Walk(), 9).numbers == []
