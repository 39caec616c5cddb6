"""Durations as Go writes them: `1m30s`, `500ms`, `2h`."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
}
"""In nanoseconds; both letters that look like a Greek mu are one."""

_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)"
_WHOLE = re.compile(rf"([+-]?)(0|(?:{_PART})+)", re.ASCII)
_MOST = 2**63 - 1
_MOST_LETTERS = 100


def go_duration(text: str) -> float:
    """The seconds that are meant; ValueError for what Go would not read."""
    match = _WHOLE.fullmatch(text) if len(text) <= _MOST_LETTERS else None
    if match is None:
        raise ValueError(f"{text!r:.40} is no duration; write it as 500ms, 1m30s or 2h")
    parts = (Fraction(f"0{number}0" if "." in number else number) * _UNITS[unit] for number, unit in _parts(match[2]))
    nanoseconds = int(sum(parts, Fraction(0)))
    if nanoseconds > _MOST:
        raise ValueError(f"{text!r:.40} is longer than 292 years, which is the most")
    return (-nanoseconds if match[1] == "-" else nanoseconds) / 1e9


def _parts(text: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in re.finditer(_PART, text)]
