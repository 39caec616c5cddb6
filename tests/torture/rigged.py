"""A queue whose keeper or manager meets one fault, at a chosen system call counted from its very start.

A shell stands in for Python where keeper and manager are executed. It puts whoever is to fail behind strace, once for
each time that it was armed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.live.machine import DEADLINE, ROOT, Machine
from tests.live.strace import KILL

WORDS = {"manager": "serve", "keeper": "keep"}

SPAWN = "?clone,?clone3,?vfork"

CALLS = {
    "manager": {"fdatasync": 12, "fsync": 1, "ftruncate": 2, "mkdir": 1, "mknodat": 1, "openat": 4, "pwrite64": 30}
    | {"rename": 1, "sendto": 10, "unlink": 4, "write": 10},
    "keeper": {"fsync": 1, "ftruncate": 1, "openat": 2, "rename": 1, "sendto": 10, SPAWN: 6, "unlink": 2, "write": 24},
}
"""The calls by which something becomes durable, or is passed on because something else has; and about how many of them
there are in the short piece of work that is done here."""

FAULTS = (KILL, "error=EIO", "error=ENOSPC")

FILES = {"manager": ("openat",), "keeper": ("openat", "write")}
"""The calls that count on the kept files only: a Python opens hundreds of its own, and what wakes the keeper when a job
has ended is a write to a pipe of its own, which no disk can make fail."""

KEPT = (
    "jobs.db",
    "jobs.db-wal",
    "journal.1",
    "journal.2",
    "journal.3",
    "keeper.lock",
    "manager.lock",
    "stopped",
    "manager.log",
)

# The tracer may inherit nothing: with a copy of a lock's descriptor it would hold the lock.
STAND_IN = """\
#!/bin/bash
case " $* " in *" {word} "*)
    if mv {folder}/armed {folder}/used 2>/dev/null; then
        ( for fd in /proc/self/fd/*; do [ ${{fd##*/}} -lt 3 ] || eval "exec ${{fd##*/}}>&-"; done
          setsid strace -qq -p $$ {options} & ) >/dev/null 2>&1
        tracer=0
        until [ $tracer != 0 ]; do
            while read -r name value; do [ $name != TracerPid: ] || tracer=$value; done </proc/$$/status
        done
    fi
esac
exec -a "$0" {python} "$@"
"""

START = "import sys; sys.executable = {stand_in!r}; sys.path.insert(0, {root!r})\n"
START += "from sjs.daemon.terminal.command import main\nsys.exit(main(sys.argv[1:]))"


class Point(NamedTuple):
    """A fault: of whom (`again`: of its successor, after a kill), at which call, what, and at which of them."""

    who: str
    again: bool
    call: str
    fault: str
    when: int

    def __str__(self) -> str:
        return f"{self.fault} at {self.call} {self.when} of the {'next ' if self.again else ''}{self.who}"


class Rigged(Machine):
    """A machine on which a point lies ahead."""

    def __init__(self, folder: Path, point: Point) -> None:
        super().__init__(folder / "root")
        self.root.mkdir(parents=True)
        self._folder = folder
        self._stand_in = folder / "python"
        self._log = folder / "calls"
        python = os.path.realpath(sys.executable)
        options = " ".join(self._options(point))
        text = STAND_IN.format(word=WORDS[point.who], folder=folder, options=options, python=python)
        self._stand_in.write_text(text)
        self._stand_in.chmod(0o700)

    def arm(self) -> None:
        """The next one that is executed meets the point."""
        (self._folder / "armed").touch()

    def begin(self, slots: int) -> subprocess.CompletedProcess[str]:
        """As a person starts it, who may see it fail."""
        text = START.format(stand_in=str(self._stand_in), root=str(ROOT))
        python = os.path.realpath(sys.executable)
        words = ["--background", "--root", str(self.root), "--max-jobs-running", str(slots)]
        return subprocess.run(
            [python, "-I", "-S", "-c", text, *words], text=True, capture_output=True, timeout=DEADLINE
        )

    @property
    def was_hit(self) -> bool:
        """Whether the fault has happened."""
        log = self._log.read_text() if self._log.exists() else ""
        return "(INJECTED)" in log or "+++ killed by SIGKILL +++" in log

    def _options(self, point: Point) -> Iterator[str]:
        inject = f"inject={point.call}:{point.fault}:when={point.when}"
        yield from ("-o", str(self._log), "-e", f"trace={point.call}", "-e", inject)
        if point.call in FILES[point.who]:
            for name in KEPT:
                yield from ("-P", str(self.state / name))
