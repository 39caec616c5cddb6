"""Whoever follows what happens hears each event once and in order, whenever he comes and however slow he is.

SJS_TEST_ROUNDS=N makes the seam's test N times as long; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, insert

from sjs.gateway.feed import PAGE, Feed, Follower, Wanted
from sjs.gateway.hub import Hub
from sjs.gateway.records import tables
from sjs.gateway.records.events import Changes, Event, tell
from sjs.gateway.records.owning import Pooled
from sjs.gateway.records.writer import Writer
from tests.live.machine import DEADLINE

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "1"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)

KINDS = ("job.accepted", "job.ended")
OWNERS = ("ann", "bob")


class Undone(Exception):
    """So that a transaction is."""


class Gate:
    """Records, and the feed of them, which hears of `heard` of those transactions that have become durable."""

    def __init__(self, engine: Engine, most: int, heard: Callable[[], bool] = lambda: True) -> None:
        self.engine = engine
        self.feed = Feed(self.read, most)
        self.hub = Hub(self.feed)
        self.write = Writer(Pooled(engine), lambda changes: self.hub.tell(changes) if heard() else None)

    async def read(self, question: Callable[[Connection], Any]) -> Any:
        def asked() -> Any:
            with self.engine.connect() as connection:
                return question(connection)

        return await asyncio.to_thread(asked)

    def happen(self, count: int = 1, kind: str = "job.ended", owner: str = "ann", job: int = 1) -> None:
        """In one transaction."""
        self.write(lambda connection: tell(connection, kind, 1.0, [(job, owner, {})] * count))

    def forget(self, upto: int) -> None:
        self.write(lambda connection: connection.execute(delete(tables.events).where(tables.events.c.seq <= upto)))

    async def happens(self, count: int = 1, **of: Any) -> None:
        await asyncio.to_thread(self.happen, count, **of)

    async def hear(self, follower: Follower, upto: int) -> list[int]:
        """All until he is so far."""
        found: list[int] = []
        while (await follower.begin()) < upto:
            page = await asyncio.wait_for(follower.more(), DEADLINE)
            assert page is not None and not page.lost
            found += [one.seq for one in page.events]
        return found


def on_a_gate(
    engine: Engine, test: Callable[[Gate], Awaitable[None]], most: int = 100, heard: Callable[[], bool] = lambda: True
) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Gate]:
        gate = Gate(engine, most, heard)
        gate.hub.open()
        try:
            yield gate
        finally:
            gate.hub.close()
            gate.write.close()

    async def go() -> None:
        async with opened() as gate:
            await test(gate)

    asyncio.run(go())


def reads(engine: Engine) -> list[str]:
    """Questions about events from now on."""
    found: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT") and "events" in statement:
            found.append(statement)

    return found


def writer(gate: Gate, chance: random.Random, count: int) -> None:
    for _ in range(count):
        kind, owner, job = chance.choice(KINDS), chance.choice(OWNERS), chance.randrange(1, 4)
        if chance.random() < 0.1:
            with pytest.raises(Undone):
                gate.write(lambda connection: undone(connection))
        gate.happen(chance.randrange(1, 4), kind, owner, job)


def undone(connection: Connection) -> None:
    tell(connection, "job.ended", 1.0, [(1, "ann", {})])
    raise Undone


def kept(engine: Engine) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(tables.events.select().order_by(tables.events.c.seq)).all()


@pytest.mark.parametrize("heard", [1.0, 0.8])
def test_nobody_misses_anything_or_hears_it_twice_whenever_he_comes(engine: Engine, heard: float) -> None:
    """Four write at once; fifty come meanwhile, from now on or from any place, each as fast as he is. Transactions are
    undone; of some nobody hears that they have become durable."""
    print(f"SJS_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    told: list[tuple[Wanted, int, list[int]]] = []

    async def follow(gate: Gate, wanted: Wanted, after: int | None, pace: float, ends: asyncio.Event) -> None:
        with gate.feed.followed(wanted, after) as follower:
            found: list[int] = []
            told.append((wanted, await follower.begin(), found))
            over = asyncio.ensure_future(ends.wait())
            over.add_done_callback(lambda done: follower.poke())
            while True:
                last = gate.feed.last
                page = await asyncio.wait_for(follower.more(), DEADLINE)
                assert page is not None and not page.lost
                found += [one.seq for one in page.events]
                if ends.is_set() and not page.events and (follower.place or 0) >= last >= kept(engine)[-1].seq:
                    return
                await asyncio.sleep(pace)
                if ends.is_set():
                    follower.poke()

    async def test(gate: Gate) -> None:
        ends = asyncio.Event()
        writers = [
            threading.Thread(target=writer, args=(gate, random.Random(chance.random()), 60 * ROUNDS)) for _ in range(4)
        ]
        for one in writers:
            one.start()
        following = []
        for _ in range(50):
            wanted = Wanted(
                chance.choice([None, "ann"]), chance.choice([(), KINDS[:1]]), chance.choice([None, None, 1])
            )
            after = chance.choice([None, 0, chance.randrange(gate.feed.last + 1)])
            pace = chance.choice([0, 0, 0.001, 0.02])
            following.append(asyncio.create_task(follow(gate, wanted, after, pace, ends)))
            await asyncio.sleep(chance.random() * 0.01)
        await asyncio.gather(*(asyncio.to_thread(one.join) for one in writers))
        gate.write._after = gate.hub.tell
        await gate.happens()  # of what was told to nobody, one hears with what comes next
        ends.set()
        await asyncio.gather(*following)

    on_a_gate(engine, test, most=60, heard=lambda: random.random() < heard)
    rows = kept(engine)
    assert len(told) == 50 and len(rows) >= 240 * ROUNDS
    for wanted, after, found in told:
        those = [row.seq for row in rows if row.seq > after and wanted.fits(row)]
        assert found == those, (wanted, after)


def test_a_thousand_who_come_at_once_after_a_restart_cost_one_read(engine: Engine) -> None:
    async def before(gate: Gate) -> None:
        await gate.happens(90)

    async def test(gate: Gate) -> None:
        asked = reads(engine)

        async def come() -> list[int]:
            with gate.feed.followed(Wanted("ann"), 40) as follower:
                return await gate.hear(follower, 90)

        assert await asyncio.gather(*(come() for _ in range(1_000))) == [list(range(41, 91))] * 1_000
        assert len(asked) == 1

    on_a_gate(engine, before)
    on_a_gate(engine, test)


def test_those_who_are_as_far_behind_share_what_is_read_for_them(engine: Engine) -> None:
    async def test(gate: Gate) -> None:
        await gate.happens(1_000)
        asked = reads(engine)

        async def come() -> list[int]:
            with gate.feed.followed(Wanted(), 0) as follower:
                return await gate.hear(follower, 1_000)

        assert await asyncio.gather(*(come() for _ in range(100))) == [list(range(1, 1_001))] * 100
        pages = -(-900 // PAGE)
        assert len(asked) == 1 + 3 * pages

    on_a_gate(engine, test)


def test_who_is_slow_is_only_a_place_and_goes_on_from_the_records(engine: Engine) -> None:
    async def test(gate: Gate) -> None:
        with gate.feed.followed(Wanted(), None) as slow:
            await slow.begin()
            for _ in range(30):
                await gate.happens(50)
            with gate.feed.followed(Wanted(), 1_490) as other:
                assert await gate.hear(other, 1_500) == list(range(1_491, 1_501))
            assert len(gate.feed._events) <= 200 and not gate.feed.has(0)
            assert await gate.hear(slow, 1_500) == list(range(1, 1_501))

    on_a_gate(engine, test)


def test_whoever_is_behind_what_is_kept_is_told_so_once(engine: Engine) -> None:
    async def before(gate: Gate) -> None:
        await gate.happens(50)
        gate.forget(20)

    async def test(gate: Gate) -> None:
        with gate.feed.followed(Wanted(), 10) as follower:
            page = await follower.more()
            assert page is not None and page.lost and [one.seq for one in page.events] == list(range(21, 51))
            await gate.happens()
            page = await follower.more()
            assert page is not None and not page.lost and [one.seq for one in page.events] == [51]
        with gate.feed.followed(Wanted(), 0) as follower:  # from the first that is kept, whichever it is
            assert await gate.hear(follower, 51) == list(range(21, 52))

    on_a_gate(engine, before)
    on_a_gate(engine, test)


@pytest.mark.parametrize("left", [5, 0])
def test_a_place_of_other_records_is_told_as_such(engine: Engine, left: int) -> None:
    """As after a restore of the database, or with an empty one."""

    async def before(gate: Gate) -> None:
        await gate.happens(5)
        gate.forget(5 - left)

    async def test(gate: Gate) -> None:
        with gate.feed.followed(Wanted(), 900) as follower:
            page = await follower.more()
            assert page is not None and page.lost and not page.events and page.reached == left
            await gate.happens()
            page = await follower.more()
            assert page is not None and not page.lost and page.events[-1].seq == 6

    on_a_gate(engine, before)
    on_a_gate(engine, test)


def test_numbers_that_grow_by_more_than_one_leave_nothing_out(engine: Engine) -> None:
    """As those of a cluster of MariaDB do."""

    async def test(gate: Gate) -> None:
        row: dict[str, Any] = {"time": 1.0, "kind": "job.ended", "owner": "ann", "job": 1, "data": "{}"}

        def happen(connection: Connection, seq: int) -> None:
            connection.execute(insert(tables.events).values(seq=seq, **row))
            changes: Changes = connection.info["sjs_changes"]
            changes.events.append(Event(seq, **row))

        with gate.feed.followed(Wanted(), None) as follower:
            await follower.begin()
            for seq in (3, 6, 9):
                gate.write(partial(happen, seq=seq))
            assert await gate.hear(follower, 9) == [3, 6, 9]

    on_a_gate(engine, test)


def test_what_happens_while_memory_is_filled_waits_for_nothing_else(engine: Engine) -> None:
    async def test(gate: Gate) -> None:
        asked = gate.read

        async def read(question: Callable[[Connection], Any]) -> Any:
            found = await asked(question)
            gate.feed._read = asked
            await gate.happens()
            return found

        gate.feed._read = read
        with gate.feed.followed(Wanted(), 0) as follower:
            assert await gate.hear(follower, 1) == [1]

    on_a_gate(engine, test)


def test_a_poke_and_the_end_are_heard_while_nothing_happens(engine: Engine) -> None:
    async def test(gate: Gate) -> None:
        with gate.feed.followed(Wanted(), None) as follower:
            await follower.begin()
            follower.poke()
            page = await asyncio.wait_for(follower.more(), DEADLINE)
            assert page is not None and not page.events and not page.lost
            waits = asyncio.create_task(follower.more())
            await asyncio.sleep(0)
            gate.hub.close()
            assert await asyncio.wait_for(waits, DEADLINE) is None

    on_a_gate(engine, test)


def test_an_event_is_heard_after_it_is_durable(engine: Engine) -> None:
    async def test(gate: Gate) -> None:
        with gate.feed.followed(Wanted(), None) as follower:
            await follower.begin()
            for last in range(1, 4):
                happens = asyncio.create_task(gate.happens())
                page = await asyncio.wait_for(follower.more(), DEADLINE)
                assert page is not None and [one.seq for one in page.events] == [last] == [kept(engine)[-1].seq]
                await happens

    on_a_gate(engine, test)
