"""Quantities of Kubernetes: `500m`, `2`, `1G`, `1Gi`, `1e3`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sjs.errors import BadRequest

_FORM = re.compile(r"\+?(\d+(?:\.\d*)?|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?", re.ASCII)

_SUFFIXES: Mapping[str, Fraction] = {
    **{letter: Fraction(1, 1000 ** (3 - power)) for power, letter in enumerate("num")},
    **{letter: Fraction(1000**power) for power, letter in enumerate(["", "k", "M", "G", "T", "P", "E"])},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", 1)},
}


def number(key: str, value: Any) -> Fraction:
    """The number that is meant."""
    match = _FORM.fullmatch(str(value)) if type(value) in (str, int, float) else None
    if match is None:
        raise BadRequest(f"'{key}' is no quantity: {value!r:.40}", "write it as 500m, 2, 1G or 1Gi")
    return Fraction(match[1]) * (Fraction(10) ** int(match[3]) if match[3] else _SUFFIXES[match[2] or ""])
