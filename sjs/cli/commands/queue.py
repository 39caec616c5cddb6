"""The verb queue: what all users have where jobs run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sjs.answers import Occupancy, Occupied
from sjs.cli.commands.look import newest_jobs, show_jobs
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.text import columns, printable
from sjs.config import Manager
from sjs.core.job import Job
from sjs.core.quantities import size_text
from sjs.protocols import Target
from sjs.targets.slurm import SLURM


@verb("queue")
def queue(call: Call) -> int:
    """What all users of a cluster have in it that has not ended, by flavor or partition, and by what is asked for. Of
    a machine, whose queue is one's own, the same as `list`.

    MINE are those of the entry's namespace, or login. CPU, MEMORY and each kind of GPU are what one job asks for. Who
    may not look at all namespaces is shown the own one, and told so.
    """
    choice = call.choice()
    entries = {one.name: one for one in choice.managers}
    return fan_out(call, lambda target: _found(target, entries[target.name]), _show, choice)


def _found(target: Target, entry: Manager) -> Occupancy | Sequence[Job]:
    if not entry.has_machine:
        return target.cluster.queue()
    return target.machine.slurm_queue() if entry.kind == SLURM else list(newest_jobs(target))


def _show(out: Output, name: str, found: Occupancy | Iterable[Job]) -> None:
    if isinstance(found, Occupancy):
        _show_queue(out, name, found)
    else:
        show_jobs(out, name, found)


def _show_queue(out: Output, name: str, found: Occupancy) -> None:
    if found.notice:
        out.notice(name, found.notice)
    if found.alone:
        out.notice(name, f"only namespace {found.alone}: you may not look at the jobs of others")
    if out.json:
        about = {key: said for key, said in (("updated", found.updated), ("namespace", found.alone)) if said}
        for row in found.rows:
            out.record(name, {(found.by if key == "flavor" else key): said for key, said in vars(row).items()} | about)
        return
    kinds = list(dict.fromkeys(kind for row in found.rows for kind in row.gpus))
    head = (found.by.upper(), "JOBS", "MINE", "RUNNING", "CPU", "MEMORY", *map(printable, kinds))
    rows = [[printable(cell) for cell in _occupied(row, kinds)] for row in found.rows]
    for line in columns([head, *rows]):
        out.line(name, line)
    if found.updated:
        out.notice(name, f"as of {found.updated}")


def _occupied(row: Occupied, kinds: Sequence[str]) -> Sequence[str]:
    return (
        row.flavor or "-",
        str(row.total),
        str(row.mine),
        "-" if row.running is None else str(row.running),
        f"{row.cpus:.4g}" if row.cpus else "-",
        size_text(row.mem) if row.mem else "-",
        *(str(row.gpus.get(kind) or "-") for kind in kinds),
    )
