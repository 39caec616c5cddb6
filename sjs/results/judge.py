"""Ends the jobs of a sweep that are clearly behind, wherever they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from sjs.answers import Filter
from sjs.core.job import Range, ranges
from sjs.core.lifecycle import FINAL
from sjs.core.metrics import Values
from sjs.core.stopping import MAX_STEPS, Behind, Race, Rule
from sjs.errors import LinkLost, NoManager, NotReached
from sjs.protocols import Target
from sjs.wire import MAX_ID

SLICE = 20.0
"""Seconds of one wait for values; so long it takes at most until nobody watches any more who is not to."""

PAUSE, LONGEST = 1.0, 16.0
"""Seconds before a machine that is not there is asked again: each time twice as long, up to the longest."""

Runner = tuple[str, int]
"""A target and a job there."""


class Stopped(NamedTuple):
    """A job that is being ended, and why."""

    target: str
    job: int
    why: Behind


class Roster(Protocol):
    """Which jobs are compared."""

    settles: float
    """Seconds after which a job that it does not know is none of these; until then it is asked again."""

    def first(self, target: Target) -> int | None:
        """The id of the first of them there; None where there is none yet."""

    def known(self, target: Target, jobs: Sequence[int]) -> Mapping[int, bool]:
        """Those of these jobs there that are; of each, whether it may be ended."""


class Named:
    """All jobs that are of the sweep of this name, whoever has handed them in."""

    settles = 0.0

    def __init__(self, sweep: str) -> None:
        self._sweep = sweep

    def first(self, target: Target) -> int | None:
        return min((low for part in target.members(self._sweep) for low, _ in part.jobs), default=None)

    def known(self, target: Target, jobs: Sequence[int]) -> Mapping[int, bool]:
        found = target.list(ranges(jobs), only=Filter(sweep=self._sweep))
        return {job.id: job.state not in FINAL for job in found}


class Judge:
    """One for a sweep: its jobs are compared over all targets. Each target is watched by a thread of its own, with a
    target of its own (`for stopped in judge.watch(target)`)."""

    def __init__(self, roster: Roster, rule: Rule, pattern: str | None = None, most: int = MAX_STEPS) -> None:
        """`pattern`: a regular expression that finds the rule's metric, where it is printed in no usual form; `most`:
        so many values of a job count."""
        self._roster = roster
        self._rule = rule
        self._pattern = pattern
        self._race: Race[Runner] = Race(rule, most)
        self._ended: set[Runner] = set()
        self._one_at_a_time = threading.Lock()
        self._is_over = threading.Event()

    @property
    def ended(self) -> int:
        """How many jobs it has ended; each from when that is asked for, so that none is missing whose end is seen."""
        return len(self._ended)

    def stop(self) -> None:
        """Have all threads end that watch, each within SLICE seconds."""
        self._is_over.set()

    def watch(self, target: Target) -> Iterator[Stopped]:
        """Follow what the jobs there print, those that come later among them, and end who is behind; each that is
        ended. What may mend itself (a link, a manager that is still to be started) is waited for."""
        watch = _Watch(target.name, self._roster)
        pause = PAUSE
        while not self._is_over.is_set():
            try:
                jobs = watch.jobs or self._meant(target, watch)
                series = target.machine.series(self._rule.aim.metric, jobs, SLICE, self._pattern)
                pause = PAUSE
                yield from self._judged(target, watch, series)
            except (LinkLost, NoManager, NotReached):
                target.close()  # the next question opens it anew, and values that come again are no news
                self._is_over.wait(pause)
                pause = min(2 * pause, LONGEST)

    def _meant(self, target: Target, watch: _Watch) -> Sequence[Range]:
        """All jobs from the sweep's first one on; where there is none yet, from the next one on."""
        following = max((job.id for job in target.list(newest=1)), default=-1) + 1
        there = self._roster.first(target)
        watch.jobs = [(following if there is None else min(there, following), MAX_ID)]
        return watch.jobs

    def _judged(self, target: Target, watch: _Watch, series: Sequence[Values]) -> Iterator[Stopped]:
        if watch.learn(target, {one.job for one in series}):
            target.close()  # what they have printed meanwhile was passed over: all of it comes again
        for job, why in self._behind(watch, series):
            self._ended.add((target.name, job))
            if target.cancel([(job, job)], note=str(why)).stopping:
                yield Stopped(target.name, job, why)
            else:
                self._ended.discard((target.name, job))

    def _behind(self, watch: _Watch, series: Iterable[Values]) -> list[tuple[int, Behind]]:
        """Who of those that have printed something is behind, once all of it is known."""
        with self._one_at_a_time:
            for one in series:
                if one.job in watch.mine and watch.counts(one, self._race):
                    self._race.take((watch.target, one.job), one.first, one.values)
            jobs = sorted({one.job for one in series} & watch.runs)
            found = [(job, self._race.behind((watch.target, job))) for job in jobs]
        behind = [(job, why) for job, why in found if why is not None]
        watch.runs.difference_update(job for job, _ in behind)  # its end is asked for once
        return behind


class _Watch:
    """What is known of the jobs of one target: which are the sweep's (`mine`), which of these may be ended (`runs`)."""

    def __init__(self, target: str, roster: Roster) -> None:
        self.target = target
        self._roster = roster
        self._unsure: dict[int, float] = {}
        self.jobs: Sequence[Range] = ()
        self.mine: set[int] = set()
        self.runs: set[int] = set()
        self._known: set[int] = set()
        self._outputs: dict[int, tuple[int, str]] = {}

    def learn(self, target: Target, jobs: set[int]) -> bool:
        """Ask which of these are the sweep's, unless that is known; whether some are that were not taken to be."""
        now = time.monotonic()
        self._unsure = {job: until for job, until in self._unsure.items() if until > now}
        new = jobs - self._known
        asked = sorted(new | self._unsure.keys())
        found = self._roster.known(target, asked) if asked else {}
        late = found.keys() & self._unsure.keys()
        self.mine.update(found)
        self.runs.update(job for job, may_end in found.items() if may_end)
        self._known.update(new)
        if self._roster.settles:
            self._unsure.update(dict.fromkeys(new, now + self._roster.settles))
        for job in found:
            self._unsure.pop(job, None)
        return bool(late)

    def counts(self, values: Values, race: Race[Runner]) -> bool:
        """Whether they are of the job's newest attempt, and of the output of that which first had any."""
        known = self._outputs.get(values.job, (0, ""))
        if values.attempt > known[0]:
            race.forget((self.target, values.job))
            known = self._outputs[values.job] = (values.attempt, values.stream)
        return (values.attempt, values.stream) == known
