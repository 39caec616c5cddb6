"""How late a sweep ends on machines of which one is slower, by how late it could end at the earliest.

Three queues of this machine, of four slots each; a job takes so many seconds in two of them, and four times as long in
the third. The ideal is that every slot is busy to the end.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.figures import Effort, Found
from tests.live.machine import running
from tests.live.test_outbox import Pair

SLOTS = 4
FACTOR = 4


def uneven(effort: Effort) -> Found:
    """One sweep. The shares are of the slower machine and the two others."""
    settings, seconds = effort.of(300, 30), effort.of(10, 5) / 10
    with tempfile.TemporaryDirectory(prefix="sjs-bench-") as folder, ExitStack() as stack:
        machines = [stack.enter_context(running(Path(folder, f"m{number}"), SLOTS)) for number in (1, 2, 3)]
        home = Path(folder, "home")
        home.mkdir()
        person = Pair(home, machines)
        text = (
            f"case $SJS_MANAGER in {machines[0].root}/*) sleep {FACTOR * seconds};; *) sleep {seconds};; esac; : {{x}}"
        )
        done = person.types(f"any sweep -n uneven --wait -p x int:1..{settings} --command '{text}'")
        assert done.returncode == 0, done.stderr
        jobs = [json.loads(line) for line in person.types("all list --sweep uneven --json").stdout.splitlines()]
    span = max(one["ended"] for one in jobs) - min(one["submitted"] for one in jobs)
    ideal = settings / (SLOTS / (FACTOR * seconds) + 2 * SLOTS / seconds)
    shares = " + ".join(str(sum(one["target"] == name for one in jobs)) for name in ("m1", "m2", "m3"))
    found = Found(notes=[f"{settings} settings of {seconds:g} s, {FACTOR} times that on the first machine: {shares}"])
    found.add("until all have ended, by the earliest that can be", "×", [span / ideal])
    found.add("until all have ended", "s", [span])
    return found
