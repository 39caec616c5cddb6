"""What the largest of Slurm's nodes have, each for itself: what one job may take. A process of its own asks `sinfo`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, Dict, List

PATIENCE = 60.0
MIB = 1 << 20

GRES = re.compile(r"gpu(?::(?P<kind>[A-Za-z_][^:(,]*))?(?::(?P<count>\d+))?(?:\(|,|$)")


def main(arguments: List[str]) -> int:
    """`nodes`: print it, in the words of `probe` (`ground.resources`)."""
    argv = ["sinfo", "--noheader", "--format=%c|%m|%G"]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=PATIENCE, check=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"sinfo: {error}\n")
        return 1
    sys.stdout.write(json.dumps(largest(done.stdout)) + "\n")
    return 0


def largest(text: str) -> Dict[str, Any]:
    """What `sinfo` says of kinds of nodes, as of one that has the most of everything."""
    cpus, mem, gpus = 0, 0, 0
    for line in text.splitlines():
        fields = line.split("|", 2)
        if len(fields) == 3:
            cpus, mem = max(cpus, _number(fields[0])), max(mem, _number(fields[1]) * MIB)
            gpus = max(gpus, sum(int(one["count"] or 1) for one in GRES.finditer(fields[2])))
    found = [{"name": str(number), "mem": 0, "kind": "", "pids": []} for number in range(gpus)]
    return {"cpus": cpus, "mem": mem, "gpus": found}


def _number(text: str) -> int:
    """`64+` is what a group of nodes has that are not alike."""
    digits = text.strip().rstrip("+")
    return int(digits) if digits.isdigit() else 0
