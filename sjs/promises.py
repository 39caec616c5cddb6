"""A folder of files that say what commands have promised to do: each is locked by its process for as long as that
lives, and goes when all is done. What is left there the next command takes over."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import BinaryIO

from sjs.errors import SjsError

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Promises:
    """The folder; ours alone."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def left(self) -> list[str]:
        """The files that there are."""
        try:
            return sorted(os.path.join(self.folder, name) for name in os.listdir(self.folder))
        except FileNotFoundError:
            return []

    def make(self) -> None:
        """Have the folder."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        found = os.stat(self.folder)
        if found.st_uid != os.geteuid():
            raise SjsError(f"{self.folder} belongs to somebody else")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.chmod(self.folder, 0o700)

    def new(self, prefix: str = "") -> tuple[str, BinaryIO]:
        """A new file: its path, and what is written into it."""
        self.make()
        path = os.path.join(self.folder, prefix + os.urandom(8).hex())
        log = self.locked(path, os.O_CREAT | os.O_EXCL)
        if log is None:  # somebody who looks for what is left has taken it for that
            return self.new(prefix)
        return path, log

    def locked(self, path: str, how: int = 0) -> BinaryIO | None:
        """The file, open and ours alone; None when somebody else has it, or has done away with it."""
        try:
            log = os.fdopen(os.open(path, _FLAGS | how, 0o600), "ab")
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.close()
            return None
        if os.fstat(log.fileno()).st_nlink == 0:
            log.close()
            return None
        return log


def sync_folder(path: str) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
