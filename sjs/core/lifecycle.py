"""The life of a job, as a table: (state, event) -> state. A pair that is not in it cannot happen, and raises.

The picture in docs/lifecycle.md is drawn from this table by `scripts/draw-lifecycle`.
"""

from __future__ import annotations

from typing import Dict, Tuple

from sjs.core.job import End

QUEUED = "queued"
STARTING = "starting"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
LOST = "lost"

LIVE = (STARTING, RUNNING)
"""States that hold a slot."""

FINAL = (SUCCEEDED, FAILED, CANCELLED, LOST)
"""States that nothing leaves."""

STATES = (QUEUED, *LIVE, *FINAL)

TABLE: Dict[Tuple[str, str], str] = {
    (QUEUED, "start"): STARTING,  # the intent is written; the keeper has not been told yet
    (QUEUED, "cancel"): CANCELLED,
    (QUEUED, "set aside"): FAILED,  # nobody can read any more what it was to run
    (STARTING, "started"): RUNNING,
    (STARTING, "unseen"): QUEUED,  # the keeper never heard of this attempt, so it never ran
    (STARTING, "refused"): QUEUED,  # the machine could not start anything just now; it never ran
    (STARTING, "succeed"): SUCCEEDED,
    (STARTING, "fail"): FAILED,
    (STARTING, "cancel"): CANCELLED,
    (STARTING, "lose"): LOST,
    (STARTING, "requeue"): QUEUED,  # lost, and its owner wants it to be tried again
    (RUNNING, "succeed"): SUCCEEDED,
    (RUNNING, "fail"): FAILED,
    (RUNNING, "cancel"): CANCELLED,
    (RUNNING, "lose"): LOST,
    (RUNNING, "requeue"): QUEUED,
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
    if end.reason == "cancelled":
        return "cancel"
    if end.reason == "host-lost":
        return "lose"
    if end.reason == "exit" and end.exit == 0:
        return "succeed"
    return "fail"
