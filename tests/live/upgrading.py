"""A queue with jobs that count, under one version of the code, and another version that is to manage it."""

from __future__ import annotations

import contextlib

from tests.live.machine import Machine, until
from tests.live.trees import Tree

JOBS = 8

COUNTER = """
echo $SJS_JOB_ID.$SJS_ATTEMPT >> runs
n=0; while [ ! -e gate ]; do n=$((n + 1)); echo $n; sleep 0.4; done; exit $((SJS_JOB_ID + 10))
"""


class Counters:
    """Jobs that count on stdout until the gate is opened, each with an exit code of its own."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        with machine.client() as client:
            client.submit(*[COUNTER] * JOBS)
        until(lambda: len(self.runs()) == JOBS, "all jobs at once")

    def runs(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.machine.root / "runs").read_text().split()
        return []

    def end(self) -> list[dict[str, object]]:
        """Open the gate; each has run once and counted without a gap. Their records."""
        (self.machine.root / "gate").touch()
        with self.machine.client() as client:
            client.ask("wait", jobs=[[0, JOBS - 1]])
            records = client.ask("list", jobs=[[0, JOBS - 1]])["jobs"]
            counted = [[int(line) for line in client.output(number).split()] for number in range(JOBS)]
        assert sorted(self.runs()) == [f"{number}.1" for number in range(JOBS)]
        assert counted == [list(range(1, len(numbers) + 1)) for numbers in counted]
        assert all(counted)
        return list(records)

    def end_well(self) -> None:
        """The same, and each exit code is known."""
        records = self.end()
        assert [(one["state"], one["exit"]) for one in records] == [("failed", 10 + n) for n in range(JOBS)]


class Pair:
    """A queue that is managed by the old code, with its jobs, and the new code."""

    def __init__(self, machine: Machine, old: Tree, new: Tree) -> None:
        self.machine, self.old, self.new = machine, old, new
        self.counters = Counters(machine)
        self.keeper = machine.keeper_pid

    def says_no(self, *words: str) -> None:
        """The upgrade is refused in one line; who worked before goes on."""
        done = self.new.upgrade(self.machine)
        assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
        assert all(word in done.stderr for word in words), done.stderr
        assert self.machine.keeper_pid == self.keeper
        with self.machine.client() as client:
            assert client.hello["version"] == self.old.version
        assert self.old.runs(self.machine)


def with_another_schema(tree: Tree) -> None:
    end = ')\n"""What makes schema N + 1'
    tree.edit("queue/schema.py", end, f'    ("ALTER TABLE jobs ADD COLUMN colour TEXT",),\n{end}')
