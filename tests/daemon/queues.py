"""A queue without a manager: what the tests of store, ledger and handlers stand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sjs.core.job import Job, Spec
from sjs.core.schedule import Start, plan
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.handlers import Handlers
from sjs.daemon.manager.waits import Waits
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store

NOW = Now(steady=100.0, wall=1_700_000_000.0)


class Queue(NamedTuple):
    """The parts that a request goes through, and the short ways in which tests drive them."""

    store: Store
    ledger: Ledger
    waits: Waits
    handlers: Handlers

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        return self.handlers.handle({"op": op, **fields}, "session", NOW)

    def submit(self, *commands: str) -> list[int]:
        reply = self.ask("submit", jobs=[{"command": text} for text in commands])
        return list(range(reply["first"], reply["first"] + reply["count"]))

    def start_all(self) -> list[str]:
        """What `plan` decides, done, in as many turns as it takes; the tags that the keeper would be given."""
        tags: list[str] = []
        while actions := plan(self.ledger.snapshot(stopping=False)):
            begun = [self.ledger.begin(one.job, one.slot, one.gpus) for one in actions if isinstance(one, Start)]
            tags += [live.tag for live in begun]
            if not begun:
                break
        return tags

    def end(self, tag: str, **end: Any) -> None:
        self.ledger.on_ended(tag, {"reason": "exit", "exit": 0, "at": NOW.wall, **end})

    def job(self, number: int) -> Job:
        found = self.store.job(number)
        assert found is not None
        return found


def make(slots: int = 2, path: str = ":memory:", root: Path = Path("/nowhere")) -> Queue:
    store = Store(path)
    ledger = Ledger(store)
    ledger.configure(slots)
    waits = Waits()
    where = Places(str(root), "jobs.pipe", str(root / "state"))
    return Queue(store, ledger, waits, Handlers(where, ledger, store, waits))


def specs(*commands: str) -> list[Spec]:
    return [Spec(command=text) for text in commands]
