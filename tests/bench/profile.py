"""Where the keeper's time goes while jobs do nothing: samples of its stack, sorted by what it was about."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.bench import peers
from tests.bench.figures import Effort, Found, Lacking
from tests.bench.rate import PIECE, TEXT
from tests.live.machine import DEADLINE, Client, running

SAMPLES_A_SECOND = 400

ABOUT = {
    "waiting until the job is executed": ("_start (sjs/daemon/keeper/spawn.py",),
    "making, passing on and removing folders and outputs": (
        "_make_folders (sjs/daemon/keeper/spawn.py",
        "_spare (sjs/daemon/keeper/attempts.py",
        "_remove_empty (sjs/daemon/keeper/attempts.py",
    ),
    "writing its journal": ("(sjs/daemon/ground/journal.py",),
    "talking to the manager": ("(sjs/daemon/ground/lines.py", "(sjs/daemon/keeper/manager_process.py", "(json/"),
    "looking at processes": (
        "(sjs/daemon/keeper/tree.py",
        "(sjs/daemon/keeper/orphans.py",
        "(sjs/daemon/keeper/children.py",
    ),
    "nothing to do": ("(selectors.py",),
}
"""What it was about, by the innermost function that says so."""

LIMIT = (
    "xargs, too, waits until each job is executed, one after the other, and does nothing else: that is the limit of"
    " any one process that starts jobs. The keeper does besides what makes them safe: three records of each, two files"
    " for its output and a folder, a look for what it left behind; and it has the processors together with the jobs"
    " and the manager"
)


def profile(effort: Effort) -> Found:
    """Shares of the time of one run, and how long its jobs took each."""
    seconds, count = effort.of(8, 3), effort.of(12_000, 5_000)
    found = Found()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sjs-bench-")))
        machine = stack.enter_context(running(folder, peers.SLOTS))
        client = stack.enter_context(machine.client())
        for _ in range(0, count, PIECE):
            client.ask("submit", key=None, jobs=[{"command": TEXT}] * PIECE)
        before = ended_by(client)
        stacks = sample(machine.keeper_pid, seconds, folder / "samples")
        ended = ended_by(client) - before
    counts = sort(stacks)
    if counts["nothing to do"] > sum(counts.values()) / 2:
        raise Lacking(f"jobs for {seconds} s: {count} were too few")
    for about, share in counts.most_common():
        found.add(about, "%", [100 * share / sum(counts.values())])
    found.notes.append(LIMIT)
    found.notes.append(f"{ended} jobs in {seconds} s, while {SAMPLES_A_SECOND} samples were taken in each")
    return found


def ended_by(client: Client) -> int:
    """How many jobs have, so far."""
    return int(client.ask("wait", jobs=None, timeout=0)["counts"]["succeeded"])


def sample(pid: int, seconds: int, into: Path) -> list[str]:
    """Stacks, outermost function first, each line with its number of samples."""
    program = Path(sys.executable).with_name("py-spy")
    if not program.exists():
        raise Lacking("py-spy is not installed")
    command = [str(program), "record", "--pid", str(pid), "--duration", str(seconds), "--format", "raw", "--function"]
    command += ["--rate", str(SAMPLES_A_SECOND), "--idle", "--nonblocking", "--output", str(into)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + DEADLINE, check=False)
    if done.returncode or not into.exists():
        raise Lacking(f"no samples: {done.stderr.strip()}")
    return into.read_text().splitlines()


def sort(stacks: Iterable[str]) -> Counter[str]:
    """How many samples were about what."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        counts[_about(stack.split(";"))] += int(number)
    return counts


def _about(stack: list[str]) -> str:
    for function in reversed(stack):
        for about, beginnings in ABOUT.items():
            if any(one in function for one in beginnings):
                return about
    return "everything else"
