"""Jobs from the records to two real queues on this machine, and their ends back."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, insert, update

from sjs import spec_json
from sjs.capture.whole import take_whole
from sjs.config import Config, cache_path
from sjs.core.job import Spec
from sjs.core.lifecycle import FINAL
from sjs.core.needs import Needs
from sjs.errors import Unreachable
from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.artifacts.store import Store
from sjs.gateway.collecting.wanted import Wanted, to_text
from sjs.gateway.engine.lane import Lane
from sjs.gateway.engine.office import Office
from sjs.gateway.engine.telling import AGAIN, MOST, Once
from sjs.gateway.records import jobs, tables
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.events import Changes
from sjs.gateway.records.jobs import New, Taken
from sjs.gateway.records.owning import Pooled
from sjs.gateway.records.tables import batches
from sjs.gateway.records.writer import Writer
from sjs.snapshots.store import Store as Snapshots
from sjs.values import replace
from tests.live.machine import DEADLINE, Machine, until


class Desk:
    """An office, and who waits until something of the records is so."""

    def __init__(self, config: Config, engine: Engine, store: Store | None = None) -> None:
        self._changed = threading.Condition()
        self.engine = engine
        self.write = Writer(Pooled(engine), self._tell)
        self.store = FolderStore(f"{engine.url.database}-artifacts") if store is None else store
        self.office = Office(config, engine, self.write, self.store)

    def _tell(self, changes: Changes) -> None:
        with self._changed:
            self._changed.notify_all()

    def rows(self, numbers: Sequence[int]) -> list[Row[Any]]:
        with self.engine.connect() as connection:
            found = [jobs.get(connection, number) for number in numbers]
        return [row for row in found if row is not None]

    def wait(self, numbers: Sequence[int], states: Sequence[str] = FINAL) -> list[Row[Any]]:
        with self._changed:
            done = self._changed.wait_for(lambda: all(row.state in states for row in self.rows(numbers)), DEADLINE)
        found = self.rows(numbers)
        assert done, [row for row in found if row.state not in states]
        return found

    def close(self) -> None:
        self.office.close()
        self.write.close()
        self.store.close()


@pytest.fixture
def desk(config: Config, engine: Engine) -> Iterator[Desk]:
    desk = Desk(config, engine)
    yield desk
    desk.close()


def job(command: str, word: str = "any", **more: Any) -> New:
    return New(word, json.dumps(spec_json.to_wire(Spec(command=command, **more))))


def test_jobs_go_to_whom_they_are_for_and_their_ends_come_back(desk: Desk) -> None:
    new = [job("exit 3", "a"), job("true", "b"), job("kill -9 $$"), job("true", "any:@both")]
    taken = desk.office.accept(new, "me", "api").result()
    numbers = list(range(taken.first, taken.first + taken.count))
    three, well, killed, either = desk.wait(numbers)
    assert (three.target, three.state, three.exit) == ("a", "failed", 3)
    assert (well.target, well.state, well.exit) == ("b", "succeeded", 0)
    assert (killed.state, killed.signal) == ("failed", 9)
    assert either.state == "succeeded" and either.target in ("a", "b")
    assert all(row.created <= row.begun <= row.ended for row in (three, well, either))
    desk.office.close()
    with desk.engine.connect() as connection:
        assert jobs.words(connection) == []


def test_what_nobody_can_ever_run_ends_and_keeps_nobody_else(desk: Desk) -> None:
    """One batch: a job that is too large, one for a target that does not exist, and one that is well."""
    huge = job("true", needs=Needs(cpus=10**6))
    taken = desk.office.accept([huge, job("true"), job("true", "nowhere"), job("true", "a,b")], "me", "api").result()
    large, well, lost, several = desk.wait(range(taken.first, taken.first + 4))
    assert (large.state, large.reason) == ("failed", "refused")
    assert "no target has what the job needs" in large.detail
    assert well.state == "succeeded"
    assert (lost.state, lost.reason) == ("failed", "refused") and "nowhere" in lost.detail
    assert (several.state, several.reason) == ("failed", "refused") and "several targets" in several.detail


def test_under_a_key_that_was_used_before_nothing_runs_twice(desk: Desk, tmp_path: Path) -> None:
    new = [job(f"echo x >> {tmp_path}/ran", "a")] * 3
    first = desk.office.accept(new, "me", "api", "k").result()
    again = desk.office.accept(new, "me", "api", "k").result()
    assert (again.first, again.count, again.repeated) == (first.first, 3, True)
    other = desk.office.accept(new, "you", "api", "k").result()
    desk.wait([*range(first.first, first.first + 3), *range(other.first, other.first + 3)])
    assert len((tmp_path / "ran").read_text().split()) == 6


def test_a_job_runs_in_a_tree_of_its_own_that_was_given(
    desk: Desk, machines: dict[str, Machine], tmp_path: Path
) -> None:
    """It may write there, and the next one finds nothing of that; the folder that was given is not needed any more."""
    given = tmp_path / "given"
    (given / "out").mkdir(parents=True)
    (given / "run.sh").write_text("#!/bin/sh\nls out | wc -l; pwd; touch out/it; rm run.sh\n")
    (given / "run.sh").chmod(0o775)
    snapshot = take_whole(str(given), Snapshots(cache_path("snapshots", os.environ)))
    shutil.rmtree(given)
    body = json.dumps(spec_json.to_wire(Spec(argv=("./run.sh",), snapshot=snapshot)))
    taken = desk.office.accept([New(word, body) for word in ("a", "a", "b")], "me", "api").result()
    rows = desk.wait(range(taken.first, taken.first + 3))
    assert [row.state for row in rows] == ["succeeded"] * 3
    said = []
    for row in rows:
        with machines[row.target].client() as client:
            said.append(client.output(row.number).split())
    assert [count for count, _ in said] == [b"0"] * 3
    places = [Path(os.fsdecode(place)) for _, place in said]
    assert len(set(places)) == 3
    assert [sorted(path.name for path in place.rglob("*")) for place in places] == [["it", "out"]] * 3


def test_a_job_is_seen_to_run_and_cancelled(desk: Desk) -> None:
    taken = desk.office.accept([job("sleep 1000", "a")], "me", "api").result()
    (row,) = desk.wait([taken.first], ["running"])
    assert row.begun is not None and row.attempt == 1
    desk.office.cancel([taken.first])
    (row,) = desk.wait([taken.first])
    assert (row.state, row.reason) == ("cancelled", "cancelled")


def test_the_next_office_goes_on_where_one_has_ended(config: Config, engine: Engine, tmp_path: Path) -> None:
    """With jobs that run, jobs that wait, and jobs that nobody was told of."""
    gate = tmp_path / "gate"
    first = Desk(config, engine)
    taken = first.office.accept([job(f"until [ -e {gate} ]; do sleep 0.02; done", "a")] * 3, "me", "api").result()
    numbers = range(taken.first, taken.first + 3)
    first.wait(numbers[:2], ["running"])
    first.close()
    write = Writer(Pooled(engine))
    (late,) = write(lambda connection: accept(connection, [Asked([job("true", "b")], "me", "api", time.time())]))
    write.close()
    assert isinstance(late, Taken)
    gate.touch()
    second = Desk(config, engine)
    assert [row.state for row in second.wait([*numbers, late.first])] == ["succeeded"] * 4
    second.close()


def test_of_whom_nobody_has_a_record_any_more_is_lost(
    config: Config, engine: Engine, machines: dict[str, Machine], tmp_path: Path
) -> None:
    """Removed there, while no office was open; those beside it are heard of."""
    first, gate = Desk(config, engine), tmp_path / "gate"
    lasting = replace(job(f"until [ -e {gate} ]; do sleep 0.02; done", "a"), rules=to_text(Wanted(outputs=True)))
    taken = first.office.accept([lasting, lasting], "me", "api").result()
    numbers = range(taken.first, taken.first + 2)
    there = [row.number for row in first.wait(numbers, ["running"])]
    first.close()
    gate.touch()
    with machines["a"].client() as client:
        client.ask("wait", jobs=[[one, one] for one in there])
        client.ask("clean", jobs=[[there[0], there[0]]])
    second = Desk(config, engine)
    lost, well = second.wait(numbers)
    assert (lost.state, lost.reason, lost.attempt, well.state) == ("lost", "lost", 1, "succeeded")
    assert lost.detail == "a has no record of it any more"
    until(lambda: second.rows(numbers)[0].kept == "done", "that nobody waits for what it has left")
    second.close()


def test_who_is_away_when_an_office_opens_is_asked_again(
    config: Config,
    engine: Engine,
    machines: dict[str, Machine],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("sjs.gateway.engine.ends.AGAIN", 0.1)
    first = Desk(config, engine)
    taken = first.office.accept([job("sleep 1000", "a")], "me", "api").result()
    first.wait([taken.first], ["running"])
    first.close()
    machines["a"].kill_both()
    second = Desk(config, engine)
    until(lambda: "it is asked again" in caplog.text, "that nobody is there")
    machines["a"].start(2)
    second.office.cancel([taken.first])
    second.wait([taken.first])
    second.close()


def test_words_that_nobody_says_any_more_cost_no_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks chooses them: `a`, `a,a`, `any:a,a`, …"""
    monkeypatch.setattr("sjs.gateway.engine.lane.LINGERS", 0.02)
    for word in ("any:a", "any:a,a", "any:a"):
        taken = desk.office.accept([job("true", word)], "me", "api").result()
        assert desk.wait([taken.first])[0].state == "succeeded"
        until(lambda: not desk.office._lanes, "that nobody waits for another one")
        until(lambda: "sjs lane" not in " ".join(one.name for one in threading.enumerate()), "the end of its thread")


