"""What --dry-run says: where each job would go, and why. Nothing is handed in, and nobody is started."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, groupby

from sjs.cli.output import Output
from sjs.cli.source import Source
from sjs.core import placement
from sjs.core.job import Report, Spec
from sjs.core.needs import Needs
from sjs.errors import Refused, SjsError, TooLarge, Unreachable
from sjs.protocols import Envs, Target
from sjs.routing import Fleet
from sjs.sharing import sharing


def rehearse_any(fleet: Fleet, source: Source, if_free: bool, out: Output) -> int:
    """As `any` would deal them now; of targets that are alike, chance chooses."""
    reports = fleet.reports()
    share_out = sharing(fleet, "", is_rehearsed=True)
    if not reports and fleet.overflow is None:
        raise Unreachable("no manager runs that could be asked", "without --dry-run one would be started")
    start = 0
    for chunk in source.chunks(lambda folder: folder):
        shares = share_out.shares(reports, chunk, if_free)
        known = {one.name: one for one in (*reports, *(share_out.spare if fleet.overflow is not None else ()))}
        for share in shares:
            report = known[share.target]
            _say(out, report, start + share.start, chunk[share.start : share.stop])
            count = share.stop - share.start
            reports = placement.after(reports, [(share.target, count)], chunk[share.start].needs)
        start += len(chunk)
    share_out.tell()
    return out.finish()


def rehearse_all(fleet: Fleet, source: Source, out: Output, envs: Envs) -> int:
    """Everything to everyone who was named. A cluster is asked itself what it would make of it."""
    source.share(2 * len(fleet.managers))
    for answer in fleet.ask(_report_of_machine):
        try:
            if answer.error is not None:
                raise answer.error
            fleet.fitting.refuse(answer.name, chain.from_iterable(source.chunks(lambda folder: folder)))
            if answer.value is not None:
                _rehearse_one(answer.value, source, out)
            else:
                _rehearse_in(fleet.target(answer.name), source, out, envs)
        except SjsError as error:
            out.failed(answer.name, error)
    return out.finish()


def _report_of_machine(target: Target) -> Report | None:
    try:
        _ = target.cluster
    except Refused:
        return target.report().report
    return None


def _rehearse_in(target: Target, source: Source, out: Output, envs: Envs) -> None:
    for chunk in source.chunks(lambda folder: folder):
        for one in target.cluster.rehearse(chunk, envs):
            if out.json:
                out.record(target.name, dict(one))
            else:
                out.line(target.name, json.dumps(one, indent=2))


def _rehearse_one(report: Report, source: Source, out: Output) -> None:
    start = 0
    for chunk in source.chunks(lambda folder: folder):
        for needs, run in groupby(chunk, key=lambda spec: spec.needs):
            specs = list(run)
            if not placement.can_hold(report, needs):
                raise TooLarge(f"it has not what job {start} of these needs", "ask for less")
            _say(out, report, start, specs)
            (report,) = placement.after([report], [(report.name, len(specs))], needs)
            start += len(specs)


def _say(out: Output, report: Report, start: int, specs: Sequence[Spec]) -> None:
    last = start + len(specs) - 1
    why = reason(report, len(specs), specs[0].needs)
    if out.json:
        out.record(report.name, {"jobs": [start, last], "why": why})
        return
    which = f"job {start}" if last == start else f"jobs {start}-{last}"
    out.line(report.name, f"{which} of these: {why}")


def reason(report: Report, count: int, needs: Needs) -> str:
    """Why they go there, or what they would wait for."""
    places = placement.places(report, needs, count)
    slots = f"{report.running} of {report.max_running} slots are taken, {report.queued} wait"
    if report.drained:
        return f"nothing starts there now; {slots}"
    if places >= count:
        return f"{'it' if count == 1 else 'all'} could start at once; {slots}"
    return f"{places} could start at once, the others would wait; {slots}" if places else f"would wait; {slots}"
