"""Amounts as Kubernetes writes them: read, compared, and written in their shortest form."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BY_POWER = {power: suffix for suffix, power in DECIMAL.items()}
BY_SHIFT = {0: "", **{shift: suffix for suffix, shift in BINARY.items()}}


class NotAQuantity(ValueError):
    """Text that is no amount; the message is the API server's."""


@lru_cache(maxsize=1000)
def parse(text: str) -> tuple[Fraction, str]:
    """The amount, and the family of its suffix: "binary", "decimal" or "exponent"."""
    match = re.fullmatch(r"([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*)([-+]?\d*)", text)
    if not match or not (match[2] or match[3]):
        raise NotAQuantity(WRONG)
    sign, whole, part, suffix, exponent = match.groups(default="")
    number = Fraction(int(whole + part or "0"), 10 ** len(part)) * (-1 if sign == "-" else 1)
    if exponent:
        if suffix not in ("e", "E"):
            raise NotAQuantity("unable to parse quantity's suffix")
        return number * Fraction(10) ** int(exponent), "exponent"
    if suffix in BINARY:
        return number * 1024 ** BINARY[suffix], "binary"
    if suffix in DECIMAL:
        return number * Fraction(10) ** DECIMAL[suffix], "decimal"
    raise NotAQuantity("unable to parse quantity's suffix")


def amount(text: str) -> Fraction:
    return parse(text)[0]


def canonical(value: str | int | float) -> str:
    """The form that a stored object shows: "1000m" is "1", "1024Mi" is "1Gi"."""
    number, family = parse(str(value))
    if family == "binary" and abs(number) >= 1024:
        return _binary(number)
    return _decimal(number, family)


def _binary(number: Fraction) -> str:
    whole, shift = math.ceil(number), 0
    while whole and whole % 1024 == 0 and shift < 6:
        whole, shift = whole // 1024, shift + 1
    return f"{whole}{BY_SHIFT[shift]}"


def _decimal(number: Fraction, family: str = "decimal") -> str:
    nanos, power = math.ceil(number * 10**9), -9
    if nanos == 0:
        return "0"
    while nanos % 1000 == 0 and power < 18:
        nanos, power = nanos // 1000, power + 3
    if family == "exponent":
        return f"{nanos}e{power}" if power else str(nanos)
    return f"{nanos}{BY_POWER[power]}"


def written(number: Fraction, like: str = "0") -> str:
    """An amount, in the family of another's text."""
    family = parse(like)[1]
    if family == "binary" and abs(number) >= 1024:
        return _binary(number)
    return _decimal(number, family)
