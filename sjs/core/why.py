"""Why a job does not run now, in lines for people."""

from __future__ import annotations

from typing import Callable, Iterator, List, Sequence, Tuple

from sjs.core.job import Job
from sjs.core.lifecycle import FINAL, HELD, LIVE, MOVING, WAITING
from sjs.core.needs import WHOLE, Machine, Needs, Room, could_hold
from sjs.core.quantities import share_text, size_text
from sjs.core.schedule import Snapshot
from sjs.values import dataclass, replace

NAMED = 5
"""Parents that are named; of more, their number is said."""

MANY = 10_000
"""Jobs before one in the queue that are counted."""

ENDS = {"ok": " to succeed", "any": " to end", "notok": " to fail"}


@dataclass(frozen=True)
class Case:
    """One job, and what is around it. `shut`: why the manager starts nothing; `before`: how many queued jobs come
    first; `parents`: (kind, id) of the first that have not ended, and how many more there are; `until`: the time for
    which it waits, as people write it; `moving`: to whom it is on its way; `elsewhere`: what is to be said of it, where
    it was handed on to others; `is_elsewhere`: such are all jobs of the queue."""

    job: Job
    snapshot: Snapshot
    shut: Sequence[str] = ()
    before: int = 0
    parents: Sequence[Tuple[str, int]] = ()
    more_parents: int = 0
    until: str = ""
    moving: str = ""
    elsewhere: Sequence[str] = ()
    is_elsewhere: bool = False


def why(case: Case) -> List[str]:
    """What keeps it from running; never nothing."""
    job = case.job
    if job.state in FINAL:
        detail = job.end.detail if job.end is not None else ""
        return [f"it has ended: {job.state}{detail and ': '}{detail}"]
    if job.state in LIVE:
        return ["it is paused; resume it" if job.paused else f"it is {job.state}"]
    if job.state == MOVING:
        return [f"it is on its way to {case.moving}, and starts there; should nobody finish that: rebalance --finish"]
    if case.elsewhere:
        return list(case.elsewhere)
    reasons = ["held; release it"] if job.state == HELD else []
    reasons += _waits(case)
    if job.state not in (HELD, WAITING):
        reasons += _queued(case)
    return reasons or ["nothing: it is about to start"]


def _waits(case: Case) -> Iterator[str]:
    for kind, parent in case.parents:
        yield f"waits for job {parent}{ENDS[kind]}"
    if case.more_parents:
        yield f"waits for {_count(case.more_parents, 'more job')}"
    if case.until:
        yield f"waits until {case.until}"


def _queued(case: Case) -> List[str]:
    snapshot, needs = case.snapshot, case.job.spec.needs
    missing = lacks(snapshot.machine, needs)
    if missing:
        return [cannot_hold(missing, case.is_elsewhere)]
    reasons = list(case.shut)
    reasons += _shortages(needs, snapshot.room(), _is_free)
    if snapshot.foreign and (needs.gpus or needs.gpu_mem):
        names = ", ".join(name for name, _ in snapshot.foreign)
        reasons.append(f"GPU {names}: used by processes that are none of this queue's")
    if case.before:
        many = " or more" if case.before == MANY else ""
        reasons.append(f"{_count(case.before, 'job')}{many} {'is' if case.before == 1 else 'are'} before it")
    return reasons


def cannot_hold(missing: str, elsewhere: bool) -> str:
    """What is said of a job that would never start for want of that (`lacks`). `elsewhere`: others run it for the
    queue, of whom the largest is meant."""
    return f"no node can hold it: {missing}" if elsewhere else f"this machine can not hold it: {missing}"


def lacks(machine: Machine, needs: Needs) -> str:
    """What it needs and the machine does not have, even if nobody else runs; "" if it could hold it. A machine that is
    set to run nothing for now is taken to have slots."""
    whole = replace(machine, slots=machine.slots or needs.slots)
    return "" if could_hold(whole, needs) else "; ".join(_shortages(needs, Room(whole), _has))


def _shortages(needs: Needs, left: Room, there: Callable[[str], str]) -> List[str]:
    """What it needs and how much of that there is, for all of which there is not enough."""
    return [
        f"needs {_wanted(kind, needs)}, {there(_amount(kind, left.left(kind, needs)))}" for kind in left.missing(needs)
    ]


def _wanted(kind: str, needs: Needs) -> str:
    if kind == "mem":
        return f"{size_text(needs.mem)} of memory"
    if kind == "gpus":
        count = f"{share_text(needs.gpus)} GPU{'s' if needs.gpus > WHOLE else ''}" if needs.gpus else "a GPU"
        return f"{count} with {size_text(needs.gpu_mem)} of memory" if needs.gpu_mem else count
    named = dict(needs.named)
    return f"{named[kind]} {kind}" if kind in named else _count(getattr(needs, kind), kind[:-1])


def _amount(kind: str, left: int) -> str:
    return {"mem": size_text, "gpus": share_text}.get(kind, str)(left)


def _has(amount: str) -> str:
    return f"it has {amount}"


def _is_free(amount: str) -> str:
    return f"{amount} {'is' if amount == '1' else 'are'} free"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
