"""An office in a process of its own, to be killed: `gathering.py CONFIG DATABASE STORE KEY COUNT COMMAND`.

Takes in COUNT jobs that leave something, under a key. Prints a line for each transaction, and "done" with how much
memory was needed when nothing is left to do; then waits for its end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sqlalchemy import func, select

from sjs.config import from_mapping
from sjs.gateway.collecting import collector
from sjs.gateway.engine.office import Office
from sjs.gateway.records.artifacts import DONE
from sjs.gateway.records.events import Changes
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import Pooled, owned
from sjs.gateway.records.tables import jobs
from sjs.gateway.records.writer import Writer
from tests.gateway.artifacts.killed import opened
from tests.gateway.collecting.desk import leaving


def main(config: str, database: str, where: str, key: str, count: str, command: str) -> None:
    collector.AGAIN = 0.05
    engine = engine_of(f"sqlite:///{database}")
    unfinished = select(func.count()).select_from(jobs).where(jobs.c.kept != DONE)

    def tell(changes: Changes) -> None:
        print("durable", *sorted({event.kind for event in changes.events}), flush=True)
        with engine.connect() as connection:
            if not connection.scalar(unfinished):
                print("done", memory(), flush=True)

    with owned(engine):
        migrate(engine)
        store, write = opened(where), Writer(Pooled(engine), tell)
        office = Office(from_mapping(json.loads(config), {}), engine, write, store)
        words = ("a", "b", "any")
        office.accept([leaving(command, words[number % 3]) for number in range(int(count))], "me", "api", key)
        sys.stdin.read()
        office.close()
        write.close()
        store.close()


def memory() -> str:
    """The most bytes that this process has had in memory, and that of those which it has started which had most."""
    children = [int(one) for path in Path("/proc/self/task").glob("*/children") for one in path.read_text().split()]
    return f"{most_of('self')} {max(map(most_of, children), default=0)}"


def most_of(process: int | str) -> int:
    with open(f"/proc/{process}/status", encoding="ascii") as source:
        return next(int(line.split()[1]) << 10 for line in source if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
