"""Items in any order of what can be done with them, by a given clock, beside a dict that says what a person may count
on.

SJS_TEST_EXAMPLES=N runs N of them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import event

from sjs.errors import SjsError
from sjs.gateway.records import tables
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.stages import looking
from sjs.gateway.records.stages.values import FLAG, RETURN, Stage, Void
from tests.gateway.records.stages.asking import Asking

STAGES = (
    Stage(lifetime=10.0, over=RETURN, tries=2),
    Stage(lifetime=20.0, over=FLAG),
    Stage(lifetime=5.0, over=RETURN, tries=1, back=0),
    Stage(),
)
LAST = len(STAGES) - 1
ANY = st.integers(0, LAST)
BEFORE_LAST = st.integers(0, LAST - 1)
COUNTS = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@dataclass
class Known:
    """Of an item: what is so; `has`: the word of who has it."""

    stage: int
    state: str = "free"
    has: str | None = None
    due: float | None = None
    flagged: bool = False
    tries: int = 0


@dataclass
class Model:
    items: dict[int, Known] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    finished: dict[str, tuple[int, int]] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)

    def having(self, word: str) -> int | None:
        return next((number for number, one in self.items.items() if one.has == word), None)

    def free(self, stage: int) -> list[int]:
        return sorted(number for number, one in self.items.items() if (one.stage, one.state) == (stage, "free"))

    def put(self, number: int, stage: int) -> None:
        self.items[number] = Known(stage)

    def goes_back(self, one: Known) -> bool:
        kind = STAGES[one.stage]
        if kind.over == FLAG or one.tries >= kind.tries:
            return False
        one.stage = one.stage if kind.back is None else kind.back
        one.state, one.has, one.due, one.tries = "free", None, None, one.tries + 1
        return True


class Items(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.model = Model()
        self.ann: Asking | None = None
        self.restarted()
        self.asking.define(*STAGES)

    @property
    def asking(self) -> Asking:
        assert self.ann is not None
        return self.ann

    @rule()
    def restarted(self) -> None:
        """What is known is in the records alone."""
        before = self.ann
        engine = engine_of(f"sqlite:///{self.folder}/g.db")
        event.listen(engine, "connect", lambda found, _: found.execute("PRAGMA synchronous = OFF"))
        if before is None:
            tables.metadata.create_all(engine)
        self.ann = Asking(engine)
        if before is not None:
            before.engine.dispose()
            self.ann.now, self.ann._words = before.now, before._words

    def teardown(self) -> None:
        self.asking.engine.dispose()
        shutil.rmtree(self.folder)

    # --- what clients do

    @rule(count=st.integers(1, 4), stage=ANY)
    def add(self, count: int, stage: int) -> None:
        first = self.asking.one(self.asking.add(count, stage=stage)).first
        assert first not in self.model.items
        for number in range(first, first + count):
            self.model.put(number, stage)

    @rule(numbers=st.sets(st.integers(0, 20), min_size=1, max_size=4), stage=ANY)
    def add_numbered(self, numbers: set[int], stage: int) -> None:
        found = self.asking.one(self.asking.numbered(*sorted(numbers), stage=stage))
        assert set(found.skipped) == numbers & set(self.model.items)
        for number in numbers - set(self.model.items):
            self.model.put(number, stage)

    @rule(
        stage=BEFORE_LAST, counts=st.lists(st.integers(1, 3), min_size=1, max_size=4), seconds=st.none() | st.just(7.0)
    )
    def claim(self, stage: int, counts: list[int], seconds: float | None) -> None:
        """Several who come together."""
        free = self.model.free(stage)
        orders = [self.asking.claim(stage, count, seconds=seconds) for count in counts]
        for order, given in zip(orders, self.asking.all(*orders), strict=True):
            assert [one.number for one in given] == free[: len(order.words)]
            for one, word in zip(given, order.words, strict=False):
                assert one.word == word
                due = self.asking.now + (seconds or STAGES[stage].lifetime)
                tries = self.model.items[one.number].tries
                self.model.items[one.number] = Known(stage, "claimed", word, due, tries=tries)
                self.model.words.append(word)
            free = free[len(order.words) :]

    @precondition(lambda self: self.model.words)
    @rule(data=st.data(), goal=st.none() | ANY)
    def finish(self, data: Any, goal: int | None) -> None:
        word = data.draw(st.sampled_from(self.model.words))
        number = self.model.having(word)
        found = self.asking.all(self.asking.finish(word, goal))[0]
        if number is not None:
            stage = self.model.items[number].stage
            goes = stage + 1 if goal is None else goal
            assert (found.number, found.target, found.repeated) == (number, goes, False)
            self.model.finished[word] = (stage, goes)
            self.model.put(number, goes)
        elif word in self.model.finished and not isinstance(found, Void):
            stage, goes = self.model.finished[word]
            same = goes == (stage + 1 if goal is None else goal)
            assert isinstance(found, SjsError) if not same else (found.target == goes and found.repeated)
        else:
            assert isinstance(found, Void)

    @precondition(lambda self: self.model.words)
    @rule(data=st.data(), is_failed=st.booleans())
    def release(self, data: Any, is_failed: bool) -> None:
        word = data.draw(st.sampled_from(self.model.words))
        number = self.model.having(word)
        found = self.asking.all(self.asking.release(word, is_failed))[0]
        if number is None:
            assert found.repeated if word in self.model.released and not isinstance(found, Void) else found
            return
        one = self.model.items[number]
        self.model.released[word] = number
        if not is_failed:
            one.state, one.has, one.due, one.flagged = "free", None, None, False
        elif not self.model.goes_back(one):
            one.state, one.has, one.due = "stuck", None, None
        one.flagged = is_failed
        assert (found.number, found.target) == (number, one.stage)

    @precondition(lambda self: self.model.words)
    @rule(data=st.data(), seconds=st.none() | st.just(3.0))
    def renew(self, data: Any, seconds: float | None) -> None:
        word = data.draw(st.sampled_from(self.model.words))
        number = self.model.having(word)
        found = self.asking.all(self.asking.renew(word, seconds))[0]
        if number is None:
            assert isinstance(found, Void)
        else:
            one = self.model.items[number]
            one.due, one.flagged = self.asking.now + (seconds or STAGES[one.stage].lifetime), False
            assert found.due == one.due

    # --- what time does

    @rule(seconds=st.sampled_from([1.0, 9.0, 25.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.asking.now += seconds
        late = [one for one in self.model.items.values() if one.due is not None and one.due <= self.asking.now]
        assert self.asking.one(self.asking.expire()).count == len(late)
        for one in late:
            if not self.model.goes_back(one):
                one.due = None
            one.flagged = True

    # --- what people do

    @precondition(lambda self: self.model.items)
    @rule(data=st.data(), goal=ANY)
    def move(self, data: Any, goal: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.items)))
        self.asking.one(self.asking.move(number, goal))
        self.model.put(number, goal)

    @precondition(lambda self: self.model.items)
    @rule(data=st.data())
    def unflag(self, data: Any) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.items)))
        self.asking.one(self.asking.unflag(number))
        one = self.model.items[number]
        one.flagged = False
        if one.state == "stuck":
            one.state, one.tries = "free", 0

    @rule(stage=ANY, goal=ANY, is_flagged=st.booleans())
    def requeue(self, stage: int, goal: int, is_flagged: bool) -> None:
        these = [n for n, one in self.model.items.items() if one.stage == stage and (one.flagged or not is_flagged)]
        assert self.asking.one(self.asking.requeue(stage, goal, is_flagged)).count == len(these)
        for number in these:
            self.model.put(number, goal)

    @precondition(lambda self: self.model.items)
    @rule(data=st.data())
    def remove(self, data: Any) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.items)))
        assert self.asking.one(self.asking.remove(numbers=[number])).count == 1
        del self.model.items[number]

    # --- what is so

    @invariant()
    def all_is_as_it_is_known(self) -> None:
        pipeline = self.asking.pipeline()
        with self.asking.engine.connect() as connection:
            rows, _ = looking.page(connection, pipeline.id, looking.Which(), limit=10_000)
            first = looking.first_due(connection)
        found = {row.number: Known(row.stage, row.state, row.word, row.due, row.flagged, row.tries) for row in rows}
        assert found == self.model.items
        assert first == min((one.due for one in self.model.items.values() if one.due is not None), default=None)

    @invariant()
    def what_is_kept_of_each_stage_is_what_is_there(self) -> None:
        self.asking.counts()


TestItems = Items.TestCase
TestItems.settings = settings(
    max_examples=int(os.environ.get("SJS_TEST_EXAMPLES", "20")), stateful_step_count=50, deadline=None
)
