"""The verb upload: data that jobs need, put where they find it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from sjs.cli.common import Call, fan_out, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.cli.progress import Meter
from sjs.core.names import suggestion
from sjs.core.quantities import size_text
from sjs.errors import Refused, UsageError
from sjs.protocols import Target
from sjs.trees.tally import Tally


class Load(NamedTuple):
    """What is sent: how it is called, and where it lies here."""

    name: str
    path: str

    @property
    def base(self) -> str:
        """Its name there."""
        return os.path.basename(os.path.abspath(self.path))


class Sent(NamedTuple):
    """What became of it."""

    load: Load
    to: str
    tally: Tally


@verb("upload")
@click.argument("names", nargs=-1, metavar="[NAMES...]")
@click.option("--dataset", "more", multiple=True, metavar="NAME", help="The same as NAMES; all is all of them.")
@click.option("--from", "paths", multiple=True, metavar="PATH", help="A file or folder of here instead; any number.")
@click.option("--to", metavar="DIR", help="The folder there; by default the target's datadir.")
@click.option("--delete", is_flag=True, help="Then remove, in what was sent, all that is there and not here.")
@click.option("--dry-run", is_flag=True, help="Send and remove nothing; say what would be.")
def upload(
    call: Call,
    names: tuple[str, ...],
    more: tuple[str, ...],
    paths: tuple[str, ...],
    to: str | None,
    delete: bool,
    dry_run: bool,
) -> int:
    """Send data sets, `deployment.datasets` of config.yaml, to the datadir of each target: all, or those named. Each
    gets the name there that its file or folder has here.

    What is there already, of the same size and time, is not sent again. Links are sent as links. A file is seen under
    its name once all of it is there; what was interrupted goes on where it stopped when the same is typed again. A
    relative DIR is below project_root, ~ is the home folder there.

    \b
    Make a folder the same as here, on all machines:
      submit all upload --from models --to ~/models --delete
    """
    loads = _loads(call, [*names, *more], paths)
    choice = machines(call, "upload")
    meter = Meter(not call.json)
    places = {one.name: to or one.datadir for one in choice.managers}

    def work(target: Target) -> Sequence[Sent]:
        if not places[target.name]:
            raise UsageError("has no datadir", "write one into config.yaml, or say --to DIR")
        try:
            return list(_sent(target, loads, places[target.name], meter, delete, dry_run))
        finally:
            meter.clear()

    def show(out: Output, name: str, found: Sequence[Sent]) -> None:
        for sent in found:
            _show(out, name, sent, dry_run)
        left_out = sum(sent.tally.left_out for sent in found)
        if left_out:
            raise Refused(f"{left_out} left out, all else is there")

    return fan_out(call, work, show, choice)


def _loads(call: Call, names: Sequence[str], paths: Sequence[str]) -> Sequence[Load]:
    if paths and names:
        raise UsageError("names of data sets and --from", "give one of them")
    known = call.config().deployment.datasets
    wanted = known if not names or "all" in names else names
    for name in wanted:
        if name not in known:
            hint = f"there are: {', '.join(known)}" if known else "there are none in deployment.datasets of config.yaml"
            raise UsageError(f"no data set '{name}'{suggestion(name, list(known))}", hint)
    loads = [Load(path, path) for path in paths] or [Load(name, known[name]) for name in dict.fromkeys(wanted)]
    if not loads:
        raise UsageError("upload what?", "name data sets under deployment.datasets in config.yaml, or say --from PATH")
    bases: dict[str, str] = {}
    for load in loads:
        if not os.path.exists(load.path):
            raise UsageError(f"{load.name}: nothing is at {load.path}")
        if bases.setdefault(load.base, load.name) != load.name:
            raise UsageError(
                f"{bases[load.base]} and {load.name} would both be {load.base} there", "send one elsewhere"
            )
    return loads


def _sent(target: Target, loads: Sequence[Load], to: str, meter: Meter, delete: bool, dry_run: bool) -> Iterator[Sent]:
    for load in loads:
        yield Sent(load, to, target.machine.send(load.path, to, meter.add, delete, dry_run))


def _show(out: Output, name: str, sent: Sent, dry_run: bool) -> None:
    load, to, tally = sent
    if out.json:
        where = {"dataset": load.name, "from": load.path, "to": os.path.join(to, load.base), "dry_run": dry_run}
        out.record(name, {**where, **vars(tally)})
    else:
        out.line(name, f"{load.name}: {summary(tally, 'would be sent' if dry_run else 'sent', dry_run)}")
    for trouble in tally.troubles:
        out.notice(name, f"left out: {trouble}")


def summary(tally: Tally, went: str, dry_run: bool = False) -> str:
    """What became of files, in a line."""
    removed = f", {tally.removed} {'would be ' if dry_run else ''}removed" if tally.removed else ""
    resumed = f", {size_text(tally.resumed)} had come before" if tally.resumed else ""
    files = f"{tally.files} file{'' if tally.files == 1 else 's'} {went} ({size_text(tally.bytes)})"
    return f"{files}, {tally.same} as they were{resumed}{removed}"
