"""Rows on a real disk: who may open them, what is durable, what a page holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sjs.core.job import End, Spec
from sjs.core.lifecycle import FINAL, LIVE, STATES
from sjs.daemon.queue.database import Busy, Damaged, version_of
from sjs.daemon.queue.rows import UNREADABLE, NewRow, Ran
from sjs.daemon.queue.schema import MIGRATIONS
from sjs.daemon.queue.store import Store
from sjs.errors import SjsError
from tests.daemon.queues import make

SPEC = '{"command":"true"}'


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.db")


def rows(first: int, count: int) -> list[NewRow]:
    """Jobs that wait for nothing."""
    return [NewRow(number, "queued", SPEC, 1.0, 0, 0, None, 0, None) for number in range(first, first + count)]


def filled(path: str = ":memory:", count: int = 6) -> Store:
    """Jobs 0, 1, …, whose states go round."""
    store = Store(path)
    store.add(rows(0, count))
    for number in range(count):
        store.set_state(number, STATES[number % len(STATES)])
    return store


def ids(store: Store, *states: str, span: tuple[int, int] = (0, 99), newest: bool = False) -> list[int]:
    return [job.id for job in store.page(span, states, newest)]


def test_ids_count_from_zero_and_are_never_given_twice(path: str) -> None:
    store = Store(path)
    assert store.next_id() == 0
    store.add(rows(0, 1))
    assert store.next_id() == 1
    store._db.execute("DELETE FROM jobs")
    store.close()
    assert Store(path).next_id() == 1


def test_what_is_committed_is_there_after_a_kill(path: str, tmp_path: Path) -> None:
    store = Store(path)
    store.add(rows(0, 1))
    store.commit()
    store.add(rows(1, 1))
    for name in ("jobs.db", "jobs.db-wal"):  # what a kill would leave
        (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    copy = Store(str(tmp_path / "copy-jobs.db"))
    assert ids(copy) == [0]
    assert [row[0] for row in store._db.execute("PRAGMA synchronous")] == [2]  # FULL


def test_is_changed_until_commit(path: str) -> None:
    store = Store(path)
    store.commit()  # the schema
    assert not store.is_changed
    store.set_meta("a", "1")
    assert store.is_changed
    store.commit()
    assert not store.is_changed


def test_a_second_opener_is_refused(path: str) -> None:
    first = Store(path)
    with pytest.raises(Busy):
        Store(path)
    first.close()
    Store(path).close()


def test_a_newer_schema_is_refused_and_left_alone(path: str) -> None:
    Store(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    before = Path(path).read_bytes()
    with pytest.raises(SjsError, match="newer sjs"):
        Store(path)
    assert Path(path).read_bytes() == before


def schema_of(path: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    try:
        return [*database.execute("PRAGMA user_version"), *database.execute("SELECT name FROM sqlite_master")]
    finally:
        database.close()


def test_a_migration_is_durable_with_the_first_commit_and_not_before(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(path)
    store.add(rows(0, 1))
    store.close()
    before = schema_of(path)
    monkeypatch.setattr(
        "sjs.daemon.queue.schema.MIGRATIONS", (*MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN colour TEXT",))
    )
    store = Store(path)
    store._db.execute("UPDATE jobs SET colour = 'red'")
    store._db.close()  # as a kill does
    assert schema_of(path) == before
    store = Store(path)
    assert ids(store) == [0]
    store.commit()
    assert version_of(path) == len(MIGRATIONS) + 1  # told by the file itself, while it is open elsewhere
    store.close()
    assert schema_of(path)[0] == (len(MIGRATIONS) + 1,)


def test_where_there_is_no_database_its_version_is_0(path: str) -> None:
    assert version_of(path) == 0


@pytest.mark.parametrize("garbage", [b"this is no database, but it is long enough for one" * 20])
def test_what_is_no_database_is_refused_in_words(path: str, garbage: bytes) -> None:
    Path(path).write_bytes(garbage)
    with pytest.raises(Damaged, match="file is not a database"):
        Store(path)
    assert Path(path).read_bytes() == garbage


def test_in_an_older_copy_nothing_that_may_have_started_since_waits_any_more() -> None:
    """However it waited: it may have been released, its time or its parents' ends may have come."""
    queue = make()
    bodies: list[dict[str, Any]] = [{}, {"at": 9e9}, {"hold": True}, {"after": [["any", [[-3, -3]]]]}, {}]
    queue.ask("submit", jobs=[{"command": "true", **body} for body in bodies])
    assert [queue.job(number).state for number in range(5)] == ["queued", "waiting", "held", "waiting", "queued"]
    queue.store.commit()
    assert queue.store.rewind(4, {1: 3}, 10_000) == 4
    found = [(queue.job(number).state, queue.job(number).attempt) for number in range(5)]
    assert found == [("running", 1), ("running", 3), ("running", 1), ("running", 1), ("queued", 0)]
    assert (queue.store.due(1e10, 9), queue.store.next_due(), queue.store.next_id()) == ([], None, 10_000)


def test_meta() -> None:
    store = Store(":memory:")
    assert store.meta("a") is None
    store.set_meta("a", "1")
    store.set_meta("a", "2")
    assert store.meta("a") == "2"


