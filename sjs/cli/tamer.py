"""What jobs have printed, made safe for a terminal, and in colours all the same. Pure."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_SEQUENCE = re.compile(
    _COLOUR.pattern
    + r"|\x1b\[[0-?]*[ -/]*[@-~]"  # what moves the cursor, clears, asks
    + r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # what sets titles and clipboards
    + r"|\x1b(?![\[\]PX^_])[ -/]*[0-~]?"
    + r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_OPEN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")
MAX_OPEN = 4096


class Tamer:
    """Takes escape sequences other than colours out of an output, wherever it is cut into pieces.

    What is no UTF-8 becomes a replacement sign: bytes left alone could form a control character with their neighbours.
    """

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._open = ""

    def feed(self, data: bytes, final: bool = False) -> bytes:
        """What may be shown now."""
        text = self._open + self._decoder.decode(data, final)
        match = None if final else _OPEN.search(text)
        cut = match.start() if match and len(text) - match.start() < MAX_OPEN else len(text)
        self._open = text[cut:]
        return _SEQUENCE.sub(_colour_only, text[:cut]).encode()

    def rest(self) -> bytes:
        """What is left at the end."""
        return self.feed(b"", final=True)


def _colour_only(found: re.Match[str]) -> str:
    return found[0] if _COLOUR.fullmatch(found[0]) else ""
