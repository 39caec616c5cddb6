"""Waiting for a whole sweep: for those of its jobs that are in the same queue, once no others are left elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sjs.cli import kinds
from sjs.cli.common import Call
from sjs.cli.ids import NoneHere, is_sweep
from sjs.cli.output import Output
from sjs.core.job import ranges
from sjs.core.lifecycle import BAD, CANCELLED, FAILED, QUEUED, SUCCEEDED, UNENDED, is_satisfied
from sjs.errors import NoQueue, Refused, UsageError
from sjs.protocols import Target
from sjs.routing import Choice, Fleet, select

Condition = tuple[str, str]
"""How its jobs are to have ended (`core.job.AFTER`), and the name of the sweep."""


def read(text: str) -> Condition:
    """`lr`, or `afterany:lr`; without a word before it, all of it is to have succeeded."""
    word, colon, name = text.rpartition(":")
    kind = kinds.CONDITIONS.get(word if colon else "afterok")
    if kind is None or not is_sweep(name):
        raise ValueError(f"'{text}' is no sweep to wait for; write it as NAME or afterany:NAME")
    return kind, name


def waited_for(call: Call, choice: Choice, wanted: Sequence[Condition], out: Output) -> kinds.After:
    """The jobs of the sweeps, as a job of the target that was named waits for them."""
    if not wanted:
        return ()
    if choice.named:
        raise UsageError("--after-sweep is for one target that is named", "the job goes where it is to run")
    (here,) = choice.managers
    everyone = {one.name: one for one in (*select(call.config(), "all").managers, here)}
    found: dict[str, Sequence[Sequence[One]]] = {}
    with Fleet(list(everyone.values()), "", out.notice, ask=call.ask) as fleet:
        for answer in fleet.told(lambda target: [list(_jobs(target, name)) for _, name in wanted]):
            if answer.error is not None and not isinstance(answer.error, NoQueue):
                message = f"{answer.name} may have jobs of the sweep and does not say: {answer.error.message}"
                raise type(answer.error)(message, answer.error.hint)
            found[answer.name] = answer.value or [[] for _ in wanted]
    after = []
    for number, (kind, name) in enumerate(wanted):
        jobs = counting({target: each[number] for target, each in found.items()})
        for target in jobs.keys() - {here.name}:
            _check(kind, name, target, jobs[target], call.prog)
        if not jobs[here.name]:
            raise NoneHere(f"no job of a sweep '{name}' at {here.name}", "`results` names the sweeps that there are")
        after.append((kind, tuple(ranges(one.id for one in jobs[here.name]))))
    return tuple(after)


class One(NamedTuple):
    """A job of a sweep: how it stands (SUCCEEDED, FAILED, which is any other end, or QUEUED), and what it tries."""

    id: int
    state: str
    setting: str


def _jobs(target: Target, sweep: str) -> Iterator[One]:
    for state, states in ((SUCCEEDED, (SUCCEEDED,)), (FAILED, (*BAD, CANCELLED)), (QUEUED, UNENDED)):
        for part in target.members(sweep, states):
            ids = (number for low, high in part.jobs for number in range(low, high + 1))
            yield from (One(number, state, setting) for number, setting in zip(ids, part.settings, strict=True))


def counting(jobs: Mapping[str, Sequence[One]]) -> dict[str, list[One]]:
    """Those that count, in the order of their ids: what failed does not where the same setting has succeeded since, or
    is tried anew."""
    better = {one.setting for each in jobs.values() for one in each if one.state != FAILED}
    return {
        target: sorted(one for one in each if one.state != FAILED or one.setting not in better)
        for target, each in jobs.items()
    }


def _check(kind: str, sweep: str, target: str, jobs: Sequence[One], prog: str) -> None:
    """Refuse to wait where something is left that another queue will never hear of."""
    left = sum(one.state == QUEUED for one in jobs)
    if left:
        what = f"{left} job(s) of sweep {sweep} have yet to end at {target}, of which another queue hears nothing"
        raise Refused(what, f"first: {prog} all wait {sweep}")
    others = sum(not is_satisfied(kind, one.state) for one in jobs)
    if others:
        what = f"{others} job(s) of sweep {sweep} at {target} have ended otherwise"
        raise Refused(what, f"which: {prog} {target} list {sweep}")
