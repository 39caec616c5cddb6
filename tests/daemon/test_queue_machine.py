"""Ledger, store and schedule together, beside a keeper that is only pretended, in any order of events that a queue can
meet: deaths of the manager at each moment of a turn, deaths of the keeper and of both, reboots. A dict is the model."""

from __future__ import annotations

import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sjs.core.job import ON_LOST, Spec
from sjs.core.lifecycle import FINAL, LIVE, MAX_ATTEMPTS, MOVED, MOVING, QUEUED, STATES
from sjs.core.schedule import Start, ahead, plan
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from sjs.errors import Conflict

AGAIN = "y"
"""The command of jobs that are to run again when they are lost."""

ENDS = st.sampled_from([("exit", 0), ("exit", 3), ("signal", None), ("spawn-error", None)])
MOMENTS = st.sampled_from(
    ["before the commit", "before the keeper is told", "before the keeper hears that it may forget"]
)


@dataclass
class Model:
    """What a person may count on: what each key brought, how each job stands, what may run at once, and which jobs are
    on their way elsewhere under which key."""

    keys: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    jobs: dict[int, str] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)
    maximum: int = 2
    moves: dict[str, list[int]] = field(default_factory=dict)


class Keeper:
    """Attempts, as it tells of them to a new manager; and what it has to say to the one that is there."""

    def __init__(self) -> None:
        self.boot = 0
        self.attempts: dict[str, dict[str, Any]] = {}
        self.granted: list[str] = []
        self.news: list[tuple[str, str, str]] = []
        self.ran: list[str] = []

    def start(self, tag: str, slot: int) -> None:
        if tag not in self.attempts:
            self.ran.append(tag)
            self.attempts[tag] = {"tag": tag, "pid": len(self.ran), "at": 1.0, "end": None, "slot": slot}
            self.news.append(("started", tag, ""))

    def end(self, tag: str, reason: str, exit_: int | None) -> None:
        """Who was granted starts in its place."""
        self.attempts[tag]["end"] = {"reason": reason, "exit": exit_, "at": 2.0}
        heir = self.granted.pop(0) if self.granted else ""
        self.news.append(("ended", tag, heir))
        if heir:
            self.start(heir, self.attempts[tag]["slot"])

    def offer(self, slots: list[int]) -> None:
        for slot in slots:
            heir = self.granted.pop(0) if self.granted else ""
            self.news.append(("placed" if heir else "unused", heir, str(slot)))
            if heir:
                self.start(heir, slot)

    def give_back(self) -> None:
        self.news.append(("revoked", " ".join(self.granted), ""))
        self.granted.clear()

    def live(self) -> list[str]:
        return [tag for tag, one in self.attempts.items() if one["end"] is None]

    def forget(self, tags: list[str]) -> None:
        for tag in tags:
            self.attempts.pop(tag, None)


