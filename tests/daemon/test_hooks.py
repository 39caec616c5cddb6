from __future__ import annotations

from typing import Any

import pytest

from sjs.daemon.manager.hooks import GRACE, PATIENCE, Hooks


class Keeper:
    """Hooks, with the orders that they gave."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.hooks = Hooks("/root", "/log", "7", self.orders.append)


def test_they_run_in_the_project_root_outside_of_any_shell_of_ours() -> None:
    keeper = Keeper()
    keeper.hooks.add(("git", "make"), "request")
    (order,) = keeper.orders
    assert (order["tag"], order["cwd"], order["argv"]) == ("hook-7-1", "/root", ["/bin/sh", "-c", "git pull; make"])
    assert order["out"] == order["err"] == "/log"


def test_one_at_a_time_in_the_order_in_which_they_came() -> None:
    keeper = Keeper()
    for request in "abc":
        keeper.hooks.add(("make",), request)
    assert len(keeper.orders) == 1
    ends = [keeper.hooks.ended(f"hook-7-{number}") for number in (2, 1, 2, 3, 3)]
    assert ends == [None, "a", "b", "c", None]
    assert [order["tag"] for order in keeper.orders] == ["hook-7-1", "hook-7-2", "hook-7-3"]


def test_the_keeper_ends_what_takes_too_long() -> None:
    """Also when this manager is no more."""
    keeper = Keeper()
    keeper.hooks.add(("make",), "a")
    keeper.hooks.run(["probe"], "b", patience=3.0, out="/found")
    keeper.hooks.ended("hook-7-1")
    limits = [(order["timeout"], order["grace"], order["out"]) for order in keeper.orders]
    assert limits == [(PATIENCE, GRACE, "/log"), (3.0, GRACE, "/found")]


def test_what_the_keeper_says_of_an_end_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    keeper = Keeper()
    keeper.hooks.add(("make",), "a")
    assert keeper.hooks.ended("hook-7-1", "it ran longer than 10m") == "a"
    assert "hook-7-1 (make): it ran longer than 10m" in capfd.readouterr().err
