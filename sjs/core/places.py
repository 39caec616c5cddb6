"""Places for values in the words of a command: `{name}`, and those of GNU parallel.

{name}      a value by its name                  {}     all values, in their order
{1} {2}     the first, the second                {#}    the number of what is run
{.} {/} {//} {/.}  without ending, without folder, only the folder, without both; also {1.} {name/} {name//} …
{%}         the slot in which it runs, which only the machine knows

A word in braces is one of these, or an error, and so is {lr:.2f}; {{word}} stands for {word}. Whatever else stands in
braces stays: {a,b}, ${x}, {"k": 1}, { ls; }.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, List, Sequence, Tuple, Union

from sjs.core.names import suggestion
from sjs.errors import UsageError
from sjs.values import dataclass

Row = Sequence[str]

NUMBER, SLOT = "#", "%"

MOST_NAMED = 10
_BRACES = re.compile(r"\{(\{[^{}\n]*\})\}|(?<!\$)(\{[^{}\n]*\})")
_PARTS = re.compile(r"(.*?)(//|/\.|/|\.|)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_FORM = re.compile(r"([^:!]+)[:!]\S.*", re.DOTALL)
_ENDING = re.compile(r"\.[^/.]*\Z")


@dataclass(frozen=True)
class Place:
    """A placeholder: the number or the slot (`kind`), or the values of these columns, each changed."""

    text: str
    columns: Sequence[int] = ()
    change: Callable[[str], str] = str
    kind: str = ""

    def values(self, row: Row, number: int) -> List[str]:
        """What it stands for."""
        return [str(number)] if self.kind else [self.change(row[column]) for column in self.columns]


Piece = Union[str, Place]


def pieces(text: str, names: Sequence[str], beside: Sequence[str] = ()) -> List[Piece]:
    """The text between places, and these. `names`: of the columns of a row, of which {} is all; `beside`: of more,
    which only their names mean."""
    found: List[Piece] = []
    at = 0
    known = (*names, *beside)
    for match in _BRACES.finditer(text):
        doubled, plain = match.groups()
        many = len(names)
        piece = _place(plain, known, many) if plain else None if _is_text(doubled, known, many) else doubled
        if piece is not None:
            found += [text[at : match.start()], piece] if match.start() > at else [piece]
            at = match.end()
    return [*found, text[at:]] if at < len(text) or not found else found


def filled(words: Sequence[Sequence[Piece]], row: Row, number: int) -> Tuple[str, ...]:
    """Words that meet no shell. A place for several values makes as many words, as it would in a shell."""
    found: List[str] = []
    for word in words:
        if len(word) == 1 and isinstance(word[0], str):
            found.append(word[0])
        else:
            found += _texts(word, row, number)
    return tuple(found)


def _texts(word: Sequence[Piece], row: Row, number: int) -> List[str]:
    found = [""]
    for piece in word:
        if isinstance(piece, str):
            found[-1] += piece
        else:
            values = piece.values(row, number)
            found[-1] += "".join(values[:1])
            found += values[1:]
    return found


def _is_text(braces: str, known: Sequence[str], many: int) -> bool:
    try:
        return _place(braces, known, many) is None
    except UsageError:
        return False


def _place(braces: str, known: Sequence[str], many: int) -> Union[Place, None]:
    """What stands in braces; None for what is none of ours."""
    said = braces[1:-1]
    match = _PARTS.fullmatch(said)
    if said in known or match is None:
        return Place(braces, (known.index(said),)) if said in known else None
    word, change = match[1], _CHANGES[match[2]]
    if word in known:
        return Place(braces, (known.index(word),), change)
    if said in (NUMBER, SLOT):
        return Place(braces, kind=said)
    if not word:
        return Place(braces, range(many), change)
    if word.isdecimal() and word.isascii():
        if not 1 <= int(word) <= many:
            raise UsageError(f"there is no {braces}", f"each job has {many} values; {_kept(braces)}")
        return Place(braces, (int(word) - 1,), change)
    if _WORD.fullmatch(word):
        there = f"there is {', '.join(f'{{{name}}}' for name in known[:MOST_NAMED])}; " if known else ""
        raise UsageError(f"unknown {braces}{suggestion(word, known)}", there + _kept(braces))
    form = _FORM.fullmatch(word)
    if form is not None and form[1] in known:
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


_CHANGES: Dict[str, Callable[[str], str]] = {
    "": str,
    ".": _stem,
    "/": _name,
    "//": _folder,
    "/.": lambda path: _stem(_name(path)),
}
