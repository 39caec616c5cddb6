"""The manager: one thread, one loop. Inside the daemon only this module sees everybody.

A turn has a fixed order: collect (lines, what the keeper says, time), apply (through the life-cycle table), plan, act,
commit once, answer. Handlers write down wishes; only what `plan` decides reaches the keeper, once it is durable.
An idle manager waits in one system call. A manager that fails in any way ends, and the keeper starts the next.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Sequence

from sjs import wire
from sjs.core.lifecycle import QUEUED
from sjs.core.schedule import Overtake, Pause, Start, plan
from sjs.daemon.ground import clock, kernel, kind, stable
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.lines import LineSocket
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.space import LOW_WATER, Space
from sjs.daemon.manager.brake import Brake
from sjs.daemon.manager.desk import Ask, Desk
from sjs.daemon.manager.elsewhere import Elsewhere
from sjs.daemon.manager.granting import Granting
from sjs.daemon.manager.handlers import Handlers
from sjs.daemon.manager.hook_runs import HookRuns
from sjs.daemon.manager.hooks import Hooks
from sjs.daemon.manager.mailbox import Mailbox, Ready
from sjs.daemon.manager.orders import Order, find_order, grant_order, keeper_order
from sjs.daemon.manager.scout import Scout
from sjs.daemon.manager.trials import Trials
from sjs.daemon.manager.waits import Waits
from sjs.daemon.queue.cleaner import Cleaner
from sjs.daemon.queue.copies import Copies
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.live import Live
from sjs.daemon.queue.marks import Marks
from sjs.daemon.queue.recovery import open_store
from sjs.errors import NotReached, to_wire
from sjs.snapshots.store import Store as Snapshots
from sjs.values import replace

TURN = 0.02
"""Seconds after which a turn begins no further request."""

FAREWELL = 10.0
"""Seconds that clients have to read their last replies once the manager stops."""

PARTING = 1.0
"""The same when it only makes room for another manager, of which they can ask again."""

WALL = 30.0
"""Seconds after which the wall clock is looked at again when a job waits for it."""

LAZY = 0.05
"""Seconds until a change that nobody waits for is made durable."""


ELSEWHERE = 5_000
"""Jobs that are in Slurm's hands at once, if nobody says otherwise: by default it takes twice as many of all users."""


class Removed(Exception):
    """The state folder is not where it was: nobody can find this manager any more."""


