"""Which of a tree is meant: patterns of paths, as a shell has them, and `**` for any number of folders.

A folder that matches is meant with all that is in it. A name that begins with a dot matches only what does, too.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import FrozenSet, Iterable, Tuple

from sjs.errors import BadRequest

Patterns = FrozenSet[Tuple[str, ...]]
"""What is left to match, part by part; where nothing is left of one, all is meant."""

ALL: Patterns = frozenset([()])


def patterns(words: Iterable[str]) -> Patterns:
    """The patterns in words; BadRequest for one that leads out of the folder."""
    found = set()
    for word in words:
        parts = tuple(part for part in word.split("/") if part not in ("", "."))
        if word.startswith("/") or ".." in parts or not parts:
            raise BadRequest(f"no pattern for what is below a folder: {word!r:.80}")
        found.add(parts)
    return frozenset(found)


def literal(name: str) -> str:
    """The pattern that means this name and no other."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def is_meant(left: Patterns) -> bool:
    """Whether what has led here is meant, with all that is in it."""
    return () in left


def below(left: Patterns, name: str) -> Patterns:
    """What is left to match below a name; nothing if it leads nowhere."""
    if is_meant(left):
        return ALL
    found = set()
    for pattern in left:
        found |= set(_below(pattern, name))
    return frozenset(found)


def is_match(word: str, path: str) -> bool:
    """Whether a path, or a folder in which it is, matches one pattern."""
    left = patterns([word])
    for part in path.split("/"):
        left = below(left, part)
    return is_meant(left)


def _below(pattern: Tuple[str, ...], name: str) -> Iterable[Tuple[str, ...]]:
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if rest:
            yield from _below(rest, name)
        if not name.startswith("."):
            yield pattern if rest else ()
    elif fnmatchcase(name, first) and (first.startswith(".") or not name.startswith(".")):
        yield rest
