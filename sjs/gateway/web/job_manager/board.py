"""The jobs of each jobix: a pipeline each, in which nobody needs a claim."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Row

from sjs.gateway.identity.tokens import Token
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.records.stages.looking import Which
from sjs.gateway.records.stages.values import (
    FLAG,
    LONGEST,
    MOST_COMMAND,
    MOST_ITEMS,
    MOST_NUMBER,
    MOST_STAGES,
    Changed,
    Item,
    NewItem,
    NoItem,
    NoPipeline,
    Pipeline,
    Stage,
)
from sjs.gateway.web.job_manager import pages
from sjs.gateway.web.job_manager.said import Changes, Job
from sjs.gateway.web.job_manager.words import Unfit

PREFIX = "jobix-"
"""Of the names of pipelines, before the number."""


class Board:
    """What can be done with the jobs of a jobix; who asks is a `Token`."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    async def init(self, token: Token, jobix: int, minutes: Sequence[int]) -> Sequence[Stage]:
        """Its stages, which are those of the first who has said any."""
        while True:
            known = await self._find(token, jobix)
            if known is not None and (known.last >= 0 or not minutes):
                return _stages(known)
            if not minutes:
                return ()
            try:
                known, _ = await self._define(token, jobix, known, [_lasting(one) for one in minutes])
                return _stages(known)
            except Changed:
                continue  # somebody else was first

    async def last(self, token: Token, jobix: int, stage: int, minutes: int) -> Stage:
        """Have a stage last so long, from the time on at which each of its jobs came there."""
        if stage >= MOST_STAGES:
            raise Unfit(400, f"There can be {MOST_STAGES} stages.")
        while True:
            known = await self._find(token, jobix)
            found = [] if known is None else list(_stages(known))
            found += [_lasting(0)] * (stage + 1 - len(found))
            found[stage] = _lasting(minutes)
            try:
                await self._define(token, jobix, known, found)
                return found[stage]
            except Changed:
                continue  # somebody else was first

    async def add(self, token: Token, jobix: int, jobs: Sequence[Job]) -> None:
        """Take in those that are not there yet: all of them, or none. More than can be at once, while others wait to
        write, come in several parts; whoever is not answered says them again."""
        new = await asyncio.to_thread(_items, jobs)
        for start in range(0, len(new), MOST_ITEMS):
            part = new[start : start + MOST_ITEMS]
            try:
                await self._pipelines.add(token, _name(jobix), part)
            except NoPipeline:
                with suppress(Changed):  # somebody else was first: it is there
                    await self._define(token, jobix, None, ())
                await self._pipelines.add(token, _name(jobix), part)

    async def take(self, token: Token, jobix: int, stage: int, target: int | None) -> Item | None:
        """The job with the lowest number at a stage, which is at the next one then, or at another."""
        try:
            return await self._pipelines.take(token, _name(jobix), stage, target)
        except NoPipeline:
            return None

    async def update(self, token: Token, jobix: int, number: int, stage: int, changes: Changes) -> bool:
        """Put a job to a stage; False if there is none of this number."""
        command = None if changes.command is None else _command(number, changes.command)
        try:
            await self._pipelines.move(token, _name(jobix), number, stage, command=command, file=changes.file)
        except (NoItem, NoPipeline):
            return False
        return True

    async def check(self, token: Token, jobix: int) -> tuple[bool, int]:
        """Whether the time of any job is over, and of how many it never will be."""
        known = await self._find(token, jobix)
        if known is None:
            return False, 0
        unlimited = sum(one.total for stage, one in known.counts.items() if not known.at(stage).lifetime)
        return any(one.flagged for one in known.counts.values()), unlimited

    async def degrade(self, token: Token, jobix: int, stage: int, target: int) -> int:
        """Put the jobs at a stage whose time is over to another; how many."""
        try:
            return await self._pipelines.requeue(token, _name(jobix), stage, target, is_flagged=True)
        except NoPipeline:
            return 0

    async def groups(self, token: Token, jobix: int | None = None) -> Sequence[tuple[str, pages.Group]]:
        """The jobs of each jobix, or of one, of the owner of the token: the name of the pipeline, and how it stands."""
        found: list[tuple[str, pages.Group]] = []
        after = 0
        while some := await self._pipelines.listed(token, after):
            found += [(one.name, _group(one)) for one in some if _is_ours(one, token, jobix)]
            after = some[-1].id
        return found

    async def rows(self, token: Token, name: str, group: pages.Group) -> Sequence[pages.Row]:
        """The jobs that are listed on a page."""
        if group.total <= pages.MOST:
            return [_row(one) for one in await self._pipelines.brief(token, name, Which(), pages.MOST)]
        found = list(await self._pipelines.brief(token, name, Which(is_flagged=True), pages.MOST))
        for stage in range(1, len(group.counts), 2):
            left = pages.MOST - len(found)
            if left > 0 and group.counts[stage]:
                found += await self._pipelines.brief(token, name, Which(stage, is_flagged=False), left)
        return [_row(one) for one in sorted(found, key=lambda one: one.number)]

    async def _find(self, token: Token, jobix: int) -> Pipeline | None:
        try:
            return await self._pipelines.get(token, _name(jobix))
        except NoPipeline:
            return None

    async def _define(
        self, token: Token, jobix: int, known: Pipeline | None, stages: Sequence[Stage]
    ) -> tuple[Pipeline, bool]:
        """Changed, if it is not as it was known."""
        seen = None if known is None else known.seen
        return await self._pipelines.define(token, _name(jobix), stages, is_loose=True, seen=seen, is_new=known is None)


def _name(jobix: int) -> str:
    return f"{PREFIX}{jobix}"


def _is_ours(pipeline: Pipeline, token: Token, jobix: int | None) -> bool:
    if jobix is not None:
        return pipeline.owner == token.owner and pipeline.name == _name(jobix)
    return pipeline.owner == token.owner and pipeline.name.startswith(PREFIX)


def _stages(pipeline: Pipeline) -> Sequence[Stage]:
    return [pipeline.at(number) for number in range(pipeline.last + 1)]


def _lasting(minutes: int) -> Stage:
    if minutes * 60 > LONGEST:
        raise Unfit(400, f"A stage lasts {int(LONGEST // 60)} minutes at most.")
    return Stage(lifetime=minutes * 60.0, over=FLAG)


def _items(jobs: Sequence[Job]) -> Sequence[NewItem]:
    return [NewItem(_command(one.number, one.command), _number(one.number), one.stage) for one in jobs]


def _number(number: int) -> int:
    if number > MOST_NUMBER:
        raise Unfit(400, f"The number of a job is {MOST_NUMBER} at most.")
    return number


def _command(number: int, command: Any) -> str:
    try:
        text = json.dumps(command)
    except RecursionError:
        raise Unfit(400, f"Job {number}: its jobcmd is nested too deeply.") from None
    if len(text) > MOST_COMMAND:
        raise Unfit(413, f"Job {number}: its jobcmd has more than {MOST_COMMAND} bytes.")
    return text


def _group(pipeline: Pipeline) -> pages.Group:
    highest = max([pipeline.last, *(stage for stage, one in pipeline.counts.items() if one.total)])
    counts = [pipeline.counts[stage].total if stage in pipeline.counts else 0 for stage in range(highest + 1)]
    return pages.Group(pipeline.id, counts, [one.lifetime for one in _stages(pipeline)])


def _row(row: Row[Any]) -> pages.Row:
    return pages.Row(row.number, row.stage, row.file, row.since, row.flagged)
