"""Sharing the connection to a jump host."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

import pytest

from sjs.errors import NotReached
from sjs.transport import jumps
from sjs.transport.client import Client
from sjs.transport.jumps import Gate

KEY = ("me@gate:22",)
DEADLINE = 60.0


class FakeClient:
    """A connection that somebody may cut."""

    def __init__(self) -> None:
        self.lives = True

    def is_active(self) -> bool:
        return self.lives

    def close(self) -> None:
        self.lives = False


class Maker:
    """Makes gates, and remembers their connections."""

    def __init__(self, before: Gate | None = None) -> None:
        self.clients: list[FakeClient] = []
        self._before = before

    def __call__(self) -> Gate:
        self.clients.append(FakeClient())
        return Gate(KEY, cast(Client, self.clients[-1]), self._before)


@pytest.fixture(autouse=True)
def nobody_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumps, "_gates", {})


def test_the_last_one_hangs_up() -> None:
    make = Maker()
    one, two = jumps.enter(KEY, make), jumps.enter(KEY, make)
    assert one is two
    one.leave()
    assert make.clients[0].lives
    two.leave()
    assert not make.clients[0].lives
    jumps.enter(KEY, make)
    assert len(make.clients) == 2


@pytest.mark.parametrize("break_it", [lambda gate: gate.client.close(), Gate.shun])
def test_a_broken_one_is_replaced_and_its_users_leave_it(break_it: Callable[[Gate], None]) -> None:
    make = Maker()
    old = jumps.enter(KEY, make)
    break_it(old)
    new = jumps.enter(KEY, make)
    assert new is not old
    old.leave()
    assert [one.lives for one in make.clients] == [False, True]
    assert jumps.enter(KEY, make) is new


def test_the_one_before_is_left_too() -> None:
    outer = Maker()
    before = jumps.enter(("outer",), lambda: Gate(("outer",), outer().client, None))
    jumps.enter(KEY, Maker(before)).leave()
    assert not outer.clients[0].lives


def test_who_waits_shares_what_it_comes_to() -> None:
    begun, go = threading.Event(), threading.Event()

    def fail() -> Gate:
        begun.set()
        assert go.wait(DEADLINE)
        raise NotReached("no way")

    with ThreadPoolExecutor(3) as pool:
        first: Future[Gate] = pool.submit(jumps.enter, KEY, fail)
        assert begun.wait(DEADLINE)
        others = [pool.submit(jumps.enter, KEY, fail) for _ in range(2)]
        go.set()
        for one in (first, *others):
            with pytest.raises(NotReached, match="no way"):
                one.result(DEADLINE)
    make = Maker()
    jumps.enter(KEY, make)
    assert len(make.clients) == 1, "the next one tries again"
