"""What a job's output says in numbers: words of it that name a value, and JSON objects. Pure.

    loss=0.12   'loss': 0.12   train-rmse:0.5   {"loss": 0.12}   Epoch [3/10]   acc=91.2%   loss=tensor(0.12)

A number is what Python's float() reads, nan and inf among it, with a delimiter behind it. None are times (12:30),
dates, versions (1.2.3), hosts with ports, parts of paths and URLs, options (--lr=0.1), fractions (98/100), and what has
a unit (3.2s). A percent sign is left out.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Pattern, Sequence, Tuple, Union

from sjs.errors import BadRequest

Number = Union[int, float]
Found = Iterator[Tuple[str, Number]]
Reader = Callable[[str], Found]
"""Gives what a line says."""

MAX_NAME = 64
MAX_METRICS = 100
"""Names of one job; more than a table can show are left out."""

MAX_LINE = 1 << 16
"""Bytes of a line that are looked at."""

MAX_PATTERN = 1_000

DEPTH = 8
"""Objects in objects."""

_NUMBER = r"[+-]?(?:(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,4})?|[nN]a[nN]|[iI]nf(?:inity)?)"
_DELIMITERS = ",;|([]{'\""
_BEFORE = r"(?<![^\s,;|(\[\]{'\"])"
_BEHIND = r"(?=$|[\s;|)\]}'\"±(]|,(?!\d)|\.(?:\s|$))"
_VALUE = re.compile(
    r"(?:=\s{0,8}|:(?:\s{1,8}|(?=[+-]?\d*\.\d|[+-]?\d+e|[+-]?[ni])))"
    + r"['\"]?(?:(?:tensor|Array|np\.float\d\d|jnp\.float\d\d)\()?"
    + rf"({_NUMBER})%?{_BEHIND}",
)
_COUNTER = re.compile(
    _BEFORE + r"(epoch|step|iteration|iter)(?:\s{0,4}[:=#]\s{0,8}|\s{1,8})\[?(\d{1,15})(?=\s?/\s?\d|[\]\s,;:|)]|$)",
    re.IGNORECASE,
)
_COUNTERS = ("epoch", "step", "iter", "iteration")
"""Words behind which a bare number, or the first of two, counts: `epoch 3`, `Step [100/600]`. In small letters."""

_WHOLE = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_ALL = re.compile(_NUMBER, re.ASCII)
_LINE_END = re.compile(rb"[\r\n\x08]+")
"""A progress bar writes over itself; each of its states is a line."""

_COLOUR = re.compile(r"\x1b\[[0-?]{0,40}[ -/]{0,8}[@-~]")


def number(text: str) -> Optional[Number]:
    """The number that a text is; None for what is none."""
    text = text.strip()
    text = text[:-1] if text.endswith("%") else text
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _ALL.fullmatch(text) else None


def to_wire(value: Number) -> Union[Number, str]:
    """JSON knows neither nan nor inf: these are texts, as float() reads them."""
    return value if math.isfinite(value) else str(float(value))


def from_wire(value: Any) -> Number:
    """The number again; ValueError or TypeError for what is none."""
    if type(value) is int:
        return int(value)
    return float(value)


def words(line: str) -> Found:
    """What a line of text says."""
    small = line.lower()
    if any(word in small for word in _COUNTERS):
        for found in _COUNTER.finditer(line):
            yield found[1].lower(), int(found[2])
    for found in _VALUE.finditer(line):
        name, value = _name_before(line, found.start()), number(found[1])
        if name and value is not None:
            yield name.lower() if name.lower() in _COUNTERS else name, value


def _name_before(line: str, end: int) -> str:
    """The name that ends there, but for blanks and a quote; empty where none does."""
    while end and line[end - 1] in " \t":
        end -= 1
    end -= end > 0 and line[end - 1] in "'\""
    start = end
    while start and end - start <= MAX_NAME and (line[start - 1].isalnum() or line[start - 1] in "_./@-"):
        start -= 1
    name = line[start:end]
    is_apart = not start or line[start - 1].isspace() or line[start - 1] in _DELIMITERS
    is_name = name[:1].isidentifier() and (name[-1].isalnum() or name[-1] == "_")
    return name if is_apart and is_name and len(name) <= MAX_NAME else ""


def flat(body: Mapping[str, Any], prefix: str = "", depth: int = DEPTH) -> Found:
    """The numbers of a JSON object; of objects in it with the names of both, and a dot between."""
    for key, value in body.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth:
            yield from flat(value, f"{name}.", depth - 1)
        elif type(value) in (int, float) and name and len(name) <= MAX_NAME:
            yield name, value


def from_json(text: str) -> Optional[Dict[str, Any]]:
    """The object in a text; None where it is none."""
    try:
        found = json.loads(text, parse_int=_int)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _int(digits: str) -> Number:
    """Of many digits: what takes long to read is no whole number."""
    return int(digits) if len(digits) <= 16 else float(digits)


def usual(line: str) -> Found:
    """What a line says that is JSON, or text."""
    line = _COLOUR.sub("", line) if "\x1b" in line else line
    if line.lstrip()[:1] == "{":
        body = from_json(line)
        if body is not None:
            yield from flat(body)
            return
    yield from words(line)


def by_pattern(text: str) -> Reader:
    """What a person's expression finds in a line: pairs of the groups `name` and `value`, or the groups by their own
    names. BadRequest for one that is none, or names nothing."""
    if len(text) > MAX_PATTERN:
        raise BadRequest(f"an expression of more than {MAX_PATTERN} letters")
    try:
        expression = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadRequest(f"{text!r:.80} is no regular expression: {error}") from None
    groups = tuple(expression.groupindex)
    if not groups:
        hint = "for example 'loss is (?P<loss>[0-9.]+)', or '(?P<name>[a-z]+) -> (?P<value>[0-9.]+)'"
        raise BadRequest(f"{text!r:.80} has no named group", hint)
    return lambda line: _matched(expression, groups, line)


def _matched(expression: Pattern[str], groups: Tuple[str, ...], line: str) -> Found:
    for found in expression.finditer(line):
        pairs = [(found["name"], found["value"])] if set(groups) >= {"name", "value"} else found.groupdict().items()
        for name, said in pairs:
            value = number(said) if said else None
            if value is not None and name and len(name) <= MAX_NAME:
                yield name, value


def reader(pattern: Optional[str]) -> Reader:
    """What reads lines: the person's expression, or the usual forms."""
    return by_pattern(pattern) if pattern else usual


