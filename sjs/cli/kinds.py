"""What may stand behind options: how it is written, and what it comes to."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click

from sjs.core import quantities
from sjs.core.job import RETRY_ON, Range
from sjs.errors import BadRequest
from sjs.wire import MAX_ID

if TYPE_CHECKING:
    from sjs.core.aims import Aim
    from sjs.core.stopping import Rule

T = TypeVar("T")

After = tuple[tuple[str, tuple[Range, ...]], ...]

LAST: Range = (-1, -1)
"""Stands for the newest job of a queue, until the queue is asked which that is."""

CONDITIONS = {"afterok": "ok", "afterany": "any", "afternotok": "notok"}
"""How a job says after which ends of others it may start."""

_SPAN = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?", re.ASCII)
_HOUR = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)


class Read(click.ParamType[T], Generic[T]):
    """A value that a function reads; its ValueError says what is wrong."""

    def __init__(self, name: str, read: Callable[[str], T]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def span(text: str) -> Range:
    """`5` or `1-3`."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no job id")
    low, high = int(match[1]), int(match[2] or match[1])
    if not low <= high <= MAX_ID:
        raise ValueError(f"'{text}' is no range of job ids: the lower one comes first")
    return low, high


def counted(text: str) -> tuple[str, int]:
    """`licence=2`."""
    name, number = quantities.pair(text)
    if not re.fullmatch(r"\d{1,6}", number, re.ASCII):
        raise ValueError(f"'{number}' is no number of {name}; write it as {name}=1")
    return name, int(number)


def after(text: str) -> After:
    """`afterok:3:4,afterany:7-9,afterok:last`; without a word before them, ids mean afterok."""
    if ":" not in text:
        return (("ok", tuple(map(_parents, text.split(",")))),)
    return tuple(_condition(part) for part in text.split(","))


def _condition(text: str) -> tuple[str, tuple[Range, ...]]:
    word, *spans = text.split(":")
    if word not in CONDITIONS or not spans:
        raise ValueError(f"'{text}' is no condition; write it as {':3:4, '.join(CONDITIONS)}:3:4")
    return CONDITIONS[word], tuple(map(_parents, spans))


def _parents(text: str) -> Range:
    return LAST if text == "last" else span(text)


def backoff(text: str) -> tuple[float, float]:
    """`10s:2x`: the first pause, and how many times longer each next one is."""
    first, colon, factor = text.partition(":")
    try:
        found = float(factor.removesuffix("x")) if colon else 1.0
    except ValueError:
        found = 0.0
    if not 1 <= found <= 1_000:
        raise ValueError(f"'{factor}' is no factor from 1x to 1000x; write it as 10s:2x")
    return quantities.duration(first), found


def retry_on(text: str) -> tuple[str, ...]:
    """`fail,timeout,exit:137,signal:KILL`."""
    return tuple(map(_ending, text.split(",")))


def _ending(word: str) -> str:
    kind, _, code = word.partition(":")
    if word in RETRY_ON or (kind == "exit" and re.fullmatch(r"\d{1,3}", code, re.ASCII)):
        return word
    if kind == "signal":
        return f"signal:{signal_number(code)}"
    raise ValueError(f"'{word}' is no end; there are {', '.join(RETRY_ON)}, exit:N and signal:NAME")


def signal_number(text: str) -> int:
    """`KILL`, `SIGKILL` or `9`."""
    name = text.upper().removeprefix("SIG")
    found = {one.name.removeprefix("SIG"): int(one) for one in signal.Signals}.get(name)
    number = int(name) if found is None and re.fullmatch(r"\d{1,2}", name, re.ASCII) else found
    if number not in signal.valid_signals():
        raise ValueError(f"'{text}' is no signal; write it as TERM, SIGTERM or 15")
    return int(number)


def moment(text: str) -> float:
    """Seconds since 1970: `14:30` (today, or tomorrow), `2026-12-31 14:30`, `@1800000000`; by the clock here."""
    try:
        now = datetime.now()
        return (datetime.fromtimestamp(float(text[1:])) if text.startswith("@") else _moment(text, now)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"'{text}' is no time; write it as 14:30, '2026-12-31 14:30' or @SECONDS") from None


def _moment(text: str, now: datetime) -> datetime:
    hour = _HOUR.fullmatch(text)
    if hour is None:
        return datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    today = now.replace(hour=int(hour[1]), minute=int(hour[2]), second=int(hour[3] or 0), microsecond=0)
    return today if today > now else today + timedelta(days=1)


def from_now(text: str) -> float:
    """When so much time has passed: `2h`."""
    return time.time() + quantities.duration(text)


def grace(text: str) -> float:
    """Seconds, as durations are written; also none."""
    return 0.0 if text.strip() in ("0", "0.0") else quantities.duration(text)


def ago(text: str) -> float:
    """When it was: so long before now (`2h`), or a time."""
    if _HOUR.fullmatch(text):
        return (datetime.fromtimestamp(moment(text)) - timedelta(days=1)).timestamp()
    try:
        return time.time() - quantities.duration(text)
    except ValueError:
        return moment(text)


DURATION = Read("duration", quantities.duration)
GRACE = Read("duration", grace)
SIZE = Read("size", quantities.size)
SIZE_OR_ZERO = Read("size", quantities.size_or_zero)
SHARE = Read("share", quantities.share)
PAIR = Read("pair", quantities.pair)
COUNTED = Read("count", counted)
AFTER = Read("condition", after)
BACKOFF = Read("backoff", backoff)
RETRIED = Read("ends", retry_on)
MOMENT = Read("time", moment)
FROM_NOW = Read("duration", from_now)
AGO = Read("time", ago)
SIGNAL = Read("signal", signal_number)


def aim(text: str) -> Aim:
    """`min:loss`."""
    from sjs.core import aims

    return _read(aims.parse, text)


def pattern(text: str) -> str:
    """A regular expression that finds numbers."""
    from sjs.core import metrics

    _read(metrics.by_pattern, text)
    return text


def stop_rule(text: str) -> Rule:
    """`median:loss`."""
    from sjs.core import stopping

    return _read(stopping.parse, text)


def _read(read: Callable[[str], T], text: str) -> T:
    """What the core reads; its refusal is a mistake in what was typed."""
    try:
        return read(text)
    except BadRequest as error:
        raise ValueError(str(error)) from None


AIM = Read("aim", aim)
PATTERN = Read("pattern", pattern)
STOP_RULE = Read("stop_rule", stop_rule)
