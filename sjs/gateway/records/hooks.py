"""Webhooks, and what they have not been told yet. Each function is work for the writer, or a question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from sjs.compact import to_json
from sjs.gateway.records.events import Event, document, since, span
from sjs.gateway.records.tables import deliveries, hooks
from sjs.values import dataclass

AT_ONCE = 500
"""Events that are looked at for a hook at a time."""

MOST_DEAD = 1_000
"""Deliveries of a hook that were given up, and are kept."""


@dataclass(frozen=True)
class Hook:
    """`everybody`: it is told of all jobs, not of its owner's alone; `ended`: why it is told nothing any more."""

    id: int
    owner: str
    url: str
    salt: str
    kinds: Sequence[str]
    everybody: bool
    since: int
    created: float
    ended: str

    def fits(self, event: Event) -> bool:
        """Whether it is to be told of that."""
        is_owners = self.everybody or event.owner == self.owner
        return not self.ended and is_owners and (not self.kinds or event.kind in self.kinds)


def add(
    connection: Connection, owner: str, url: str, salt: str, kinds: Sequence[str], everybody: bool, now: float
) -> Hook:
    """A new one, which is told of what happens from now on."""
    _, last = span(connection)
    said = {"owner": owner, "url": url, "salt": salt, "since": last, "created": now}
    wanted = to_json({"kinds": list(kinds), "everybody": everybody})
    made = connection.execute(insert(hooks).values(**said, wanted=wanted).returning(*hooks.c)).one()
    return _hook(made)


def listed(connection: Connection, owner: str | None = None) -> Sequence[Hook]:
    """All, or those of an owner, the oldest first."""
    found = select(hooks).order_by(hooks.c.id)
    if owner is not None:
        found = found.where(hooks.c.owner == owner)
    return [_hook(row) for row in connection.execute(found)]


def get(connection: Connection, number: int) -> Hook | None:
    row = connection.execute(select(hooks).where(hooks.c.id == number)).one_or_none()
    return None if row is None else _hook(row)


def remove(connection: Connection, number: int) -> None:
    """With all that it was to be told."""
    connection.execute(delete(deliveries).where(deliveries.c.hook == number))
    connection.execute(delete(hooks).where(hooks.c.id == number))


def end(connection: Connection, number: int, why: str) -> None:
    """It is told nothing any more; what it was to be told is kept with what was given up."""
    connection.execute(update(hooks).where(hooks.c.id == number).values(ended=why))
    waiting = deliveries.c.hook == number, deliveries.c.due.is_not(None)
    connection.execute(update(deliveries).where(*waiting).values(due=None, why=why))
    _trim(connection, number)


def begin(connection: Connection, number: int) -> None:
    """It is told again, of what happens from now on."""
    _, last = span(connection)
    connection.execute(update(hooks).where(hooks.c.id == number, hooks.c.ended != "").values(ended="", since=last))


def spread(connection: Connection, now: float) -> bool:
    """Write down who is to be told of what has happened, as far as it was not looked at; whether there is more."""
    _, last = span(connection)
    is_more = False
    for hook in listed(connection):
        if hook.ended or hook.since >= last:
            continue
        found = since(connection, hook.since, None if hook.everybody else hook.owner, AT_ONCE, hook.kinds)
        rows = [
            {"hook": hook.id, "event": one.seq, "body": document(one), "created": now, "due": now, "tries": 0}
            for one in found
        ]
        if rows:
            connection.execute(insert(deliveries), rows)
        reached = found[-1].seq if len(found) == AT_ONCE else last
        connection.execute(update(hooks).where(hooks.c.id == hook.id).values(since=reached))
        is_more = is_more or reached < last
    return is_more


@dataclass(frozen=True)
class Delivery:
    """`due`: when it is tried next; None: it was given up."""

    id: int
    hook: int
    event: int
    body: str
    tries: int
    created: float
    due: float | None
    why: str


def following(connection: Connection, hook: int, hold: int) -> Delivery | None:
    """What a hook is told next, and when. What was tried fewer than `hold` times is told in its order; the rest when it
    is due."""
    waiting = select(deliveries).where(deliveries.c.hook == hook, deliveries.c.due.is_not(None))
    ordered = waiting.where(deliveries.c.tries < hold).order_by(deliveries.c.event).limit(1)
    others = waiting.where(deliveries.c.tries >= hold).order_by(deliveries.c.due, deliveries.c.event).limit(1)
    found = [_delivery(row) for one in (ordered, others) for row in connection.execute(one)]
    return min(found, key=lambda one: one.due or 0.0, default=None)


def delivered(connection: Connection, number: int) -> None:
    """It is known there."""
    connection.execute(delete(deliveries).where(deliveries.c.id == number))


def failed(connection: Connection, one: Delivery, due: float | None, why: str) -> None:
    """It was tried once more; without a time to try it again, it is given up."""
    changed = update(deliveries).where(deliveries.c.id == one.id)
    connection.execute(changed.values(tries=one.tries + 1, due=due, why=why))
    if due is None:
        _trim(connection, one.hook)


def dead(connection: Connection, hook: int, after: int, limit: int) -> Sequence[Delivery]:
    """What was given up, the oldest first."""
    found = select(deliveries).where(deliveries.c.hook == hook, deliveries.c.due.is_(None), deliveries.c.id > after)
    return [_delivery(row) for row in connection.execute(found.order_by(deliveries.c.id).limit(limit))]


def again(connection: Connection, hook: int, number: int | None, now: float) -> int:
    """Try anew what was given up, or one of it; how many."""
    changed = update(deliveries).where(deliveries.c.hook == hook, deliveries.c.due.is_(None))
    if number is not None:
        changed = changed.where(deliveries.c.id == number)
    return connection.execute(changed.values(due=now, tries=0)).rowcount


def counts(connection: Connection, hook: int) -> tuple[int, int]:
    """How many deliveries wait, and how many were given up."""
    found = select(func.count(), func.count(deliveries.c.due)).where(deliveries.c.hook == hook)
    every, waiting = connection.execute(found).one()
    return waiting, every - waiting


def _trim(connection: Connection, hook: int) -> None:
    given_up = deliveries.c.hook == hook, deliveries.c.due.is_(None)
    newest = select(deliveries.c.id).where(*given_up).order_by(deliveries.c.id.desc()).offset(MOST_DEAD).limit(1)
    last = connection.scalar(newest)
    if last is not None:
        connection.execute(delete(deliveries).where(*given_up, deliveries.c.id <= last))


def _hook(row: Row[Any]) -> Hook:
    said = json.loads(row.wanted)
    return Hook(
        row.id, row.owner, row.url, row.salt, said["kinds"], said["everybody"], row.since, row.created, row.ended
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(row.id, row.hook, row.event, row.body, row.tries, row.created, row.due, row.why)
