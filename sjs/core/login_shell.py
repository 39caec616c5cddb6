"""A program and its arguments as a line that every login shell understands alike: sh, bash, zsh, csh, tcsh, fish."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@+-]+")
_QUOTABLE = re.compile(r"[ -~]*")
_NOT_IN_QUOTES = frozenset("'!\\")
"""Ends the quotes; csh looks for history even in them; fish lets it escape there."""


def line(argv: Sequence[str]) -> str:
    """The line to run. ValueError when a word has what not all shells take the same way; `$` expands in none."""
    return " ".join(["exec", *map(_word, argv)])


def _word(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    if not _QUOTABLE.fullmatch(word) or _NOT_IN_QUOTES & set(word):
        raise ValueError(f"not every login shell would pass on {word!r}")
    return f"'{word}'"
