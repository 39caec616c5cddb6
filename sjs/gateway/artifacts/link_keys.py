"""The keys that links to artifacts are signed with: a file for nobody else, a line each, when it was made and the key.

    1767225600 1f0c…

The first signs. Those behind it are good for links that were made before; once the last of these has expired, a key is
left out when the next one is made.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex

from sjs.errors import SjsError

BYTES = 32

_LINE = re.compile(r"([0-9]{1,12}) ([0-9a-f]{64,256})", re.ASCII)

Key = tuple[int, bytes]
"""When it was made, and what it is."""


def kept(path: str, now: float) -> Sequence[bytes]:
    """The keys, the one that signs first. Where there is none yet, one is made."""
    with _locked(path):
        found = _read(path)
        if not found:
            found = [_new(now)]
            _write(path, found)
    return [key for _, key in found]


def renewed(path: str, now: float, lifetime: float) -> int:
    """Have a new key sign from the next start on; how many are left that are good beside it."""
    with _locked(path):
        before = _read(path)
        # a key signed until the next one was made
        until = [now, *(made for made, _ in before)]
        good = [one for one, last in zip(before, until, strict=False) if last + lifetime > now]
        _write(path, [_new(now), *good])
    return len(good)


def _new(now: float) -> Key:
    return int(now), bytes.fromhex(token_hex(BYTES))


def _read(path: str) -> list[Key]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    with open(fd, encoding="ascii", errors="replace") as source:
        if os.fstat(fd).st_mode & 0o077:
            raise SjsError(f"{path}: others can read these keys", f"chmod 600 {path}, and make new ones")
        matches = [(number, _LINE.fullmatch(text.strip())) for number, text in enumerate(source, 1)]
    for number, match in matches:
        if match is None:
            raise SjsError(f"{path}:{number}: is no key", "a line is when it was made, and 64 hexadecimal digits")
    return [(int(match[1]), bytes.fromhex(match[2])) for _, match in matches if match]


def _write(path: str, keys: Sequence[Key]) -> None:
    new = f"{path}.new"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "w", encoding="ascii") as target:
        os.fchmod(fd, 0o600)
        target.writelines(f"{made} {key.hex()}\n" for made, key in keys)
        target.flush()
        os.fsync(fd)
    os.rename(new, path)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """One at a time, so that two that start at once have the same key."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
