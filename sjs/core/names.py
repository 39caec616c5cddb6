"""Words for targets: which names a set such as `gpu*,@spare,!gpu3` stands for.

NAME            the target of this name
a,b             each of them
all, *          everybody
gpu*, gpu?      all that are called so: * is any text, ? any one character
node[1-3,7]     node1, node2, node3 and node7; node[01-12] keeps the zeros
@GROUP          what the config means by it
!SET            not these, wherever it stands; with nothing else: everybody but these
"""

from __future__ import annotations

import re
from typing import Iterator, List, Mapping, Sequence, Set, Tuple

from sjs.errors import UsageError
from sjs.values import dataclass, field

_COMMA = re.compile(r",(?![^\[\]]*\])")
_SPAN = r"[0-9]{1,9}(?:-[0-9]{1,9})?"
_NUMBERS = re.compile(rf"\[({_SPAN}(?:,{_SPAN})*)\]")
_EVERYBODY = ("all", "*")


@dataclass(frozen=True)
class Known:
    """What a config knows: all names in their order, whom `all` means, and the sets that have a name."""

    names: Sequence[str]
    everyone: Sequence[str]
    groups: Mapping[str, str] = field(default_factory=dict)


def expand(word: str, known: Known, trail: Tuple[str, ...] = ()) -> List[str]:
    """The names that a set stands for, in the config's order. `trail`: the groups that led here."""
    wanted: Set[str] = set()
    unwanted: Set[str] = set()
    parts = _COMMA.split(word)
    for part in parts:
        if part.startswith("!"):
            unwanted.update(_meant(part[1:], known, trail))
        else:
            wanted.update(_meant(part, known, trail))
    if all(part.startswith("!") for part in parts):
        wanted.update(known.everyone)
    found = [name for name in known.names if name in wanted - unwanted]
    if not found:
        raise UsageError(f"'{word}' leaves nobody")
    return found


def groups_in(word: str) -> List[str]:
    """The groups of whose targets a set is made, not those that it leaves out."""
    return [part[1:] for part in _COMMA.split(word) if part.startswith("@")]


def suggestion(word: str, known: Sequence[str]) -> str:
    """The end of a message about a word that nobody knows."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 3)
    swapped = [one for one in close if sorted(one) == sorted(word)]  # "prot" is nearer to "port" than to "root"
    return f"; did you mean {(swapped or close)[0]}?" if close else ""


def _meant(part: str, known: Known, trail: Tuple[str, ...]) -> Sequence[str]:
    """What one part of a set stands for, which must be something: else it is a slip."""
    if part in _EVERYBODY:
        return known.everyone
    if part.startswith("@"):
        return _group(part[1:], known, trail)
    found = [name for one in _numbered(part) for name in _called(one, known)]
    if not found:
        raise UsageError(f"'{part}' counts no numbers", "the lower one comes first")
    return found


def _group(name: str, known: Known, trail: Tuple[str, ...]) -> Sequence[str]:
    if name not in known.groups:
        hint = f"the groups are {', '.join(known.groups)}" if known.groups else "the config has no groups"
        raise UsageError(f"unknown group '@{name}'{suggestion(name, list(known.groups))}", hint)
    if name in trail:
        raise UsageError(f"a group that is made of itself: @{' -> @'.join((*trail, name))}")
    return expand(known.groups[name], known, (*trail, name))


def _numbered(part: str) -> Iterator[str]:
    """The words that the first `[…]` counts out, and those that the others do in them. One by one: the first that
    nobody has ends it."""
    match = _NUMBERS.search(part)
    if match is None:
        yield part
        return
    for span in match[1].split(","):
        low, _, high = span.partition("-")
        for number in range(int(low), int(high or low) + 1):
            yield from _numbered(part[: match.start()] + str(number).zfill(len(low)) + part[match.end() :])


def _called(word: str, known: Known) -> Sequence[str]:
    """Who is called so. Patterns mean none but whom `all` means."""
    if "*" in word or "?" in word:
        pattern = re.compile("".join(_PATTERN.get(letter, re.escape(letter)) for letter in word))
        found = [name for name in known.everyone if pattern.fullmatch(name)]
    else:
        found = [name for name in known.names if name == word]
    if not found:
        hint = "to choose among some, say any:SET" if word == "any" else f"the targets are {', '.join(known.names)}"
        raise UsageError(f"unknown target '{word}'{suggestion(word, known.names)}", hint)
    return found


_PATTERN = {"*": ".*", "?": "."}
