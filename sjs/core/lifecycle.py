"""The life of a job, as a table: (state, event) -> state. A pair that is not in it cannot happen, and raises.

The picture in docs/lifecycle.md is drawn from this table by `scripts/draw-lifecycle`.
"""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from sjs.core.job import REQUEUE, End, Retry, Spec

HELD = "held"
WAITING = "waiting"
QUEUED = "queued"
MOVING = "moving"
STARTING = "starting"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
TIMEOUT = "timeout"
CANCELLED = "cancelled"
LOST = "lost"
MOVED = "moved"

PENDING = (HELD, WAITING, QUEUED)
"""States before the first slot, or between two."""

LIVE = (STARTING, RUNNING)
"""States that hold a slot."""

FINAL = (SUCCEEDED, FAILED, TIMEOUT, CANCELLED, LOST, MOVED)
"""States that only a person's `retry` leaves."""

BAD = (FAILED, TIMEOUT, LOST)
"""Ends of jobs that went wrong by themselves: nobody wanted them."""

UNENDED = (*PENDING, MOVING, *LIVE)
"""States of jobs whose end is still to come. One that is `moving` is between two queues, and can do nothing here."""

STATES = (*UNENDED, *FINAL)

MAX_ATTEMPTS = 5
"""Attempts of a job that is queued again when one is lost, until somebody wants more."""

TABLE: Dict[Tuple[str, str], str] = {
    (QUEUED, "start"): STARTING,  # the intent is written; the keeper has not been told yet
    (QUEUED, "hold"): HELD,
    (WAITING, "hold"): HELD,
    (HELD, "release"): WAITING,
    (WAITING, "ready"): QUEUED,  # nothing is left to wait for
    **{(state, "leave"): MOVING for state in PENDING},
    (MOVING, "come back"): WAITING,
    (MOVING, "arrive"): MOVED,  # it is another queue's job now, and can never run here
    (QUEUED, "set aside"): FAILED,  # nobody can read any more what it was to run
    (STARTING, "started"): RUNNING,
    (STARTING, "unseen"): QUEUED,  # the keeper never heard of this attempt, so it never ran
    (STARTING, "refused"): QUEUED,  # the machine could not start it now
    (STARTING, "given back"): QUEUED,  # it was the keeper's to start, and was not started when somebody asked
    **{(state, "cancel"): CANCELLED for state in (*PENDING, *LIVE)},
    **{(state, "succeed"): SUCCEEDED for state in LIVE},
    **{(state, "fail"): FAILED for state in LIVE},
    **{(state, "time out"): TIMEOUT for state in LIVE},
    **{(state, "lose"): LOST for state in LIVE},
    **{(state, "try again"): WAITING for state in (*LIVE, *FINAL) if state != MOVED},
}


class Impossible(Exception):
    """An event that the state does not know: a fault in sjs, never in a job."""


def step(state: str, event: str) -> str:
    """The state after the event."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise Impossible(f"a job that is {state} cannot {event}") from None


def event_of(end: End) -> str:
    """Which event an attempt's end is."""
    if end.reason in ("cancelled", "dependency"):
        return "cancel"
    if end.reason == "host-lost":
        return "lose"
    if end.reason == "timeout":
        return "time out"
    if end.reason == "exit" and end.exit == 0:
        return "succeed"
    return "fail"


def next_try(spec: Spec, attempt: int, end: End, retried: int = 0) -> Optional[float]:
    """After how many seconds a job is tried again when this attempt has ended so; None: it is not. `retried`: how many
    attempts there had been when somebody asked to have it tried anew: these count no more."""
    event = event_of(end)
    tries = attempt - retried
    if event == "lose" and spec.on_lost == REQUEUE and tries < MAX_ATTEMPTS:
        return 0.0
    if event in ("succeed", "cancel") or tries > spec.retry.count or not _is_retried(spec.retry, end):
        return None
    return min(spec.retry.delay * spec.retry.factor ** min(tries - 1, 50), LONGEST_DELAY)


LONGEST_DELAY = 86_400.0
"""Seconds between two attempts, however often the pause grew."""


def _is_retried(retry: Retry, end: End) -> bool:
    words = {
        "exit": ("fail", f"exit:{end.exit}"),
        "signal": ("fail", f"signal:{end.signal}"),
        "host-lost": ("lost",),
    }.get(end.reason, (end.reason,))
    return any(word in retry.on for word in words)


def is_satisfied(kind: str, state: str) -> Optional[bool]:
    """Whether a job in this state is what one that waits for it so (`job.AFTER`) needs; None: it has not ended yet."""
    if state not in FINAL:
        return None
    if state == MOVED:  # how it ends is never known here
        return False
    return kind == "any" or (state == SUCCEEDED) == (kind == "ok")
