"""Takes the time of commands inside a lab: `with stopwatch(lab) as watch: watch.seconds("ssh", "h1", "true")`.

What it costs to enter the lab is left out: one process is there already, which starts the commands and waits for them:

    python -m tests.bench.stopwatch
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.rig.lab import Lab

PATIENCE = 300.0


class Taken(NamedTuple):
    """One command: how long it took, how much of the processors' time its processes had, what it printed."""

    seconds: float
    cpu: float
    out: str


class Stopwatch:
    """Whoever runs the commands, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def take(self, *argv: str, **environ: str) -> Taken:
        """Run a command, which has to go well."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"argv": argv, "environ": environ}) + "\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], PATIENCE)[0], f"no end of: {argv}"
        status, out, err, seconds, cpu = json.loads(self._process.stdout.readline())
        assert status == 0, f"{argv}: exit status {status}: {err[-500:]}"
        return Taken(seconds, cpu, out)

    def seconds(self, *argv: str, **environ: str) -> float:
        return self.take(*argv, **environ).seconds


@contextlib.contextmanager
def stopwatch(lab: Lab) -> Iterator[Stopwatch]:
    """Somebody with a stopwatch in the client's home."""
    command = lab.command(sys.executable, "-m", "tests.bench.stopwatch")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Stopwatch(process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Run commands until nobody wants any more."""
    for asked in map(json.loads, sys.stdin):
        before, begin = spent(), time.perf_counter()
        done = subprocess.run(
            asked["argv"],
            env={**os.environ, **asked["environ"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        took = time.perf_counter() - begin
        print(json.dumps([done.returncode, done.stdout, done.stderr, took, spent() - before]), flush=True)


def spent() -> float:
    """Seconds of processors' time that all commands have had so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    serve()
