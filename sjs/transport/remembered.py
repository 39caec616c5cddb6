"""Ways that `ssh -G` has told, for as long as the files from which it has them are as they were: it costs more than all
else of a question to a machine that is connected already."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping

from sjs.transport.permission import Look, look
from sjs.transport.ssh_config import Config, find_way
from sjs.transport.way import Login, Way
from sjs.values import dataclass

DEEPEST = 16
_INCLUDE = re.compile(r"(?i)\s*include[\s=]+(.+)")
_UNSTEADY = re.compile(r"(?i)\s*match\b.*\b(exec|localnetwork|tagged|sessiontype|command|version)\b|.*\$|.*canonical")
"""Lines whose meaning is not theirs alone."""


class Unsteady(Exception):
    """What the files say may be something else each time."""


@dataclass(frozen=True)
class _Files:
    """What was looked at: files, and names that were looked for."""

    files: dict[str, Look | None]
    patterns: dict[str, list[str]]

    def are_the_same(self) -> bool:
        return all(look(path) == seen for path, seen in self.files.items()) and all(
            glob.glob(pattern) == found for pattern, found in self.patterns.items()
        )


class Ways:
    """Those that were found."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Files, Way]] = {}

    def find(self, login: Login, environ: Mapping[str, str]) -> Way:
        """Through which servers a machine is reached; Unsteady, if that is to be asked each time."""
        asked = repr((login, sorted(environ.items())))
        known = self._known.get(asked)
        if known is None or not known[0].are_the_same():
            known = self._known[asked] = _read(Config(environ)), find_way(login, environ)
        return known[1]


def _read(config: Config) -> _Files:
    found = _Files({}, {})
    for path in config.files():
        _add(found, config, path, os.path.dirname(path), 0)
    return found


def _add(found: _Files, config: Config, path: str, folder: str, depth: int) -> None:
    """The file, and those that it includes."""
    if path in found.files or depth > DEEPEST:
        return
    found.files[path] = look(path)
    names = [config.expanded(word) for word in _included(path)]
    for pattern in (os.path.join(base, name) for name in names for base in config.bases(folder)):
        found.patterns[pattern] = glob.glob(pattern)
        for one in found.patterns[pattern]:
            _add(found, config, one, folder, depth + 1)


def _included(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as source:
            lines = source.read().splitlines()
    except OSError:  # ssh says what it makes of that
        return
    for line in lines:
        if _UNSTEADY.match(line):
            raise Unsteady
        include = _INCLUDE.match(line)
        for word in include[1].split() if include else ():
            yield word.strip('"')
