"""The verb hosts: all machines in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from sjs.answers import Facts, Status
from sjs.cli.common import Call, verb
from sjs.cli.output import Output
from sjs.cli.text import SKEW, columns, printable, skew, state_of
from sjs.config import Manager
from sjs.core.health import is_suspicious
from sjs.core.quantities import size_text
from sjs.errors import NoManager, NoQueue, SjsError
from sjs.protocols import Target
from sjs.routing import Fleet

HEAD = ("TARGET", "STATE", "HEALTH", "JOBS", "CPUS", "LOAD", "MEM FREE", "GPUS", "DISK FREE", "DELAY", "PYTHON", "HOST")


class Seen(NamedTuple):
    """What was found out about a target; no status where it has no manager, and no facts where it has no machine."""

    facts: Facts | None
    status: Status | None


@verb("hosts")
def hosts(call: Call) -> int:
    """All targets in one table: whether each is there, and what its machine has.

    HEALTH tells of those whose jobs fail nearly all at once: `any` passes them over where others do better, until
    `undrain`. JOBS are those that run, of how many may. DELAY is how long a question and its answer take.
    """
    choice = call.choice()
    out = call.output(choice)
    rows: list[Sequence[str]] = [HEAD]
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        for answer in fleet.ask(lambda target: _look(target, fleet.managers[target.name])):
            if answer.value is None:
                error = answer.error or SjsError("no answer")
                rows.append((answer.name, "away", *"-" * 10))
                out.failed(answer.name, error)
                continue
            out.succeeded(answer.name)
            rows.append(_row(answer.name, answer.value))
            if out.json:
                _record(out, answer.name, answer.value)
            elif answer.value.facts is not None and abs(answer.value.facts.ahead) > SKEW:
                out.notice(answer.name, f"its clock is {skew(answer.value.facts.ahead)}")
    if not out.json:
        click.echo("\n".join(columns(rows)))
    return out.finish()


def _look(target: Target, manager: Manager) -> Seen:
    if not manager.has_machine:
        return Seen(None, target.report())
    facts = target.machine.facts()
    try:
        return Seen(facts, target.report())
    except (NoManager, NoQueue):
        return Seen(facts, None)


def _row(name: str, seen: Seen) -> Sequence[str]:
    facts, status = seen
    how = _state(status), _health(status), f"{status.report.running}/{status.report.max_running}" if status else "-"
    if facts is None:
        return (name, *how, *"-" * (len(HEAD) - len(how) - 1))
    return (
        name,
        *how,
        str(facts.cpus),
        f"{facts.load:.1f}",
        f"{size_text(facts.mem_free)}/{size_text(facts.mem)}",
        str(len(facts.gpus)),
        size_text(int(facts.disk["free"])),
        f"{facts.delay * 1000:.0f} ms",
        facts.python,
        printable(facts.host),
    )


def _state(status: Status | None) -> str:
    if status is None:
        return "no manager"
    return state_of(status)


def _health(status: Status | None) -> str:
    """How its last jobs ended, where nearly all failed at once."""
    if status is None or not status.report.health.ends:
        return "-"
    seen = status.report.health
    return f"{seen.faults}/{seen.ends} fail: {seen.why}" if is_suspicious(seen) else "well"


def _record(out: Output, name: str, seen: Seen) -> None:
    report = seen.status.report if seen.status else None
    jobs: dict[str, Any] = {"jobs_running": report.running, "max_jobs_running": report.max_running} if report else {}
    jobs.update({"health": vars(report.health)} if report else {})
    out.record(name, {"state": _state(seen.status), **jobs, **(vars(seen.facts) if seen.facts else {})})
