"""What a manager's replies mean."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

from sjs import spec_json, wire
from sjs.answers import Accepted, Cancelled, Configured, Details, Members, Move, Status, SweepCounts, Waited, Waiting
from sjs.core.job import Health, Job, Range, Report
from sjs.errors import Unreachable

T = TypeVar("T")


def understood(read: Callable[[dict[str, Any]], T], reply: dict[str, Any]) -> T:
    """A reply turned into values; one that makes no sense is an error of theirs, not of ours."""
    try:
        return read(reply)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unreachable(f"the manager's answer makes no sense ({error!r:.80})", "are both of one version?") from None


def status(name: str, reply: dict[str, Any]) -> Status:
    return Status(
        report=_report(name, reply),
        head=[_waiting(one) for one in reply["head"]],
        counts=dict(reply["counts"]),
        host=str(reply["host"]),
        pid=int(reply["pid"]),
        root=str(reply["root"]),
        version=str(reply["version"]),
        keep={name: int(reply[name]) for name in ("keep_days", "keep_jobs", "low_water") if name in reply},
        program=str(reply.get("program", "")),
        trouble=str(reply.get("trouble", "")),
        drained=bool(reply.get("drained", False)),
        paused=bool(reply.get("paused", False)),
        moving=int(reply.get("moving", 0)),
        load=reply.get("load"),
        mem_free=reply.get("mem_free"),
    )


def _report(name: str, reply: dict[str, Any]) -> Report:
    running, maximum, queued = (int(reply[key]) for key in ("running", "max", "queued"))
    shut = any(reply.get(key) is True for key in ("drained", "paused"))
    if "machine" not in reply:  # an older manager
        return Report(name, running, maximum, queued, shut)
    machine, taken, granted = wire.machine_from_wire(reply)
    health = Health(**{name: reply.get("health", {}).get(name, usual) for name, usual in vars(Health()).items()})
    return Report(name, running, maximum, queued, shut, machine, taken, granted, health)


def _waiting(entry: dict[str, Any]) -> Waiting:
    number = entry["job_id"]
    return Waiting(None if number is None else int(number), _command(entry["job"]))


def _command(job: Any) -> str:
    return job if isinstance(job, str) else shlex.join(job)


def accepted(reply: dict[str, Any]) -> Accepted:
    ids = tuple(ranges(reply.get("ids", ())))
    return Accepted(int(reply["first"]), int(reply["count"]), int(reply["max"]), bool(reply["repeated"]), ids)


def parts(reply: dict[str, Any]) -> list[str]:
    return [str(rest) for rest, _, _ in reply["parts"]]


def move(reply: dict[str, Any]) -> Move:
    """One of a list, or one with its jobs."""
    first = reply["first"]
    jobs = [(int(number), spec_json.from_wire(body)) for number, body in reply.get("jobs", ())]
    there = None if first is None else int(first)
    return Move(
        str(reply["key"]),
        str(reply["target"]),
        float(reply["at"]),
        int(reply["size"]),
        there,
        jobs,
        str(reply.get("via", "")),
    )


def taken(reply: dict[str, Any]) -> int | None:
    return None if reply["taken"] is None else int(reply["taken"][0])


def configured(reply: dict[str, Any]) -> Configured:
    return Configured(int(reply["old"]), int(reply["new"]), dict(reply.get("settings", {})))


def environment(reply: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in reply["variables"].items()}


def cancelled(reply: dict[str, Any]) -> Cancelled:
    now, stopping, ended = (ranges(reply[key]) for key in ("cancelled", "stopping", "ended"))
    return Cancelled(now, stopping, ended, *(ranges(reply.get(name, ())) for name in ("signalled", "moving")))


def details(reply: dict[str, Any]) -> Details:
    children = [int(child) for child in reply["children"]]
    return Details(wire.job_from_wire(reply["job"]), [dict(one) for one in reply["attempts"]], children)


def jobs(reply: dict[str, Any]) -> list[Job]:
    return [wire.job_from_wire(record) for record in reply["jobs"]]


def ranges(value: Any) -> list[Range]:
    return [(int(low), int(high)) for low, high in value]


def waited(reply: dict[str, Any]) -> Waited:
    job = reply.get("job")
    counts = {str(state): int(count) for state, count in reply.get("counts", {}).items()}
    return Waited(bool(reply["done"]), counts, wire.job_from_wire(job) if job else None)


def sweeps(reply: dict[str, Any]) -> list[SweepCounts]:
    return [
        SweepCounts(
            str(one["name"]),
            {str(state): int(count) for state, count in one["counts"].items()},
            one["began"],
            one["grew"],
        )
        for one in reply["sweeps"]
    ]


def members(reply: dict[str, Any]) -> Members:
    return Members(ranges(reply["jobs"]), [str(one) for one in reply["settings"]])
