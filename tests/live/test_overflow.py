"""A group that is full, what overflows from it, and what comes back: with real managers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.live.machine import running
from tests.live.test_outbox import Pair

JOBS = 6


def test_what_overflows_comes_back_once_there_is_room_and_runs_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with running(tmp_path / "m1", 1) as lab, running(tmp_path / "m2", 1) as cluster:
        pair = Pair(home, [lab, cluster])
        path = home / "config.yaml"
        path.write_text(path.read_text() + "groups:\n  lab: {targets: m1, overflow: m2, overflow_jobs_per_day: 5}\n")
        for machine in (lab, cluster):
            with machine.client() as client:
                client.submit(f"until [ -e {home}/go ]; do sleep 0.05; done")
        (home / "jobs").write_text("".join(f"echo {number} >> {home}/ran\n" for number in range(JOBS)))
        done = pair.types("any:@lab job --command-file jobs")
        assert done.returncode == 0, done.stderr
        assert "[m2] 5 jobs go to m2: lab is full (overflow)\n" in done.stderr
        assert "[lab] 1 job does not go to m2: 5 of 5 jobs of today have gone\n" in done.stderr
        said = pair.types("@lab rebalance").stdout
        assert "[m2] nothing to move" in said, "there is no room"
        assert pair.types("m1 configure --max-jobs-running 4").returncode == 0
        assert pair.types("m1 wait 1").returncode == 0, "the one that stayed"
        done = pair.types("@lab rebalance")
        assert (done.returncode, done.stdout) == (0, "[m2] 3 moved to m1 (3-5, there 2-4)\n"), done.stderr
        (home / "go").touch()
        done = pair.types("m1,m2 wait --json")
        counts = [json.loads(line)["counts"] for line in done.stdout.splitlines()]
        assert done.returncode == 0, done.stdout
        assert sum(one.get("failed", 0) for one in counts) == 0
        assert sorted((home / "ran").read_text().split()) == [str(number) for number in range(JOBS)]
