"""Whether the code that was loaded is still what lies on the disk."""

from __future__ import annotations

import os
import sys

import sjs

Look = dict[str, tuple[int, int, int] | None]


class Sources:
    """The files of this package, and those of others that are loaded."""

    def __init__(self) -> None:
        self._seen: Look = {}
        self.add_loaded()
        for folder, folders, names in os.walk(os.path.dirname(os.path.abspath(sjs.__file__))):
            folders[:] = [one for one in folders if one != "__pycache__"]
            self._seen |= _look(*(os.path.join(folder, name) for name in names if name.endswith(".py")))

    def add_loaded(self) -> None:
        """Look after all that is loaded by now."""
        files = [getattr(one, "__file__", None) for one in list(sys.modules.values())]
        self._seen |= _look(*(file for file in files if file and file not in self._seen))

    def are_the_same(self) -> bool:
        """Whether all are as they were."""
        return _look(*self._seen) == self._seen


def _look(*paths: str) -> Look:
    found: Look = {}
    for path in paths:
        try:
            one = os.stat(path)
        except OSError:  # it is gone, which is other than it was
            found[path] = None
        else:
            found[path] = (one.st_ino, one.st_size, one.st_mtime_ns)
    return found
