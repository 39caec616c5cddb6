"""What is asked of items is decided and written: all that many ask for at a time in a few statements, so that one
thread decides who gets what, and nothing is given twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from sjs.errors import BadRequest, Conflict, SjsError
from sjs.gateway.records import tables
from sjs.gateway.records.stages import rules
from sjs.gateway.records.stages.ledger import Ledger
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
from sjs.gateway.records.stages.values import (
    STUCK,
    Added,
    Changed,
    Item,
    NoItem,
    Page,
    Pipeline,
    Settled,
    Step,
    TooManyItems,
    Void,
)

PAGE = 500
"""Items that one order changes at most, where it is not said which."""


def perform(connection: Connection, orders: Sequence[Order | Expire]) -> Sequence[Any]:
    """What became of each: `Added`, `Settled`, an `Item` or several, a `Page`, or the error that is its own. What frees
    items goes before what asks for them."""
    ledger = Ledger(connection, max((one.now for one in orders), default=0.0))
    ledger.read_pipelines({(one.owner, one.name) for one in orders if isinstance(one, Order)})
    ledger.read_words(one.word for one in orders if isinstance(one, (Renew, Finish, Release)))
    found: dict[int, Any] = {}
    for place, order in enumerate(orders):
        if type(order) in _EACH:
            found[place] = _tried(_EACH[type(order)], ledger, order)
    ledger.flush()
    found.update(_given(ledger, [(place, one) for place, one in enumerate(orders) if isinstance(one, (Claim, Take))]))
    ledger.flush()
    for place, order in enumerate(orders):
        if type(order) in _SOME:
            found[place] = _tried(_SOME[type(order)], ledger, order)
            ledger.flush()
    ledger.settle()
    return [found[place] for place in range(len(orders))]


def _tried(handle: Callable[[Ledger, Any], Any], ledger: Ledger, order: Any) -> Any:
    try:
        return handle(ledger, order)
    except SjsError as error:
        return error


# --- one item after the other


def _add(ledger: Ledger, order: Add) -> Added:
    pipeline = ledger.pipeline(order.owner, order.name)
    if order.key is not None:
        known = _known(ledger.connection, order)
        if known is not None:
            return known
    stages = {said: pipeline.number_of(said) for said in {one.stage for one in order.new}}
    given = [one.number for one in order.new if one.number is not None]
    if given and (len(given) != len(order.new) or len(set(given)) != len(given)):
        raise BadRequest("all items have numbers, each its own, or none has")
    ledger.read_items((pipeline.id, number) for number in given)
    skipped = tuple(one for one in given if ledger.item(pipeline, one) or ledger.is_added(pipeline, one))
    there = set(skipped)
    new = [one for one in order.new if one.number is None or one.number not in there]
    _check_room(ledger.connection, order, len(new))
    first = pipeline.next
    for place, one in enumerate(new):
        number = first + place if one.number is None else one.number
        stage = stages[one.stage]
        item = Item(pipeline.id, number, stage, order.now, command=one.command, file=one.file, created=order.now)
        rules.arrive(item, pipeline, stage, order.now)
        ledger.add(item, Step(pipeline.id, number, order.now, rules.ADDED, order.who, stage, stage))
        pipeline.next = max(pipeline.next, number + 1)
    if new:
        ledger.counted_up(pipeline)
    if order.key is not None and not given:
        row = {"owner": order.owner, "key": order.key, "digest": order.digest, "created": order.now}
        ledger.connection.execute(insert(tables.keys), {**row, "first": first, "count": len(new)})
    return Added(len(new), None if given else first, skipped)


def _known(connection: Connection, order: Add) -> Added | None:
    c = tables.keys.c
    found = connection.execute(
        select(c.digest, c.first, c.count).where(c.owner == order.owner, c.key == order.key)
    ).one_or_none()
    if found is not None and found.digest != order.digest:
        raise Conflict(f"the key {order.key!r} was used before, for something else", "take another one")
    return None if found is None else Added(found[2], found[1], repeated=True)


def _check_room(connection: Connection, order: Add, more: int) -> None:
    """As of before this transaction: what is added in it besides goes beyond the limit by that at most."""
    mine = select(func.sum(tables.stages.c.total)).join_from(tables.stages, tables.pipelines)
    there = int(connection.scalar(mine.where(tables.pipelines.c.owner == order.owner)) or 0)
    if more and there + more > order.most:
        text = f"{order.owner} has {there} items, and {more} more would be above the limit of {order.most}"
        raise TooManyItems(text, "delete what is done")


def _renew(ledger: Ledger, order: Renew) -> Settled:
    pipeline, item = _claimed(ledger, order)
    rules.renew(item, pipeline, order.seconds, order.now)
    ledger.change(item)
    return Settled(item.number, item.stage, item.stage, item.due)


def _finish(ledger: Ledger, order: Finish) -> Settled:
    pipeline = ledger.pipeline(order.owner, order.name)
    target = None if order.target is None else pipeline.number_of(order.target)
    before = _before(ledger, pipeline, order.word, (rules.FINISHED,))
    if before is not None:
        if before.target != (before.stage + 1 if target is None else target):
            raise Conflict(f"item {before.number} was finished to stage {before.target}", "ask again for the same")
        return before
    pipeline, item = _claimed(ledger, order)
    step = rules.finish(item, pipeline, item.stage + 1 if target is None else target, order.now)
    ledger.change(item, step, {"result": order.result, "file": order.file})
    return Settled(item.number, step.stage, step.target)


def _release(ledger: Ledger, order: Release) -> Settled:
    before = _before(ledger, ledger.pipeline(order.owner, order.name), order.word, rules.GIVEN_BACK)
    if before is not None:
        return before
    pipeline, item = _claimed(ledger, order)
    step = rules.release(item, pipeline, order.is_failed, order.detail, order.now)
    ledger.change(item, step)
    return Settled(item.number, step.stage, step.target)


def _claimed(ledger: Ledger, order: Renew | Finish | Release) -> tuple[Pipeline, Item]:
    pipeline = ledger.pipeline(order.owner, order.name)
    item = ledger.claimed(order.word)
    if item is None or item.pipeline != pipeline.id:
        raise Void("this claim is void: its time was over, or it has ended", "leave the item to whoever has it now")
    return pipeline, item


def _before(ledger: Ledger, pipeline: Pipeline, word: str, kinds: Sequence[str]) -> Settled | None:
    """What was answered when a claim has ended so before."""
    if ledger.claimed(word) is not None:
        return None
    step = ledger.ended(word)
    if step is None or step.pipeline != pipeline.id or step.what not in kinds:
        return None
    return Settled(step.number, step.stage, step.target, repeated=True)


def _move(ledger: Ledger, order: Move) -> Item:
    pipeline, item = _one(ledger, order)
    if order.target is None:
        step = rules.change(item, order.who, order.now)
    else:
        step = rules.move(item, pipeline, pipeline.number_of(order.target), rules.MOVED, order.who, order.now)
    ledger.change(item, step, {"command": order.command, "file": order.file, "result": order.result})
    return item


def _unflag(ledger: Ledger, order: Unflag) -> Item:
    _, item = _one(ledger, order)
    if item.is_flagged or item.state == STUCK:
        ledger.change(item, rules.unflag(item, order.who, order.now))
    return item


def _one(ledger: Ledger, order: Move | Unflag) -> tuple[Pipeline, Item]:
    pipeline = ledger.pipeline(order.owner, order.name)
    ledger.read_items([(pipeline.id, order.number)])
    item = ledger.item(pipeline, order.number)
    if item is None:
        raise NoItem(f"{order.name} has no item {order.number}")
    if order.seen not in (None, item.seen):
        raise Changed(f"item {order.number} has changed since", "look at it again")
    return pipeline, item


# --- who gets what


def _given(ledger: Ledger, asked: Sequence[tuple[int, Claim | Take]]) -> Mapping[int, Any]:
    """Items at the same stage are read once for all who ask for them, and go to them in the order in which they do."""
    found: dict[int, Any] = {}
    queues: dict[tuple[int, int], list[tuple[int, Claim | Take]]] = {}
    for place, order in asked:
        try:
            pipeline = ledger.pipeline(order.owner, order.name)
            stage = pipeline.number_of(order.stage)
            if isinstance(order, Claim) and stage >= pipeline.last:
                raise BadRequest(f"stage {stage} of {pipeline.name} means done", "claim at one before it")
            if isinstance(order, Take):
                _target(pipeline, order, stage)
        except SjsError as error:
            found[place] = error
            continue
        queues.setdefault((pipeline.id, stage), []).append((place, order))
    for (number, stage), queue in queues.items():
        pipeline = ledger.by_id(number)
        count = sum(len(one.words) if isinstance(one, Claim) else 1 for _, one in queue)
        free = list(reversed(ledger.free(pipeline, stage, count)))
        for place, order in queue:
            found[place] = (
                [_claim(ledger, pipeline, free.pop(), word, order) for word in order.words if free]
                if isinstance(order, Claim)
                else _take(ledger, pipeline, free.pop(), order)
                if free
                else None
            )
    return found


def _claim(ledger: Ledger, pipeline: Pipeline, item: Item, word: str, order: Claim) -> Item:
    ledger.change(item, rules.claim(item, pipeline, word, order.who, order.seconds, order.now))
    return item


def _take(ledger: Ledger, pipeline: Pipeline, item: Item, order: Take) -> Item:
    ledger.change(item, rules.take(item, pipeline, _target(pipeline, order, item.stage), order.who, order.now))
    return item


def _target(pipeline: Pipeline, order: Take, stage: int) -> int:
    return pipeline.number_of(stage + 1 if order.target is None else order.target)


# --- some at a time


def _requeue(ledger: Ledger, order: Requeue) -> Page:
    pipeline = ledger.pipeline(order.owner, order.name)
    stage, target = pipeline.number_of(order.stage), pipeline.number_of(order.target)
    c = tables.items.c
    which = [c.stage == stage, c.number > order.after]
    if order.is_flagged:
        which.append(c.flagged.is_(True))
    some = ledger.some(pipeline, *which, limit=PAGE)
    for item in some:
        ledger.change(item, rules.move(item, pipeline, target, rules.REQUEUED, order.who, order.now))
    return _page(some)


def _remove(ledger: Ledger, order: Remove) -> Page:
    pipeline = ledger.pipeline(order.owner, order.name)
    c = tables.items.c
    which = [c.number > order.after]
    if order.numbers is not None:
        which.append(c.number.in_(order.numbers))
    if order.stage is not None:
        which.append(c.stage == pipeline.number_of(order.stage))
    if order.is_flagged is not None:
        which.append(c.flagged.is_(order.is_flagged))
    some = ledger.some(pipeline, *which, limit=PAGE)
    if some:
        these = [item.number for item in some]
        ledger.connection.execute(delete(tables.items).where(c.pipeline == pipeline.id, c.number.in_(these)))
    for item in some:
        ledger.gone(item)
    return _page(some)


def _page(some: Sequence[Item]) -> Page:
    return Page(len(some), some[-1].number if len(some) == PAGE else None)


def _expire(ledger: Ledger, order: Expire) -> Page:
    """`after` is not where to go on, but that there is more."""
    c = tables.items.c
    some = ledger.some(None, c.due <= order.now, limit=PAGE, order=c.due)
    ledger.read_pipelines(numbers={item.pipeline for item in some})
    for item in some:
        ledger.change(item, rules.expire(item, ledger.by_id(item.pipeline), order.now))
        ledger.late(item)
    return Page(len(some), some[-1].number if len(some) == PAGE else None)


_EACH: Mapping[type, Callable[[Ledger, Any], Any]] = {
    Add: _add,
    Renew: _renew,
    Finish: _finish,
    Release: _release,
    Move: _move,
    Unflag: _unflag,
}

_SOME: Mapping[type, Callable[[Ledger, Any], Any]] = {Requeue: _requeue, Remove: _remove, Expire: _expire}
