"""Jobs are taken in: those of all who ask at a time in a few statements, for each statement costs more than a row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_

from sjs.core.lifecycle import QUEUED
from sjs.errors import Conflict
from sjs.gateway.records import sweeps
from sjs.gateway.records.events import tell
from sjs.gateway.records.jobs import ACCEPTED, WANTED, Exists, New, Taken, tag_digest
from sjs.gateway.records.sweeps import NewSweep
from sjs.gateway.records.tables import jobs, keys, tags
from sjs.values import dataclass

_Claim = tuple[str, str, str]
"""An owner, a dialect, a name in it."""


@dataclass(frozen=True)
class Asked:
    """Jobs that somebody hands in together; with a key, once. `said`: what tells whether the same is asked for under a
    key, where its jobs come out otherwise each time."""

    new: Sequence[New]
    owner: str
    origin: str
    now: float
    key: str | None = None
    said: str | None = None
    sweep: NewSweep | None = None
    """Of which they are the jobs."""

    @property
    def name(self) -> object:
        """What is the same when it is asked for again."""
        return id(self) if self.key is None else (self.owner, self.key)

    @property
    def claims(self) -> list[_Claim]:
        """The names that its jobs are to have for their client."""
        return [(self.owner, self.origin, one.public) for one in self.new if one.public is not None]


Outcome = Taken | Conflict


def accept(connection: Connection, asked: Sequence[Asked]) -> Sequence[Outcome]:
    """Take jobs in, for all who ask, in a few statements. Who comes with a key that was used before hears what came of
    it then, or Conflict if that was for something else; Exists for a public name that is taken."""
    known = _under_keys(connection, asked)
    claimed = _claimed(connection, [name for one in asked for name in one.claims])
    swept = sweeps.taken(connection, [(one.owner, one.sweep.name) for one in asked if one.sweep is not None])
    fresh: dict[object, Asked] = {}
    refused: dict[object, Exists] = {}
    for one in asked:
        if one.name in known or one.name in fresh:
            continue
        taken = [name for name in one.claims if name in claimed]
        if taken:
            refused[one.name] = Exists(f"there is a job {taken[0][2]!r} already", "take another name")
        elif one.sweep is not None and (one.owner, one.sweep.name) in swept:
            refused[one.name] = Exists(f"there is a sweep {one.sweep.name!r} already", "take another name")
        else:
            fresh[one.name] = one
            claimed.update(one.claims)
            swept.update([(one.owner, one.sweep.name)] if one.sweep is not None else ())
    known.update(_added(connection, fresh))
    return [
        _answer(one, known[one.name], fresh.get(one.name) is one) if one.name in known else refused[one.name]
        for one in asked
    ]


_Known = tuple[str, int, int]
"""Of what was asked for under a key: its digest, the id of its first job, how many they are."""


def _under_keys(connection: Connection, asked: Sequence[Asked]) -> dict[object, _Known]:
    wanted = [(one.owner, one.key) for one in asked if one.key is not None]
    if not wanted:
        return {}
    what = (keys.c.owner, keys.c.key, keys.c.digest, keys.c.first, keys.c.count)
    found = select(*what).where(tuple_(keys.c.owner, keys.c.key).in_(wanted))
    return {(owner, key): (digest, first, count) for owner, key, digest, first, count in connection.execute(found)}


def _claimed(connection: Connection, wanted: Sequence[_Claim]) -> set[_Claim]:
    if not wanted:
        return set()
    name = (jobs.c.owner, jobs.c.origin, jobs.c.public)
    return {(row[0], row[1], row[2]) for row in connection.execute(select(*name).where(tuple_(*name).in_(wanted)))}


def _added(connection: Connection, fresh: Mapping[object, Asked]) -> dict[object, _Known]:
    new = [(one, job) for one in fresh.values() for job in one.new]
    if not new:
        return {}
    rows = [
        {**_columns(job), "owner": one.owner, "origin": one.origin, "state": QUEUED, "created": one.now}
        | {"kept": "" if job.rules is None else WANTED, "batch": None if one.sweep is None else one.sweep.batch}
        for one, job in new
    ]
    ids = connection.scalars(_ADD, rows).all()
    known: dict[object, _Known] = {}
    at = 0
    for name, one in fresh.items():
        known[name] = (_digest(one), ids[at], len(one.new))
        at += len(one.new)
    under_keys = [
        {"owner": one.owner, "key": one.key, "digest": digest, "first": first, "count": count, "created": one.now}
        for one, (digest, first, count) in zip(fresh.values(), known.values(), strict=True)
        if one.key is not None
    ]
    if under_keys:
        connection.execute(_ADD_KEYS, under_keys)
    spans = zip(fresh.values(), known.values(), strict=True)
    made = [
        (one.sweep, one.owner, (first, first + count - 1)) for one, (_, first, count) in spans if one.sweep is not None
    ]
    sweeps.add(connection, made, new[-1][0].now)
    tagged = [
        {"job": number, "digest": digest}
        for number, (_, job) in zip(ids, new, strict=True)
        for digest in {tag_digest(*tag) for tag in job.tags}
    ]
    if tagged:
        connection.execute(_ADD_TAGS, tagged)
    said = [(one.owner, {"name": job.name, "state": QUEUED}) for one, job in new]
    told = [(number, *one) for number, one in zip(ids, said, strict=True)]
    tell(connection, ACCEPTED, new[-1][0].now, told)
    return known


_ADD = insert(jobs).returning(jobs.c.id, sort_by_parameter_order=True)
_ADD_KEYS = insert(keys)
_ADD_TAGS = insert(tags)


def _columns(job: New) -> dict[str, Any]:
    """What of it stands in its own row."""
    return {name: value for name, value in vars(job).items() if name != "tags"}


def _answer(one: Asked, known: _Known, is_new: bool) -> Outcome:
    digest, first, count = known
    if is_new or digest == _digest(one):
        return Taken(first, count, repeated=not is_new)
    return Conflict(f"the key {one.key!r} was used before, for something else", "take another one")


def _digest(one: Asked) -> str:
    """Of what is asked for, where it is to be known again."""
    if one.key is None:
        return ""
    said = json.dumps([vars(job) for job in one.new], sort_keys=True) if one.said is None else one.said
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
