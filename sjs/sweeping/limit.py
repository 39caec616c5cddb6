"""After how many failures no more jobs of a sweep are to begin. Pure."""

from __future__ import annotations

from sjs.values import dataclass

MANY = 10**15


@dataclass(frozen=True)
class Limit:
    """How many jobs may fail before no more are handed in: so many, or such a part of those that have ended."""

    count: int | None = None
    part: float | None = None

    ENOUGH = 10
    """Ends from which on a part means something."""

    def is_reached(self, failed: int, ended: int) -> bool:
        if self.count is not None:
            return failed >= self.count
        return self.part is not None and ended >= self.ENOUGH and failed > self.part * ended


def limit(text: str) -> Limit:
    """`3`, or `10%`; ValueError says what is wrong with it."""
    number = text.removesuffix("%")
    if not (number.isascii() and number.isdigit() and 0 < int(number[:9]) <= (100 if text != number else MANY)):
        raise ValueError(f"'{text}' is no number of failures; write it as 3 or 10%")
    return Limit(count=int(number)) if text == number else Limit(part=int(number) / 100)


def reached(failed: int, ended: int) -> str:
    """Why no more begin, once it is."""
    return f"{failed} of {ended} have failed"
