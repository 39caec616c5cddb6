"""What is written and read of jobs. Each function is work for the writer, or a question; none waits for anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    Integer,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from sjs.core.job import End, Job
from sjs.core.lifecycle import CANCELLED, FAILED, FINAL, LIVE, LOST, QUEUED, RUNNING
from sjs.errors import Conflict
from sjs.gateway.records.events import tell, touch
from sjs.gateway.records.tables import batches, jobs, shares
from sjs.values import dataclass

ACCEPTED, BEGUN, ENDED, RETRIED = "job.accepted", "job.running", "job.ended", "job.retried"
"""Kinds of events."""

CANCEL, RETRY = "cancel", "retry"
"""Wishes: what is still to be said to a job's target."""

HELD = 0
"""In place of a batch: it is held back until there is room for it."""

WANTED = "wanted"
"""Of what a job leaves: it is to be collected when the job has ended."""


class Exists(Conflict):
    """The client has given this name to another job."""

    code = "exists"


@dataclass(frozen=True)
class New:
    """A job that is handed in: what to run (`body`, as it goes over the wire), for which target (`word`)."""

    word: str
    body: str
    name: str = ""
    public: str | None = None
    spec: str | None = None
    parameters: str | None = None
    rules: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Taken:
    """The ids under which jobs were taken, now or (`repeated`) when the same was asked for before."""

    first: int
    count: int
    repeated: bool = False


def form_batch(connection: Connection, word: str, most: int, now: float, key: str) -> int:
    """Put the oldest jobs for a word that are in no batch yet into one; how many they are."""
    waiting = select(jobs.c.id).where(_unplaced, jobs.c.word == word).order_by(jobs.c.id).limit(most)
    numbers = connection.scalars(waiting).all()
    if numbers:
        values = {"key": key, "word": word, "created": now}
        batch = connection.execute(insert(batches).values(values).returning(batches.c.id)).scalar_one()
        keep_in_batch(connection, batch, numbers)
    return len(numbers)


_unplaced = and_(jobs.c.batch.is_(None), jobs.c.target.is_(None), func.coalesce(jobs.c.ended, 0.0) == 0.0)
"""Not by its state, nor by an end that an index has: these lead databases to all that wait at targets, too."""

_held = and_(func.coalesce(jobs.c.batch, -1) == HELD, jobs.c.state == QUEUED)
"""Though it may be at a target: as one that has ended there, and is to run again."""


def words(connection: Connection) -> Sequence[str]:
    """For whom there are jobs that have no home yet."""
    waiting = select(jobs.c.word).where(_unplaced)
    return connection.scalars(waiting.union(select(batches.c.word))).all()


def has_more(connection: Connection, word: str) -> bool:
    """Whether there are such jobs for this one."""
    waiting = select(jobs.c.id).where(_unplaced, jobs.c.word == word).limit(1)
    under_way = select(batches.c.id).where(batches.c.word == word).limit(1)
    return connection.scalar(waiting) is not None or connection.scalar(under_way) is not None


@dataclass(frozen=True)
class Batch:
    """Jobs that are handed in together."""

    id: int
    key: str
    word: str


def open_batches(connection: Connection, word: str) -> Sequence[Batch]:
    """Those for a word of which some jobs have no home yet, the oldest first."""
    found = select(batches.c.id, batches.c.key, batches.c.word).where(batches.c.word == word).order_by(batches.c.id)
    return [Batch(*row) for row in connection.execute(found)]


def keep_in_batch(connection: Connection, batch: int, numbers: Sequence[int]) -> None:
    """Only these stay in it, in this order; the others are to come into another one."""
    homeless = and_(jobs.c.batch == batch, jobs.c.target.is_(None))
    connection.execute(update(jobs).where(homeless).values(batch=None, place=None))
    if numbers:
        connection.execute(
            update(jobs).where(jobs.c.id == bindparam("this")).values(batch=batch, place=bindparam("at")),
            [{"this": number, "at": at} for at, number in enumerate(numbers)],
        )


