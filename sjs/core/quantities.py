"""How people write durations, sizes and shares, and how we write them back."""

from __future__ import annotations

import re
from typing import List, Tuple

UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}

SIZES = {letter: 1 << (10 * power) for power, letter in enumerate(["", "K", "M", "G", "T", "P"])}

_PARTS = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)
_PLAIN = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_SHARE = re.compile(r"(\d+)(?:\.(\d{1,3}))?", re.ASCII)

LONGEST = 10 * 366 * 86_400.0


def duration(text: str) -> float:
    """Seconds: `90`, `10m`, `1h30m`, `1d`, `HH:MM`, `HH:MM:SS`, `D-HH:MM:SS`; ValueError for anything else."""
    seconds = _duration(text.strip().lower())
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"{text!r} is no duration from a moment to ten years")
    return seconds


def _duration(text: str) -> float:
    if _PLAIN.fullmatch(text):
        return float(text)
    if _PARTS.fullmatch(text):
        return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise ValueError(f"{text!r} is no duration; write it as 90, 10m, 1h30m, 1d or 1-12:00:00")
    days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return days * UNITS["d"] + hours * UNITS["h"] + minutes * UNITS["m"] + seconds


def duration_text(seconds: float) -> str:
    """The duration as `duration` reads it, in the two largest units that say something."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    left = round(seconds)
    parts: List[str] = []
    for unit in ("w", "d", "h", "m", "s"):
        count, left = divmod(left, int(UNITS[unit]))
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2])


def size(text: str) -> int:
    """Bytes: `4G`, `512M`, `1.5GiB`, `100`; a thousand and 1024 are not told apart, as in Slurm."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size; write it as 512M, 4G or 1.5T")
    found = int(float(match[1]) * SIZES[match[2].upper()])
    if not 0 < found < 1 << 62:
        raise ValueError(f"{text!r} is no size that any machine has")
    return found


def size_or_zero(text: str) -> int:
    """The same, or `0`."""
    return 0 if text.strip() == "0" else size(text)


def size_text(count: int) -> str:
    """The size as people read it."""
    value, letter = float(count), ""
    for following in "KMGTP":
        if value < 1024:
            break
        value, letter = value / 1024, following
    return f"{value:.4g}{letter}"


def share(text: str) -> int:
    """Thousandths of a whole: `2` is 2000, `0.5` is 500. More than one must be whole ones."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no number of GPUs; write it as 1, 2 or 0.5")
    found = int(match[1]) * 1_000 + int((match[2] or "").ljust(3, "0"))
    if found == 0 or found > 1_000_000 or (found > 1_000 and found % 1_000):
        raise ValueError(f"{text!r} GPUs can not be given: it is a part of one, or whole ones")
    return found


def share_text(thousandths: int) -> str:
    """The share as `share` reads it."""
    return f"{thousandths / 1_000:g}"


def pair(text: str) -> Tuple[str, str]:
    """`NAME=VALUE`, cut at the first `=`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value
