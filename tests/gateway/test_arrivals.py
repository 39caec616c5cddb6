from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import pytest

from sjs.gateway.arrivals import Arrivals
from tests.live.machine import DEADLINE


def in_a_thread(*works: Callable[[], None]) -> None:
    """All of it is done, and the loop has stood still meanwhile."""
    thread = threading.Thread(target=lambda: [work() for work in works])
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_all_that_ends_at_a_time_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop, wakes = asyncio.get_running_loop(), 0
        wake = loop.call_soon_threadsafe

        def counted(*given: object, **more: object) -> object:
            nonlocal wakes
            wakes += 1
            return wake(*given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        arrivals = Arrivals()
        done: list[Future[int]] = [Future() for _ in range(100)]
        waiting = [asyncio.ensure_future(arrivals.of(one)) for one in done]
        await asyncio.sleep(0)  # they wait now
        for count, some in ((1, range(50)), (2, range(50, 100))):
            in_a_thread(*(partial(done[number].set_result, number) for number in some))
            await asyncio.wait_for(asyncio.gather(*waiting[: some.stop]), DEADLINE)
            assert wakes == count
        assert [one.result() for one in waiting] == list(range(100))

    asyncio.run(run())


def test_each_has_what_is_its_own_and_who_has_gone_nothing() -> None:
    async def run() -> None:
        arrivals = Arrivals()
        done: list[Future[str]] = [Future() for _ in range(4)]
        waiting = [asyncio.ensure_future(arrivals.of(one)) for one in done]
        await asyncio.sleep(0)
        waiting[0].cancel()
        done[3].set_result("before")
        in_a_thread(partial(done[0].set_result, "nobody's"), partial(done[1].set_exception, KeyError("mine")))
        done[2].set_result("mine")
        found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), DEADLINE)
        assert isinstance(found[0], asyncio.CancelledError) and isinstance(found[1], KeyError)
        assert found[2:] == ["mine", "before"]
        assert await asyncio.wait_for(arrivals.of(done[3]), DEADLINE) == "before"  # it has ended long ago

    asyncio.run(run())


def test_a_loop_that_has_ended_keeps_nothing_from_others(caplog: pytest.LogCaptureFixture) -> None:
    arrivals, late, ended = Arrivals(), Future[int](), Future[int]()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(arrivals.of(late), 0.001)

    async def be_told() -> int:
        waits = asyncio.ensure_future(arrivals.of(ended))
        await asyncio.sleep(0)
        in_a_thread(partial(late.set_result, 1), partial(ended.set_result, 2))
        return await asyncio.wait_for(waits, DEADLINE)

    asyncio.run(give_up())
    assert asyncio.run(be_told()) == 2
    assert not caplog.records  # as futures say what went wrong where they were to tell of themselves
