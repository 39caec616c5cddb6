"""Commands over connections that outlive them, to real OpenSSH servers: what they cost, and what may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, ROOT, until, wait_for_end
from tests.rig.lab import Count, Done, Lab, rig

SUBMIT = [sys.executable, "-I", "-S", str(ROOT / "sjs/warm/submit.py")]
ROUNDS = int(os.environ.get("SJS_LINK_ROUNDS", "6"))
NOTHING = Count(0, 0)


@pytest.fixture(scope="module")
def pair() -> Iterator[Lab]:
    """Two hosts with managers, and a client who has typed something before."""
    with rig(2) as lab:
        lab.config()
        lab.manage(2, 2)
        assert types(lab, "all", "status").returncode == 0
        yield lab


def types(lab: Lab, *words: str) -> Done:
    return lab.call(*SUBMIT, *words, check=False)


def well(lab: Lab, *words: str) -> str:
    """What it prints, when nothing is said beside that."""
    done = types(lab, *words)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def processes(lab: Lab) -> list[int]:
    """The link, and who keeps its connections, by their numbers here."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            is_one = b"/warm/process.py\0" in path.read_bytes()
            if is_one and f"HOME={lab.home}\0".encode() in (path.parent / "environ").read_bytes():
                found.append(int(path.parent.name))
    return sorted(found)


def test_a_warm_command_opens_nothing(pair: Lab) -> None:
    before = pair.counts
    for verb in ("status", "list", "check-running"):
        well(pair, "all", verb)
    well(pair, "any", "job", "--command", "true")
    well(pair, "manager-1", "job", "--wait", "--command", "true")
    assert pair.since(before) == [NOTHING] * 2
    told = json.loads(well(pair, "local", "link", "--json"))
    assert [one["up"] for one in told["connections"]] == [True, True]


def test_what_follows_or_asks_the_machine_has_a_session_of_its_own_and_leaves_none(pair: Lab) -> None:
    job = well(pair, "manager-1", "job", "-p", "--command", "echo out; sleep 0.1").strip()
    before = pair.counts
    assert well(pair, "manager-1", "logs", job, "-f") == "out\n"
    well(pair, "manager-1", "status")
    well(pair, "manager-1", "hosts")
    assert [one.connections for one in pair.since(before)] == [0, 0]


def test_a_key_that_is_gone_opens_nothing_more(pair: Lab) -> None:
    key = pair.home / ".ssh/id_ed25519"
    aside = key.rename(key.with_name("aside"))
    done = types(pair, "all", "status")
    assert (done.returncode, done.stderr.count("permission denied")) == (255, 2)
    aside.rename(key)
    well(pair, "--no-link", "all", "status")
    types(pair, "local", "link", "--stop")
    well(pair, "all", "status")


def test_a_manager_that_is_another_one_is_noticed(pair: Lab) -> None:
    host = pair.hosts[0]
    before = json.loads(well(pair, "manager-1", "status", "--json"))["pid"]
    host.call("kill", "-KILL", str(before))
    until(lambda: json.loads(well(pair, "manager-1", "status", "--json"))["pid"] != before, "the next manager")
    well(pair, "manager-1", "stop")
    assert types(pair, "manager-1", "check-running").stdout == "[manager-1] I am NOT running\n"
    assert types(pair, "manager-1", "list").returncode == 0, "its records can be read"
    host.manager(2)
    well(pair, "manager-1", "status")


def test_one_that_is_away_keeps_nobody_waiting(pair: Lab) -> None:
    pair.hosts[1].cut()
    try:
        command = pair.command(*SUBMIT, "all", "check-running")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "[manager-1] I am running\n"
            process.send_signal(signal.SIGINT)
    finally:
        pair.hosts[1].heal()
    until(lambda: types(pair, "all", "status").returncode == 0, "both")


@pytest.mark.parametrize("which", [0, 1])
def test_the_next_command_works_whoever_is_killed(pair: Lab, which: int) -> None:
    well(pair, "all", "status")
    pid = processes(pair)[which]
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    well(pair, "all", "status")
    until(lambda: pid not in processes(pair) and len(processes(pair)) == 2, "another pair of processes")


def test_jobs_run_once_whoever_is_killed(pair: Lab) -> None:
    """The command, its worker, the link, who keeps the connections: at random moments, again and again."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    killed: Counter[str] = Counter()
    for number in range(ROUNDS):
        words = ["any", "job", "--key", f"k{seed}-{number}", "--command", f"echo {number} >> ran-{seed}"]
        command = pair.command(*SUBMIT, *words)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(chance.random() * 0.3)  # not a wait for anything: any moment will do
            victims = {"command": process.pid, **dict(zip(("link", "lines", "worker"), processes(pair), strict=False))}
            name = chance.choice(sorted(victims))
            killed[name] += 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(victims[name], signal.SIGKILL)
            process.wait(DEADLINE)
        until(lambda: types(pair, *words).returncode == 0, "the same command again")  # noqa: B023
    print(dict(killed))
    types(pair, "all", "wait")
    ran = [line for host in pair.hosts for path in host.root.glob(f"ran-{seed}") for line in path.read_text().split()]
    assert Counter(ran) == Counter(str(number) for number in range(ROUNDS))