def test_submits_are_remembered() -> None:
    store = Store(":memory:")
    assert store.submit("k") is None
    store.remember_submit("k", "digest", 4, 2, 1.0)
    assert store.submit("k") == ("digest", 4, 2)


def test_a_job_comes_back_as_it_was_left() -> None:
    store = filled(count=1)
    store.set_start(0, "starting", 1, 3, '[["0",500]]')
    store.set_started(0, "running", Ran(77, 2.0, 3))
    store.set_grace(0, 5.0, "why")
    assert [tuple(row) for row in store.live()] == [
        (0, "running", 1, 3, 5.0, Spec("true"), '[["0",500]]', None, 0, "why", 1.0, "")
    ]
    store.set_end(0, "failed", End("signal", None, 9, "why"), 3.0, {"seconds": 1})
    job = store.job(0)
    assert job is not None
    assert (job.usage, job.gpus) == ({"seconds": 1}, (("0", 500),))
    assert (job.pid, job.started, job.ended, job.end) == (77, 2.0, 3.0, End("signal", None, 9, "why"))
    assert (store.live(), store.job(1)) == ([], None)


def test_page() -> None:
    each = len(STATES)
    store = filled(count=2 * each)
    assert ids(store) == list(range(2 * each))
    assert ids(store, span=(3, 5)) == [3, 4, 5]
    assert ids(store, newest=True) == list(range(2 * each - 1, -1, -1))
    assert ids(store, "queued") == [2, 2 + each]
    ended = each - len(FINAL)
    assert ids(store, *FINAL) == [*range(ended, each), *range(ended + each, 2 * each)]
    assert ids(store, *FINAL, newest=True, span=(each - 2, each + ended)) == [each + ended, each - 1, each - 2]


def test_a_page_of_several_states_reads_no_more_than_is_taken() -> None:
    """A sort of all matching rows would come before the first; steps of the database's machine tell."""
    store = Store(":memory:")
    store.add(rows(0, 50_000))
    steps: list[int] = []
    store._db.set_progress_handler(lambda: steps.append(1), 1000)
    pages = store.page((0, 99_999), ["lost", "queued"])
    assert [next(pages).id for _ in range(3)] == [0, 1, 2]
    assert len(steps) < 3


def test_queued_and_count() -> None:
    each = len(STATES)
    store = filled(count=2 * each)
    first = STATES.index("queued")
    assert [job.id for job in store.queued(0, 1)] == [first]
    assert store.ids_in(["queued"], [(first + 1, 2 * each)], 9) == [(first + each, "queued")]
    assert store.ids_in(["queued"], [(0, 2 * each)], 1) == [(first, "queued")]
    assert [store.count((0, 2 * each), state) for state in STATES] == [2] * each
    assert store.count((0, each - 1), "queued") == 1


def test_many_get_the_same_end() -> None:
    store = filled(count=3)
    store.set_states([0, 2], "cancelled", "cancelled", 5.0)
    found = [store.job(number) for number in (0, 2)]
    assert [(job.state, job.ended, job.end) for job in found if job] == [("cancelled", 5.0, End("cancelled"))] * 2


BROKEN: dict[str, list[str | bytes]] = {
    "spec": ["", "{", "5", '{"command": 5}', b"\xff\xfe", "\ud83d".encode("utf-8", "surrogatepass")],
    "submitted": ["soon"],
    "attempt": ["many"],
    "pid": ["p"],
}


@pytest.mark.parametrize(
    ("column", "value"), [(column, value) for column, values in BROKEN.items() for value in values]
)
def test_a_row_that_cannot_be_read_is_a_job_that_says_so(column: str, value: object) -> None:
    store = filled(count=2)
    store._db.execute(f"UPDATE jobs SET {column} = CAST(? AS TEXT) WHERE id = 0", (value,))
    broken, whole = store.page((0, 1), [])
    assert (broken.id, broken.spec is UNREADABLE) == (0, True)
    assert broken.end is not None
    assert broken.end.detail.startswith("its record cannot be read: ")
    assert whole.spec.command == "true"
    store.close()


def test_a_live_row_with_nonsense_in_it_is_a_live_row() -> None:
    store = filled(count=len(STATES))
    store._db.execute("UPDATE jobs SET attempt = 'x', slot = 'y', grace = 'z', spec = '{', retried = 'r'")
    assert [tuple(row) for row in store.live()] == [
        (STATES.index(state), state, 0, -1, None, UNREADABLE, None, None, 0, None, 1.0, "") for state in sorted(LIVE)
    ]
    store.close()


@pytest.mark.parametrize("state", ["", "a", "queueD", "queued ", "zzz", b"queued", "\u20ac"])
def test_states_that_there_are_not_are_found(state: object) -> None:
    store = filled(count=20)
    assert store.strange_ids() == []
    store._db.execute("UPDATE jobs SET state = ? WHERE id IN (3, 11)", (state,))
    assert store.strange_ids() == [3, 11]
    plans = store._db.execute("EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE state > 'a' AND state < 'b'").fetchall()
    assert "SEARCH" in plans[0][3]
    store.close()
