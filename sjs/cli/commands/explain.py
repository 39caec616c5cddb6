"""The verbs details and why: all about one job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from sjs import spec_json
from sjs.answers import Details
from sjs.cli import ids
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.text import command, cpu_time, duration, ending, gpus_text, peak_memory, printable, snapshot_text
from sjs.compact import to_json
from sjs.core import quantities
from sjs.core.job import Job
from sjs.wire import job_to_wire

_KINDS = {"ok": "afterok", "any": "afterany", "notok": "afternotok"}
_SECONDS = ("timeout", "grace")
_BYTES = ("mem", "gpu_mem")


@verb("why")
@click.argument("which", metavar="[ID]", required=False)
@ids.one_by_name
def why(call: Call, which: str | None, name: str | None) -> int:
    """What a waiting job waits for, in words; of another, how it stands. ID is a number or `last`."""
    wanted = ids.parse_one(which, name)

    def show(out: Output, name: str, lines: list[str]) -> None:
        if out.json:
            out.record(name, {"why": lines})
        for line in () if out.json else lines:
            click.echo(printable(line))

    return fan_out(call, lambda target: list(target.why(wanted.one_on(target))), show, call.one(wanted))


@verb("details")
@click.argument("which", metavar="[ID]", required=False)
@ids.one_by_name
def details(call: Call, which: str | None, name: str | None) -> int:
    """All that is known of one job: what it was told, what it took, its attempts. ID is a number or `last`."""
    wanted = ids.parse_one(which, name)
    return fan_out(call, lambda target: target.details(wanted.one_on(target)), _show, call.one(wanted))


def _show(out: Output, name: str, found: Details) -> None:
    if out.json:
        body = {"attempts": list(found.attempts), "children": list(found.children)}
        out.record(name, {**job_to_wire(found.job), **body, **found.raw})
        return
    for label, value in (*_of_job(found.job), *_of_others(found)):
        if value:
            click.echo(f"{label + ':':<12}{printable(value)}")


def _of_job(job: Job) -> Iterator[tuple[str, str]]:
    yield "job", f"{job.id}{f' {job.spec.name}' if job.spec.name else ''}"
    yield "state", ending(job).removeprefix(f"job {job.id} ").removeprefix("is ").removeprefix("was ")
    yield "command", command(job)
    for key, value in spec_json.to_wire(job.spec).items():
        if key not in ("command", "argv", "name", "on_lost", "env_base", "snapshot"):
            yield key, _said(key, value)
    yield "snapshot", snapshot_text(job.spec.snapshot) if job.spec.snapshot else ""
    yield "submitted", _clock(job.submitted)
    yield "submitter", job.submitter
    yield "not before", _clock(job.due)
    yield "started", _clock(job.started)
    yield "ended", _clock(job.ended)
    if job.started is not None and job.ended is not None:
        yield "ran for", duration(job.ended - job.started)
    yield "cpu time", cpu_time(job.usage)
    yield "memory", peak_memory(job.usage)
    yield "gpus used", gpus_text(job.gpus)
    yield "pid", str(job.pid or "")
    yield "slurm", _in_slurm(dict(job.place))


def _in_slurm(place: Mapping[str, str]) -> str:
    """Where Slurm has it."""
    if not place:
        return ""
    on = f" on {place['node']}" if place.get("node") else ""
    return f"job {place['id']}{on}" + (f", partition {place['partition']}" if place.get("partition") else "")


def _of_others(found: Details) -> Iterator[tuple[str, str]]:
    for one in found.attempts:
        yield f"attempt {one.get('attempt')}", _attempt(one)
    yield "waited for by", ids.text((child, child) for child in found.children)


def _attempt(one: Mapping[str, Any]) -> str:
    began, ended = one.get("started"), one.get("ended")
    how = f"exit {one['exit']}" if one.get("exit") is not None else one.get("reason")
    if how is None and ended is None:
        when = "not started yet" if began is None else f"since {_clock(began)}"
    else:
        when = f"{how or 'unknown'}, " + " to ".join(filter(None, (_clock(began), _clock(ended))))
    place = f", {one['pod']} on {one['node'] or 'no node yet'}" if one.get("pod") else ""
    place += f", Slurm's {_in_slurm(one['slurm'])}" if one.get("slurm") else ""
    return when + place


def _said(key: str, value: Any) -> str:
    """What it was told, as it is typed."""
    if key == "after":
        return ",".join(":".join([_KINDS[kind], *(ids.text([span]) for span in spans)]) for kind, spans in value)
    if key in _SECONDS:
        return quantities.duration_text(value)
    if key in _BYTES:
        return quantities.size_text(value)
    if key == "gpus":
        return quantities.share_text(value)
    if key == "at":
        return _clock(value)
    if key == "retry":
        pause = f", after {value['delay']:g}s (x{value['factor']:g})" if value["delay"] else ""
        return f"{value['count']} times on {','.join(value['on'])}{pause}"
    if key == "native":
        return " ".join(f"{kind}={to_json(one)}" for kind, one in value.items())
    if isinstance(value, dict):
        return " ".join(f"{name}={one}" for name, one in value.items())
    return "yes" if value is True else str(value)


def _clock(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
