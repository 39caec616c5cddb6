"""Where the jobs of one command come from: options, a file with one a line, or stdin. Streamed, never held at once."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from types import TracebackType
from typing import BinaryIO

from sjs import spec_json
from sjs.core.job import FAIL, MAX_COMMAND_BYTES, Spec
from sjs.errors import BadRequest, UsageError

LONGEST = MAX_COMMAND_BYTES + 3  # one character too many, and "\r\n"


class Source:
    """Jobs. Opened, a file has been read through once: what is wrong in it is known before anything is sent."""

    def __init__(self, commands: Sequence[str], path: str | None, argv: Sequence[str]) -> None:
        if argv and (commands or path):
            raise UsageError("a command after -- goes alone", "without --command and --command-file")
        if not (argv or commands or path):
            raise UsageError("which job?", "--command TEXT, --command-file FILE, or -- and a command")
        self.path = path
        self._given = [Spec(argv=tuple(argv))] if argv else [Spec(command=text) for text in commands]
        self._stack = ExitStack()
        self._stream: BinaryIO | None = None
        self._file = ""
        for spec in self._given:
            _check(spec, "--command" if commands else "--")

    @property
    def is_one(self) -> bool:
        """Whether it is exactly one job for sure."""
        return self.path is None and len(self._given) == 1

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
            with tempfile.NamedTemporaryFile(prefix="sjs-", delete=False) as copy:
                self._stack.callback(os.unlink, copy.name)
                shutil.copyfileobj(self._stream, copy)
            self._stream, self._file = None, copy.name
            self._read_through()

    def chunks(self, cwd: str | None, on_lost: str = FAIL) -> Iterator[list[Spec]]:
        """The jobs in pieces that one request may carry."""
        from sjs.targets.daemon_client import chunks

        given = chain(self._given, (Spec(command=text) for text in self._texts()))
        return chunks(Spec(spec.command, spec.argv, cwd, on_lost) for spec in given)

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
        for _ in self._texts():
            pass

    def _texts(self) -> Iterator[str]:
        if self._stream is not None:
            yield from self._lines(self._stream)
        elif self._file:
            with _opened(self._file) as stream:
                yield from self._lines(stream)

    def _lines(self, stream: BinaryIO) -> Iterator[str]:
        """A job a line; bytes that are not UTF-8 stay what they are."""
        number = 0
        while line := stream.readline(LONGEST):
            number += 1
            text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
            if number == 1:
                text = text.removeprefix("\ufeff")
            start = text.lstrip()
            if start and not start.startswith("#"):
                if "\0" in text or len(line) > MAX_COMMAND_BYTES:
                    _check(Spec(command=text), f"{'stdin' if self.path == '-' else self.path}:{number}")
                yield text


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
