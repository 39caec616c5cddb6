"""Machines that are broken, each in its own way: the doctor names what, and what mends it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.lab import PATH, PROJECT, USER, Host, Lab, Plan, rig

HOME = f"/home/{USER}"
ROOT = f"{HOME}/{PROJECT}"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), "/nowhere")
BROKEN_TOOL = "#!/bin/sh\nexit 9\n"

PLANS = {
    "well": Plan(),
    "down": Plan(),
    "refusing": Plan(serves=False),
    "wrong key": Plan(),
    "unknown key": Plan(),
    "no login": Plan(files={".ssh/authorized_keys": ""}),
    "noisy": Plan(files={".bashrc": "echo good morning\n"}),
    "no python": Plan(),
    "no folder": Plan(),
    "a file": Plan(),
    "not ours": Plan(),
    "open": Plan(),
    "full": Plan(),
    "few names": Plan(),
    "read-only": Plan(),
    "in the way": Plan(),
    "stale pipe": Plan(),
    "killed": Plan(),
    "stopped": Plan(),
    "drained": Plan(),
    "one session": Plan(sshd=["MaxSessions 1"]),
    "crowded": Plan(sshd=["MaxStartups 1"]),
    "wrong clock": Plan(sshd=[f"SetEnv LD_PRELOAD={FAKETIME} FAKETIME=+2h"]),
    "no driver": Plan(files={"bin/nvidia-smi": BROKEN_TOOL}, sshd=[f"SetEnv PATH={HOME}/bin:{PATH}"]),
}
BREAKS = {
    "no folder": f"rmdir {ROOT}",
    "a file": f"rmdir {ROOT}; touch {ROOT}",
    "not ours": f"chown root {ROOT}",
    "open": f"chmod 777 {ROOT}",
    "full": f"mount -t tmpfs -o size=1m,uid=2001 tmpfs {ROOT}; dd if=/dev/zero of={ROOT}/f bs=4k 2>/dev/null || true",
    "few names": f"mount -t tmpfs -o nr_inodes=50,uid=2001 tmpfs {ROOT}",
    "read-only": f"mount -t tmpfs -o ro,uid=2001 tmpfs {ROOT}",
    "in the way": f"touch {ROOT}/jobs.pipe",
    "no driver": f"chmod 755 {HOME}/bin/nvidia-smi",
}
FAULTS = {
    "down": ("login", "fail", "no answer|timed out"),
    "refusing": ("login", "fail", "refused"),
    "wrong key": ("login", "fail", "knows another key"),
    "unknown key": ("login", "fail", "nobody has said yet"),
    "no login": ("login", "fail", "permission denied"),
    "noisy": ("login", "warn", "good morning"),
    "no python": ("login", "fail", "it has no python3"),
    "no folder": ("project_root", "warn", "not there yet"),
    "a file": ("project_root", "fail", "is no folder"),
    "not ours": ("project_root", "fail", "can not be written"),
    "open": ("queue", "ok", "open to others"),
    "full": ("files|room", "fail", "MB left|No space left"),
    "few names": ("room", "fail", "names for files left"),
    "read-only": ("files", "fail", "Read-only file system"),
    "in the way": ("pipe", "fail", "is in the way"),
    "stale pipe": ("pipe", "warn", "left behind"),
    "killed": ("manager", "fail", "the manager is gone"),
    "stopped": ("manager", "warn", "stopped on purpose"),
    "drained": ("manager", "warn", "until `undrain`"),
    "one session": ("login|sessions", "fail", "refuses another session"),
    "crowded": ("login", "fail", "MaxStartups"),
    "wrong clock": ("clock", "warn", "ahead"),
    "no driver": ("gpus", "fail", "tells of none"),
}
NAMES = {kind: f"manager-{number}" for number, kind in enumerate(PLANS, 1)}
MANAGED = ("well", "killed", "stopped", "drained", "one session")


@pytest.fixture(scope="module")
def ward() -> Iterator[Lab]:
    with rig(list(PLANS.values())) as lab:
        hosts = dict(zip(PLANS, lab.hosts, strict=True))
        for kind, how in BREAKS.items():
            hosts[kind].call("sh", "-ec", how, user="root")
        for kind in MANAGED:
            hosts[kind].manager(2)
        hosts["stale pipe"].call("mkfifo", "-m", "600", f"{PROJECT}/jobs.pipe")
        hosts["killed"].call(
            "sh", "-c", f"cd {PROJECT}/.sjs/jobs.pipe; kill -9 $(cut -d' ' -f2 keeper.lock manager.lock)"
        )
        lab.trust(*known(hosts))
        each = [{"python": "/no/python3"} if kind == "no python" else {} for kind in PLANS]
        lab.config(each=each, connect_timeout=10)
        lab.submit(f"{NAMES['drained']}", "drain")
        lab.submit(f"{NAMES['stopped']}", "stop")
        hosts["down"].cut()
        with keeping_the_server_busy(lab, hosts["crowded"]):
            yield lab


@contextlib.contextmanager
def keeping_the_server_busy(lab: Lab, host: Host) -> Iterator[None]:
    """With somebody who connects and says nothing."""
    hold = f"import socket; one = socket.create_connection(({host.address!r}, 22)); print(one.recv(99)); input()"
    with subprocess.Popen(
        lab.command(sys.executable, "-c", hold),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin and process.stdout
        assert b"SSH" in process.stdout.readline()
        yield
        process.communicate(b"\n")


def known(hosts: dict[str, Host]) -> list[str]:
    keys = {kind: f"{host.address} {host.public_key}" for kind, host in hosts.items() if kind != "unknown key"}
    keys["wrong key"] = f"{hosts['wrong key'].address} {hosts['well'].public_key}"
    return list(keys.values())


def test_each_fault_is_named(ward: Lab) -> None:
    done = ward.submit("all", "doctor", "--json")
    found = defaultdict(list)
    for one in map(json.loads, done.stdout.splitlines()):
        found[one["target"]].append((one["check"], one["verdict"], one["found"]))
    print(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert {verdict for _, verdict, _ in found[NAMES["well"]]} == {"ok"}
    for kind, (check, verdict, text) in FAULTS.items():
        assert any(
            re.fullmatch(check, one[0]) and one[1] == verdict and re.search(text, one[2]) for one in found[NAMES[kind]]
        ), (kind, found[NAMES[kind]])


def test_who_is_well_is_well_and_leaves_nothing_behind(ward: Lab) -> None:
    well = ward.hosts[0]
    before = set(well.root.rglob("*"))
    done = ward.submit(NAMES["well"], "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()][:3] == ["config", "name", "login"]
    assert set(well.root.rglob("*")) == before


def test_offline_nobody_is_asked(ward: Lab) -> None:
    before = ward.counts
    done = ward.submit("all", "doctor", "--offline")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, len(PLANS))
    assert ward.counts == before
