"""Words that nobody can guess, many drawn at a time: each draw is a call of the system, for which a thread that has the
interpreter lets others have it. For one thread."""

from __future__ import annotations

from secrets import token_hex

AHEAD = 256
"""Words that are drawn at a time."""


class Words:
    """Each of so many bytes, as hexadecimal digits."""

    def __init__(self, size: int) -> None:
        self._digits = 2 * size
        self._text = ""
        self._at = 0

    def next(self) -> str:
        """A word that nobody had."""
        if self._at == len(self._text):
            self._text, self._at = token_hex(self._digits // 2 * AHEAD), 0
        self._at += self._digits
        return self._text[self._at - self._digits : self._at]
