"""In the manager: the file in which the queue is kept. One connection, that locks everybody else out.

`store` says what is in it. Here it is opened, brought up to date, made durable, checked and copied.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from itertools import chain
from typing import Any, Callable, Iterator, Optional

from sjs.daemon.queue import rows, schema
from sjs.errors import SjsError

StorageError = sqlite3.Error
"""What any method may raise when the disk fails or is full. The rows in memory are then no more those on the disk."""

VERSION_AT = 60
"""Where a database file says which schema it has (`PRAGMA user_version`)."""

PRAGMAS = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one connection: older SQLites can damage a WAL that two write to
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)

PAGES = 64
"""Pages of a copy that are made in one go, for which everybody else waits."""


class Busy(SjsError):
    """The database is open elsewhere."""


class Damaged(SjsError):
    """What is in the file is no queue."""


class Interrupted(Exception):
    """Somebody did not want the copy any more."""


class Database:
    """One file, and what is kept in it beside the jobs."""

    def __init__(self, path: str, log_pages: int = 1000) -> None:
        # `copy_to` is for another thread. SQLite itself lets one in after the other.
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0.0, check_same_thread=False)
        self._db.text_factory = rows.text
        self._migrated = False
        self._unseen = 0
        self._prepare(path)
        self._db.execute(f"PRAGMA wal_autocheckpoint = {log_pages}")

    def _prepare(self, path: str) -> None:
        try:
            for pragma in PRAGMAS:
                self._db.execute(pragma)
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            check_version(path, version)
            self._migrate(version)
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise Busy(f"{path} is open in another process") from error
            if _is_the_disk(error):
                raise
            self._db.close()
            raise Damaged(str(error)) from error

    def _migrate(self, version: int) -> None:
        """Bring an older schema up to date. That is durable with the first commit, and not before: a manager that is
        only tried leaves the queue to the one before it as it was."""
        if version == len(schema.MIGRATIONS):
            return
        statements = chain.from_iterable(schema.MIGRATIONS[version:])
        script = ("BEGIN IMMEDIATE", *statements, f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
        self._db.executescript(";\n".join(script) + ";")  # `execute` would keep each of them in memory, made ready
        self._migrated = True

    def commit(self) -> None:
        """Make durable what was changed since the last call."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")
            if self._migrated:
                self._migrated = False
                # The file itself is to tell its version. TRUNCATE would take the blocks that the log has beforehand.
                self._db.execute("PRAGMA wal_checkpoint(FULL)")

    @property
    def changes(self) -> int:
        """How many rows were changed so far by this manager, of which somebody could know."""
        return self._db.total_changes - self._unseen

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """What is changed here is no change to anybody: it is shown as it was, or was counted with something else."""
        before = self._db.total_changes
        yield
        self._unseen += self._db.total_changes - before

    @property
    def is_changed(self) -> bool:
        """Whether there is something to commit."""
        return self._db.in_transaction

    def close(self) -> None:
        self.commit()
        self._db.close()

    def abandon(self) -> None:
        """Close it as it is."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._db.close()

    def check(self, thoroughly: bool) -> None:
        """Look whether the file is what SQLite wrote; Damaged if not."""
        try:
            found = self._db.execute(f"PRAGMA {'integrity' if thoroughly else 'quick'}_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if _is_the_disk(error):
                raise
            raise Damaged(str(error)) from error
        if found != "ok":
            raise Damaged(found.replace("\n", " "))

    def boot(self) -> Optional[str]:
        """In which boot of the machine it was written last; None when that cannot be read."""
        try:
            return self.meta("boot")
        except sqlite3.DatabaseError as error:
            if _is_the_disk(error):
                raise
            return None

    def copy_to(self, path: str, pause: float, enough: Callable[[], bool]) -> None:
        """Make a checked, durable copy of what is committed, a few pages at a time, while others change it."""

        def breathe(*_: int) -> None:
            if enough():
                raise Interrupted
            time.sleep(pause)

        if os.path.exists(path):
            os.unlink(path)
        copy = sqlite3.connect(path, isolation_level=None)
        try:
            copy.execute("PRAGMA synchronous = OFF")
            self._db.backup(copy, pages=PAGES, progress=breathe, sleep=0.02)
        finally:
            copy.close()
        made = Database(path)
        made.check(thoroughly=False)
        made.close()
        with open(path, "rb+") as file:
            os.fsync(file.fileno())

    def meta(self, key: str) -> Optional[str]:
        """A value kept beside the jobs."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        self._write("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)

    def _write(self, sql: str, *values: Any) -> None:
        self._begin()
        self._db.execute(sql, values)

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")


def check_version(path: str, version: int) -> None:
    """Refuse a schema that this code does not know."""
    if version > len(schema.MIGRATIONS):
        raise SjsError(f"{path} was written by a newer sjs (schema {version})", "run that version")


def version_of(path: str) -> int:
    """The schema of a database that may be in use, without opening it as one; 0 when there is none yet."""
    try:
        with open(path, "rb") as source:
            header = source.read(100)
    except FileNotFoundError:
        return 0
    return int.from_bytes(header[VERSION_AT : VERSION_AT + 4], "big")


def _is_the_disk(error: sqlite3.DatabaseError) -> bool:
    """Whether the disk, and not what is in the file, is at fault. Only the words tell, before Python 3.11."""
    words = ("disk", "open database file", "readonly", "out of memory")
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in words)
