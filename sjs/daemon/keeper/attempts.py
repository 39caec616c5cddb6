"""In the keeper: the attempts that it holds, from the order to start one until the manager has stored its end.

An attempt ends when its main process does and nothing of its tree is left: what the job leaves behind is ended first
(TERM, then KILL after a grace), so that its slot is really free.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import stat
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from sjs.core.quantities import duration_text, size_text
from sjs.daemon.ground.journal import Entry, Journal
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places, boot_id
from sjs.daemon.ground.starting import Start, base_environment
from sjs.daemon.keeper import ending, together, tree
from sjs.daemon.keeper.attempt import Attempt, boot_clock
from sjs.daemon.keeper.grants import Grants
from sjs.daemon.keeper.limits import Deadlines, Limits
from sjs.daemon.keeper.memory import Memory
from sjs.daemon.keeper.orphans import Orphans
from sjs.daemon.keeper.spawn import MARK, Refused, Spawner, SpawnError
from sjs.daemon.keeper.watch import Watch

KILL_AGAIN = 1.0
"""Seconds until KILL is repeated, should a tree have grown faster than it was cut."""

Tell = Callable[[Dict[str, Any]], None]


class Attempts:
    """All attempts of one queue that no manager has stored the end of."""

    def __init__(
        self,
        where: Places,
        umask: int,
        selector: selectors.BaseSelector,
        tell: Tell,
        grants: Grants,
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
        self._live: Dict[str, Attempt] = {}  # those of them that have not ended
        self._by_pid: Dict[int, Attempt] = {}
        self._clearing: List[Attempt] = []
        self._litter: List[Attempt] = []
        self._deadlines = Deadlines(selector)
        self._memory = Memory()
        self._orphans = Orphans(() if record is None else record["strangers"])
        self._grants = grants
        if record is not None:
            self._resume(record)
            return
        all_known = all(_is_known(entry) for entry in self._journal.found)
        marked = {} if all_known else tree.marked(self._mark(""))
        for entry in self._journal.found:
            if _is_known(entry) or self._is_anywhere(entry, marked):
                self._adopt(entry, marked)
            else:
                self._strike(entry.tag)  # it never ran; the manager finds it missing, and queues it again
        self._look_at_adopted(self._all.values())

    def _resume(self, record: Dict[str, Any]) -> None:
        """Go on where `hand_over` left off. The journal tells nothing new, but for ends that could not be struck."""
        for told in record["attempts"]:
            attempt = Attempt.resumed(told, self._mark(told["tag"]), self._selector)
            self._add(attempt)
            if attempt.main_end is None:
                self._limit(attempt)
            if attempt.has_child:
                self._by_pid[attempt.pid] = attempt
            elif attempt.end is None and attempt.main_end is not None:
                self._clearing.append(attempt)
        for entry in self._journal.found:
            if entry.tag not in self._all:
                self._strike(entry.tag)

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        return {
            "strangers": sorted(self._orphans.strangers),
            "attempts": [one.hand_over() for one in self._all.values()],
        }

    def _mark(self, tag: str) -> bytes:
        return f"{MARK}={self._where.state}/{tag}".encode("utf-8", "surrogateescape")

    def known(self) -> Dict[str, Any]:
        """Everything, for a manager that has just come."""
        attempts = [one.as_news() for one in self._all.values()]
        return {"boot": self._boot, "attempts": attempts, "granted": self._grants.tags}

    def live(self) -> int:
        """How many have not ended."""
        return len(self._live)

    def _add(self, attempt: Attempt) -> None:
        self._all[attempt.tag] = attempt
        if attempt.end is None:
            self._live[attempt.tag] = attempt

    def start(self, wanted: Start, spare: str = "") -> None:
        """Start it, unless it was started before: an order that comes twice must not run a job twice. `spare`: an empty
        folder that it may have for its own."""
        if wanted.tag in self._all:
            note(f"{wanted.tag} was started before; not again")
            return
        mark = f"{self._where.state}/{wanted.tag}"
        attempt = Attempt(wanted.tag, 0, self._mark(wanted.tag))
        attempt.slot = wanted.slot
        attempt.outputs = [wanted.out, wanted.err, *filter(None, [wanted.folder, wanted.artifacts])]
        attempt.limits = Limits(wanted.timeout, None, wanted.grace, wanted.mem).since(attempt.began)
        self._add(attempt)
        try:
            self._begin(attempt)
            attempt.pid = attempt.session = self._spawner.spawn(wanted, mark, spare)
        except Refused as refused:
            self._refuse(attempt, str(refused))
            return
        except SpawnError as error:
            attempt.main_end = {"reason": "spawn-error", "detail": str(error)}
            self._finish(attempt)
            return
        self._by_pid[attempt.pid] = attempt
        self._record_start(attempt)
        self._limit(attempt)
        self._tell({"on": "started", **attempt.as_news()})

    def grant(self, wanted: Sequence[Start]) -> None:
        """These may start in the places of those that end."""
        self._grants.add(one for one in wanted if one.tag not in self._all)

    def offer(self, slots: Sequence[int]) -> None:
        """These places became free before anybody was granted them."""
        for slot in slots:
            heir = self._grants.next(slot)
            if heir is None:
                self._tell({"on": "unused", "slot": slot})
            else:
                self._tell({"on": "placed", "tag": heir.tag, "slot": slot})
                self.start(heir)

    def withdraw(self, tags: Sequence[str]) -> None:
        """All that were started have begun."""
        self._tell({"on": "withdrawn", "tags": []})

    def attend(self, is_awaited: bool) -> None:
        """What happens is told when it does, whoever waits."""

    def take_back(self) -> None:
        """None of them may any more. Whoever has started was told of before."""
        self._tell({"on": "revoked", "tags": self._grants.take_back()})

    def _begin(self, attempt: Attempt) -> None:
        try:
            self._journal.begin(attempt.tag, attempt.at, attempt.outputs[0], attempt.limits)
        except OSError as error:
            raise Refused(f"its start cannot be written down: {error.strerror}") from error

    def _refuse(self, attempt: Attempt, detail: str) -> None:
        """Be as if it had never been ordered. Without its output file nobody will think that it ran."""
        del self._all[attempt.tag], self._live[attempt.tag]
        _remove_empty(attempt.outputs)
        self._strike(attempt.tag)
        self._tell({"on": "refused", "tag": attempt.tag, "detail": detail})
        if self._grants.tags:
            self.take_back()

    def _record_start(self, attempt: Attempt) -> None:
        born = tree.ticks(attempt.began), tree.ticks(boot_clock())
        try:
            self._journal.started(attempt.tag, attempt.pid, born)
        except OSError as error:  # a full disk; its mark finds it again, should this keeper die
            note(f"the start of {attempt.tag} could not be written: {error}")

    def stop(self, graces: Mapping[str, float]) -> None:
        """End whole trees: TERM now, KILL after the grace. An attempt whose main process has ended keeps its end."""
        attempts = self._unended(graces)
        for attempt in attempts:
            attempt.cancelled = True
            attempt.allow(graces[attempt.tag])
        together.ask_to_end(attempts)

    def signal(self, wanted: Iterable[Tuple[str, int, bool]]) -> None:
        """To each a signal, for its whole tree or not. What the job makes of it is its own affair."""
        valid = [(tag, number, whole) for tag, number, whole in wanted if number in signal.valid_signals()]
        running = {one.tag: one for one in self._running(tag for tag, _, _ in valid)}
        together.send([(running[tag], number, whole) for tag, number, whole in valid if tag in running])

    def pause(self, tags: Iterable[str]) -> None:
        """Stop whole trees where they stand; their time stands still as well, as Slurm has it."""
        attempts = self._running(tags)
        for attempt in attempts:
            if attempt.limits.paused is None:
                self._change(attempt, attempt.limits.at_pause(boot_clock()))
        together.pause(attempts)

    def resume(self, tags: Iterable[str]) -> None:
        """Let them go on."""
        attempts = self._running(tags)
        for attempt in attempts:
            if attempt.limits.paused is not None:
                self._change(attempt, attempt.limits.at_resume(boot_clock()))
        together.send([(one, signal.SIGCONT, True) for one in attempts])

    def _unended(self, tags: Iterable[str]) -> List[Attempt]:
        """The attempts whose main process lives."""
        attempts = [self._live[tag] for tag in dict.fromkeys(tags) if tag in self._live]
        self._look_at_adopted(attempts)  # their pids may just have become others'
        return [one for one in attempts if one.main_end is None]

    def _running(self, tags: Iterable[str]) -> List[Attempt]:
        """The attempts whose main process lives, and whose end nobody wanted."""
        return [one for one in self._unended(tags) if one.kill_at is None]

    def _change(self, attempt: Attempt, limits: Limits) -> None:
        attempt.limits = limits
        self._limit(attempt)
        try:
            self._journal.limited(attempt.tag, limits)
        except OSError as error:  # a full disk; should this keeper die, the next one counts as if there were no pause
            note(f"a pause of {attempt.tag} could not be written: {error}")

    def _limit(self, attempt: Attempt) -> None:
        """From now on, see to it that it does not take more than it may."""
        self._deadlines.set(attempt.tag, attempt.limits.deadline if attempt.limits.paused is None else None)
        self._memory.watch(attempt, time.monotonic())

    def _see_to_limits(self, now: float) -> None:
        over, grown = self._deadlines.due(boot_clock()), self._memory.look(now)
        if not over and not grown:
            return
        late = self._unended(over)
        for attempt in late:
            detail = f"it ran longer than {duration_text(attempt.limits.timeout or 0.0)}"
            attempt.break_off("timeout", detail, attempt.limits.patience)
        greedy = self._unended([one.tag for one in grown])
        for attempt in greedy:
            detail = f"it took {size_text(attempt.taken)} of memory, and may take {size_text(attempt.limits.mem)}"
            attempt.break_off("oom", detail, 0.0)
        together.ask_to_end([*late, *greedy])

    def forget(self, tags: List[str]) -> None:
        """The manager has stored how these ended."""
        stored = [tag for tag in tags if tag in self._all and tag not in self._live]
        for tag in stored:
            del self._all[tag]
        self._strike(*stored)

    def _strike(self, *tags: str) -> None:
        try:
            self._journal.forget(tags)
        except OSError as error:  # a full disk: the next keeper will tell of it again, which harms nobody
            note(f"that {' '.join(tags)} may be forgotten could not be written: {error}")

    def reaped(self, pid: int, status: int, usage: Any) -> None:
        """A child of ours has ended: a job's main process, or an orphan of one, which needs no more than this."""
        self._orphans.strangers.discard(pid)
        attempt = self._by_pid.pop(pid, None)
        if attempt is None:
            for one in self._live.values():
                one.strays.discard(pid)
            return
        attempt.main_end = {
            **ending.outcome(status),
            "usage": {"user": usage.ru_utime, "system": usage.ru_stime, "max_rss_kb": usage.ru_maxrss},
        }
        self._clearing.append(attempt)

    def settle(self, others: Iterable[int]) -> None:
        """Finish the attempts of which nothing is left; begin to end what others left behind. `others`: children of
        ours that are no jobs'."""
        if not self._clearing:
            return
        self._orphans.attribute({*others, *self._by_pid}, self._live.values())
        self._clear(self._clearing)
        self._clearing = [one for one in self._clearing if one.end is None]
        self._tidy()

    def on_time(self, now: float) -> None:
        """What is due: KILL where the grace is over, and looks at adopted ones without a descriptor."""
        self._see_to_limits(now)
        due = [one for one in self._live.values() if one.kill_at is not None and now >= one.kill_at]
        for attempt in due:
            attempt.kill_at = now + KILL_AGAIN
        together.kill(due)
        self._look_at_adopted(self._live.values())
        self._tidy()

    def next_time(self) -> Optional[float]:
        """When `on_time` is due next, on the monotonic clock, but for deadlines, which wake the selector."""
        times = [one.kill_at for one in self._live.values() if one.kill_at is not None]
        looks = [one.watch.next_time() for one in self._live.values() if one.watch is not None]
        due = [one for one in (self._memory.next_time(), *times, *looks) if one is not None]
        return min(due, default=None)

    def find(self, wanted: Sequence[Sequence[Any]]) -> None:
        """Look for attempts, each with the file of its output (and its timeout, grace and memory), that a manager meant
        to start and that are in no record of ours; tell what became of each. One without a process and without a file
        never ran, which is `unseen`."""
        marked = tree.marked(self._mark(""))
        found: List[Attempt] = []
        for tag, output, *more in wanted:
            if tag in self._all:
                continue  # an order that comes twice
            timeout, grace, mem = more or (None, None, 0)
            entry = Entry(tag, self._boot, time.time(), output, limits=Limits(timeout, None, grace, mem))
            if not self._is_anywhere(entry, marked):
                self._tell({"on": "unseen", "tag": tag})
                continue
            note(f"{tag} is in no record, but there are traces of it")
            self._begin_record(entry)
            self._adopt(entry, marked)
            found.append(self._all[tag])
        self._look_at_adopted(found)
        for attempt in found:
            if attempt.end is None:
                self._tell({"on": "started", **attempt.as_news()})

    def _begin_record(self, entry: Entry) -> None:
        try:
            self._journal.begin(entry.tag, entry.at, entry.output, entry.limits)
        except OSError as error:  # a full disk; should this keeper die as well, it is looked for once more
            note(f"that {entry.tag} was found could not be written: {error}")

    def _is_anywhere(self, entry: Entry, marked: Mapping[bytes, Tuple[int, int]]) -> bool:
        """Whether a start of which no pid is known has left a trace."""
        return os.path.exists(entry.output) or self._mark(entry.tag) in marked

    def _adopt(self, entry: Entry, marked: Mapping[bytes, Tuple[int, int]]) -> None:
        """Take over what an earlier keeper started: its recorded end, the living process, or the loss of both. Where
        no pid is known, it is the one that is marked."""
        attempt = Attempt(entry.tag, entry.pid, self._mark(entry.tag))
        attempt.at = entry.at
        attempt.adopted = True
        attempt.limits = Limits(*entry.limits)
        attempt.end = attempt.main_end = entry.end
        self._add(attempt)
        if entry.end is not None:
            return
        if entry.boot != self._boot:  # no process of before can be alive
            attempt.session = tree.NO_SESSION
            attempt.main_end = {"reason": "host-lost", "detail": "the machine was restarted before it ended"}
            attempt.unseen = True
            self._finish(attempt)
        elif entry.pid:
            self._watch(attempt, entry.born)
        else:
            attempt.pid, tick = marked.get(attempt.mark, (0, 0))
            attempt.session = attempt.pid or tree.NO_SESSION
            attempt.is_guess = True
            self._watch(attempt, (tick, tick))

    def _watch(self, attempt: Attempt, born: Tuple[int, int]) -> None:
        attempt.began = born[0] / tree.TICKS
        attempt.limits = attempt.limits.since(attempt.began)
        attempt.watch = Watch(attempt.pid, born, self._selector)
        self._limit(attempt)

    def _look_at_adopted(self, attempts: Iterable[Attempt]) -> None:
        """Which have ended. Who is not their parent is told no more of how than the kernel tells anybody."""
        watched = [one for one in attempts if one.watch is not None]
        if not watched:
            return
        now = time.monotonic()
        ended = [one for one in watched if one.watch is not None and one.watch.is_over(now)]
        for attempt in ended:
            attempt.end_unseen()
        self._clear(ended)
        self._clearing += [one for one in ended if one.end is None]

    def _clear(self, attempts: Sequence[Attempt]) -> None:
        """Finish those of which nothing is left; begin to end what the others left behind."""
        for attempt in together.gone(attempts):
            self._finish(attempt)
        left = [one for one in attempts if one.end is None and one.kill_at is None]
        if not left:
            return
        for attempt in left:
            attempt.kill_at = time.monotonic() + attempt.limits.patience
        for attempt, count in zip(left, together.ask_to_end(left)):
            if count and attempt.main_end is not None:
                ending.also(attempt.main_end, f"ended {count} process(es) that it left behind")

    def _finish(self, attempt: Attempt) -> None:
        self._deadlines.set(attempt.tag, None)
        self._memory.forget(attempt.tag)
        end = attempt.main_end or {}
        if attempt.broken is not None:
            end["reason"] = attempt.broken["reason"]
            ending.also(end, attempt.broken["detail"])
        elif attempt.cancelled and end.get("reason") != "spawn-error":
            end["reason"] = "cancelled"
        end["at"] = max(attempt.at, time.time())  # the wall clock may have been set back meanwhile
        if not attempt.unseen:
            end.setdefault("usage", {})["seconds"] = boot_clock() - attempt.began
        if attempt.peak:
            usage = end.setdefault("usage", {})
            usage["tree_rss_kb"] = max(attempt.peak // 1024, usage.get("max_rss_kb", 0))
        attempt.end = end
        attempt.kill_at = None
        del self._live[attempt.tag]
        try:
            self._journal.ended(attempt.tag, end)
            self._litter.append(attempt)  # only now: until its end is written, the file is the proof of its start
        except OSError as error:  # a full disk: it is still in memory, and the manager is told
            note(f"the end of {attempt.tag} could not be written: {error}")
        heir = self._grants.next(attempt.slot)
        self._tell({"on": "ended", **attempt.as_news(), **({} if heir is None else {"next": heir.tag})})
        if heir is not None:
            self.start(heir, self._spare(attempt) if heir.folder else "")

    def _spare(self, ended: Attempt) -> str:
        """Its own folder, where it is empty and as it was made: to rename it takes a fraction of what it takes to
        remove it and make another. Not while there are strangers, who may still be in it."""
        if self._litter[-1:] != [ended] or len(ended.outputs) < 3 or self._orphans.strangers:
            return ""
        folder = ended.outputs[2]
        try:
            found = os.lstat(folder)
            is_mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            if not is_mine or stat.S_IMODE(found.st_mode) != 0o700 or os.listdir(folder):
                return ""
        except OSError:
            return ""
        return folder

    def _tidy(self) -> None:
        """Remove what is empty of those that have ended, once nobody waits for their places any more."""
        litter, self._litter = self._litter, []
        try:
            for attempt in litter:
                _remove_empty(attempt.outputs)
        except OSError as error:  # what nobody can remove now, the cleaner does one day
            note(f"an output that is empty could not be removed: {error}")


def _is_known(entry: Entry) -> bool:
    """Whether it says what became of the start."""
    return entry.pid != 0 or entry.end is not None


def _remove_empty(outputs: Sequence[str]) -> None:
    for path in outputs[:2]:
        try:
            if os.lstat(path).st_size == 0:
                os.unlink(path)
        except FileNotFoundError:
            continue  # both may be one file
    for folder in reversed(outputs[2:]):
        with contextlib.suppress(OSError):  # it is not empty
            os.rmdir(folder)
