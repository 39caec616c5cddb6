"""Brings events to webhooks, in a thread with a loop of its own: for each hook there is one courier, who brings it one
thing after the other, and waits for nobody else's receiver.

What is to be told is written down before it is tried, and taken away after it was answered: whoever is killed in
between tells it again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from secrets import token_hex
from socket import SOCK_STREAM, getaddrinfo
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from sjs.compact import to_json
from sjs.gateway.posting import schedule, signing
from sjs.gateway.posting.addresses import Network
from sjs.gateway.posting.schedule import Outcome
from sjs.gateway.posting.sending import Resolve, Sender
from sjs.gateway.records import hooks
from sjs.gateway.records.events import Changes
from sjs.gateway.records.hooks import Delivery, Hook
from sjs.gateway.records.opening import reason
from sjs.gateway.records.writer import Unavailable, Writer

T = TypeVar("T")

LOG = logging.getLogger("sjs.gateway")

AT_ONCE = 128
"""Tries that are under way, of all hooks."""

RESOLVERS = 8
"""Names that are looked up at a time, in threads: what looks them up can not be told to stop."""

GRACE = 3.0
"""Seconds for what is under way, when the gateway ends."""

LONGEST_SLEEP = 3_600.0
"""Seconds; then it is looked again what time it is: a clock may have been set."""

AGAIN = 5.0
"""Seconds after which the records are asked again that did not answer."""


class Couriers:
    """Told of changes from any thread. `allowed`: networks to which webhooks may lead besides the open internet."""

    def __init__(
        self,
        engine: Engine,
        write: Writer,
        key: bytes,
        allowed: Sequence[Network],
        resolve: Resolve | None = None,
    ) -> None:
        self._engine = engine
        self._write = write
        self._key = key
        self._sender = Sender(allowed, resolve or self._looked_up)
        self._known: Mapping[int, Hook] = {}
        self._couriers: dict[int, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._lookers = ThreadPoolExecutor(RESOLVERS, "sjs names")
        self._happened, self._changed, self._ends = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="sjs hooks", daemon=True)

    def start(self) -> None:
        """Go on with what was not told. What happened last is written down first, before it may be forgotten."""
        while self._write(partial(hooks.spread, now=time.time())):
            pass
        self._thread.start()

    def close(self) -> None:
        """Begin no more; what is under way has a moment, and whoever comes next goes on with the rest."""
        self._say(self._ends)
        self._thread.join()
        self._lookers.shutdown(wait=False, cancel_futures=True)

    def tell(self, changes: Changes) -> None:
        """This has become durable."""
        known = self._known.values()
        if known and any(hook.fits(event) for event in changes.events for hook in known):
            self._say(self._happened)

    def changed(self) -> None:
        """A hook was made, or removed, or is to be told again."""
        self._say(self._changed)

    def secret(self, hook: Hook) -> str:
        """What its messages are signed with, as its owner is told, once."""
        return signing.shown(signing.secret(self._key, hook.salt))

    def _say(self, what: asyncio.Event) -> None:
        try:
            self._loop.call_soon_threadsafe(what.set)
        except RuntimeError:
            return  # it has ended, and what is to be told is written down for the next

    async def ping(self, hook: Hook) -> Outcome:
        """Tell a hook that it is there; what came of it."""
        body = to_json({"type": "ping", "time": time.time(), "data": {"hook": hook.id}})
        asked = asyncio.run_coroutine_threadsafe(self._sent(hook, f"ping_{token_hex(8)}", body), self._loop)
        return await asyncio.wrap_future(asked)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._run())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        except Exception:
            LOG.exception("webhooks are told nothing any more, until the gateway is started again")
        finally:
            self._loop.close()

    async def _run(self) -> None:
        working = [asyncio.create_task(self._patiently(one)) for one in (self._follow_hooks, self._spread)]
        await self._ends.wait()
        for task in working:
            task.cancel()
        for _, wakes in self._couriers.values():
            wakes.set()
        couriers = [task for task, _ in self._couriers.values()]
        if couriers:
            await asyncio.wait(couriers, timeout=GRACE)
        for task in couriers:
            task.cancel()
        await asyncio.gather(*working, *couriers, return_exceptions=True)
        self._sender.close()

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while the records do not answer."""
        while not self._ends.is_set():
            try:
                await work()
                return
            except (SQLAlchemyError, Unavailable) as error:
                LOG.warning("webhooks: %s; it is tried again", reason(error))
            except Exception:
                LOG.exception("webhooks could not be told; it is tried again")
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ends.wait(), AGAIN)

    async def _follow_hooks(self) -> None:
        """One courier for each."""
        self._changed.set()
        while await self._changed.wait():
            self._changed.clear()
            self._known = {one.id: one for one in await self._asked(hooks.listed) if not one.ended}
            for number, (task, _) in list(self._couriers.items()):
                if number not in self._known or task.done():
                    task.cancel()
                    del self._couriers[number]
            for number in self._known.keys() - self._couriers.keys():
                wakes = asyncio.Event()
                serves = partial(self._tell_all, self._known[number], wakes)
                self._couriers[number] = asyncio.create_task(self._patiently(serves)), wakes
            for _, wakes in self._couriers.values():
                wakes.set()
            self._happened.set()  # something may have, before they were known

    async def _spread(self) -> None:
        """Write down who is to be told of what."""
        self._happened.set()
        while await self._happened.wait():
            self._happened.clear()
            if await self._written(partial(hooks.spread, now=time.time())):
                self._happened.set()
            for _, wakes in self._couriers.values():
                wakes.set()

    async def _tell_all(self, hook: Hook, wakes: asyncio.Event) -> None:
        """Of a hook: what it is to be told, when it is to be told it."""
        quiet = 0.0
        while not self._ends.is_set():
            wakes.clear()
            one = await self._asked(partial(hooks.following, hook=hook.id, hold=schedule.HOLD))
            wait = None if one is None else max(one.due or 0.0, quiet) - time.time()
            if one is None or wait is None or wait > 0:
                await self._sleep(wakes, wait)
                continue
            outcome = await self._sent(hook, f"msg_{hook.id}_{one.event}", one.body)
            await self._written(partial(_record, one=one, outcome=outcome, now=time.time(), chance=random.random()))
            quiet = time.time() + (outcome.again or 0.0)
            if outcome.is_gone:
                self._changed.set()
                return

    async def _sleep(self, wakes: asyncio.Event, seconds: float | None) -> None:
        timer = None if seconds is None else self._loop.call_later(min(seconds, LONGEST_SLEEP), wakes.set)
        try:
            await wakes.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _sent(self, hook: Hook, name: str, text: str) -> Outcome:
        async with self._slots:
            body = text.encode("ascii")
            secret = signing.secret(self._key, hook.salt)
            return await self._sender.send(hook.url, signing.signed(secret, name, int(time.time()), body), body)

    async def _looked_up(self, host: str, port: int) -> Sequence[str]:
        looks = partial(getaddrinfo, host, port, type=SOCK_STREAM)
        found = await self._loop.run_in_executor(self._lookers, looks)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    async def _asked(self, question: Callable[[Connection], T]) -> T:
        def ask() -> T:
            with self._engine.connect() as connection:
                return question(connection)

        return await asyncio.to_thread(ask)

    async def _written(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self._write.put(work))


def _record(connection: Connection, one: Delivery, outcome: Outcome, now: float, chance: float) -> None:
    """What came of a try."""
    if outcome.is_delivered:
        hooks.delivered(connection, one.id)
        return
    due = schedule.due(outcome, one.tries + 1, now, chance)
    hooks.failed(connection, one, due, outcome.why)
    if outcome.is_gone:
        hooks.end(connection, one.hook, outcome.why)
        LOG.warning("hook %d answered that it is gone, and is told nothing any more", one.hook)
    elif due is None:
        LOG.warning("hook %d was not told of event %d, for good: %s", one.hook, one.event, outcome.why)
