"""Lines for a person or a program: data to stdout, notices to stderr, and what a fan-out came to."""

from __future__ import annotations

import json
import sys
from typing import Any

from sjs.cli.text import printable
from sjs.errors import NoManager, Refused, SjsError, UsageError, to_wire


class Output:
    """The lines of one command. `named`: several targets may answer, so each line says whose it is."""

    def __init__(self, named: bool, as_json: bool) -> None:
        self.named = named
        self.json = as_json
        self._well: list[str] = []
        self._refused: list[str] = []
        self._mistaken: list[str] = []
        self._unreachable: list[str] = []

    def line(self, name: str, text: str) -> None:
        """A line of data."""
        sys.stdout.write(f"[{name}] {text}\n" if self.named else f"{text}\n")

    def record(self, name: str, body: dict[str, Any]) -> None:
        """A JSON object that a program reads."""
        sys.stdout.write(json.dumps({"target": name, **body}) + "\n")

    def notice(self, name: str, text: str) -> None:
        """A line that is not data."""
        flush()
        sys.stderr.write(f"[{name}] {printable(text)}\n" if self.named else f"{printable(text)}\n")

    def succeeded(self, name: str) -> None:
        """This target did what was asked."""
        self._well.append(name)

    def failed(self, name: str, error: SjsError) -> None:
        """This target did not; says why."""
        if name in self._well:
            self._well.remove(name)
        if isinstance(error, Refused):
            self._refused.append(name)
        elif isinstance(error, UsageError):
            self._mistaken.append(name)
        else:
            self._unreachable.append(name)
        if self.json:
            self.record(name, {"error": to_wire(error)})
        flush()
        what, *more = error.hint.split("; ")
        is_to_start = isinstance(error, NoManager) and what.startswith("start it")
        hint = "; ".join([f"submit {name} start" if is_to_start else what, *more])
        sys.stderr.write(f"[{name}] error: {printable(error.message + (f' ({hint})' if hint else ''))}\n")

    def finish(self) -> int:
        """Sum up; the exit status."""
        flush()
        away = self._unreachable + self._mistaken
        if self.named and (self._refused or away):
            names = ", ".join(self._refused + away)
            counts = f"ok {len(self._well)}, failed {len(self._refused)}, unreachable {len(away)}"
            sys.stderr.write(f"{counts}: {names}\n")
        if self._mistaken and not self.named:
            return 2
        return 255 if away else 1 if self._refused else 0


def flush() -> None:
    """Let out what was written, so that both streams stay in order."""
    sys.stdout.flush()
