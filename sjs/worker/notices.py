"""What a worker says of itself: lines on stderr, each whole, whatever its commands write there."""

from __future__ import annotations

import os


def notice(text: str) -> None:
    """Say it."""
    line = "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)
    try:
        os.write(2, f"sjs worker: {line}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return  # nobody listens, and items go on


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")
