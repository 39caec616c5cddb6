"""What a job's process does first when the job has a snapshot: make the folder in which it runs, then become the job.

    checkout STORE DIGEST PLACE CWD STDIN -- ARGV...

The folder gets its name when it is whole. Its files are copies (where the file system can, sharing their blocks), since
a job may change what it finds. What goes wrong is in the job's stderr, and its exit status is what a shell's would be.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from typing import Dict, List

from sjs.errors import SjsError
from sjs.snapshots.store import Store
from sjs.snapshots.tree import EXECUTABLE, FOLDER, LINK

FAILED, CANNOT_RUN, NOT_FOUND = 125, 126, 127

UNFINISHED = ".new"

PIECE = 1 << 20


def main(argv: List[str]) -> int:
    """Never returns where all goes well."""
    store, digest, place, cwd, stdin, _, *command = argv
    try:
        check_out(Store(store), digest, place)
        folder = os.path.normpath(os.path.join(place, cwd))
        os.chdir(folder)
        if stdin:
            os.dup2(os.open(stdin, os.O_RDONLY | os.O_NOCTTY), 0)
    except (OSError, SjsError) as error:
        sys.stderr.write(f"sjs: no checkout of snapshot {digest:.12}: {error}\n")
        return FAILED
    ours = {b"SJS_PYTHON": os.fsencode(sys.executable)}
    return _become(command, {**ours, **_environment(), b"PWD": os.fsencode(folder)})


def check_out(store: Store, digest: str, place: str) -> None:
    """Make a folder with all that is in the tree."""
    fresh = place + UNFINISHED
    for left in (fresh, place):  # of this attempt, by a process that was killed
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(left)
    os.mkdir(fresh)
    todo = [(digest, os.fsencode(fresh))]
    while todo:
        tree, folder = todo.pop()
        for entry in store.entries(tree):
            path = os.path.join(folder, entry.name)
            if entry.kind == FOLDER:
                os.mkdir(path)
                todo.append((entry.digest, path))
            elif entry.kind == LINK:
                with open(store.path(entry.object), "rb") as target:
                    os.symlink(target.read(), path)
            else:
                _copy(store.path(entry.object), path, 0o777 if entry.kind == EXECUTABLE else 0o666)
    os.rename(fresh, place)


def _copy(source: str, path: bytes, mode: int) -> None:
    """As the umask has it, like any file that the job makes."""
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writing = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            _copy_contents(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_contents(reading: int, writing: int) -> None:
    left = os.fstat(reading).st_size
    with contextlib.suppress(OSError):  # what a file system can not do by itself is done by hand
        while left > 0:
            done = os.copy_file_range(reading, writing, left)
            if not done:
                break
            left -= done
    while left:
        data = os.read(reading, PIECE)
        if not data:
            return
        while data:
            data = data[os.write(writing, data) :]


def _become(command: List[str], env: Dict[bytes, bytes]) -> int:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and what it executes would, too
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, env)
    except OSError as error:
        sys.stderr.write(f"sjs: cannot run {command[0]}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN


def _environment() -> Dict[bytes, bytes]:
    """What this process was given. Python may have added to it since."""
    with open("/proc/self/environ", "rb") as source:
        given = source.read()
    return dict(pair.split(b"=", 1) for pair in given.split(b"\0") if b"=" in pair)
