"""The Pythons on this machine that what goes to machines can be tried on."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from shutil import which

FLOOR = (3, 8)

Version = tuple[int, ...]


@functools.cache
def found() -> dict[Version, str]:
    """One interpreter for each minor version from the floor on, in ascending order: on PATH and of pyenv."""
    names = ["python3", *(f"python3.{minor}" for minor in range(FLOOR[1], 30))]
    paths = [path for path in map(which, names) if path]
    paths += map(str, Path.home().glob(".pyenv/versions/*/bin/python3"))
    versions: dict[Version, tuple[Version, str]] = {}
    for path in paths:
        version = _version(path)
        if version >= FLOOR:
            versions.setdefault(version[:2], (version, path))
    return dict(sorted(versions.values()))


def _version(path: str) -> Version:
    """() for what does not run: a pyenv shim of a version that is not switched on, a Python 2."""
    probe = subprocess.run(
        [path, "-I", "-S", "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True, timeout=30
    )
    return tuple(map(int, probe.stdout.split())) if probe.returncode == 0 else ()


def report() -> str:
    """One line for the head of the test report."""
    names = [f"{'.'.join(map(str, version))} ({path})" for version, path in found().items()]
    missing = "" if any(version[:2] == FLOOR for version in found()) else "; no 3.8 here: it is checked statically only"
    return f"what goes to machines is run on Python {', '.join(names)}{missing}"
