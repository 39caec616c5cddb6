"""What came out of a sweep whose jobs are on two machines, one of which goes away."""

from __future__ import annotations

import json
from pathlib import Path

from tests.live import sweeps
from tests.live.inside import Insider
from tests.live.machine import Machine, running, until

WELL = "echo epoch 1 loss=0.5; echo epoch 2 loss=0.4; echo acc=0.9 >&2"
FAILED = "echo loss=0.1; exit 3"
LEFT = 'echo loss=9; echo \'{"loss": 0.3, "test": {"acc": 1}}\' > $SJS_JOB_DIR/result.json'
RUNS = "echo loss=nan; echo loss=0.2; touch begun; exec sleep 60"


def test_what_came_out_of_it_wherever_its_jobs_are(machine: Machine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    person = Insider(home, machine)
    with running(tmp_path / "n") as other:
        with (home / "config.yaml").open("a") as config:
            config.write(f"  n: {{transport: local, project_root: {other.root}}}\n")
        here = [(WELL, {"lr": "0.1"}), (FAILED, {"lr": "0.2"})]
        sweeps.write(home / "here", "s", here)
        sweeps.write(home / "there", "s", [(LEFT, {"lr": "0.3"}), (RUNS, {"lr": "0.4"})])
        for line in ("m import here", "n import there", "m wait s", "n wait 0"):
            person.types(line)
        until((other.root / "begun").exists, "the start of the last job")
        done = person.types("all results s --best min:loss --json")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(one["target"], one["state"], one["metrics"]["loss"]) for one in found] == [
            ("n", "running", 0.2),
            ("n", "succeeded", 0.3),
            ("m", "succeeded", 0.4),
            ("m", "failed", 0.1),
        ]
        assert (found[1]["metrics"]["test.acc"], found[2]["metrics"]) == (1, {"epoch": 2, "loss": 0.4, "acc": 0.9})
        assert done.stderr == b"[results] the best: n:1  lr=0.4  loss=0.2  (again: submit n rerun 1)\n"
        assert person.types("all results").stdout.splitlines()[1].split()[:2] == [b"s", b"4"]
        person.types("n cancel 1 --note enough")
        (ended,) = map(json.loads, person.types("n list 1 --json").stdout.splitlines())
        assert (ended["state"], ended["detail"]) == ("cancelled", "enough")
    with (home / "config.yaml").open("a") as config:
        config.write("  away: {host: 127.0.0.1, port: 1, user: x, project_root: /x}\n")
    done = person.types("m,away results s --csv")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        255,
        b"number,target,job_id,state,seconds,lr,acc,epoch,loss",
    )
    assert b"[away] error: " in done.stderr
