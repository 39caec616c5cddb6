"""What can be asked of the gateway, in whatever dialect: who asks (`Token`), and values in, values out. Errors are
those of sjs; each dialect has its own words for them.

One loop asks it. Whatever waits for a disk or a machine does so in a thread.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row

from sjs.config import Config
from sjs.core.lifecycle import FINAL
from sjs.errors import Conflict, Refused, UnknownJob
from sjs.gateway import tokens
from sjs.gateway.arrivals import Arrivals
from sjs.gateway.artifacts import link_keys
from sjs.gateway.artifacts.lending import Lending
from sjs.gateway.artifacts.opening import open_store
from sjs.gateway.artifacts.settings import parse as store_settings
from sjs.gateway.artifacts.store import Store
from sjs.gateway.engine.courses import Courses
from sjs.gateway.engine.office import Office
from sjs.gateway.engine.telling import LOG
from sjs.gateway.feed import Feed, Wanted
from sjs.gateway.hub import Hub
from sjs.gateway.identity.limits import Exceeded, may_queue
from sjs.gateway.identity.tokens import Token, is_usable, may, may_see, may_submit, only_of
from sjs.gateway.posting import signing
from sjs.gateway.posting.addresses import networks
from sjs.gateway.posting.couriers import Couriers
from sjs.gateway.records import events, listing, sweeps
from sjs.gateway.records.events import Changes, Event
from sjs.gateway.records.failing import asking
from sjs.gateway.records.jobs import New, Taken
from sjs.gateway.records.listing import Sought, Walk
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import Owner, owned
from sjs.gateway.records.shelf import Shelf
from sjs.gateway.records.sweeps import NewSweep
from sjs.gateway.records.writer import Writer
from sjs.gateway.retention import Retention
from sjs.gateway.settings import Settings
from sjs.gateway.specs.folder import SpecFolder
from sjs.gateway.stages.timer import Timer
from sjs.gateway.staging import Staging
from sjs.gateway.threads import Threads
from sjs.gateway.trials import Trials
from sjs.gateway.unended import Unended
from sjs.routing import select
from sjs.values import replace

T = TypeVar("T")

MOST, EACH = 64, 8
"""Questions to machines that are open at a time, in all and to one."""


HINTS = {
    "scope": "what a token may is said when it is made: submit token make --scope",
    "raw": "any command: submit token make OWNER --scope submit,read,raw",
}
"""By the codes of what is forbidden."""


class Denied(Refused):
    """Who asks may not."""

    code = "forbidden"


class UnknownSweep(Refused):
    """Nobody who may be known of has a sweep of this name."""

    code = "unknown_sweep"


class TooMany(Refused):
    """Who asks has too many jobs that have not ended."""

    code = "too_many_queued"

    def __init__(self, exceeded: Exceeded) -> None:
        super().__init__(exceeded.text)
        self.retry_after = exceeded.retry_after


class Desk:
    """Everything that answers requests stands on it."""

    def __init__(self, settings: Settings, config: Config, engine: Engine, owner: Owner, store: Store) -> None:
        self.settings = settings
        self.config = config
        self.store = Lending(store)
        self.specs = SpecFolder(settings.specs)
        self.link_keys = link_keys.kept(settings.link_key_file, time.time())
        """Those that links to artifacts are signed with, the one that signs first."""
        self.own: set[str] = set()
        """Ids of tokens that are in no records: under which those come who can present none."""
        self.feed = Feed(self.read)
        self.hub = Hub(self.feed)
        self.staging = Staging(os.path.join(settings.folder, "staging"))
        self.shelf = Shelf(engine)
        self.trials = Trials(engine)
        self.unended = Unended(engine)
        self._engine = engine
        allowed = networks(settings.hooks_allow)
        self.steps: Counter[str] = Counter()
        """What was done with items since the start, and how often."""
        self.lost: Future[None] = Future()
        """Fails when the database is another gateway's: nothing is written then, and it is time to end."""
        self.write = Writer(owner, self._changed, self.lost.set_exception)
        self.timer = Timer(engine, self.write)  # what is told of what was written is there before anything is
        self.courses = Courses(engine, self.write)
        self.couriers = Couriers(engine, self.write, signing.key(settings.folder), allowed)
        self.couriers.start()
        self.office = Office(config, engine, self.write, self.store)
        self._retention = Retention(settings.keep, engine, self.write, self.store)
        self._retention.start()
        self.timer.start()
        self.courses.start(self.office)
        self.questions = Threads(MOST, EACH)
        self.arrivals = Arrivals()

    def close(self) -> None:
        """Hand in no more, and write what was said."""
        self._retention.close()
        self.timer.close()
        self.courses.close()
        self.office.close()
        self.couriers.close()
        self.write.close()

    def _changed(self, changes: Changes) -> None:
        self.shelf.forget(changes.jobs)
        self.trials.forget(changes.jobs)
        self.unended.tell(changes)
        self.hub.tell(changes)
        self.couriers.tell(changes)
        self.steps.update(changes.steps)
        self.timer.tell(changes)
        self.courses.tell(changes)

    async def written(self, work: Callable[[Connection], T]) -> T:
        """What the work gives back, once it is durable."""
        return await self.arrivals.of(self.write.put(work))

    async def read(self, question: Callable[[Connection], T]) -> T:
        """The answer of the records."""
        return await asyncio.to_thread(self._asked, question)

    def _asked(self, question: Callable[[Connection], T]) -> T:
        with asking(self._engine) as connection:
            return question(connection)

    async def accept(
        self,
        token: Token,
        new: Sequence[New],
        origin: str,
        key: str | None = None,
        owner: str | None = None,
        said: str | None = None,
        sweep: NewSweep | None = None,
    ) -> Taken:
        """Take jobs in. Once this has returned they run, whatever becomes of this process. `said`: what has to be the
        same under the same key, if it is not what is to run; `sweep`: of which they are the jobs."""
        for spec, word in dict.fromkeys((one.spec, one.word) for one in new):
            check(may_submit(token, spec, self.targets(word)))
        whose = owner or token.owner
        await self.check_queue(token, whose, len(new))
        return await self.arrivals.of(self.office.accept(new, whose, origin, key, said, sweep))

    async def check_queue(self, token: Token, owner: str, more: int) -> None:
        """TooMany, where so many more of an owner's jobs would have to end."""
        queued = self.unended.here(owner)
        if queued is None:
            queued = await asyncio.to_thread(self.unended.of, owner)
        exceeded = may_queue(token.limits, queued, more)
        if exceeded is not None:
            raise TooMany(exceeded)

    def targets(self, word: str) -> Sequence[str]:
        """Whom a word means; UsageError if nobody."""
        return [one.name for one in select(self.config, word).managers]

    async def row(self, token: Token, number: int) -> Row[Any]:
        """The row of a job. UnknownJob, too, for one that is somebody else's."""
        check(may(token, "read"))
        found = self.shelf.here(number) or await asyncio.to_thread(self.shelf.get, number)
        if found is None or not may_see(token, found.owner):
            raise UnknownJob(f"there is no job {number}")
        return found

    async def page(
        self,
        token: Token,
        sought: Sought,
        walk: Walk,
        limit: int,
        columns: Sequence[str] = (),
        sweep: str | None = None,
    ) -> tuple[Sequence[Row[Any]], int | None]:
        """Some jobs, and where the walk goes on, if there may be more. Those of others only for administrators.
        `sweep`: only those of the one that is called so by its owner, who is whoever asks if nobody else is named."""
        check(may(token, "read"))
        whose = token.owner if sought.owner is None else sought.owner
        check_owner(token, whose)
        if "admin" not in token.scopes:
            sought = replace(sought, owner=token.owner)

        def look(connection: Connection) -> tuple[Sequence[Row[Any]], int | None]:
            span = None if sweep is None else sweeps.span(connection, whose, sweep)
            if span is None and sweep is not None:
                return (), None
            found = listing.some(connection, replace(sought, span=span), walk, limit)
            return listing.rows(connection, found.numbers, columns), found.stop

        return await self.read(look)

    async def ran(self, token: Token, start: float, stop: float, limit: int) -> Sequence[Row[Any]]:
        """When jobs ran, as `records.listing.ran` has it."""
        check(may(token, "read"))
        return await self.read(partial(listing.ran, owner=only_of(token), start=start, stop=stop, limit=limit))

    async def counts(self, token: Token, states: Sequence[str]) -> Mapping[str, int]:
        """How many jobs are in each of these states, as `records.listing.counts` has it."""
        check(may(token, "read"))
        return await self.read(partial(listing.counts, owner=only_of(token), states=states))

    async def past(
        self, token: Token, kinds: Sequence[str], job: int | None, before: int | None, limit: int
    ) -> Sequence[Event]:
        """What has happened, the newest first."""
        wanted = self.wanted(token, kinds, job)
        return await self.read(
            lambda connection: events.past(connection, wanted.owner, before, limit, wanted.kinds, wanted.job)
        )

    def wanted(
        self, token: Token, kinds: Sequence[str] = (), job: int | None = None, owner: str | None = None
    ) -> Wanted:
        """The events that it may hear of, of those that it wants to."""
        check(may(token, "read"))
        check_owner(token, token.owner if owner is None else owner)
        return Wanted(only_of(token) if owner is None else owner, tuple(sorted(set(kinds))), job)

    async def of_sweep(self, token: Token, wanted: Wanted, name: str) -> Wanted:
        """Of these events those of the sweep that is called so by their owner, or by whoever asks."""
        span = await self.read(partial(sweeps.span, owner=wanted.owner or token.owner, name=name))
        if span is None:
            raise UnknownSweep(f"there is no sweep {name!r:.140}")
        return replace(wanted, span=span)

    async def is_good(self, token: Token) -> bool:
        """Whether who came with it could come again."""
        if token.id in self.own:
            return True
        found = await self.read(lambda connection: tokens.find(connection, token.id))
        return found is not None and is_usable(found, time.time())

    async def cancel(self, token: Token, number: int, grace: float | None = None) -> Row[Any]:
        """End a job, wherever it is; its row, in which the end may not stand yet."""
        check(may(token, "cancel"))
        row = await self.row(token, number)
        await self.questions.ask(row.target or row.word, partial(self.office.cancel, [row.id], grace))
        return await self.row(token, number)

    async def retry(self, token: Token, number: int) -> Row[Any]:
        """Have a job run again that has ended; its row. Conflict if it has not, or can not."""
        check(may(token, "submit"))
        row = await self.row(token, number)
        check(may_submit(token, row.spec, [row.target] if row.target else self.targets(row.word)))
        if row.target is not None and self.config.find(row.target) is None:
            raise Conflict(f"job {number} was at {row.target}, which is no target any more", "hand it in anew")
        await self.questions.ask(row.target or row.word, partial(self.office.retry, row.id, row.word))
        found = await self.row(token, number)
        if found.state in FINAL and found.attempt <= row.attempt and found.target is not None:
            raise Conflict(f"job {number} was not run again by {found.target}", "`why` says what is in its way")
        return found


def check(denied: Any) -> None:
    """Raise what `may` and its like have against it."""
    if denied is not None:
        raise Denied(denied.text, HINTS.get(denied.code, ""))


def check_owner(token: Token, owner: str) -> None:
    """Raise what it has against it that this owner's jobs are looked at."""
    if not may_see(token, owner):
        raise Denied("this token may look at its owner's jobs only")


@contextmanager
def opened(settings: Settings, config: Config, environ: Mapping[str, str]) -> Iterator[Desk]:
    """The desk, and all that it stands on. There is one for each database."""
    with ExitStack() as stack:
        engine = engine_of(settings.database)
        stack.callback(engine.dispose)
        owner = stack.enter_context(owned(engine))
        migrate(engine)
        owner.count()
        where = os.path.join(settings.folder, "artifacts")
        store = open_store(store_settings(settings.artifacts, where), environ, LOG.warning)
        desk = Desk(settings, config, engine, owner, store)
        stack.callback(desk.close)
        yield desk
