"""What is old, or too much, goes; what is not over yet stays. On each database, with a store in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select

from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.artifacts.lending import Lending
from sjs.gateway.artifacts.store import NoArtifact, key_of, uuid_of
from sjs.gateway.records import outputs, tables
from sjs.gateway.records.outputs import Printed
from sjs.gateway.records.owning import Pooled
from sjs.gateway.records.retention import PAGE, REMOVED, Keep, Old
from sjs.gateway.records.stages import looking, pipelines
from sjs.gateway.records.stages.values import Stage
from sjs.gateway.records.writer import Writer
from sjs.gateway.retention import DAY, Retention, Surplus
from tests.gateway.records.stages.asking import Asking
from tests.live.machine import until

NOW = 1_000 * DAY
FOR_EVER = Keep(days=0, jobs=0, output_bytes=0, event_days=0, events=0, step_days=0, steps=0, key_days=0)


class Kept:
    """Records and a store, and whoever removes what is old, when he is told to."""

    def __init__(self, engine: Engine, store: Lending, write: Writer) -> None:
        self.engine = engine
        self.store = store
        self.write = write

    def job(self, ended: float | None, kept: str = "", state: str = "succeeded", **more: Any) -> int:
        """One that was made a day before its end, so many days after the beginning of all."""
        made = (NOW if ended is None else ended * DAY) - DAY
        row = {"owner": "ann", "origin": "api", "word": "any", "body": "{}", "created": made, "kept": kept}
        row |= {"state": state, "ended": None if ended is None else ended * DAY, **more}
        return self.write(
            lambda connection: int(connection.scalar(insert(tables.jobs).returning(tables.jobs.c.id), row))
        )

    def artifact(self, job: int, name: str, data: bytes = b"x") -> str:
        """Its key."""
        key = key_of(job, 1, name)
        stored = self.store.put(key, [data], "text/plain", len(data))
        row = {"job": job, "attempt": 1, "name": name, "mime": "text/plain", **vars(stored), "place": key}
        with self.engine.connect() as connection:
            made = connection.execute(select(tables.jobs.c.created).where(tables.jobs.c.id == job)).scalar_one()
        row |= {"uuid": uuid_of(job, 1, name), "created": made + DAY}
        self.write(lambda connection: connection.execute(insert(tables.artifacts), row))
        return key

    def round(self, **keep: Any) -> dict[str, int]:
        """What went."""
        gone = Retention(Keep(**{**vars(FOR_EVER), **keep}), self.engine, self.write, self.store).round(NOW)
        return {name: count for name, count in gone.items() if count}

    def ids(self, table: Any = tables.jobs) -> list[int]:
        with self.engine.connect() as connection:
            return list(connection.scalars(select(table.c.id).order_by(table.c.id)))

    def keys(self) -> list[str]:
        """Of requests, the oldest first."""
        with self.engine.connect() as connection:
            return list(connection.scalars(select(tables.keys.c.key).order_by(tables.keys.c.created)))

    def has(self, key: str) -> bool:
        try:
            self.store.size(key)
        except NoArtifact:
            return False
        return True


@pytest.fixture
def kept(engine: Engine, tmp_path: Path) -> Iterator[Kept]:
    with ExitStack() as stack:
        store = Lending(stack.enter_context(closing(FolderStore(str(tmp_path / "store")))))
        write = Writer(Pooled(engine))
        stack.callback(write.close)
        yield Kept(engine, store, write)


def test_jobs_go_by_age_with_all_that_is_theirs(kept: Kept) -> None:
    old, young = kept.job(900), kept.job(960)
    keys = [kept.artifact(job, "a") for job in (old, young)]
    for job in (old, young):
        kept.write(lambda connection, job=job: outputs.keep(connection, job, 1, Printed(b"hello")))  # type: ignore[misc]
    assert kept.round(days=50) == {"jobs": 1}
    assert kept.ids() == [young] and kept.ids(tables.artifacts) == [2]
    assert [kept.has(key) for key in keys] == [False, True]
    with kept.engine.connect() as connection:
        assert outputs.get(connection, old) is None and outputs.get(connection, young) is not None


def test_what_is_not_over_stays(kept: Kept) -> None:
    kept.job(None, state="running")
    kept.job(1, kept="wanted")
    kept.job(1, kept="kept")
    made = {"key": "k", "word": "any", "created": 1.0}
    batch = kept.write(
        lambda connection: connection.scalar(insert(tables.batches).returning(tables.batches.c.id), made)
    )
    kept.job(1, batch=batch, place=0)
    there = kept.ids()
    free = kept.job(1, kept="done")
    assert kept.round(days=1, jobs=1) == {"jobs": 1}
    assert kept.ids() == there and free not in there


def test_only_so_many_jobs_are_kept(kept: Kept) -> None:
    """More than are looked at at a time; the oldest go."""
    rows = [
        {"owner": "ann", "origin": "api", "word": "any", "body": "{}", "created": NOW, "state": "failed", "ended": NOW}
    ] * (2 * PAGE + 7)
    kept.write(lambda connection: connection.execute(insert(tables.jobs), rows))
    all_ids = kept.ids()
    assert kept.round(jobs=5) == {"jobs": len(rows) - 5}
    assert kept.ids() == all_ids[-5:]


def test_artifacts_go_by_age_count_and_bytes(kept: Kept) -> None:
    jobs = [kept.job(100 + at) for at in range(5)]
    waiting = kept.job(1, kept="wanted")
    keys = [kept.artifact(job, "a", b"12345") for job in (waiting, *jobs)]

    def left() -> list[int]:
        return [at for at, key in enumerate(keys) if kept.has(key)]

    assert kept.round(artifact_days=NOW / DAY - 100.5) == {"artifacts": 1} and left() == [0, 2, 3, 4, 5]
    assert kept.round(artifacts=4) == {"artifacts": 1} and left() == [0, 3, 4, 5]
    assert kept.round(artifact_bytes=11) == {"artifacts": 2} and left() == [0, 5]
    assert len(kept.ids()) == 6 and len(kept.ids(tables.artifacts)) == 2
    with kept.engine.connect() as connection:
        version = select(tables.jobs.c.version).where(tables.jobs.c.id == jobs[0])
        assert connection.scalar(version) == 2


def test_a_job_whose_artifacts_went_says_so_once(kept: Kept) -> None:
    job, other = kept.job(100, left_out="x: too large"), kept.job(100)
    for name in ("a", "b", "c"):
        kept.artifact(job, name, b"12345")
    kept.artifact(other, "a", b"12345")

    def said() -> list[str | None]:
        with kept.engine.connect() as connection:
            return list(connection.scalars(select(tables.jobs.c.left_out).order_by(tables.jobs.c.id)))

    assert kept.round(artifacts=3) == kept.round(artifacts=2) == {"artifacts": 1}
    assert said() == [f"x: too large\n{REMOVED}", None]
    assert kept.round(artifact_days=1) == {"artifacts": 2}
    assert said() == [f"x: too large\n{REMOVED}", REMOVED]


def test_what_is_being_read_stays_until_it_has_been(kept: Kept) -> None:
    job = kept.job(1)
    key = kept.artifact(job, "a", b"x" * 10)
    reading = kept.store.open(key)
    assert kept.round(days=1, artifact_days=1) == {}
    assert b"".join(reading) == b"x" * 10
    assert kept.round(days=1) == {"jobs": 1}
    assert not kept.has(key)


def test_a_death_between_the_bytes_and_the_row_harms_nothing(kept: Kept) -> None:
    job = kept.job(1)
    kept.store.delete([kept.artifact(job, "a")])
    assert kept.round(days=1) == {"jobs": 1}
    assert kept.ids() == [] == kept.ids(tables.artifacts)


def test_what_was_printed_goes_and_why_is_said(kept: Kept) -> None:
    jobs = [kept.job(10), kept.job(20)]
    for job in jobs:
        kept.write(lambda connection, job=job: outputs.keep(connection, job, 1, Printed(b"hello")))  # type: ignore[misc]
    assert kept.round(output_bytes=7) == {"outputs": 1}
    with kept.engine.connect() as connection:
        gone, there = (outputs.get(connection, job) for job in jobs)
    assert gone is not None and (gone.out, "removed" in gone.lost) == (b"", True)
    assert there is not None and (there.out, there.lost) == (b"hello", "")
    assert kept.round(output_bytes=7, output_days=985) == {}


def test_events_go_from_the_front(kept: Kept) -> None:
    rows = [{"time": at * DAY, "kind": "k", "owner": "ann", "data": "{}"} for at in range(500)]
    kept.write(lambda connection: connection.execute(insert(tables.events), rows))

    def seqs(connection: Connection) -> tuple[int, int]:
        low, high, count = connection.execute(
            select(func.min(tables.events.c.seq), func.max(tables.events.c.seq), func.count())
        ).one()
        assert high - low == count - 1
        return low, high

    with kept.engine.connect() as connection:
        first, last = seqs(connection)
    assert kept.round(event_days=NOW / DAY - 250) == {"events": 250}
    with kept.engine.connect() as connection:
        assert seqs(connection) == (first + 250, last)
    assert kept.round(events=10) == {"events": 240}
    with kept.engine.connect() as connection:
        assert seqs(connection) == (last - 9, last)
    assert kept.round(events=10) == {}


def test_keys_go_by_age_and_number_whatever_becomes_of_their_jobs(kept: Kept) -> None:
    rows = [
        {"owner": "ann", "key": f"k{at}", "digest": "", "first": 1, "count": 1, "created": at * DAY}
        for at in range(450)
    ]
    kept.write(lambda connection: connection.execute(insert(tables.keys), rows))
    assert kept.round(days=1, jobs=1, key_days=NOW / DAY - 440) == {"keys": 440}
    assert kept.keys() == [f"k{at}" for at in range(440, 450)]
    assert kept.round(keys=10) == {}
    assert kept.round(keys=3, dry=True) == kept.round(keys=3) == {"keys": 7}
    assert kept.keys() == ["k447", "k448", "k449"]


def test_what_would_go_is_said_and_stays(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.artifact(kept.job(1), "a")
    rows = [{"time": 1.0, "kind": "k", "owner": "ann", "data": "{}"}] * 3
    kept.write(lambda connection: connection.execute(insert(tables.events), rows))
    with caplog.at_level("INFO", "sjs.gateway"):
        assert kept.round(days=1, artifact_days=1, event_days=1, dry=True) == {"artifacts": 1, "jobs": 1, "events": 3}
    assert "would go: 1 artifacts, 1 jobs, 3 events" in caplog.text
    assert kept.ids() and kept.ids(tables.artifacts)
    assert kept.round(events=3) == {}


def test_what_is_above_the_limits_is_the_oldest() -> None:
    def old(at: float, size: int = 0, is_free: bool = True) -> Old:
        return Old(1, 1, at, at, size, is_free)

    surplus = Surplus(before=5.0, count=2, size=3)
    assert surplus.takes(old(6.0, 2)) and surplus.takes(old(7.0, 2)) and not surplus.takes(old(8.0))
    assert surplus.takes(old(4.0)) and not surplus.takes(old(4.0, is_free=False))
    assert surplus.goes_beyond(old(4.0)) and not surplus.goes_beyond(old(5.0))


def test_it_goes_by_itself_until_it_is_closed(kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where a store can not be tidied."""
    kept.job(1)
    (tmp_path / "store" / "new").rmdir()
    retention = Retention(Keep(days=1), kept.engine, kept.write, kept.store)
    retention.start()
    until(lambda: not kept.ids(), "that a job goes which is old")
    retention.close()
    assert not retention._thread.is_alive()
    assert "what is old stays for now" in caplog.text and "new" in caplog.text


