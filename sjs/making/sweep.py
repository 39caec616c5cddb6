"""A sweep: one command for many settings, and the jobs that this comes to."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from sjs import spec_json
from sjs.core.job import Spec, Task
from sjs.errors import BadRequest, UsageError
from sjs.making.grid import Product, Sample
from sjs.making.template import Template, argv_template, shell_template
from sjs.values import dataclass

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)
_INTERPRETER = re.compile(r"(?:python|perl|ruby|node|julia|Rscript|bash|sh|env|time|nice|srun)[0-9.]*")
_LONGEST_PROGRAM = 40
_CHECKED_FROM = 10_000
"""Characters from which on a command may be too long, in bytes, for a process."""


@dataclass(frozen=True)
class Command:
    """What a sweep runs, with its placeholders: one text for a shell, or words that meet none."""

    words: Sequence[str]
    is_text: bool

    def template(self, names: Sequence[str]) -> Template:
        """Ready to be filled in with values of these names."""
        return shell_template(self.words[0], names) if self.is_text else argv_template(self.words, names)

    def with_values(self) -> Command:
        """The same with all values behind it, as GNU parallel does where no place is named."""
        words = [f"{self.words[0]} {{}}"] if self.is_text else [*self.words, "{}"]
        return Command(words, self.is_text)


@dataclass(frozen=True)
class Sweep:
    """All jobs of a sweep, which can be made again and again, always the same and in the same order."""

    name: str
    template: Template
    settings: Product | Sample
    base: Spec = Spec()
    """What all of them are told."""

    @property
    def count(self) -> int | None:
        """How many there are; None where nobody knows before they have been made."""
        return self.settings.count

    def specs(self) -> Iterator[Spec]:
        """The jobs, one after the other."""
        names = tuple(self.settings.names)
        text, argv = self.template.text, self.template.argv
        for number, row in enumerate(self.settings, 1):
            task = Task(self.name, number, tuple(zip(names, row, strict=True)))
            if text is not None:
                command = text(row, number)
                _check((command,), row, number)
                yield self.base.but(command=command, task=task)
            elif argv is not None:
                words = argv(row, number)
                _check(words, row, number)
                yield self.base.but(argv=words, task=task)

    @property
    def unused(self) -> list[str]:
        """The parameters that no job gets to see."""
        return [name for place, name in enumerate(self.settings.names) if place not in self.template.columns]


def default_name(command: Command, settings: Product | Sample) -> str:
    """A name that the same sweep gets again, and no other: its program's, and a digest of what it is made of."""
    seen = hashlib.sha256()
    words = (word.encode("utf-8", "surrogateescape") for word in command.words)
    pieces: Iterable[bytes] = (b"text" if command.is_text else b"argv", *words, *settings.said())
    for piece in pieces:
        seen.update(len(piece).to_bytes(8, "big") + piece)
    return f"{_program(command)}-{seen.hexdigest()[:8]}"


def _program(command: Command) -> str:
    """What the command is about: `python -u src/train.py --lr {lr}` is `train`."""
    words = command.words[0].split() if command.is_text else command.words
    said = [word for word in words if not word.startswith("-") and not {"=", "{"} & set(word)]
    files = [os.path.splitext(os.path.basename(word))[0] for word in said]
    named = [_NOT_IN_NAMES.sub("-", one).strip("-_") for one in files if not _INTERPRETER.fullmatch(one)]
    found = next((one for one in named if one[:1].isalpha()), "sweep")
    return found[:_LONGEST_PROGRAM]


def _check(words: Sequence[str], row: Sequence[str], number: int) -> None:
    """Refuse here what every manager would refuse; most commands need no closer look."""
    together = "".join((*words, *row))
    if len(together) > _CHECKED_FROM or not together.isascii() or "\0" in together:
        try:
            for text in (*words, *row):
                spec_json.check_text("command", text)
        except BadRequest as error:
            raise UsageError(f"job {number} of the sweep: {error.message}", error.hint) from None
    if not words[0].strip():
        raise UsageError(f"job {number} of the sweep: there is no command in it")
