"""In the manager: the queue. Rows in the store; in memory only what runs, and how many jobs are in which state.

Every change of a job's state goes through the life-cycle table, here, in `pending` or in `moves`, and nowhere else.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from sjs import spec_json
from sjs.core import lifecycle
from sjs.core.job import End, Job, Range, Spec, contains, ranges
from sjs.core.lifecycle import CANCELLED, FAILED, FINAL, MOVED, PENDING, QUEUED, STARTING
from sjs.core.needs import Grant
from sjs.core.schedule import Snapshot
from sjs.daemon.ground.notes import note
from sjs.daemon.queue.counts import Counts
from sjs.daemon.queue.endings import Endings
from sjs.daemon.queue.gates import Gates
from sjs.daemon.queue.grants import Grants
from sjs.daemon.queue.heads import Heads
from sjs.daemon.queue.holdings import Holdings
from sjs.daemon.queue.hook_list import ON_FINISH, ON_START, HookList
from sjs.daemon.queue.keys import check_use, digest
from sjs.daemon.queue.live import Live, from_row
from sjs.daemon.queue.marks import Marks
from sjs.daemon.queue.moves import Moves
from sjs.daemon.queue.pending import AGAIN, PIECE, Pending
from sjs.daemon.queue.retention import Retention
from sjs.daemon.queue.rows import UNREADABLE, Ran, grant_to_text
from sjs.daemon.queue.setbacks import MAX_SETBACKS, Setbacks
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest, Conflict
from sjs.values import replace

STARTS = 256
"""Jobs that one turn starts at most, …"""

STARTS_ELSEWHERE = 5_000
"""… and hands on to others at most: they take many at once."""

Envs = Mapping[str, str]
NO_ENVS: Envs = {}


class Ledger:
    """One queue, as its manager holds it."""

    def __init__(self, store: Store, marks: Optional[Marks] = None) -> None:
        self._store = store
        self._marks = marks
        self.is_elsewhere = bool(store.meta("kind"))
        """Whether others run its jobs, to whom they are handed on."""
        self.most_starts = STARTS_ELSEWHERE if self.is_elsewhere else STARTS
        self._first_unstarted = 0 if marks is None else marks.last.started
        self.counts = Counts(store)
        self.holdings = Holdings(store)
        self.retention = Retention(store)
        self.gates = Gates(store)
        self.hooks = HookList(store)
        self.endings = Endings(store)
        self.next_id = store.next_id()
        self.live: Dict[int, Live] = {row.id: from_row(row) for row in store.live()}
        self.missing: List[Live] = []  # found without an attempt at the keeper
        self.started: List[int] = []  # since `told`: for those who wait
        self.ended: List[int] = []
        self.requeued: List[int] = []
        self.signals: List[Tuple[int, int]] = []  # (job, number): for the keeper, once this turn is durable
        self.urgent = False  # whether something changed that must be durable before this turn is answered
        self._heads = Heads(store)
        self.pending = Pending(store, self.counts, self._heads)
        self._setbacks = Setbacks(store)
        self.moves = Moves(store, self.counts, self._heads, self.pending, self._setbacks)
        self.grants = Grants(store, self.counts, self._heads, self.live)
        self._overtaken: Dict[int, int] = {}
        self._unwritten: Dict[int, Ran] = {}  # starts that are not in their rows yet

    @property
    def max_running(self) -> int:
        """How many slots there are."""
        return self.holdings.machine.slots

    # What people ask for

    def submit(
        self, key: Optional[str], specs: Sequence[Spec], now: float, envs: Envs = NO_ENVS, by: str = "", via: str = ""
    ) -> Tuple[int, int, bool]:
        """Take jobs: (first id, how many, whether this key had brought them before). `envs`: by digest; `by`: whose;
        `via`: as in `Job`."""
        texts = [spec_json.to_text(spec) for spec in specs]
        content = digest(texts) if key else ""
        known = self._store.submit(key) if key else None
        if known is not None:
            if known[0] != content:
                raise Conflict(f"the key {key!r} was used before, for other jobs", "use another --key")
            return known[1], known[2], True
        if key:
            check_use(self._store, key)
        self._store.add_environments(envs)
        for name in {spec.env_base for spec in specs if spec.env_base}:
            if self._store.environment(name) is None:
                raise BadRequest(f"no environment {name:.16}… came with these jobs or before")
        first = self.next_id
        rows = self.pending.add(first, specs, texts, now, by or None, via or None)
        self.hooks.owe(ON_FINISH, [row.id for row in rows if row.ended is not None])
        if key:
            self._store.remember_submit(key, content, first, len(specs), now)
        self.next_id += len(specs)
        self.urgent = True
        return first, len(specs), False

    def configure(self, max_running: int) -> int:
        """Set how many may run at once; what it was."""
        old = self.max_running
        self.holdings.set_slots(max_running)
        self.urgent = True
        return old

    def cancel_pending(self, wanted: Sequence[Range], now: float, note: str = "") -> List[int]:
        """Cancel the first jobs of the ranges that have no slot; at most PIECE, so ask again until there are fewer."""
        found = self._store.ids_in(PENDING, wanted, PIECE)
        ids = [job_id for job_id, _ in found]
        self._store.set_states(ids, CANCELLED, CANCELLED, now, note)
        for job_id, state in found:
            self.counts.move(state, lifecycle.step(state, "cancel"))
            self._is_over(job_id)
        self._heads.changed()
        self.urgent = True
        return ids

    def want_end(self, wanted: Sequence[Range], grace: Optional[float], note: str = "") -> List[int]:
        """Note that the running jobs of the ranges are to be ended, and why; `plan` has the keeper do it.
        Without a grace, each has its own. Asking again tells the keeper again only where the grace is shorter: a
        cancel of many jobs comes in pieces.
        """
        chosen = [one for one in self.live.values() if contains(wanted, one.id)]
        for one in chosen:
            seconds = one.patience if grace is None else float(grace)
            if one.grace is None or seconds < one.grace:
                one.grace, one.told, one.note = seconds, False, note or one.note
                self._store.set_grace(one.id, seconds, one.note)
                self.urgent = True
        return sorted(one.id for one in chosen)

    def hold(self, wanted: Sequence[Range]) -> List[int]:
        """Keep the first of these jobs from starting; at most PIECE, so ask again until there are fewer."""
        ids = self.pending.hold(wanted)
        for job_id in ids:
            self._setbacks.clear(job_id)
        self.urgent = True
        return ids

    def release(self, wanted: Sequence[Range]) -> List[int]:
        """Let them go again; at most PIECE."""
        self.urgent = True
        return self.pending.release(wanted)

    def again(self, wanted: Sequence[Range]) -> Tuple[List[int], List[int]]:
        """Run once more what has ended: (jobs that will run, all of the first AGAIN that had ended). The others can
        not: a job for which they are to wait has ended otherwise than they need."""
        found = self._store.ids_in(FINAL, wanted, AGAIN)
        self.urgent = True
        return [job_id for job_id, state in found if self._run_again(job_id, state)], [job_id for job_id, _ in found]

    def _run_again(self, job_id: int, state: str) -> bool:
        job = self._store.job(job_id)
        if job is None or job.spec is UNREADABLE or state == MOVED:
            return False
        if job.attempt:
            self._store.keep_attempt(job_id)
        return self.pending.once_more(job, state)

    def pause(self, wanted: Sequence[Range], still: bool) -> List[int]:
        """Have the running jobs of the ranges stand still, or go on; those for which that is news. What waits elsewhere
        does not run."""
        runs = [one for one in self.live.values() if not (self.is_elsewhere and one.state == STARTING)]
        chosen = [one for one in runs if contains(wanted, one.id) and bool(one.paused) != still]
        for one in chosen:
            one.paused, one.pause_told = still, False
            self._store.set_paused(one.id, still)
            self.urgent = True
        return sorted(one.id for one in chosen)

    def pause_all(self, still: bool) -> List[int]:
        """The same with all, and nothing starts."""
        self.gates.pause(still)
        self.urgent = True
        return self.pause([(0, self.next_id)], still)

    def clean(self, wanted: Sequence[Range]) -> List[int]:
        """Have records and outputs of the first of these jobs that have ended removed, when there is time for it."""
        ids = [job_id for job_id, _ in self._store.ids_in(FINAL, wanted, PIECE)]
        self.retention.give_up(ranges(ids))
        self.urgent = True
        return ids

    def drain(self, on: bool) -> None:
        """Start nothing new, or start again: then the machine is well."""
        self.gates.drain(on)
        if not on:
            self.endings.clear()
        self.urgent = True

    def signal(self, wanted: Sequence[Range], number: int) -> List[int]:
        """Have a signal sent to the trees of the running jobs of the ranges."""
        ids = sorted(one.id for one in self.live.values() if contains(wanted, one.id))
        self.signals += [(job_id, number) for job_id in ids]
        return ids

    # What plan decides

    def first(self, count: int) -> List[Job]:
        """The front of the queue."""
        return list(islice(self._heads, count))

    def snapshot(self, stopping: bool, now: float = 0.0) -> Snapshot:
        """The queue as `plan` needs it: only as much of it as could start."""
        running = [one.as_running() for one in self.live.values()]
        room = min(self.most_starts, self.max_running - sum(one.needs.slots for one in running))
        if self._setbacks.suspects and not self.is_elsewhere:  # one at a time: so it is clear over whose a manager ends
            room = 0 if any(one.state == STARTING for one in self.live.values()) else min(room, 1)
        head = self._readable_head(room, now) if room > 0 and self.counts[QUEUED] and not stopping else []
        return Snapshot(self.holdings.machine, running, head, stopping, self._overtaken, self.holdings.foreign)

    def front(self, count: int) -> Snapshot:
        """The same, with so much of the queue as could be granted: nothing, unless it can be taken as it stands."""
        running = [one.as_running() for one in self.live.values()]
        head = [] if self._setbacks.suspects else list(self._heads.first(count))
        if any(job.spec is UNREADABLE for job in head):
            head = []
        return Snapshot(self.holdings.machine, running, head, foreign=self.holdings.foreign)

    def _readable_head(self, room: int, now: float) -> List[Job]:
        """The first jobs that can be started; those that cannot be read are set aside instead of stopping the queue."""
        while True:
            head = list(self._heads.first(room))
            unreadable = [job for job in head if job.spec is UNREADABLE]
            if not unreadable:
                return head
            for job in unreadable:
                self.counts.move(QUEUED, lifecycle.step(QUEUED, "set aside"))
                self._set_aside(job, job.end or End("spawn-error"), now)
            self._heads.changed()

    def _set_aside(self, job: Job, end: End, now: float) -> None:
        note(f"job {job.id} is set aside: {end.detail}")
        self._store.set_end(job.id, FAILED, end, now, {})
        self._is_over(job.id)
        self.urgent = True

    def begin(self, job: Job, slot: int, gpus: Grant = ()) -> Live:
        """Write down that the job is to be started: the keeper is told once this is durable."""
        live = Live.of(job, lifecycle.step(job.state, "start"), slot, gpus)
        self.live[job.id] = live
        self._store.set_start(job.id, live.state, live.attempt, slot, grant_to_text(gpus))
        self.counts.move(job.state, live.state)
        self._heads.started(job)
        self._overtaken.pop(job.id, None)
        self.may_have_started(job.id)
        return live

    def may_have_started(self, job_id: int) -> None:
        """It starts, here or elsewhere, so an older copy of the queue must not start it."""
        self._first_unstarted = max(self._first_unstarted, job_id + 1)
        self.urgent = True

    def overtake(self, job_id: int, by: int) -> None:
        """So many went before this job. Not written down: after a restart its patience begins anew."""
        self._overtaken = {job_id: self._overtaken.get(job_id, 0) + by}

    # What the keeper says

    def on_started(self, tag: str, pid: int, at: float) -> bool:
        """Whether that is news. Not urgent: should it be lost with this manager, the keeper tells the next one."""
        live = self._find(tag)
        if live is None or live.state != STARTING or not pid:
            return False
        self._move(live, "started")
        self._setbacks.clear(live.id)
        self._unwritten[live.id] = Ran(pid, at, live.slot)
        self.started.append(live.id)
        self.hooks.owe(ON_START, [live.id])
        return True

    def write_starts(self) -> None:
        """Have the rows of those that run on say so. Of who has ended meanwhile, that was written with the end."""
        for job_id, ran in self._unwritten.items():
            self._store.set_started(job_id, self.live[job_id].state, ran)
        self._unwritten.clear()

    def on_ended(self, tag: str, told: Dict[str, Any]) -> None:
        """The end of an attempt. One that was stored before is not news."""
        live = self._find(tag)
        if live is None:
            return
        end = live.end(told)
        delay = lifecycle.next_try(live.spec, live.attempt, end, live.retried) if live.grace is None else None
        self.endings.add(live, end, (told.get("usage") or {}).get("seconds"))
        del self.live[live.id]
        self.urgent = True
        ran = self._unwritten.pop(live.id, None)
        if delay is not None:
            note(f"attempt {live.attempt} of job {live.id} ended ({end.detail or end.reason}); it is tried again")
            self._store.set_end(live.id, live.state, end, told["at"], told.get("usage") or {}, ran)
            self._store.keep_attempt(live.id)
            self.pending.again(live.id, live.state, told["at"] + delay if delay else None)
            self.requeued.append(live.id)
            return
        if lifecycle.event_of(end) == "lose" and live.attempt > 1:
            end = replace(end, detail=f"{end.detail}; it was the last of {live.attempt} attempts")
        self._move(live, lifecycle.event_of(end))
        self._store.set_end(live.id, live.state, end, told["at"], told.get("usage") or {}, ran)
        self._is_over(live.id)

    def _is_over(self, job_id: int) -> None:
        self._setbacks.clear(job_id)
        self._overtaken.pop(job_id, None)
        self.ended.append(job_id)
        self.hooks.owe(ON_FINISH, [job_id])
        self.pending.has_ended(job_id)

    def is_at(self, tag: str, place: Dict[str, str], said: Optional[Tuple[str, str, str]] = None) -> None:
        """Where others have it, and what they say of it: its state, why it waits, when it is to start."""
        live = self._find(tag)
        if live is None:
            return
        if said is not None:
            live.said = said
        if place and live.place != {**live.place, **place}:
            live.place = {**live.place, **place}
            self._store.set_place(live.id, live.place)

    def shown(self, job: Job) -> Job:
        """The job as people know it: what was handed on, and has not begun, still waits to them."""
        if self.is_elsewhere and job.state == STARTING:
            return replace(job, state=QUEUED, attempt=job.attempt - 1)
        return self.grants.as_shown(job)

    def not_paused(self, tag: str, still: bool) -> None:
        """Those who run it did not let it stand still, or go on."""
        live = self._find(tag)
        if live is not None and live.paused == still:
            live.paused, live.pause_told = not still, True
            self._store.set_paused(live.id, not still)
            self.urgent = True

    def on_refused(self, tag: str, now: float, event: str = "refused") -> None:
        """The machine could not start it now: it waits again, as if it had never been chosen."""
        live = self._find(tag)
        if live is None:
            return
        if live.grace is not None:  # somebody has asked for its end meanwhile
            self.on_ended(tag, {"reason": CANCELLED, "at": now})
        else:
            self._put_back(live, event)

    def on_unseen(self, tag: str, now: float) -> None:
        """The keeper has looked for an attempt that is in no record of its own, and found no trace of it."""
        live = self._find(tag)
        if live is None:
            return
        if live.grace is not None:
            self.on_ended(tag, {"reason": CANCELLED, "at": now})
        elif live.state != STARTING:
            detail = "nobody knows what became of it: it is gone, and so are its keeper's records"
            self.on_ended(tag, {"reason": "host-lost", "detail": detail, "at": now})
        elif self._setbacks.add(live.id) < MAX_SETBACKS:
            note(f"job {live.id} was to be started when the last manager ended, and was not; it is queued again")
            self._put_back(live, "unseen")
        else:
            detail = f"{MAX_SETBACKS} managers ended when they were to start it; it is set aside"
            note(f"job {live.id}: {detail}")
            self.on_ended(tag, {"reason": "spawn-error", "detail": detail, "at": now})
        self.urgent = True

    def reconcile(self, attempts: Sequence[Dict[str, Any]], boot: str, now: float, granted: Sequence[str] = ()) -> None:
        """Bring what an earlier manager left in line with what the keeper has, before anything else happens.
        What the keeper never heard of was never started, unless its records are gone: it is to look (`missing`).
        After a reboot there is nothing to look for, and a record may not have reached the disk: nobody can say.
        """
        self._set_strange_aside(now)
        self.grants.resume(granted)
        same_boot = self._store.meta("boot") == boot
        known = {str(one["tag"]): one for one in attempts}
        for live in list(self.live.values()):
            told = known.get(live.tag)
            if told is not None:
                live.slot = told.get("slot", live.slot)  # nobody knew it beforehand of one that was granted
                self.is_at(live.tag, told.get("place") or {})
                if told["pid"]:  # else it could not be started
                    self.on_started(live.tag, told["pid"], told["at"])
                if told["end"] is not None:
                    self.on_ended(live.tag, told["end"])
            elif same_boot:
                self.missing.append(live)
            else:
                detail = "nobody knows what became of it: the machine was restarted"
                self.on_ended(live.tag, {"reason": "host-lost", "detail": detail, "at": now})
        self.write_starts()
        self._store.set_meta("boot", boot)
        self._setbacks.acquit((QUEUED, STARTING))
        self.urgent = True

    def _set_strange_aside(self, now: float) -> None:
        """A state that there is not was none of our doing, so the counts are not to be trusted either."""
        strange = [job for job in map(self._store.job, self._store.strange_ids()) if job is not None]
        for job in strange:
            why = f"its record cannot be read: there is no state {job.state!r:.40}"
            self._set_aside(job, End("spawn-error", detail=why), now)
        if strange:
            self.counts.count_again(self._store)

    def _put_back(self, live: Live, event: str) -> None:
        self._move(live, event)
        self._store.set_waiting(live.id, live.state, live.attempt - 1)
        self._heads.changed()
        del self.live[live.id]

    # The end of a turn

    def work(self, now: float) -> None:
        """Let go of those who have waited long enough."""
        self.pending.work(now)
        if self.pending.cancelled:
            self.ended += self.pending.cancelled
            self.hooks.owe(ON_FINISH, self.pending.cancelled)
            self.pending.cancelled = []
            self.urgent = True

    def commit(self) -> None:
        """Make this turn durable."""
        self.write_starts()
        if self._store.is_changed:
            self.counts.save(self._store)
            self.pending.keep()
            if self._marks is not None:
                self._marks.before_commit(self.next_id)
            self._store.commit()
            if self._marks is not None:
                self._marks.after_commit(self.next_id, self._first_unstarted)
        self.urgent = False

    def told(self) -> None:
        """Who waits has heard of what has started and ended."""
        for heard in (self.started, self.ended, self.requeued):
            heard.clear()

    def _find(self, tag: str) -> Optional[Live]:
        job_id, _, attempt = tag.partition(".")
        live = self.live.get(int(job_id)) if job_id.isdigit() else None
        return live if live is not None and str(live.attempt) == attempt else None

    def _move(self, live: Live, event: str) -> None:
        state = lifecycle.step(live.state, event)
        self.counts.move(live.state, state)
        live.state = state
