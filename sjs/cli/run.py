"""The verb run: a command on machines now, whatever is queued there."""

from __future__ import annotations

import json
import sys

import click

from sjs.cli.common import Call, verb
from sjs.cli.output import Output, flush
from sjs.cli.text import Tamer, signal_name
from sjs.cli.wait import MANY
from sjs.core.job import Report
from sjs.errors import NoManager, NoQueue, Refused, UsageError
from sjs.protocols import Exit, Piece, Target
from sjs.routing import Fleet


@verb("run")
@click.option("--command", "text", metavar="TEXT", help="Text for /bin/sh.")
@click.option("--when-idle", is_flag=True, help="Only where no job runs.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGV...]")
def run(call: Call, text: str | None, when_idle: bool, argv: tuple[str, ...]) -> int:
    """Run a command in each project_root now, beside the queue, and show what it prints.

    It is given no slot, and it ends when this command does. The exit status is its own, or of several targets how many
    it failed on.

    \b
    What runs on the GPUs there:
      submit all run -- nvidia-smi
    Get the newest code, unless somebody computes with the old one:
      submit all run --when-idle --command 'git pull && make'
    """
    if (text is None) == (not argv):
        raise UsageError("run what?", "shell text: --command 'make'; a plain command: -- make")
    wanted = ["/bin/sh", "-c", text] if text is not None else list(argv)
    choice = call.choice()
    out = call.output(choice)
    ends: list[Exit] = []
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        for answer in fleet.ask(lambda target: _run(target, wanted, when_idle, out)):
            if answer.value is not None:
                out.succeeded(answer.name)
                ends.append(answer.value)
                _tell(out, answer.name, answer.value)
            elif answer.error is not None:
                out.failed(answer.name, answer.error)
    if len(fleet.managers) == 1 and ends:
        return 128 + ends[0].signal if ends[0].signal else ends[0].status or 0
    return out.finish() or min(MANY, sum(one != Exit(0) for one in ends))


def _run(target: Target, argv: list[str], when_idle: bool, out: Output) -> Exit:
    if when_idle:
        _refuse_if_busy(target)
    shown = {"out": Shown(out, target.name, "out"), "err": Shown(out, target.name, "err")}
    for said in target.machine.run(argv):
        if isinstance(said, Exit):
            for one in shown.values():
                one.end()
            return said
        shown[said.stream].take(said)
    raise AssertionError("a command that does not end")


def _refuse_if_busy(target: Target) -> None:
    try:
        report: Report = target.report().report
    except (NoManager, NoQueue):
        return
    if report.running:
        raise Refused(f"{report.running} job(s) running", "say it without --when-idle, or wait for them")


class Shown:
    """One of a command's outputs: as it comes, or where several machines speak, whole lines with their names."""

    def __init__(self, out: Output, name: str, stream: str) -> None:
        self._out = out
        self._name = name
        self._stream = stream
        self._to = sys.stdout if stream == "out" or out.json else sys.stderr
        self._tamer = Tamer() if self._to.isatty() else None
        self._rest = b""

    def take(self, piece: Piece) -> None:
        """Show what has come."""
        data = self._tamer.feed(piece.data) if self._tamer else piece.data
        if self._out.named or self._out.json:
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._write(b"".join(self._line(line) for line in lines))
        else:
            self._write(data)

    def end(self) -> None:
        """Show what is left."""
        if self._rest:
            self._write(self._line(self._rest))

    def _line(self, line: bytes) -> bytes:
        if self._out.json:
            body = {"target": self._name, "stream": self._stream, "line": line.decode("utf-8", "replace")}
            return json.dumps(body).encode() + b"\n"
        return f"[{self._name}] ".encode() + line + b"\n"

    def _write(self, data: bytes) -> None:
        if data:
            flush()
            self._to.buffer.write(data)
            self._to.buffer.flush()


def _tell(out: Output, name: str, end: Exit) -> None:
    if out.json:
        out.record(name, {"exit": end.status, "signal": end.signal})
    elif end.signal is not None:
        out.notice(name, f"ended by signal {signal_name(end.signal)}")
    elif end.status and out.named:
        out.notice(name, f"exit status {end.status}")
