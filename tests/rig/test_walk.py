"""Three machines and a page of commands: what a person does with them, over both transports."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections import Counter

import pytest

from tests.live.machine import PATIENT
from tests.live.test_transcript import steps
from tests.rig.lab import Count, Lab

LINES = 1200 if os.environ.get("SJS_RIG_LONG") else 120


@pytest.fixture(params=["ssh", "openssh"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fleet(lab: Lab, transport: str) -> Lab:
    """Three hosts on which somebody has started managers with 2, 4 and 6 slots."""
    lab.manage(2, 4, 6)
    lab.config(transport=transport)
    return lab


def test_the_page_replays_byte_for_byte(fleet: Lab) -> None:
    (fleet.home / "commands.txt").write_text("true\nfalse\nsleep 0.2\necho 4\nexit 5\n")
    replay = steps()
    for number, (command, printed) in enumerate(replay):
        if number == len(replay) - 1:
            fleet.submit("manager-1", "wait", "0-5")
        done = fleet.submit(*shlex.split(command))
        assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0), command


def test_a_file_of_commands_is_dealt_through_one_session_each(fleet: Lab, transport: str) -> None:
    """A round of questions and all jobs go through one connection and one session for each host."""
    (fleet.home / "commands.txt").write_text("".join(f"echo {number} >> ran\n" for number in range(LINES)))
    fleet.submit("all", "status")  # the first command may have to put the program there
    before = fleet.counts
    done = fleet.call(*PATIENT, "any", "job", "--command-file", "commands.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert fleet.since(before) == [Count(1 if transport == "ssh" else 0, 1)] * 3, "openssh keeps its connections"
    dealt = taken(done.stdout)
    assert [len(dealt[f"manager-{number}"]) for number in (1, 2, 3)] == pytest.approx(
        [LINES * n / 12 for n in (2, 4, 6)], abs=2
    )
    assert all(numbers == list(range(len(numbers))) for numbers in dealt.values())
    assert fleet.submit("all", "wait").returncode == 0
    ran = Counter(word for host in fleet.hosts for word in (host.root / "ran").read_text().split())
    assert ran == Counter(map(str, range(LINES))), "each ran once, and on one host"


def taken(output: str) -> dict[str, list[int]]:
    """The ids that each target has given."""
    found: dict[str, list[int]] = {}
    for line in output.splitlines():
        match = re.fullmatch(r"\[(.+?)\] (\{.*\})", line)
        assert match, line
        found.setdefault(match[1], []).append(json.loads(match[2])["job_id"])
    return found