def members(connection: Connection, batch: int) -> Sequence[tuple[int, str]]:
    """The jobs of a batch that nobody has: their ids, and what they run."""
    homeless = and_(jobs.c.batch == batch, jobs.c.state == QUEUED, jobs.c.target.is_(None))
    found = select(jobs.c.id, jobs.c.body).where(homeless).order_by(jobs.c.place)
    return [(row.id, row.body) for row in connection.execute(found)]


def bodies(connection: Connection, batch: int, start: int, stop: int) -> Sequence[str]:
    """What the jobs at these places of a batch run."""
    found = select(jobs.c.body).where(jobs.c.batch == batch, jobs.c.place >= start, jobs.c.place < stop)
    return connection.scalars(found.order_by(jobs.c.place)).all()


def taken_there(connection: Connection, batch: int, start: int, target: str, numbers: Iterable[int]) -> None:
    """A target has jobs of a batch, from one place on, under these ids of its own."""
    rows = [{"at": start + at, "there": number} for at, number in enumerate(numbers)]
    connection.execute(
        update(jobs)
        .where(jobs.c.batch == batch, jobs.c.place == bindparam("at"))
        .values(target=target, number=bindparam("there"), version=jobs.c.version + 1),
        rows,
    )
    places = select(jobs.c.id).where(jobs.c.batch == batch, jobs.c.place >= start, jobs.c.place < start + len(rows))
    touch(connection, connection.scalars(places))
    settle_share(connection, batch, start)


def settle_share(connection: Connection, batch: int, start: int) -> None:
    """Nobody waits for the answer to it any more."""
    connection.execute(delete(shares).where(shares.c.batch == batch, shares.c.start == start))


def settle_batch(connection: Connection, batch: int) -> None:
    """Forget a batch all of whose jobs have a home or an end."""
    waiting = select(jobs.c.id).where(jobs.c.batch == batch, jobs.c.target.is_(None), jobs.c.state == QUEUED)
    connection.execute(delete(batches).where(batches.c.id == batch, ~waiting.exists()))


def refuse_share(connection: Connection, batch: int, start: int, count: int, end: End, now: float) -> None:
    """Nobody will have these jobs of a batch, ever: they have ended."""
    those = select(jobs.c.id).where(jobs.c.batch == batch, jobs.c.place >= start, jobs.c.place < start + count)
    refuse(connection, connection.scalars(those).all(), end, now)
    settle_share(connection, batch, start)


def refuse(connection: Connection, numbers: Sequence[int], end: End, now: float) -> None:
    """Jobs that nobody has, or will have, have ended."""
    _end(connection, [(number, FAILED, end, None, now, 0) for number in numbers], now)


def lose(connection: Connection, numbers: Sequence[int], detail: str, now: float) -> None:
    """Of these their target has no record any more: they have ended, and nobody knows how."""
    found = connection.execute(select(jobs.c.id, jobs.c.attempt).where(jobs.c.id.in_(numbers)))
    _end(connection, [(row.id, LOST, End("lost", detail=detail), None, now, row.attempt) for row in found], now)


@dataclass(frozen=True)
class Place:
    """Where a job is, and under which id there."""

    job: int
    target: str
    number: int
    wish: str = ""
    attempt: int = 0


_PLACE = select(jobs.c.id, jobs.c.target, jobs.c.number, jobs.c.wish, jobs.c.attempt).where(jobs.c.target.is_not(None))


def unended(connection: Connection) -> Sequence[Place]:
    """The jobs that targets have, and that have not ended as far as is known."""
    found = _PLACE.where(jobs.c.state.in_((QUEUED, *LIVE)), ~_held)
    return [Place(*row) for row in connection.execute(found.order_by(jobs.c.id))]


