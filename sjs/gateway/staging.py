"""Where files are for as long as a request lasts. They have no name, so nobody has to remove them; folders have one,
and what a killed gateway has left of those goes when the next one begins."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from sjs.errors import NoSpace
from sjs.trees.folder import FULL


class Staging:
    """A folder of one gateway's own. Nothing in it is anything to who comes later."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        if os.path.isdir(folder):
            shutil.rmtree(folder)
        os.makedirs(folder, mode=0o700)

    def file(self) -> BinaryIO:
        """A file that is gone when it is closed."""
        with self.room():
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))

    @contextmanager
    def folder(self) -> Iterator[str]:
        """An empty folder, for as long as this lasts."""
        with self.room():
            path = tempfile.mkdtemp(dir=self._folder)
        try:
            yield path
        finally:
            shutil.rmtree(path)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Say so, where there is none left on the disk."""
        try:
            yield
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise NoSpace("the gateway has no room left for it", "try again later") from None