def test_there_are_only_so_many_words_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.gateway.engine.office.MOST", 2)
    taken = desk.office.accept([job("true", "a"), job("true", "b")], "me", "api").result()
    with pytest.raises(Unreachable, match="more than 2 sets of targets"):
        desk.office.accept([job("true", "a"), job("true", "any")], "me", "api")
    again = desk.office.accept([job("true", "a")], "me", "api").result()
    assert again.first == taken.first + 2
    desk.wait([taken.first, taken.first + 1, again.first])


def test_what_is_in_the_way_is_told_once(
    desk: Desk, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And not each time that it is met, which is every few seconds for as long as a machine is away."""
    rounds = threading.Semaphore(0)
    whole = Lane._round

    def counted(lane: Lane) -> bool:
        try:
            return whole(lane)
        finally:
            rounds.release()

    monkeypatch.setattr("sjs.gateway.engine.lane.AGAIN", 0.05)
    monkeypatch.setattr("sjs.gateway.engine.lane.START", "never")
    monkeypatch.setattr(Lane, "_round", counted)
    machines["a"].stop()
    try:
        taken = desk.office.accept([job("true", "a")], "me", "api").result()
        for _ in range(4):
            assert rounds.acquire(timeout=DEADLINE)
    finally:
        machines["a"].start(2)
    assert desk.wait([taken.first])[0].state == "succeeded"
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(told) == len(set(told)) > 0


def test_what_was_told_is_told_again_when_it_is_news(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    once = Once(lambda: now[0])
    for at, text in ((0.0, "a"), (1.0, "a"), (2.0, "b"), (AGAIN, "a"), (AGAIN + 1, "b"), (AGAIN + 1, "a")):
        now[0] = at
        once.tell(text)
    assert [one.getMessage() for one in caplog.records] == ["a", "b", "a"]
    once.forget()
    once.tell("a")
    assert len(caplog.records) == 4
    for number in range(2 * MOST):
        once.tell(str(number))
    assert len(once._until) <= MOST


def test_what_a_target_has_is_not_planned_anew(desk: Desk, config: Config, engine: Engine, tmp_path: Path) -> None:
    """As after a death between the note that a share was taken and the end of its batch."""
    taken = desk.office.accept([job(f"echo x >> {tmp_path}/ran; sleep 1000", "a")], "me", "api").result()
    desk.wait([taken.first], ["running"])
    desk.office.close()

    def reopened(connection: Connection) -> None:
        made = connection.execute(insert(batches).values(key="k", word="a", created=1.0).returning(batches.c.id))
        connection.execute(update(tables.jobs).values(batch=made.scalar_one(), place=0, state="queued", attempt=0))

    desk.write(reopened)
    again = Desk(config, engine)
    again.wait([taken.first], ["running"])
    again.office.cancel([taken.first])
    again.wait([taken.first])
    again.close()
    with engine.connect() as connection:
        assert jobs.words(connection) == []
    assert (tmp_path / "ran").read_text() == "x\n"
