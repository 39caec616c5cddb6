"""One value: from what JSON or a form holds to what a parameter's type is, and what of it is not allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from sjs.gateway.specs.spec import Parameter, Value
from sjs.values import dataclass, field

_INT = re.compile(r"([+-]?)([0-9]+)", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?", re.ASCII)
_MOST_DIGITS = 1_000
_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
LEAST_INT, MOST_INT = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Trouble:
    """Why a value is not allowed. `text` goes on where the parameter was named."""

    code: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


def read_value(kind: str, given: object) -> Value | None:
    """The value in its type; None if it is none. Texts count for what they say, and 7.0 for 7, as JSON has it."""
    return _READERS[kind](given)


def written(value: Value) -> str:
    """The value as a program gets it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def trouble(parameter: Parameter, value: Value) -> Trouble | None:
    """The first rule of the parameter that a value of its type breaks."""
    if isinstance(value, str):
        found = _text_trouble(parameter, value)
        if found is not None:
            return found
    elif not (isinstance(value, bool) or _is_between(parameter.low, value, parameter.high)):
        return Trouble("out_of_range", _range_text(parameter), {"min": parameter.low, "max": parameter.high})
    if parameter.choices and value not in parameter.choices:
        known = ", ".join(written(one) for one in parameter.choices[:20])
        more = ", …" if len(parameter.choices) > 20 else ""
        return Trouble("not_a_choice", f"must be one of {known}{more}", {"choices": list(parameter.choices)})
    return None


def _text_trouble(parameter: Parameter, value: str) -> Trouble | None:
    if len(value) > parameter.max_length:
        most = parameter.max_length
        return Trouble("too_long", f"has more than {most} letters", {"max_length": most})
    if "\0" in value:
        return Trouble("nul", "holds a NUL character, which no process can be given")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        return Trouble("not_text", "holds half of a surrogate pair, which is no text")
    if parameter.pattern is not None and not parameter.pattern.fits(value):
        return Trouble("no_match", f"must fit {parameter.pattern.text}", {"pattern": parameter.pattern.text})
    return None


def _is_between(low: float | None, value: float, high: float | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _range_text(parameter: Parameter) -> str:
    low, high = parameter.low, parameter.high
    if low is None or high is None:
        return f"must be at most {high}" if low is None else f"must be at least {low}"
    return f"must be from {low} to {high}"


def _int(given: object) -> int | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, str):
        given = _int_in(given)
    elif isinstance(given, float) and given.is_integer():
        given = int(given)
    return given if isinstance(given, int) and LEAST_INT <= given <= MOST_INT else None


def _int_in(text: str) -> int | None:
    match = _INT.fullmatch(text)
    digits = match[2].lstrip("0") if match else ""
    if match is None or len(digits) > 19:
        return None
    return int(f"{match[1]}{digits or '0'}")


def _float(given: object) -> float | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, str) and (len(given) > _MOST_DIGITS or not _FLOAT.fullmatch(given)):
        return None
    try:
        found = float(given) if isinstance(given, (int, float, str)) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _flag(given: object) -> bool | None:
    if isinstance(given, bool):
        return given
    return _FLAGS.get(given.lower()) if isinstance(given, str) and len(given) < 6 else None


def _text(given: object) -> str | None:
    return given if isinstance(given, str) else None


_READERS: Mapping[str, Callable[[object], Value | None]] = {
    "string": _text,
    "int": _int,
    "float": _float,
    "bool": _flag,
}
