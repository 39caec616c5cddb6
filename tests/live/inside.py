"""`submit` in this process, where its imports are made once: they take ten times as long as what most commands do.

For tests of what comes of commands. That they start, and what becomes of them when they are killed, interrupted or
traced, others show, who start them.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import patch

from sjs.cli.main import run
from tests.live.test_cli import Person

Done = subprocess.CompletedProcess[bytes]


class Insider(Person):
    """A person whose commands run in this process, unless something is to happen to them."""

    def types(self, line: str, before: Sequence[str] = (), **more: Any) -> Done:
        if before or more:
            return super().types(line, before, **more)
        return typed(shlex.split(line), self.home, self.environment)


def typed(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Done:
    """One command, as somebody types it in that folder, and what it wrote and came to."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        patch.dict(os.environ, environment, clear=True),
    ):
        with _standing_in(folder), _going_to(out, 1, "stdout"), _going_to(err, 2, "stderr"):
            status = run("submit", words)
        return subprocess.CompletedProcess(["submit", *words], status, _all_of(out), _all_of(err))


@contextlib.contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    usual = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(usual)


@contextlib.contextmanager
def _going_to(file: BinaryIO, fd: int, name: str) -> Iterator[None]:
    """What is written there, by whatever way and by whichever child, is written to the file."""
    usual, kept = getattr(sys, name), os.dup(fd)
    usual.flush()
    os.dup2(file.fileno(), fd)
    stream = open(fd, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 (closed below)
    setattr(sys, name, stream)
    try:
        yield
    finally:
        stream.close()
        setattr(sys, name, usual)
        os.dup2(kept, fd)
        os.close(kept)


def _all_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
