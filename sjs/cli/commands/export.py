"""The verb export."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice

import click

from sjs.cli import ids
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output, flush
from sjs.cli.queue_file import After, environment_line, is_open_to_others, job_line
from sjs.core.job import Job, contains, ranges
from sjs.core.lifecycle import CANCELLED, HELD, PENDING, QUEUED, is_satisfied
from sjs.errors import Refused
from sjs.protocols import Target
from sjs.values import dataclass, field
from sjs.wire import MAX_PAGE


@dataclass
class Exported:
    """Lines as they come, and what there is to be said once all have come."""

    lines: Iterator[str] = iter(())
    count: int = 0
    held: list[int] = field(default_factory=list)
    has_variables: bool = False


@verb("export")
@click.option("--all", "everything", is_flag=True, help="Also the records of what runs, and of what has ended.")
@click.option("--hold", is_flag=True, help="Have what is written not start here any more: hold it.")
def export(call: Call, everything: bool, hold: bool) -> int:
    """Write a queue to stdout, a JSON object a line, for `import`: what waits, with all that it was told, and for whom
    of the others it waits. What runs, runs on, and is not written; nor is what waits for one that has failed.

    The file holds the values of jobs' environments: keep it from others (umask 077).

    \b
    Move what waits from one machine to another:
      submit gpu1 export --hold > queue.jsonl
      submit gpu2 import queue.jsonl
      submit gpu1 cancel ...      with the ids that export has told
    """

    def show(out: Output, name: str, found: Exported) -> None:
        for line in found.lines:
            sys.stdout.write(f"{line}\n")
        flush()
        out.notice(name, f"{found.count} exported")
        if hold and found.held:
            out.notice(
                name, f"held until `release`, or `cancel` once they are imported: {ids.text(ranges(found.held))}"
            )
        if found.has_variables and is_open_to_others(sys.stdout):
            out.notice(name, "warning: others can read that file, and it holds values of environment variables")

    return fan_out(call, lambda target: _exported(target, everything, hold), show, call.one())


def _exported(target: Target, everything: bool, hold: bool) -> Exported:
    found = Exported()
    found.lines = _lines(target, everything, hold, found)
    return found


def _lines(target: Target, everything: bool, hold: bool, found: Exported) -> Iterator[str]:
    """In pieces: what is held is written, whatever starts meanwhile."""
    written: set[int] = set()
    environments: set[str] = set()
    jobs = target.list(states=None if everything else PENDING)
    while piece := list(islice(jobs, MAX_PAGE)):
        unknown = [job.id for job in piece if not job.spec.is_known]
        if unknown:
            raise Refused(f"what job {unknown[0]} runs can not be read, so it can not be written down")
        if hold:
            piece = _held(target, piece, found)
        states = _states(target, piece, written)
        for job in piece:
            after = job.spec.after
            if job.state in PENDING:
                left = _after(job, written, states)
                if left is None:
                    states[job.id] = CANCELLED  # as it is about to be
                    continue
                after = left
                written.add(job.id)
            base = job.spec.env_base
            if base and base not in environments:
                environments.add(base)
                yield environment_line(base, target.environment(base))
            found.count += 1
            found.has_variables |= bool(job.spec.env or base)
            yield job_line(job, after)


def _held(target: Target, jobs: Sequence[Job], found: Exported) -> list[Job]:
    """Of those that wait, the ones that can not start any more."""
    may_start = [job.id for job in jobs if job.state in PENDING and job.state != HELD]
    changed = target.change("hold", ranges(may_start)) if may_start else []
    held = {job.id for job in jobs if job.state == HELD} | {one for one in may_start if contains(changed, one)}
    found.held += [job.id for job in jobs if job.id in held]
    return [job for job in jobs if job.state not in PENDING or job.id in held]


def _states(target: Target, jobs: Sequence[Job], written: set[int]) -> dict[int, str]:
    """How those stand for whom these wait and that are not written."""
    here = {job.id for job in jobs if job.state in PENDING}
    wanted = sorted({one for job in jobs for one in _parents(job)} - written - here)
    spans = ranges(wanted)
    pieces = [spans[start : start + MAX_PAGE] for start in range(0, len(spans), MAX_PAGE)]
    return {job.id: job.state for piece in pieces for job in target.list(piece)}


def _parents(job: Job) -> Iterator[int]:
    if job.state in PENDING and job.state != QUEUED:
        for _, spans in job.spec.after:
            for low, high in spans:
                yield from range(low, high + 1)


def _after(job: Job, written: set[int], states: dict[int, str]) -> After | None:
    """For whom it still waits; None if it can not start any more."""
    if job.state == QUEUED:
        return ()
    found = []
    for kind, spans in job.spec.after:
        left = []
        for parent in (one for low, high in spans for one in range(low, high + 1)):
            state = states.get(parent)
            verdict = None if parent in written else True if state is None else is_satisfied(kind, state)
            if verdict is False:
                return None
            if verdict is None:
                left.append(parent)
        if left:
            found.append((kind, tuple(ranges(left))))
    return tuple(found)
