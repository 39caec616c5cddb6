"""`keep`: how a process becomes a queue's keeper. New, as the heir of a dead one, or as itself with other code."""

from __future__ import annotations

import gc
import os
import signal
import time
from typing import Any, Dict, List, Optional

from sjs.daemon.ground import kind, places
from sjs.daemon.ground.notes import keep_log, note
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import Program
from sjs.daemon.keeper import handover
from sjs.daemon.keeper.keeper import Keeper, report
from sjs.errors import SjsError

PATIENT = 2.0
"""Seconds for which a half-started job may hold a dead keeper's lock. Who holds it longer is a keeper."""


def main(arguments: List[str]) -> int:
    """`keep FD ROOT PIPE STATE MAX [KIND]`: become the keeper of a queue, and report at FD how that went.

    -FD: this was the manager, whose keeper has died; FD is its lock, to be let go once the keeper's is held.
    @FD: this was the keeper, with other code; FD is its record. PYTHON FOLDER may follow, to go back to that code.
    """
    first, root, pipe, state, maximum = arguments[:5]
    where = Places(root, pipe, state)
    keep_log(where.log)
    if first.startswith("@"):
        keeper = _resume(where, int(first[1:]), arguments[1:5], arguments[5:])
    else:
        made = _begin(where, int(first), maximum, arguments[5] if len(arguments) > 5 else None)
        if made is None:
            return 0
        keeper = made
    gc.freeze()  # what is here stays; a forked child need not look at it again
    keeper.run()
    return 0


def _begin(where: Places, report_fd: int, maximum: str, wanted: Optional[str]) -> Optional[Keeper]:
    """A new keeper with a manager; None, once that is told, where there can be none."""
    os.set_inheritable(abs(report_fd), False)
    umask = os.umask(0o077)
    lock = places.take_lock(where.keeper_lock, PATIENT if report_fd < 0 else places.LOOK)
    if lock is None:
        holder = places.holder(where.keeper_lock)
        if report_fd < 0:
            note(f"{holder} was quicker")
        else:
            report(report_fd, f"busy {holder}")
        return None
    problem = kind.refusal(where, wanted)
    if problem:
        note(problem)
        report(report_fd, "failed it is of another kind")
        return None
    kind.claim(where, wanted)
    try:
        keeper = Keeper(where, {"umask": umask, "maximum": maximum, "lock": {"fd": lock}})
    except SjsError as error:
        note(f"no keeper of {where.door}: {error}")
        if report_fd >= 0:
            report(report_fd, "failed it cannot read what it finds")
        return None
    if report_fd < 0:
        os.close(-report_fd)
    else:
        keeper.report_to(report_fd)
    keeper.start_manager(time.monotonic())
    return keeper


def _resume(where: Places, fd: int, names: List[str], back: List[str]) -> Keeper:
    """Go on where this process, with other code, left off; with that code again if this one cannot."""
    record: Dict[str, Any] = {}
    try:
        record = handover.read(fd)
        keeper = Keeper(where, record)
    except Exception as error:
        note(f"what the keeper left cannot be read: {error}")
        if not back:
            raise
        handover.execute_again(Program(*back), fd, record, *names)
        raise
    os.close(fd)
    handover.set_inheritable(record, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handover.HELD_BACK)
    keeper.say_replaced(bool(back))
    return keeper
