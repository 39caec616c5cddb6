"""What is done with a queue costs the same, however many jobs it holds: counted in steps of the database."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.core.job import Spec, Task
from sjs.core.needs import Needs
from sjs.core.schedule import Start, plan
from sjs.daemon.ground import places
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.places import Places
from sjs.daemon.manager import explaining, handlers, subjects, sweeps
from sjs.daemon.manager.handlers import Handlers
from sjs.daemon.manager.waits import Waits
from sjs.daemon.queue import cleaner
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from tests.bench.large import PIPE, fill

FEW, MANY = 1_000, 10_000

GRAIN = 10
"""Steps of the database that are counted as one."""

SPARE = 30
"""By so many counts two queues of the same kind may differ: what is looked for lies a little further on."""

NOW = Now(steady=100.0, wall=time.time())

SMALL_TABLES = re.compile(r"SCAN (untold|hooks|moves|meta|sqlite_sequence|blockings|CONSTANT ROW|\(subquery-\d+\))")
"""What holds little, or of which one row is enough."""

READS = ("SELECT", "UPDATE", "DELETE")


class Counted:
    """A queue whose database counts what it does."""

    def __init__(self, root: Path) -> None:
        self.where = Places(str(root), PIPE)
        self.store = Store(self.where.database)
        self.steps: dict[str, int] = {}
        self.statements: set[str] = set()
        self._now = 0
        self.store._db.set_progress_handler(self._tick, GRAIN)
        self.store._db.set_trace_callback(self.statements.add)
        self._do("start", self._start)

    def use(self) -> None:
        """All that happens to a queue, each thing once or a few times."""
        last = self.ledger.next_id - 1
        for _ in range(3):
            self._do("turn", self._turn)
            self._do("ends", self._end)
        for name, specs in (("submit", [Spec("true")] * 10), ("submit mixed", mixed())):
            self._do(name, lambda name=name, specs=specs: self.ledger.submit(name, specs, NOW.wall))
        self._do("turn after", self._turn)
        self._do("ends after", self._end)
        for number, (op, fields) in enumerate(requests(last)):
            self._do(f"{number}: {op} {' '.join(fields)}", lambda op=op, fields=fields: self._ask(op, fields))
        self._do("commit", self.ledger.commit)
        self._do("cleaner", self._clean)

    def plans(self) -> Iterator[tuple[str, str]]:
        """How the database goes about each statement."""
        self.store._db.set_trace_callback(None)
        for text in sorted(one for one in self.statements if one.startswith(READS)):
            for *_, step in self.store._db.execute(f"EXPLAIN QUERY PLAN {text}"):
                yield text, str(step)

    def _tick(self) -> int:
        self._now += 1
        return 0

    def _do(self, name: str, what: Any) -> None:
        before = self._now
        what()
        self.steps[name] = self.steps.get(name, 0) + self._now - before

    def _start(self) -> None:
        self.ledger = Ledger(self.store)
        self.ledger.reconcile([], places.boot_id(), NOW.wall)
        self.ledger.configure(2)
        self.ledger.holdings.found(4, 1 << 40)
        self.ledger.commit()
        self.handlers = Handlers(self.where, self.ledger, self.store, Waits())

    def _ask(self, op: str, fields: dict[str, Any]) -> None:
        self.handlers.handle({"op": op, **fields}, "session", NOW)

    def _turn(self) -> None:
        self.ledger.work(NOW.wall)
        for action in plan(self.ledger.snapshot(stopping=False)):
            if isinstance(action, Start):
                self.ledger.begin(action.job, action.slot, action.gpus)
        self.ledger.commit()

    def _end(self) -> None:
        for live in list(self.ledger.live.values()):
            self.ledger.on_started(live.tag, 5, NOW.wall)
            self.ledger.on_ended(live.tag, {"reason": "exit", "exit": 0, "at": NOW.wall, "usage": {}})
        self.ledger.commit()

    def _clean(self) -> None:
        """Some slices, in which old records go."""
        self.ledger.retention.configure(1, 200)
        one = cleaner.Cleaner(self.where.jobs, self.ledger, self.store, NOW)
        for second in range(20):
            one.turn(Now(NOW.steady + second, NOW.wall + second))
            self.ledger.commit()


def mixed() -> list[Spec]:
    plain = Spec("true")
    return [
        plain.but(needs=Needs(cpus=3)),
        plain.but(priority=5),
        plain.but(after=(("ok", ((-1, -1),)),)),
        plain.but(hold=True),
        plain.but(at=NOW.wall + 1e6),
        plain.but(task=Task("grid", 3)),
    ]


def requests(last: int) -> Iterator[tuple[str, dict[str, Any]]]:
    page = {"limit": 20, "newest": True}
    yield from (("report", {"head": 0}), ("report", {"head": 20}), ("sweeps", {}), ("members", {"sweep": "grid"}))
    for only in (
        *({}, {"states": ["failed"]}, {"states": ["succeeded", "queued"]}, {"jobs": [[500, 500]]}, {"before": 300}),
        *(
            {"sweep": "grid"},
            {"sweep": "none"},
            {"sweep": "grid", "states": ["succeeded"]},
            {"name": "train-3", "limit": 1},
        ),
        *({"name": "train-9*"}, {"name": "none"}, {"tag": ["user", "none"]}, {"since": 1e12}),
    ):
        yield "list", {**page, **only}
    for job in (last - 10, last - 8, last - 5):
        yield "why", {"job": job}
        yield "details", {"job": job}
    for span in ([0, 99], [1, last - 1], [0, last], [last - 99, last]):
        yield "wait", {"jobs": [span], "timeout": 0}
    yield "wait", {"timeout": 0}
    for op in ("hold", "release", "cancel", "again", "pause", "resume", "clean", "cancel"):
        yield op, {"jobs": [[100, 199]]}
    yield "move", {"key": "m", "to": "there", "jobs": [[0, 30]]}
    yield from (("moves", {}), ("decline", {"key": "none"}), ("lookup", {"key": "none"}))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As small beside the smaller queue as they are beside a million jobs."""
    for module, name in ((explaining, "LOOK"), (explaining, "MANY"), (subjects, "ENOUGH"), (sweeps, "MEMBERS")):
        monkeypatch.setattr(module, name, 50)
    monkeypatch.setattr(handlers, "MAX_KEYS", 50)
    monkeypatch.setattr(cleaner, "SLICE", 60.0)  # a slice ends by what it has done, not by the clock


@pytest.fixture(params=[False, True], ids=["queued", "ended"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> list[Counted]:
    found = []
    for count in (FEW, MANY):
        root = tmp_path / str(count)
        root.mkdir()
        fill(root, count, ended=request.param, mixed=True)
        found.append(Counted(root))
        found[-1].use()
    return found


def test_nothing_that_is_done_with_a_queue_takes_longer_in_a_large_one(both: list[Counted]) -> None:
    few, many = both
    print(*(f"{few.steps[name]:6} {count:6} {name}" for name, count in many.steps.items()), sep="\n")
    assert sum(many.steps.values()) > 100, "steps are counted"
    assert {
        name: (few.steps[name], count) for name, count in many.steps.items() if count > few.steps[name] + SPARE
    } == {}
    wrong = [(text[:200], step) for text, step in many.plans() if "TEMP B-TREE" in step or is_scan(step)]
    assert wrong == []


def is_scan(step: str) -> bool:
    """Whether all of a table is looked at, and it is one that grows."""
    return step.startswith("SCAN ") and not SMALL_TABLES.match(step)
