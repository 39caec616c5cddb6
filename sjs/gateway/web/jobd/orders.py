"""What becomes of an upload: a job, or a note why there can be none."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import End, Snapshot, Spec
from sjs.errors import Conflict
from sjs.gateway.artifacts.collecting import Rules
from sjs.gateway.collecting.wanted import Wanted, to_text, told
from sjs.gateway.desk import Desk
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records import jobs
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.jobs import New
from sjs.gateway.web.jobd import words
from sjs.gateway.web.jobd.uploads import SCRIPT

MOST_FILES = 100_000
"""In the folder of a job, when it has ended."""


class Orders:
    """Hands them in."""

    def __init__(self, desk: Desk) -> None:
        said = desk.settings.jobd
        self._desk = desk
        self._said = said
        self._wanted = Wanted(Rules((), (), MOST_FILES, said.most_output, said.most_output), whole=True)

    def word(self, for_slurm: bool) -> str:
        """For whom such a job is."""
        return (self._said.slurml_target or words.NOWHERE) if for_slurm else self._said.target

    async def accept(self, token: Token, name: str, for_slurm: bool, tree: Snapshot) -> None:
        """Have its script run, in a copy of the tree. Exists, where the name is taken by now."""
        spec = Spec(argv=(f"./{SCRIPT}",), name=name if name.isprintable() else "", snapshot=tree)
        body, rules = spec_json.to_text(told(spec, self._wanted)), to_text(self._wanted)
        await self._desk.accept(token, [self._new(name, for_slurm, body, rules)], words.ORIGIN)

    async def refuse(self, token: Token, name: str, for_slurm: bool, why: str) -> None:
        """Have it known as a job that has failed."""
        now = time.time()
        asked = Asked([self._new(name, for_slurm, "{}", None)], token.owner, words.ORIGIN, now)

        def noted(connection: Connection) -> None:
            (taken,) = accept(connection, [asked])
            if isinstance(taken, Conflict):
                raise taken
            jobs.refuse(connection, [taken.first], End("refused", detail=why), now)

        await self._desk.written(noted)

    def _new(self, name: str, for_slurm: bool, body: str, rules: str | None) -> New:
        said = to_json({"slurml": True}) if for_slurm else None
        return New(self.word(for_slurm), body, name, public=name, parameters=said, rules=rules)
