"""The verbs status and check-running. The first prints the line of simple-job-submit, key for key."""

from __future__ import annotations

import json
from typing import Any

import click

from sjs.answers import Status
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.core import health
from sjs.errors import NoManager
from sjs.protocols import Target
from sjs.wire import MAX_HEAD

PASSED_OVER = "where others do better, `any` passes it over until `undrain`"


@verb("status")
def status(call: Call) -> int:
    """How many jobs run, how many may, and which wait.

    When more than 100 wait, jobs_queued holds the first 100, and num_jobs_queued says how many there are.
    """
    return fan_out(call, lambda target: target.report(MAX_HEAD), _show_status)


def _show_status(out: Output, name: str, found: Status) -> None:
    head = [{"job": one.command, "job_id": one.id} for one in found.head]
    report = found.report
    if out.json:
        out.record(name, {**_numbers(found), "jobs_queued": head})
        return
    line: dict[str, Any] = {
        "status": "OK",
        "jobs_running": report.running,
        "max_jobs_running": report.max_running,
        "code": 0,
        "jobs_queued": json.dumps(head),
    }
    if report.queued > len(head):
        line["num_jobs_queued"] = report.queued
    out.line(name, json.dumps(line))
    if found.trouble:
        out.notice(name, f"nothing starts: {found.trouble}")
    if found.moving:
        out.notice(
            name, f"{found.moving} on their way to other queues; should nobody finish that: `rebalance --finish`"
        )
    if health.is_suspicious(report.health):
        out.notice(name, f"{health.told(report.health)}; {PASSED_OVER}")
    for is_so, word in ((found.drained, "undrain"), (found.paused, "resume")):
        if is_so:
            out.notice(name, f"nothing starts until `{word}`")


def _numbers(found: Status) -> dict[str, Any]:
    report = found.report
    return {
        "jobs_running": report.running,
        "max_jobs_running": report.max_running,
        "num_jobs_queued": report.queued,
        "counts": dict(found.counts),
        "host": found.host,
        "pid": found.pid,
        "root": found.root,
        "version": found.version,
        **found.keep,
        "trouble": found.trouble,
        "health": vars(report.health),
        "drained": found.drained,
        "paused": found.paused,
    }


@verb("check-running")
def check_running(call: Call) -> int:
    """Say whether there is a manager. Exit status 0 when there is one everywhere, else 1."""
    awake: list[bool] = []

    def show(out: Output, name: str, found: bool) -> None:
        awake.append(found)
        if out.json:
            out.record(name, {"running": found})
        else:
            click.echo(f"[{name}] I am {'' if found else 'NOT '}running")

    return fan_out(call, _is_running, show) or (0 if all(awake) else 1)


def _is_running(target: Target) -> bool:
    try:
        target.report()
    except NoManager:
        return False
    return True
