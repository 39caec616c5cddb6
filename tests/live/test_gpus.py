"""GPUs of a stand-in for nvidia-smi: found by the real programs, given to jobs, and refused where there are too few."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sjs.core.needs import WHOLE
from sjs.core.schedule import PATIENCE
from tests.live.machine import Machine, running, until

SMI = """#!/bin/sh
case "$1" in
    *query-gpu*) printf '{listed}' ;;
    *compute-apps*) printf '{used}' ;;
esac
"""

SHARES = (WHOLE, 2 * WHOLE, 4 * WHOLE, WHOLE // 2)

NOTED = "echo + $SJS_JOB_ID $CUDA_VISIBLE_DEVICES >> noted; {work}; echo - $SJS_JOB_ID >> noted"
"""What a job does here: one line when it has its GPUs, one while it still has them. The file is the order of both."""

WithGpus = Callable[..., AbstractContextManager[Machine]]


@pytest.fixture
def with_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WithGpus:
    """Makes a manager whose machine has so many GPUs."""

    @contextlib.contextmanager
    def made(count: int, slots: int, used: str = "") -> Iterator[Machine]:
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.parent.mkdir()
        listed = "".join(f"{number}, GPU-{number}, 8192\\n" for number in range(count))
        tool.write_text(SMI.format(listed=listed, used=used))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
        with running(tmp_path / "project", slots) as machine, machine.client() as client:
            until(lambda: len(client.ask("report")["machine"]["gpus"]) == count, f"{count} GPUs")
            yield machine

    return made


def noted(machine: Machine) -> list[list[str]]:
    """What the jobs have written down."""
    path = machine.root / "noted"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def started(machine: Machine) -> list[int]:
    """Which jobs have begun, in order."""
    return [int(line[1]) for line in noted(machine) if line[0] == "+"]


def test_gpus_are_found_and_given_and_those_of_others_left_alone(with_gpus: WithGpus) -> None:
    with with_gpus(2, 4, used="GPU-1, 4711\\n") as machine, machine.client() as client:
        refusal = client.ask("submit", jobs=[{"command": "true", "gpus": 3 * WHOLE}])["error"]
        assert (refusal["code"], refusal["message"]) == (
            "too_large",
            "this machine can not hold it: needs 3 GPUs, it has 2",
        )
        told = {"command": "echo $CUDA_VISIBLE_DEVICES", "gpus": WHOLE}
        first = client.ask("submit", jobs=[told])["first"]
        client.ask("wait", jobs=[[first, first]])
        assert client.output(first) == b"0\n"
        assert "GPU 1: left alone" in machine.log()


def test_a_hundred_jobs_share_eight_gpus(with_gpus: WithGpus) -> None:
    """No GPU is ever given twice over: what each job has noted adds up to at most one of each, at each moment."""
    shares = [share for share in SHARES for _ in range(25)]
    random.Random(8).shuffle(shares)
    with with_gpus(8, 16) as machine, machine.client() as client:
        jobs = [{"command": NOTED.format(work="sleep 0.02"), "gpus": share} for share in shares]
        client.ask("submit", jobs=jobs)
        assert client.ask("wait")["counts"] == {"succeeded": 100}
        most = highest(noted(machine), shares)
    print(f"\n100 jobs on 8 GPUs: each was in use, at most {dict(most)} thousandths of them at once")
    assert set(most) == {str(number) for number in range(8)}
    assert max(most.values()) == WHOLE


def highest(lines: Sequence[Sequence[str]], shares: Sequence[int]) -> Counter[str]:
    """The most of each GPU that was in use at once, by the notes of its users."""
    held: dict[str, list[str]] = {}
    taken: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for sign, job, *names in lines:
        share = min(WHOLE, shares[int(job)])
        if sign == "+":
            held[job] = names[0].split(",")
            assert len(held[job]) == max(1, shares[int(job)] // WHOLE)
        for name in held[job] if sign == "+" else held.pop(job):
            taken[name] += share if sign == "+" else -share
            most[name] = max(most[name], taken[name])
    assert not +taken
    return most


def test_who_needs_all_gpus_is_overtaken_only_so_often(with_gpus: WithGpus) -> None:
    """While one GPU is kept from it, small ones go before it, PATIENCE of them; then the others wait, too."""

    def job(gpus: int, work: str = ":") -> dict[str, Any]:
        return {"command": NOTED.format(work=work), "gpus": gpus}

    with with_gpus(8, 8) as machine, machine.client() as client:
        holder = job(WHOLE // 2, "until [ -e go ]; do sleep 0.02; done")
        client.ask("submit", jobs=[holder, job(8 * WHOLE), *[job(WHOLE)] * (PATIENCE + 50)])
        until(lambda: noted(machine).count(["-", str(PATIENCE + 1)]) == 1, "the last one that may go before it")
        client.ask("wait", jobs=[[2, PATIENCE + 1]])
        report = client.ask("report")
        assert (report["running"], report["queued"]) == (1, 51)
        (machine.root / "go").touch()
        assert client.ask("wait")["counts"] == {"succeeded": PATIENCE + 52}
        assert started(machine).index(1) == PATIENCE + 1
