"""What a command has written as its result: JSON of a bounded size, or a reason why there is none."""

from __future__ import annotations

import json
import os
import stat
from typing import Any, Optional

from sjs.errors import UsageError

LARGEST = 1 << 20


def result_in(path: str, largest: int = LARGEST) -> Optional[Any]:
    """The result; None where nothing was written. UsageError says what is wrong with it. The path is a command's,
    which may have put anything there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"its result cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError("its result is no file")
    with open(fd, "rb") as source:
        data = source.read(largest + 1)
    if len(data) > largest:
        raise UsageError(f"its result has more than {largest} bytes")
    if not data.strip():
        return None
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise UsageError("its result is no JSON") from None


def _refuse(word: str) -> None:
    raise ValueError(word)
