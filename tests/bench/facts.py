"""What a figure is worth nothing without: the machine, and the versions of all that ran on it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench import peers
from tests.live.machine import ROOT

GIB = 1 << 30


def facts() -> dict[str, str]:
    """By name, as a person reads them."""
    return {
        "sjs": _commit(),
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processors": f"{os.cpu_count()} × {_field('/proc/cpuinfo', 'model name')}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GIB:.0f} GiB",
        "disk of the queues": _file_system(tempfile.gettempdir()),
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME", "="),
        "Python": platform.python_version(),
        "load before": load(),
        **peers.versions(),
    }


def load() -> str:
    """Of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "not in a git checkout"


def _field(path: str, name: str, separator: str = ":") -> str:
    found = re.search(rf"^{name}\s*{separator}\s*\"?(.*?)\"?$", Path(path).read_text(), re.M)
    return found[1] if found else "unknown"


def _file_system(path: str) -> str:
    """The type of the one that is mounted deepest above the path."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [one for one in mounts if os.path.commonpath([one[0], os.path.realpath(path)]) == one[0]]
    return max(above, key=lambda one: len(one[0]))[1]
