"""Everything is killed while jobs are handed in to three hosts: each job runs once, and its end is known."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import strace
from tests.live.machine import ROOT, running
from tests.rig.lab import rig
from tests.torture import effort

SLOTS = 4
ROUNDS, JOBS, EACH = (300, 20_000, 10) if effort.LONG else (18, 200, 1)
"""Kills, jobs, and kills in each bin that there are at least."""

PROGRAM = [sys.executable, "-m", "tests.torture.kills"]
ASKED = {"slots": SLOTS, "seed": effort.SEED, "rounds": ROUNDS, "jobs": JOBS, "minutes": effort.MINUTES}


Told = pytest.CaptureFixture[str]


@strace.needed
def test_each_job_runs_once_whatever_is_killed(tmp_path: Path, capsys: Told) -> None:
    """Over ssh, from a client to hosts of its own; who is not root has three folders of this machine."""
    with over_ssh() if os.geteuid() == 0 else on_this_machine(tmp_path) as command:
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE)
    assert done.returncode == 0, f"seed {effort.SEED}"
    found = json.loads(done.stdout)
    wrong = found.pop("wrong")
    with capsys.disabled():
        print(f"\n{json.dumps(found)}, seed {effort.SEED}")
    assert not wrong, "\n".join([f"seed {effort.SEED}", *wrong])
    assert min(found["bins"].values()) >= EACH
    assert found["kills"] >= ROUNDS and found["jobs"] >= JOBS


@contextlib.contextmanager
def over_ssh() -> Iterator[list[str]]:
    with rig(3) as lab:
        for host in lab.hosts:
            prepare(host.root)
        lab.manage(*[SLOTS] * 3)
        lab.config()
        hosts = [
            {"name": f"manager-{n}", "root": str(one.root), "network": one.name} for n, one in enumerate(lab.hosts, 1)
        ]
        yield lab.command(*PROGRAM, json.dumps({**ASKED, "home": str(lab.home), "hosts": hosts}))


@contextlib.contextmanager
def on_this_machine(folder: Path) -> Iterator[list[str]]:
    hosts = [{"name": f"manager-{n}", "root": str(folder / f"m{n}"), "network": ""} for n in (1, 2, 3)]
    with contextlib.ExitStack() as stack:
        for host in hosts:
            prepare(Path(host["root"]))
            stack.enter_context(running(Path(host["root"]), SLOTS))
        config = folder / "config.yaml"
        config.write_text(
            json.dumps({"managers": {h["name"]: {"transport": "local", "project_root": h["root"]} for h in hosts}})
        )
        config.chmod(0o600)
        clean = [f"HOME={folder}", "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", f"PYTHONPATH={ROOT}"]
        yield ["env", *clean, *PROGRAM, json.dumps({**ASKED, "home": str(folder), "hosts": hosts})]


def prepare(root: Path) -> None:
    """Folders for what the jobs write, of whoever runs them."""
    root.mkdir(exist_ok=True)
    owner = root.stat().st_uid
    for name in ("runs", "locks", "up"):
        (root / name).mkdir()
        os.chown(root / name, owner, owner)
