"""The verb results: what came out of a sweep, wherever its jobs ran."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import click

from sjs.answers import SweepCounts
from sjs.cli import kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.sweeps import result_text
from sjs.cli.sweeps.best import best_text
from sjs.cli.text import columns as lines_of
from sjs.cli.text import printable
from sjs.core.aims import Aim
from sjs.core.lifecycle import MOVED, STATES
from sjs.errors import Refused, UnknownJob, UsageError
from sjs.results.rows import Page, pages
from sjs.results.table import FIXED, Columns, Order, Table, columns
from sjs.routing import Fleet

WIDE = 12
"""Columns beyond which a table for people is cut; CSV has all."""


@verb("results")
@click.argument("sweep", required=False)
@click.option("--best", "aim", type=kinds.AIM, metavar="AIM", help="min:loss or max:acc: the best comes first.")
@click.option("--sort", "key", metavar="KEY", help="By this column, the least first; -KEY: the most.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the first N.")
@click.option("--columns", "names", metavar="A,B", help="Only these parameters and metrics, in this order.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be given repeatedly."
)
@click.option(
    "--metric",
    "pattern",
    type=kinds.PATTERN,
    metavar="REGEX",
    help="What finds numbers in an output: '(?P<loss>[0-9.]+) of', or '(?P<name>[a-z]+) -> (?P<value>[0-9.]+)'.",
)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, with all columns.")
@click.option("--plot", "picture", metavar="FILE", help="Draw it as well: loss.png, or - for the terminal.")
def results(
    call: Call,
    sweep: str | None,
    aim: Aim | None,
    key: str | None,
    top: int | None,
    names: str | None,
    states: tuple[str, ...],
    pattern: str | None,
    as_csv: bool,
    picture: str | None,
) -> int:
    """What came out of a sweep: parameters, state, time and metrics of its jobs, of all targets in one table. Without
    SWEEP: which sweeps there are.

    Metrics are the last numbers that a job has printed: `loss=0.12`, `acc: 91%`, {"loss": 0.12}, as training scripts
    do; and those of the object in $SJS_JOB_DIR/result.json, if it has left one, which count most. A job that runs shows
    what it has so far. nan and inf never win, nor does who failed.

    \b
    Which setting is the best, and what it depends on:
      submit all results lr-3f9a1c --best min:loss --top 10
      submit all results lr-3f9a1c --best max:val.acc --plot acc.png
      submit all results lr-3f9a1c --csv > results.csv
    """
    if sweep is None:
        return _sweeps(call)
    if call.json and as_csv:
        raise UsageError("--json and --csv", "say one of them")
    if picture == "-" and (call.json or as_csv):
        raise UsageError("--plot - and what a program reads would be one text", "name a file: --plot loss.png")
    wanted = [name for name in (names or "").split(",") if name]
    order = Order(aim, (key or "").removeprefix("-"), (key or "").startswith("-"), top or 0)
    streams = call.json and order == Order() and not picture
    table = Table(order)
    choice = call.choice()
    out = call.output(choice)
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        away: set[str] = set()
        for page in _arriving(fleet, out, away, sweep, states, pattern):
            if streams:
                for row in page.rows:
                    table.seen += 1
                    out.record(row.target, result_text.record(sweep, row, wanted))
            else:
                table.add(page.rows)
    if not table.seen and len(away) == len(choice.managers):
        return out.finish()
    if not table.seen:
        error = UnknownJob(f"no job of a sweep '{sweep}'", "without a name, `results` says which sweeps there are")
        if not away:
            raise error
        out.failed(call.word, error)
        return out.finish()
    if not streams:
        _show(out, sweep, table, order, wanted, as_csv)
    status = _tell_best(out, table, aim) if aim is not None else 0
    if picture:
        _draw(out, table, order, sweep, picture)
    return out.finish() or status


def _arriving(
    fleet: Fleet, out: Output, away: set[str], sweep: str, states: Sequence[str], pattern: str | None
) -> Iterator[Page]:
    """The rows of all as they come; who has failed is said and noted as `away`, and the others are heard on."""
    for answers in fleet.stream(lambda target: pages(target, sweep, states, pattern)):
        for answer in answers:
            if answer.error is not None:
                out.failed(answer.name, answer.error)
                away.add(answer.name)
            elif answer.value is not None:
                for trouble in answer.value.troubles:
                    out.notice(answer.name, trouble)
                yield answer.value
    for name in fleet.managers:
        if name not in away:
            out.succeeded(name)


def _show(out: Output, sweep: str, table: Table, order: Order, wanted: Sequence[str], as_csv: bool) -> None:
    rows = table.rows
    there = columns(rows)
    _check_key(order.key, there)
    if out.json:
        for row in rows:
            out.record(row.target, result_text.record(sweep, row, wanted))
        return
    names = there.chosen(wanted)
    if as_csv:
        result_text.write_csv(rows, names)
        return
    for line in result_text.table(rows, names if wanted else _fitting(names, there, order)):
        sys.stdout.write(f"{line}\n")
    if not wanted and len(names) > WIDE:
        out.notice("results", f"{len(names) - WIDE} more columns: --columns A,B, or --csv")


def _fitting(names: Sequence[str], there: Columns, order: Order) -> Sequence[str]:
    """The first columns, and what it is about."""
    aimed = [name for name in (order.aim.metric if order.aim else "", order.key) if name in names]
    first = [name for name in names if name not in aimed][: max(0, WIDE - len(set(aimed)))]
    return [name for name in names if name in first or name in aimed]


def _check_key(key: str, there: Columns) -> None:
    if key and key not in FIXED:
        there.chosen([key])


def _draw(out: Output, table: Table, order: Order, sweep: str, path: str) -> None:
    from sjs.cli.sweeps import plots

    rows = table.rows
    try:
        said = plots.draw(plots.plot_of(rows, columns(rows), order.aim, order.key), sweep, path)
        if said:
            out.notice("results", said)
    except (Refused, UsageError) as error:
        out.failed("results", error)


def _tell_best(out: Output, table: Table, aim: Aim) -> int:
    best = table.best
    if best is not None:
        out.notice("results", best_text(best, aim))
        return 0
    known = columns(table.rows).metrics
    what = f"they have {', '.join(known)}" if known and aim.metric not in known else "of those that have not failed"
    out.failed("results", UnknownJob(f"no job has a number as its '{aim.metric}'", what))
    return 1


def _sweeps(call: Call) -> int:
    """The sweeps that there are, with the jobs of all targets together."""
    found: dict[str, dict[str, int]] = {}
    began: dict[str, float] = {}

    def take(out: Output, name: str, sweeps: Sequence[SweepCounts]) -> None:
        for one in sweeps:
            counts = found.setdefault(one.name, {})
            for state, count in one.counts.items():
                if state != MOVED:
                    counts[state] = counts.get(state, 0) + count
            if one.began is not None:
                began[one.name] = min(one.began, began.get(one.name, one.began))

    status = fan_out(call, lambda target: target.sweeps(), take)
    newest = sorted(found, key=lambda name: (-began.get(name, 0.0), name))
    if call.json:
        for name in newest:
            record = {"sweep": name, "jobs": sum(found[name].values()), "counts": found[name]}
            Output(False, True).record(call.word, {**record, "began": began.get(name)})
        return status
    now = time.time()
    head = ["SWEEP", "JOBS", "AGE", "STATES"]
    body = [[printable(name), *result_text.summary(found[name], began.get(name), now)] for name in newest]
    for line in lines_of([head, *body]):
        sys.stdout.write(f"{line}\n")
    return status
