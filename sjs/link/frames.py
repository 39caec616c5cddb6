"""What a caller and the warm process say to each other. The caller: one request, then a byte for each signal that it
gets. The warm process: answers of five bytes."""

from __future__ import annotations

import marshal

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from typing import Any

TAKEN, STOPPED, ENDED = b"T", b"S", b"E"
"""The command has begun; it has stopped, as by Ctrl-Z; it has ended, with a status as waitpid() tells it."""

ANSWER = 5
HEAD = 4


def request(body: dict[str, Any]) -> bytes:
    """A request, with its length before it."""
    data = marshal.dumps(body)
    return len(data).to_bytes(HEAD, "big") + data


def whole(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The request, once all of it has come, and what came behind it."""
    end = HEAD + int.from_bytes(data[:HEAD], "big")
    if len(data) < HEAD or len(data) < end:
        return None
    return marshal.loads(data[HEAD:end]), data[end:]


def answer(kind: bytes, number: int = 0) -> bytes:
    """An answer."""
    return kind + number.to_bytes(ANSWER - 1, "big")
