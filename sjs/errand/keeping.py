"""Takes trees of files that jobs are to run in: a client says what there is, brings what is lacking, and has it sealed.

Each object is checked as it comes, and stays: a client that was cut off brings only the rest.
"""

from __future__ import annotations

import zlib
from typing import Dict, List, Tuple

from sjs import spec_json, wire
from sjs.daemon.ground import owner
from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request, texts
from sjs.errors import BadRequest
from sjs.snapshots.store import Store

MAX_TOLD = 10_000
"""Names of one reply: who brings these asks again."""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"lacking": lacking, "keep": keep, "seal": seal}


def lacking(request: Request, client: Client, where: Places) -> Reply:
    """Which of these objects, and of those below them, are not here."""
    return {"lacking": _store(where).missing(texts(request, "names"))[:MAX_TOLD]}


def keep(request: Request, client: Client, where: Places) -> Reply:
    """Take pieces of objects: [name, offset, bytes, bytes of the whole], and all of these bytes, packed."""
    store = _store(where)
    data = _unpacked(client.payload)
    at = 0
    for name, offset, length, size in _pieces(request):
        if at + length > len(data):
            raise BadRequest("there are fewer bytes than pieces")
        store.take_piece(name, offset, data[at : at + length], size)
        at += length
    return {}


def seal(request: Request, client: Client, where: Places) -> Reply:
    """Have jobs use a tree, once it is here as a whole; else what of it is lacking."""
    digest = spec_json.digest("snapshot", request.get("snapshot"))
    return {"lacking": _store(where).seal(digest)[:MAX_TOLD]}


def _store(where: Places) -> Store:
    where.check()
    owner.make_private(where.snapshots)
    store = Store(where.snapshots)
    store.make()
    return store


def _unpacked(payload: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(payload, wire.MAX_FRAME)
    except zlib.error as error:
        raise BadRequest(f"what came cannot be unpacked: {error}") from None


def _pieces(request: Request) -> List[Tuple[str, int, int, int]]:
    pieces = request.get("pieces")
    if not isinstance(pieces, list):
        raise BadRequest("'pieces' must be a list")
    found: List[Tuple[str, int, int, int]] = []
    for one in pieces:
        if not (isinstance(one, list) and len(one) == 4 and isinstance(one[0], str)):
            raise BadRequest(f"{one!r:.40} is no piece of an object")
        if not all(type(number) is int and number >= 0 for number in one[1:]):
            raise BadRequest(f"{one!r:.40} is no piece of an object")
        found.append((one[0], one[1], one[2], one[3]))
    return found
