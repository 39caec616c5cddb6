"""The folders of this machine that a client's requests are about, one after the other about the same."""

from __future__ import annotations

import os
from typing import Optional

from sjs import wire
from sjs.daemon.ground.places import Places
from sjs.errand.client import Request
from sjs.errors import BadRequest
from sjs.trees.entries import bytes_of
from sjs.trees.folder import Folder


def path_of(request: Request, where: Places) -> str:
    """The folder that a request names by `at`: below the project folder, or wherever an absolute path leads."""
    at = wire.text(request, "at")
    if b"\0" in bytes_of(at):
        raise BadRequest(f"no folder: {at!r:.80}")
    return os.path.normpath(os.path.join(where.root, os.path.expanduser(at)))


class Opened:
    """The folder that the last request was about, which stays open for the next."""

    def __init__(self) -> None:
        self._folder: Optional[Folder] = None

    def at(self, request: Request, where: Places, make: bool = False) -> Folder:
        """The folder that a request names."""
        path = path_of(request, where)
        if self._folder is None or self._folder.path != path:
            folder = Folder(path, make)
            if self._folder is not None:
                self._folder.close()
            self._folder = folder
        return self._folder
