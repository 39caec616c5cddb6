"""A wall clock that somebody turns: it is said, and nothing that counts goes by it."""

from __future__ import annotations

import time

import pytest

from sjs.daemon.ground import clock
from sjs.daemon.ground.clock import Jumps, Now
from tests.daemon.test_attempts import Bench, bench
from tests.daemon.test_loop import Desk, desk, submit

__all__ = ["bench", "desk"]

HOUR = 3600.0
YEARS = 10 * 365 * 86_400.0


def test_a_jump_is_told_once_and_drift_is_none() -> None:
    jumps = Jumps(Now(100.0, 1000.0))
    assert jumps.look(Now(200.0, 1100.0)) == ""
    assert jumps.look(Now(300.0, 1259.0)) == ""
    assert "set 3600 s back" in jumps.look(Now(400.0, 1300.0 - HOUR))
    assert jumps.look(Now(500.0, 1400.0 - HOUR)) == ""
    assert "forward" in jumps.look(Now(600.0, 1500.0 + YEARS))


@pytest.mark.parametrize("turned", [-HOUR, YEARS])
def test_no_timeout_and_no_order_goes_by_the_wall(desk: Desk, turned: float, capfd: pytest.CaptureFixture[str]) -> None:
    desk.connect()
    desk.send(submit(1, "a", "b", "c", "d"), {"op": "wait", "id": 2, "jobs": [[0, 3]], "timeout": 30})
    desk.turn()
    desk.orders()
    desk.replies()
    now = clock.look()
    desk.say(on="ended", tag="0.1", end={"reason": "exit", "exit": 0, "at": now.wall + turned})
    desk.say(on="ended", tag="1.1", end={"reason": "exit", "exit": 0, "at": now.wall + turned})
    ready = desk.manager._selector.select(1)
    desk.manager.turn(ready, Now(now.steady + 1, now.wall + turned))
    assert [order["tag"] for order in desk.orders() if order["do"] == "start"] == ["2.1", "3.1"]
    assert desk.replies() == [], "30 s are not over"
    assert "the wall clock was set" in capfd.readouterr().err
    desk.manager.turn([], Now(now.steady + 31, now.wall + turned))
    assert [reply["done"] for reply in desk.replies()] == [False]


def test_no_job_ends_before_it_began(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.start("sleep 0.05")
    began = bench.attempts._all["0.1"].at
    monkeypatch.setattr("sjs.daemon.keeper.attempt.time.time", lambda: began - HOUR)
    end = bench.end()
    assert end["at"] == began
    assert 0.05 <= end["usage"]["seconds"] < 60


def test_the_steady_clock_goes_on_while_the_machine_sleeps() -> None:
    assert abs(clock.look().steady - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60
