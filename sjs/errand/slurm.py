"""Whether Slurm is there for a queue whose jobs it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Dict, Iterator, List, Tuple

from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.verdicts import FAIL, OK, WARN, Check

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
PATIENCE = 30.0
"""Seconds for one of them; who asks a controller that is down hears of it after ten."""

OWN = ("SINFO_", "SLURM_", "SCONTROL_")
"""How variables begin that change what Slurm's programs say."""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"slurm": slurm}


def slurm(request: Request, client: Client, where: Places) -> Reply:
    """The same as `checks` answers. `partition`: where the jobs are to run, with commas between several."""
    wanted = request.get("partition")
    return {"checks": [["slurm", *one] for one in look(wanted.split(",") if isinstance(wanted, str) else [])]}


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


def _asked(*argv: str) -> Tuple[bool, str]:
    """Whether it went well, and what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OWN) or name == "SLURM_CONF"}
    try:
        done = subprocess.run(
            argv,
            env=environ,
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
