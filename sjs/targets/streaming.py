"""What lies in a folder of a machine, listed and read as it comes, for whoever has no folder of his own for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sjs.answers import Remains
from sjs.errors import LinkLost
from sjs.targets.pipeline import LIMIT, OWN, PATIENCE
from sjs.targets.replies import understood
from sjs.targets.session import Message, Session
from sjs.trees.entries import Entry, Piece, batches, entry_from, named, piece_to, pieces
from sjs.trees.patterns import literal

Came = tuple[Entry, "bytes | str"]
"""A file, and some bytes of it; or why there will be none, or no more."""


def remains(session: Session, job: int, attempt: int) -> Remains:
    """Where that is which an attempt has left."""
    return understood(_remains, session.call("outputs", PATIENCE, attempts=[[job, attempt]]))


def listed(session: Session, at: str, top: str, trouble: Callable[[str, str], None]) -> Iterator[Entry]:
    """What has the path `top` in a folder, and all that is below it. `trouble` takes what cannot be looked at, and
    why."""
    glob = "/".join(map(literal, top.split("/")))
    after = ""
    while True:
        reply = session.call("tree", PATIENCE, at=at, globs=[glob], after=after, others=True)
        for path, why in understood(lambda reply: list(reply["troubles"]), reply):
            trouble(str(path), str(why))
        yield from understood(lambda reply: [entry_from(one) for one in reply["entries"]], reply)
        after = str(reply.get("next") or "")
        if not after:
            return


class Contents:
    """The bytes of files in a folder, one file after the other. No more of them is under way, or here, than fast and
    long lines hold, however large they are; each message is known by its digest to be what was read there."""

    def __init__(self, session: Session, at: str, files: Sequence[Entry]) -> None:
        self._session = session
        self._at = at
        self._left = pieces((file, 0) for file in files)
        self._under_way: deque[tuple[int, int, Sequence[Piece]]] = deque()
        self._weight = 0
        self._spoilt: set[str] = set()

    def __iter__(self) -> Iterator[Came]:
        for batch in batches(piece for piece in self._left if piece.file.path not in self._spoilt):
            weight = sum(piece.length for piece in batch) + OWN * (1 + len(batch))
            while self._under_way and self._weight + weight > LIMIT:
                yield from self._next()
            number = self._session.post(
                "get", b"", PATIENCE, at=self._at, pieces=[piece_to(piece) for piece in batch], digests=True
            )
            self._under_way.append((number, weight, batch))
            self._weight += weight
        while self._under_way:
            yield from self._next()

    def _next(self) -> Iterator[Came]:
        number, weight, batch = self._under_way.popleft()
        message = self._session.answer(number, PATIENCE)
        for piece, came in zip(batch, understood(lambda body: list(_parted(body, message)), message.body), strict=True):
            if piece.file.path in self._spoilt:
                continue
            if isinstance(came, str):
                why = came
            else:
                size, mtime, data = came
                is_same = (size, mtime, len(data)) == (piece.file.size, piece.file.mtime, piece.length)
                why = "" if is_same else "was changed while it was read"
            if why:
                self._spoilt.add(piece.file.path)
                yield piece.file, why
            elif not isinstance(came, str):
                yield piece.file, came[2]
        self._weight -= weight


def _parted(body: dict[str, Any], message: Message) -> Iterator[str | tuple[int, int, bytes]]:
    """Of each piece size and time of its file, and what came of it; or why nothing did."""
    start = 0
    for told in body["found"]:
        if isinstance(told, str):
            yield told
            continue
        size, mtime, length, digest = told
        data = message.payload[start : start + length]
        start += length
        if named(data) != digest:
            raise LinkLost("what came is not what was read there")
        yield size, mtime, data


def _remains(reply: dict[str, Any]) -> Remains:
    ((_, tree),), ((_, artifacts),) = reply["trees"], reply["artifacts"]
    at = str(reply["at"])
    return Remains(at, _below(at, artifacts), _below(at, tree))


def _below(at: str, path: str) -> str:
    above, _, rest = path.partition(f"{at}/")
    if above or not rest:
        raise ValueError(f"{path} is not in {at}")
    return rest
