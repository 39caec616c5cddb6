"""How long a slot is empty between two jobs."""

from __future__ import annotations

import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

from tests.bench.figures import Effort, Found, Goal, part
from tests.live.machine import Client, running

CLOCK = ["/bin/date", "+%s%N"]
"""A job that says when it is; between two of them lie the end of one, the gap, and the start of the next."""

MOST = {0.5: Goal(2), 0.99: Goal(10)}


def gap(effort: Effort) -> Found:
    """By the clocks of the jobs themselves, so that what it costs to execute and to end them is in it."""
    count = effort.of(500, 150)
    ours: list[list[float]] = []
    kept: list[list[float]] = []
    bare: list[list[float]] = []
    with (
        tempfile.TemporaryDirectory(prefix="sjs-bench-") as folder,
        running(Path(folder), 1) as machine,
        machine.client() as client,
    ):
        for _ in range(effort.of(5, 2)):
            said, recorded = through(client, count)
            ours.append(said)
            kept.append(recorded)
            bare.append(by_a_shell(count))
    found = Found()
    for share, goal in MOST.items():
        found.add(f"p{share * 100:g} by the jobs' own clocks", "ms", [part(one, share) for one in ours], goal)
    for share in MOST:
        found.add(f"p{share * 100:g} by the records", "ms", [part(one, share) for one in kept])
        found.add(f"p{share * 100:g} of a shell's loop, by the jobs' clocks", "ms", [part(one, share) for one in bare])
    return found


def through(client: Client, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds between two jobs of one slot: by what they said, and by what is recorded of them."""
    first = client.ask("submit", key=None, jobs=[{"argv": CLOCK}] * count)["first"]
    span = [first, first + count - 1]
    client.ask("wait", jobs=[span])
    said = [int(client.output(job)) for job in range(first, first + count)]
    records = client.ask("list", jobs=[span], limit=count)["jobs"]
    assert len(records) == count
    return between(said), [1000 * (later["started"] - one["ended"]) for one, later in pairwise(records)]


def by_a_shell(count: int) -> list[float]:
    """The least that this machine can do: the same jobs, one by one, and nothing kept."""
    loop = f"i=0; while [ $i -lt {count} ]; do {' '.join(CLOCK)}; i=$((i+1)); done"
    done = subprocess.run(["sh", "-c", loop], text=True, capture_output=True, check=True)
    return between([int(line) for line in done.stdout.split()])


def between(nanoseconds: list[int]) -> list[float]:
    """Milliseconds from each to the next."""
    return [(later - one) / 1e6 for one, later in pairwise(nanoseconds)]
