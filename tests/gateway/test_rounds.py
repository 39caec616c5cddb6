"""Work that many want at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sjs.gateway.rounds import Rounds
from tests.live.machine import DEADLINE


class Gate:
    """Work that ends when it is let, and says which round it was."""

    def __init__(self) -> None:
        self.rounds = 0
        self.at_a_time = self.most = 0
        self.opens = asyncio.Event()

    async def work(self) -> int:
        self.rounds += 1
        self.at_a_time += 1
        self.most = max(self.most, self.at_a_time)
        which = self.rounds
        await self.opens.wait()
        self.at_a_time -= 1
        return which


def ran(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), DEADLINE))


async def begun(gate: Gate, count: int) -> None:
    while gate.rounds < count:
        await asyncio.sleep(0)


def test_who_comes_while_one_is_under_way_has_the_next_with_all_others() -> None:
    async def test() -> None:
        rounds, gate = Rounds(), Gate()
        first = asyncio.create_task(rounds.join("a", gate.work))
        await begun(gate, 1)
        late = [asyncio.create_task(rounds.join("a", gate.work)) for _ in range(50)]
        other = asyncio.create_task(rounds.join("b", gate.work))
        await begun(gate, 2)
        gate.opens.set()
        assert await first == 1 and await other == 2
        assert await asyncio.gather(*late) == [3] * 50
        assert gate.rounds == 3

    ran(test)


def test_what_goes_wrong_all_of_a_round_hear_and_the_next_goes_on() -> None:
    async def test() -> None:
        rounds, gate = Rounds(rest=0.01), Gate()

        async def fails() -> int:
            raise ValueError("no")

        found = await asyncio.gather(*(rounds.join("a", fails) for _ in range(3)), return_exceptions=True)
        assert [str(one) for one in found] == ["no"] * 3
        gate.opens.set()
        assert await rounds.join("a", gate.work) == 1

    ran(test)


def test_who_leaves_takes_nothing_from_others() -> None:
    async def test() -> None:
        rounds, gate = Rounds(), Gate()
        leaves, stays = (asyncio.create_task(rounds.join("a", gate.work)) for _ in range(2))
        await begun(gate, 1)
        leaves.cancel()
        gate.opens.set()
        assert await stays == 1 and gate.most == 1
        with pytest.raises(asyncio.CancelledError):
            await leaves

    ran(test)


def test_between_two_there_is_a_rest() -> None:
    """However many ask, and however quick they are: two rounds never touch."""

    async def test() -> None:
        rounds, loop = Rounds(rest=60.0), asyncio.get_running_loop()
        times: list[tuple[float, float]] = []

        async def works() -> None:
            begun = loop.time()
            await asyncio.sleep(0.01)
            times.append((begun, loop.time()))

        for _ in range(3):
            await rounds.join("a", works)
        for (begun, ended), (after, _) in zip(times, times[1:], strict=False):
            assert after - ended >= 0.9 * (ended - begun)

    ran(test)