def test_steps_go_and_their_items_stay(kept: Kept) -> None:
    ann = Asking(kept.engine)
    ann.define(Stage(), Stage())
    ann.now = NOW - 10 * DAY
    ann.one(ann.add(300))
    ann.now = NOW
    (item,) = ann.one(ann.claim())
    ann.one(ann.finish(item.word))
    assert kept.round(step_days=9, dry=True) == {"steps": 300}
    assert kept.round(step_days=9) == {"steps": 300}
    assert ann.steps(1) == [("claimed", "w", 0, 0), ("finished", "w", 0, 1)] and ann.counts()[0][0] == 299
    assert kept.round(steps=1) == {"steps": 1} and [what for what, *_ in ann.steps(1)] == ["finished"]


def test_what_is_left_of_a_deleted_pipeline_goes(kept: Kept) -> None:
    """Whoever deleted it died at it; and what has the same name by now stays."""
    ann = Asking(kept.engine)
    for _ in range(2):
        ann.define(Stage(lifetime=9.0), Stage())
        ann.one(ann.add(600))
        ann.one(ann.claim())
        kept.write(lambda connection: pipelines.close(connection, "ann", "p", NOW))
    ann.define(Stage(), Stage())
    ann.one(ann.add(2))
    Retention(FOR_EVER, kept.engine, kept.write, kept.store).complete(NOW)
    with kept.engine.connect() as connection:
        counts = [connection.scalar(select(func.count()).select_from(one)) for one in (tables.pipelines, tables.items)]
        assert counts == [1, 2] and connection.scalar(select(func.count()).select_from(tables.steps)) == 2
        assert looking.first_due(connection) is None
