"""Orders as tests give them: at a moment, each in a transaction of its own, or together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from sqlalchemy import Engine

from sjs.gateway.records.events import Changes, begin
from sjs.gateway.records.opening import WRITES
from sjs.gateway.records.stages import looking, pipelines
from sjs.gateway.records.stages.handling import perform
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
from sjs.gateway.records.stages.values import Counts, NewItem, Pipeline, Stage

MANY = 10**9


class Asking:
    """Somebody's pipeline, and what he asks of it. `changes`: of the last transaction."""

    def __init__(self, engine: Engine, owner: str = "ann", name: str = "p") -> None:
        self.engine = engine
        self.owner, self.name = owner, name
        self.now = 1_000.0
        self.changes = Changes()
        self._words = count(1)

    def define(self, *stages: Stage, is_loose: bool = False, **more: Any) -> Pipeline:
        said = Definition(self.owner, self.name, stages, is_loose, **more)
        with self.engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            self.changes = begin(connection)
            return pipelines.define(connection, said, self.now)[0]

    def all(self, *orders: Order | Expire) -> Sequence[Any]:
        """What becomes of orders that come together."""
        with self.engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            self.changes = begin(connection)
            return perform(connection, orders)

    def one(self, order: Order | Expire) -> Any:
        """The same of one; what is an error is raised."""
        (found,) = self.all(order)
        if isinstance(found, Exception):
            raise found
        return found

    def words(self, number: int) -> list[str]:
        return [f"{next(self._words):032x}" for _ in range(number)]

    def _base(self, who: str = "w") -> tuple[str, str, str, float]:
        return self.owner, self.name, who, self.now

    def add(self, number: int = 1, *, stage: int = 0, most: int = MANY, key: str | None = None) -> Add:
        return Add(*self._base(), [NewItem("{}", stage=stage)] * number, most, key, f"{number}")

    def numbered(self, *numbers: int, stage: int = 0) -> Add:
        return Add(*self._base(), [NewItem(f'"{one}"', one, stage) for one in numbers], MANY)

    def claim(self, stage: int | str = 0, number: int = 1, *, who: str = "w", seconds: float | None = None) -> Claim:
        return Claim(*self._base(who), stage, self.words(number), seconds)

    def take(self, stage: int | str = 0, target: int | None = None) -> Take:
        return Take(*self._base(), stage, target)

    def finish(self, word: str | None, target: int | str | None = None, **said: Any) -> Finish:
        return Finish(*self._base(), word or "", target, **said)

    def renew(self, word: str | None, seconds: float | None = None) -> Renew:
        return Renew(*self._base(), word or "", seconds)

    def release(self, word: str | None, is_failed: bool = False) -> Release:
        return Release(*self._base(), word or "", is_failed)

    def move(self, number: int, target: int | str | None = None, **said: Any) -> Move:
        return Move(*self._base(), number, target, **said)

    def unflag(self, number: int) -> Unflag:
        return Unflag(*self._base(), number)

    def requeue(self, stage: int, target: int, is_flagged: bool = True, after: int = -1) -> Requeue:
        return Requeue(*self._base(), stage, target, is_flagged, after)

    def remove(self, **which: Any) -> Remove:
        return Remove(*self._base(), **which)

    def expire(self) -> Expire:
        return Expire(self.now)

    # --- looking

    def row(self, number: int) -> Any:
        with self.engine.connect() as connection:
            return looking.one(connection, self.pipeline().id, number)

    def steps(self, number: int) -> list[tuple[str, str, int, int]]:
        with self.engine.connect() as connection:
            found = looking.steps(connection, self.pipeline().id, number)
        return [(one.what, one.who, one.stage, one.target) for one in found]

    def pipeline(self) -> Pipeline:
        with self.engine.connect() as connection:
            return pipelines.get(connection, self.owner, self.name)

    def counts(self) -> list[tuple[int, int, int]]:
        """Of each stage, as they are kept; they are what is counted."""
        found = self.pipeline()
        with self.engine.connect() as connection:
            rows, _ = looking.page(connection, found.id, looking.Which(), limit=MANY)
        counted: dict[int, Counts] = {at: Counts() for at in found.counts}
        for row in rows:
            one = counted[row.stage]
            one.total += 1
            one.claimed += row.state == "claimed"
            one.flagged += row.flagged
        assert counted == found.counts
        return [(one.total, one.claimed, one.flagged) for _, one in sorted(found.counts.items())]
