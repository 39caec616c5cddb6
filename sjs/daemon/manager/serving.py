"""The manager's process: it begins as the child of a keeper, and what becomes of it at its end is decided here."""

from __future__ import annotations

import os
import socket
from typing import List, NoReturn, Optional

from sjs.daemon.ground import places, space
from sjs.daemon.ground.notes import keep_log, note
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.daemon.manager.loop import Manager, Removed
from sjs.daemon.queue.database import StorageError
from sjs.daemon.queue.recovery import suspect
from sjs.errors import SjsError

EX_CONFIG = 78
EX_IOERR = 74
EX_NOINPUT = 66


def main(arguments: List[str]) -> int:
    """`serve FD ROOT PIPE STATE MAX`: become the manager at the other end of the keeper's socketpair."""
    fd, root, pipe_name, state, maximum = int(arguments[0]), *arguments[1:5]
    os.set_inheritable(fd, False)  # should this become a keeper, its jobs are to have none of it
    os.umask(0o077)
    where = Places(root, pipe_name, state)
    keep_log(where.log)
    try:
        lock = places.take_lock(where.manager_lock, places.FOREVER)  # an `ask` may be reading; it is short
        manager = Manager(where, socket.socket(fileno=fd), maximum)
    except (SjsError, OSError) as error:
        note(f"cannot manage {where.door}: {error}")
        return EX_CONFIG
    except StorageError as error:
        _end_now(where, error)
    try:
        keeper_lives = manager.run()
        manager.close()
    except (Removed, FileNotFoundError, StorageError) as error:
        if manager.was_removed():  # of all that is gone then, anything may be missed first
            note(f"{where.state} was removed: this manager ends, and what runs is let run")
            return EX_NOINPUT
        if isinstance(error, StorageError):
            _end_now(where, error)
        raise
    if not keeper_lives:
        os.umask(manager.umask)
        _become_keeper(where, lock)
    return 0


def _end_now(where: Places, error: StorageError) -> NoReturn:
    """The disk has failed, so what is in memory may not be on it: touch nothing more, not even to close the database.

    A failed write is never tried again, for the kernel may since call the lost page clean. The next manager begins from
    what is durable, and the keeper tells it the rest.
    """
    space.release(where.state)
    suspect(where)
    note(f"the queue cannot be written: {error}; whoever comes next goes on from what is on the disk")
    os._exit(EX_IOERR)


def _become_keeper(where: Places, lock: Optional[int]) -> None:
    """The keeper has died. Take its place, in this very process, and start a new manager under it.

    The lock stays held until the new keeper has its own, so that nobody takes the queue for one without a manager.
    """
    note("the keeper is gone; taking its place")
    assert lock is not None
    os.set_inheritable(lock, True)
    os.execv(OURS.python, OURS.command("keep", f"-{lock}", where.root, where.pipe, where.state, "-"))
