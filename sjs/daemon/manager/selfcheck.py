"""`selfcheck ROOT PIPE STATE`: whether this code, under this Python, could take over a queue. Changes nothing.

It loads every module of the machine side, makes a database in memory by all migrations, and reads the queue's own
records as far as they can be read while a manager has them open: the version of its database, and the journal.
"""

from __future__ import annotations

import pkgutil
import sys
import traceback
from typing import List

import sjs.daemon
from sjs.daemon.ground import journal
from sjs.daemon.ground.places import Places
from sjs.daemon.queue import database

EX_CONFIG = 78


def main(arguments: List[str]) -> int:
    """The exit status: 0, or else one line on stderr says what is wrong."""
    root, pipe, state = arguments
    where = Places(root, pipe, state)
    try:
        load_all()
        database.Database(":memory:").close()
        database.check_version(where.database, database.version_of(where.database))
        journal.read(where.state)
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is told, and where it came from
        place = traceback.extract_tb(error.__traceback__)[-1]
        sys.stderr.write(f"{type(error).__name__}: {error} [{place.filename}:{place.lineno}]\n")
        return EX_CONFIG
    return 0


def load_all() -> None:
    """Load every module, as the processes of a queue would one after the other; they bring along what they use."""
    for module in pkgutil.walk_packages(sjs.daemon.__path__, "sjs.daemon."):
        if not module.name.endswith(".__main__"):
            __import__(module.name)
