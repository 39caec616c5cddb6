"""Queues of a million jobs, made in seconds. `python -m tests.bench.large ROOT COUNT [--ended] [--mixed]`

A thousand jobs go the way of all jobs, through the ledger; the others are copies of their rows.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from sjs.core.job import Retry, Spec, Task
from sjs.core.needs import Needs
from sjs.core.schedule import Start, plan
from sjs.daemon.ground import places
from sjs.daemon.ground.places import Places
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store

BLOCK = 1_000
"""Jobs that are made one by one."""

COPIES = 20_000
"""Jobs that are copied in one statement, which keeps them in memory meanwhile."""

FAR = 2.0**36
"""A time that does not come."""

FAILS = 10
"""Of so many that have ended one has failed."""

PIPE = "jobs.pipe"


def fill(root: Path, count: int, ended: bool = False, mixed: bool = False) -> float:
    """Have the queue of a project folder, which is new, hold so many jobs, in seconds.

    They are queued or, where `ended`, were run. `mixed`: they need various things, have priorities, names, tags and
    variables, are of a sweep, wait for others or for a time, or are held.
    """
    began = time.perf_counter()
    where = Places(str(root), PIPE)
    where.make()
    store = Store(where.database)
    ledger = Ledger(store)
    block = min(BLOCK, count)
    make = _mixed if mixed else _plain
    ledger.submit("large/0", list(itertools.islice(make(ended), block)), time.time())
    if ended:
        _run_all(ledger, block)
    _copy(store, block, count)
    ledger.counts.count_again(store)
    ledger.reconcile([], places.boot_id(), time.time())  # else the next start would be one after a reboot
    ledger.counts.save(store)
    store.commit()
    store.close()
    shutil.copyfile(where.database, where.good)  # a queue of some age has one, and makes none at once
    return time.perf_counter() - began


def _plain(ended: bool) -> Iterator[Spec]:
    for number in itertools.count():
        yield Spec(command=f"./train --lr {number / BLOCK}")


def _mixed(ended: bool) -> Iterator[Spec]:
    """Ten kinds of jobs, one after the other."""
    for number in itertools.count():
        plain = Spec(command=f"./train --lr {number / BLOCK}")
        values = (("lr", str(number / BLOCK)),)
        yield (
            plain,
            plain.but(needs=Needs(cpus=1)),
            plain.but(needs=Needs(slots=2, mem=1 << 20), priority=number % 7),
            plain.but(priority=-1, name=f"train-{number}", tags=(("user", f"u{number % 5}"),)),
            plain.but(task=Task("grid", number, values)),
            plain.but(after=(("ok", ((-1, -1),)),)),
            plain.but(env=(("LR", "0.1"), ("SEED", str(number))), timeout=3600.0),
            plain.but(hold=not ended),
            plain.but(at=None if ended else FAR),
            plain.but(retry=Retry(1), argv=("./train", str(number)), command=None, nice=3),
        )[number % 10]


def _run_all(ledger: Ledger, block: int) -> None:
    """Start and end all that there is to start."""
    ledger.configure(block)
    ledger.holdings.found(block, 1 << 40)
    while True:
        ledger.work(time.time())
        starts = [one for one in plan(ledger.snapshot(stopping=False)) if isinstance(one, Start)]
        if not starts:
            return
        for one in starts:
            live = ledger.begin(one.job, one.slot, one.gpus)
            ledger.on_started(live.tag, 10_000 + live.id, time.time())
            failed = int(live.id % FAILS == 0)
            usage = {"seconds": 0.01, "cpu": 0.01, "memory": 1 << 20}
            ledger.on_ended(live.tag, {"reason": "exit", "exit": failed, "at": time.time(), "usage": usage})


def _copy(store: Store, block: int, count: int) -> None:
    """Have the first jobs' rows again, with later ids."""
    database = store._db
    names = [str(row[1]) for row in database.execute("PRAGMA table_info(jobs)") if row[1] != "id"]
    columns = ", ".join(names)
    have = block
    while have < count:
        more = min(have, COPIES // block * block, count - have)
        store._begin()
        database.execute(
            f"INSERT INTO jobs (id, {columns}) SELECT id + ?, {columns} FROM jobs WHERE id < ?", (have, more)
        )
        database.execute(
            "INSERT INTO blockings SELECT parent + ?, child + ?, kind FROM blockings WHERE child < ?",
            (have, have, more),
        )
        for first in range(have, have + more, block):
            store.remember_submit(f"large/{first}", "copy", first, min(block, have + more - first), time.time())
        store.commit()
        have += more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="a project folder without a queue")
    parser.add_argument("count", type=int)
    parser.add_argument("--ended", action="store_true", help="they have ended; else they wait")
    parser.add_argument("--mixed", action="store_true", help="of ten kinds; else all alike")
    asked = parser.parse_args()
    asked.root.mkdir(parents=True, exist_ok=True)
    print(f"{asked.count} jobs in {fill(asked.root, asked.count, asked.ended, asked.mixed):.1f} s")


if __name__ == "__main__":
    main()
