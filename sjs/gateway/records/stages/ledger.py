"""The pipelines and items that a transaction works on: read once, changed in memory, written together. What stands at
each stage is counted by what changes, and told once for each pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, insert, select, tuple_, update

from sjs.gateway.records import events, tables
from sjs.gateway.records.stages.values import CLAIMED, FREE, USUAL, Counts, Item, NoPipeline, Pipeline, Stage, Step
from sjs.values import fields

MOVED, EXPIRED = "stage.moved", "stage.expired"
"""Kinds of events: something has changed at stages; the time of something there is over, too."""

TOLD = 100
"""Numbers of items that an event names."""

_IN = 400
"""Values in one statement: some databases take no more than a thousand."""

_HEAVY = ("command", "file", "result")
_LIGHT = [
    getattr(tables.items.c, "flagged" if one == "is_flagged" else one) for one in fields(Item) if one not in _HEAVY
]
_SAID = [getattr(tables.items.c, one) for one in _HEAVY]

_THESE: Any = bindparam("these", expanding=True)
"""What is asked in each transaction is made once: to make a statement takes longer than to run it."""

_p, _s = tables.pipelines.c, tables.stages.c

PIPELINES: Select[Any] = select(_p.id, _p.owner, _p.name, _p.loose, _p.last, _p.next, _p.created, _p.version).order_by(
    _p.id
)
NUMBERED = PIPELINES.where(_p.id.in_(_THESE))
_NAMED = PIPELINES.where(tuple_(_p.owner, _p.name).in_(_THESE))
_STAGES: Select[Any] = (
    select(_s.pipeline, _s.stage, _s.name, _s.lifetime, _s.over, _s.tries, _s.back, _s.total, _s.claimed, _s.flagged)
    .where(_s.pipeline.in_(_THESE))
    .order_by(_s.pipeline, _s.stage)
)


class Ledger:
    """Of one transaction."""

    def __init__(self, connection: Connection, now: float) -> None:
        self.connection = connection
        self._now = now
        self._pipelines: dict[int, Pipeline] = {}
        self._named: dict[tuple[str, str], int] = {}
        self._items: dict[tuple[int, int], Item] = {}
        self._words: dict[str, Item] = {}
        self._before: dict[tuple[int, int], tuple[int, str, bool]] = {}
        self._changed: dict[tuple[int, int], Item] = {}
        self._said: dict[tuple[int, int], dict[str, str]] = {}
        self._added: dict[tuple[int, int], Item] = {}
        self._ended: dict[str, Step] = {}
        self._steps: list[Step] = []
        self._counted: set[int] = set()
        self._touched: dict[int, set[int]] = {}
        self._moved: Counter[tuple[int, str]] = Counter()
        self._late: dict[int, list[int]] = {}

    # --- reading

    def read_pipelines(self, names: Iterable[tuple[str, str]] = (), numbers: Iterable[int] = ()) -> None:
        """Have these at hand."""
        wanted = sorted(set(names) - set(self._named))
        ids = sorted(set(numbers) - set(self._pipelines))
        for start in range(0, len(wanted), _IN):
            self._keep(_NAMED, wanted[start : start + _IN])
        for start in range(0, len(ids), _IN):
            self._keep(NUMBERED, ids[start : start + _IN])

    def _keep(self, which: Select[Any], these: Sequence[Any]) -> None:
        found = {one.id: one for one in read_pipelines(self.connection, which, {"these": these})}
        self._pipelines.update(found)
        self._named.update({(one.owner, one.name): one.id for one in found.values()})

    def pipeline(self, owner: str, name: str) -> Pipeline:
        """One that is at hand. NoPipeline if there is none of that name."""
        number = self._named.get((owner, name))
        if number is None:
            raise NoPipeline(f"there is no pipeline {name!r:.100}")
        return self._pipelines[number]

    def by_id(self, number: int) -> Pipeline:
        return self._pipelines[number]

    def read_words(self, words: Iterable[str]) -> None:
        """Have the items at hand that are claimed under these."""
        wanted = sorted(set(words))
        for start in range(0, len(wanted), _IN):
            for row in self.connection.execute(_CLAIMED, {"these": wanted[start : start + _IN]}):
                item = self._item(row)
                self._words[item.word or ""] = item

    def claimed(self, word: str) -> Item | None:
        """The item that is claimed under a word just now."""
        item = self._words.get(word)
        return item if item is not None and item.word == word else None

    def ended(self, word: str) -> Step | None:
        """By what the claim under a word has ended."""
        if word not in self._ended:
            row = self.connection.execute(_ENDED, {"word": word}).one_or_none()
            if row is not None:
                self._ended[word] = Step(*row)
        return self._ended.get(word)

    def read_items(self, wanted: Iterable[tuple[int, int]]) -> None:
        """Have these at hand, by their pipelines and numbers."""
        missing = sorted(set(wanted) - set(self._items))
        for pipeline, keys in groupby(missing, lambda key: key[0]):
            numbers = [number for _, number in keys]
            for start in range(0, len(numbers), _IN):
                for row in self.connection.execute(_ITEMS, {"of": pipeline, "these": numbers[start : start + _IN]}):
                    self._item(row)

    def item(self, pipeline: Pipeline, number: int) -> Item | None:
        """One that is at hand."""
        return self._items.get((pipeline.id, number))

    def free(self, pipeline: Pipeline, stage: int, count: int) -> Sequence[Item]:
        """Items that are to be had at a stage, the lowest numbers first, with all that is said of them. What was
        changed so far is to be written."""
        found = self.connection.execute(_FREE, {"of": pipeline.id, "at": stage, "count": count})
        return [self._item(row) for row in found]

    def some(self, pipeline: Pipeline | None, *which: Any, limit: int, order: Any = None) -> Sequence[Item]:
        """Items of a pipeline, or of all. What was changed so far is to be written."""
        found = select(*_LIGHT).where(*which)
        if pipeline is not None:
            found = found.where(tables.items.c.pipeline == pipeline.id)
        found = found.order_by(tables.items.c.number if order is None else order).limit(limit)
        return [self._item(row) for row in self.connection.execute(found)]

    def _item(self, row: Any) -> Item:
        """What is at hand is as new, or newer."""
        key = (row.pipeline, row.number)
        known = self._items.get(key)
        if known is None:
            known = self._items[key] = Item(*row)
            self._before[key] = (known.stage, known.state, known.is_flagged)
        elif len(row) > len(_LIGHT):
            known.command, known.file, known.result = row[-3:]
        return known

    # --- changing

    def change(self, item: Item, step: Step | None = None, said: Mapping[str, str | None] | None = None) -> None:
        """It is another than it was; `step`: by what; `said`: what else is said of it now."""
        key = (item.pipeline, item.number)
        if key not in self._changed:
            self._changed[key] = item
            item.version += 1
        new = {name: text for name, text in (said or {}).items() if text is not None}
        if new:
            self._said[key] = {**self._said.get(key, {}), **new}
        if step is not None:
            self._note(step)

    def add(self, item: Item, step: Step) -> None:
        """It is new."""
        self._added[item.pipeline, item.number] = item
        self._count(item.pipeline, item.stage, 1, item)
        self._note(step)

    def counted_up(self, pipeline: Pipeline) -> None:
        """Its next number is another."""
        self._counted.add(pipeline.id)

    def is_added(self, pipeline: Pipeline, number: int) -> bool:
        """Whether it was, and is not written yet."""
        return (pipeline.id, number) in self._added

    def late(self, item: Item) -> None:
        """Its time is over."""
        self._late.setdefault(item.pipeline, []).append(item.number)

    def gone(self, item: Item) -> None:
        """It was removed."""
        del self._items[item.pipeline, item.number]
        self._count(item.pipeline, item.stage, -1, item)

    def _note(self, step: Step) -> None:
        self._steps.append(step)
        if step.word is not None:
            self._ended[step.word] = step
        self._moved[step.pipeline, step.what] += 1
        events.stepped(self.connection, step.what)

    def _count(self, pipeline: int, stage: int, count: int, of: Item) -> None:
        self._add_up(pipeline, stage, count, of.state == CLAIMED, of.is_flagged)
        if count > 0 and of.state == FREE:
            events.freed(self.connection, pipeline, stage)

    def _add_up(self, pipeline: int, stage: int, count: int, is_claimed: bool, is_flagged: bool) -> None:
        counts = self._pipelines[pipeline].counts.setdefault(stage, Counts())
        counts.total += count
        counts.claimed += count * is_claimed
        counts.flagged += count * is_flagged
        self._touched.setdefault(pipeline, set()).add(stage)

    # --- writing

    def flush(self) -> None:
        """Write the items, and what was done with them."""
        added, changed = list(self._added.values()), list(self._changed.values())
        if added:
            self.connection.execute(insert(tables.items), [_row(one) for one in added])
        if changed:
            self.connection.execute(_CHANGE, [_change(one) for one in changed])
        for name, saying in _SAY.items():
            said = [{"of": of, "this": this, "new": one[name]} for (of, this), one in self._said.items() if name in one]
            if said:
                self.connection.execute(saying, said)
        if self._steps:
            self.connection.execute(insert(tables.steps), [vars(one) for one in self._steps])
        for key, item in self._changed.items():
            before = self._before[key]
            now = (item.stage, item.state, item.is_flagged)
            if now != before:
                self._add_up(item.pipeline, before[0], -1, before[1] == CLAIMED, before[2])
                self._count(item.pipeline, item.stage, 1, item)
                self._before[key] = now
        due = [one.due for one in (*changed, *added) if one.due is not None]
        if due:
            events.due(self.connection, min(due))
        self._added, self._changed, self._said, self._steps = {}, {}, {}, []

    def settle(self) -> None:
        """Write what stands at the stages, and tell of it."""
        for number in self._counted:
            values = {"next": self._pipelines[number].next}
            self.connection.execute(update(tables.pipelines).where(tables.pipelines.c.id == number).values(values))
        for number, touched in self._touched.items():
            pipeline = self._pipelines[number]
            write_counts(self.connection, pipeline, sorted(touched))
            data: dict[str, Any] = {"pipeline": pipeline.name, "stages": shown(pipeline, sorted(touched))}
            data["steps"] = {what: count for (of, what), count in sorted(self._moved.items()) if of == number}
            late = self._late.get(number)
            if late:
                data["expired"] = sorted(late)[:TOLD]
            events.tell(self.connection, EXPIRED if late else MOVED, self._now, [(None, pipeline.owner, data)])
        self._touched = {}


def shown(pipeline: Pipeline, stages: Iterable[int]) -> list[dict[str, Any]]:
    """How many are at these stages."""
    return [{"stage": one, **vars(pipeline.counts.get(one, Counts()))} for one in stages]


def read_pipelines(connection: Connection, which: Select[Any], said: Mapping[str, Any]) -> Sequence[Pipeline]:
    """Those of PIPELINES that are there, in the order of their ids. `said`: what is bound to be said of which."""
    pipelines = {row.id: Pipeline(*row) for row in connection.execute(which, said) if row.name is not None}
    if not pipelines:
        return []
    for row in connection.execute(_STAGES, {"these": list(pipelines)}):
        pipeline = pipelines[row[0]]
        pipeline.counts[row[1]] = Counts(*row[7:])
        pipeline.stages[row[1]] = Stage(*row[2:7])
    return list(pipelines.values())


def write_counts(connection: Connection, pipeline: Pipeline, stages: Sequence[int]) -> None:
    """How many are there; where a loose pipeline was never before, a row is made."""
    new = [one for one in stages if one not in pipeline.stages]
    if new:
        rows = [{"pipeline": pipeline.id, "stage": one, **vars(USUAL), **vars(pipeline.counts[one])} for one in new]
        connection.execute(insert(tables.stages), rows)
    old = [one for one in stages if one in pipeline.stages]
    if old:
        counts = [{f"new_{name}": count for name, count in vars(pipeline.counts[one]).items()} for one in old]
        rows = [{"of": pipeline.id, "this": one, **row} for one, row in zip(old, counts, strict=True)]
        connection.execute(_COUNT, rows)


def _row(item: Item) -> dict[str, Any]:
    found = dict(vars(item))
    found["flagged"] = found.pop("is_flagged")
    found["file"] = found["file"] or ""
    return found


def _change(item: Item) -> dict[str, Any]:
    names = ("stage", "since", "state", "tries", "worker", "word", "due", "version")
    values = {f"new_{name}": getattr(item, name) for name in names}
    return {"of": item.pipeline, "this": item.number, "new_flagged": item.is_flagged, **values}


_OF, _AT = (tables.items.c.pipeline == bindparam("of")), (tables.items.c.stage == bindparam("at"))
_ITEMS = select(*_LIGHT).where(_OF, tables.items.c.number.in_(_THESE))
_CLAIMED = select(*_LIGHT).where(tables.items.c.word.in_(_THESE))
_FREE = (
    select(*_LIGHT, *_SAID)
    .where(_OF, _AT, tables.items.c.state == FREE)
    .order_by(tables.items.c.number)
    .limit(bindparam("count", type_=Integer))
)
_ENDED = (
    select(*(getattr(tables.steps.c, one) for one in fields(Step)))
    .where(tables.steps.c.word == bindparam("word"))
    .limit(1)
)
_THIS = (tables.items.c.pipeline == bindparam("of"), tables.items.c.number == bindparam("this"))
_CHANGED = ["stage", "since", "state", "tries", "worker", "word", "due", "version", "flagged"]
_CHANGE = update(tables.items).where(*_THIS).values({name: bindparam(f"new_{name}") for name in _CHANGED})
_SAY = {name: update(tables.items).where(*_THIS).values({name: bindparam("new")}) for name in _HEAVY}
_COUNT = (
    update(tables.stages)
    .where(tables.stages.c.pipeline == bindparam("of"), tables.stages.c.stage == bindparam("this"))
    .values({name: bindparam(f"new_{name}") for name in fields(Counts)})
)
