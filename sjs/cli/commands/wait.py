"""The verb wait, and waiting for jobs that were just handed in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import click

from sjs.answers import Waited
from sjs.cli import ids, kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.text import TIMED_OUT, ending, exit_code, tally
from sjs.core.job import Range
from sjs.core.lifecycle import FINAL, MOVED
from sjs.protocols import Target
from sjs.routing import Fleet, select
from sjs.wire import MAX_PAGE, REMOVED, job_to_wire

MANY = 101


class Verdict:
    """What the jobs of one command came to, over all targets."""

    def __init__(self) -> None:
        self._single: int | None = None
        self._targets = 0
        self._failed = 0
        self._late = False

    def add(self, waited: Waited) -> None:
        """One target's jobs."""
        self._targets += 1
        self._late |= not waited.done
        self._failed += failures(waited.counts)
        self._single = exit_code(waited.job) if waited.job is not None else None

    @property
    def status(self) -> int:
        """One job's own exit status, else how many failed."""
        if self._late:
            return TIMED_OUT
        if self._targets == 1 and self._single is not None:
            return self._single
        return min(self._failed, MANY)


def failures(counts: Mapping[str, int]) -> int:
    """How many of them ended in any way but well, or so long ago that nobody knows."""
    return sum(counts.get(state, 0) for state in (*FINAL, REMOVED) if state != "succeeded")


@verb("wait")
@click.argument("which", nargs=-1, metavar="[IDS]...")
@ids.by_name
@click.option("--timeout", type=kinds.GRACE, metavar="TIME", help="Give up then, with exit status 124: 90, 10m, 2h.")
def wait(call: Call, which: tuple[str, ...], names: tuple[str, ...], timeout: float | None) -> int:
    """Wait until jobs have ended; without IDS, all that there are now.

    The exit status is that of the job: 128 + N when signal N ended it, 124 when its own --timeout was over, 1 when it
    never ran or was lost; of several jobs, how many did not succeed. `job --wait` and `--follow` have the same. Jobs
    that are named, and move to another queue, are waited for there.
    """
    wanted = ids.parse(which, names) if which or names else ids.Ids(all=True)
    verdict = Verdict()

    def show(out: Output, name: str, found: Sequence[tuple[str, Waited]]) -> None:
        for where, waited in found:
            verdict.add(waited)
            tell(out, where, waited)

    def work(target: Target) -> Sequence[tuple[str, Waited]]:
        ranges = wanted.on(target)
        if ranges is None:
            return [(target.name, wait_for_present(target, timeout))]
        return Pursuit(call, timeout).wait_for(target, ranges)

    return fan_out(call, work, show, call.choice(of=wanted)) or verdict.status


class Pursuit:
    """Waiting for jobs wherever they move meanwhile."""

    def __init__(self, call: Call, timeout: float | None) -> None:
        self._call = call
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def wait_for(self, target: Target, ranges: Sequence[Range]) -> list[tuple[str, Waited]]:
        """What they came to: here, and at each target to which some have moved."""
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        waited = wait_for(target, ranges, left)
        if not waited.counts.get(MOVED):
            return [(target.name, waited)]
        config = self._call.config()
        elsewhere: dict[str, list[int]] = {}
        for start in range(0, len(ranges), MAX_PAGE):
            for job in target.list(ranges[start : start + MAX_PAGE], (MOVED,)):
                name, _, number = (job.end.detail if job.end else "").rpartition(":")
                if config.find(name) is not None:
                    elsewhere.setdefault(name, []).append(int(number))
        followed = sum(map(len, elsewhere.values()))
        stayed = {**waited.counts, MOVED: waited.counts[MOVED] - followed}
        counts = {state: count for state, count in stayed.items() if count}
        found = [(target.name, Waited(waited.done, counts, waited.job))] if counts else []
        for name, numbers in elsewhere.items():
            found += self._wait_at(name, ids.merged((one, one) for one in numbers))
        return found

    def _wait_at(self, name: str, ranges: Sequence[Range]) -> list[tuple[str, Waited]]:
        out = self._call.output(select(self._call.config(), name))
        out.notice(name, f"waiting at {name} for {ids.text(ranges)}, which have moved there")
        with Fleet(select(self._call.config(), name).managers, "", out.notice, ask=self._call.ask) as fleet:
            return self.wait_for(fleet.target(name), ranges)


def wait_for_present(target: Target, timeout: float | None) -> Waited:
    """Wait for all jobs that there are now; only those that end meanwhile are counted."""
    before = target.report().counts
    newest = list(target.list(newest=1))
    if not newest:
        return Waited(True, {})
    waited = target.wait([(0, newest[0].id)], timeout)
    counts = {state: count - before.get(state, 0) * (state in FINAL) for state, count in waited.counts.items()}
    return Waited(waited.done, {state: count for state, count in counts.items() if count > 0})


def wait_for(target: Target, ranges: Sequence[Range], timeout: float | None) -> Waited:
    """Wait for the jobs of the ranges."""
    counts: dict[str, int] = {}
    done = True
    for start in range(0, len(ranges), MAX_PAGE):
        waited = target.wait(ranges[start : start + MAX_PAGE], timeout)
        done = done and waited.done
        for state, count in waited.counts.items():
            counts[state] = counts.get(state, 0) + count
        if len(ranges) == 1:
            return waited
    return Waited(done, counts)


def tell(out: Output, name: str, waited: Waited) -> None:
    """Say what the jobs came to: as data for a program, as a notice for a person."""
    if out.json:
        job = {"job": job_to_wire(waited.job)} if waited.job else {}
        out.record(name, {"done": waited.done, "counts": dict(waited.counts), **job})
    elif waited.job is None:
        out.notice(name, tally(waited.counts) + ("" if waited.done else ", time is over"))
    elif waited.job.state != "succeeded":
        out.notice(name, ending(waited.job) + ("" if waited.done else ", time is over"))
