"""What is told of one job: what the records have, and what its machine knows besides. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from sjs.answers import Details
from sjs.core.job import Job
from sjs.gateway.web.pages import words
from sjs.values import dataclass

MOST_COMMAND = 4_000
"""Letters of it in a page."""

MOST_VALUE, MOST_VALUES = 300, 20
"""Letters of one value, and how many of them, of what a job was told or given."""

_OPTIONS = {
    "slots": "Slots",
    "cpus": "CPUs",
    "mem": "Memory",
    "gpus": "GPUs",
    "priority": "Priority",
    "cwd": "Folder",
    "timeout": "Time limit",
    "retry": "Retries",
    "tags": "Tags",
    "after": "After",
    "nice": "Nice",
}


@dataclass(frozen=True)
class Attempt:
    """One try to run it, as far as somebody knows of it."""

    number: int
    begun: float | None
    ended: float | None
    how: str
    cpu: float | None
    memory: float | None
    gpus: str

    @property
    def lasted(self) -> float | None:
        return None if self.begun is None or self.ended is None else max(0.0, self.ended - self.begun)


@dataclass(frozen=True)
class Account:
    """`options` and `parameters`: names and values. `is_cut`: the command is longer than what is told of it."""

    command: str
    is_cut: bool
    options: Sequence[tuple[str, str]]
    parameters: Sequence[tuple[str, str]]
    attempts: Sequence[Attempt]


def account(row: Row[Any], details: Details | None) -> Account:
    """By its row, and by what its machine has said, if it has."""
    body = json.loads(row.body)
    command = str(body.get("command") or shlex.join(body.get("argv") or []))
    given = json.loads(row.parameters or "{}")
    return Account(
        words.brief(command, MOST_COMMAND),
        len(command) > MOST_COMMAND,
        _said((told, _WRITTEN.get(name, _text)(body[name])) for name, told in _OPTIONS.items() if body.get(name)),
        _said(given.items()) if isinstance(given, dict) else (),
        [*_earlier(row, details), _last(row, None if details is None else details.job)] if row.attempt else [],
    )


def _said(pairs: Any) -> Sequence[tuple[str, str]]:
    return [(words.brief(str(name), 60), words.brief(_text(value), MOST_VALUE)) for name, value in pairs][:MOST_VALUES]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_WRITTEN: Mapping[str, Callable[[Any], str]] = {"mem": words.size, "timeout": words.seconds}


def _earlier(row: Row[Any], details: Details | None) -> Iterator[Attempt]:
    for at, one in enumerate([] if details is None else details.attempts):
        number = int(one.get("attempt") or at + 1)
        if number < row.attempt:
            how = _how(one.get("reason"), one.get("exit"), one.get("signal"))
            gpus = _gpus(one.get("granted") or ())
            yield Attempt(number, one.get("started"), one.get("ended"), how, *_usage(one.get("usage")), gpus)


def _last(row: Row[Any], job: Job | None) -> Attempt:
    how = _how(row.reason, row.exit, row.signal)
    usage = _usage(None if job is None else job.usage)
    return Attempt(row.attempt, row.begun, row.ended, how, *usage, _gpus(() if job is None else job.gpus))


def _how(reason: str | None, code: int | None, signal: int | None) -> str:
    if code is not None:
        return f"exit {code}" if reason in ("exit", "", None) else f"{reason}, exit {code}"
    return f"signal {signal}" if signal is not None else reason or ""


def _usage(usage: Mapping[str, float] | None) -> tuple[float | None, float | None]:
    """Seconds of processors, and bytes."""
    known = usage or {}
    times = [known[name] for name in ("user", "system") if name in known]
    memory = max((known.get(name, 0) for name in ("max_rss_kb", "tree_rss_kb")), default=0)
    return sum(times) if times else None, memory * 1024 or None


def _gpus(grant: Sequence[Any]) -> str:
    return ", ".join(str(one[0]) for one in grant)
