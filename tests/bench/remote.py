"""What commands cost over ssh, beside OpenSSH itself, clush and pdsh.

Cold: nothing of ours runs on the client. Warm: the same command was typed before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import pytest

from tests.bench import peers
from tests.bench.figures import Effort, Found, Goal, Lacking, best_of, in_turns
from tests.bench.stopwatch import Stopwatch, stopwatch
from tests.live.machine import ROOT
from tests.rig.lab import UID, USER, Lab, Plan, insist, rig

DEFAULT_KEYS = "KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256"
"""What OpenSSH agrees on by itself; the rig's own hosts are made faster than that."""

FASTER_KEYS = ("-o", "KexAlgorithms=curve25519-sha256")

SUBMIT = str(ROOT / "submit")
COLD = {"SJS_NO_LINK": "1"}
LINES = 10_000


def status(effort: Effort) -> Found:
    """`submit host status`, by one `ssh host true`, and by the same over a connection that is open already."""
    with hosts(1, slots=2) as (lab, watch):
        host = lab.hosts[0].name
        master = ["-o", "ControlPath=~/.ssh/master"]
        watch.take("ssh", "-fN", "-o", "ControlMaster=yes", *master, host)
        asked = [SUBMIT, "manager-1", "status"]
        watch.take(*asked)
        spent: list[float] = []
        taken = in_turns(
            {
                "cold": partial(cold, watch, spent, *asked),
                "warm": partial(watch.seconds, *asked),
                "ssh host true": partial(watch.seconds, "ssh", host, "true"),
                "ssh, faster keys": partial(watch.seconds, "ssh", *FASTER_KEYS, host, "true"),
                "ssh over ControlMaster": partial(watch.seconds, "ssh", *master, host, "true"),
            },
            effort.of(11, 3),
        )
    found = Found()
    found.add_ratio("cold by ssh host true", taken["cold"], taken["ssh host true"], Goal(1.5))
    found.add_ratio("warm by ssh host true", taken["warm"], taken["ssh host true"], Goal(0.25))
    found.add_ratio("warm by ssh over ControlMaster", taken["warm"], taken["ssh over ControlMaster"], Goal(5))
    return with_times(found, taken, spent)


def any_job(effort: Effort) -> Found:
    """`submit any job` over 16 hosts, by whichever of clush and pdsh is the faster one there."""
    others = [name for name in ("clush", "pdsh") if peers.is_here(name)]
    if not others:
        raise Lacking("neither clush nor pdsh is installed")
    with hosts(16, slots=2) as (lab, watch):
        everyone = f"h[1-{len(lab.hosts)}]"
        commands = {
            "clush": ["clush", "-S", "-w", everyone, "true"],
            "pdsh": ["pdsh", "-S", "-R", "ssh", "-w", everyone, "true"],
        }
        asked = [SUBMIT, "any", "job", "--command", "true"]
        watch.take(SUBMIT, "all", "status")
        watch.take(*asked)
        spent: list[float] = []
        runners = {"cold": partial(cold, watch, spent, *asked), "warm": partial(watch.seconds, *asked)}
        runners.update({name: partial(watch.seconds, *commands[name]) for name in others})
        taken = in_turns(runners, effort.of(7, 1))
    best = best_of(*(taken[name] for name in others))
    found = Found(notes=[f"{name} is not installed" for name in ("clush", "pdsh") if name not in others])
    found.add_ratio(f"cold by the faster of {' and '.join(others)}", taken["cold"], best, Goal(1.2))
    found.add_ratio(f"warm by the faster of {' and '.join(others)}", taken["warm"], best, Goal(0.1))
    return with_times(found, taken, spent)


def hundred(effort: Effort) -> Found:
    """`submit all status` over 100 hosts, whose managers run on the same processors."""
    count = effort.of(100, 10)
    with hosts(count, slots=1) as (_, watch):
        asked = [SUBMIT, "all", "status"]
        first = watch.take(*asked)
        again = [watch.take(*asked) for _ in range(effort.of(5, 2))]
    found = Found()
    found.add(f"warm, {count} hosts", "s", [one.seconds for one in again], Goal(1.5))
    found.add("the first one", "s", [first.seconds])
    found.add("processors' time of a warm one at the client", "s", [one.cpu for one in again])
    assert all(len(one.out.splitlines()) == count for one in again), "not all hosts have answered"
    return found


def file_of_lines(effort: Effort) -> Found:
    """A file of 10,000 commands to one host that runs none of them, until all are durable there."""
    with hosts(1, slots=0) as (lab, watch):
        path = lab.home / "commands"
        path.write_text("".join(f"echo {number}\n" for number in range(LINES)))
        watch.take(SUBMIT, "manager-1", "status", **COLD)
        asked = [SUBMIT, "manager-1", "job", "--command-file", str(path)]
        spent: list[float] = []
        taken = in_turns(
            {
                "cold": partial(cold, watch, spent, *asked),
                "ssh host true": partial(watch.seconds, "ssh", lab.hosts[0].name, "true"),
            },
            effort.of(5, 2),
        )
    found = Found()
    found.add_ratio("cold by ssh host true", taken["cold"], taken["ssh host true"], Goal(3))
    return with_times(found, taken, spent)


def cold(watch: Stopwatch, spent: list[float], *argv: str) -> float:
    """How long a command takes that finds nothing of ours at the client, and what it has of the processors' time."""
    taken = watch.take(*argv, **COLD)
    spent.append(taken.cpu)
    return taken.seconds


def with_times(found: Found, taken: dict[str, list[float]], spent: list[float]) -> Found:
    """The times themselves, below what is judged."""
    for name, seconds in taken.items():
        found.add(name, "ms", [1000 * one for one in seconds])
    found.add("cold, processors' time at the client", "ms", [1000 * one for one in spent])
    return found


@contextlib.contextmanager
def hosts(count: int, slots: int) -> Iterator[tuple[Lab, Stopwatch]]:
    """So many hosts with managers, known to the client by name, and somebody with a stopwatch there."""
    try:
        insist()
    except (pytest.fail.Exception, pytest.skip.Exception) as why:
        raise Lacking(str(why)) from why
    with rig([Plan(sshd=[DEFAULT_KEYS], uid=UID + number) for number in range(count)]) as lab:
        config = lab.home / ".ssh" / "config"
        config.write_text(f"Host *\n  User {USER}\n  BatchMode yes\n")
        config.chmod(0o600)
        lab.trust(*(f"{one.name},{one.address} {one.public_key}" for one in lab.hosts))
        lab.manage(*[slots] * count)
        lab.config()
        with stopwatch(lab) as watch:
            yield lab, watch
