"""In the keeper: the attempts that it holds, from the order to start one until the manager has stored its end.

An attempt ends when its main process does and nothing of its tree is left: what the job leaves behind is ended first
(TERM, then KILL after a grace), so that its slot is really free.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from sjs.daemon import ending, tree
from sjs.daemon.journal import Entry, Journal
from sjs.daemon.notes import note
from sjs.daemon.places import Places, boot_id
from sjs.daemon.spawn import MARK, Refused, Spawner, SpawnError, Start, base_environment
from sjs.daemon.watch import Watch

GRACE = 10.0
"""Seconds between TERM and KILL for what a job left behind."""

KILL_AGAIN = 1.0
"""Seconds until KILL is repeated, should a tree have grown faster than it was cut."""

HANDED_OVER = (
    *("tag", "pid", "session", "outputs", "at", "began", "adopted", "unseen", "is_guess"),
    *("cancelled", "kill_at", "main_end", "end"),
)
"""What the next keeper is told of an attempt as it is."""

Tell = Callable[[Dict[str, Any]], None]


class Attempt:
    """One attempt. `main_end` is how its main process ended; `end` is set once nothing of it is left."""

    def __init__(self, tag: str, pid: int, mark: bytes) -> None:
        self.tag = tag
        self.pid = pid
        self.session = pid or tree.NO_SESSION
        self.mark = mark
        self.outputs: List[str] = []
        self.at = time.time()
        self.began = _boot_clock()
        self.unseen = False  # its end was noticed some time after it
        self.adopted = False  # its main process is not our child
        self.watch: Optional[Watch] = None  # … but lives
        self.is_guess = False  # found by its mark: it may be something that the main process left behind
        self.strays: Set[int] = set()
        self.cancelled = False
        self.kill_at: Optional[float] = None
        self.main_end: Optional[Dict[str, Any]] = None
        self.end: Optional[Dict[str, Any]] = None

    def as_news(self) -> Dict[str, Any]:
        return {"tag": self.tag, "pid": self.pid, "at": self.at, "end": self.end}

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        record = {name: getattr(self, name) for name in HANDED_OVER}
        watch = None if self.watch is None else self.watch.hand_over()
        return {**record, "strays": sorted(self.strays), "watch": watch}

    @classmethod
    def resumed(cls, record: Dict[str, Any], mark: bytes, selector: selectors.BaseSelector) -> Attempt:
        """The attempt as it was when it was handed over."""
        attempt = cls(record["tag"], record["pid"], mark)
        for name in HANDED_OVER:
            setattr(attempt, name, record.get(name, getattr(attempt, name)))
        attempt.strays = set(record["strays"])
        attempt.watch = None if record["watch"] is None else Watch.resumed(record["watch"], selector)
        return attempt


class Attempts:
    """All attempts of one queue that no manager has stored the end of."""

    def __init__(
        self,
        where: Places,
        umask: int,
        selector: selectors.BaseSelector,
        tell: Tell,
        record: Optional[Dict[str, Any]] = None,
    ) -> None:
        """`record`: what an earlier keeper handed over, whose children are ours."""
        self._where = where
        self._selector = selector
        self._tell = tell
        self._boot = boot_id()
        self._spawner = Spawner(base_environment(dict(os.environ)), umask)
        self._journal = Journal(where.state, self._boot)
        self._all: Dict[str, Attempt] = {}
        self._by_pid: Dict[int, Attempt] = {}
        self._clearing: List[Attempt] = []
        self._strangers: Set[int] = set()
        if record is not None:
            self._resume(record)
            return
        known = [entry for entry in self._journal.found if entry.pid or entry.end is not None]
        marks = tree.marks(self._mark("")) if len(known) < len(self._journal.found) else set()
        for entry in self._journal.found:
            if entry in known or self._is_anywhere(entry, marks):
                self._adopt(entry)
            else:
                self._strike(entry.tag)  # it never ran; the manager finds it missing, and queues it again

    def _resume(self, record: Dict[str, Any]) -> None:
        """Go on where `hand_over` left off. The journal tells nothing new, but for ends that could not be struck."""
        self._strangers = set(record["strangers"])
        for told in record["attempts"]:
            attempt = Attempt.resumed(told, self._mark(told["tag"]), self._selector)
            self._all[attempt.tag] = attempt
            if attempt.main_end is None and not attempt.adopted:
                self._by_pid[attempt.pid] = attempt
            elif attempt.end is None and attempt.main_end is not None:
                self._clearing.append(attempt)
        for entry in self._journal.found:
            if entry.tag not in self._all:
                self._strike(entry.tag)

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        return {"strangers": sorted(self._strangers), "attempts": [one.hand_over() for one in self._all.values()]}

    def _mark(self, tag: str) -> bytes:
        return f"{MARK}={self._where.state}/{tag}".encode("utf-8", "surrogateescape")

    def known(self) -> Dict[str, Any]:
        """Everything, for a manager that has just come."""
        return {"boot": self._boot, "attempts": [one.as_news() for one in self._all.values()]}

    def live(self) -> int:
        """How many have not ended."""
        return sum(1 for one in self._all.values() if one.end is None)

    def start(self, wanted: Start) -> None:
        """Start it, unless it was started before: an order that comes twice must not run a job twice."""
        if wanted.tag in self._all:
            note(f"{wanted.tag} was started before; not again")
            return
        mark = f"{self._where.state}/{wanted.tag}"
        attempt = Attempt(wanted.tag, 0, self._mark(wanted.tag))
        attempt.outputs = [wanted.out, wanted.err]
        self._all[wanted.tag] = attempt
        try:
            self._begin(attempt)
            attempt.pid = attempt.session = self._spawner.spawn(wanted._replace(env={**wanted.env, MARK: mark}))
        except Refused as refused:
            self._refuse(attempt, str(refused))
            return
        except SpawnError as error:
            attempt.main_end = {"reason": "spawn-error", "detail": str(error)}
            self._finish(attempt)
            return
        self._by_pid[attempt.pid] = attempt
        self._record_start(attempt)
        self._tell({"on": "started", **attempt.as_news()})

    def _begin(self, attempt: Attempt) -> None:
        try:
            self._journal.begin(attempt.tag, attempt.at, attempt.outputs[0])
        except OSError as error:
            raise Refused(f"its start cannot be written down: {error.strerror}") from error

    def _refuse(self, attempt: Attempt, detail: str) -> None:
        """Be as if it had never been ordered. Without its output file nobody will think that it ran."""
        del self._all[attempt.tag]
        for path in attempt.outputs:
            _remove_if_empty(path)
        self._strike(attempt.tag)
        self._tell({"on": "refused", "tag": attempt.tag, "detail": detail})

    def _record_start(self, attempt: Attempt) -> None:
        born = tree.ticks(attempt.began), tree.ticks(_boot_clock())
        try:
            self._journal.started(attempt.tag, attempt.pid, born)
        except OSError as error:  # a full disk; its mark finds it again, should this keeper die
            note(f"the start of {attempt.tag} could not be written: {error}")

    def stop(self, tag: str, grace: float) -> None:
        """End the whole tree: TERM now, KILL after the grace. An attempt whose main process has ended keeps its end."""
        attempt = self._all.get(tag)
        if attempt is not None:
            self._look_at_adopted(attempt)  # its pid may just have become another's
        if attempt is None or attempt.main_end is not None:
            return
        attempt.cancelled = True
        attempt.kill_at = min(attempt.kill_at or math.inf, time.monotonic() + grace)  # asked again: never later
        self._signal_tree(attempt, signal.SIGTERM)

    def forget(self, tags: List[str]) -> None:
        """The manager has stored how these ended."""
        for tag in tags:
            attempt = self._all.get(tag)
            if attempt is not None and attempt.end is not None:
                del self._all[tag]
                self._strike(tag)

    def _strike(self, tag: str) -> None:
        try:
            self._journal.forget(tag)
        except OSError as error:  # a full disk: the next keeper will tell of it again, which harms nobody
            note(f"that {tag} may be forgotten could not be written: {error}")

    def reaped(self, pid: int, status: int, usage: Any) -> None:
        """A child of ours has ended: a job's main process, or an orphan of one, which needs no more than this."""
        self._strangers.discard(pid)
        attempt = self._by_pid.pop(pid, None)
        if attempt is None:
            for one in self._all.values():
                one.strays.discard(pid)
            return
        attempt.main_end = {
            **ending.outcome(status),
            "usage": {"user": usage.ru_utime, "system": usage.ru_stime, "max_rss_kb": usage.ru_maxrss},
        }
        self._clearing.append(attempt)

    def settle(self, manager_pid: int) -> None:
        """Finish the attempts of which nothing is left; begin to end what others left behind."""
        if not self._clearing:
            return
        self._attribute(manager_pid)
        for attempt in list(self._clearing):
            if self._is_gone(attempt):
                self._clearing.remove(attempt)
                self._finish(attempt)
            else:
                self._clear(attempt)

    def _is_gone(self, attempt: Attempt) -> bool:
        """Whether nothing of it is left. Of an adopted one we are not told of orphans, so it takes a look."""
        if attempt.adopted:
            return not self._members(attempt)
        return not attempt.strays and tree.session_is_empty(self._session(attempt))

    def on_time(self, now: float) -> None:
        """What is due: KILL where the grace is over, and looks at adopted ones without a descriptor."""
        for attempt in list(self._all.values()):
            if attempt.end is None and attempt.kill_at is not None and now >= attempt.kill_at:
                attempt.kill_at = now + KILL_AGAIN
                self._kill_tree(attempt)
            self._look_at_adopted(attempt)

    def next_time(self) -> Optional[float]:
        """When `on_time` is due next, on the monotonic clock."""
        times = [one.kill_at for one in self._all.values() if one.end is None and one.kill_at is not None]
        looks = [one.watch.next_time() for one in self._all.values() if one.watch is not None]
        return min(times + [one for one in looks if one is not None], default=None)

    def find(self, wanted: Sequence[Tuple[str, str]]) -> None:
        """Look for attempts, each with the file of its output, that a manager meant to start and that are in no record
        of ours; tell what became of each. One without a process and without a file never ran, which is `unseen`."""
        marks = tree.marks(self._mark(""))
        for tag, output in wanted:
            if tag in self._all:
                continue  # an order that comes twice
            entry = Entry(tag, self._boot, time.time(), output)
            if not self._is_anywhere(entry, marks):
                self._tell({"on": "unseen", "tag": tag})
                continue
            note(f"{tag} is in no record, but there are traces of it")
            self._begin_record(entry)
            self._adopt(entry)
            if self._all[tag].end is None:
                self._tell({"on": "started", **self._all[tag].as_news()})

    def _begin_record(self, entry: Entry) -> None:
        try:
            self._journal.begin(entry.tag, entry.at, entry.output)
        except OSError as error:  # a full disk; should this keeper die as well, it is looked for once more
            note(f"that {entry.tag} was found could not be written: {error}")

    def _is_anywhere(self, entry: Entry, marks: Set[bytes]) -> bool:
        """Whether a start of which no pid is known has left a trace."""
        return os.path.exists(entry.output) or self._mark(entry.tag) in marks

    def _adopt(self, entry: Entry) -> None:
        """Take over what an earlier keeper started: its recorded end, the living process, or the loss of both."""
        attempt = Attempt(entry.tag, entry.pid, self._mark(entry.tag))
        attempt.at = entry.at
        attempt.adopted = True
        self._all[entry.tag] = attempt
        if entry.end is not None:
            attempt.end = attempt.main_end = entry.end
        elif entry.boot != self._boot:  # no process of before can be alive
            attempt.session = tree.NO_SESSION
            attempt.main_end = {"reason": "host-lost", "detail": "the machine was restarted before it ended"}
            attempt.unseen = True
            self._finish(attempt)
        else:
            self._watch(attempt, entry.born)

    def _watch(self, attempt: Attempt, born: Tuple[int, int]) -> None:
        if not attempt.pid:
            attempt.pid, tick = tree.find_leader(attempt.mark)
            attempt.session = attempt.pid or tree.NO_SESSION
            attempt.is_guess = True
            born = tick, tick
        attempt.began = born[0] / tree.TICKS
        attempt.watch = Watch(attempt.pid, born, self._selector)
        self._look_at_adopted(attempt)

    def _look_at_adopted(self, attempt: Attempt) -> None:
        """Whether it has ended. Who is not its parent is told no more of how than the kernel tells anybody."""
        watch = attempt.watch
        if watch is None or not watch.is_over(time.monotonic()):
            return
        attempt.watch = None
        attempt.main_end = {"reason": "host-lost", "detail": "its keeper died before it ended, so nobody saw how"}
        if watch.status is not None and not attempt.is_guess:
            attempt.main_end = {**ending.outcome(watch.status), "detail": "its keeper died meanwhile"}
        if not watch.seen:  # its pid may have been given to others since
            attempt.session, attempt.unseen = tree.NO_SESSION, True
        if self._is_gone(attempt):
            self._finish(attempt)
        else:
            self._clearing.append(attempt)
            self._clear(attempt)

    def _members(self, attempt: Attempt) -> List[tree.Process]:
        return tree.members(self._session(attempt), attempt.mark)

    def _session(self, attempt: Attempt) -> int:
        """Its session, as long as that is its own: the kernel gives the number to nobody else while somebody is in it.
        So, after its main process has ended, another one of this pid tells that it was empty."""
        leader = tree.stat(attempt.session) if attempt.main_end is not None else None
        if leader is not None and not leader.has_ended:
            attempt.session = tree.NO_SESSION
        return attempt.session

    def _attribute(self, manager_pid: int) -> None:
        """Find whose the orphans are that the kernel gave us."""
        for pid in tree.children():
            if pid in self._by_pid or pid == manager_pid or pid in self._strangers:
                continue
            found = tree.stat(pid)
            owner = self._owner(found) if found is not None and ending.is_ours(pid) else None
            if owner is not None:
                owner.strays.add(pid)
            elif found is not None:
                self._strangers.add(pid)
                note(f"process {pid} dropped every mark of its job, or became somebody else's; it is let live")

    def _owner(self, process: tree.Process) -> Optional[Attempt]:
        live = [one for one in self._all.values() if one.end is None]
        for one in live:
            if process.session == one.session:
                return one
        marks = tree.settled_environment(process.pid) if process.state not in "ZX" else []
        return next((one for one in live if one.mark in marks), None)

    def _clear(self, attempt: Attempt) -> None:
        if attempt.kill_at is None and attempt.main_end is not None:
            attempt.kill_at = time.monotonic() + GRACE
            left = self._signal_tree(attempt, signal.SIGTERM)
            if left:
                ending.also(attempt.main_end, f"ended {left} process(es) that it left behind")

    def _finish(self, attempt: Attempt) -> None:
        end = attempt.main_end or {}
        if attempt.cancelled and end.get("reason") != "spawn-error":
            end["reason"] = "cancelled"
        end["at"] = max(attempt.at, time.time())  # the wall clock may have been set back meanwhile
        if not attempt.unseen:
            end.setdefault("usage", {})["seconds"] = _boot_clock() - attempt.began
        attempt.end = end
        attempt.kill_at = None
        try:
            self._journal.ended(attempt.tag, end)
            for path in attempt.outputs:
                _remove_if_empty(path)  # only now: until its end is written, the file is the proof of its start
        except OSError as error:  # a full disk: it is still in memory, and the manager is told
            note(f"the end of {attempt.tag} could not be written: {error}")
        self._tell({"on": "ended", **attempt.as_news()})

    def _signal_tree(self, attempt: Attempt, number: int) -> int:
        """Signal every living process of the attempt, and wake the stopped ones so that they notice; how many."""
        processes = self._members(attempt)
        ending.ask_to_end(processes, number)
        if self._by_pid.get(attempt.pid) is attempt and attempt.pid not in [one.pid for one in processes]:
            ending.send(attempt.pid, number)  # forked this moment, not yet in a session of its own
        return len(processes)

    def _kill_tree(self, attempt: Attempt) -> None:
        ending.cut(lambda: self._members(attempt))
        if self._by_pid.get(attempt.pid) is attempt:
            ending.send(attempt.pid, signal.SIGKILL)


def _boot_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _remove_if_empty(path: str) -> None:
    try:
        if os.stat(path).st_size == 0:
            os.unlink(path)
    except FileNotFoundError:
        return  # out and err may be one file
