"""`job_manager --upgrade`: this code asks the keeper of a running queue to be put in its place, and its manager's."""

from __future__ import annotations

from sjs.daemon.ground import launch
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.daemon.keeper import handover
from sjs.daemon.terminal.waiter import Waiter

ANSWER = 5.0
"""Seconds in which a keeper that knows of upgrades says that it heard."""

VERDICT = 60.0
"""Seconds in which it is done: more than all that it waits for itself."""


def run(where: Places) -> str:
    """What went wrong, in one line; empty once this code manages the queue."""
    waiter = Waiter(where)
    if not waiter.connect():
        return f"no manager at {where.door}"
    problem = _selfcheck(where)
    if problem:
        return f"nothing was changed: this code cannot manage {where.door}: {problem}"
    waiter.send({"do": "upgrade", **OURS._asdict(), "reads": handover.VERSION})
    event = waiter.wait_for(("upgrading", "unchanged"), ANSWER)
    if not event and waiter.connected:
        return "nothing was changed: the running keeper knows no upgrade; use --stop, then start (running jobs go on)"
    if event.get("event") == "upgrading":
        event = waiter.wait_for(("upgraded", "unchanged"), VERDICT)
    return _verdict(where, event, waiter.connected)


def _verdict(where: Places, event: dict, keeper_lives: bool) -> str:  # type: ignore[type-arg]
    if event.get("event") == "upgraded":
        return ""
    if event:
        return f"no upgrade of {where.door}: {event['detail']}"
    if keeper_lives:
        return f"the keeper of {where.door} does not say how the upgrade went; see {where.log}"
    outcome, detail = launch.start(where, "-")  # should its manager have ended with it, nobody else would
    return f"the keeper of {where.door} died in the upgrade; {outcome} again: {detail}; see {where.log}"


def _selfcheck(where: Places) -> str:
    """Run it as the keeper will run the rest: by the same Python, in a process of its own."""
    import subprocess

    command = OURS.command("selfcheck", where.root, where.pipe, where.state)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return "" if done.returncode == 0 else told or f"its selfcheck ended with {done.returncode}"
