"""Remembers the digests of files, so that what has not changed need not be read again.

A file is the same if its size, times and number are. One that was changed within the last moments before it was read
may be changed once more without its times telling: of such a file nothing is remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time

SETTLED = 2.0
"""Seconds after which a change has another time than the one before, on every file system."""


class Known:
    """What is known of the files of one folder."""

    def __init__(self, folder: str, cache: str) -> None:
        name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
        self._path = os.path.join(cache, f"{name}.json")
        self._before = _load(self._path)
        self._now: dict[str, list[int | str]] = {}

    def digest(self, path: bytes, found: os.stat_result) -> str | None:
        """The digest of a file that has not changed since it was read."""
        key = os.fsdecode(path)
        told = self._before.get(key)
        if told is None or told[1:] != _marks(found):
            return None
        self._now[key] = told
        return str(told[0])

    def learn(self, path: bytes, found: os.stat_result, digest: str) -> None:
        """It was just read. `found`: how it was before that, and after."""
        if max(found.st_mtime, found.st_ctime) < time.time() - SETTLED:
            self._now[os.fsdecode(path)] = [digest, *_marks(found)]

    def forget(self, digests: set[str]) -> None:
        """Read these again."""
        kept = {**self._before, **self._now}
        self._before = {path: told for path, told in kept.items() if told[0] not in digests}
        self._now = {}

    def save(self) -> None:
        """Keep what is known now, if that is something else."""
        if self._now == self._before:
            return
        folder = os.path.dirname(self._path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="ascii") as fresh:
            json.dump(self._now, fresh)
        os.rename(fresh.name, self._path)


def _load(path: str) -> dict[str, list[int | str]]:
    """What was kept; nothing, if that cannot be understood."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(path, "rb") as source:
        found = json.load(source)
        if isinstance(found, dict):
            return found
    return {}


def _marks(found: os.stat_result) -> list[int | str]:
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino]
