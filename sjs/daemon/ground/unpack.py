"""Puts what goes to machines on this one: reads it whole from stdin, writes it beside its place, checks it, renames it.

    stdin    a line with a number, then as many bytes: {"digest": ..., "files": {name: text}}
    stdout   sjs unpacked | sjs failed WHY | sjs python VERSION

It runs before anything of sjs is here, from its text alone. A Python too old for sjs must still understand it, to say
so: there are no f-strings in it, and no annotations but of functions.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from typing import Dict

PLACE = "~/.cache/sjs"
PROGRAM = "sjs/daemon/__main__.py"
CURRENT = "current"
"""A link there to the version that others have noted down (`stable`)."""

KEPT = 3
"""Folders of other versions that stay though nobody uses them now; a client that misses its own puts it there again."""


def main() -> None:
    """Say how it went; nothing is written before everything has come."""
    if sys.version_info < (3, 8):  # noqa: UP036 (no sjs is here yet that could have asked)
        return say("python " + ".".join(map(str, sys.version_info[:3])))
    try:
        parcel = json.loads(read())
        put(parcel["digest"], parcel["files"])
    except OSError as error:
        return say("failed " + one_line((error.filename or PLACE) + ": " + (error.strerror or str(error))))
    except ValueError as error:
        return say("failed " + one_line(str(error)))
    return say("unpacked")


def one_line(text: str) -> str:
    return " ".join(text.split())


def say(word: str) -> None:
    sys.stdout.buffer.write(("sjs " + word + "\n").encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def read() -> bytes:
    """All that was announced."""
    size = int(sys.stdin.buffer.readline() or b"0")
    data = sys.stdin.buffer.read(size)
    if not data or len(data) < size:
        raise ValueError("not everything came")
    return data


def put(digest: str, files: Dict[str, str]) -> None:
    """Have a folder of these files, named after their digest."""
    os.umask(0o077)
    base = private_folder(os.path.expanduser(PLACE))
    place = os.path.join(base, digest)
    if is_whole(place, digest, files):
        return
    fresh = tempfile.mkdtemp(prefix=".new-", dir=base)
    try:
        for name, text in files.items():
            write(os.path.join(fresh, name), text)
        if not is_whole(fresh, digest, files):
            raise ValueError("what was written to " + base + " is not what came")
        if not moved(fresh, place) and not is_whole(place, digest, files):  # else somebody else was quicker
            make_room(place)
            os.rename(fresh, place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # it has gone to its place, or it failed
    clear(base, digest)


def private_folder(path: str) -> str:
    """Make the folder, or take one that is there, if it is mine; nobody else may write there."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.stat(path)
    if found.st_uid != os.geteuid():
        raise ValueError(path + " belongs to somebody else")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(path, 0o700)
    return path


def write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "xb") as target:
        target.write(text.encode("utf-8"))


def is_whole(folder: str, digest: str, files: Dict[str, str]) -> bool:
    """Whether the files on the disk have that digest."""
    found = hashlib.sha256()
    for name in sorted(files):
        try:
            with open(os.path.join(folder, name), "rb") as source:
                text = source.read()
        except OSError:
            return False
        found.update(b"%b\0%d\0%b" % (name.encode("utf-8"), len(text), text))
    return found.hexdigest().startswith(digest)


def moved(fresh: str, place: str) -> bool:
    """Put it in its place, if nothing is there."""
    try:
        os.rename(fresh, place)
    except OSError:
        return False
    return True


def make_room(place: str) -> None:
    """Away with what is there, whatever it is."""
    aside = tempfile.mkdtemp(prefix=".old-", dir=os.path.dirname(place))
    os.rename(place, os.path.join(aside, "was"))
    shutil.rmtree(aside, ignore_errors=True)


def clear(base: str, digest: str) -> None:
    """Away with old versions of which no process runs, whichever machine it is on that sees this folder."""
    kept = {digest, os.path.basename(os.path.realpath(os.path.join(base, CURRENT)))}
    others = [name for name in os.listdir(base) if re.match("[0-9a-f]{24}$", name) and name not in kept]
    places = sorted((os.path.join(base, name) for name in others), key=age)
    for place in places[KEPT:]:
        # Who runs it holds a lock (`__main__`); where that, or anything else, keeps it from being removed, it stays.
        with contextlib.suppress(OSError), open(os.path.join(place, PROGRAM), "r+b") as program:
            fcntl.flock(program, fcntl.LOCK_EX | fcntl.LOCK_NB)
            make_room(place)


def age(path: str) -> float:
    """What sorts the newest first; what another client has just removed comes last."""
    try:
        return -os.stat(path).st_mtime
    except OSError:
        return 0.0


if __name__ == "__main__":
    main()
