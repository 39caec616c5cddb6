"""A fleet of which most is broken, each part in its own way: the rest answers, and each fault has its line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

from tests.live.machine import DEADLINE, SUBMIT
from tests.rig.lab import Count, Done, Host, Lab, Plan, rig

NOISE = 'Welcome to this machine!\n{"status": "OK"}\nsjs\n'
LOUD = "cat ~/noise\n"
PLANS = {
    "down": Plan(),
    "frozen": Plan(),
    "refusing": Plan(serves=False),
    "healthy": Plan(),
    "without manager": Plan(),
    "stale pipe": Plan(),
    "killed": Plan(),
    "wrong key": Plan(),
    "revoked key": Plan(),
    "unknown key": Plan(),
    "noisy": Plan(files={".bashrc": LOUD, "noise": NOISE}),
    "csh": Plan("/bin/csh", {".cshrc": LOUD, "noise": NOISE}),
    "fish": Plan("/usr/bin/fish", {".config/fish/config.fish": LOUD, "noise": NOISE}),
}
NAMES = {kind: f"manager-{number}" for number, kind in enumerate(PLANS, 1)}
WELL = ("healthy", "noisy", "csh", "fish")
LATE = ("down", "frozen")
FAULTS = {
    "down": "no answer|timed out",
    "frozen": "timed out|no answer|no ssh server greets",
    "refusing": "refused",
    "without manager": "no manager",
    "stale pipe": "nobody reads",
    "killed": "not running",
    "wrong key": "knows another key|Host key verification failed",
    "revoked key": "was revoked|Host key verification failed",
    "unknown key": "nobody has said yet|Host key verification failed",
}
FREE = '{"status": "OK", "jobs_running": 0, "max_jobs_running": 2, "code": 0, "jobs_queued": "[]"}'


@pytest.fixture(scope="module")
def wreck() -> Iterator[Lab]:
    """The fleet, with the worst first."""
    with rig(list(PLANS.values())) as lab:
        hosts = dict(zip(PLANS, lab.hosts, strict=True))
        for kind in (*WELL, "killed"):
            hosts[kind].manager(2)
        hosts["stale pipe"].call("mkfifo", "-m", "600", "project/jobs.pipe")
        kill(hosts["killed"])
        lab.trust(*known(hosts))
        hosts["frozen"].freeze()
        hosts["down"].cut()
        yield lab


def kill(host: Host) -> None:
    """Keeper and manager at once, so that neither brings back the other."""
    host.call(
        "sh", "-c", "kill -9 $(cut -d' ' -f2 -s project/.sjs/jobs.pipe/keeper.lock project/.sjs/jobs.pipe/manager.lock)"
    )


def known(hosts: Mapping[str, Host]) -> list[str]:
    """The client's known_hosts."""
    keys = {kind: f"{host.address} {host.public_key}" for kind, host in hosts.items() if kind != "unknown key"}
    keys["wrong key"] = f"{hosts['wrong key'].address} {hosts['healthy'].public_key}"
    keys["revoked key"] = f"@revoked {keys['revoked key']}"
    return list(keys.values())


def interleaved(lab: Lab, *argv: str) -> Done:
    """Both streams in one, in the order in which they were written."""
    command = lab.command(*SUBMIT, *argv)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE
    )


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_the_status_of_all(wreck: Lab, transport: str) -> None:
    wreck.config(transport=transport, connect_timeout=10)
    interleaved(wreck, "all", "status")  # the first command may have to put the program there
    before = dict(zip(PLANS, wreck.counts, strict=True))
    done = interleaved(wreck, "all", "status")
    print(done.stdout)
    *lines, total = done.stdout.splitlines()
    said = {re.match(r"\[(.+?)\] ", line)[1]: line for line in lines}  # type: ignore[index]
    assert len(said) == len(lines) == len(PLANS), "one line each"
    for kind in WELL:
        assert said[NAMES[kind]] == f"[{NAMES[kind]}] {FREE}"
    for kind, fault in FAULTS.items():
        assert re.match(rf"\[{NAMES[kind]}\] error: .*({fault})", said[NAMES[kind]]), kind
    counts, _, away = total.partition(": ")
    assert counts == f"ok {len(WELL)}, failed 0, unreachable {len(FAULTS)}"
    assert set(away.split(", ")) == {NAMES[kind] for kind in FAULTS}
    assert done.returncode == 255
    first_late = min(lines.index(said[NAMES[kind]]) for kind in LATE)
    assert all(lines.index(said[NAMES[kind]]) < first_late for kind in WELL), "nobody waits for the dead"
    after = dict(zip(PLANS, wreck.counts, strict=True))
    new = 1 if transport == "ssh" else 0  # openssh keeps its connections for a while
    for kind in WELL:
        assert after[kind] == Count(before[kind].connections + new, before[kind].sessions + 1), kind


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_a_job_for_any_goes_to_a_healthy_one(wreck: Lab, transport: str) -> None:
    """It does not wait until the dead have been given up: they have no verdict yet."""
    wreck.config(transport=transport, connect_timeout=60)
    done = interleaved(wreck, "any", "job", "--command", "true")
    print(done.stdout)
    assert done.returncode == 0
    assert re.search(rf"^\[({'|'.join(NAMES[kind] for kind in WELL)})\] {{.*\"job_id\": \d+}}$", done.stdout, re.M)
    for kind in LATE:
        assert f"[{NAMES[kind]}] passed over: no answer yet, " in done.stdout
    assert wreck.submit(",".join(NAMES[kind] for kind in WELL), "wait").returncode == 0


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_a_refusal_is_no_outage(wreck: Lab, transport: str) -> None:
    wreck.config(transport=transport)
    well, key = ",".join(NAMES[kind] for kind in WELL), uuid4().hex
    assert wreck.submit(well, "job", "--command", "true", "--key", key).returncode == 0
    done = wreck.submit(well, "job", "--command", "false", "--key", key)
    assert done.stderr.splitlines()[-1] == f"ok 0, failed 4, unreachable 0: {', '.join(well.split(','))}"
    assert done.returncode == 1
    assert wreck.submit(well, "wait").returncode == 0
