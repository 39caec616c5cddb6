"""Questions to machines in threads: how many at a time, what comes of them, and that nobody waits for them too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from sjs.errors import SjsError
from sjs.gateway.threads import AHEAD, Busy, Threads
from tests.live.machine import DEADLINE


def test_the_answer_and_the_error_come_back() -> None:
    def bad() -> str:
        raise SjsError("no")

    async def main() -> None:
        threads = Threads(1, 1)
        assert await threads.ask("a", lambda: threading.current_thread().name) == "sjs asks a"
        with pytest.raises(SjsError, match="no"):
            await threads.ask("a", bad)
        assert await threads.ask("a", lambda: 1) == 1

    asyncio.run(main())


def test_one_machine_that_does_not_answer_keeps_nobody_from_asking_others() -> None:
    held = threading.Event()

    async def main() -> None:
        threads = Threads(5, 2)
        slow = [asyncio.create_task(threads.ask("a", lambda: held.wait(DEADLINE))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="a is asked too much"):
            await threads.ask("a", lambda: True)
        assert await threads.ask("b", lambda: True)
        slow[0].cancel()  # whoever asked has gone, but the thread has not
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await threads.ask("a", lambda: True)
        held.set()
        assert await slow[1]

    asyncio.run(main())


def test_no_more_than_so_many_are_open_of_all() -> None:
    held = threading.Event()

    async def main() -> None:
        threads = Threads(3, 3)
        slow = [asyncio.create_task(threads.ask(name, lambda: held.wait(DEADLINE))) for name in "abc"]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await threads.ask("d", lambda: True)
        held.set()
        assert await asyncio.gather(*slow) == [True] * 3

    asyncio.run(main())


def test_pieces_come_in_their_order_and_then_the_error() -> None:
    def pieces() -> Iterator[int]:
        yield from range(100)
        raise SjsError("no more")

    async def main() -> None:
        found = []
        with pytest.raises(SjsError, match="no more"):
            async for piece in Threads(1, 1).stream("a", pieces):
                found.append(piece)
        assert found == list(range(100))

    asyncio.run(main())


def test_nothing_is_read_far_ahead_and_nothing_after_whoever_takes_it_has_gone() -> None:
    read: list[int] = []
    closed = threading.Event()

    def pieces() -> Iterator[int]:
        try:
            for number in range(10_000):
                read.append(number)
                yield number
        finally:
            closed.set()

    async def main() -> None:
        threads = Threads(1, 1)
        async with aclosing(threads.stream("a", pieces)) as found:
            async for piece in found:
                if piece == 20:
                    break
        assert await asyncio.to_thread(closed.wait, DEADLINE)
        assert len(read) <= 21 + AHEAD + 2
        for thread in threading.enumerate():
            if thread.name == "sjs asks a":
                await asyncio.to_thread(thread.join, DEADLINE)
        assert await threads.ask("a", lambda: True)

    asyncio.run(main())


def test_a_loop_that_has_ended_keeps_no_thread() -> None:
    held, ended = threading.Event(), threading.Event()

    def pieces() -> Iterator[int]:
        try:
            held.wait(DEADLINE)
            yield from range(100)
        finally:
            ended.set()

    async def main() -> None:
        stream = Threads(1, 1).stream("a", pieces)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.__anext__(), 0.01)

    asyncio.run(main())
    held.set()
    assert ended.wait(DEADLINE)