def places(connection: Connection, numbers: Sequence[int]) -> Sequence[Place]:
    """Where those of these jobs are that targets have, and that have not ended."""
    found = _PLACE.where(jobs.c.id.in_(numbers), jobs.c.state.in_((QUEUED, *LIVE)), ~_held)
    return [Place(*row) for row in connection.execute(found)]


def places_of(connection: Connection, batch: int, start: int, count: int) -> Sequence[Place]:
    """Where these jobs of a batch are."""
    found = _PLACE.where(jobs.c.batch == batch, jobs.c.place >= start, jobs.c.place < start + count)
    return [Place(*row) for row in connection.execute(found.order_by(jobs.c.place))]


def begun(connection: Connection, seen: Iterable[tuple[int, Job]], now: float) -> None:
    """These run."""
    found = dict(seen)
    known = select(jobs.c.id, jobs.c.owner, jobs.c.state, or_(jobs.c.wish == RETRY, _held), jobs.c.attempt)
    rows = connection.execute(known.where(jobs.c.id.in_(found), jobs.c.state.not_in(FINAL))).all()
    new = {
        number: owner
        for number, owner, state, is_next, attempt in rows
        if (state == QUEUED and not is_next) or attempt < found[number].attempt
    }
    if new:
        values = [{"job": one, "try": found[one].attempt, "since": found[one].started} for one in new]
        connection.execute(_BEGIN, values)
    told = [(one, owner, {"state": RUNNING, "attempt": found[one].attempt}) for one, owner in new.items()]
    tell(connection, BEGUN, now, told)


_BEGIN = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(
        state=RUNNING,
        attempt=bindparam("try"),
        begun=bindparam("since"),
        wish=case((jobs.c.wish == RETRY, ""), else_=jobs.c.wish),
        version=jobs.c.version + 1,
    )
)


def ended(connection: Connection, seen: Iterable[tuple[int, str, Job]], now: float) -> None:
    """These have ended: the target where it was, and its record there. Of one that is to run again, this may be the end
    that it had before."""
    found = {number: (target, job) for number, target, job in seen}
    again = select(jobs.c.id, jobs.c.attempt).where(jobs.c.id.in_(found), or_(jobs.c.wish == RETRY, _held))
    for number, attempt in connection.execute(again).all():
        if found[number][1].attempt <= attempt:
            del found[number]
    if found:
        places = [{"job": number, "there": target, "its": job.id} for number, (target, job) in found.items()]
        connection.execute(_PLACED, places)
    _end(
        connection,
        [
            (number, job.state, job.end or End("lost"), job.started, job.ended or now, job.attempt)
            for number, (_, job) in found.items()
        ],
        now,
    )


_PLACED = update(jobs).where(jobs.c.id == bindparam("job")).values(target=bindparam("there"), number=bindparam("its"))


def withdraw(connection: Connection, numbers: Sequence[int], now: float, why: str = "") -> Sequence[int]:
    """Cancel jobs that no target can have yet; those that it was in time for. The others are to be cancelled there, at
    once or when they have arrived."""
    early = select(jobs.c.id, jobs.c.attempt).where(jobs.c.id.in_(numbers), or_(_unplaced, _held))
    rows = connection.execute(early).all()
    _end(connection, [(row.id, CANCELLED, End("cancelled", detail=why), None, now, row.attempt) for row in rows], now)
    on_its_way = and_(jobs.c.state == QUEUED, or_(jobs.c.target.is_(None), jobs.c.wish == RETRY))
    connection.execute(
        update(jobs).where(jobs.c.id.in_(numbers), on_its_way).values(wish=CANCEL, version=jobs.c.version + 1)
    )
    touch(connection, numbers)
    return [row.id for row in rows]


def homeless(connection: Connection, numbers: Sequence[int]) -> Sequence[str]:
    """For whom those of these jobs are that nobody has yet."""
    found = select(jobs.c.word).where(jobs.c.id.in_(numbers), jobs.c.state == QUEUED, jobs.c.target.is_(None))
    return connection.scalars(found.distinct()).all()


