"""Where the jobs of one command come from: options, a file with one a line, or stdin. Streamed, never held at once."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import chain, starmap
from types import TracebackType
from typing import BinaryIO

from sjs import spec_json
from sjs.cli.options import names_last, on_line, with_last
from sjs.core.job import MAX_COMMAND_BYTES, Spec
from sjs.errors import BadRequest, UsageError
from sjs.fitting import Fitting
from sjs.routing import Choice
from sjs.values import replace

LONGEST = MAX_COMMAND_BYTES + 3  # one character too many, and "\r\n"

_OPTIONS = re.compile(r"\s#SJS(?:\s+(.*))?$", re.DOTALL)
"""What stands behind a command of a file for this job alone."""

Place = Callable[[str | None], str | None]
"""Gives the folder of a job on its target."""


USUAL = Spec()


class Source:
    """Jobs, each with what `base` says of all. Opened, a file has been read through once: what is wrong in it is known
    before anything is sent. `check` refuses those that are not for the targets of this command."""

    def __init__(
        self,
        commands: Sequence[str],
        path: str | None,
        argv: Sequence[str],
        base: Spec = USUAL,
        check: Callable[[Spec], None] = lambda spec: None,
    ) -> None:
        if argv and (commands or path):
            raise UsageError("a command after -- goes alone", "without --command and --command-file")
        if not (argv or commands or path):
            raise UsageError("which job?", "--command TEXT, --command-file FILE, or -- and a command")
        self.path = path
        self._base = base
        self._check = check
        self._given = [replace(base, argv=tuple(argv))] if argv else [replace(base, command=text) for text in commands]
        self._stack = ExitStack()
        self._stream: BinaryIO | None = None
        self._file = ""
        for spec in self._given:
            _check(with_last(spec, 0), "--command" if commands else "--")
        check(base)

    @property
    def is_one(self) -> bool:
        """Whether it is exactly one job for sure."""
        return self.path is None and len(self._given) == 1

    @property
    def has_snapshot(self) -> bool:
        """Whether they run in copies of a tree."""
        return self._base.snapshot is not None

    @property
    def names_last(self) -> bool:
        """Whether they wait for the newest job of their queue: then `wait_for` says which that is."""
        return names_last(self._base)

    def wait_for(self, newest: int) -> None:
        """From now on, this is the newest job."""
        self._base = with_last(self._base, newest)
        self._given = [with_last(spec, newest) for spec in self._given]

    def __enter__(self) -> Source:
        if self.path is not None:
            with self._stack:  # closes what was opened, unless all went well
                self._open(self.path)
                self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def share(self, readers: int) -> None:
        """Be ready for so many readers; what can be read only once is put into a file of its own."""
        if readers > 1 and self._stream is not None:
            import shutil
            import tempfile

            with tempfile.NamedTemporaryFile(prefix="sjs-", delete=False) as copy:
                self._stack.callback(os.unlink, copy.name)
                shutil.copyfileobj(self._stream, copy)
            self._stream, self._file = None, copy.name
            self._read_through()

    def chunks(self, place: Place) -> Iterator[list[Spec]]:
        """The jobs in pieces that one request may carry."""
        from sjs.targets.chunks import chunks

        at = cache(place)  # most jobs of a command have the same
        return chunks(spec.but(cwd=at(spec.cwd)) for spec in chain(self._given, self._specs()))

    def _open(self, path: str) -> None:
        if path == "-":
            self._stream = sys.stdin.buffer
            return
        stream = self._stack.enter_context(_opened(path))
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            self._file = path
            self._read_through()
        else:
            self._stream = stream

    def _read_through(self) -> None:
        for number, text in self._lines():
            if "#SJS" in text:
                self._spec(number, text)

    def _specs(self) -> Iterator[Spec]:
        return starmap(self._spec, self._lines())

    def _lines(self) -> Iterator[tuple[int, str]]:
        """The lines that are jobs, and their numbers."""
        if self._stream is not None:
            yield from self._lines_of(self._stream)
        elif self._file:
            with _opened(self._file) as stream:
                yield from self._lines_of(stream)

    def _lines_of(self, stream: BinaryIO) -> Iterator[tuple[int, str]]:
        """Bytes that are not UTF-8 stay what they are."""
        number = 0
        while line := stream.readline(LONGEST):
            number += 1
            text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
            if number == 1:
                text = text.removeprefix("\ufeff")
            start = text.lstrip()
            if start and not start.startswith("#"):
                if "\0" in text or len(line) > MAX_COMMAND_BYTES:
                    _check(Spec(command=text), self._place(number))
                yield number, text

    def _place(self, number: int) -> str:
        return f"{'stdin' if self.path == '-' else self.path}:{number}"

    def _spec(self, number: int, text: str) -> Spec:
        found = _OPTIONS.search(text) if "#SJS" in text else None
        if found is None:
            return self._base.but(command=text)
        try:
            spec = on_line(self._base, found[1] or "")
            self._check(spec)
        except UsageError as error:
            raise UsageError(f"{self._place(number)}: {error.message}", error.hint) from None
        return spec.but(command=text[: found.start()])


def checked_for(choice: Choice) -> Callable[[Spec], None]:
    """What refuses a job that is not for these targets: ids are each queue's own, and some can never run some jobs."""
    fitting = Fitting(choice.managers)

    def check(spec: Spec) -> None:
        if spec.after and choice.named:
            raise UsageError("--after is for one target that is named", "a job goes where those are that it waits for")
        fitting.check(spec)

    return check


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _check(spec: Spec, where: str) -> None:
    """Refuse here what every manager would refuse."""
    try:
        spec_json.from_wire(spec_json.to_wire(spec))
    except BadRequest as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from None
    if spec.command is not None and not spec.command.strip():
        raise UsageError(f"{where}: there is nothing in it")
