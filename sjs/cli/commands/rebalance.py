"""The verb rebalance."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from uuid import uuid4

import click

from sjs.answers import Filter, Move
from sjs.cli import ids
from sjs.cli.commands.look import filters
from sjs.cli.common import Call, verb
from sjs.cli.moved import fate
from sjs.cli.output import Output, flush
from sjs.config import Config, Manager, state_path
from sjs.core.health import judged
from sjs.core.job import Job, Report
from sjs.core.lifecycle import PENDING, QUEUED
from sjs.core.names import groups_in
from sjs.core.rebalance import Candidate, Parting, partings, stays
from sjs.errors import Refused, SjsError, UnknownRequest, Unreachable, UsageError
from sjs.fitting import Fitting
from sjs.moving import Carried, Carrier, Trips, head
from sjs.protocols import Target
from sjs.routing import Choice, Fleet, select
from sjs.values import dataclass

MOST = 5_000
"""Jobs of one queue that one command looks at, those that came last."""


@dataclass(frozen=True)
class Wish:
    """Which jobs are meant. `wanted`: they were named."""

    ids: ids.Ids | None
    only: Filter
    wanted: bool


@dataclass(frozen=True)
class Seen:
    """What one target says of itself: how it is, what is on its way out of it, and which jobs may be."""

    report: Report
    moves: Sequence[Move]
    jobs: Sequence[Job]


@verb("rebalance")
@click.argument("which", nargs=-1, metavar="[IDS]...")
@filters
@click.option("--to", metavar="SET", help="Move jobs to these only; the others only give. Jobs that are named all go.")
@click.option("--all-jobs", is_flag=True, help="Also those that were sent there by name, are held, or wait for a time.")
@click.option("--dry-run", is_flag=True, help="Only say what would go where.")
@click.option("--finish", is_flag=True, help="See through what is on its way since a command that never came back.")
@click.option("--take-back", is_flag=True, help="Have come back what is on its way and has not arrived.")
@click.option("--force", is_flag=True, help="With --take-back: even if it cannot be asked whether it has arrived.")
def rebalance(
    call: Call,
    which: tuple[str, ...],
    only: Filter,
    to: str | None,
    all_jobs: bool,
    dry_run: bool,
    finish: bool,
    take_back: bool,
    force: bool,
) -> int:
    """Move waiting jobs to where they start sooner, each exactly once: from where much waits for each slot, or where
    nothing starts, to where slots are free, or less waits.

    Only jobs that came by `any` move, and only to targets that the same word means; those that were sent to a target by
    name move if you name them, or all with --all-jobs. What has run before, waits for other jobs, or is waited for,
    stays. Of a job that has moved, its record says where it is. What overflowed from a group (`overflow:` of
    config.yaml) comes back once there is room in it; say @GROUP.

    \b
    Empty a machine before maintenance:
      submit gpu1 drain
      submit all rebalance
    Give three jobs to another one:
      submit gpu1 rebalance 5-7 --to gpu2
    """
    if force and not take_back:
        raise UsageError("--force is for --take-back", "it may have jobs run twice")
    wanted = ids.parse(which) if which else None
    wish = Wish(wanted, only, bool(which) or only != Filter() or all_jobs)
    choice = call.choice(of=wanted)
    config = call.config()
    spare = () if wanted is not None and wanted.is_bound else _spare(call.word, config)
    others = select(config, to).managers if to else ()
    if not to and len(choice.managers) + len(spare) < 2 and not (finish or take_back):
        raise UsageError(f"move jobs of {choice.managers[0].name} where?", "--to TARGET, or name several targets")
    givers = [one for one in spare if one.has_machine]
    everyone = {one.name: one for one in (*choice.managers, *givers, *others)}
    if finish or take_back:
        everyone.update((one.name, one) for one in (*config.managers, config.local))
    out = Output(True, call.json)
    with Fleet(list(everyone.values()), "", out.notice, ask=call.ask) as fleet:
        sources = _givers([*choice.managers, *spare], out)
        if finish or take_back:
            return _settle(fleet, sources, take_back, force, out)
        targets = [one.name for one in others or choice.managers]
        seen = _look(fleet, sources, wish, out)
        home = Home(config, fleet.fitting)
        queues = {name: home.candidates(name, seen[name].jobs, wish) for name in sources if name in seen}
        reports = judged([one.report for one in seen.values()])
        found = partings(reports, queues, targets, wanted=wish.wanted and bool(to))
        if dry_run or not found:
            _rehearse(found, seen, queues, out)
            return out.finish()
        return _move(call, fleet, found, out)


def _look(fleet: Fleet, sources: Sequence[str], wish: Wish, out: Output) -> dict[str, Seen]:
    def work(target: Target) -> Seen:
        report = target.report().report
        if not fleet.managers[target.name].has_machine:
            return Seen(report, (), ())
        jobs = _jobs(target, wish) if target.name in sources else ()
        try:
            return Seen(report, target.moves(), list(jobs))
        except UnknownRequest:
            hint = f"submit {target.name} upgrade"
            raise UnknownRequest("its manager is older, and cannot move jobs", hint) from None

    seen: dict[str, Seen] = {}
    for answer in fleet.ask(work):
        if answer.value is None:
            out.failed(answer.name, answer.error or SjsError("no answer"))
            continue
        seen[answer.name] = answer.value
        out.succeeded(answer.name)
        count = sum(one.size for one in answer.value.moves)
        if count:
            out.notice(answer.name, f"{count} are on their way since an earlier command; to see to them: --finish")
    return seen


def _jobs(target: Target, wish: Wish) -> Iterator[Job]:
    if not wish.wanted:
        return target.list(states=(QUEUED,), newest=MOST)
    chosen = wish.ids.on(target) if wish.ids else None
    return target.list(chosen, PENDING, newest=0 if chosen else MOST, only=wish.only)


def _givers(managers: Sequence[Manager], out: Output) -> Sequence[str]:
    """Those whose jobs may go elsewhere: what is to become of a job while it moves, only a queue of ours can keep."""
    givers = [one.name for one in managers if one.has_machine]
    for one in managers:
        if not one.has_machine:
            stay = f"jobs that a {one.kind} target has stay there"
            if not givers:
                raise Refused(f"{one.name}: {stay}", "cancel them, and hand them in elsewhere")
            out.notice(one.name, f"gives none: {stay}")
    return givers


class Home:
    """Whither jobs may go."""

    def __init__(self, config: Config, fitting: Fitting) -> None:
        self._config = config
        self._fitting = fitting
        self._known: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def candidates(self, name: str, jobs: Sequence[Job], wish: Wish) -> list[Candidate]:
        """Those of one target that may go, that one first which would start last."""
        last_first = sorted(jobs, key=lambda job: (job.spec.priority, -job.id))
        return [self._candidate(name, job, wish) for job in last_first if not stays(job, wish.wanted)]

    def _candidate(self, name: str, job: Job, wish: Wish) -> Candidate:
        unfit = frozenset(self._fitting.unfit(job.spec))
        if wish.wanted:
            return Candidate(job.id, job.spec.needs, None, unfit)
        among, spare = self._meant(job.via)
        return Candidate(job.id, job.spec.needs, among, unfit, name in spare)

    def _meant(self, word: str) -> tuple[frozenset[str], frozenset[str]]:
        """Whom the word means here and now, and where it overflows to; nobody, where it means nothing."""
        if word not in self._known:
            try:
                choice = select(self._config, word)
            except UsageError:
                choice = Choice(())
            spare = frozenset(choice.overflow.names if choice.overflow is not None else ())
            self._known[word] = frozenset(one.name for one in choice.managers) - spare, spare
        return self._known[word]


def _spare(word: str, config: Config) -> Sequence[Manager]:
    """Those to whom jobs of groups go that have no room in them; they may come back."""
    sets = [config.groups[name].overflow for name in groups_in(word)]
    own = select(config, word).managers
    return [one for one in select(config, ",".join(filter(None, [word, *sets]))).managers if one not in own]


def _rehearse(
    found: Sequence[Parting], seen: Mapping[str, Seen], queues: Mapping[str, Sequence[Candidate]], out: Output
) -> None:
    """Say what would go where, and how things stand there."""
    for one in found:
        here, there = seen[one.source].report, seen[one.target].report
        if out.json:
            out.record(one.source, {"would_move": list(one.jobs), "to": one.target})
        else:
            spans = ids.text((job, job) for job in one.jobs)
            out.line(
                one.source, f"{len(one.jobs)} would go to {one.target} ({spans}): {_state(here)}; there {_state(there)}"
            )
    if not found:
        for name, each in seen.items():
            if out.json:
                out.record(name, {"would_move": []})
            else:
                by_name = sum(one.among is not None and one.among <= {name} for one in queues.get(name, ()))
                they = f"; {by_name} of them sent here by name, which --all-jobs would move" if by_name else ""
                out.line(name, f"nothing to move: {_state(each.report)}{they}")


def _state(report: Report) -> str:
    drained = ", nothing starts" if report.drained else ""
    return f"{report.running} of {report.max_running} slots taken, {report.queued} waiting{drained}"


def _move(call: Call, fleet: Fleet, found: Sequence[Parting], out: Output) -> int:
    sources = list(dict.fromkeys(one.source for one in found))
    carrier = Carrier(fleet)
    promise = head(uuid4().hex, sources, call.config_file, fleet.managers.values())
    with Trips(state_path("moves", os.environ)).begin(promise) as trip:
        is_open = False
        for parting in found:
            try:
                for one in carrier.carry(trip.head.key, parting):
                    is_open = is_open or one.is_open
                    _show(out, one)
            except SjsError as error:
                out.failed(parting.source, error)
        trip.settled = not is_open
    return out.finish()


def _settle(fleet: Fleet, sources: Sequence[str], take_back: bool, force: bool, out: Output) -> int:
    """What earlier commands have left on its way."""
    carrier = Carrier(fleet)

    def back(here: Target, move: Move) -> int | None:
        try:
            return carrier.take_back(here, move)
        except Unreachable as error:
            if not force:
                raise
            out.notice(
                here.name, f"{move.target} was not asked ({error.message}); should it have these, they run twice"
            )
            return None

    for name in sources:
        try:
            found = list(carrier.finish(name, how=back if take_back else None))
        except SjsError as error:
            out.failed(name, error)
            continue
        out.succeeded(name)
        for one in found:
            _show(out, one)
        if not found and not out.json:
            out.line(name, "nothing is on its way")
    return out.finish()


def _show(out: Output, one: Carried) -> None:
    if out.json:
        body = {"jobs": list(one.jobs), "to": one.target, "first": one.first, "on_the_way": one.is_open}
        out.record(one.source, body)
    elif one.first is not None:
        out.line(one.source, fate(one))
    if one.first is None and one.error is not None:
        out.failed(one.source, type(one.error)(fate(one), one.error.hint))
    elif one.first is None and not out.json:
        out.line(one.source, fate(one))
    flush()
