"""The jobs of a sweep: made of what was typed and of its file, and shown."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from sjs import spec_json
from sjs.cli.output import Output
from sjs.cli.text import printable
from sjs.errors import BadRequest, UsageError
from sjs.making.grid import Rows, settings
from sjs.making.parameters import Parameter
from sjs.making.sweep import Command, Sweep, default_name
from sjs.making.sweep_file import SweepFile
from sjs.making.tables import table
from sjs.making.words import command_and_sources
from sjs.values import dataclass


@dataclass(frozen=True)
class Typed:
    """What was typed of a sweep; what was not is empty, or None."""

    name: str | None = None
    text: str | None = None
    words: Sequence[str] = ()
    parameters: Sequence[Parameter] = ()
    table: str | None = None
    samples: int | None = None
    seed: int | None = None


class Inputs:
    """The files that are named; of what can be read only once, stdin or a pipe, a copy."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._copies: dict[str, str] = {}

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def find(self, path: str) -> tuple[str, str]:
        """Where a file lies that was named, and what it is called: `-` is stdin."""
        if path != "-" and (os.path.isfile(path) or not os.path.exists(path)):
            return path, path
        if path not in self._copies:
            copy = self._stack.enter_context(tempfile.NamedTemporaryFile(prefix="sjs-"))  # noqa: SIM115
            with ExitStack() as stack:
                source = sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb"))
                shutil.copyfileobj(source, copy)
            copy.flush()
            self._copies[path] = copy.name
        return self._copies[path], "stdin" if path == "-" else path


def sweep_of(typed: Typed, file: SweepFile, inputs: Inputs) -> Sweep:
    """The sweep that is meant: what was typed counts more than what its file says."""
    words, sources = command_and_sources(typed.words, inputs.find)
    command = _command(typed.text, words, file)
    wanted = typed.table or file.table
    rows: list[Rows] = [] if wanted is None else [table(*inputs.find(wanted))]
    rows += _merged(file.parameters, typed.parameters)
    samples = file.samples if typed.samples is None else typed.samples
    found = settings([*rows, *sources], samples, (typed.seed if typed.seed is not None else file.seed) or 0)
    if sources and not command.template(found.names).has_places:
        command = command.with_values()
    name = typed.name or file.name or default_name(command, found)
    try:
        spec_json.sweep_name("name", name)
    except BadRequest as error:
        raise UsageError(f"'{printable(name)}' can be no name of a sweep", error.hint) from None
    return Sweep(name, command.template(found.names), found)


def _command(text: str | None, words: Sequence[str], file: SweepFile) -> Command:
    if text is not None and words:
        raise UsageError("a command after -- goes alone", "without --command")
    if text is not None:
        return Command([text], is_text=True)
    if words:
        return Command(words, is_text=len(words) == 1)
    if file.text is not None:
        return Command([file.text], is_text=True)
    if not file.argv:
        raise UsageError("which command?", "it stands behind --, as: -p lr 0.1 0.01 -- python train.py --lr {lr}")
    return Command(file.argv, is_text=False)


def _merged(first: Sequence[Parameter], then: Sequence[Parameter]) -> list[Parameter]:
    """Those of both; of one name, the latter in the place of the former."""
    typed = {one.name: one for one in then}
    if len(typed) < len(then):
        return [*first, *then]  # and whoever puts them together says which is there twice
    return [*(typed.pop(one.name, one) for one in first), *typed.values()]


def show(sweep: Sweep, out: Output) -> None:
    """Write what each job would run, a line each, as it could be typed; safely at a terminal."""
    is_seen = sys.stdout.isatty()
    for spec in sweep.specs():
        text = spec.command if spec.argv is None else shlex.join(spec.argv)
        if out.json and spec.task is not None:
            what = {"argv": spec.argv} if spec.argv is not None else {"command": spec.command}
            line = json.dumps({"number": spec.task.number, **what, "values": dict(spec.task.values)})
        else:
            line = printable(text or "") if is_seen else text or ""
        sys.stdout.buffer.write(os.fsencode(line) + b"\n")
