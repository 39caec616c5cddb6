"""A command with places for values: `{name}`, and those of GNU parallel.

{name}      the value of a parameter             {}     all values, in their order
{1} {2}     of the first, the second             {#}    the job's number, from 1 on
{.} {/} {//} {/.}  without ending, without folder, only the folder, without both; also {1.} {name/} {name//} …
{%}         the slot in which it runs, from 1 on, which only the machine knows

A word in braces is one of these, or an error, and so is {lr:.2f}; {{word}} stands for {word}. Whatever else stands in
braces stays: {a,b}, ${x}, {"k": 1}, { ls; }.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sjs.core.names import suggestion
from sjs.errors import UsageError
from sjs.making.shell_text import Quote, Scanner
from sjs.values import dataclass

Row = Sequence[str]

NUMBER, SLOT = "#", "%"
SLOT_TEXT = "$((SJS_SLOT+1))"
"""A manager counts its slots from 0, GNU parallel from 1."""

MOST_NAMED = 10
_BRACES = re.compile(r"\{(\{[^{}\n]*\})\}|(?<!\$)(\{[^{}\n]*\})")
_PARTS = re.compile(r"(.*?)(//|/\.|/|\.|)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_FORM = re.compile(r"([^:!]+)[:!]\S.*", re.DOTALL)
_ENDING = re.compile(r"\.[^/.]*\Z")


@dataclass(frozen=True)
class Place:
    """A placeholder: the number or the slot of a job (`kind`), or its values in these columns, each changed."""

    text: str
    columns: Sequence[int] = ()
    change: Callable[[str], str] = str
    kind: str = ""

    def values(self, row: Row, number: int) -> list[str]:
        """What it stands for in a job."""
        return [str(number)] if self.kind else [self.change(row[column]) for column in self.columns]


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
    pieces = _pieces(text, names)
    scanner = Scanner()
    made: list[str | tuple[Place, Quote]] = []
    for piece, follows in zip(pieces, [*pieces[1:], ""], strict=True):
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

    return Template(_columns(pieces), _has_places(pieces), text=render)


def argv_template(words: Sequence[str], names: Sequence[str]) -> Template:
    """Words that meet no shell. A place for several values makes as many words, as it would in a shell."""
    made = [_pieces(word, names) for word in words]
    if any(isinstance(piece, Place) and piece.kind == SLOT for word in made for piece in word):
        raise UsageError("{%} needs a shell", "quote the whole command, as one word")

    plan = [word[0] if len(word) == 1 and isinstance(word[0], str) else word for word in made]

    def render(row: Row, number: int) -> tuple[str, ...]:
        found: list[str] = []
        for word in plan:
            if isinstance(word, str):
                found.append(word)
            else:
                found += _texts(word, row, number)
        return tuple(found)

    every = [piece for word in made for piece in word]
    return Template(_columns(every), _has_places(every), argv=render)


def _texts(word: Sequence[str | Place], row: Row, number: int) -> list[str]:
    found = [""]
    for piece in word:
        if isinstance(piece, str):
            found[-1] += piece
        else:
            first, *more = piece.values(row, number)
            found[-1] += first
            found += more
    return found


def _quote(scanner: Scanner, place: Place, follows: str) -> Quote:
    try:
        return scanner.quote(follows)
    except ValueError as error:
        raise UsageError(
            f"{place.text} {error}, where no value is safe", f"put v={place.text} before, and $v there"
        ) from None


def _columns(pieces: Sequence[str | Place]) -> frozenset[int]:
    return frozenset(column for piece in pieces if isinstance(piece, Place) for column in piece.columns)


def _has_places(pieces: Sequence[str | Place]) -> bool:
    return any(isinstance(piece, Place) for piece in pieces)


def _pieces(text: str, names: Sequence[str]) -> list[str | Place]:
    """The text between places, and these."""
    found: list[str | Place] = []
    at = 0
    for match in _BRACES.finditer(text):
        doubled, plain = match.groups()
        piece: str | Place | None = _place(plain, names) if plain else None if _is_text(doubled, names) else doubled
        if piece is not None:
            found += [text[at : match.start()], piece] if match.start() > at else [piece]
            at = match.end()
    return [*found, text[at:]] if at < len(text) or not found else found


def _is_text(braces: str, names: Sequence[str]) -> bool:
    try:
        return _place(braces, names) is None
    except UsageError:
        return False


def _place(braces: str, names: Sequence[str]) -> Place | None:
    """What stands in braces; None for what is none of ours."""
    said = braces[1:-1]
    match = _PARTS.fullmatch(said)
    if said in names or match is None:
        return Place(braces, (names.index(said),)) if said in names else None
    word, change = match[1], _CHANGES[match[2]]
    if word in names:
        return Place(braces, (names.index(word),), change)
    if said in (NUMBER, SLOT):
        return Place(braces, kind=said)
    if not word:
        return Place(braces, range(len(names)), change)
    if word.isdecimal() and word.isascii():
        if not 1 <= int(word) <= len(names):
            raise UsageError(f"there is no {braces}", f"each job has {len(names)} values; {_kept(braces)}")
        return Place(braces, (int(word) - 1,), change)
    if _WORD.fullmatch(word):
        known = f"there is {', '.join(f'{{{name}}}' for name in names[:MOST_NAMED])}; " if names else ""
        raise UsageError(f"unknown {braces}{suggestion(word, names)}", known + _kept(braces))
    form = _FORM.fullmatch(word)
    if form is not None and form[1] in names:
        raise UsageError(f"{braces}: a value stands as it is, without a form", f"{{{form[1]}}}; {_kept(braces)}")
    return None


def _kept(braces: str) -> str:
    return f"{{{braces}}} stands for {braces}"


def _folder(path: str) -> str:
    """As Perl's dirname, and so GNU parallel's."""
    rest = path.rstrip("/")
    if "/" not in rest:
        return "/" if path and not rest else "."
    return rest.rpartition("/")[0].rstrip("/") or "/"


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    return _ENDING.sub("", path)


_CHANGES: dict[str, Callable[[str], str]] = {
    "": str,
    ".": _stem,
    "/": _name,
    "//": _folder,
    "/.": lambda path: _stem(_name(path)),
}
