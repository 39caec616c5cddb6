"""Who has which session when, and what is told of their ends, with managers of plain values."""

from __future__ import annotations

import gc
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import sjs
from sjs import reach
from sjs.answers import Filter
from sjs.core.job import Job as Record
from sjs.core.job import Range, Spec, contains
from sjs.errors import Full, Refused, Unreachable
from tests.live.machine import DEADLINE
from tests.routing.fakes import FakeTarget

CONFIG = {"managers": {name: {"transport": "local", "root": "/nowhere"} for name in ("a", "b")}}


class Fake(FakeTarget):
    """One whose queue changes when a test says so."""

    owes = False

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ended: set[int] = set()
        self.versions: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.looks: list[Sequence[Range]] = []

    def changes(self, since: str = "") -> str:
        return "first" if not since else self.versions.get(timeout=DEADLINE)

    def hang_up(self) -> None:
        self.versions.put("nobody waits")

    def list(
        self, jobs: Sequence[Range], states: Sequence[str] = (), newest: int = 0, only: Filter | None = None
    ) -> Iterator[Record]:
        self.looks.append(jobs)
        yield from (Record(one, Spec("true"), "succeeded", 0.0) for one in sorted(self.ended) if contains(jobs, one))


class World:
    """Makes targets, in the order in which they are wanted."""

    def __init__(self) -> None:
        self.made: list[Fake] = []
        self.next: dict[str, list[Fake]] = {}

    def target(self, manager: Any, *rest: Any) -> Fake:
        waiting = self.next.get(manager.name)
        self.made.append(waiting.pop(0) if waiting else Fake(manager.name))
        return self.made[-1]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    found = World()
    monkeypatch.setattr(reach, "target", found.target)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return found


def test_an_open_session_is_used_again_unless_it_broke(world: World) -> None:
    with sjs.connect(CONFIG) as fleet:
        sessions = fleet._sessions
        assert sessions.call("a", lambda target: target.name) == "a"
        with pytest.raises(Full):
            sessions.call("a", lambda target: _raise(Full("no")))
        assert len(world.made) == 1
        with sessions.target("a") as first, sessions.target("a") as second:
            assert [id(first), id(second)] == [*map(id, world.made)]
        with pytest.raises(Unreachable):
            sessions.call("a", lambda target: _raise(Unreachable("gone")))
        broken = [one for one in world.made if one.closed]
        assert len(broken) == 1
        world.made[world.made[0] is broken[0]].owes = True  # a part of an answer may yet come
        sessions.call("a", lambda target: None)
        assert all(one.closed for one in world.made)
        sessions.call("a", lambda target: None)
        assert len(world.made) == 3
    assert all(one.closed for one in world.made)


def test_a_fleet_that_nobody_has_any_more_is_closed(world: World) -> None:
    view = sjs.connect(CONFIG)["a"]
    assert view.list() == []
    gc.collect()
    assert not world.made[0].closed, "what came from it is still in use"
    del view
    gc.collect()
    assert world.made[0].closed


def test_who_answers_late_is_nobody_elses_until_then(world: World) -> None:
    late = Fake("b")
    late.gate = threading.Event()
    world.next["b"] = [late]
    notices: list[str] = []
    with sjs.connect(CONFIG, notice=lambda name, line: notices.append(f"{name}: {line}")) as fleet:
        job = fleet.any.submit("true")
        assert (job.target, notices[0].partition(",")[0]) == ("a", "b: passed over: no answer yet")
        with fleet._sessions.target("b") as other:
            assert id(other) != id(late)
        before = threading.active_count()
        late.gate.set()
        _until_fewer(before)
        with fleet._sessions.target("b") as one, fleet._sessions.target("b") as two:
            assert id(late) in (id(one), id(two))
    late.gate = threading.Event()
    world.next["b"] = [late]
    with sjs.connect(CONFIG, notice=lambda name, line: None) as fleet:
        fleet.any.submit("true")
        late.closed = False
    assert not late.closed
    before = threading.active_count()
    late.gate.set()
    _until_fewer(before)
    assert late.closed


def test_of_jobs_that_were_refused_in_part_the_others_are_known(world: World) -> None:
    refusing = Fake("b")
    refusing.errors = [Refused("not these")]
    world.next["b"] = [refusing]
    with sjs.connect(CONFIG, notice=lambda name, line: None) as fleet:
        with pytest.raises(sjs.Incomplete, match=r"b: not these; 2 job\(s\) not handed in") as caught:
            fleet.any.map_commands([["true"]] * 4)
        assert [(job.target, job.id) for job in caught.value.jobs] == [("a", 0), ("a", 1)]
        refusing.errors = [Refused("not this")]
        world.next["b"] = [refusing]  # the one that may start a manager
        with pytest.raises(sjs.Incomplete, match="b: not this") as caught:
            fleet.all.each("true")
        assert [job.target for job in caught.value.jobs] == ["a"]


def test_one_thread_hears_of_all_and_of_what_ended_before_it_could(world: World) -> None:
    with sjs.connect(CONFIG) as fleet:
        first = fleet["a"].job(1).future()
        watching = _last_thread("sjs a")
        second, again = fleet["a"].job(2).future(), fleet["a"].job(2).future()
        there = world.made[0]  # where the thread sleeps
        for one in world.made:
            one.ended = {3}
        assert fleet["a"].job(3).wait(DEADLINE) == "succeeded"  # no change tells of it
        assert not any(one.done() for one in (first, second, again))
        there.ended = {1, 2, 3}
        there.versions.put("second")
        assert {one.result(DEADLINE).id for one in (first, second, again)} == {1, 2}
        there.versions.put("third")
        watching.join(DEADLINE)
        assert not watching.is_alive(), "nobody waits any more"
        assert fleet["a"].job(3).wait(DEADLINE) == "succeeded"
        assert len(world.made) == 2


def test_a_failure_is_told_to_all_who_wait_and_ends_nothing_for_good(world: World) -> None:
    class Broken(Fake):
        def changes(self, since: str = "") -> str:
            raise sjs.errors.Stopped("stopped on purpose")

    world.next["a"] = [Broken("a")]
    with sjs.connect(CONFIG) as fleet:
        with pytest.raises(sjs.errors.Stopped):
            fleet["a"].job(1).wait(DEADLINE)
        healthy = Fake("a")
        healthy.ended = {1}
        world.next["a"] = [healthy]
        assert fleet["a"].job(1).wait(DEADLINE) == "succeeded"


def _raise(error: Exception) -> None:
    raise error


def _last_thread(name: str) -> threading.Thread:
    return [one for one in threading.enumerate() if one.name == name][-1]


def _until_fewer(count: int) -> None:
    """Until a thread that was late has ended."""
    for thread in threading.enumerate():
        if "turn" in thread.name:
            thread.join(DEADLINE)
    assert threading.active_count() < count
