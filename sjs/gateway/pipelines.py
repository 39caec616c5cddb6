"""What can be asked of stages, in whatever dialect: who asks (`Token`), and values in, values out. Somebody else's
pipeline is as if it were not, but for administrators, who say whose (`owner`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row

from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.drawing import Words
from sjs.gateway.identity.tokens import Token, may, may_see, only_of
from sjs.gateway.records.stages import looking, pipelines
from sjs.gateway.records.stages.handling import perform
from sjs.gateway.records.stages.looking import Holder, Rows, Which
from sjs.gateway.records.stages.orders import (
    Add,
    Claim,
    Expire,
    Finish,
    Move,
    Order,
    Release,
    Remove,
    Renew,
    Requeue,
    Take,
    Unflag,
)
from sjs.gateway.records.stages.pipelines import Definition
from sjs.gateway.records.stages.values import (
    Added,
    Item,
    NewItem,
    NoItem,
    NoPipeline,
    Page,
    Pipeline,
    Seen,
    Settled,
    Stage,
)
from sjs.gateway.records.writer import Unavailable
from sjs.values import replace


class Pipelines:
    """For one event loop. `stage` and `target` are numbers or names."""

    def __init__(self, desk: Desk, now: Callable[[], float] = time.time) -> None:
        self._desk = desk
        self._now = now
        self._words = Words(16)

    # --- pipelines

    async def define(
        self,
        token: Token,
        name: str,
        stages: Sequence[Stage],
        *,
        owner: str | None = None,
        is_loose: bool = False,
        seen: Seen | None = None,
        is_new: bool = False,
    ) -> tuple[Pipeline, bool]:
        """Make one, or say other things of it; the pipeline as it is then, and whether it is new. `seen`: only if it is
        this one still; `is_new`: only if there is none yet."""
        said = Definition(self._owner(token, "submit", owner), name, stages, is_loose, seen, is_new)
        return await self._desk.written(lambda connection: pipelines.define(connection, said, self._now()))

    async def get(self, token: Token, name: str, owner: str | None = None) -> Pipeline:
        """One, with what stands at its stages. NoPipeline if there is none."""
        whose = self._owner(token, "read", owner)
        return await self._desk.read(lambda connection: pipelines.get(connection, whose, name))

    async def listed(self, token: Token, after: int = 0, limit: int = 100) -> Sequence[Pipeline]:
        """One's own, or, for administrators, all; from behind an id on."""
        check(may(token, "read"))
        return await self._desk.read(lambda connection: pipelines.page(connection, only_of(token), after, limit))

    async def delete(self, token: Token, name: str, owner: str | None = None) -> None:
        """Forget one with all that is in it. Nobody finds it from the beginning on; its items go a little at a time."""
        whose = self._owner(token, "submit", owner)
        await self._desk.written(lambda connection: pipelines.close(connection, whose, name, self._now()))
        while await self._desk.written(pipelines.remove_closed):
            pass

    # --- items

    async def add(
        self,
        token: Token,
        name: str,
        new: Sequence[NewItem],
        *,
        key: str | None = None,
        digest: str = "",
        who: str | None = None,
        owner: str | None = None,
    ) -> Added:
        """Take in all of them, or none; those whose numbers are there already are skipped. `key`, `digest`: the same
        under the same key adds nothing, where the items have no numbers."""
        whose = self._owner(token, "submit", owner)
        order = Add(whose, name, who or token.owner, self._now(), new, token.limits.items, key, digest)
        found: Added = await self._ask(order)
        return found

    async def claim(
        self,
        token: Token,
        name: str,
        stage: int | str,
        worker: str,
        *,
        seconds: float | None = None,
        count: int = 1,
        wait: float = 0.0,
        owner: str | None = None,
    ) -> Sequence[Item]:
        """Up to so many free items at a stage, the lowest numbers first, each with the word of its claim. Where there
        is none, wait so long for one. Who goes meanwhile is to cancel this."""
        whose = self._owner(token, "submit", owner)

        async def ask() -> Sequence[Item]:
            words = [self._words.next() for _ in range(count)]
            order = Claim(whose, name, worker, self._now(), stage, words, seconds)
            written: Future[Sequence[Item]] = self._desk.write.put_among(perform, order)
            try:
                return await self._desk.arrivals.of(written)
            except asyncio.CancelledError:
                written.add_done_callback(partial(self._give_back, order))
                raise

        found = await ask()
        if found or not wait:
            return found
        pipeline = await self._desk.read(lambda connection: pipelines.get(connection, whose, name))
        with self._desk.hub.queues.waiting((pipeline.id, pipeline.number_of(stage))) as turn:
            until = monotonic() + wait
            found = await ask()
            while not found and not turn.is_over:
                try:
                    await asyncio.wait_for(turn.called(), until - monotonic())
                except asyncio.TimeoutError:
                    break
                turn.taken()
                found = await ask()
        return found

    def _give_back(self, order: Claim, done: Future[Any]) -> None:
        """Nobody is there any more who would have what was claimed."""
        if done.exception() is None:
            for item in done.result():
                release = Release(order.owner, order.name, order.who, self._now(), item.word)
                with suppress(Unavailable):  # the gateway ends; then their time has one, too
                    self._desk.write.put_among(perform, release)

    async def take(
        self,
        token: Token,
        name: str,
        stage: int | str,
        target: int | str | None = None,
        *,
        who: str | None = None,
        owner: str | None = None,
    ) -> Item | None:
        """The free item with the lowest number, which is at the next stage then, or at another. There is no word for
        it: whoever moves it on does."""
        whose = self._owner(token, "submit", owner)
        found: Item | None = await self._ask(Take(whose, name, who or token.owner, self._now(), stage, target))
        return found

    async def renew(
        self, token: Token, name: str, word: str, seconds: float | None = None, owner: str | None = None
    ) -> Settled:
        """Have a claim last so long from now. Void if it is none any more."""
        whose = self._owner(token, "submit", owner)
        return await self._settled(Renew(whose, name, token.owner, self._now(), word, seconds))

    async def finish(
        self,
        token: Token,
        name: str,
        word: str,
        target: int | str | None = None,
        *,
        result: str | None = None,
        file: str | None = None,
        owner: str | None = None,
    ) -> Settled:
        """Have the item go on to the next stage, or to another. Void if it is not claimed any more; whoever asks again
        for the same is answered the same."""
        whose = self._owner(token, "submit", owner)
        return await self._settled(Finish(whose, name, token.owner, self._now(), word, target, result, file))

    async def release(
        self,
        token: Token,
        name: str,
        word: str,
        *,
        is_failed: bool = False,
        detail: str = "",
        owner: str | None = None,
    ) -> Settled:
        """Give the item back; `is_failed`: it could not be done, and is flagged."""
        whose = self._owner(token, "submit", owner)
        return await self._settled(Release(whose, name, token.owner, self._now(), word, is_failed, detail))

    async def move(
        self,
        token: Token,
        name: str,
        number: int,
        target: int | str | None = None,
        *,
        command: str | None = None,
        file: str | None = None,
        result: str | None = None,
        seen: Seen | None = None,
        who: str | None = None,
        owner: str | None = None,
    ) -> Item:
        """Put an item to a stage, perhaps anew to its own, whoever has it; without one only what is said of it is
        changed. NoItem if there is none. `seen`: only as it was then."""
        whose = self._owner(token, "submit", owner)
        by = who or token.owner
        found: Item = await self._ask(Move(whose, name, by, self._now(), number, target, command, file, result, seen))
        return found

    async def unflag(
        self, token: Token, name: str, number: int, seen: Seen | None = None, owner: str | None = None
    ) -> Item:
        """What an item is flagged for is seen to."""
        whose = self._owner(token, "submit", owner)
        found: Item = await self._ask(Unflag(whose, name, token.owner, self._now(), number, seen))
        return found

    async def requeue(
        self,
        token: Token,
        name: str,
        stage: int | str,
        target: int | str,
        *,
        is_flagged: bool = True,
        who: str | None = None,
        owner: str | None = None,
    ) -> int:
        """Move the flagged items at a stage, or all, to another one, or anew to the same; how many."""
        whose = self._owner(token, "submit", owner)
        return await self._all(
            Requeue(whose, name, who or token.owner, self._now(), stage, target, is_flagged),
        )

    async def remove(
        self,
        token: Token,
        name: str,
        *,
        numbers: Sequence[int] | None = None,
        stage: int | str | None = None,
        is_flagged: bool | None = None,
        owner: str | None = None,
    ) -> int:
        """Forget these items, or those at a stage, or the flagged ones; how many. It is not said to who has one."""
        whose = self._owner(token, "submit", owner)
        return await self._all(Remove(whose, name, token.owner, self._now(), numbers, stage, is_flagged))

    async def item(
        self, token: Token, name: str, number: int, owner: str | None = None
    ) -> tuple[Row[Any], Sequence[Row[Any]]]:
        """An item, and what was done with it. NoItem if there is none."""
        whose = self._owner(token, "read", owner)

        def asked(connection: Any) -> tuple[Row[Any], Sequence[Row[Any]]]:
            pipeline = pipelines.get(connection, whose, name)
            row = looking.one(connection, pipeline.id, number)
            if row is None:
                raise NoItem(f"{name} has no item {number}")
            return row, looking.steps(connection, pipeline.id, number)

        return await self._desk.read(asked)

    async def page(
        self,
        token: Token,
        name: str,
        which: Which | None = None,
        after: int = -1,
        limit: int = 100,
        stage: int | str | None = None,
        owner: str | None = None,
    ) -> Rows:
        """Items, the lowest numbers first, from behind one on; and behind which there may be more."""
        whose = self._owner(token, "read", owner)

        def asked(connection: Any) -> Rows:
            pipeline = pipelines.get(connection, whose, name)
            wanted = which or Which()
            if stage is not None:
                wanted = replace(wanted, stage=pipeline.number_of(stage))
            return looking.page(connection, pipeline.id, wanted, after, limit)

        return await self._desk.read(asked)

    async def brief(self, token: Token, name: str, which: Which, limit: int) -> Sequence[Row[Any]]:
        """The first items, of each its number, stage, file, since when it is there and whether it is flagged."""
        whose = self._owner(token, "read", None)

        def asked(connection: Connection) -> Sequence[Row[Any]]:
            return looking.brief(connection, pipelines.get(connection, whose, name).id, which, limit)

        return await self._desk.read(asked)

    async def workers(self, token: Token, name: str, limit: int, owner: str | None = None) -> Sequence[Holder]:
        """Who has items, by so many claims."""
        whose = self._owner(token, "read", owner)

        def asked(connection: Connection) -> Sequence[Holder]:
            return looking.workers(connection, pipelines.get(connection, whose, name).id, limit)

        return await self._desk.read(asked)

    # ---

    def _owner(self, token: Token, scope: str, owner: str | None) -> str:
        check(may(token, scope))
        if owner is not None and not may_see(token, owner):
            raise NoPipeline("there is no such pipeline")
        return token.owner if owner is None else owner

    async def _ask(self, order: Order | Expire) -> Any:
        return await self._desk.arrivals.of(self._desk.write.put_among(perform, order))

    async def _settled(self, order: Order) -> Settled:
        found: Settled = await self._ask(order)
        return found

    async def _all(self, order: Requeue | Remove) -> int:
        """Done a page at a time, so that who writes besides waits for no more than one."""
        page: Page = await self._ask(order)
        count = page.count
        while page.after is not None:
            page = await self._ask(replace(order, after=page.after))
            count += page.count
        return count