class Manager:
    """One queue's manager."""

    def __init__(self, where: Places, keeper: socket.socket, maximum: str) -> None:
        self._where = where
        self._selector = selectors.DefaultSelector()
        self._space = Space(where.state, f"{where.database}-wal")
        self._space.make_room()
        self._store = open_store(where, self._space.log_pages)
        self._copies = Copies(where, self._store, self._space.has)
        self._space.low_water = int(self._store.meta(LOW_WATER) or 0)
        self._store.begin_as(kind.of(where))
        self._ledger = Ledger(self._store, Marks(where.marks))
        self._waits = Waits()
        self._brake = Brake()
        self._jumps = clock.Jumps(clock.look())
        snapshots = Snapshots(where.snapshots)
        self._cleaner = Cleaner(where.jobs, self._ledger, self._store, clock.look(), snapshots)
        self._handlers = Handlers(where, self._ledger, self._store, self._waits, self._space)
        self._mailbox = Mailbox(where, self._selector, wire.MAX_LINE, _crowded(where))
        self._desk = Desk(self._mailbox, self._handlers, self._waits)
        self._keeper = LineSocket(keeper, self._selector)
        self._hooks = Hooks(where.root, os.path.join(where.state, "hooks.log"), str(os.getpid()), self._keeper.send)
        self._hook_runs = HookRuns(where, self._ledger.hooks, self._store, self._keeper.send)
        self._granting = Granting(self._ledger.grants, self._keeper.send)
        self._elsewhere = Elsewhere(self._ledger, self._waits, self._keeper.send)
        self._trials = Trials(where.trial, self._ledger, self._store, self._hooks)
        self._scout = Scout(where.probe, self._ledger.holdings, self._hooks)
        self._todo: Deque[Ask] = deque()
        self._stored: List[str] = []
        self._lazy_until: Optional[float] = None
        self._started_many = False  # so there may be more to start at once
        self._end_by: Optional[float] = None  # set once it is to end: when clients have had long enough
        self._said_bye = False
        self._leaving = False
        self._may_go = False
        self.umask = 0o077  # the jobs', for when this has to become the keeper
        self._hear_hello()
        self._set(maximum)
        self._mailbox.open_door()
        self._folder = self._watch_folder()
        self._keeper.send({"do": "hold"})
        self._listen_to_term()
        self._keeper.send({"do": "ready"})

    def run(self) -> bool:
        """Until stopped (True) or until the keeper has died (False)."""
        self._wait_for_go()
        self._be_current()
        self._scout.look()
        self.turn([], clock.look())
        while not self._keeper.closed and not self._is_done():
            ready = self._selector.select(self._patience())
            now = clock.look()
            self.turn(ready, now)
            condition = self._handlers.condition
            condition.longest_turn = max(condition.longest_turn, clock.look().steady - now.steady)
        return not self._keeper.closed

    def turn(self, ready: Ready, now: Now) -> None:
        """One turn."""
        self._todo += self._collect(ready)
        for news in self._keeper.receive() if _is_ready(self._keeper, ready) else []:
            self._todo += self._on_news(news, now)
        self._todo.extendleft(reversed(self._trials.late(now.steady)))
        self._ledger.write_starts()
        self._tell_waits()
        self._space.look(now.steady)
        jump = self._jumps.look(now)
        if jump:
            note(jump)
        self._handlers.condition.trouble = self._space.shortage or self._brake.reason
        self._work_off(now)
        self._ledger.work(now.wall)
        self._tell_waits()
        self._scout.on_time(now.steady, self._ledger.counts[QUEUED] > 0)
        is_shut = self._starts_nothing(now)
        actions = self._plan(now, is_shut)
        granted = () if is_shut else self._grant(now)
        if self._ledger.urgent or (self._lazy_until is not None and now.steady >= self._lazy_until):
            self._ledger.commit()
            self._copies.committed()
        self._elsewhere.attend()
        self._tell_keeper(actions, granted)
        self._waits.are_at(self._store.changes)
        self._desk.answer(now)
        self._rest_if_idle(now)
        if self._end_by is None:
            self._cleaner.turn(now)

    def _is_done(self) -> bool:
        if self._end_by is None or self._keeper.pending:
            return False
        if self._leaving and (self._todo or self._trials.is_awaited or self._mailbox.has_more):
            return False
        return not self._mailbox.owes or clock.look().steady >= self._end_by

    def close(self) -> None:
        """Leave everything to whoever comes next."""
        self._ledger.commit()
        self._copies.close()
        self._store.close()
        self._mailbox.close()

    # Collect

    def _collect(self, ready: Ready) -> List[Ask]:
        letters = [] if self._todo else self._mailbox.collect(ready)
        asked = self._desk.read(letters)
        for key, _ in ready:
            if key.data is self._folder:
                self._look_around()
            elif key.data == "term":
                self._handlers.condition.stopping = True
        if self._mailbox.mend_door(ready):
            self._keeper.send({"do": "hold"})
        return asked

    def _on_news(self, news: Dict[str, Any], now: Now) -> List[Ask]:
        what = news["on"]
        if "place" in news:
            self._ledger.is_at(news["tag"], news["place"])
        if what in ("started", "ended") and self._ledger.on_started(
            news["tag"], news.get("pid", 0), news.get("at", 0.0)
        ):
            self._brake.started()
        if what == "ended":
            self._ledger.on_ended(news["tag"], news["end"])
            if "next" in news:
                self._ledger.grants.hand_on(news["next"], news["slot"])
            self._granting.ended((news["end"].get("usage") or {}).get("seconds"))
            self._hook_runs.ended(news["tag"], news["end"])
            self._stored.append(news["tag"])
            self._brake.ended()
            return self._hook_ended(news["tag"], news["end"].get("detail") or "", now)
        elif what == "unseen":
            self._ledger.on_unseen(news["tag"], now.wall)
        elif what == "refused":
            self._ledger.on_refused(news["tag"], now.wall)
            self._hook_runs.refused(news["tag"])
            self._brake.refused(news["detail"], now.steady)
            return self._hook_ended(news["tag"], news["detail"], now)
        elif what == "placed":
            self._ledger.grants.hand_on(news["tag"], news["slot"])
        elif what == "unused":
            self._ledger.grants.offered.discard(news["slot"])
        elif what == "withdrawn":
            return self._elsewhere.withdrawn(news, now)
        elif what == "seen":
            self._elsewhere.seen(news["jobs"])
        elif what == "not paused":
            for tag in news["tags"]:
                self._ledger.not_paused(tag, news["still"])
        elif what == "trouble":
            self._handlers.condition.elsewhere = news["detail"]
        elif what == "revoked":
            self._granting.given_back(news["tags"])
        elif what == "stop":
            self._handlers.condition.stopping = True
        elif what == "leave":
            self._leaving = True
        elif what == "go":
            self._may_go = True
        return []

    def _hook_ended(self, tag: str, detail: str, now: Now) -> List[Ask]:
        then = self._hooks.ended(tag, detail)
        if then is self._scout:
            self._scout.has_looked(now.steady, {name for live in self._ledger.live.values() for name, _ in live.gpus})
            return []
        if then is self._trials:
            self._todo.extendleft(reversed(self._trials.has_answered(now.steady)))
            return []
        return [then] if then is not None else []

    # Apply

    def _work_off(self, now: Now) -> None:
        """Handle requests until the turn has lasted long enough. What is left comes before anything new."""
        while self._todo and not self._granting.must_come_before(str(self._todo[0].request.get("op"))):
            self._handle(self._todo.popleft(), now)
            self._tell_waits()
            if clock.look().steady > now.steady + TURN:
                return

    def _handle(self, ask: Ask, now: Now) -> None:
        call = ask.call
        if self._elsewhere.must_wait(ask) or self._trials.must_wait(ask, now.steady):
            return
        refusal = self._trials.refusal(ask, now.steady)
        if refusal is not None:
            self._desk.refuse(ask, refusal)
        elif call is not None and call.hooks:
            self._hooks.add(call.hooks, ask._replace(call=replace(call, hooks=())))
        else:
            self._desk.handle(ask, now)

    def _tell_waits(self) -> None:
        """At once: a wait that comes later in this turn does not count what has happened already."""
        self._waits.happened("start", self._ledger.started + self._ledger.ended)
        self._waits.happened("end", self._ledger.ended)
        self._waits.happened("attempt", self._ledger.ended + self._ledger.requeued)
        self._ledger.told()

    # Plan and act

    def _plan(self, now: Now, is_shut: bool) -> Sequence[Order]:
        """What to do once it is durable."""
        if self._granting.are_out and (is_shut or self._ledger.grants.are_stale(self._ledger.holdings.machine)):
            self._granting.ask_back()
        elif self._granting.are_out and not self._granting.is_waiting:
            free = self._ledger.grants.offer()
            if free:
                self._keeper.send({"do": "offer", "slots": free})
        waits = self._granting.are_out or self._granting.is_waiting
        actions = plan(self._ledger.snapshot(waits or is_shut, now.wall))
        for action in actions:
            if isinstance(action, Start):
                self._ledger.begin(action.job, action.slot, action.gpus)
            elif isinstance(action, Overtake):
                self._ledger.overtake(action.job_id, action.by)
            elif isinstance(action, Pause):
                self._ledger.live[action.job_id].pause_told = True
            else:
                self._ledger.live[action.job_id].told = True
        self._started_many = len(actions) >= self._ledger.most_starts
        return [one for one in actions if not isinstance(one, Overtake)]

    def _starts_nothing(self, now: Now) -> bool:
        shut = bool(self._ledger.gates.reasons) or bool(self._space.shortage) or self._brake.is_on(now.steady)
        shut = shut or self._elsewhere.is_quiet(now.steady)
        return shut or self._handlers.condition.stopping or self._leaving

    def _grant(self, now: Now) -> Sequence[Live]:
        """What the keeper may start by itself from now on, once it is durable."""
        count = self._granting.wants(now.steady)
        if not count:
            return ()
        granted = self._granting.grant(self._ledger.front(count), now.steady)
        for live in granted:
            self._ledger.may_have_started(live.id)
        return granted

    def _tell_keeper(self, actions: Sequence[Order], granted: Sequence[Live]) -> None:
        for action in actions:
            self._keeper.send(keeper_order(self._where, self._ledger, self._store, action))
        if granted:
            self._keeper.send(grant_order(self._where, self._store, granted))
        for job_id, number in self._ledger.signals:
            if job_id in self._ledger.live:
                tag = self._ledger.live[job_id].tag
                self._keeper.send({"do": "signal", "tag": tag, "signal": number, "tree": True})
        self._ledger.signals = []
        self._run_hooks()
        if self._stored and not self._ledger.urgent:
            self._keeper.send({"do": "forget", "tags": self._stored})
            self._stored = []
        if self._granting.are_out or self._granting.is_waiting:
            pass  # who may still start something is not done
        elif self._handlers.condition.stopping and not self._said_bye:
            self._keeper.send({"do": "bye"})
            self._said_bye = True
            self._end_by = clock.look().steady + FAREWELL
        elif self._leaving and self._end_by is None:
            self._end_by = clock.look().steady + PARTING
            self._mailbox.rest()
        self._keeper.flush()

    def _rest_if_idle(self, now: Now) -> None:
        """End for now, where a queue is a guest: the next command starts another manager."""
        if self._end_by is None and self._elsewhere.is_idle(now.steady, self._mailbox.is_alone and not self._todo):
            note("nothing to do, and nobody is here: the manager ends until the next command")
            self._keeper.send({"do": "rest"})
            self._keeper.flush()
            self._mailbox.rest()
            self._leaving, self._end_by = True, now.steady + PARTING

    def _run_hooks(self) -> None:
        """Once what they are for is durable."""
        now = clock.look().steady
        if self._handlers.condition.stopping or self._leaving or self._space.shortage or self._brake.is_on(now):
            return
        try:
            self._hook_runs.work()
        except OSError as error:
            self._brake.refused(f"a record cannot be written: {error.strerror}", now)

    # Time

    def _patience(self) -> Optional[float]:
        """How long nothing can be due, in seconds; None is for ever."""
        now = clock.look().steady
        can_go_on = bool(self._todo or self._mailbox.has_more) and not self._granting.is_waiting
        if can_go_on or self._started_many or self._ledger.pending.has_more:
            return 0.0
        if self._store.is_changed:
            self._lazy_until = self._lazy_until or now + LAZY
        else:
            self._lazy_until = None
        times = (
            self._end_by,
            self._lazy_until,
            self._mailbox.next_time(),
            self._waits.next_time(),
            self._scout.next_time(self._ledger.counts[QUEUED] > 0),
            self._brake.next_time(now),
            self._next_due(now),
            self._cleaner.next_time() if self._end_by is None else None,
            self._space.next_time(),
            self._elsewhere.next_time(),
            self._trials.next_time(),
        )
        due = [one for one in times if one is not None]
        return max(0.0, min(due) - now) if due else None

    def _next_due(self, now: float) -> Optional[float]:
        """When to look whether a job's time has come. That is a wall clock's time, which may be set meanwhile."""
        due = self._ledger.pending.next_due
        return None if due is None else now + min(WALL, max(0.0, due - clock.look().wall))

    # The start

    def _hear_hello(self) -> None:
        """The keeper speaks first: what it has. Nothing else may happen before that; news may have come with it."""
        heard: List[Dict[str, Any]] = []
        while not heard and not self._keeper.closed:
            self._selector.select()
            heard = self._keeper.receive()
        for news in heard:
            if news["on"] == "hello":
                self._granting.is_understood = "granted" in news
                self._ledger.reconcile(news["attempts"], news["boot"], clock.look().wall, news.get("granted", ()))
                for one in news["attempts"]:
                    if one["end"] is not None:
                        self._stored.append(one["tag"])
                        self._hook_runs.ended(one["tag"], one["end"])
                self._ledger.told()
                self.umask = news.get("umask", self.umask)
                if self._ledger.missing:
                    self._keeper.send(find_order(self._where, self._ledger.missing))
                self._may_go = not news.get("go", False)  # a keeper of before there were upgrades says no `go`
            else:
                self._on_news(news, clock.look())

    def _wait_for_go(self) -> None:
        """Nothing is durable before the keeper has heard `ready`, in time: in an upgrade the manager before this one
        may have to come back, and finds all as it left it, the schema of the database too."""
        self._keeper.flush()
        while not self._may_go and not self._keeper.closed:
            for key, _ in self._selector.select():
                if key.data is self._keeper:
                    self._keeper.flush()
                    for news in self._keeper.receive():
                        self._on_news(news, clock.look())

    def _be_current(self) -> None:
        """What others have noted down leads to this code from now on."""
        try:
            stable.renew()
        except OSError as error:
            note(f"{error.filename2 or error.filename} could not be made to lead to this code: {error.strerror}")

    def _set(self, settings: str) -> None:
        """What `launch.settings` made of the words of whoever started this manager; else it stays as it was."""
        given = zip(("max_jobs", "keep_days", "keep_jobs", LOW_WATER), settings.split(","))
        wanted = {name: int(value) for name, value in given if value.isdigit()}
        if "max_jobs" not in wanted and self._store.meta("max_jobs_running") is None:
            wanted["max_jobs"] = ELSEWHERE if self._ledger.is_elsewhere else len(os.sched_getaffinity(0))
        if wanted:
            self._handlers.handle({"op": "configure", **wanted}, None, clock.look())

    def _watch_folder(self) -> kernel.Inotify:
        """Hear of it when the database, or the whole folder, goes away."""
        watch = kernel.Inotify()
        for path in (self._where.database, self._where.root):
            watch.watch(path, kernel.IN_ATTRIB | kernel.IN_MOVE_SELF)
        self._selector.register(watch.fd, selectors.EVENT_READ, watch)
        return watch

    def _look_around(self) -> None:
        if list(self._folder.read()) and self.was_removed():
            raise Removed

    def was_removed(self) -> bool:
        """Whether the queue has gone under it. A door that was made again on its way out goes, too."""
        if os.path.exists(self._where.database):
            return False
        self._mailbox.remove_door()
        return True

    def _listen_to_term(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        self._selector.register(reading, selectors.EVENT_READ, "term")


def _crowded(where: Places) -> bytes:
    error = NotReached(f"the manager of {where.door} has no descriptor left for one more client", "try again soon")
    return wire.encode({"error": to_wire(error)})


def _is_ready(link: LineSocket, ready: Ready) -> bool:
    return any(key.data is link for key, _ in ready)
