"""Sweeps, as who asks for them has them: handed in, looked at, ended, run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row

from sjs.compact import to_json
from sjs.core.lifecycle import BAD, UNENDED
from sjs.errors import Conflict
from sjs.gateway.desk import Desk, UnknownSweep, check, check_owner
from sjs.gateway.engine.judging import MOST as MOST_JUDGED
from sjs.gateway.engine.office import Crowded
from sjs.gateway.identity.tokens import Token, may, may_see, may_submit, only_of
from sjs.gateway.records import courses, sweeps
from sjs.gateway.records.jobs import Taken
from sjs.gateway.records.sweeps import NewSweep
from sjs.gateway.unfolding import Unfolded, Wish, unfolded

AT_ONCE = 500
"""Jobs that one transaction, and one request to a machine, are about."""


class Sweeps:
    """A sweep is known by its owner and its name; to administrators, those of others are there as well."""

    def __init__(self, desk: Desk, environ: Mapping[str, str]) -> None:
        self._desk = desk
        self._environ = environ

    async def make(
        self, token: Token, wish: Callable[[], Wish], said: str, key: str | None = None
    ) -> tuple[Unfolded, Taken]:
        """Take all its jobs in, or none: what it has come to. `said`: what was asked for, as JSON."""
        found = await asyncio.to_thread(lambda: unfolded(wish(), self._environ))
        spec, course = found.new[0].spec, found.course
        if course.stop_rule is not None and await self._desk.read(courses.judged) >= MOST_JUDGED:
            raise Crowded(f"{MOST_JUDGED} sweeps are judged by a stop_rule", "wait until one of them is over")
        how = (course.metric, course.max_running, course.stop_after_failures, course.stop_rule)
        new = NewSweep(found.name, found.word, to_json(list(found.names)), said, spec, *how)
        return found, await self._desk.accept(token, found.new, "api", key, said=said, sweep=new)

    async def get(self, token: Token, name: str, owner: str | None = None) -> Row[Any]:
        """The row of a sweep, with its counts. UnknownSweep, too, for one that is somebody else's."""
        check(may(token, "read"))
        whose = owner or token.owner
        found = None
        if may_see(token, whose):
            found = await self._desk.read(partial(sweeps.get, owner=whose, name=name))
        if found is None:
            raise UnknownSweep(f"there is no sweep {name!r:.140}")
        return found

    async def page(self, token: Token, before: int | None, limit: int, owner: str | None = None) -> Sequence[Row[Any]]:
        """The newest first; those of others only for administrators."""
        check(may(token, "read"))
        check_owner(token, owner or token.owner)
        whose = only_of(token) if owner is None else owner
        return await self._desk.read(partial(sweeps.page, owner=whose, before=before, limit=limit))

    async def cancel(self, token: Token, name: str, owner: str | None = None, grace: float | None = None) -> Row[Any]:
        """End all of its jobs that have not ended. Unreachable where that could not be said to some machine: what is
        elsewhere is ended all the same, and it may be asked again."""
        check(may(token, "cancel"))
        row = await self.get(token, name, owner)
        office = self._desk.office
        await self._each(await self._members(row, UNENDED), lambda some, word: office.cancel(some, grace))
        return await self.get(token, name, owner)

    async def retry(self, token: Token, name: str, owner: str | None = None, states: Sequence[str] = BAD) -> Row[Any]:
        """Have those of its jobs run again that have ended so, each where it was. Once this has returned they do, also
        where their machine is away now."""
        check(may(token, "submit"))
        row = await self.get(token, name, owner)
        members = await self._members(row, states)
        names = sorted({one.target for one in members if one.target is not None})
        for spec in {one.spec for one in members}:
            check(may_submit(token, spec, names or self._desk.targets(row.word)))
        for target in names:
            if self._desk.config.find(target) is None:
                raise Conflict(f"some of it was at {target}, which is no target any more", "hand it in anew")
        await self._desk.check_queue(token, row.owner, len(members))
        await self._each(members, self._desk.office.retry_some)
        return await self.get(token, name, owner)

    async def _members(self, row: Row[Any], states: Sequence[str]) -> Sequence[Row[Any]]:
        return await self._desk.read(partial(sweeps.members, span=(row.first, row.last), states=states))

    async def _each(self, members: Sequence[Row[Any]], work: Callable[[Sequence[int], str], None]) -> None:
        """Have it done with the jobs of each target, of all targets at once; what went wrong is raised when all is
        done."""
        there: dict[str, list[int]] = {}
        for one in members:
            there.setdefault(one.target or one.word, []).append(one.id)
        await all_of(
            self._desk.questions.ask(name, partial(_in_pieces, work, numbers, members[0].word))
            for name, numbers in there.items()
        )


def _in_pieces(work: Callable[[Sequence[int], str], None], numbers: Sequence[int], word: str) -> None:
    for start in range(0, len(numbers), AT_ONCE):
        work(numbers[start : start + AT_ONCE], word)


async def all_of(works: Iterable[Awaitable[None]]) -> None:
    """Wait for all of them, whatever goes wrong with some; then raise the first that did."""
    found = await asyncio.gather(*works, return_exceptions=True)
    for error in found:
        if error is not None:
            raise error
