"""What a type checker sees of `import sjs`: a program that is checked with all else, and never run. What it ignores, it
must find wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING

import sjs

if TYPE_CHECKING:
    from typing_extensions import assert_type


def half(number: int, *, name: str = "") -> float:
    return number / 2


def program(fleet: sjs.Fleet) -> None:
    options: sjs.JobOptions = {"gpus": 1, "mem": "8G", "timeout": 90, "tags": {"kind": "test"}, "cwd": Path("/")}
    assert_type(fleet.any.submit("true", **options), sjs.Job)
    assert_type(fleet["gpu1"].map_commands(["true", ["echo", "1"]], retries=2), Sequence[sjs.Job])
    job = fleet["gpu1"].submit(["true"], after={"any": fleet["gpu1"].list("running")})
    assert_type(job.wait(3), str)
    assert_type(job.exit_code, int | None)
    assert_type(job.logs(follow=True), Iterator[str])
    assert_type(asyncio.run(job.wait_async()), str)
    assert_type(fleet.all.status()["gpu1"].get().counts["queued"], int)
    fleet.any.submit("true", gpu=1)  # type: ignore[call-arg]
    fleet.any.submit("true", retries="2")  # type: ignore[arg-type]

    with sjs.Executor(fleet.any, python="python3.12", **options) as executor:
        call = executor.submit(half, 3, name="x")
        assert_type(call, sjs.Call[float])
        assert_type(call.job, sjs.Job | None)
        assert_type(executor.map(half, [1, 2], chunksize=2), Iterator[float])
        executor.submit(half, "3")  # type: ignore[arg-type]
        anything: Executor = executor
        assert_type(anything.submit(half, 3), Future[float])
