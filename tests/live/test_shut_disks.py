"""A disk that takes no more for a while: a quota is used up, it is made read-only, or ext4 gives it up.

Each time the same is shown: nothing that was acknowledged is lost, and it runs once; whoever hands in meanwhile is told
in one line why not; what runs goes on; and afterwards so does the queue.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Container
from pathlib import Path

import pytest

from tests.live.disks import MB, Quota, btrfs, ext4, fill, give_up, loops, needs_btrfs, needs_root, read_only
from tests.live.machine import DEADLINE, Machine, running, until
from tests.live.test_cli import Person
from tests.live.test_full_disk import check, job

SECONDS = float(os.environ.get("SJS_TEST_FULL_SECONDS", "0"))
"""For how long jobs are handed in each time that the disk takes no more; once at least."""

ENDED = 20
ROOM = 16 * MB

pytestmark = needs_root


class Story:
    """A queue with jobs that have ended, two that run until `let_go`, and one that waits; and who hands in more."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        (folder / "runs").mkdir()
        self.machine = machine
        self.refused = 0
        self._runs = folder / "runs"
        self._go = folder / "go"
        self._person = Person(folder, machine)
        self._line = f"m job --command {shlex.quote(job(machine))}"
        until_go = f"until [ -e {self._go} ] || [ ! -e {self._runs} ]; do sleep 0.05; done; {job(machine)}"
        with machine.client() as client:
            client.run(*[job(machine)] * ENDED)
            client.submit(until_go, until_go)
            until(lambda: client.ask("report")["counts"]["running"] == 2, "two that run")
            client.submit(job(machine))  # with its answer it is durable that they run
        self.running = {ENDED, ENDED + 1}
        self.ids = list(range(ENDED + 3))

    def is_refused(self, words: str) -> None:
        """Jobs that are handed in, each time in one line; one for which there is some room after all counts as any."""
        end, enough = time.monotonic() + SECONDS, self.refused + 1
        while self.refused < enough or time.monotonic() < end:
            assert time.monotonic() < end + DEADLINE, "nothing is refused"
            done = self._hand_in()
            if done.returncode != 0:
                said = done.stderr.decode()
                assert (done.stdout, said.count("\n"), words in said) == (b"", 1, True), said
                self.refused += 1

    def let_go(self) -> None:
        self._go.touch()
        until(lambda: all((self._runs / str(one)).exists() for one in self.running), "the end of what ran")

    def goes_on(self) -> None:
        """By itself, and soon."""
        until(lambda: self._hand_in().returncode == 0, "a job that is taken")

    def is_whole(self, capsys: pytest.CaptureFixture[str], lost: Container[int] = ()) -> None:
        check(self.machine, self.ids, lost)
        with capsys.disabled():
            print(f"\n{len(self.ids)} jobs taken, each ran once; {self.refused} refused")

    def _hand_in(self) -> subprocess.CompletedProcess[bytes]:
        done = self._person.types(self._line)
        if done.returncode == 0:
            self.ids.append(json.loads(done.stdout)["job_id"])
        return done


@needs_btrfs
def test_a_quota_that_is_used_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with btrfs(tmp_path / "disk", 256 * MB) as disk:
        quota = Quota(disk / "machine", ROOM)
        with running(quota.folder) as machine:
            story = Story(tmp_path, machine)
            fill(quota.folder / "filler")
            story.is_refused("Disk quota exceeded (free some there)")
            story.let_go()
            fill(quota.folder / "more")
            story.is_refused("Disk quota exceeded (free some there)")
            quota.set(2 * ROOM)
            story.goes_on()
            story.is_whole(capsys)


def test_a_disk_that_is_read_only_for_a_while(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk = tmp_path / "disk"
    with running(disk / "machine") as machine:
        story = Story(tmp_path, machine)
        with read_only(disk):
            story.is_refused("Read-only file system (make it writable again)")
            os.kill(machine.manager_pid, signal.SIGKILL)
            story.let_go()
            story.is_refused("Read-only file system (make it writable again)")
        story.goes_on()
        story.is_whole(capsys)


def test_a_disk_that_ext4_gives_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be written there until it is mounted anew, so nobody can tell how the jobs ended that ran."""
    machine = Machine(tmp_path / "disk" / "machine")
    with ext4(tmp_path / "disk", 64 * MB) as disk:
        machine.root.mkdir()
        try:
            machine.start(2)
            story = Story(tmp_path, machine)
            give_up(disk)
            story.is_refused("Read-only file system (make it writable again)")
            story.let_go()
        finally:
            machine.kill_all()
    until(lambda: not loops(disk), "the end of the last one that has a file open there")
    with ext4(tmp_path / "disk", 64 * MB), running(machine.root):
        story.goes_on()
        story.is_whole(capsys, lost=story.running)
