"""What a kubeconfig that logs in by OpenID Connect is told anew is written back there, as kubectl does: an issuer may
take the refresh token before no more, and then whoever still has that is signed out.

Only the tokens are replaced, as text: all else in the file stays as somebody wrote it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sjs.targets.kubernetes.kubeconfig import document

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between attempts at kubectl's lock: it is a file that is there or not, and nobody tells when it goes."""


class NotKept(Exception):
    """Why a file was left as it is."""


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """One of us at a time refreshes what lies there, where this can be had: the same refresh token twice is a theft to
    some issuers."""
    lock = -1
    try:
        with contextlib.suppress(OSError):
            lock = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        if lock >= 0:
            os.close(lock)


def keep(path: str, before: Mapping[str, Any], after: Mapping[str, str]) -> None:
    """Write new values of some keys there, in the place of those before. NotKept, if that is not to be done."""
    place = os.path.realpath(path)
    try:
        found = os.stat(place)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise NotKept("it is somebody else's")
        with _locked(f"{place}.lock"):
            with open(place, encoding="utf-8", newline="") as source:
                text = source.read()
            changed = {str(before[key]): value for key, value in after.items() if before.get(key)}
            _write(place, replaced(text, changed, path), stat.S_IMODE(found.st_mode))
    except (OSError, UnicodeDecodeError) as error:
        raise NotKept(getattr(error, "strerror", None) or "it is no UTF-8") from None


def replaced(text: str, changed: Mapping[str, str], path: str = "") -> str:
    """The text with values in the place of others, each of which has to be there once, and no more changed by it."""
    new = text
    for before, after in changed.items():
        if text.count(before) != 1:
            raise NotKept("the tokens do not stand there once, as they are")
        new = new.replace(before, after)
    if document(new, path) != _exchanged(document(text, path), changed):
        raise NotKept("the tokens do not stand there as they are")
    return new


def _exchanged(found: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(found, dict):
        return {key: _exchanged(value, changed) for key, value in found.items()}
    if isinstance(found, list):
        return [_exchanged(one, changed) for one in found]
    return changed.get(found, found) if isinstance(found, str) else found


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """As kubectl locks what it writes."""
    for pause in (*PAUSES, None):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            break
        except FileExistsError:
            if pause is None:
                raise NotKept(f"somebody writes to it, or {path} was left behind") from None
            time.sleep(pause)
    try:
        yield
    finally:
        os.unlink(path)


def _write(place: str, text: str, mode: int) -> None:
    """All of it or nothing: it may be all that somebody has to log in with."""
    fd, fresh = tempfile.mkstemp(prefix=".kubeconfig-", dir=os.path.dirname(place))
    try:
        with open(fd, "w", encoding="utf-8", newline="") as target:
            os.fchmod(fd, mode)
            target.write(text)
            target.flush()
            os.fsync(fd)
        os.replace(fresh, place)
    except BaseException:
        os.unlink(fresh)
        raise
