"""A large sweep is handed in without being held. SJS_TEST_SETTINGS=1000000 makes it as large as that."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.machine import running, until
from tests.live.test_outbox import Pair

SETTINGS = int(os.environ.get("SJS_TEST_SETTINGS", "5000"))
MOST = 150 << 10
"""Kilobytes of memory that the client may ever have had."""

LIMIT = 60 + SETTINGS / 200
"""Seconds until the test gives up."""

MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""
"""Runs a command and says how much memory it took; small, for at first a child has all that its parent had."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / f"m{number}", 1)) for number in (1, 2)]
        home = tmp_path / "home"
        home.mkdir()
        yield Pair(home, machines)


def test_the_first_runs_long_before_the_last_is_handed_in(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    first = pair.home / "first"
    wide = SETTINGS // 100
    words = (
        f"any sweep -n large -p a int:1..{wide} -p b int:1..100 --json --command '>> {first}; sleep 600; : {{a}} {{b}}'"
    )
    began = time.monotonic()
    with pair.begins(words, [sys.executable, "-c", MEASURED]) as client:
        until(first.exists, "a job runs")
        seconds = time.monotonic() - began
        there = sum(one["counts"].get("queued", 0) for one in sweeps(pair))
        assert client.poll() is None and there < SETTINGS
        said, err = client.communicate(timeout=LIMIT)
    assert client.returncode == 0
    most = int(err.split()[-1])
    assert sum(json.loads(line)["jobs"] for line in said.splitlines()) == SETTINGS
    assert most < MOST
    assert sum(sum(one["counts"].values()) for one in sweeps(pair)) == SETTINGS
    with capsys.disabled():
        whole = time.monotonic() - began
        print(f"\n{SETTINGS} settings: first job after {seconds:.1f} s, all handed in after {whole:.1f} s, ", end="")
        print(f"{most >> 10} MB at most")


def sweeps(pair: Pair) -> list[dict[str, dict[str, int]]]:
    """How many jobs of it each machine has."""
    found = []
    for machine in pair.machines:
        with machine.client() as client:
            found += client.ask("sweeps", sweep="large")["sweeps"]
    return found
