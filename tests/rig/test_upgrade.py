"""Machines whose managers run another copy of sjs than the client brings: one command, and what runs there runs on."""

from __future__ import annotations

import json
import os

from tests.live.machine import until
from tests.rig.lab import PROJECT, Lab, rig

RUNNING, WAITING = 20, 5
JOB = "echo $SJS_ATTEMPT >> ran-$SJS_JOB_ID; : < go; exit $((SJS_JOB_ID % 7))"
"""It waits until somebody has opened the other end of that pipe."""


def jobs(lab: Lab, *options: str) -> dict[tuple[str, int], tuple[str, int | None, int | None]]:
    """The state, process and exit code of each."""
    lines = lab.submit("all", "list", "--json", *options).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    return {(one["target"], one["id"]): (one["state"], one["pid"], one["exit"]) for one in found}


def test_twenty_running_jobs_on_each_of_three_machines() -> None:
    """They keep their processes, run once, and end as they would have."""
    with rig(3) as lab:
        lab.manage(*[RUNNING] * 3)
        lab.config()
        for host in lab.hosts:
            host.call("mkfifo", f"{PROJECT}/go")
        (lab.home / "commands.txt").write_text(f"{JOB}\n" * (RUNNING + WAITING))
        assert lab.submit("all", "job", "--command-file", "commands.txt").returncode == 0
        until(lambda: [len(list(host.root.glob("ran-*"))) for host in lab.hosts] == [RUNNING] * 3, "as many as slots")
        before = jobs(lab)
        upgraded = lab.submit("all", "upgrade", "--json")
        assert (upgraded.returncode, upgraded.stderr) == (0, "")
        programs = {json.loads(line)["program"] for line in upgraded.stdout.splitlines()}
        assert len(programs) == 1 and "/.cache/sjs/" in programs.pop()
        assert jobs(lab) == before and len(before) == 3 * (RUNNING + WAITING)
        ends = [os.open(host.root / "go", os.O_RDWR) for host in lab.hosts]
        lab.submit("all", "wait")
        for end in ends:
            os.close(end)
        ended = jobs(lab, "--all")
        assert {number: code for (_, number), (_, _, code) in ended.items()} == {
            number: number % 7 for number in range(RUNNING + WAITING)
        }
        for host in lab.hosts:
            assert {path.read_text() for path in host.root.glob("ran-*")} == {"1\n"}
