"""In the manager, at its start: the database, or if that cannot be read its good copy. Never an empty one instead.

A copy is older than the queue was. Held against the marks and the files that jobs left, it is made true again: ids go
on beyond all that were ever given, and what may have been started since is never started again.
"""

from __future__ import annotations

import os
import time
from typing import Dict, Tuple

from sjs.daemon.ground import journal, places
from sjs.daemon.ground.kernel import sync_folder
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places
from sjs.daemon.queue import marks
from sjs.daemon.queue.database import Damaged
from sjs.daemon.queue.store import Store
from sjs.errors import SjsError

CHEAP = 4 << 20
"""Bytes of a database that is checked at every start. Larger ones are when there is a reason."""


def open_store(where: Places, log_pages: int) -> Store:
    """The queue's database, checked as far as there is reason to. SjsError when it cannot be had."""
    known = marks.read(where.marks)
    try:
        store = _open_checked(where, log_pages, known.next)
        is_copy = False
    except Damaged as error:
        _take_copy(where, error.message)
        store = Store(where.database, log_pages)
        is_copy = True
    if is_copy or store.next_id() < known.next:
        _hold_against(where, store, known)
    return store


def suspect(where: Places) -> None:
    """Note that the database is to be looked at closely by who opens it next."""
    try:
        os.close(os.open(where.suspect, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        note(f"{where.suspect} could not be made: {error}")


def _open_checked(where: Places, log_pages: int, next_id: int) -> Store:
    if not os.path.exists(where.database) and (next_id or os.path.exists(where.good)):
        raise Damaged("it was gone")
    store = Store(where.database, log_pages)
    try:
        _check(where, store, next_id)
    except Damaged:
        store.abandon()
        raise
    return store


def _check(where: Places, store: Store, next_id: int) -> None:
    is_suspect = os.path.exists(where.suspect)
    if is_suspect or store.boot() != places.boot_id() or os.path.getsize(where.database) <= CHEAP:
        store.check(thoroughly=is_suspect)
    if next_id and not store.next_id():
        raise Damaged("it was empty")
    if is_suspect:
        os.unlink(where.suspect)


def _take_copy(where: Places, damage: str) -> None:
    """Set aside what cannot be read, and put the copy in its place. A kill in between is no harm."""
    if not os.path.exists(where.good):
        raise SjsError(
            f"{where.database} cannot be used ({damage}), and there is no copy of it",
            f"put one there, or move {where.state} away to begin with an empty queue",
        )
    import shutil

    bad = f"{where.database}.bad-{time.strftime('%Y%m%d-%H%M%S')}"
    for end in ("-wal", ""):
        if os.path.exists(where.database + end):
            os.rename(where.database + end, bad + end)
    new = f"{where.database}.new"
    shutil.copyfile(where.good, new)
    with open(new, "rb+") as copied:
        os.fsync(copied.fileno())
    os.rename(new, where.database)
    sync_folder(where.state)
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(os.stat(where.good).st_mtime))
    note(f"{where.database} could not be used ({damage}): it is {bad} now, and the copy of {made} is in its place")


def _hold_against(where: Places, store: Store, known: marks.Mark) -> None:
    attempts, started = _started(where)
    first = store.next_id()
    ceiling = max(known.ceiling, first)
    unsure = store.rewind(max(known.started, started), attempts, ceiling)
    store.commit()
    lost = f"jobs {first} to {known.next - 1} are not in it; " if known.next > first else ""
    note(f"the queue is an older one: {lost}{unsure} job(s) may have run since and do not start; next id {ceiling}")


def _started(where: Places) -> Tuple[Dict[int, int], int]:
    """What files tell of starts: the last attempt of each job in the journal; one more than the highest id of all."""
    attempts: Dict[int, int] = {}
    for tag in journal.read(where.state):
        job, _, attempt = tag.partition(".")
        if job.isdigit() and attempt.isdigit():
            attempts[int(job)] = max(int(attempt), attempts.get(int(job), 0))
    folders = [name for name in os.listdir(where.jobs) if name.isdigit()]
    newest = os.path.join(where.jobs, max(folders, key=int)) if folders else where.jobs
    outputs = [name.partition(".")[0] for name in os.listdir(newest)]
    highest = max([-1, *attempts, *(int(name) for name in outputs if name.isdigit() and newest != where.jobs)])
    return attempts, highest + 1