class Measured(NamedTuple):
    """What jobs have printed: of each that has printed any, the last value of each metric; and why others of them
    could not be read."""

    values: Mapping[int, Mapping[str, Number]]
    troubles: Sequence[Tuple[int, str]] = ()


class Values(NamedTuple):
    """Values of one metric that an attempt has printed one after the other, of which the first is its `first`th."""

    job: int
    attempt: int
    stream: str
    first: int
    values: Sequence[Number]


class Lines:
    """Cuts bytes that come in pieces into lines; `held` are those of a line whose end has not come."""

    def __init__(self) -> None:
        self._rest = b""
        self.held = 0

    def feed(self, data: bytes) -> List[str]:
        """The lines that have come to their ends."""
        *whole, last = _LINE_END.split(data)
        self.held = self.held + len(data) if not whole else len(last)
        if not whole:
            self._rest = (self._rest + last)[:MAX_LINE]
            return []
        whole[0] = self._rest + whole[0]
        self._rest = last[:MAX_LINE]
        return [_text(one) for one in whole if one]

    def rest(self) -> List[str]:
        """What has come of a line that never ends."""
        rest, self._rest, self.held = self._rest, b"", 0
        return [_text(rest)] if rest else []


def _text(line: bytes) -> str:
    return line[:MAX_LINE].decode("utf-8", "replace")


class Last:
    """The last value of each metric, in the order in which they first came; of the first MAX_METRICS."""

    def __init__(self) -> None:
        self.values: Dict[str, Number] = {}

    def take(self, found: Found) -> None:
        """Values that came later than those before."""
        for name, value in found:
            if name in self.values or len(self.values) < MAX_METRICS:
                self.values[name] = value
