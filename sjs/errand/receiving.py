"""Trees that are sent to this machine: the client says what there is to be, is told what lacks, and sends that."""

from __future__ import annotations

import os
from typing import Any, Dict, List

from sjs import wire
from sjs.daemon.ground.places import Places
from sjs.errand.client import Client, Errand, Reply, Request, texts
from sjs.errand.folders import Opened, path_of
from sjs.errors import BadRequest
from sjs.trees.entries import BLOCK, entry_from, piece_from
from sjs.trees.landing import Landing


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    one = Receiving()
    return {"lay": one.lay, "put": one.put, "head": one.head, "remove": one.remove}


class Receiving:
    """What one client sends."""

    def __init__(self) -> None:
        self._opened = Opened()

    def lay(self, request: Request, client: Client, where: Places) -> Reply:
        """Make folders and links; of the files, say which lack, by their numbers, and how much has come of each."""
        entries = [entry_from(one) for one in _listed(request, "entries")]
        dry = request.get("dry") is True
        if dry and not os.path.isdir(path_of(request, where)):
            return {"new": True, "lacking": [[number, 0] for number in range(len(entries))]}
        landing = Landing(self._opened.at(request, where, make=not dry), dry)
        found = ((number, landing.lay(entry)) for number, entry in enumerate(entries))
        return {"lacking": [[number, come] for number, come in found if come is not None]}

    def put(self, request: Request, client: Client, where: Places) -> Reply:
        """Write pieces of files, whose bytes come one after the other."""
        landing = Landing(self._opened.at(request, where))
        pieces = [piece_from(one) for one in _listed(request, "pieces")]
        if sum(piece.length for piece in pieces) != len(client.payload):
            raise BadRequest("not as many bytes as the pieces have")
        offset = 0
        for piece in pieces:
            landing.put(piece, client.payload[offset : offset + piece.length])
            offset += piece.length
        return {}

    def head(self, request: Request, client: Client, where: Places) -> Reply:
        """What names some of the bytes that have come of a file."""
        file = entry_from(request.get("file"))
        offset, count = wire.whole(request, "offset", 0, file.size), wire.whole(request, "count", 1, BLOCK)
        return {"digest": Landing(self._opened.at(request, where)).head(file, offset, count)}

    def remove(self, request: Request, client: Client, where: Places) -> Reply:
        """Remove what has these paths, with all that is in it."""
        folder = self._opened.at(request, where)
        for path in texts(request, "paths"):
            with folder.told(path):
                folder.remove(path)
        return {}


def _listed(request: Request, name: str) -> List[Any]:
    value = request.get(name)
    if not isinstance(value, list):
        raise BadRequest(f"'{name}' must be a list")
    return value
