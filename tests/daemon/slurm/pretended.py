"""A Slurm that does as it is told, at once and in memory: for faults that a real one has once in a year.

What its programs say is as the real ones (22.05) say it. `faults` are used up one by one by the next `sbatch`.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground.places import Places
from sjs.daemon.ground.starting import Start
from sjs.daemon.slurm import node, words
from sjs.daemon.slurm.calls import Result, Then
from sjs.daemon.slurm.hands import SlurmHands

DOWN = Result(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
NO_SBATCH = "sbatch: error: Batch job submission failed: "


class Slurm:
    """Its queue: (array, number) to [state, reason, comment, folder]."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, int], list[str]] = {}
        self.asked: list[list[str]] = []
        self.faults: list[str] = []
        self.is_down = False
        self.may_suspend = True
        self.status = "0:0"
        self._answers: list[tuple[Then, Result]] = []
        self._arrays = 0

    # What the hands are given in place of `Calls`

    def run(self, argv: Sequence[str], then: Then, env: Mapping[str, str] = {}) -> None:
        self.asked.append(list(argv))
        self._answers.append((then, getattr(self, argv[0])(list(argv))))

    def turn(self, now: float) -> None:
        answers, self._answers = self._answers, []
        for then, result in answers:
            then(result)

    def reaped(self, pid: int, status: int) -> None:
        raise AssertionError("it has no processes")

    def next_time(self) -> float | None:
        return 0.0 if self._answers else None

    @property
    def pids(self) -> list[int]:
        return []

    # Its programs

    def sbatch(self, argv: list[str]) -> Result:
        script = argv[-1]
        assert os.path.exists(os.path.join(os.path.dirname(script), "jobs")), (
            "it is handed in before it is written down"
        )
        fault = self.faults.pop(0) if self.faults else ""
        if self.is_down:
            return Result(1, "", f"{NO_SBATCH}Unable to contact slurm controller (connect failure)\n")
        if fault not in ("", "taken, and killed"):
            return Result(None if fault == "killed" else 1, "", f"{NO_SBATCH}{fault}\n")
        self._arrays += 1
        told = dict(one.partition("=")[::2] for one in argv)
        for number in words.indexes(told["--array"]):
            self.jobs[str(self._arrays), number] = ["PENDING", "Priority", told["--comment"], os.path.dirname(script)]
        return Result(None, "", "") if fault else Result(0, f"{self._arrays}\n", "")

    def squeue(self, argv: list[str]) -> Result:
        if self.is_down:
            return DOWN
        lines = []
        for (array, number), (state, reason, comment, _) in self.jobs.items():
            shown = "N/A" if number == words.REST else str(number)
            lines.append(f"{array}|{shown}|{state}|{reason}|main|h1|N/A|{comment}\n")
        return Result(0, "".join(lines), "")

    def scancel(self, argv: list[str]) -> Result:
        return Result(0, "", "")

    def scontrol(self, argv: list[str]) -> Result:
        if self.is_down:
            return DOWN
        if argv[1] == "show" and argv[2] == "config":
            return Result(0, "MaxArraySize            = 1001\nMaxJobCount = 10000\n", "")
        if argv[1] in ("suspend", "resume"):
            return Result(0, "", "") if self.may_suspend else Result(1, "", "Access/permission denied for job 1\n")
        array, _, number = argv[-1].partition("_")
        found = self.jobs.get((array, int(number)))
        if found is None:
            return Result(1, "", "slurm_load_jobs error: Invalid job id specified\n")
        return Result(0, f"JobId=9 JobState={found[0]} Reason=None ExitCode={self.status}\n", "")

    def sacct(self, argv: list[str]) -> Result:
        return Result(1, "", "Slurm accounting storage is disabled\n")

    # What happens in it

    def count(self, program: str) -> int:
        return sum(argv[0] == program for argv in self.asked)

    def begin(self, array: str, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
        """A node starts it: whether it then runs the job."""
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", array)
        self.jobs[array, number][0] = "RUNNING"
        return node._claim(self.jobs[array, number][3], number)

    def end(self, array: str, number: int, state: str = "COMPLETED", **own: Any) -> None:
        """It is over; `own`: what the program on the node leaves of it."""
        if own:
            node._leave(self.jobs[array, number][3], number, own)
        self.jobs[array, number][0] = state


class Queue:
    """Hands, their Slurm, and all news so far; time is what `run` says."""

    def __init__(self, folder: Path) -> None:
        self.slurm = Slurm()
        self.news: list[dict[str, Any]] = []
        self.now = 1_000.0
        self._where = Places(str(folder), "jobs.pipe", str(folder / "state"))
        os.makedirs(self._where.jobs, exist_ok=True)
        self.restart()

    def restart(self) -> None:
        """The keeper dies, and another comes."""
        nothing = selectors.PollSelector()
        self.hands = SlurmHands(self._where, 0o022, nothing, self.news.append, calls=self.slurm, clock=lambda: self.now)

    def order(self, *tags: str, **told: Any) -> None:
        for tag in tags:
            self.hands.start(start(tag, str(self._where.jobs), **told))

    def run(self, seconds: float) -> None:
        """Let time go by, as the keeper would: to whatever is due next."""
        until = self.now + seconds
        while True:
            self.hands.on_time(self.now)
            due = self.hands.next_time()
            if due is None or due > until:
                break
            self.now = max(due, self.now + 0.01)
            if self.now > until:
                break
        self.now = until
        self.hands.on_time(self.now)

    def told(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self.news if one["on"] == what]

    def ends(self) -> dict[str, Any]:
        return {one["tag"]: one["end"] for one in self.told("ended")}


def start(tag: str, jobs: str, **told: Any) -> Start:
    given = {"cwd": "/", "env": {}, **told}
    slurm = given.pop("slurm", {})
    return Start(tag, ["true"], out=f"{jobs}/{tag}.out", err=f"{jobs}/{tag}.err", slurm=slurm, **given)