def unwanted(connection: Connection, batch: int) -> Sequence[int]:
    """The jobs of a batch that are to be cancelled, and that nobody has."""
    found = select(jobs.c.id).where(jobs.c.batch == batch, jobs.c.state == QUEUED, jobs.c.wish == CANCEL)
    return connection.scalars(found.where(jobs.c.target.is_(None))).all()


def withdraw_unwanted(connection: Connection, batch: int, now: float) -> None:
    """End them, where nobody was asked yet to take any job of the batch; and forget the batch, if none is left."""
    numbers = unwanted(connection, batch)
    _end(connection, [(number, CANCELLED, End("cancelled"), None, now, 0) for number in numbers], now)
    settle_batch(connection, batch)


def wishes(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """What is to be said to the targets of jobs."""
    found = connection.execute(select(jobs.c.id, jobs.c.wish).where(jobs.c.id.in_(numbers)))
    return {row[0]: row[1] for row in found}


def tried_again(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """The target knows that these jobs are to run again; what else is to be said to it."""
    connection.execute(update(jobs).where(jobs.c.id.in_(numbers), jobs.c.wish == RETRY).values(wish=""))
    return wishes(connection, numbers)


def get(connection: Connection, number: int) -> Row[Any] | None:
    """The row of a job."""
    return connection.execute(select(jobs).where(jobs.c.id == number)).one_or_none()


def named(connection: Connection, owner: str, origin: str, public: str) -> int | None:
    """The id of the job to which a client has given this name."""
    found = select(jobs.c.id).where(jobs.c.owner == owner, jobs.c.origin == origin, jobs.c.public == public)
    return connection.scalar(found)


def given(connection: Connection, origin: str, first: int) -> Sequence[tuple[int, str, bool]]:
    """Of the jobs of a dialect that were handed in, from this one on: what they run, and whether they have ended."""
    found = select(jobs.c.id, jobs.c.body, jobs.c.state).where(jobs.c.origin == origin, jobs.c.rules.is_not(None))
    rows = connection.execute(found.where(jobs.c.id >= first).order_by(jobs.c.id))
    return [(number, body, state in FINAL) for number, body, state in rows]


def tag_digest(name: str, value: str) -> str:
    """By which jobs are found that have this tag."""
    return sha256(f"{name}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()


_Ending = tuple[int, str, End, "float | None", float, int]


def _end(connection: Connection, found: Sequence[_Ending], now: float) -> None:
    """Those that have not ended before. Many in one statement: where threads are busy, each costs a wait for a turn."""
    not_yet = select(jobs.c.id, jobs.c.owner).where(jobs.c.id.in_([one[0] for one in found]))
    owners = {row.id: row.owner for row in connection.execute(not_yet.where(jobs.c.state.not_in(FINAL)))}
    new = [one for one in found if one[0] in owners]
    if new:
        connection.execute(_END, [_ending(*one) for one in new])
    told = [
        (number, owners[number], {"state": state, "reason": end.reason, "exit": end.exit, "signal": end.signal})
        for number, state, end, *_ in new
    ]
    tell(connection, ENDED, now, told)


def _ending(
    number: int, state: str, end: End, started: float | None, at: float, attempt: int
) -> Mapping[str, str | int | float | None]:
    said = {"why": end.reason, "code": end.exit, "sign": end.signal, "words": end.detail}
    return {"job": number, "as": state, **said, "since": started, "at": at, "try": attempt}


_END = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(
        state=bindparam("as"),
        reason=bindparam("why"),
        exit=bindparam("code"),
        signal=bindparam("sign"),
        detail=bindparam("words"),
        begun=func.coalesce(bindparam("since", type_=Double), jobs.c.begun),
        ended=bindparam("at"),
        attempt=bindparam("try"),
        kept=case((bindparam("try", type_=Integer) == 0, ""), else_=jobs.c.kept),  # what never ran has left nothing
        version=jobs.c.version + 1,
    )
)
