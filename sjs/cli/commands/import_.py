"""The verb import."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import click

from sjs.cli import ids
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.queue_file import Contents, QueueFile, Renumbering
from sjs.core.job import Range, Spec, ranges
from sjs.core.lifecycle import PENDING
from sjs.errors import SjsError
from sjs.fitting import Fitting
from sjs.protocols import Target
from sjs.values import dataclass, field


@dataclass
class Imported:
    """New ids: of all, and of those that are held because of whom they wait for. `repeated`: how many had them."""

    jobs: list[Range] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    repeated: int = 0


@verb("import")
@click.argument("path", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only say what would be handed in.")
def import_jobs(call: Call, path: str, dry_run: bool) -> int:
    """Hand in what `export` wrote; FILE is '-' for stdin. Held jobs are held, and who waits for another one waits for
    it, by its new id. The same file again brings nothing twice, and goes on where it was interrupted.

    Paths are taken as they are written. What ran or had ended is left out; who waits for such a job is held, for
    nobody here could tell it how that one ends: `release` it when you know.

    \b
    Let another machine do the rest:
      submit gpu1 export --hold | submit gpu2 import -
    """
    choice = call.one()
    with QueueFile(path) as file:
        contents = file.contents
        if dry_run:
            _show_plan(call.output(choice), choice.managers[0].name, contents)
            return 0

        def show(out: Output, name: str, found: Imported) -> None:
            _show(out, name, found, contents)

        def work(target: Target) -> Imported:
            Fitting(choice.managers).refuse(target.name, (entry.spec for entry in file.entries()))
            return _imported(target, file)

        return fan_out(call, work, show, choice, start="start")


def _imported(target: Target, file: QueueFile) -> Imported:
    from sjs.targets.chunks import chunks

    found = Imported()
    numbers = Renumbering()
    waiting: deque[int] = deque()

    def specs() -> Iterator[Spec]:
        for entry in file.entries():
            waiting.append(entry.id)
            yield entry.spec

    try:
        for number, piece in enumerate(chunks(specs())):
            old = [waiting.popleft() for _ in piece]
            placed, lonely = _placed(piece, old, numbers)
            bases = {spec.env_base for spec in placed if spec.env_base}
            envs = {base: file.contents.environments[base] for base in sorted(bases)}
            target.post(f"{file.contents.key}/{number}", placed, again=True, envs=envs)
            accepted = target.collect()
            numbers.add(old, accepted.first)
            found.jobs += accepted.ranges
            found.held += [accepted.first + index for index in lonely]
            found.repeated += accepted.count * accepted.repeated
    except SjsError as error:
        count = ids.count(found.jobs)
        message = f"{error.message}; {count} of {file.contents.count} are imported, and the same command goes on there"
        raise type(error)(message if count else error.message, error.hint) from None
    return found


def _placed(piece: Sequence[Spec], old: Sequence[int], numbers: Renumbering) -> tuple[list[Spec], list[int]]:
    """Jobs of one request, waiting for whom they do by their new ids; and which of them had to be held."""
    placed: list[Spec] = []
    lonely: list[int] = []
    for index, spec in enumerate(piece):
        after, is_lonely = numbers.after(spec.after, old[:index]) if spec.after else ((), False)
        placed.append(spec.but(after=after, hold=spec.hold or is_lonely))
        if is_lonely:
            lonely.append(index)
    return placed, lonely


def _show(out: Output, name: str, found: Imported, contents: Contents) -> None:
    count = ids.count(found.jobs)
    left_out = sum(contents.states.values()) - count
    if out.json:
        held = [list(span) for span in ranges(found.held)]
        jobs = [list(span) for span in ids.merged(found.jobs)]
        out.record(name, {"imported": jobs, "repeated": found.repeated, "held": held, "left_out": left_out})
        return
    before = "" if not found.repeated else f"; {found.repeated} of them had been before"
    out.line(name, f"{count} imported ({ids.text(found.jobs)}){before}" if count else "no job to import")
    _tell_rest(out, name, found.held, left_out)


def _show_plan(out: Output, name: str, contents: Contents) -> None:
    states = {state: contents.states[state] for state in PENDING if contents.states[state]}
    left_out = sum(contents.states.values()) - contents.count
    if out.json:
        lonely = [list(span) for span in ranges(contents.lonely)]
        out.record(name, {"would_import": contents.count, "counts": states, "held": lonely, "left_out": left_out})
        return
    parts = ", ".join(f"{count} {state}" for state, count in states.items())
    out.line(name, f"{contents.count} would be imported: {parts}" if parts else "no job to import")
    _tell_rest(out, name, contents.lonely, left_out)


def _tell_rest(out: Output, name: str, held: Sequence[int], left_out: int) -> None:
    if held:
        out.notice(name, f"held, because they wait for jobs that are not handed in: {ids.text(ranges(held))}")
    if left_out:
        out.notice(name, f"{left_out} that ran or had ended left out")
