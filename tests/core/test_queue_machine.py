"""Schedule and life cycle together, in any order of events that a manager can meet."""

from __future__ import annotations

import dataclasses

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sjs.core import lifecycle
from sjs.core.job import End, Job, Spec
from sjs.core.lifecycle import CANCELLED, FINAL, LIVE, QUEUED, RUNNING, STARTING
from sjs.core.schedule import Running, Snapshot, Start, plan

ENDS = st.sampled_from([End("exit", 0), End("exit", 3), End("signal", signal=9), End("spawn-error"), End("host-lost")])


class Queue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, Job] = {}
        self.held: dict[int, Running] = {}
        self.ended: dict[int, str] = {}
        self.keeper_knows: set[int] = set()
        self.maximum = 0

    @initialize(maximum=st.integers(0, 5))
    def begin(self, maximum: int) -> None:
        self.maximum = maximum

    def those(self, *states: str) -> list[int]:
        return [number for number, job in self.jobs.items() if job.state in states]

    def pick(self, data: st.DataObject, *states: str) -> int:
        return data.draw(st.sampled_from(self.those(*states)))

    def step(self, number: int, event: str) -> None:
        state = lifecycle.step(self.jobs[number].state, event)
        self.jobs[number] = dataclasses.replace(self.jobs[number], state=state)
        if state not in LIVE:
            self.held.pop(number, None)
            self.keeper_knows.discard(number)
        if state in FINAL:
            assert number not in self.ended
            self.ended[number] = state

    @rule(count=st.integers(1, 4))
    def submit(self, count: int) -> None:
        for _ in range(count):
            number = len(self.jobs)
            self.jobs[number] = Job(number, Spec("true"), QUEUED, submitted=0.0)

    @rule(stopping=st.booleans())
    def turn(self, stopping: bool) -> None:
        """What the loop does: plan, write down what will be, tell the keeper."""
        queue = self.those(QUEUED)
        head = [self.jobs[number] for number in queue[: self.maximum]]
        first_live = len(self.held)
        for action in plan(Snapshot(self.maximum, list(self.held.values()), head, stopping)):
            if isinstance(action, Start):
                assert not stopping
                assert action.job.id == queue.pop(0)
                assert len(self.held) < self.maximum
                assert action.slot not in {one.slot for one in self.held.values()}
                self.step(action.job.id, "start")
                self.held[action.job.id] = Running(action.job.id, action.slot)
            else:
                assert self.held[action.job_id].cancel_wanted
                assert not self.held[action.job_id].cancel_told
                self.held[action.job_id] = dataclasses.replace(self.held[action.job_id], cancel_told=True)
        assert stopping or len(self.held) == max(first_live, min(self.maximum, first_live + len(head)))

    @precondition(lambda self: self.those(STARTING))
    @rule(data=st.data())
    def keeper_hears(self, data: st.DataObject) -> None:
        self.keeper_knows.add(self.pick(data, STARTING))

    @precondition(lambda self: self.keeper_knows & set(self.those(STARTING)))
    @rule(data=st.data())
    def started(self, data: st.DataObject) -> None:
        self.step(data.draw(st.sampled_from(sorted(self.keeper_knows & set(self.those(STARTING))))), "started")

    @precondition(lambda self: self.keeper_knows)
    @rule(data=st.data(), end=ENDS)
    def end(self, data: st.DataObject, end: End) -> None:
        number = data.draw(st.sampled_from(sorted(self.keeper_knows)))
        told = self.held[number].cancel_told
        self.step(number, lifecycle.event_of(dataclasses.replace(end, reason="cancelled") if told else end))

    @precondition(lambda self: self.those(QUEUED, *LIVE))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = self.pick(data, QUEUED, *LIVE)
        if self.jobs[number].state == QUEUED:
            self.step(number, "cancel")
            assert self.ended[number] == CANCELLED
        else:
            self.held[number] = dataclasses.replace(self.held[number], cancel_wanted=True)

    @rule(maximum=st.integers(0, 5))
    def configure(self, maximum: int) -> None:
        self.maximum = maximum

    @rule()
    def manager_dies(self) -> None:
        """The next one asks the keeper; what the keeper never heard of did not run, and is queued again."""
        for number in self.those(STARTING):
            if number not in self.keeper_knows:
                self.step(number, "unseen")
        for number, one in self.held.items():
            self.held[number] = dataclasses.replace(one, cancel_told=False)

    @invariant()
    def a_slot_is_held_by_one_job_and_by_live_ones_only(self) -> None:
        assert sorted(self.held) == self.those(*LIVE)
        slots = [one.slot for one in self.held.values()]
        assert len(set(slots)) == len(slots)

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        assert {number: self.jobs[number].state for number in self.those(*FINAL)} == self.ended

    @invariant()
    def what_runs_is_known_to_the_keeper(self) -> None:
        assert set(self.those(RUNNING)) <= self.keeper_knows


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40)