class Queue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sjs-model-"))
        self.keeper = Keeper()
        self.now = Model()
        self.durable = Model()
        self.stored: list[str] = []
        self.ended: dict[int, tuple[Any, ...]] = {}
        self.asked_back = False

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.open()
        self.ledger.configure(self.now.maximum)
        self.commit()

    # What people do

    @rule(count=st.integers(1, 3), key=st.sampled_from(["", "a", "b", "c"]), text=st.sampled_from(["x", AGAIN]))
    def submit(self, count: int, key: str, text: str) -> None:
        known = self.now.keys.get(key)
        wanted = [text] * count
        try:
            jobs = [Spec(text, on_lost=ON_LOST[text == AGAIN])] * count
            first, number, again = self.ledger.submit(key or None, jobs, 1.0)
        except Conflict:
            assert known is not None and known[1] != wanted
            return
        if known is not None:
            assert (first, wanted, again) == (*known, True)
            return
        assert not again and number == count
        assert first == len(self.now.jobs), "an id was given twice, or left out"
        self.now.jobs.update(dict.fromkeys(range(first, first + count), QUEUED))
        self.now.again.update(range(first, first + count) if text == AGAIN else ())
        if key:
            self.now.keys[key] = (first, wanted)

    @rule(low=st.integers(0, 9), size=st.integers(0, 3))
    def cancel(self, low: int, size: int) -> None:
        self.take_back()
        wanted = [(low, low + size)]
        stopping = self.ledger.want_end(wanted, 1.0)
        assert stopping == [n for n in range(low, low + size + 1) if self.now.jobs.get(n) in LIVE]
        for number in self.ledger.cancel_pending(wanted, 1.0):
            assert self.now.jobs[number] == QUEUED
            self.now.jobs[number] = "cancelled"

    @rule(maximum=st.integers(0, 4))
    def configure(self, maximum: int) -> None:
        self.take_back()
        assert self.ledger.configure(maximum) == self.now.maximum
        self.now.maximum = maximum

    @rule(low=st.integers(0, 9), size=st.integers(0, 3))
    def leave(self, low: int, size: int) -> None:
        self.take_back()
        key = f"m{len(self.now.moves)}"
        move = self.ledger.moves.begin(key, "there", [(low, low + size)], 1.0)
        gone = [number for number, _ in self.ledger.moves.bodies(key)]
        assert (move.size, move.first is None) == (len(gone), bool(gone))
        assert all(self.now.jobs[number] == QUEUED for number in gone)
        self.now.jobs.update(dict.fromkeys(gone, MOVING))
        self.now.moves[key] = gone

    @rule(arrive=st.booleans())
    def settle(self, arrive: bool) -> None:
        self.take_back()
        for key, gone in self.now.moves.items():
            for _ in range(2 if gone else 0):  # whoever says it may say it again
                if arrive:
                    self.ledger.moves.arrive(key, 100, 1.0)
                else:
                    self.ledger.moves.come_back(key)
            self.now.jobs.update(dict.fromkeys(gone, MOVED if arrive else QUEUED))
            self.now.moves[key] = []

    # What the keeper does and says

    @precondition(lambda self: self.keeper.live())
    @rule(data=st.data(), end=ENDS)
    def job_ends(self, data: st.DataObject, end: tuple[str, int | None]) -> None:
        self.keeper.end(data.draw(st.sampled_from(self.keeper.live())), *end)

    @precondition(lambda self: self.keeper.news)
    @rule(count=st.integers(1, 4))
    def news(self, count: int) -> None:
        self.hear(count)

    def hear(self, count: int) -> None:
        told, self.keeper.news = self.keeper.news[:count], self.keeper.news[count:]
        for kind, tag, heir in told:
            if kind == "started":
                self.ledger.on_started(tag, self.keeper.attempts[tag]["pid"], 1.0)
            elif kind == "ended":
                self.ledger.on_ended(tag, self.keeper.attempts[tag]["end"])
                self.stored.append(tag)
                if heir:
                    self.ledger.grants.hand_on(heir, self.keeper.attempts[tag]["slot"])
            elif kind == "placed":
                self.ledger.grants.hand_on(tag, int(heir))
            elif kind == "unused":
                self.ledger.grants.offered.discard(int(heir))
            else:
                self.ledger.grants.take_back(tag.split())
                self.asked_back = False
        self.ledger.write_starts()
        for _, tags, _ in told:
            for tag in tags.split():
                self.see(tag)

    def take_back(self) -> None:
        """What the loop does before it does anything about the queue that people ask for."""
        self.ask_back()
        while self.asked_back:
            self.hear(1)

    def ask_back(self) -> None:
        if self.ledger.grants and not self.asked_back:
            self.keeper.give_back()
            self.asked_back = True

    # What the manager does

    @rule()
    def turn(self) -> None:
        orders = self.decide()
        granted = self.grant(2)
        self.commit()
        self.tell(orders, granted)
        self.may_forget()

    @rule(moment=MOMENTS)
    def the_manager_is_killed(self, moment: str) -> None:
        orders = self.decide()
        granted = self.grant(3)
        if moment != "before the commit":
            self.commit()
            if moment != "before the keeper is told":
                self.tell(orders, granted)
        self.die()
        self.open()

    @rule(adopted=st.booleans(), manager_too=st.booleans())
    def the_keeper_is_killed(self, adopted: bool, manager_too: bool) -> None:
        """The next one knows of all that was started; how what has ended since did so, it may not."""
        if manager_too:
            self.die()
        else:
            self.commit()
            self.store.close()
        self.keeper.granted.clear()
        for tag in [] if adopted else self.keeper.live():
            self.keeper.end(tag, "host-lost", None)
        self.open()

    @rule(kept=st.booleans())
    def the_machine_is_restarted(self, kept: bool) -> None:
        """Records of the last moments may not have reached the disk."""
        self.die()
        self.keeper.boot += 1
        self.keeper.granted.clear()
        for tag in self.keeper.live():
            self.keeper.end(tag, "host-lost", None)
        if not kept:
            self.keeper.attempts.clear()
        self.open()

    # How

    def decide(self) -> list[str]:
        """What the loop does before it commits; the orders that are to follow."""
        if self.ledger.grants and self.ledger.grants.are_stale(self.ledger.holdings.machine):
            self.ask_back()
        elif self.ledger.grants and not self.asked_back:
            self.keeper.offer(self.ledger.grants.offer())
        if self.ledger.grants or self.ledger.grants.offered or self.asked_back:
            return []
        queue = [number for number, state in self.now.jobs.items() if state == QUEUED]
        orders: list[str] = []
        for action in plan(self.ledger.snapshot(stopping=False)):
            if not isinstance(action, Start):
                self.ledger.live[action.job_id].told = True
                continue
            assert action.job.id == queue.pop(0), "the order of the queue was not kept"
            orders.append(self.ledger.begin(action.job, action.slot).tag)
            self.now.jobs[action.job.id] = "starting"
            assert len(self.ledger.live) <= self.now.maximum, "more run than may"
        careful = bool(self.ledger._setbacks.suspects)
        assert not queue or len(self.ledger.live) >= self.now.maximum or careful, "a slot stays free"
        return orders

    def grant(self, count: int) -> list[str]:
        """Who is granted besides, and goes on from the front of the queue."""
        queue = [number for number, state in self.now.jobs.items() if state == QUEUED]
        front = self.ledger.front(count)
        jobs = [] if self.asked_back else ahead(front, count)
        if jobs:
            self.ledger.grants.add(jobs, front.machine)
        for job in jobs:
            assert job.id == queue.pop(0), "the order of the queue was not kept"
            assert len(self.ledger.live) == self.now.maximum, "who could be started, or could not, is granted"
            self.now.jobs[job.id] = "starting"
        return [f"{job.id}.{job.attempt + 1}" for job in jobs]

    def commit(self) -> None:
        self.ledger.commit()
        self.durable = copy.deepcopy(self.now)
        for number, state in self.now.jobs.items():
            if state in FINAL:
                self.ended.setdefault(number, self.row(number))

    def tell(self, orders: list[str], granted: list[str]) -> None:
        for tag in orders:
            self.keeper.start(tag, self.ledger.live[int(tag.partition(".")[0])].slot)
        self.keeper.granted += granted

    def may_forget(self) -> None:
        self.keeper.forget(self.stored)
        self.stored = []

    def die(self) -> None:
        """What was not committed is gone."""
        self.store._db.rollback()
        self.store.close()
        self.now = copy.deepcopy(self.durable)

    def open(self) -> None:
        """A new manager, which first hears all that the keeper knows."""
        self.keeper.news.clear()
        self.store = Store(str(self.folder / "jobs.db"))
        self.ledger = Ledger(self.store)
        self.asked_back = False
        told = list(self.keeper.attempts.values())
        self.ledger.reconcile(told, str(self.keeper.boot), 3.0, self.keeper.granted)
        for live in self.ledger.missing:  # the keeper looks, and finds nothing
            self.ledger.on_unseen(live.tag, 3.0)
        for number, state in self.now.jobs.items():
            if state in LIVE:
                self.now.jobs[number] = str(self.row(number)[0])
                assert self.now.jobs[number] in (QUEUED, *LIVE, *FINAL)
                if self.now.jobs[number] == QUEUED and number not in self.now.again:
                    assert not any(tag.startswith(f"{number}.") for tag in self.keeper.ran), "what ran is queued again"
        self.stored = [one["tag"] for one in told if one["end"] is not None]
        self.commit()

    def see(self, tag: str) -> None:
        number = int(tag.partition(".")[0])
        if self.now.jobs[number] in LIVE:
            self.now.jobs[number] = str(self.row(number)[0])

    def row(self, number: int) -> tuple[Any, ...]:
        found = self.store._db.execute("SELECT state, reason, exit, attempt FROM jobs WHERE id = ?", (number,))
        return tuple(found.fetchone())

    # What holds always

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        rows = dict(self.store._db.execute("SELECT id, state FROM jobs").fetchall())
        assert rows == self.now.jobs
        assert self.ledger.counts == {state: list(rows.values()).count(state) for state in STATES}
        taken = [*self.ledger.live, *(one.id for one in self.ledger.grants.out)]
        assert sorted(taken) == sorted(number for number, state in rows.items() if state in LIVE)

    @invariant()
    def no_slot_is_held_twice(self) -> None:
        slots = [one.slot for one in self.ledger.live.values()]
        assert len(set(slots)) == len(slots)

    @invariant()
    def nothing_ran_twice(self) -> None:
        assert len(set(self.keeper.ran)) == len(self.keeper.ran)
        once = [tag for tag in self.keeper.ran if int(tag.partition(".")[0]) not in self.now.again]
        assert len({tag.partition(".")[0] for tag in once}) == len(once)
        live = [tag.partition(".")[0] for tag in self.keeper.live()]
        assert len(set(live)) == len(live), "an attempt runs beside the one before it"
        assert max([int(tag.partition(".")[2]) for tag in self.keeper.ran], default=0) <= MAX_ATTEMPTS

    @invariant()
    def what_has_left_never_ran(self) -> None:
        ran = {int(tag.partition(".")[0]) for tag in self.keeper.ran}
        assert not ran & {number for number, state in self.now.jobs.items() if state in (MOVING, MOVED)}

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        assert {number: self.row(number) for number in self.ended} == self.ended

    @invariant()
    def what_runs_holds_a_slot(self) -> None:
        granted = {one.id for one in self.ledger.grants.out}
        assert {int(tag.partition(".")[0]) for tag in self.keeper.live()} <= set(self.ledger.live) | granted

    @invariant()
    def no_more_run_than_there_are_places(self) -> None:
        assert len(self.keeper.live()) <= max(self.now.maximum, len(self.ledger.live))


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40)
