"""Where in a text for /bin/sh a value is to stand, and how it is written there so that it stays what it is: one
argument between words, the same letters between quotes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

Quote = Callable[[str], str]

PLAIN, PARENS, DOUBLE, SINGLE = "plain text", "parentheses", "double quotes", "single quotes"
_COMMENT, _HERE, _BACKQUOTES = "a comment", "what follows <<", "backquotes"
_ANSI, _VARIABLE, _SUM = "$'…'", "${…}", "((…))"
_TEST, _INDEX = "[[…]]", "name[…]"

_USUAL = re.compile(
    r"\\.?|\$\$|\$?\(\(|\$[({']|<<<|<<|\bcase\b|['\"`()\n]|(?<![^\s;&|()])(?:#|\[\[(?=\s))|(?<=\w)\[", re.DOTALL
)
_TOKENS = {
    PLAIN: _USUAL,
    PARENS: _USUAL,
    DOUBLE: re.compile(r"\\.?|\$\$|\$\(\(|\$[({]|[\"`]", re.DOTALL),
    SINGLE: re.compile("'"),
    _TEST: re.compile(r"\\.?|\$\$|\$\(\(|\$[({']|<<|['\"`#()]|\]\]", re.DOTALL),
    _INDEX: re.compile(r"\$[({'\"]|[\s\\'\"`(){}#;|&<>\]]"),
    _COMMENT: re.compile("\n"),
    _HERE: re.compile("(?!)"),
    _BACKQUOTES: re.compile(r"\\.?|`", re.DOTALL),
    _ANSI: re.compile(r"\\.?|'", re.DOTALL),
    _VARIABLE: re.compile(r"\\.?|\$\$|\$\(\(|\$[({]|['\"`}]", re.DOTALL),
    _SUM: re.compile(r"\\.?|\$\$|\$\(\(|\$[({]|['\"`()]", re.DOTALL),
}
"""What means something in each place."""

_ENDS = {
    PARENS: ")",
    DOUBLE: '"',
    SINGLE: "'",
    _TEST: "]]",
    _INDEX: "]",
    _COMMENT: "\n",
    _BACKQUOTES: "`",
    _ANSI: "'",
    _VARIABLE: "}",
    _SUM: ")",
}
_BEGINS = {
    "$(": [PARENS],
    "(": [PARENS],
    '"': [DOUBLE],
    "'": [SINGLE],
    "[[": [_TEST],
    "[": [_INDEX],
    "#": [_COMMENT],
    "`": [_BACKQUOTES],
    "$'": [_ANSI],
    "${": [_VARIABLE],
    "$((": [_SUM, _SUM],
    "((": [_SUM, _SUM],
}

_VARIABLE_END = re.compile(r"\$[A-Za-z0-9_]+\Z", re.ASCII)
_REDIRECTED = re.compile("[0-9]*[<>]", re.ASCII)


class Scanner:
    """Reads a text piece by piece as a shell would, and says how a value is written that stands between two pieces."""

    def __init__(self) -> None:
        self._within = [PLAIN]
        self._before = ""
        self._is_escaped = False
        self._is_named = False  # a variable, whose name would go on in the value
        self._awaits_here = False
        self._lost = ""  # what no two shells read alike

    def read(self, piece: str) -> None:
        """The next piece of the text."""
        text = self._before + piece
        at, escaped_to = len(self._before), -1
        self._is_named = bool(_VARIABLE_END.search(piece))
        self._before = "x"  # for the value that stands behind it
        while found := _TOKENS[self._within[-1]].search(text, at):
            at = found.end()
            if found[0] == "\\\n":  # is nothing, and what stands around it is together
                is_apart = found.start() > 0 and text[found.start() - 1].isspace()
                self._lost = self._lost or "" if is_apart else "a word that goes on in the next line"
            elif found[0].startswith("\\") and self._within[-1] != _INDEX:
                escaped_to = at
                self._is_escaped = len(found[0]) == 1
                self._lost = self._lost or "a backslash within ${…}" * (self._within[-1] in (_VARIABLE, _SUM))
            elif found[0] != "#" or escaped_to != found.start():
                self._meet(found[0])

    def quote(self, follows: str) -> Quote:
        """How a value is written here, before the text that follows. ValueError where no way would be safe."""
        where = self._within[-1]
        if self._is_escaped:
            raise ValueError("stands behind a backslash")
        if self._lost:
            raise ValueError(f"stands behind {self._lost}")
        if where in (PLAIN, PARENS):
            return _always if self._is_named or _REDIRECTED.match(follows) else shlex.quote
        if where not in (DOUBLE, SINGLE):
            raise ValueError(f"stands within {where}")
        if where == SINGLE:
            return _in_single
        return _in_double_anew if self._is_named else _in_double

    def expression(self, text: str) -> str:
        """How something that the shell itself works out is written here; where `quote` finds a way, there is one."""
        return f"'{text}'" if self._within[-1] == SINGLE else text

    def _meet(self, token: str) -> None:
        where = self._within[-1]
        if token == _ENDS.get(where):
            self._within.pop()
        elif where in (_VARIABLE, _SUM) and token in "'\"`":
            self._lost = f"a quote within {where}"
        elif where == _INDEX or where == _TEST and token in ("#", "(", ")", "<<"):
            self._lost = f"{token!r} within {where}"
        elif token in _BEGINS:
            self._within += [_SUM] if (where, token) == (_SUM, "(") else _BEGINS[token]
        elif token == "<<":
            self._awaits_here = True
        elif token == "case":  # its patterns end with parentheses that nobody has opened
            self._lost = self._lost or "`case` within quotes" * (DOUBLE in self._within)
        if token == "\n" and self._awaits_here:
            self._within.append(_HERE)


def _always(value: str) -> str:
    """Also what needs no quotes: `2>` would be another stream, `$name2` another variable."""
    quoted = shlex.quote(value)
    return quoted if quoted != value else f"'{value}'"


def _in_double(value: str) -> str:
    return re.sub(r'([$`"\\])', r"\\\1", value)


def _in_double_anew(value: str) -> str:
    return f'""{_in_double(value)}'


def _in_single(value: str) -> str:
    return value.replace("'", "'\\''")
