"""The words of a sweep as they are typed: what belongs to -p, however much that is, and what stands behind :::."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence

from sjs.errors import UsageError
from sjs.making.grid import Linked, Rows
from sjs.making.parameters import Listed, Parameter, assigned, parameter
from sjs.making.tables import lines

PARAMETER = "--param"
_SHORT = "-p"
_LINKS = {":::": False, "::::": False, ":::+": True, "::::+": True}
_NEGATIVE = re.compile(r"-(\d|\.\d|inf$|nan$)", re.ASCII)


def for_options(words: Sequence[str]) -> list[str]:
    """The same for a reader of options, to whom an option has one value: each -p with all of its own as one word."""
    found: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--" or word in _LINKS:
            return [*found, "--", *words[at + (word == "--") :]]
        at += 1
        said = _behind(word)
        if said is None:
            found.append(word)
            continue
        while at < len(words) and not _is_end(words[at]) and not _is_whole(said):
            said.append(words[at])
            at += 1
        found.append(f"{PARAMETER}={json.dumps(said)}")
    return found


def read_parameter(word: str) -> Parameter:
    """What `for_options` has made of one. ValueError says what is wrong with it."""
    said = json.loads(word)
    if not said:
        raise ValueError("which one? write it as -p lr 0.1 0.01")
    name, *values = said
    return parameter(*assigned(name)) if _is_whole(said) else parameter(name, values)


Find = Callable[[str], tuple[str, str]]
"""Where the file of this name lies, and what it is called in errors."""


def command_and_sources(words: Sequence[str], find: Find) -> tuple[list[str], list[Rows]]:
    """What stands behind --: the command, and behind ::: its values."""
    starts = [place for place, word in enumerate(words) if word in _LINKS]
    found: list[Rows] = []
    for start, stop in itertools.pairwise([*starts, len(words)]):
        for source in _sources(words[start], words[start + 1 : stop], find):
            if _LINKS[words[start]] and not found:
                raise UsageError(f"{words[start]} goes with what stands before it", "begin with :::")
            found.append(Linked([found.pop(), source]) if _LINKS[words[start]] else source)
    return list(words[: starts[0]] if starts else words), found


def check_places(typed: Sequence[str], words: Sequence[str]) -> None:
    """Refuse words that stand where nobody can tell what they are. `typed`: all; `words`: those that are no options."""
    start = next((place for place, word in enumerate(typed) if word == "--" or word in _LINKS), len(typed))
    behind = typed[start + 1 :] if "--" in typed[start : start + 1] else typed[start:]
    before = words[: len(words) - len(behind)]
    if "--" in typed[start : start + 1] and before:
        raise UsageError(f"what is '{before[0]}'?", "all of the command stands behind --")
    if len(before) > 1:
        raise UsageError(f"what is '{before[1]}'?", "a command of several words stands behind --")


def _sources(mark: str, words: Sequence[str], find: Find) -> list[Rows]:
    if not words:
        raise UsageError(f"there is nothing behind {mark}")
    if mark.startswith("::::"):
        return [lines(*find(path)) for path in words]
    return [Parameter("", Listed(tuple(words)), tuple(words))]


def _behind(word: str) -> list[str] | None:
    """What the word says itself, if it is a -p."""
    if word in (_SHORT, PARAMETER):
        return []
    if word.startswith(f"{PARAMETER}="):
        return [word.partition("=")[2]]
    return [word.removeprefix(_SHORT)] if word.startswith(_SHORT) else None


def _is_whole(said: Sequence[str]) -> bool:
    """Whether NAME=VALUES has been said, which is one word."""
    return bool(said) and "=" in said[0]


def _is_end(word: str) -> bool:
    """Whether the values end before this word: a number may begin with a dash."""
    return word in _LINKS or (word.startswith("-") and word != "-" and not _NEGATIVE.match(word))
