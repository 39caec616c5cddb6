"""How many jobs a second go through two slots, beside what this machine can do at all. Nobody is judged by it:

    python -m tests.bench.rate [--jobs 1000] [--rounds 5] [OTHER_CHECKOUT…]

Everything takes its turn in each round, so that what else the machine does meanwhile meets all alike; medians are told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.live.machine import ROOT, Machine

SLOTS = 2
NOTHING = "/bin/true"
PIECE = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("others", nargs="*", type=Path, metavar="OTHER_CHECKOUT")
    asked = parser.parse_args()
    trees = [ROOT, *(path.resolve() for path in asked.others)]
    runners: dict[str, Callable[[int], None]] = {"fork and exec": spawn_all, "xargs -P2": xargs}
    runners.update({str(tree): lambda count, tree=tree: queue(tree, count) for tree in trees})  # type: ignore[misc]
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(asked.rounds):
        for name, run in runners.items():
            rates[name].append(asked.jobs / seconds(run, asked.jobs))
    bare = statistics.median(rates["fork and exec"])
    for name, found in rates.items():
        middle = statistics.median(found)
        span = f"{min(found):.0f}-{max(found):.0f}"
        print(f"{middle:7.0f} a second ({span}), {middle / bare:5.2f} of fork and exec: {name}")


SPENT: list[float] = []
"""What a runner took for the work itself, where that is less than the whole call."""


def seconds(run: Callable[[int], None], count: int) -> float:
    SPENT.clear()
    begin = time.perf_counter()
    run(count)
    return SPENT[0] if SPENT else time.perf_counter() - begin


def spawn_all(count: int) -> None:
    """The bare loop: as many processes at once as there are slots, and nothing else."""
    running = 0
    for _ in range(count):
        if running == SLOTS:
            os.wait()
            running -= 1
        os.posix_spawn(NOTHING, [NOTHING], os.environ)
        running += 1
    while running:
        os.wait()
        running -= 1


def xargs(count: int) -> None:
    numbers = "\n".join(map(str, range(count)))
    subprocess.run(["xargs", f"-P{SLOTS}", "-I{}", NOTHING], input=numbers, text=True, check=True)


def queue(tree: Path, count: int) -> None:
    """From the first submit until a wait for all is answered, by a manager that runs already."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        machine.program = [sys.executable, "-I", "-S", str(tree / "sjs" / "daemon")]
        machine.start(SLOTS)
        try:
            with machine.client() as client:
                begin = time.perf_counter()
                for low in range(0, count, PIECE):
                    client.ask("submit", key=None, jobs=[{"argv": [NOTHING]}] * min(PIECE, count - low))
                counts = client.ask("wait", jobs=None)["counts"]
                SPENT.append(time.perf_counter() - begin)
            assert counts == {"succeeded": count}, counts
        finally:
            machine.stop()


if __name__ == "__main__":
    main()
