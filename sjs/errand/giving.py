"""Trees that are fetched from this machine: what there is, a page at a time, then the bytes that the client lacks."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Tuple, Union

from sjs import wire
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.workspace import STREAMS, TREE, artifacts_path, output_path
from sjs.errand.client import Client, Errand, Reply, Request, texts
from sjs.errand.folders import Opened
from sjs.errors import BadRequest
from sjs.trees.entries import BLOCK, FILE, FRAME, Piece, entry_of, named, piece_from
from sjs.trees.folder import Folder
from sjs.trees.patterns import patterns
from sjs.trees.walking import PAGE, page


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    one = Giving()
    return {"tree": one.tree, "get": one.get, "digest": one.digest, "outputs": outputs}


class Giving:
    """What one client fetches."""

    def __init__(self) -> None:
        self._opened = Opened()

    def tree(self, request: Request, client: Client, where: Places) -> Reply:
        """What of a folder matches `globs`, behind the path `after`; of it the first `most`. `others`: what cannot be
        carried is told, too."""
        folder = self._opened.at(request, where)
        after = wire.text(request, "after") if request.get("after") else ""
        with folder.told():
            most = wire.whole(request, "most", 1, PAGE, PAGE)
            found = page(folder, patterns(texts(request, "globs")), after, most, request.get("others") is True)
        return {"entries": found.entries, "troubles": found.troubles, "next": found.next}

    def get(self, request: Request, client: Client, where: Places) -> Reply:
        """The bytes of pieces; of each, size and time of its file as it is now and how many came, or why none did.
        `digests`: and what names these."""
        folder = self._opened.at(request, where)
        asked = request.get("pieces")
        pieces = [piece_from(one) for one in asked] if isinstance(asked, list) else []
        if not pieces or sum(piece.length for piece in pieces) > FRAME:
            raise BadRequest(f"'pieces' must be a list of pieces with at most {FRAME} bytes")
        read = [_read(folder, piece) for piece in pieces]
        client.enclosed = b"".join(data for data, _ in read)
        if request.get("digests") is True:
            return {"found": [found if isinstance(found, str) else [*found, named(data)] for data, found in read]}
        return {"found": [found for _, found in read]}

    def digest(self, request: Request, client: Client, where: Places) -> Reply:
        """What names some bytes of a file."""
        path = wire.text(request, "path")
        offset, count = wire.whole(request, "offset", 0, 2**62), wire.whole(request, "count", 1, BLOCK)
        folder = self._opened.at(request, where)
        with folder.told(path):
            return {"digest": folder.digest(path, offset, count)}


def outputs(request: Request, client: Client, where: Places) -> Reply:
    """Where the outputs of attempts are, as far as there are any, and what they are; and the folders of their
    own that those had which had a snapshot, or left artifacts."""
    asked = request.get("attempts")
    if not isinstance(asked, list) or len(asked) > wire.MAX_PAGE:
        raise BadRequest(f"'attempts' must be a list of at most {wire.MAX_PAGE} pairs")
    found = [one for pair in asked for one in _outputs(where, pair)]
    trees = [(pair[0], output_path(where.jobs, pair[0], pair[1], TREE)) for pair in asked]
    artifacts = [(pair[0], artifacts_path(where.jobs, pair[0], pair[1])) for pair in asked]
    return {"at": where.jobs, "found": found, "trees": trees, "artifacts": artifacts}


def _outputs(where: Places, pair: Any) -> Iterator[List[Any]]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(one) is int and one >= 0 for one in pair):
        raise BadRequest(f"no job and attempt: {pair!r:.40}")
    for stream in STREAMS:
        path = output_path(where.jobs, pair[0], pair[1], stream)
        try:
            found = os.lstat(path)
        except FileNotFoundError:  # it wrote nothing, or not yet, or it was cleaned away
            continue
        entry = entry_of(os.path.relpath(path, where.jobs), found)
        if entry is not None and entry.kind == FILE:
            yield [pair[0], stream, entry]


def _read(folder: Folder, piece: Piece) -> Tuple[bytes, Union[str, List[int]]]:
    try:
        came, file = folder.read(piece.file.path, piece.offset, piece.length)
    except OSError as error:
        return b"", error.strerror or str(error)
    if file is None:
        return b"", "is no file any more"
    return came, [file.size, file.mtime, len(came)]
