"""The Pythons on this machine that what goes to machines can be tried on."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from shutil import which

FLOOR = (3, 8)

Version = tuple[int, ...]


def found() -> dict[Version, str]:
    """One interpreter for each minor version from the floor on, in ascending order: on PATH and of pyenv."""
    return {version: path for version, path in _all().items() if version >= FLOOR}


def too_old() -> dict[Version, str]:
    """Those before the floor."""
    return {version: path for version, path in _all().items() if version < FLOOR}


TOLD = "SJS_TEST_PYTHONS"
"""What was found, for the other processes of a run: to ask each takes as long as many a test."""


@functools.cache
def _all() -> dict[Version, str]:
    if TOLD not in os.environ:
        os.environ[TOLD] = json.dumps(list(_looked_for().items()))
    return {tuple(version): path for version, path in json.loads(os.environ[TOLD])}


def _looked_for() -> dict[Version, str]:
    names = ["python3", *(f"python3.{minor}" for minor in range(4, 30))]
    paths = [path for path in map(which, names) if path]
    paths += map(str, Path.home().glob(".pyenv/versions/*/bin/python3"))
    versions: dict[Version, tuple[Version, str]] = {}
    for path in paths:
        version = _version(path)
        if version >= (3,):
            versions.setdefault(version[:2], (version, path))
    return dict(sorted(versions.values()))


@functools.cache
def python2() -> str | None:
    """A Python 2.7, for what simple-job-submit does: $SJS_PYTHON2, or one on PATH, or of pyenv."""
    named = os.environ.get("SJS_PYTHON2")
    if named:
        assert _is_python2(named), f"SJS_PYTHON2={named} is no Python 2.7"
        return named
    paths = [path for path in map(which, ("python2.7", "python2")) if path]
    paths += map(str, sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python2.7")))
    return next(filter(_is_python2, paths), None)


def _version(path: str) -> Version:
    """() for what does not run: a pyenv shim of a version that is not switched on, a Python 2."""
    return _asked(path, "-I", "-S", "-c", "import sys; print(*sys.version_info[:3])")


def _is_python2(path: str) -> bool:
    return _asked(path, "-S", "-c", "import sys; print('%d %d' % sys.version_info[:2])") == (2, 7)


def _asked(*command: str) -> Version:
    probe = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return tuple(map(int, probe.stdout.split())) if probe.returncode == 0 else ()


def report() -> str:
    """One line for the head of the test report."""
    names = [f"{'.'.join(map(str, version))} ({path})" for version, path in found().items()]
    missing = "" if any(version[:2] == FLOOR for version in found()) else "; no 3.8 here: it is checked statically only"
    old = python2()
    seed = f"by Python 2.7 ({old}) and" if old else "no Python 2.7 here:"
    return (
        f"what goes to machines is run on Python {', '.join(names)}{missing}; simple-job-submit: {seed} by recordings"
    )
