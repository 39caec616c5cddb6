"""What Slurm says of itself to whose jobs it runs: whether it is there, and what all users have in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any, Dict, Iterator, List, Tuple

from sjs.daemon.ground.places import Places
from sjs.daemon.slurm import nodes, words
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.verdicts import FAIL, OK, WARN, Check
from sjs.errors import Refused

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
PATIENCE = 30.0
"""Seconds for one of them; who asks a controller that is down hears of it after ten."""

_MEM = re.compile(r"([\d.]+)([KMGT]?)")

OWN = ("SINFO_", "SQUEUE_", "SLURM_", "SCONTROL_")
"""How variables begin that change what Slurm's programs say."""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"slurm": slurm, "slurm_queue": slurm_queue}


def slurm(request: Request, client: Client, where: Places) -> Reply:
    """The same as `checks` answers. `partition`: where the jobs are to run, with commas between several."""
    wanted = request.get("partition")
    return {"checks": [["slurm", *one] for one in look(wanted.split(",") if isinstance(wanted, str) else [])]}


def slurm_queue(request: Request, client: Client, where: Places) -> Reply:
    """What has not ended of all users, as far as Slurm shows it: `rows`: [partition, CPUs, bytes, GPUs by kind, how
    many there are, how many of them are one's own, how many run]."""
    argv = ("squeue", "--noheader", f"--states={','.join(words.ALIVE)}", "--format=%P|%C|%m|%b|%T|%U|%K")
    is_well, said = _asked(*argv, SLURM_BITSTR_LEN="0")
    if not is_well:
        raise Refused(f"squeue: {_last(said)}")
    return {"rows": occupied(said, os.geteuid())}


def occupied(said: str, me: int) -> List[List[Any]]:
    """Those together of a partition that ask for the same. A line may stand for all of an array that wait."""
    groups: Dict[Tuple[str, str, str, str], List[int]] = {}
    for line in said.splitlines():
        fields = line.strip().split("|")
        if len(fields) == 7:
            state, user, numbers = fields[4:]
            count = len(words.indexes(numbers)) or 1
            found = groups.setdefault((fields[0], fields[1], fields[2], fields[3]), [0, 0, 0])
            found[0] += count
            found[1] += count * (user == str(me))
            found[2] += count * (state in words.RUNNING)
    return [
        [where, _count(cpus), _bytes(mem), _gpus(gres), *counts] for (where, cpus, mem, gres), counts in groups.items()
    ]


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _bytes(text: str) -> int:
    """`4000M`, `1.50G`; 0 is what the partition gives."""
    found = _MEM.match(text)
    return int(float(found[1]) * 1024 ** (" KMGT".index(found[2] or "M"))) if found else 0


def _gpus(text: str) -> Dict[str, int]:
    """`gres:gpu:a100:2`, `gres/gpu:1`."""
    found: Dict[str, int] = {}
    for one in nodes.GRES.finditer(text):
        kind = one["kind"] or "gpu"
        found[kind] = found.get(kind, 0) + int(one["count"] or 1)
    return found


def look(wanted: List[str]) -> Iterator[Check]:
    """All that there is to say."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        yield FAIL, f"no {missing[0]} on the PATH of this login", "have ~/.profile or ~/.bashrc add Slurm's programs"
        return
    is_up, said = _asked("scontrol", "ping")
    if not is_up or " UP" not in said:
        yield (
            FAIL,
            f"its controller does not answer: {_last(said)}",
            "jobs are taken, and start once it does",
        )
        return
    yield _settings()
    yield from _partitions(wanted)


def _settings() -> Check:
    is_well, said = _asked("scontrol", "show", "config")
    if not is_well:
        return FAIL, f"scontrol: {_last(said)}", ""
    found = {name.strip(): value.strip() for name, sign, value in (line.partition("=") for line in said.splitlines())}
    keeps = "no" if found.get("AccountingStorageType", "").endswith("/none") else "with"
    version, most = found.get("SLURM_VERSION", "of no version"), found.get("MaxArraySize", "?")
    return OK, f"Slurm {version}, {keeps} accounting, arrays of less than {most}", ""


def _partitions(wanted: List[str]) -> Iterator[Check]:
    is_well, said = _asked("sinfo", "--noheader", "--format=%P %a")
    if not is_well:
        yield FAIL, f"sinfo: {_last(said)}", ""
        return
    found = dict(line.split()[:2] for line in said.splitlines() if len(line.split()) > 1)
    up = {name.rstrip("*"): state for name, state in found.items()}
    there = ", ".join(up) or "none at all"
    for name in wanted:
        if name not in up:
            yield FAIL, f"no partition {name}; there are {there}", "correct `partition`"
        elif up[name] != "up":
            yield WARN, f"partition {name} is {up[name]}: nothing starts there", ""
        else:
            yield OK, f"partition {name}", ""
    if not wanted and not any(name.endswith("*") for name in found):
        yield WARN, f"no partition is the default; there are {there}", "set `partition`, or say --partition"


def _asked(*argv: str, **more: str) -> Tuple[bool, str]:
    """Whether it went well, and what it said. `more`: variables of its environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OWN) or name == "SLURM_CONF"}
    try:
        done = subprocess.run(
            argv,
            env={**environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
