"""Puts and reads what is large, and says how much memory that has taken.

python -m tests.gateway.artifacts.carried WHERE BYTES    WHERE: as of `killed`; prints size, digest, bytes of memory
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sjs.gateway.artifacts.store import key_of, measured
from tests.gateway.artifacts.killed import opened

MIME = "application/octet-stream"
PIECE = 256 << 10


def pieces(size: int) -> Iterator[bytes]:
    """New memory each time, as what comes from a link is; no two alike."""
    for number in range(size // PIECE):
        yield hashlib.sha256(b"%d" % number).digest() * (PIECE // 32)


def peak() -> int:
    """The most memory that this program has had: ru_maxrss begins with what its parent had."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) << 10


def main(where: str, size: int) -> None:
    store = opened(where)
    store.put(key_of(7, 1, "small"), [b"x"], MIME, size)  # all is loaded that is loaded when it is first used
    before = peak()
    stored = store.put(key_of(7, 1, "large"), pieces(size), MIME, size)
    again = measured(store.open(key_of(7, 1, "large")), size)
    print(stored.size, stored.sha256, again == stored, peak() - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
