"""One command at a time runs a sweep: two would both hand in what neither sees of the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sjs.config import state_path
from sjs.errors import Conflict
from sjs.promises import Promises


@contextmanager
def alone(sweep: str) -> Iterator[None]:
    """Be the one who runs it, of all commands of this user here. Conflict says that somebody else does."""
    folder = Promises(state_path("sweeps", os.environ))
    folder.make()
    path = os.path.join(folder.folder, sweep)
    lock = folder.locked(path, os.O_CREAT)
    if lock is None:
        raise Conflict(f"another command is handing in sweep {sweep}", f"to wait for it: submit all wait {sweep}")
    with lock:
        yield
        os.unlink(path)
