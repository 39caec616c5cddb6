"""Two hosts with one home, by a real network file system: each has a queue of its own, and none takes the other's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine import PATIENT, until
from tests.rig.lab import PROJECT, Lab, rig
from tests.rig.shared import HOME, needs_gluster, share_home

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "1"))
JOBS = 24
SLOTS = 2

KILL = """
cd /var/tmp/sjs-*/*_project-*
set -- $(cut -d' ' -f2 keeper.lock manager.lock)
kill -STOP $1
kill -KILL $2 $1
"""
"""Keeper and manager, at once: neither has time to do the other's work."""

pytestmark = needs_gluster


@pytest.fixture(scope="module")
def pair() -> Iterator[Lab]:
    with rig(2) as lab:
        share_home(lab)
        lab.config()
        yield lab


def test_each_has_a_queue_of_its_own_whatever_is_killed(pair: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Both managers start in the same folder, at the same door. Each job leaves a line that says where it ran."""
    ran = pair.hosts[0].root / "ran"
    pair.hosts[1].call("mkdir", f"{PROJECT}/ran")
    pair.manage(SLOTS, SLOTS)
    for number in range(ROUNDS):
        hand_in_and_kill(pair, number, ran)
    queues = records(pair)
    for host, queue in zip(pair.hosts, queues, strict=True):
        assert {name: (ran / name).read_text() for name in queue} == dict.fromkeys(queue, f"{host.name}\n")
    assert sum(map(len, queues)) == len(os.listdir(ran)) == ROUNDS * JOBS
    lost = sum(record["state"] == "lost" for queue in queues for record in queue.values())
    assert lost <= 2 * SLOTS * ROUNDS, "only what ran when its keeper was killed"
    with capsys.disabled():
        print(f"\n{ROUNDS * JOBS} jobs on two hosts, {ROUNDS} times all killed: {lost} lost, none twice")


def hand_in_and_kill(lab: Lab, number: int, ran: Path) -> None:
    jobs = [f"uname -n >> ran/{number}-{one}; sleep 0.05\n" for one in range(JOBS)]
    (lab.home / "commands.txt").write_text("".join(jobs))
    told = lab.call(*PATIENT, "any", "job", "--command-file", "commands.txt")
    assert (told.returncode, told.stderr) == (0, "")
    until(lambda: len(os.listdir(ran)) >= number * JOBS + JOBS // 4, "a quarter of the jobs")
    for host in lab.hosts:
        host.call("sh", "-c", KILL)
    lab.manage(SLOTS, SLOTS)
    waited = lab.submit("all", "wait")
    assert waited.returncode <= 2 * SLOTS, waited.stderr  # it is how many are lost


def test_a_queue_on_the_shared_disk_is_refused_to_the_other_host(pair: Lab) -> None:
    """Somebody insists on it."""
    options = ("--root", HOME, "--state-dir", f"{HOME}/state", "--background")
    first, second = (host.call("/mnt/job_manager", *options, check=False) for host in pair.hosts)
    assert first.returncode == 0
    assert (second.returncode, second.stdout, second.stderr.count("\n")) == (69, "", 1)
    assert "host h1, pid" in second.stderr
    assert "which is for one machine; go by that host, or choose another --state-dir" in second.stderr
    pair.config([pair.hosts[1]], project_root=HOME, state_dir=f"{HOME}/state")
    asked = pair.submit("manager-1", "list")
    assert "has the queue in" in asked.stderr and "go by that host" in asked.stderr, "it is not waited for"
    pair.config()


def records(lab: Lab) -> list[dict[str, dict[str, Any]]]:
    """Of each queue's jobs, by the names of the files that they leave."""
    found: dict[str, dict[str, Any]] = {"manager-1": {}, "manager-2": {}}
    for record in map(json.loads, lab.submit("all", "list", "--all", "--json").stdout.splitlines()):
        match = re.search(r"ran/(\S+);", record["command"])
        assert match, record
        found[record["target"]][match[1]] = record
    return list(found.values())
