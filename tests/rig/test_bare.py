"""Machines with nothing but an ssh server and a Python: one command, and they work."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pythons
from tests.rig.lab import PROJECT, USER, Count, Host, Lab, rig

PLACES = f"/home/{USER}", "/tmp", "/var/tmp"


@pytest.fixture(scope="module")
def bare() -> Iterator[Lab]:
    """Three hosts: one with the oldest Python that will do, one with this system's, one with the newest."""
    with rig(3) as lab:
        found = list(pythons.found().values())
        lent = [lend(lab.hosts[0], Path(found[0])), "python3", lend(lab.hosts[2], Path(found[-1]))]
        lab.config(each=[{"python": python} for python in lent])
        yield lab


def lend(host: Host, python: Path) -> str:
    """Let a host's user run an interpreter of this machine that lies in a home where that user may not look."""
    python = python.resolve()
    prefix = python.parents[1]
    if Path.home() in prefix.parents:
        (host.folder / "python").mkdir()
        lend = f"mount --bind {prefix} /run/host/python; mount -t tmpfs -o mode=755 tmpfs {Path.home()}"
        host.call("sh", "-ec", f"{lend}; mkdir -p {prefix}; mount --bind /run/host/python {prefix}", user="root")
    return str(python)


def everything(host: Host) -> set[str]:
    """What lies where its user can write."""
    return set(host.call("find", *PLACES, "-xdev", user="root").stdout.splitlines())


def test_one_command_and_they_work(bare: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    before, counts = [everything(host) for host in bare.hosts], bare.counts
    began = time.monotonic()
    started = bare.submit("all", "start")
    assert (started.returncode, started.stderr) == (0, ""), started.stderr
    ran = bare.submit("all", "job", "--wait", "--command", "hostname; id -u")
    assert (ran.returncode, ran.stdout.count('"status": "OK"')) == (0, 3)
    took = time.monotonic() - began
    # To start: what says that sjs is missing, what brings it, what starts the manager. After that, one session each.
    assert bare.since(counts) == [Count(2, 4)] * 3
    for host, old in zip(bare.hosts, before, strict=True):
        new = {path for path in everything(host) - old if not path.startswith(f"/home/{USER}/{PROJECT}/")}
        assert new and all(path.startswith(f"/home/{USER}/.cache") for path in new)
        assert not [path for path in new if not path.startswith(f"/home/{USER}/.cache/sjs") and "/." not in path]
    with capsys.disabled():
        print(f"\nthree bare machines: started and a job on each in {took:.1f} s")


def test_each_runs_on_its_own_python(bare: Lab) -> None:
    found = [json.loads(line) for line in bare.submit("all", "hosts", "--json").stdout.splitlines()]
    versions = [tuple(map(int, one["python"].split("."))) for one in found]
    assert [one["state"] for one in found] == ["up"] * 3
    assert versions[0][:2] == min(pythons.found())[:2]
    assert versions[2][:2] == max(pythons.found())[:2]


def test_a_disk_that_fills_up_while_sjs_comes_leaves_nothing_half(bare: Lab) -> None:
    """The same command again does it, once there is room."""
    host, place = bare.hosts[1], f"/home/{USER}/.cache/sjs"
    host.call("sh", "-ec", f"mount -t tmpfs -o size=300k,mode=700,uid=$(id -u {USER}) tmpfs {place}", user="root")
    failed = bare.submit("manager-2", "start")
    assert failed.returncode == 255
    said = r"\[manager-2\] error: sjs cannot be put there: \S+/.cache/sjs\S*: No space left on device\n"
    assert re.fullmatch(said, failed.stderr), failed.stderr
    assert host.call("ls", "-A", place).stdout == ""
    host.call("mount", "-o", "remount,size=5m", place, user="root")
    assert bare.submit("manager-2", "start").returncode == 0
    host.call("umount", "-l", place, user="root")


def test_a_machine_without_python_is_told(bare: Lab) -> None:
    bare.config(bare.hosts[:1], python="/no/python3")
    done = bare.submit("manager-1", "start")
    assert done.returncode == 255
    assert "it has no python3: sjs needs Python 3.8 or newer there" in done.stderr
