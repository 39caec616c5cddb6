"""Handing in a sweep: all of it at once, or as the machines get done with it while somebody waits."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from itertools import islice

from sjs.answers import Filter
from sjs.cli import ids
from sjs.cli.commands.wait import MANY
from sjs.cli.common import Call
from sjs.cli.handing import LONG, told
from sjs.cli.output import Output, flush
from sjs.cli.sweeps.best import best_of
from sjs.cli.sweeps.judging import Judging
from sjs.cli.sweeps.now import Failure, MachineNow, SweepNow
from sjs.cli.sweeps.view import SweepView
from sjs.cli.text import ending
from sjs.config import Manager, state_path
from sjs.core.aims import Aim
from sjs.core.job import Job, Range, Spec
from sjs.core.lifecycle import BAD, PENDING, SUCCEEDED, UNENDED
from sjs.core.stopping import Rule
from sjs.dealing import folder, head
from sjs.errors import Conflict, Unreachable, UsageError
from sjs.making.sweep import Sweep
from sjs.outbox import Outbox
from sjs.plans import Head
from sjs.protocols import Envs, Target
from sjs.routing import Choice, Fleet
from sjs.sweeping.alone import alone
from sjs.sweeping.attending import Run, Standing
from sjs.sweeping.dealing_out import DealingOut, reports_of
from sjs.sweeping.limit import Limit
from sjs.sweeping.past import Past, counted, describe, looked_up, new_key
from sjs.sweeping.supply import Supply
from sjs.values import dataclass

SHOWN = 3
"""Failures whose last lines are shown."""

LINES = 5


@dataclass(frozen=True)
class Course:
    """How it is to go on. `most`: so many may be unended at a time; `limit`: after which failures no more begin;
    `rule`: who is ended for being behind; `aim`: what is best, to be said at the end."""

    wait: bool = False
    resume: bool = False
    most: int | None = None
    limit: Limit | None = None
    rule: Rule | None = None
    aim: Aim | None = None
    envs: Envs | None = None
    has_snapshot: bool = False


def run_sweep(call: Call, choice: Choice, jobs: Sweep, course: Course, out: Output) -> int:
    """Hand it in, and with `wait` see it through; the exit status."""
    if choice.named and not choice.any:
        raise UsageError("each job of a sweep is for one machine", f"say any:{call.word}")
    if not course.wait and (course.most is not None or course.limit is not None or course.rule is not None):
        raise UsageError(
            "--max-running, --stop-after-failures and --stop-rule count over all machines",
            "which only a command that stays can do: add --wait",
        )
    everyone = Fleet(choice.managers, "start", out.notice, ask=call.ask, overflow=choice.overflow)
    with alone(jobs.name), everyone as fleet:
        errand = _Errand(call, choice, fleet, jobs, course, out, _past(call, fleet, jobs.name, course.resume))
        return errand.attend() if course.wait else errand.deal_out()


def _past(call: Call, fleet: Fleet, sweep: str, is_resumed: bool) -> Past:
    if is_resumed:
        return looked_up(fleet, sweep)
    past = counted(fleet, sweep)
    counts = past.all_counts
    if counts:
        hint = f"--resume hands in what has not succeeded, -n NAME begins another; {call.prog} all results {sweep}"
        raise Conflict(f"there is a sweep {sweep} already, of {describe(counts)}", hint)
    return past


class _Errand:
    """One command's way with a sweep."""

    def __init__(
        self, call: Call, choice: Choice, fleet: Fleet, jobs: Sweep, course: Course, out: Output, past: Past
    ) -> None:
        self._call = call
        self._choice = choice
        self._fleet = fleet
        self._jobs = jobs
        self._course = course
        self._out = out
        self._past = past
        self._outbox = Outbox(state_path("outbox", os.environ))
        self._supply = Supply(jobs.specs(), past.present.copy(), course.most)
        self._key = new_key(jobs.name)
        self._has_said_limit = False
        self._taken: dict[str, list[Range]] = {}

    # At once

    def deal_out(self) -> int:
        """Hand in all of it now."""
        reports = reports_of(self._fleet, self._choice.any)
        managers = list(self._fleet.managers.values())
        dealing = DealingOut(self._fleet, self._outbox, self._head(managers), reports)
        try:
            for name, accepted in dealing.deal(self._place(managers[0].name, spec) for spec in self._supply.all()):
                self._add(name, accepted.ranges)
        except KeyboardInterrupt:
            self._say_way_on("stopped")
            return 130
        finally:
            for name, ranges in self._taken.items():
                self._acknowledge(name, ranges)
            flush()
        for failure in dealing.failed:
            self._out.failed(failure.name, told(failure))
        for name in self._taken.keys() - {failure.name for failure in dealing.failed}:
            self._out.succeeded(name)
        if not self._supply.is_dry or dealing.failed:
            self._say_way_on("not all was handed in")
        elif not self._taken:
            self._out.notice(self._jobs.name, self._nothing_left)
        return self._out.finish()

    def _acknowledge(self, name: str, ranges: Sequence[Range]) -> None:
        if self._out.json:
            body = {"sweep": self._jobs.name, "jobs": ids.count(ranges), "ids": [list(span) for span in ranges]}
            self._out.record(name, body)
        else:
            self._out.line(name, f"{ids.count(ranges)} jobs of sweep {self._jobs.name} handed in ({ids.text(ranges)})")

    def _add(self, name: str, ranges: Iterable[Range]) -> None:
        self._taken[name] = ids.merged([*self._taken.get(name, ()), *ranges])

    @property
    def _nothing_left(self) -> str:
        return f"nothing is left to be handed in: {describe(self._past.all_counts)}"

    # While somebody waits

    def attend(self) -> int:
        """Hand it in bit by bit, until all has ended."""
        if self._supply.is_dry and not any(self._past.all_counts.get(state) for state in UNENDED):
            self._out.notice(self._jobs.name, self._nothing_left)
            self._sum_up(Standing({}, {}, 0.0))
            return 0
        heads = {name: self._head([manager]) for name, manager in self._fleet.managers.items()}
        limit = self._course.limit
        run = Run(self._fleet, self._jobs.name, self._supply, self._outbox, heads, self._place, self._past, limit)
        now: Standing | None = None
        has_left = False
        with SweepView(sys.stderr, self._jobs.name, f"{self._call.prog} {self._among}") as view:
            self._fleet.notice = lambda name, text: view.line(f"[{name}] {text}")
            try:
                with Judging(self._others(), self._jobs.name, self._course.rule, view.line) as judging:
                    for now in run.go():
                        self._follow(run, now, view)
            except KeyboardInterrupt:
                has_left = True
            else:
                view.failures(self._failures() if now is not None and now.failed else ())
        if has_left:
            on = 0 if now is None else now.unended
            self._say_way_on(f"{on} job(s) run on, or wait" if on else "stopped")
            return 130
        assert now is not None, "a run tells at least how it ended"
        return self._finish(run, now, judging.ended)

    def _follow(self, run: Run, now: Standing, view: SweepView) -> None:
        view.show(self._shown(now))
        for name, ranges in now.taken.items():
            self._add(name, ranges)
        if run.stopped and not self._has_said_limit:
            self._has_said_limit = True
            view.line(f"no more are handed in: {run.stopped}")
            self._cancel_waiting()

    def _sum_up(self, now: Standing) -> None:
        if self._out.json:
            counts = {name: getattr(now, name) for name in ("succeeded", "failed", "cancelled", "unended")}
            body = {"sweep": self._jobs.name, **counts, "skipped": self._supply.skipped, "left": self._left}
            sys.stdout.write(json.dumps(body) + "\n")

    def _finish(self, run: Run, now: Standing, judged: int) -> int:
        self._sum_up(now)
        if self._course.aim is not None:
            with self._others() as fleet:
                best = best_of(fleet, self._jobs.name, self._course.aim)
            self._out.notice(self._jobs.name, best or f"no job has a number as its '{self._course.aim.metric}'")
        if run.stopped:
            self._say_way_on(f"stopped: {run.stopped}")
        for name in now.away:
            if name in now.owed:
                what = f"does not say whether it has {now.owed[name]} more job(s) of the sweep"
                self._out.failed(name, Unreachable(what, "the next command asks again"))
                continue
            how = f"to come back: {self._call.prog} {name} wait {self._jobs.name}"
            self._out.failed(name, Unreachable("has jobs of the sweep, and does not answer", how))
        flush()
        return 255 if now.away else min(now.failed + max(0, now.cancelled - judged), MANY)

    def _shown(self, now: Standing) -> SweepNow:
        before = self._past.all_counts.get(SUCCEEDED, 0)
        machines = [
            MachineNow(name, one.report.running, one.report.max_running, one.report.queued, one.trouble)
            if one.report is not None
            else MachineNow(name, 0, 0, 0, one.trouble)
            for name, one in now.news.items()
        ]
        total = None if self._jobs.count is None else max(self._jobs.count - before, now.ended + now.unended)
        return SweepNow(
            total, now.waiting, now.running, now.succeeded, now.failed, now.cancelled, self._left, machines, now.seconds
        )

    @property
    def _left(self) -> int | None:
        """How many nobody has got; None where nobody knows how many there are."""
        if self._supply.is_dry and not self._has_said_limit:  # else that it is dry means nothing
            return 0
        count = self._jobs.count
        return None if count is None else count - self._supply.skipped - self._supply.handed

    def _cancel_waiting(self) -> None:
        """Of what was handed in, have nothing more begin; over sessions of their own, since the others are waiting."""

        def work(target: Target) -> None:
            waiting = [span for part in target.members(self._jobs.name, PENDING) for span in part.jobs]
            if waiting:
                target.cancel(waiting)

        with self._others() as fleet:
            for answer in fleet.told(work):
                if answer.error is not None:
                    self._fleet.notice(answer.name, f"what waits there was not cancelled: {answer.error}")

    def _failures(self) -> list[Failure]:
        """The first ones, and what they printed last."""
        only = Filter(sweep=self._jobs.name)

        def work(target: Target) -> list[Failure]:
            jobs = target.list(self._taken.get(target.name, ()), BAD, only=only)
            return [_failure(target, job) for job in islice(jobs, SHOWN)]

        with self._others() as fleet:
            return [one for answer in fleet.told(work) for one in answer.value or ()][:SHOWN]

    def _others(self) -> Fleet:
        return Fleet(self._choice.managers, "", self._fleet.notice, ask=self._call.ask)

    # Both

    def _head(self, managers: Sequence[Manager]) -> Head:
        return head(self._key, False, self._call.config_file, managers, self._course.envs, self._call.word)

    def _place(self, name: str, spec: Spec) -> Spec:
        if self._course.has_snapshot:
            return spec
        return spec.but(cwd=folder(self._fleet.managers[name], spec.cwd))

    @property
    def _among(self) -> str:
        """All whom the target word means."""
        word = self._call.word
        named = "all" if word == "any" else word[4:] if word.startswith("any:") else word
        spare = () if self._choice.overflow is None else self._choice.overflow.names
        return ",".join([named, *spare])

    def _say_way_on(self, what: str) -> None:
        self._out.notice(self._jobs.name, self._way_on(what))

    def _way_on(self, what: str) -> str:
        rest = [word for word in self._call.rest if word != "--resume"]
        command = shlex.join([self._call.prog, self._call.word, "sweep", "--resume", *rest])
        again = command if len(command) <= LONG else "the same again with --resume"
        return f"{what}; what has not succeeded: {again}"


def _failure(target: Target, job: Job) -> Failure:
    values = job.spec.task.values if job.spec.task is not None else ()
    printed = b"".join(piece.data for piece in target.read(job.id, ("out", "err"), lines=LINES))
    why = ending(job).removeprefix(f"job {job.id} ").removeprefix("failed: ")
    lines = printed.decode(errors="replace").splitlines()[-LINES:]
    return Failure(target.name, job.id, " ".join(f"{name}={value}" for name, value in values), why, lines)
