"""What an artifact is called: the path that a job gave a file, made harmless. Pure.

The name is shown, put into headers and into zip files, and is nowhere a path of ours. What a terminal, a browser or
another system would take for more than a letter is written as URLs do, so that no artifact is lost for its name."""

from __future__ import annotations

import unicodedata

from sjs.errors import BadRequest

MAX_NAME = 1024
"""Bytes of a name …"""

MAX_PART = 255
"""… and of each part of it."""

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of what is no letter: controls, marks that turn the direction, halves of letters, ends of lines."""

_JOINERS = "\u200c\u200d"
"""Of these, what some scripts, and families of emoji, are written with."""


def cleaned(path: str) -> str:
    """The name for a path below a job's folder. BadRequest where there can be none."""
    parts = path.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise BadRequest("its path leads elsewhere")
    name = "/".join("".join(map(_harmless, unicodedata.normalize("NFC", part))) for part in parts)
    if len(name.encode()) > MAX_NAME or any(len(part.encode()) > MAX_PART for part in name.split("/")):
        raise BadRequest("its name is too long")
    return name


def _harmless(letter: str) -> str:
    if letter == "\\" or (unicodedata.category(letter) in _UNSEEN and letter not in _JOINERS):
        return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))
    return letter
