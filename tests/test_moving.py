"""Carrying jobs from one target to another, and the file that says that there is something to finish."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from sjs.answers import Accepted, Move
from sjs.config import Manager
from sjs.core.job import Range, Spec
from sjs.core.rebalance import Parting
from sjs.errors import Full, NoQueue, Refused, SjsError, Unreachable
from sjs.moving import Carrier, Trip, Trips, finish, head
from sjs.protocols import Envs, Target
from sjs.routing import Fleet
from sjs.values import replace

DIGEST = "0" * 64


class FakeQueue:
    """A queue whose jobs are numbers; `error` is what it says instead of taking some, `limit` what one move holds."""

    def __init__(self, name: str, jobs: Sequence[int] = (), limit: int = 2) -> None:
        self.name = name
        self.jobs = list(jobs)
        self.limit = limit
        self.error: SjsError | None = None
        self.declined: SjsError | None = None
        self.open: dict[str, Move] = {}
        self.taken: dict[str, list[str]] = {}
        self.envs: list[Envs | None] = []
        self.asked = 0

    def leave(self, key: str, to: str, jobs: Sequence[Range] | None = None) -> Move:
        if key not in self.open:
            gone = [one for one in self.jobs if any(low <= one <= high for low, high in jobs or ())][: self.limit]
            self.jobs = [one for one in self.jobs if one not in gone]
            specs = [(one, Spec(str(one), env_base=DIGEST)) for one in gone]
            self.open[key] = Move(key, to, 1.0, len(gone), None if gone else -1, specs, "any")
        return self.open[key]

    def moves(self, prefix: str = "") -> Sequence[Move]:
        return [one for key, one in self.open.items() if one.first is None and key.startswith(prefix)]

    def environment(self, digest: str) -> dict[str, str]:
        return {"A": digest[:1]}

    def arrived(self, key: str, first: int) -> None:
        self.open[key] = replace(self.open[key], first=first, jobs=())

    def come_back(self, key: str) -> None:
        self.jobs += [number for number, _ in self.open[key].jobs]
        self.arrived(key, -1)

    def post(self, key: str, specs: Sequence[Spec], again: bool, envs: Envs, via: str) -> None:
        assert again and via == "any"
        self.asked += 1
        self.envs.append(envs)
        self._posted = key, [spec.command or "" for spec in specs]

    def collect(self) -> Accepted:
        key, commands = self._posted
        if self.error is not None:
            raise self.error
        first = sum(map(len, self.taken.values()))
        self.taken[key] = commands
        return Accepted(first, len(commands), 1)

    def decline(self, key: str) -> int | None:
        if self.declined is not None:
            raise self.declined
        return 7 if key in self.taken else None

    def close(self) -> None:
        pass


def fleet_of(*queues: FakeQueue) -> Fleet:
    known = {one.name: one for one in queues}

    class FakeFleet(Fleet):
        def _build(self, manager: Manager) -> Target:
            return cast(Target, known[manager.name])

    return FakeFleet([Manager(one.name, "local", "/") for one in queues], "", lambda name, text: None)


def test_jobs_go_in_as_many_moves_as_it_takes_and_those_that_cannot_are_left_out() -> None:
    a, b = FakeQueue("a", range(5)), FakeQueue("b")
    found = list(Carrier(fleet_of(a, b)).carry("k", Parting("a", "b", [0, 1, 2, 9])))
    assert [(list(one.jobs), one.first, one.is_open) for one in found] == [([0, 1], 0, False), ([2], 2, False)]
    assert (a.jobs, b.taken) == ([3, 4], {"k/a/b/0": ["0", "1"], "k/a/b/1": ["2"]})
    assert b.envs == [{DIGEST: {"A": "0"}}] * 2


def test_what_is_refused_comes_back_once_it_is_sure_that_it_never_will_be_taken() -> None:
    a, b = FakeQueue("a", range(2)), FakeQueue("b")
    b.error = Full("no room")
    (found,) = Carrier(fleet_of(a, b)).carry("k", Parting("a", "b", [0, 1]))
    assert (found.first, str(found.error), found.is_open, a.jobs) == (None, "no room", False, [0, 1])
    b.taken["k2/a/b/0"] = ["0", "1"]  # it was, and the refusal was another's
    (found,) = Carrier(fleet_of(a, b)).carry("k2", Parting("a", "b", [0, 1]))
    assert (found.first, a.jobs) == (7, [])


def test_what_is_refused_before_it_is_sent_is_not_sent_with_what_comes_next() -> None:
    a, b = FakeQueue("a", range(4)), FakeQueue("b")

    def broken(*_: object, **more: object) -> None:
        raise Refused("no such hook")

    b.post = broken  # type: ignore[method-assign]
    (found,) = Carrier(fleet_of(a, b)).carry("k", Parting("a", "b", [0, 1, 2, 3]))
    assert (list(found.jobs), str(found.error), sorted(a.jobs)) == ([0, 1], "no such hook", [0, 1, 2, 3])


@pytest.mark.parametrize("place", ["error", "declined"])
def test_who_does_not_answer_is_not_asked_again_and_what_he_may_have_stays_on_its_way(place: str) -> None:
    a, c, b = FakeQueue("a", range(4)), FakeQueue("c", range(4)), FakeQueue("b")
    b.error = Full("no room")
    setattr(b, place, Unreachable("gone"))
    carrier = Carrier(fleet_of(a, b, c))
    found = [one for source in ("a", "c") for one in carrier.carry("k", Parting(source, "b", [0, 1, 2]))]
    assert [(one.source, list(one.jobs), one.is_open) for one in found] == [("a", [0, 1], True)]
    assert (b.asked, a.jobs, c.jobs) == (1, [2, 3], [0, 1, 2, 3])


def test_a_source_that_does_not_answer_may_have_let_them_go() -> None:
    a, b = FakeQueue("a", range(2)), FakeQueue("b")

    def broken(*_: object) -> Move:
        raise Unreachable("gone")

    a.leave = broken  # type: ignore[assignment, method-assign]
    (found,) = Carrier(fleet_of(a, b)).carry("k", Parting("a", "b", [0, 1]))
    assert (list(found.jobs), found.is_open) == ([0, 1], True)


def test_a_target_that_has_no_queue_has_nothing() -> None:
    a, b = FakeQueue("a", range(2)), FakeQueue("b")
    a.leave("k/0", "b", [(0, 1)])
    b.declined = NoQueue("nobody ever had one")
    carrier = Carrier(fleet_of(a, b))
    (found,) = carrier.finish("a", how=carrier.take_back)
    assert (found.first, found.error, a.jobs) == (None, None, [0, 1])


@pytest.fixture
def trips(tmp_path: Path) -> Trips:
    return Trips(str(tmp_path / "moves"))


def begun(trips: Trips, *sources: str) -> Trip:
    return trips.begin(head("k", sources, None, [Manager("a", "local", "/"), Manager("b", "local", "/")]))


def test_what_a_command_has_left_is_finished_by_its_file(trips: Trips) -> None:
    a, b = FakeQueue("a", range(2)), FakeQueue("b")
    with begun(trips, "a") as trip:
        assert trips.take_over(trip.path) is None, "its command lives"
        a.leave("k/a/b/0", "b", [(0, 1)])
        a.leave("other/a/b/0", "b", [])
    b.error = Unreachable("gone")
    (path,) = trips.left()
    with trips.take_over(path) or pytest.fail("it is there") as trip:
        assert trip.head.sources == ["a"]
        assert [one.is_open for one in finish(fleet_of(a, b), trip)] == [True]
    b.error = None
    with trips.take_over(path) or pytest.fail("it is there") as trip:
        assert trip.tried[1] == "b: gone"
        assert [one.first for one in finish(fleet_of(a, b), trip)] == [0]
    assert trips.left() == []
    assert not os.path.exists(path)


def test_a_source_that_is_not_configured_any_more_is_said(trips: Trips) -> None:
    with begun(trips, "gone") as trip, pytest.raises(Unreachable, match="gone is not configured here"):
        finish(fleet_of(FakeQueue("a")), trip)
    assert not trip.settled
    assert len(trips.left()) == 1


@pytest.mark.parametrize("content", [b"", b'{"sjs":1,"key":"k"'])
def test_a_file_that_was_never_whole_promises_nothing(trips: Trips, content: bytes) -> None:
    path, log = trips.new()
    log.write(content)
    log.close()
    assert trips.take_over(path) is None
    assert trips.left() == []


@pytest.mark.parametrize("content", [b"{}\n", b"garbage\n", b'{"sjs":2}\n', b'{"sjs":1}\n'])
def test_what_cannot_be_understood_is_named(trips: Trips, content: bytes) -> None:
    path, log = trips.new()
    log.write(content)
    log.close()
    with pytest.raises(SjsError, match=r"cannot be understood") as caught:
        trips.take_over(path)
    assert caught.value.hint == f"rm {path}"
    assert not isinstance(caught.value, Refused)
