"""The verb top."""

from __future__ import annotations

import sys

from sjs.answers import Filter
from sjs.cli.commands.look import filters
from sjs.cli.common import Call, verb
from sjs.errors import UsageError


@verb("top")
@filters
def top(call: Call, only: Filter) -> int:
    """Machines, queues and running jobs with the last line that they have printed, live on the whole screen.

    Keys: up and down choose a job, f follows what it prints (until Ctrl-C), c cancels it once you have said y, s sorts,
    / shows only jobs with a text, h helps, q quits. A machine that is away is tried again by itself. Only what changes
    goes over the line, each job's last line once a second at most.
    """
    if call.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = f"for a program: {call.prog} {call.word} list --watch --json"
        raise UsageError("top is for somebody at a terminal", hint)
    from sjs.cli.top.loop import Loop

    return Loop(call, call.choice(), only).run()
