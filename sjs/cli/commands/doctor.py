"""The verb doctor: what is wrong with a machine, and what mends it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from sjs import __version__
from sjs.answers import Check
from sjs.cli.commands.service import is_older
from sjs.cli.common import Call, verb
from sjs.cli.output import Output
from sjs.cli.text import SKEW, columns, printable, skew
from sjs.config import Manager
from sjs.core.health import is_suspicious, told
from sjs.errors import NoManager, NoQueue, SjsError
from sjs.protocols import Target
from sjs.routing import Fleet

SLOW = 0.5
"""Seconds after which a question and its answer are slow."""


@verb("doctor")
@click.option("--offline", is_flag=True, help="Only look at the config and what is on this machine; ask nobody.")
def doctor(call: Call, offline: bool) -> int:
    """Look what is wrong with machines, and say what mends it. Exit status 1 when something does not work.

    \b
    After config.yaml was written, before any machine is asked:
      submit all doctor --offline
    """
    choice = call.choice()
    out = call.output(choice)
    bad = False
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        looks = fleet.ask(lambda target: list(_examined(target, fleet.managers[target.name], offline)))
        for answer in looks:
            found = answer.value or [Check("way", "fail", str(answer.error))]
            bad |= any(check.verdict == "fail" for check in found)
            _show(out, answer.name, found)
    return 1 if bad else 0


def _examined(target: Target, manager: Manager, offline: bool) -> Iterator[Check]:
    if not manager.has_machine:
        yield Check("config", "ok", f"a {manager.kind} target")
        if not offline:
            yield _of_cluster(target)
        return
    found = list(_of_config(manager))
    if not offline:
        found += _of_name(manager)
        if not any(check.verdict == "fail" for check in found):
            found += _of_machine(target, manager.settings)
    yield from found


def _of_config(manager: Manager) -> Iterator[Check]:
    where = "this machine" if manager.transport == "local" else f"{manager.host} by {manager.transport}"
    yield Check("config", "ok", f"{where}, {manager.project_root}")
    if manager.password:
        yield Check("config", "warn", "a password stands in the config", "a key is safer: ssh-copy-id")
    if manager.identity_file and not os.path.exists(os.path.expanduser(manager.identity_file)):
        yield Check("config", "fail", f"there is no {manager.identity_file}", "correct identity_file")


def _of_name(manager: Manager) -> Iterator[Check]:
    """A name that ssh_config does not explain has to be known to this machine."""
    if manager.transport == "local":
        return
    from sjs.reach import way

    first = way(manager, os.environ).hops[0]
    if first.proxy_command:
        return
    try:
        addresses = {str(one[4][0]) for one in socket.getaddrinfo(first.host, first.port, type=socket.SOCK_STREAM)}
    except OSError as error:
        yield Check("name", "fail", f"{first.host} has no address: {error.strerror}", "correct `host`")
        return
    yield Check("name", "ok", f"{first.host} is {', '.join(sorted(addresses))}")


def _of_machine(target: Target, settings: Mapping[str, Any]) -> Iterator[Check]:
    try:
        facts = target.machine.facts()
    except SjsError as error:
        yield Check("login", "fail", error.message, error.hint)
        return
    yield Check("login", "ok", f"as {facts.user}, Python {facts.python}, {facts.delay * 1000:.0f} ms for an answer")
    if facts.noise:
        yield Check("login", "warn", f"its login shell prints: {facts.noise:.60}", "have it print only for people")
    if facts.delay > SLOW:
        yield Check("login", "warn", f"an answer takes {facts.delay:.1f} seconds", "")
    if abs(facts.ahead) > SKEW + facts.delay:
        yield Check("clock", "warn", skew(facts.ahead), "start its ntp or chrony")
    checks = target.machine.checks(settings)
    yield from checks
    if not any(check.verdict == "fail" for check in checks):
        yield from _of_manager(target)


def _of_cluster(target: Target) -> Check:
    """Of who has no machine, whether it answers is all there is to know."""
    try:
        report = target.report().report
    except SjsError as error:
        return Check("answer", "fail", error.message, error.hint)
    return Check("answer", "ok", f"{report.running} running, {report.queued} waiting")


def _of_manager(target: Target) -> Iterator[Check]:
    """Over a second session, while the first one is open: a server may allow only one."""
    try:
        status = target.report()
    except (NoManager, NoQueue):
        return  # the machine has said so
    except SjsError as error:
        yield Check("sessions", "fail", error.message, error.hint)
        return
    if status.trouble:
        yield Check("manager", "fail", f"nothing starts: {status.trouble}", "")
    for is_so, word in ((status.drained, "undrain"), (status.paused, "resume")):
        if is_so:
            yield Check("manager", "warn", f"nothing starts until `{word}`", word)
    if is_suspicious(status.report.health):
        yield Check("health", "warn", told(status.report.health), "mend it, and `undrain`: `any` may pass it over")
    if is_older(status.version, __version__):
        yield Check("manager", "warn", f"sjs {status.version}, and this is {__version__}", "`upgrade`; jobs run on")


def _show(out: Output, name: str, found: Sequence[Check]) -> None:
    if out.json:
        for check in found:
            out.record(name, {"check": check.name, "verdict": check.verdict, "found": check.found, "mend": check.mend})
        return
    rows = [
        (check.name, check.verdict, printable(check.found + (f" ({check.mend})" if check.mend else "")))
        for check in found
    ]
    for line in columns(rows):
        out.line(name, line)
