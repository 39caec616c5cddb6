"""Who waits is called once for each item, in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

from sjs.gateway.stages.queues import Queues

HERE, THERE = (1, 0), (1, 1)


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_so_many_are_called_as_there_are_items_the_first_ones_first() -> None:
    async def test() -> None:
        queues = Queues()
        with ExitStack() as stack:
            one, two, three = (stack.enter_context(queues.waiting(HERE)) for _ in range(3))
            other = stack.enter_context(queues.waiting(THERE))
            queues.tell({HERE: 2})
            assert [each.is_called for each in (one, two, three, other)] == [True, True, False, False]
            queues.tell({HERE: 1})
            assert three.is_called
            await three.called()
            three.taken()
            assert not three.is_called

    in_loop(test)


def test_a_call_that_nobody_heeds_is_the_next_ones() -> None:
    async def test() -> None:
        queues = Queues()
        with queues.waiting(HERE) as next_one, ExitStack() as stack:
            gone = stack.enter_context(queues.waiting(HERE))
            queues.tell({HERE: 1})
            assert next_one.is_called and not gone.is_called
            queues.tell({HERE: 1})
            next_one.taken()
            stack.close()
            assert next_one.is_called and queues.count(HERE) == 1
        assert queues.count(HERE) == 0

    in_loop(test)


def test_at_the_end_nobody_waits() -> None:
    async def test() -> None:
        queues = Queues()
        with queues.waiting(HERE) as before:
            queues.close()
            with queues.waiting(HERE) as after:
                for one in (before, after):
                    await asyncio.wait_for(one.called(), 5)
                    one.taken()
                    await asyncio.wait_for(one.called(), 5)
                    assert one.is_over and not one.is_called

    in_loop(test)
