"""Somebody who uses a cluster over ssh: `with person(nodes=2) as anna: anna.well("job --command true")`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.live.machine import until
from tests.rig.lab import Host
from tests.rig.slurm import Slurm, cluster
from tests.rig.typist import Typed, Typist, typist

TARGET = "manager-1"
LONG = "SJS_SLURM_LONG" in os.environ


class Person:
    """Types commands for the one target there is, which is `slurm`."""

    def __init__(self, slurm: Slurm, typist: Typist) -> None:
        self.slurm = slurm
        self.root = slurm.login.root
        self.home = slurm.lab.home
        self._typist = typist

    def types(self, line: str, leave_after: str = "", **environ: str) -> Typed:
        return self._typist.types(f"{TARGET} {line}", leave_after, **environ)

    def well(self, line: str) -> str:
        """What it prints, when all goes well."""
        done = self.types(line)
        assert done.status == 0, (line, done)
        return done.out

    def table(self, line: str) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.well(f"{line} --json").splitlines()]

    def ids(self, line: str) -> list[int]:
        """Hand jobs in."""
        return [int(word) for word in self.well(f"job -p {line}").split()]

    def file(self, *lines: str) -> Path:
        """A command file in the client's home, which is where commands are typed."""
        path = self.home / "commands"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def job(self, number: int) -> dict[str, Any]:
        (found,) = self.table(f"list {number}")
        return found

    def state(self, number: int) -> tuple[str, str]:
        """How it stands, and why."""
        found = self.job(number)
        return found["state"], found["reason"] or ""

    def states(self, jobs: list[int]) -> list[str]:
        found = {one["id"]: one["state"] for one in self.table("list --all")}
        return [found[job] for job in jobs]

    def until_runs(self, number: int) -> None:
        until(lambda: self.state(number)[0] == "running", f"job {number} to run")

    def end(self, number: int) -> tuple[str, str]:
        """How it ends."""
        self.types(f"wait {number}")
        return self.state(number)

    def in_slurm(self, *states: str) -> list[str]:
        """The tasks that Slurm knows, `JOB_TASK`."""
        words = ["-t", ",".join(states)] if states else []
        return self.slurm.ask("squeue", "-h", "-r", *words, "-o", "%i").split()

    def until_in_slurm(self, count: int, *states: str) -> list[str]:
        """Wait until Slurm knows so many tasks."""
        until(lambda: len(self.in_slurm(*states)) == count, f"{count} in Slurm: {states}")
        return self.in_slurm(*states)

    def outs(self, folder: str) -> dict[str, str]:
        """What jobs have left in a folder of the project."""
        return {path.name: path.read_text() for path in (self.root / folder).iterdir()}


@contextlib.contextmanager
def person(
    nodes: int = 1, more: str = "", accounts: bool = False, network_home: bool = False, **entry: Any
) -> Iterator[Person]:
    """With a cluster of one's own; `entry`: what more the target's entry has."""
    with cluster(nodes, more, accounts, network_home) as slurm:
        slurm.lab.config([slurm.login], type="slurm", **entry)
        with typist(slurm.lab) as types:
            yield Person(slurm, types)


def folder(host: Host, name: str) -> str:
    """A folder in the project that nodes may write to."""
    host.call("mkdir", "-p", f"project/{name}")
    return name
