"""The verb logs."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from sjs.answers import Piece
from sjs.cli import ids, kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.tamer import Tamer
from sjs.errors import UsageError
from sjs.protocols import Target
from sjs.values import dataclass

APART = "stdout and stderr were written apart, so what is there already comes one after the other"
OLDER = "lines carry no times, so what it wrote before is shown, too"

MAX_HELD = 1 << 20
"""Bytes of a line without an end that are held back."""


@dataclass(frozen=True)
class Wish:
    """What of an output is to be seen."""

    follow: bool
    lines: int | None
    stream: str
    merged: bool
    since: float | None
    attempt: int | None


@verb("logs")
@click.argument("which", metavar="[ID]", required=False)
@ids.one_by_name
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("-n", "--lines", type=click.IntRange(0), metavar="LINES", help="Begin with the last so many lines.")
@click.option("--stderr", "errors", is_flag=True, help="What it wrote to stderr, instead of stdout.")
@click.option("--merged", is_flag=True, help="Both. For their order see above.")
@click.option(
    "--since",
    type=kinds.AGO,
    metavar="TIME",
    help="Nothing, if it has written nothing since: 2h (ago), 14:30. Else all of it, for lines carry no times.",
)
@click.option(
    "--attempt",
    type=click.IntRange(1),
    metavar="N",
    help="What this attempt printed, of those that `details` shows, as long as it is kept.",
)
@click.option("--raw", is_flag=True, help="Let escape sequences other than colours reach the terminal, too.")
def logs(
    call: Call,
    which: str | None,
    name: str | None,
    follow: bool,
    lines: int | None,
    errors: bool,
    merged: bool,
    since: float | None,
    attempt: int | None,
    raw: bool,
) -> int:
    """What a job printed. ID is a number or `last`. Into a pipe or a file the bytes go unchanged.

    Of a job that was tried more than once it is what the last attempt printed; in a Kubernetes cluster, what all of
    them did, one after the other, since it was handed in or somebody retried it.

    --merged shows stdout and stderr in the order in which they were written, if the job was handed in with
    --merge-output. Else that order was not kept: what is there comes one after the other, first stdout; with -f, what
    is new comes as it is written, line by line.
    """
    if errors and merged:
        raise UsageError("--stderr and --merged", "give one of them")
    if follow and attempt is not None:
        raise UsageError("--follow and --attempt", "-f alone goes on from the last attempt")
    wanted = ids.parse_one(which, name)
    wish = Wish(follow, lines, "err" if errors else "out", merged, since, attempt)
    tamer = None if raw or call.json or not sys.stdout.isatty() else Tamer()

    def copy(target: Target) -> None:
        job = wanted.one_on(target)
        for piece in pieces(target, job, wish, out):
            if call.json:
                text = piece.data.decode("utf-8", "replace")
                out.record(target.name, {"job_id": job, "stream": piece.stream, "text": text})
            else:
                _write(tamer.feed(piece.data) if tamer else piece.data)

    choice = call.one(wanted)
    out = call.output(choice)
    return fan_out(call, copy, lambda out, name, nothing: _write(tamer.rest() if tamer else b""), choice)


def pieces(target: Target, job: int, wish: Wish, out: Output) -> Iterator[Piece]:
    """What is to be seen, with a notice where that is not quite what was asked for."""
    told = target.details(job).job if wish.merged or wish.since is not None else None
    if told is None:
        return target.read(job, [wish.stream], wish.follow, wish.lines, attempt=wish.attempt)
    is_apart = wish.merged and not told.spec.merge
    if is_apart:
        out.notice(target.name, APART)
    found = target.read(
        job, ["out", "err"] if is_apart else [wish.stream], wish.follow, wish.lines, wish.since, wish.attempt
    )
    if wish.since is not None and (
        wish.attempt is not None or (told.started is not None and told.started < wish.since)
    ):
        found = _owning_up(found, target.name, out)
    return woven(found) if is_apart else found


def _owning_up(found: Iterator[Piece], name: str, out: Output) -> Iterator[Piece]:
    """The same, and a notice when it begins where it began before the time that is asked about."""
    is_said = False
    for piece in found:
        if piece.start == 0 and not is_said:
            out.notice(name, OLDER)
            is_said = True
        yield piece


def woven(found: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces of several streams, cut where lines end, so that no line is torn by another."""
    held: dict[str, bytes] = {}
    for piece in found:
        data = held.get(piece.stream, b"") + piece.data
        cut = data.rfind(b"\n") + 1 if len(data) < MAX_HELD else len(data)
        held[piece.stream] = data[cut:]
        if cut:
            yield Piece(piece.stream, data[:cut])
    for stream, data in held.items():
        if data:
            yield Piece(stream, data)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
