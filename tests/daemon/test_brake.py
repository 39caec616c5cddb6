"""When nothing is started after the machine could not, by a clock that the test turns."""

from __future__ import annotations

import pytest

from sjs.daemon.manager.brake import LONGEST, Brake


def test_it_holds_longer_each_time_up_to_a_limit() -> None:
    brake, now, pauses = Brake(), 100.0, []
    for _ in range(10):
        brake.refused("no memory", now)
        until = brake.next_time(now)
        assert until is not None
        assert brake.is_on(until - 0.001)
        assert not brake.is_on(until)
        pauses.append(round(until - now, 3))
        now = until
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, LONGEST, LONGEST, LONGEST]


def test_the_refusals_of_one_turn_count_as_one() -> None:
    brake = Brake()
    for _ in range(50):
        brake.refused("no memory", 100.0)
    assert brake.next_time(100.0) == 100.1


def test_an_end_is_worth_a_try_and_a_start_ends_it(capfd: pytest.CaptureFixture[str]) -> None:
    brake = Brake()
    brake.refused("no memory", 100.0)
    brake.ended()
    assert (brake.is_on(100.0), brake.next_time(100.0), brake.reason) == (False, None, "no memory")
    brake.refused("no memory", 100.0)
    assert brake.next_time(100.0) == 100.2
    brake.started()
    assert (brake.is_on(100.0), brake.reason) == (False, "")
    brake.refused("no memory", 100.0)
    assert brake.next_time(100.0) == 100.1
    said = capfd.readouterr().err.splitlines()
    assert sum("nothing can be started: no memory" in line for line in said) == 2, "once for each time it begins"
    assert sum("can be started again" in line for line in said) == 1
