"""The words of a spec's command, with places for values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sjs.core.names import suggestion
from sjs.gateway.specs.spec import Parameter, Place, Word

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_INTERPRETER = re.compile(
    r"(?:ba|da|a|z|k|mk|pdk|c|tc|fi|po)?sh|su|runuser|script|flock"
    r"|(?:python|pypy|perl|ruby|php|lua|node|nodejs)[0-9.]*"
)
"""Who takes an option whose value is a program's text."""

_SENDER = re.compile(r"ssh|watch|eval|parallel")
"""Who makes one text of all its words, and gives it to a shell."""

_CODE_OPTION = re.compile(r"-[A-Za-z]*[cerE]|--(?:command|eval|execute|run|session-command)=?")
_WITH_VALUE = ("-o", "+o", "-O", "+O", "-W", "-X")


def word(text: str, parameters: Sequence[Parameter]) -> Word:
    """A word as its pieces; ValueError for a brace that means nothing, and for a place that no parameter has."""
    if "\0" in text:
        raise ValueError("a word holds a NUL character, which no process can be given")
    names = [one.name for one in parameters]
    pieces: list[str | Place] = []
    at = 0
    for match in _TOKEN.finditer(text):
        pieces.append(text[at : match.start()])
        pieces.append(_piece(match[0], match[1], names))
        at = match.end()
    return _joined([*pieces, text[at:]])


def check_command(words: Sequence[Word]) -> None:
    """ValueError where a value would choose the program, or be read as a program's text. Only the last word is new."""
    last = words[-1]
    if all(isinstance(piece, str) for piece in last):
        if len(words) == 1 and last in ((), ("",)):
            raise ValueError("the program has no name")
        if len(words) == 1 and "=" in str(last[0]):
            raise ValueError("the program's name has a =, with which it would be taken for a variable")
        return
    if len(words) == 1:
        raise ValueError("the program itself can be no value: who may give it could run anything")
    place = next(piece.name for piece in last if isinstance(piece, Place))
    if _is_code(words):
        raise ValueError(
            f"{{{place}}} stands where a program reads its text, in which a value can do anything;"
            " have the text use the parameter's variable"
        )


def _is_code(words: Sequence[Word]) -> bool:
    """Whether the last word is what an interpreter is to carry out, as in sh -c WORD."""
    heads = [_literal(one) for one in words]
    for at, head in enumerate(heads[:-1]):
        program = head.rpartition("/")[2]
        if _SENDER.fullmatch(program) or _INTERPRETER.fullmatch(program) and _is_text(heads[at + 1 :]):
            return True
    return False


def _is_text(heads: Sequence[str]) -> bool:
    """Whether the last of an interpreter's words is a program's text; not behind a script, whose words they are."""
    takes_next = False
    for head in heads[:-1]:
        if not takes_next and not head.startswith(("-", "+")):
            return False
        takes_next = not takes_next and head in _WITH_VALUE
    return any(_CODE_OPTION.fullmatch(head) for head in heads[-2:])


def _literal(word: Word) -> str:
    """The word up to its first place."""
    return word[0] if word and isinstance(word[0], str) else ""


def _piece(token: str, name: str | None, names: Sequence[str]) -> str | Place:
    if token in ("{{", "}}"):
        return token[0]
    if name is None:
        raise ValueError(f"a '{token}' stands alone; {token * 2} is one that is meant")
    if name not in names:
        raise ValueError(
            f"{{{name}}} is no parameter{suggestion(name, names)}; {{{{ and }}}} are braces that are meant"
        )
    return Place(name)


def _joined(pieces: Sequence[str | Place]) -> Word:
    found: list[str | Place] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        elif piece:
            found.append(piece)
    return tuple(found) or ("",)
