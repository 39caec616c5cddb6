"""The keeper's hands where Slurm runs the jobs: what is ordered goes to Slurm, and what becomes of it is told as news.

Everything that must not be forgotten lies in files (`chunks`) before anybody else hears of it. So this process may end
at any moment: the next one reads them, looks for what Slurm has by the key in its comment, and goes on.

No job runs twice, whatever Slurm is handed: a job is begun by whoever makes the mark of its start, once. To take one
back that waits is to make that mark first; then Slurm is told to forget it, at leisure.
"""

from __future__ import annotations

import os
import selectors
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.starting import Start
from sjs.daemon.slurm import words
from sjs.daemon.slurm.calls import Calling, Calls, environment
from sjs.daemon.slurm.chunks import Chunk, Chunks, Mark
from sjs.daemon.slurm.handing import Handing
from sjs.daemon.slurm.looking import Looking
from sjs.daemon.slurm.shape import Unfit, shape_of
from sjs.daemon.slurm.signals import Signals
from sjs.daemon.slurm.task import Task

Tell = Callable[[Dict[str, Any]], None]


class SlurmHands:
    """All attempts of one queue that Slurm has, or is about to have, and no manager has stored the end of."""

    def __init__(
        self,
        where: Places,
        umask: int,
        selector: selectors.BaseSelector,
        tell: Tell,
        record: Optional[Dict[str, Any]] = None,
        calls: Optional[Calling] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`record`: what an earlier keeper handed over; `calls`: how Slurm is spoken to."""
        self._clock = clock
        self._tell = tell
        self._all: Dict[str, Task] = {}
        self._tasks: Dict[Tuple[str, int], Task] = {}
        self._chunks: Dict[str, Chunk] = {}
        self._silent: Dict[str, Task] = {}  # Slurm says that they are over, or nothing
        self._files = Chunks(where.state)
        self._prefix = f"sjs:{self._files.id}:"
        self._calls: Calling = calls or Calls(selector, environment(os.environ))
        self._signals = Signals(self._calls, lambda name: self._handing.array(name), tell)
        self._handing = Handing(self._files, self._calls, umask, self._prefix, self)
        self._looking = Looking(self._calls, self._prefix)
        for chunk in self._files.found():
            self._resume(chunk)
        for one in (record or {}).get("ordered", ()):
            self.start(Start(**one))

    def _resume(self, chunk: Chunk) -> None:
        """Go on with what an earlier keeper has handed in, or was about to."""
        self._chunks[chunk.name] = chunk
        for number, tag in enumerate(chunk.tags):
            self._add(Task(tag, chunk.name, number))
        self._look_at_marks(chunk)
        self._handing.resume(chunk)
        self._drop_if_done(chunk.name)

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads: what is in no file."""
        return {"ordered": [one._asdict() for one in self._handing.ordered.values()]}

    def known(self) -> Dict[str, Any]:
        """Everything, for a manager that has just come. No boot of this machine ends a job."""
        ordered = [
            {"tag": one.tag, "pid": 0, "at": 0.0, "end": None, "paused": False}
            for one in self._handing.ordered.values()
        ]
        return {"boot": self._prefix, "attempts": [*(one.as_news() for one in self._all.values()), *ordered]}

    def live(self) -> int:
        """How many have not ended."""
        return sum(one.end is None for one in self._all.values()) + len(self._handing.ordered)

    def has(self, tag: str) -> bool:
        return tag in self._all or tag in self._handing.ordered

    # Orders

    def start(self, wanted: Start) -> None:
        """Have Slurm run it, together with what else is ordered now."""
        if self.has(wanted.tag):
            return
        try:
            shape_of(wanted)
        except Unfit as unfit:
            self._end_unbegun(wanted.tag, {"reason": "spawn-error", "detail": str(unfit)})
        else:
            self._handing.order(wanted, self._clock())

    def find(self, wanted: Sequence[Sequence[Any]]) -> None:
        """Those that are in no file were never handed in."""
        for tag, *_ in wanted:
            if not self.has(tag):
                self._tell({"on": "unseen", "tag": tag})

    def withdraw(self, tags: Iterable[str]) -> None:
        """Take those back that have not begun. All that have not are told of, and never will."""
        wanted = set(tags)
        back = [one.tag for one in self._handing.forget(wanted)]
        taken = [task for task in self._unended(wanted) if self._claim(task)]
        self._signals.cancel(taken)
        self._tell({"on": "withdrawn", "tags": [*back, *(task.tag for task in taken)]})
        self._drop_all(taken)

    def stop(self, graces: Mapping[str, float]) -> None:
        """End them: those that wait at once, those that run by TERM now and KILL after the grace."""
        for one in self._handing.forget(set(graces)):
            self._end_unbegun(one.tag, {"reason": "cancelled"})
        now = self._clock()
        waiting, running = [], []
        for task in self._unended(graces):
            task.cancelled = True
            if self._claim(task):
                waiting.append(task)
                continue
            running.append(task)
            due = now + graces[task.tag]
            task.kill_at = due if task.kill_at is None else min(due, task.kill_at)
        self._signals.cancel(waiting)
        self._signals.send("TERM", running)
        for task in waiting:
            self._finish(task, {"reason": "cancelled"})
        self._looking.soon(now)

    def signal(self, wanted: Iterable[Tuple[str, int, bool]]) -> None:
        """To each a signal, for its whole tree."""
        for tag, number, _ in wanted:
            self._signals.send(str(number), [one for one in self._unended([tag]) if one.has_begun])

    def pause(self, tags: Iterable[str]) -> None:
        """Have Slurm suspend them, where it lets us."""
        self._signals.suspend([one for one in self._unended(tags) if one.has_begun], True)

    def resume(self, tags: Iterable[str]) -> None:
        """Let them go on."""
        self._signals.suspend([one for one in self._unended(tags) if one.has_begun], False)

    def forget(self, tags: List[str]) -> None:
        """The manager has stored how these ended."""
        done = [self._all[tag] for tag in tags if tag in self._all and self._all[tag].end is not None]
        self._drop_all(done)

    def attend(self, is_awaited: bool) -> None:
        """Whether somebody waits for what happens."""
        self._looking.attend(is_awaited, self._clock())

    # Time

    def reaped(self, pid: int, status: int) -> None:
        """A child has ended, perhaps one of ours."""
        self._calls.reaped(pid, status)

    @property
    def children(self) -> List[int]:
        """Those of our processes that are Slurm's programs."""
        return self._calls.pids

    def on_time(self, now: float) -> None:
        """What is due."""
        self._calls.turn(now)
        self._handing.turn(now)
        self._kill(now)
        self._conclude(now)
        self._signals.turn(now)
        unended = [one for one in self._all.values() if one.end is None]
        if not unended:
            return
        if self._looking.folders_are_due(now):
            before = [(one.mark, one.own) for one in unended]
            for name in {one.chunk for one in unended if one.chunk}:
                self._look_at_marks(self._chunks[name])
            self._looking.have_looked(before != [(one.mark, one.own) for one in unended])
        if self._looking.queue_is_due(now):
            self._looking.ask(now, self._seen)

    def next_time(self) -> Optional[float]:
        """When `on_time` is due next."""
        looks = self._looking.next_time() if any(one.end is None for one in self._all.values()) else None
        kills = [one.kill_at for one in self._all.values() if one.end is None and one.kill_at is not None]
        waits = [due for due in map(self._due, self._silent.values()) if due is not None]
        times = (looks, *waits, self._calls.next_time(), self._handing.next_time(), self._signals.next_time(), *kills)
        return min((one for one in times if one is not None), default=None)

    def _kill(self, now: float) -> None:
        due = [one for one in self._all.values() if one.end is None and one.kill_at is not None and now >= one.kill_at]
        for task in due:
            task.kill_at = now + self._signals.AGAIN
            task.kills += 1
        self._signals.kill([one for one in due if one.kills < self._signals.TRIES])
        self._signals.cancel([one for one in due if one.kills >= self._signals.TRIES])

    # What becomes of them

    def written(self, chunk: Chunk) -> None:
        """It is written down, and is about to be handed in."""
        self._chunks[chunk.name] = chunk
        for number, tag in enumerate(chunk.tags):
            self._add(Task(tag, chunk.name, number))
        self._looking.soon(self._clock())

    def taken(self, chunk: Chunk, array: str) -> None:
        """Slurm has it; who was taken back meanwhile is not to begin."""
        tasks = {number: self._tasks.get((chunk.name, number)) for number in range(len(chunk.tags))}
        gone = [number for number, one in tasks.items() if one is None or (one.mark is not None and not one.has_begun)]
        self._signals.forget(array, gone)
        if chunk.name not in self._chunks:
            self._handing.drop(chunk.name)

    def refused(self, chunk: Chunk, detail: str) -> None:
        """Slurm will never take it."""
        for task in self._of(chunk.name):
            if task.end is None and self._claim(task):
                self._finish(task, {"reason": "spawn-error", "detail": f"Slurm refused it: {detail}"})

    def smaller(self, chunk: Chunk) -> List[Start]:
        """It was too large: what of it is still wanted is to be handed in otherwise."""
        taken = [task for task in self._of(chunk.name) if task.end is None and self._claim(task)]
        tags = {task.tag for task in taken}
        starts = [one for one in chunk.starts() if one.tag in tags]
        self._drop_all(taken)
        return starts

    def numbers(self, chunk: Chunk) -> List[int]:
        """Which of its jobs are still wanted."""
        return [task.number for task in self._of(chunk.name) if task.end is None and task.mark is None]

    def trouble(self, why: str) -> None:
        """Why nothing can be handed in; nothing, once that is over."""
        self._tell({"on": "trouble", "detail": why})

    def _look_at_marks(self, chunk: Chunk) -> None:
        for number, what in chunk.marks():
            task = self._tasks.get((chunk.name, number))
            if task is None or task.end is not None:
                continue
            if what == "start" and task.mark is None:
                self._begun(chunk, task)
            elif what == "end" and task.own is None:
                self._begun(chunk, task)
                task.own = chunk.end_of(number)
        for task in self._of(chunk.name):
            if task.own is not None and task.end is None and (task.cancelled or words.is_telling(task.own)):
                self._finish(task, words.end(task.own, "", None, task.cancelled))

    def _begun(self, chunk: Chunk, task: Task) -> None:
        if task.mark is not None:
            return
        task.mark = chunk.start_of(task.number)
        if task.mark is not None and not task.mark.host:  # an earlier keeper has taken it back
            self._drop(task)
        elif task.mark is not None:
            self._tell({"on": "started", **task.as_news()})

    def _seen(self, seen: Optional[Dict[Tuple[str, int], words.Seen]], asked_at: float) -> None:
        """What Slurm has told of its queue; None where it has not, and nobody is taken to be gone."""
        self._handing.seen(seen, asked_at)
        if seen is None:
            return
        now = self._clock()
        changed = []
        for task in [one for one in self._all.values() if one.end is None and one.chunk]:
            if not self._handing.is_in(task.chunk, asked_at):
                continue
            found = seen.get((task.chunk, task.number)) or seen.get((task.chunk, words.REST))
            if found != task.seen and found is not None:
                task.seen = found
                changed.append(task)
            is_back = found is not None and task.has_begun and found.state in words.WAITING
            if found is not None and found.is_alive and not is_back:
                self._is_there(task)
            else:
                task.over = None if is_back else found
                if task.silent_since is None:
                    task.silent_since = now
                    self._looking.soon(now)
                self._silent[task.tag] = task
        if changed:
            told = [
                [one.tag, one.place, one.seen.state, one.seen.reason, one.seen.start] for one in changed if one.seen
            ]
            self._tell({"on": "seen", "jobs": told})
        self._looking.has_answered(bool(changed))

    def _is_there(self, task: Task) -> None:
        task.silent_since = None
        self._silent.pop(task.tag, None)

    def _conclude(self, now: float) -> None:
        """Those of which Slurm says no more, once what they have left had its time to come over a network."""
        for task in list(self._silent.values()):
            due = self._due(task)
            if task.end is not None or self._all.get(task.tag) is not task:
                del self._silent[task.tag]
            elif due is not None and now >= due:
                self._give_up(task, now)

    def _due(self, task: Task) -> Optional[float]:
        """When nothing more is waited for; None while Slurm is being asked."""
        if task.asks is not None or task.silent_since is None:
            return None
        is_known = task.over is not None or task.own is not None
        never_began = task.over is not None and task.over.state == "CANCELLED" and not task.has_begun
        if never_began or task.own is not None:
            return task.silent_since
        return task.silent_since + (self._looking.PATIENCE if is_known and not task.is_doubtful else self._looking.LOST)

    def _give_up(self, task: Task, now: float) -> None:
        chunk = self._chunks[task.chunk]
        if not task.has_begun and (task.over is None or task.over.state == "CANCELLED") and self._claim(task):
            if task.over is not None:
                self._finish(task, words.end(None, task.over.state, None, task.cancelled))
                return
            note(f"Slurm has forgotten {task.tag}, which has not begun; it is handed in again")
            self._tell({"on": "withdrawn", "tags": [task.tag], "unasked": True})
            self._drop_all([task])
            return
        self._begun(chunk, task)
        task.asks = task.over.state if task.over is not None else ""
        array = self._handing.array(task.chunk)
        self._looking.ask_how(task, array, lambda state, status: self._told(task, state, status))

    def _told(self, task: Task, state: str, status: Optional[str]) -> None:
        """How Slurm says that it has ended."""
        if task.end is not None or task.tag not in self._all:
            return
        chunk = self._chunks[task.chunk]
        task.own = task.own or chunk.end_of(task.number)
        if task.own is None and status == f"{words.AGAIN}:0" and not task.is_doubtful:
            task.asks, task.is_doubtful = None, True  # what has ended was not the job, which may still run
            return
        if task.own is None and state in words.RUNNING:
            task.asks = None
            self._is_there(task)
            return
        if task.has_begun and state in words.WAITING:  # it would be begun again, in vain, or be there for ever
            self._signals.cancel([task])
        end = words.end(task.own, state or task.asks or "", status, task.cancelled)
        if task.own is None and not task.has_begun and end["reason"] in ("exit", "signal"):
            said = chunk.last_words() or "does its node see that folder?"
            detail = f"Slurm says {state or task.asks}, but it has left nothing in {chunk.path}: {said}"
            end = {"reason": "spawn-error", "detail": detail}
        self._finish(task, end)

    def _finish(self, task: Task, end: Dict[str, Any]) -> None:
        end = dict(end)
        begun = task.mark.at if task.mark is not None else 0.0
        end["at"] = max(begun, end.get("at") or time.time())
        task.end = end
        self._tell({"on": "ended", **task.as_news()})

    def _end_unbegun(self, tag: str, end: Dict[str, Any]) -> None:
        """Of what is in no file: should this be forgotten, it has never begun."""
        task = Task(tag, "", 0)
        self._all[tag] = task
        self._finish(task, end)

    # Who there is

    def _claim(self, task: Task) -> bool:
        """Keep it from ever beginning; not, if it has."""
        if task.mark is None and self._chunks[task.chunk].claim(task.number):
            task.mark = Mark()
        return task.mark is not None and not task.mark.host

    def _unended(self, tags: Iterable[str]) -> List[Task]:
        found = [self._all[tag] for tag in dict.fromkeys(tags) if tag in self._all]
        return [one for one in found if one.end is None]

    def _of(self, name: str) -> List[Task]:
        chunk = self._chunks[name]
        found = (self._tasks.get((name, number)) for number in range(len(chunk.tags)))
        return [one for one in found if one is not None]

    def _add(self, task: Task) -> None:
        """A tag that comes again was taken back before."""
        self._all[task.tag] = task
        self._tasks[task.chunk, task.number] = task

    def _drop(self, task: Task) -> None:
        if self._all.get(task.tag) is task:
            del self._all[task.tag]
        self._tasks.pop((task.chunk, task.number), None)

    def _drop_all(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._drop(task)
        for name in {task.chunk for task in tasks}:
            self._drop_if_done(name)

    def _drop_if_done(self, name: str) -> None:
        """Nobody needs its files any more, once Slurm has heard what it was told of it."""
        if name in self._chunks and not self._of(name):
            chunk = self._chunks.pop(name)
            self._handing.drop(name)
            self._signals.after(chunk.remove)
