from __future__ import annotations

from typing import Any

import pytest

from sjs.daemon.hooks import GRACE, PATIENCE, Hooks


class Keeper:
    """Hooks, with the orders that they gave."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.hooks = Hooks("/root", "/log", "7", self.orders.append)


def test_they_run_in_the_project_root_outside_of_any_shell_of_ours() -> None:
    keeper = Keeper()
    keeper.hooks.add(("git", "make"), "request", 0)
    (order,) = keeper.orders
    assert (order["tag"], order["cwd"], order["argv"]) == ("hook-7-1", "/root", ["/bin/sh", "-c", "git pull; make"])
    assert order["out"] == order["err"] == "/log"


def test_one_at_a_time_in_the_order_in_which_they_came() -> None:
    keeper = Keeper()
    for request in "abc":
        keeper.hooks.add(("make",), request, 0)
    assert len(keeper.orders) == 1
    ends = [keeper.hooks.ended(f"hook-7-{number}", 1) for number in (2, 1, 2, 3, 3)]
    assert ends == [None, "a", "b", "c", None]
    assert [order["tag"] for order in keeper.orders] == ["hook-7-1", "hook-7-2", "hook-7-3"]


def test_what_takes_too_long_is_ended(capfd: pytest.CaptureFixture[str]) -> None:
    keeper = Keeper()
    keeper.hooks.add(("make",), "a", 5)
    assert keeper.hooks.next_time() == 5 + PATIENCE
    keeper.hooks.on_time(5 + PATIENCE - 1)
    assert len(keeper.orders) == 1
    keeper.hooks.on_time(5 + PATIENCE)
    assert keeper.orders[1] == {"do": "stop", "tag": "hook-7-1", "grace": GRACE}
    assert keeper.hooks.next_time() is None
    assert keeper.hooks.ended("hook-7-1", 700) == "a"
    assert "took more than" in capfd.readouterr().err
