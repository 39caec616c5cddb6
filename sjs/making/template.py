"""A command with places for values (`sjs.core.places`): a text in which each is quoted as it has to be, or words. `{%}`
counts slots from 1, and needs a shell, for only the machine knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sjs.core.places import SLOT, Piece, Place, Row, filled, pieces
from sjs.errors import UsageError
from sjs.making.shell_text import Quote, Scanner
from sjs.values import dataclass

SLOT_TEXT = "$((SJS_SLOT+1))"
"""A manager counts its slots from 0, GNU parallel from 1."""


@dataclass(frozen=True)
class Template:
    """What each job runs: made from its setting and its number. `columns`: those whose values come into it;
    `has_places`: whether anything does."""

    columns: frozenset[int]
    has_places: bool
    text: Callable[[Row, int], str] | None = None
    argv: Callable[[Row, int], tuple[str, ...]] | None = None


def shell_template(text: str, names: Sequence[str]) -> Template:
    """A text for /bin/sh, in which each value is quoted as it has to be where it stands."""
    found = pieces(text, names)
    scanner = Scanner()
    made: list[str | tuple[Place, Quote]] = []
    for piece, follows in zip(found, [*found[1:], ""], strict=True):
        if isinstance(piece, str):
            made.append(piece)
            scanner.read(piece)
        else:
            quote = _quote(scanner, piece, follows if isinstance(follows, str) else "")
            made.append(scanner.expression(SLOT_TEXT) if piece.kind == SLOT else (piece, quote))
            scanner.read("")

    def render(row: Row, number: int) -> str:
        return "".join(
            one if isinstance(one, str) else " ".join([one[1](value) for value in one[0].values(row, number)])
            for one in made
        )

    return Template(_columns(found), _has_places(found), text=render)


def argv_template(words: Sequence[str], names: Sequence[str]) -> Template:
    """Words that meet no shell. A place for several values makes as many words, as it would in a shell."""
    made = [pieces(word, names) for word in words]
    every = [piece for word in made for piece in word]
    if any(isinstance(piece, Place) and piece.kind == SLOT for piece in every):
        raise UsageError("{%} needs a shell", "quote the whole command, as one word")

    def render(row: Row, number: int) -> tuple[str, ...]:
        return filled(made, row, number)

    return Template(_columns(every), _has_places(every), argv=render)


def _quote(scanner: Scanner, place: Place, follows: str) -> Quote:
    try:
        return scanner.quote(follows)
    except ValueError as error:
        raise UsageError(
            f"{place.text} {error}, where no value is safe", f"put v={place.text} before, and $v there"
        ) from None


def _columns(found: Sequence[Piece]) -> frozenset[int]:
    return frozenset(column for piece in found if isinstance(piece, Place) for column in piece.columns)


def _has_places(found: Sequence[Piece]) -> bool:
    return any(isinstance(piece, Place) for piece in found)
