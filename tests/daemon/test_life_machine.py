"""Whole lives of jobs in any order of events: needs, priorities, holds, times, conditions, retries, pauses, drains, and
managers that follow one another. (`test_queue_machine` has the deaths.)"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sjs.core.job import AFTER, Retry, Spec
from sjs.core.lifecycle import FINAL, HELD, LIVE, PENDING, QUEUED, STATES, WAITING, is_satisfied
from sjs.core.needs import WHOLE, Gpu, Machine, Needs, Room
from sjs.core.schedule import Start, plan
from sjs.daemon.queue.ledger import Ledger
from tests.daemon import queues

MACHINE = Machine(4, cpus=4, gpus=(Gpu("0"), Gpu("1")))
NEEDS = st.builds(
    Needs, slots=st.integers(1, 2), cpus=st.integers(0, 4), gpus=st.sampled_from([0, 0, 500, WHOLE, 2 * WHOLE])
)
RETRIES = st.sampled_from([Retry(), Retry(1), Retry(2, delay=5.0)])
SPANS = st.tuples(st.integers(0, 12), st.integers(0, 3)).map(lambda one: [(one[0], one[0] + one[1])])


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.queue = queues.make(slots=MACHINE.slots)
        self.now = 1_000.0
        self.specs: dict[int, Spec] = {}
        self.running: set[str] = set()
        self.again_wanted: set[int] = set()
        self.look()

    def look(self) -> None:
        """What a manager does when it begins."""
        holdings = self.queue.ledger.holdings
        holdings.found(MACHINE.cpus, 0)
        holdings.found_gpus([{"name": one.name, "mem": 0, "kind": "", "pids": []} for one in MACHINE.gpus], [])

    @property
    def ledger(self) -> Ledger:
        return self.queue.ledger

    def states(self) -> dict[int, str]:
        return dict(self.queue.store._db.execute("SELECT id, state FROM jobs").fetchall())

    # What people do

    @rule(
        needs=NEEDS,
        priority=st.integers(-1, 1),
        hold=st.booleans(),
        delay=st.sampled_from([None, None, 3.0, 50.0]),
        retry=RETRIES,
        kind=st.sampled_from(AFTER),
        parents=st.sets(st.integers(0, 12), max_size=3),
    )
    def submit(
        self, needs: Needs, priority: int, hold: bool, delay: float | None, retry: Retry, kind: str, parents: set[int]
    ) -> None:
        after = tuple((kind, ((one, one),)) for one in sorted(parents) if one < self.ledger.next_id)
        at = None if delay is None else self.now + delay
        spec = Spec("a", needs=needs, priority=priority, hold=hold, at=at, retry=retry, after=after)
        first, _, _ = self.ledger.submit(None, [spec], self.now)
        self.specs[first] = spec

    @rule(span=SPANS)
    def hold(self, span: Any) -> None:
        before = self.states()
        for number in self.ledger.hold(span):
            assert before[number] in (QUEUED, WAITING)

    @rule(span=SPANS)
    def release(self, span: Any) -> None:
        before = self.states()
        assert all(before[number] == HELD for number in self.ledger.release(span))

    @rule(span=SPANS)
    def again(self, span: Any) -> None:
        before = self.states()
        changed, looked_at = self.ledger.again(span)
        assert set(changed) <= set(looked_at)
        assert all(before[number] in FINAL for number in looked_at)
        self.again_wanted.update(changed)

    @rule(span=SPANS)
    def cancel(self, span: Any) -> None:
        """Every state that is not final can be ended."""
        before = self.states()
        wanted = {number for number in before if span[0][0] <= number <= span[0][1]}
        stopping = set(self.ledger.want_end(span, 1.0))
        cancelled = set(self.ledger.cancel_pending(span, self.now))
        assert stopping == {number for number in wanted if before[number] in LIVE}
        assert cancelled == {number for number in wanted if before[number] in PENDING}

    @rule(still=st.booleans())
    def pause(self, still: bool) -> None:
        self.ledger.pause_all(still)

    @rule(on=st.booleans())
    def drain(self, on: bool) -> None:
        self.ledger.drain(on)

    @rule(slots=st.integers(0, 4))
    def configure(self, slots: int) -> None:
        self.ledger.configure(slots)

    # What happens

    @precondition(lambda self: self.running)
    @rule(data=st.data(), exit_=st.sampled_from([0, 0, 1]))
    def job_ends(self, data: st.DataObject, exit_: int) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.running))), exit_)

    def end(self, tag: str, exit_: int) -> None:
        self.running.remove(tag)
        asked = self.ledger.live[int(tag.partition(".")[0])].grace is not None
        end = {"reason": "cancelled"} if asked else {"reason": "exit", "exit": exit_}
        self.ledger.on_ended(tag, {**end, "at": self.now})

    @rule(seconds=st.sampled_from([1.0, 5.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def turn(self) -> None:
        self.ledger.work(self.now)
        before = self.states()
        for action in plan(self.ledger.snapshot(bool(self.ledger.gates.reasons), self.now)):
            if isinstance(action, Start):
                self.check_start(action, before)
                self.running.add(self.ledger.begin(action.job, action.slot, action.gpus).tag)
        self.check_room()
        self.ledger.commit()

    @rule()
    def another_manager(self) -> None:
        self.ledger.commit()
        self.queue = self.queue._replace(ledger=Ledger(self.queue.store))
        self.look()
        assert {live.tag for live in self.ledger.live.values()} == self.running

    # What holds

    def check_start(self, start: Start, before: dict[int, str]) -> None:
        spec = self.specs[start.job.id]
        assert before[start.job.id] == QUEUED
        assert not self.ledger.gates.reasons
        if start.job.attempt or start.job.id in self.again_wanted:
            return
        assert spec.at is None or spec.at <= self.now, "too early"
        for kind, spans in spec.after:
            for parent, _ in spans:
                assert parent in self.again_wanted or is_satisfied(kind, before[parent]), "before its parent"

    def check_room(self) -> None:
        """No slot, processor or part of a GPU twice."""
        live = list(self.ledger.live.values())
        left = Room(MACHINE)
        for one in live:
            left.take(one.spec.needs, one.gpus)
        assert left.missing(Needs(slots=0)) == []
        assert sum(one.spec.needs.slots for one in live) <= MACHINE.slots
        assert sum(one.spec.needs.cpus for one in live) <= MACHINE.cpus
        for gpu in MACHINE.gpus:
            assert sum(share for one in live for name, share in one.gpus if name == gpu.name) <= WHOLE
        assert len({one.slot for one in live}) == len(live)

    @invariant()
    def counts_are_right(self) -> None:
        states = list(self.states().values())
        assert self.ledger.counts == {state: states.count(state) for state in STATES}
        assert sorted(self.ledger.live) == sorted(number for number, state in self.states().items() if state in LIVE)

    @invariant()
    def nobody_is_queued_for_whom_another_is_still_to_end(self) -> None:
        """But for those that were tried before, or had their parents run again since."""
        if self.ledger.pending.has_more:
            return
        rows = self.queue.store._db.execute("SELECT id, blockers, due FROM jobs WHERE state = 'waiting'").fetchall()
        states = self.states()
        for number, blockers, due in rows:
            waits = [parent for _, spans in self.specs[number].after for parent, _ in spans]
            assert due is not None or blockers > 0, "it waits for nothing"
            assert not blockers or any(states[one] not in FINAL for one in waits), "those it waits for have all ended"

    def teardown(self) -> None:
        """Nothing is left lying: with all gates open, and time, every job comes to an end."""
        if not hasattr(self, "queue"):
            return
        self.ledger.pause_all(False)
        self.ledger.drain(False)
        self.ledger.configure(MACHINE.slots)
        for _ in range(20 * len(self.specs) + 20):
            self.ledger.release([(0, self.ledger.next_id)])
            self.now += 60.0
            self.turn()
            for tag in sorted(self.running):
                self.end(tag, 0)
        left = {number: state for number, state in self.states().items() if state not in FINAL}
        assert left == {}, "these never ended"
        self.queue.store.close()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
