"""What is shown anew whenever it has changed, until Ctrl-C, or until there is nobody left who could tell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sjs.cli.common import Call
from sjs.cli.output import Output, flush
from sjs.protocols import Target
from sjs.routing import Answer, Choice, Fleet

T = TypeVar("T")

PACE = 0.3
"""Seconds between two looks at a queue at least, however fast it changes."""

TICK = 1.0
"""Seconds after which times on a screen are shown anew."""


def watch(call: Call, choice: Choice, look: Callable[[Target], T], show: Callable[[Output, str, T], None]) -> int:
    """Show what a look at each target finds, and again after each change there; the exit status."""
    out = call.output(choice)
    latest: dict[str, Answer[T]] = {}
    is_screen = sys.stdout.isatty()
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        for news in fleet.stream(lambda target: _looks(target, look), TICK if is_screen else None):
            latest.update((answer.name, answer) for answer in news)
            if latest:
                out = _draw(call, choice, [latest[name] for name in fleet.managers if name in latest], show, is_screen)
    return out.finish()


def _looks(target: Target, look: Callable[[Target], T]) -> Iterator[T]:
    version = ""
    while True:
        version = target.changes(version)
        yield look(target)
        time.sleep(PACE)  # what changes meanwhile is seen with the next look


def _draw(
    call: Call,
    choice: Choice,
    answers: Sequence[Answer[T]],
    show: Callable[[Output, str, T], None],
    is_screen: bool,
) -> Output:
    out = call.output(choice)
    if is_screen:
        sys.stdout.write("\x1b[H\x1b[2J")
    for answer in answers:
        if answer.error is not None:
            out.failed(answer.name, answer.error)
        elif answer.value is not None:
            show(out, answer.name, answer.value)
            out.succeeded(answer.name)
    if not is_screen and not call.json:
        sys.stdout.write("\n")
    flush()
    return out
