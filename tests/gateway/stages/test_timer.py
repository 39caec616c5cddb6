"""What is over is carried out by itself, by a clock that is the test's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Engine

from sjs.gateway.records.events import Changes
from sjs.gateway.records.owning import Pooled
from sjs.gateway.records.stages.handling import perform
from sjs.gateway.records.stages.looking import first_due
from sjs.gateway.records.stages.pipelines import Definition, define
from sjs.gateway.records.stages.values import Stage
from sjs.gateway.records.writer import Unavailable, Writer
from sjs.gateway.stages import timer as module
from sjs.gateway.stages.timer import Timer
from tests.gateway.records.stages.asking import Asking
from tests.live.machine import DEADLINE


class Clocked(Asking):
    """Records that a timer looks after, and who hears how many items were over at a time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.write = Writer(Pooled(engine), self._told)
        self.timer = Timer(engine, self.write, lambda: self.now)
        self.over = threading.Semaphore(0)

    def _told(self, changes: Changes) -> None:
        self.timer.tell(changes)
        for _ in range(changes.steps["returned"] + changes.steps["expired"]):
            self.over.release()

    def one(self, order: Any) -> Any:
        return self.write.put_among(perform, order).result(DEADLINE)

    def define(self, *stages: Stage, is_loose: bool = False, **more: Any) -> Any:
        said = Definition(self.owner, self.name, stages, is_loose, **more)
        return self.write(lambda connection: define(connection, said, self.now)[0])

    def at(self, moment: float) -> None:
        self.now = moment
        self.timer.look()

    def await_over(self, count: int) -> None:
        for _ in range(count):
            assert self.over.acquire(timeout=DEADLINE)

    def close(self) -> None:
        self.timer.close()
        self.write.close()


@pytest.fixture
def ann(engine: Engine) -> Iterator[Clocked]:
    with closing(Clocked(engine)) as asking:
        asking.define(Stage(lifetime=60.0, tries=2), Stage())
        yield asking


def test_what_is_over_comes_back_when_its_time_has_come(ann: Clocked) -> None:
    ann.timer.start()
    ann.one(ann.add(3))
    ann.one(ann.claim(number=3))
    ann.at(1_059.0)
    ann.one(ann.claim())  # whatever is told meanwhile
    assert ann.counts()[0] == (3, 3, 0)
    ann.at(1_060.0)
    ann.await_over(3)
    assert ann.counts()[0] == (3, 0, 3)


def test_one_that_ends_earlier_than_all_others_is_not_waited_for_longer(ann: Clocked) -> None:
    """The timer waits for a real hour, and hears of the other."""
    ann.one(ann.add(2))
    ann.one(ann.claim(seconds=3_600.0))
    ann.timer.start()
    (item,) = ann.one(ann.claim(seconds=0.001))
    ann.now += 0.001
    ann.await_over(1)
    assert ann.row(item.number).state == "free" and ann.counts()[0] == (2, 1, 1)


def test_what_was_over_while_nobody_was_there_is_carried_out_at_the_start(ann: Clocked) -> None:
    ann.one(ann.add(1_200))
    for _ in range(12):
        ann.one(ann.claim(number=100))
    ann.now = 5_000.0
    ann.timer.start()
    ann.await_over(1_200)
    assert ann.counts()[0] == (1_200, 0, 1_200)


def test_a_lifetime_that_is_another_now_is_heeded(engine: Engine) -> None:
    with closing(Clocked(engine)) as ann:
        ann.timer.start()
        ann.define(Stage(lifetime=600.0, over="flag"), Stage(), is_loose=True)
        ann.one(ann.add())
        ann.at(1_010.0)
        ann.define(Stage(lifetime=5.0, over="flag"), Stage(), is_loose=True)
        ann.await_over(1)
        assert ann.counts()[0] == (1, 0, 1)


def test_what_the_records_did_not_take_is_tried_again(ann: Clocked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.001)
    ann.one(ann.add())
    ann.one(ann.claim())
    ann.now = 2_000.0
    left: list[Exception] = [Unavailable("gone"), RuntimeError("strange")]

    def fails(connection: Any) -> Any:
        if left:
            raise left.pop()
        return first_due(connection)

    monkeypatch.setattr(module, "first_due", fails)
    ann.timer.start()
    ann.await_over(1)
    assert not left
